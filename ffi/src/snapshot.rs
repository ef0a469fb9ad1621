//! Snapshots: all partitions and groups as of one moment.

use std::ffi::c_char;
use std::ptr;

use ottla::{Snapshot, SnapshotReader, TopicName, TopicPartition};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::Mutex;
use crate::offsets::{OffsetArray, ottla_offsets};
use crate::pointer::{place, text};
use crate::records::{RecordsHandle, ottla_records};
use crate::status::{OTTLA_E_CONCURRENT_USE, ottla_status};
use crate::topic_partition::{names, ottla_topic_partition, topic_partitions};

/// All partitions as of one moment, to be read at leisure. Of every transaction it has all or nothing,
/// whatever the partitions and groups. It copies nothing and holds up nobody; what the log gives up
/// meanwhile (retention, a cut, compaction) is an error of the read, never a gap.
///
/// Ownership: the program's, until ottla_snapshot_free.
/// Threads: any number at the same time.
pub struct ottla_snapshot {
    _opaque: [u8; 0],
}

/// Reads a partition up to where a snapshot says that it ended.
///
/// Ownership: the program's, until ottla_snapshot_reader_free. It may outlive the snapshot.
/// Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
pub struct ottla_snapshot_reader {
    _opaque: [u8; 0],
}

pub(crate) struct SnapshotHandle {
    snapshot: Snapshot,
    broker: u64,
}

impl Handle for SnapshotHandle {
    const KIND: u8 = 42;
    const NAME: &'static str = "a snapshot";
}

pub(crate) struct SnapshotReaderHandle {
    topic: String,
    reader: Mutex<SnapshotReader>,
}

impl Handle for SnapshotReaderHandle {
    const KIND: u8 = 43;
    const NAME: &'static str = "a reader of a snapshot";

    fn describe(&self) -> String {
        format!("a reader of a snapshot of {}", self.topic)
    }
}

/// Takes a snapshot of all partitions, and of what these groups have committed at the same moment.
///
/// Ownership: `*snapshot` is the program's, until ottla_snapshot_free.
/// Threads: any.
/// NULL: `groups`, if there are none.
/// Returns: OTTLA_E_CLOSED; OTTLA_E_CORRUPT, OTTLA_E_IO from reading committed offsets, the first time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_new(
    broker: *mut ottla_broker,
    groups: *const *const c_char,
    group_count: usize,
    snapshot: *mut *mut ottla_snapshot,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(snapshot, "snapshot") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises as many texts.
        let groups = unsafe { names(groups, group_count, "groups") }?;
        let snapshot = parent.inner().snapshot_with_groups(&groups)?;
        let number = handle::number(broker);
        let taken = SnapshotHandle { snapshot, broker: number };
        result.write(handle::give_child(taken, number)?);
        Ok(())
    })
}

/// All partitions, and where each ended.
///
/// Ownership: `*offsets` is the program's, until ottla_offsets_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_end_offsets(
    snapshot: *const ottla_snapshot,
    offsets: *mut *mut ottla_offsets,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(offsets, "offsets") }?;
        let ends = handle::get::<SnapshotHandle, _>(snapshot)?.snapshot.end_offsets();
        result.write(OffsetArray::of_ends(ends).give()?);
        Ok(())
    })
}

/// What a group had committed of partitions: `*committed` has one entry for each of them, in their
/// order, with the offset -1 where nothing was.
///
/// Ownership: `*committed` is the program's, until ottla_offsets_free.
/// Threads: any.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT for a group that the snapshot was taken without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_committed(
    snapshot: *const ottla_snapshot,
    group: *const c_char,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    committed: *mut *mut ottla_offsets,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(committed, "committed") }?;
        let owner = handle::get::<SnapshotHandle, _>(snapshot)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the group") }?;
        // SAFETY: the program promises as many partitions.
        let named = unsafe { topic_partitions(partitions, partition_count) }?;
        let mut found = Vec::with_capacity(named.len());
        for (topic, partition) in named {
            let committed = owner.snapshot.committed(group, topic, partition)?;
            found.push((TopicPartition::new(TopicName::new(topic)?, partition), committed));
        }
        let each = found.iter().map(|(at, committed)| (at, *committed));
        result.write(OffsetArray::of_each(each).give()?);
        Ok(())
    })
}

