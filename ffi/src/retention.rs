//! Retention: deleting what is given up, and what is kept for the groups that are waited for.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{RetentionHold, RetentionOutcome};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, place_or_none};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// What retention deleted, partition by partition.
///
/// Ownership: the program's, until ottla_retention_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_retention {
    _opaque: [u8; 0],
}

/// What retention deleted in one partition.
///
/// Ownership: the text is that of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_retention_outcome {
    /// Set it to sizeof(ottla_retention_outcome).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// The new log start offset.
    pub log_start_offset: i64,
    /// How many segments went.
    pub segments: u64,
    /// How many bytes of records went.
    pub bytes: u64,
    /// Whether some of it went although a group of ottla.retention.groups had not committed it:
    /// ottla.retention.groups.max.bytes was reached.
    pub is_over_cap: bool,
    /// Zero.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_retention_outcome {}

pub(crate) struct RetentionHandle {
    outcomes: Vec<(CString, RetentionOutcome)>,
}

impl Handle for RetentionHandle {
    const KIND: u8 = 25;
    const NAME: &'static str = "a list of what retention deleted";
}

/// Deletes what retention.ms and retention.bytes of the topics give up, now. What the groups of
/// ottla.retention.groups have not committed stays, up to ottla.retention.groups.max.bytes.
///
/// Ownership: `*retention` is the program's, until ottla_retention_free.
/// Threads: any.
/// NULL: `retention`, if nobody asks what was deleted.
/// Returns: the first failure, after which the other partitions are still looked at;
/// OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_retention_run(
    broker: *mut ottla_broker,
    retention: *mut *mut ottla_retention,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let place = unsafe { place_or_none(retention, "retention") }?;
        let outcomes = BrokerHandle::of(broker)?.inner().run_retention()?;
        if let Some(place) = place {
            let named =
                |outcome: RetentionOutcome| (c_text(outcome.partition.topic.as_str()), outcome);
            let outcomes = outcomes.into_iter().map(named).collect();
            place.write(handle::give(RetentionHandle { outcomes })?);
        }
        Ok(())
    })
}

/// In how many partitions something was deleted; 0 if `retention` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_retention_count(retention: *const ottla_retention) -> usize {
    enter_or(0, || Ok(handle::get::<RetentionHandle, _>(retention)?.outcomes.len()))
}

/// What was deleted in one partition: `index` counts from 0.
///
/// Ownership: the text in `*outcome` is the list's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `outcome->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_retention_get(
    retention: *const ottla_retention,
    index: usize,
    outcome: *mut ottla_retention_outcome,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<RetentionHandle, _>(retention)?;
        let (topic, found) = at(&list.outcomes, index, "partitions")?;
        let known = ottla_retention_outcome {
            struct_size: 0,
            partition: found.partition.partition,
            topic: topic.as_ptr(),
            log_start_offset: found.log_start_offset,
            segments: found.segments as u64,
            bytes: found.bytes,
            is_over_cap: found.over_cap,
            reserved: [0; 7],
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(outcome, &known, "outcome") }
    })
}

/// Frees a list of what retention deleted. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_retention_free(retention: *mut ottla_retention) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !retention.is_null() {
            handle::take::<RetentionHandle, _>(retention)?;
        }
        Ok(())
    })
}

/// What retention keeps for the groups that it waits for: a row for each partition and group of the
/// topics that name some in ottla.retention.groups.
///
/// Ownership: the program's, until ottla_retention_holds_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_retention_holds {
    _opaque: [u8; 0],
}

/// How far a group that retention waits for has come in a partition, and what is kept for it.
///
/// Ownership: the texts are those of the list that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_retention_hold {
    /// Set it to sizeof(ottla_retention_hold).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// The group, as ottla.retention.groups names it.
    pub group: *const c_char,
    /// What it committed; -1 if nothing: then it needs everything.
    pub committed: i64,
    /// The first offset that can be read.
    pub log_start_offset: i64,
    /// The offset behind the newest record.
    pub end_offset: i64,
    /// The bytes of segments that retention would delete now, but for this group.
    pub held_bytes: u64,
    /// The offsets in those segments.
    pub held_records: i64,
    /// Whether ottla.retention.groups.max.bytes let records go that this group had not committed,
    /// since the directory was opened, or will when retention looks again.
    pub is_over_cap: bool,
    /// Zero.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_retention_hold {}

pub(crate) struct RetentionHoldsHandle {
    holds: Vec<Hold>,
}

struct Hold {
    topic: CString,
    group: CString,
    hold: RetentionHold,
}

impl Handle for RetentionHoldsHandle {
    const KIND: u8 = 26;
    const NAME: &'static str = "a list of what retention keeps";
}

/// What retention keeps now for the groups that it waits for.
///
/// Ownership: `*holds` is the program's, until ottla_retention_holds_free.
/// Threads: any.
/// Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading committed offsets and the age of segments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_retention_holds_list(
    broker: *mut ottla_broker,
    holds: *mut *mut ottla_retention_holds,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(holds, "holds") }?;
        let report = BrokerHandle::of(broker)?.inner().retention_report()?;
        let named = |hold: RetentionHold| Hold {
            topic: c_text(hold.partition.topic.as_str()),
            group: c_text(&hold.group),
            hold,
        };
        let holds = report.into_iter().map(named).collect();
        place.write(handle::give(RetentionHoldsHandle { holds })?);
        Ok(())
    })
}

/// How many rows the list has; 0 if `holds` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_retention_holds_count(holds: *const ottla_retention_holds) -> usize {
    enter_or(0, || Ok(handle::get::<RetentionHoldsHandle, _>(holds)?.holds.len()))
}

/// One row of the list: `index` counts from 0.
///
/// Ownership: the texts in `*hold` are the list's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `hold->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_retention_holds_get(
    holds: *const ottla_retention_holds,
    index: usize,
    hold: *mut ottla_retention_hold,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<RetentionHoldsHandle, _>(holds)?;
        let Hold { topic, group, hold: found } = at(&list.holds, index, "rows")?;
        let known = ottla_retention_hold {
            struct_size: 0,
            partition: found.partition.partition,
            topic: topic.as_ptr(),
            group: group.as_ptr(),
            committed: found.committed.unwrap_or(-1),
            log_start_offset: found.log_start_offset,
            end_offset: found.end_offset,
            held_bytes: found.held_bytes,
            held_records: found.held_records,
            is_over_cap: found.over_cap,
            reserved: [0; 7],
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(hold, &known, "hold") }
    })
}

/// Frees a list of what retention keeps. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_retention_holds_free(holds: *mut ottla_retention_holds) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !holds.is_null() {
            handle::take::<RetentionHoldsHandle, _>(holds)?;
        }
        Ok(())
    })
}
