//! Setting the offsets of a group.

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Duration;

use ottla::{OffsetChange, OffsetReset};

use super::scope;
use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, place_or_none, text};
use crate::status::ottla_status;
use crate::topic_partition::ottla_topic_partition;

/// Sets offsets to the first that can be read. `value` does not count.
pub const OTTLA_RESET_EARLIEST: i32 = 0;

/// Sets offsets to the end. `value` does not count.
pub const OTTLA_RESET_LATEST: i32 = 1;

/// Sets offsets to `value`, or to the nearest that there is.
pub const OTTLA_RESET_OFFSET: i32 = 2;

/// Sets offsets to the first record whose timestamp is `value` (milliseconds since 1970) or later;
/// to the end if there is none.
pub const OTTLA_RESET_TIMESTAMP: i32 = 3;

/// Sets offsets to the first record that is not older than `value` milliseconds.
pub const OTTLA_RESET_DURATION: i32 = 4;

/// Moves offsets on by `value` records, or back if it is negative; within what there is.
pub const OTTLA_RESET_SHIFT_BY: i32 = 5;

/// Leaves offsets where they are, or at the end where nothing was committed: what is out of range is
/// set right. `value` does not count.
pub const OTTLA_RESET_CURRENT: i32 = 6;

fn reset_of(to: i32, value: i64) -> Result<OffsetReset, Failure> {
    Ok(match to {
        OTTLA_RESET_EARLIEST => OffsetReset::Earliest,
        OTTLA_RESET_LATEST => OffsetReset::Latest,
        OTTLA_RESET_OFFSET => OffsetReset::Offset(value),
        OTTLA_RESET_TIMESTAMP => OffsetReset::Timestamp(value),
        OTTLA_RESET_DURATION => match u64::try_from(value) {
            Ok(age_ms) => OffsetReset::Duration(Duration::from_millis(age_ms)),
            Err(_) => return Err(Failure::invalid(format!("an age of {value} ms cannot be"))),
        },
        OTTLA_RESET_SHIFT_BY => OffsetReset::ShiftBy(value),
        OTTLA_RESET_CURRENT => OffsetReset::Current,
        _ => return Err(Failure::invalid(format!("{to} is no OTTLA_RESET_..."))),
    })
}

/// What a reset does with one partition.
///
/// Ownership: the topic is that of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_offset_change {
    /// The topic's name.
    pub topic: *const c_char,
    /// The partition's number.
    pub partition: i32,
    /// Zero.
    pub reserved: u32,
    /// What was committed before; -1 if nothing was.
    pub before: i64,
    /// What is committed now, or would be.
    pub after: i64,
}

/// What a reset did, or would do, partition by partition.
///
/// Ownership: the program's, until ottla_offset_changes_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_offset_changes {
    _opaque: [u8; 0],
}

struct OffsetChangesHandle {
    changes: Vec<(CString, OffsetChange)>,
}

impl Handle for OffsetChangesHandle {
    const KIND: u8 = 18;
    const NAME: &'static str = "a list of changes of offsets";
}

/// Sets the offsets of a group to where `to` (OTTLA_RESET_EARLIEST, ...) and `value` say: of these
/// partitions; of all partitions of topics, which have the partition -1; of all that it committed if
/// none are named. With `dry_run` nothing changes. The group is made if there is none. When it
/// returns OTTLA_OK the offsets survive power loss, all or none.
///
/// Ownership: `*changes` is the program's, until ottla_offset_changes_free.
/// Threads: any.
/// NULL: `partitions`, if there are none; `changes`, if they are of no interest.
/// Returns: OTTLA_E_GROUP_NOT_EMPTY while the group has members;
/// OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a shift where nothing was
/// committed, and for topics and partitions together. Nothing was changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_group_reset_offsets(
    broker: *mut ottla_broker,
    group: *const c_char,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    to: i32,
    value: i64,
    dry_run: bool,
    changes: *mut *mut ottla_offset_changes,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let place = unsafe { place_or_none(changes, "changes") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let group = unsafe { text(group, "the name of the group") }?;
        // SAFETY: the program promises as many partitions.
        let scope = unsafe { scope(partitions, partition_count) }?;
        let to = reset_of(to, value)?;
        let changed = broker.inner().reset_offsets(group, &scope, to, dry_run)?;
        if let Some(place) = place {
            let with_topic =
                |change: OffsetChange| (c_text(change.partition.topic.as_str()), change);
            let changes = changed.into_iter().map(with_topic).collect();
            place.write(handle::give(OffsetChangesHandle { changes })?);
        }
        Ok(())
    })
}

/// How many changes are in the list; 0 if `changes` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_offset_changes_count(changes: *const ottla_offset_changes) -> usize {
    enter_or(0, || Ok(handle::get::<OffsetChangesHandle, _>(changes)?.changes.len()))
}

/// Writes the change at `index`, from 0, to `*change`.
///
/// Ownership: the topic is the list's, valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_offset_changes_get(
    changes: *const ottla_offset_changes,
    index: usize,
    change: *mut ottla_offset_change,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(change, "change") }?;
        let list = handle::get::<OffsetChangesHandle, _>(changes)?;
        let (topic, change) = at(&list.changes, index, "changes")?;
        place.write(ottla_offset_change {
            topic: topic.as_ptr(),
            partition: change.partition.partition,
            reserved: 0,
            before: change.before.unwrap_or(-1),
            after: change.after,
        });
        Ok(())
    })
}

/// Frees a list of changes. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_offset_changes_free(changes: *mut ottla_offset_changes) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !changes.is_null() {
            handle::take::<OffsetChangesHandle, _>(changes)?;
        }
        Ok(())
    })
}