/// Writes what `find` says of a partition.
///
/// # Safety
/// As [`place`] and [`text`].
unsafe fn tell_offset(
    snapshot: *const ottla_snapshot,
    (topic, partition): (*const c_char, i32),
    offset: *mut i64,
    find: impl FnOnce(&Snapshot, &str, i32) -> ottla::Result<i64>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let result = unsafe { place(offset, "offset") }?;
    let owner = handle::get::<SnapshotHandle, _>(snapshot)?;
    // SAFETY: the caller's promise is the same.
    let topic = unsafe { text(topic, "the topic") }?;
    result.write(find(&owner.snapshot, topic, partition)?);
    Ok(())
}

/// Sets `*offset` to where a partition ended: the offset behind its newest record.
///
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_end_offset(
    snapshot: *const ottla_snapshot,
    topic: *const c_char,
    partition: i32,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place and text.
    enter(error, || unsafe {
        tell_offset(snapshot, (topic, partition), offset, Snapshot::end_offset)
    })
}

/// Sets `*offset` to where a partition began: the offset of its oldest record.
///
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_log_start_offset(
    snapshot: *const ottla_snapshot,
    topic: *const c_char,
    partition: i32,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place and text.
    enter(error, || unsafe {
        tell_offset(snapshot, (topic, partition), offset, Snapshot::log_start_offset)
    })
}

/// Begins to read a partition from an offset on up to where it ended. Records of transactions that
/// another program aborted are left out.
///
/// Ownership: `*reader` is the program's, until ottla_snapshot_reader_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition, or its topic was
/// deleted since; OTTLA_E_OFFSET_OUT_OF_RANGE for an offset that it did not have, and for one whose
/// record was deleted since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_read(
    snapshot: *const ottla_snapshot,
    topic: *const c_char,
    partition: i32,
    from: i64,
    reader: *mut *mut ottla_snapshot_reader,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(reader, "reader") }?;
        let owner = handle::get::<SnapshotHandle, _>(snapshot)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        let reader = Mutex::new(owner.snapshot.read(topic, partition, from)?);
        let made = SnapshotReaderHandle { topic: topic.to_owned(), reader };
        result.write(handle::give_child(made, owner.broker)?);
        Ok(())
    })
}

/// The next records, about a megabyte of them. `*records` is set to NULL at the end.
///
/// Ownership: `*records` is the program's, until ottla_records_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_OFFSET_OUT_OF_RANGE if records that the snapshot has are not there any more;
/// OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted; OTTLA_E_CORRUPT, OTTLA_E_IO;
/// OTTLA_E_CLOSED; OTTLA_E_CONCURRENT_USE. After an error there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_snapshot_reader_next(
    reader: *mut ottla_snapshot_reader,
    records: *mut *mut ottla_records,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(records, "records") }?;
        let owner = handle::get::<SnapshotReaderHandle, _>(reader)?;
        let Some(mut inside) = owner.reader.try_lock() else {
            let message = "another thread is inside of this reader of a snapshot";
            return Err(Failure::new(OTTLA_E_CONCURRENT_USE, message));
        };
        result.write(match inside.next_records()? {
            Some(records) => RecordsHandle::of_poll(records).give()?,
            None => ptr::null_mut(),
        });
        Ok(())
    })
}

/// Frees a reader. NULL is fine.
///
/// Threads: any, once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_snapshot_reader_free(reader: *mut ottla_snapshot_reader) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !reader.is_null() {
            handle::take::<SnapshotReaderHandle, _>(reader)?;
        }
        Ok(())
    })
}

/// Frees a snapshot. NULL is fine.
///
/// Threads: any, once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_snapshot_free(snapshot: *mut ottla_snapshot) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !snapshot.is_null() {
            handle::take::<SnapshotHandle, _>(snapshot)?;
        }
        Ok(())
    })
}
