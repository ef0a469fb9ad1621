//! Polling, and partitions that polls pass by.

use std::ptr;

use super::{ConsumerHandle, ask, ottla_consumer, with};
use crate::entry::enter;
use crate::error::ottla_error;
use crate::handle;
use crate::pointer::place;
use crate::records::{RecordsHandle, ottla_records};
use crate::status::ottla_status;
use crate::timeout::timeout;
use crate::topic_partition::{
    TopicPartitionsHandle, ottla_topic_partition, ottla_topic_partitions, topic_partitions,
};

/// Returns the next records: at once if there are any, else as soon as some are published, or none
/// when `timeout_ms` milliseconds (0: without waiting, -1: for ever) have passed. At most
/// max.poll.records of them. As a member of a group the consumer first comes to what the group
/// decided, which may call the rebalance callbacks; and the callbacks of commits that have ended are
/// called.
///
/// Ownership: `*records` is the program's, until ottla_records_free; NULL if there are none.
/// Threads: one at a time. ottla_consumer_wakeup ends it from another thread.
/// Returns: OTTLA_OK, also without records. OTTLA_E_INVALID_INPUT without a subscription or an
/// assignment, and within a rebalance callback; OTTLA_E_OFFSET_OUT_OF_RANGE if a position does not
/// exist and auto.offset.reset is none; OTTLA_E_FENCED if another member took this one's
/// group.instance.id; OTTLA_E_CORRUPT or OTTLA_E_IO for a partition that cannot be read: its
/// position is not moved, and no record of others is lost; OTTLA_E_CLOSED when the broker is
/// abandoned, also meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_poll(
    consumer: *mut ottla_consumer,
    timeout_ms: i64,
    records: *mut *mut ottla_records,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(records, "records") }?;
        let timeout = timeout(timeout_ms)?;
        let polled = with(consumer, |consumer| Ok(consumer.poll(timeout)?))?;
        place.write(match polled.is_empty() {
            true => ptr::null_mut(),
            false => RecordsHandle::of_poll(polled).give()?,
        });
        Ok(())
    })
}

/// Lets the poll that waits in another thread return at once: with OTTLA_OK and without records; if
/// none waits, the next one that would. No record is lost with it. Several calls before that are as
/// one.
///
/// Threads: any.
/// Returns: OTTLA_OK, also if the consumer was closed; OTTLA_E_INVALID_HANDLE if it was freed.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_consumer_wakeup(
    consumer: *const ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        handle::get::<ConsumerHandle, _>(consumer)?.wakeup.wakeup();
        Ok(())
    })
}

/// Polls return nothing of these partitions until they are resumed. Their positions stay as they
/// are.
///
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was paused then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_pause(
    consumer: *mut ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let partitions = unsafe { topic_partitions(partitions, partition_count) }?;
            Ok(consumer.pause(partitions)?)
        })
    })
}

/// Polls return records of these partitions again. Those that are not paused stay so.
///
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was resumed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_resume(
    consumer: *mut ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let partitions = unsafe { topic_partitions(partitions, partition_count) }?;
            Ok(consumer.resume(partitions)?)
        })
    })
}

/// The partitions that are paused.
///
/// Ownership: `*partitions` is the program's, until ottla_topic_partitions_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_paused(
    consumer: *const ottla_consumer,
    partitions: *mut *mut ottla_topic_partitions,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(partitions, "partitions") }?;
        let paused = ask(consumer, |consumer| Ok(consumer.paused()))?;
        place.write(handle::give(TopicPartitionsHandle::of_partitions(paused))?);
        Ok(())
    })
}
