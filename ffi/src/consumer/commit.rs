//! Committing offsets, and asking for those that are committed.

use std::ffi::c_void;
use std::sync::Arc;

use ottla::{OffsetAndMetadata, TopicName, TopicPartition};

use super::callbacks::{Callbacks, Committed, UserData};
use super::{ConsumerHandle, ask, ottla_consumer, with};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle;
use crate::offsets::{OffsetArray, offsets, ottla_offset, ottla_offsets};
use crate::pointer::place;
use crate::status::ottla_status;
use crate::topic_partition::{ottla_topic_partition, topic_partitions};

/// Is told how a commit without waiting ended: what was committed, `status` OTTLA_OK or why it was
/// not, with an `error` that is NULL for OTTLA_OK. It runs at the end of a call of `consumer`, on the
/// thread that made it, in the order of the commits; the consumer may be used within.
///
/// Ownership: `offsets` and `error` are the library's, and gone when the callback returns.
pub type ottla_commit_callback = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        consumer: *mut ottla_consumer,
        offsets: *const ottla_offset,
        count: usize,
        status: ottla_status,
        error: *const ottla_error,
    ),
>;

/// Commits the positions of all partitions: the group goes on behind the records that polls
/// returned so far. Earlier commits without waiting end first.
///
/// When it returns OTTLA_OK the offsets, and the records below them, survive power loss.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id; OTTLA_E_FENCED if the group does not count
/// this member any more; OTTLA_E_GROUP_NOT_EMPTY if partitions were assigned by hand and the group
/// has members; what writing says.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_consumer_commit(
    consumer: *mut ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || with(consumer, |consumer| Ok(consumer.commit()?)))
}

/// Commits given offsets, each the one of the next record to read, perhaps with a note.
///
/// When it returns OTTLA_OK the offsets survive power loss.
///
/// Threads: one at a time.
/// NULL: `offsets`, if there are none.
/// Returns: as ottla_consumer_commit; OTTLA_E_INVALID_INPUT for a partition that the member does not
/// own and a negative offset, OTTLA_E_OFFSET_OUT_OF_RANGE for one behind the end. Nothing was
/// committed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_commit_offsets(
    consumer: *mut ottla_consumer,
    offsets: *const ottla_offset,
    offset_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many offsets.
            let named = unsafe { self::offsets(offsets, offset_count) }?;
            Ok(consumer.commit_offsets(named)?)
        })
    })
}

/// As ottla_consumer_commit, without waiting. The callback gets the outcome later, at the end of a
/// poll, a commit, a close or a free of this consumer. If a thousand commits are under way, it waits
/// for them.
///
/// Ownership: what `user_data` leads to has to stay until the callback was called, or the consumer
/// was freed.
/// Threads: one at a time.
/// NULL: `callback`, if nobody is to be told.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id. Everything else is told to the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_commit_async(
    consumer: *mut ottla_consumer,
    callback: ottla_commit_callback,
    user_data: *mut c_void,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let note = noting(consumer, callback, user_data)?;
        with(consumer, |consumer| Ok(consumer.commit_async(note)?))
    })
}

/// As ottla_consumer_commit_offsets, without waiting, and ottla_consumer_commit_async.
///
/// Ownership: as for ottla_consumer_commit_async.
/// Threads: one at a time.
/// NULL: `offsets`, if there are none; `callback`, if nobody is to be told.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id, and for what is no name of a topic. Everything
/// else is told to the callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_commit_offsets_async(
    consumer: *mut ottla_consumer,
    offsets: *const ottla_offset,
    offset_count: usize,
    callback: ottla_commit_callback,
    user_data: *mut c_void,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let note = noting(consumer, callback, user_data)?;
        with(consumer, |consumer| {
            // SAFETY: the program promises as many offsets.
            let named = unsafe { self::offsets(offsets, offset_count) }?;
            Ok(consumer.commit_offsets_async(named, note)?)
        })
    })
}

type Note = Box<dyn FnOnce(&[(TopicPartition, OffsetAndMetadata)], ottla::Result<()>) + Send>;

/// What the library calls: the program's callback comes when the consumer is free again.
fn noting(
    consumer: *const ottla_consumer,
    callback: ottla_commit_callback,
    user_data: *mut c_void,
) -> Result<Note, Failure> {
    let object = handle::get::<ConsumerHandle, _>(consumer)?;
    let callbacks: Arc<Callbacks> = Arc::clone(&object.callbacks);
    let user_data = UserData(user_data);
    Ok(Box::new(move |offsets, result| {
        callbacks.note(Committed { callback, user_data, offsets: offsets.to_vec(), result });
    }))
}

/// What the group committed of partitions, which need not be assigned: `*committed` has one entry
/// for each of them, in their order, with the offset -1 where nothing was.
///
/// Ownership: `*committed` is the program's, until ottla_offsets_free.
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id; OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; what
/// reading says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_committed(
    consumer: *const ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    committed: *mut *mut ottla_offsets,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(committed, "committed") }?;
        let found = ask(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let named = unsafe { topic_partitions(partitions, partition_count) }?;
            let mut found = Vec::with_capacity(named.len());
            for (topic, partition) in named {
                let committed = consumer.committed(topic, partition)?;
                found.push((TopicPartition::new(TopicName::new(topic)?, partition), committed));
            }
            Ok(found)
        })?;
        let each = found.iter().map(|(at, committed)| (at, committed.as_ref()));
        place.write(OffsetArray::of_each(each).give()?);
        Ok(())
    })
}
