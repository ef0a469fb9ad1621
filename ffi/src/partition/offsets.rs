//! What a partition says of itself, and what is cut off it.

use ottla::PartitionHandle;

use super::{PartitionObject, ottla_partition};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::pointer::place;
use crate::status::ottla_status;

/// What stands for an offset or a timestamp where there is none.
const NONE: i64 = -1;

/// Writes what `ask` finds out.
///
/// # Safety
/// As [`place`].
unsafe fn tell<T>(
    partition: *const ottla_partition,
    (result, what): (*mut T, &str),
    error: *mut *mut ottla_error,
    ask: impl FnOnce(&PartitionHandle) -> ottla::Result<T>,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the caller's promise is the same.
        let place = unsafe { place(result, what) }?;
        place.write(ask(PartitionObject::of(partition)?.inner())?);
        Ok(())
    })
}

/// Sets `*offset` to the first offset that can be read.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_E_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_log_start_offset(
    partition: *const ottla_partition,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (offset, "offset"), error, |it| Ok(it.log_start_offset())) }
}

/// Sets `*offset` to the offset behind the newest record that can be read: the next record gets it.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_E_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_end_offset(
    partition: *const ottla_partition,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (offset, "offset"), error, |it| Ok(it.end_offset())) }
}

/// Sets `*offset` to the end for readers of committed records: the first offset of the earliest
/// transaction that is still open.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_E_IO, OTTLA_E_CORRUPT if the state of the producers cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_last_stable_offset(
    partition: *const ottla_partition,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (offset, "offset"), error, PartitionHandle::last_stable_offset) }
}

/// Sets `*bytes` to the bytes of the partition's segments.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_E_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_size_bytes(
    partition: *const ottla_partition,
    bytes: *mut u64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (bytes, "bytes"), error, |it| Ok(it.size_bytes())) }
}

/// Whether the partition can be written: OTTLA_OK, or the code of its damage, with the error that
/// says where it is.
///
/// Threads: any number at the same time.
/// Returns: OTTLA_OK; OTTLA_E_CORRUPT or another code for a damaged one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_damage(
    partition: *const ottla_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || match PartitionObject::of(partition)?.inner().damage() {
        None => Ok(()),
        Some(damage) => Err(damage.into()),
    })
}

/// Deletes the records below `offset` (-1: all of them): moves the log start offset there, and sets
/// `*log_start` to where it is then. When it returns OTTLA_OK the records are gone for good.
///
/// Threads: any number at the same time.
/// NULL: nothing.
/// Returns: OTTLA_E_OFFSET_OUT_OF_RANGE beyond the end; OTTLA_E_INVALID_INPUT if cleanup.policy does
/// not contain delete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_delete_records(
    partition: *mut ottla_partition,
    offset: i64,
    log_start: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (log_start, "log_start"), error, |it| it.delete_records(offset)) }
}

/// Cuts off all records from `offset` on: the next record gets that offset. Batches go whole: if it
/// lies within one, the log ends where that one began. Sets `*end` to the new end. What groups
/// committed behind it is set back to it before. When it returns OTTLA_OK the records do not come
/// back.
///
/// Threads: any number at the same time.
/// NULL: nothing.
/// Returns: OTTLA_E_OFFSET_OUT_OF_RANGE outside of what the partition holds; OTTLA_E_INVALID_INPUT
/// for a topic that Kafka keeps for itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_truncate_to(
    partition: *mut ottla_partition,
    offset: i64,
    end: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place.
    unsafe { tell(partition, (end, "end"), error, |it| it.truncate_to(offset)) }
}

/// The first record, by position in the log, whose timestamp is `timestamp` or later: sets `*offset`
/// and `*found_timestamp` to what it has, and to -1 if there is none.
///
/// Threads: any number at the same time.
/// NULL: nothing.
/// Returns: OTTLA_E_CORRUPT, OTTLA_E_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_offset_for_timestamp(
    partition: *const ottla_partition,
    timestamp: i64,
    offset: *mut i64,
    found_timestamp: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    let ask = |it: &PartitionHandle| it.offset_for_timestamp(timestamp);
    // SAFETY: the program promises places.
    enter(error, || unsafe { tell_both(partition, offset, found_timestamp, ask) })
}

/// The record with the greatest timestamp: sets `*offset` to its offset (that of the last record of
/// its batch) and `*timestamp` to its timestamp, and both to -1 if there is none.
///
/// Threads: any number at the same time.
/// NULL: nothing.
/// Returns: OTTLA_E_CORRUPT, OTTLA_E_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_offset_of_max_timestamp(
    partition: *const ottla_partition,
    offset: *mut i64,
    timestamp: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    let ask = PartitionHandle::offset_of_max_timestamp;
    // SAFETY: the program promises places.
    enter(error, || unsafe { tell_both(partition, offset, timestamp, ask) })
}

/// # Safety
/// As [`place`].
unsafe fn tell_both(
    partition: *const ottla_partition,
    offset: *mut i64,
    timestamp: *mut i64,
    ask: impl FnOnce(&PartitionHandle) -> ottla::Result<Option<(i64, i64)>>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let (offset, timestamp) = unsafe { (place(offset, "offset")?, place(timestamp, "timestamp")?) };
    let found = ask(PartitionObject::of(partition)?.inner())?;
    let (found_offset, found_timestamp) = found.unwrap_or((NONE, NONE));
    offset.write(found_offset);
    timestamp.write(found_timestamp);
    Ok(())
}
