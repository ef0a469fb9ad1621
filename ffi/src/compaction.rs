//! Compaction that a program asks for.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use ottla::{CompactionOptions, CompactionOutcome};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place_or_none, text};
use crate::progress::{ottla_progress, progress_of};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill, options, unused};

/// How a compaction works. All zeros but the size is the default.
///
/// Ownership: the program's; read during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_compaction_options {
    /// Set it to sizeof(ottla_compaction_options).
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Called with the bytes read and written so far, and about how many there will be; NULL for
    /// none. It runs on the thread of the call. From within it no compaction can be started.
    pub progress: ottla_progress,
    /// Handed to `progress`.
    pub user_data: *mut c_void,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are 0, NULL and no function.
unsafe impl SizedStruct for ottla_compaction_options {}

/// What a compaction did, round by round.
///
/// Ownership: the program's, until ottla_compaction_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_compaction {
    _opaque: [u8; 0],
}

/// What one round of compaction did to one partition.
///
/// Ownership: the text is that of the compaction that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_compaction_outcome {
    /// Set it to sizeof(ottla_compaction_outcome).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// The offset that the round began to collect keys at: all below was cleaned before.
    pub first_dirty: i64,
    /// All records below this offset are cleaned now.
    pub cleaned_to: i64,
    /// How many different keys there were from `first_dirty` to `cleaned_to`.
    pub keys: u64,
    /// Segments that were looked at.
    pub segments_before: u64,
    /// Segments that they became; some may have stayed as they were.
    pub segments_after: u64,
    /// Bytes of the logs that were looked at.
    pub bytes_before: u64,
    /// Bytes of the logs that they became.
    pub bytes_after: u64,
    /// Records in them, markers of transactions not counted.
    pub records_before: u64,
    /// Records that stayed.
    pub records_after: u64,
    /// Records that went because they have no key; a compacted topic has no use for them.
    pub keyless_removed: u64,
    /// Tombstones that went because their time was over.
    pub tombstones_removed: u64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_compaction_outcome {}

pub(crate) struct CompactionHandle {
    rounds: Vec<(CString, CompactionOutcome)>,
}

impl Handle for CompactionHandle {
    const KIND: u8 = 24;
    const NAME: &'static str = "a compaction";
}

/// Compacts a topic now: of each key only the newest record stays, in what was written before the
/// call. What min.compaction.lag.ms protects stays, and what belongs to an open transaction. Topics
/// with cleanup.policy=compact are compacted in the background, too.
///
/// What went does not come back after power loss, and nothing else is lost.
///
/// Ownership: `*compaction` is the program's, until ottla_compaction_free.
/// Threads: any; one compaction runs at a time, others wait for it.
/// NULL: `options`, for the defaults; `compaction`, if nobody asks what was done.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a topic that is not
/// compacted; OTTLA_E_CORRUPT where a partition is damaged, which is then left as it is (the others
/// are compacted); OTTLA_E_NO_SPACE: there has to be room for the new segments beside the old ones;
/// OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_compaction_run(
    broker: *mut ottla_broker,
    topic: *const c_char,
    options: *const ottla_compaction_options,
    compaction: *mut *mut ottla_compaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let place = unsafe { place_or_none(compaction, "compaction") }?;
        let broker = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the name of the topic") }?;
        // SAFETY: the program promises as many bytes as its struct says.
        let options = unsafe { options_of(options) }?;
        let outcomes = broker.inner().compact_now_with(topic, &options)?;
        if let Some(place) = place {
            let named = |outcome: CompactionOutcome| (c_text(&outcome.topic), outcome);
            let rounds = outcomes.into_iter().map(named).collect();
            place.write(handle::give(CompactionHandle { rounds })?);
        }
        Ok(())
    })
}

/// # Safety
/// As [`options`].
unsafe fn options_of(given: *const ottla_compaction_options) -> Result<CompactionOptions, Failure> {
    // SAFETY: the caller's promise is the same.
    let given = unsafe { options(given, "the options of the compaction") }?;
    unused(given.reserved)?;
    let chosen = CompactionOptions::new();
    Ok(match progress_of(given.progress, given.user_data) {
        Some(progress) => chosen.on_progress(progress),
        None => chosen,
    })
}

/// How many rounds there were; 0 if `compaction` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_compaction_count(compaction: *const ottla_compaction) -> usize {
    enter_or(0, || Ok(handle::get::<CompactionHandle, _>(compaction)?.rounds.len()))
}

/// One round: `index` counts from 0.
///
/// Ownership: the text in `*outcome` is the compaction's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `outcome->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_compaction_get(
    compaction: *const ottla_compaction,
    index: usize,
    outcome: *mut ottla_compaction_outcome,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let list = handle::get::<CompactionHandle, _>(compaction)?;
        let (topic, round) = at(&list.rounds, index, "rounds")?;
        let known = ottla_compaction_outcome {
            struct_size: 0,
            partition: round.partition,
            topic: topic.as_ptr(),
            first_dirty: round.first_dirty,
            cleaned_to: round.cleaned_to,
            keys: round.keys,
            segments_before: round.segments_before,
            segments_after: round.segments_after,
            bytes_before: round.bytes_before,
            bytes_after: round.bytes_after,
            records_before: round.records_before,
            records_after: round.records_after,
            keyless_removed: round.keyless_removed,
            tombstones_removed: round.tombstones_removed,
        };
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(outcome, &known, "outcome") }
    })
}

/// Frees what a compaction did. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_compaction_free(compaction: *mut ottla_compaction) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !compaction.is_null() {
            handle::take::<CompactionHandle, _>(compaction)?;
        }
        Ok(())
    })
}
