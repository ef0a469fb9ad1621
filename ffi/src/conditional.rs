//! Appending to a stream, and to a partition on the condition that a key's newest record is still
//! the expected one.
//!
//! Not here: the condition that a partition ends where it is expected to (`partition`).

use crate::append::{acks, messages, ottla_appended, tell_where};
use crate::bytes::ottla_record;
use crate::entry::enter;
use crate::error::ottla_error;
use crate::partition::{PartitionObject, ottla_partition};
use crate::pointer::bytes;
use crate::status::ottla_status;
use crate::stream::{StreamHandle, expected_version, ottla_stream};

/// Appends records to a stream, as one batch: all of them, or none. Each gets the stream's key; it
/// needs none of its own. With a `version` other than OTTLA_VERSION_ANY only if that is still the
/// stream's version: an offset, or OTTLA_VERSION_NO_STREAM for one without a record. Of several who
/// expect the same version at most one succeeds, whatever their acks.
///
/// When it returns OTTLA_OK, what `acks` names has happened: OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER or
/// OTTLA_ACKS_ALL.
///
/// Ownership: the records are copied.
/// Threads: any number at the same time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
/// key that are newer than the expected one; OTTLA_E_INVALID_INPUT also for a record with another key;
/// otherwise as ottla_partition_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_append(
    stream: *mut ottla_stream,
    records: *const ottla_record,
    count: usize,
    acks: i32,
    version: i64,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    let append = || {
        let owner = StreamHandle::of(stream)?;
        let acks = self::acks(acks)?;
        let version = expected_version(version)?;
        // SAFETY: the program promises as many records.
        let messages = unsafe { messages(records, count, owner.stream.partition().partition) }?;
        Ok(owner.stream.expect_version(version).append(&messages, acks)?)
    };
    // SAFETY: the program promises a place, or NULL.
    enter(error, || unsafe { tell_where(appended, append) })
}

/// As ottla_partition_append, if the newest record of a key in this partition is still the one with
/// the offset `version`, or, with OTTLA_VERSION_NO_STREAM, if there is none. The records may have any
/// keys. The topic needs ottla.key.index=true.
///
/// Ownership: key and records are copied.
/// Threads: any number at the same time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
/// key that are newer than the expected one; otherwise as ottla_partition_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_partition_append_expecting_version(
    partition: *mut ottla_partition,
    key: *const u8,
    key_length: usize,
    version: i64,
    records: *const ottla_record,
    count: usize,
    acks: i32,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    let append = || {
        let owner = PartitionObject::of(partition)?;
        let acks = self::acks(acks)?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        let version = expected_version(version)?;
        // SAFETY: the program promises as many records.
        let messages = unsafe { messages(records, count, owner.number()) }?;
        Ok(owner.inner().appender(acks).expect_version(key, version).append(&messages)?)
    };
    // SAFETY: the program promises a place, or NULL.
    enter(error, || unsafe { tell_where(appended, append) })
}
