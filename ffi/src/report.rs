//! The recovery report: what opening a directory found and did.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{Error, RecoveryReport, TopicPartition};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{ErrorObject, c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{at, place, place_or_none};
use crate::recovered::{
    ClampedOffset, FinishedTransaction, RecoveredPartition, ottla_clamped_offset,
    ottla_finished_transaction, ottla_recovered_partition,
};
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// What opening a directory found and did. Every byte that was not kept is in here.
///
/// Ownership: the program's, until ottla_report_free. It does not hold the broker open.
/// Threads: any number may read one at the same time.
pub struct ottla_report {
    _opaque: [u8; 0],
}

/// The numbers of a report.
///
/// Ownership: the text is that of the report that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_report_info {
    /// Set it to sizeof(ottla_report_info).
    pub struct_size: u32,
    /// The directory was closed cleanly, by Ottla: nothing had to be looked at.
    pub is_clean: bool,
    /// Another program (a Kafka broker) wrote the directory last.
    pub is_foreign: bool,
    /// The directory was made.
    pub is_created: bool,
    /// Zero.
    pub reserved: u8,
    /// Why the broker is read-only although it was not asked to be; NULL if it is not.
    pub read_only_because: *const c_char,
    /// Frames of the journal that were applied again.
    pub frames_replayed: u64,
    /// Batches of the journal that were written into segments.
    pub batches_replayed: u64,
    /// Batches of the journal that belonged to topics deleted since.
    pub batches_dropped: u64,
    /// Batches of the journal that damaged partitions could not take; the journal is kept.
    pub batches_refused: u64,
    /// Committed offsets of topics that are not there any more, taken back.
    pub offsets_dropped: u64,
    /// Records in the topic of committed offsets that are none, or of an unknown kind.
    pub offset_records_skipped: u64,
    /// Bytes that were cut from the ends of segments.
    pub bytes_cut: u64,
    /// Bytes that were read and checked.
    pub bytes_scanned: u64,
    /// How long opening took, in microseconds.
    pub duration_us: u64,
    /// Partitions that had to be looked at: ottla_report_partition.
    pub partition_count: u64,
    /// Partitions that cannot be written: ottla_report_damaged.
    pub damaged_count: u64,
    /// Transactions of other programs that were finished: ottla_report_transaction.
    pub transaction_count: u64,
    /// Committed offsets that were set back to the end: ottla_report_clamped.
    pub clamped_count: u64,
    /// Folders and links that do not belong here, left alone: OTTLA_FILES_UNKNOWN.
    pub unknown_count: u64,
    /// Spill files of transactions that were removed: OTTLA_FILES_REMOVED.
    pub removed_count: u64,
    /// Files that were set aside: OTTLA_FILES_QUARANTINED.
    pub quarantined_count: u64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_report_info {}

/// Files and folders that are not known here, and were left alone.
pub const OTTLA_FILES_UNKNOWN: i32 = 1;

/// Leftovers that were removed: of the directory the spill files of transactions that were never
/// committed, or whose batches are in the log by now.
pub const OTTLA_FILES_REMOVED: i32 = 2;

/// What was cut off or set aside, and can be looked at: of the directory journal files that should
/// have been empty and spill files that should not have been there, of a partition what was cut.
pub const OTTLA_FILES_QUARANTINED: i32 = 3;

/// Files that were made anew from the log. Only partitions have them.
pub const OTTLA_FILES_REBUILT: i32 = 4;

/// Lists of files by what became of them.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) unknown: Vec<CString>,
    pub(crate) removed: Vec<CString>,
    pub(crate) quarantined: Vec<CString>,
    pub(crate) rebuilt: Vec<CString>,
}

impl Files {
    fn of_kind(&self, kind: i32) -> Result<&[CString], Failure> {
        match kind {
            OTTLA_FILES_UNKNOWN => Ok(&self.unknown),
            OTTLA_FILES_REMOVED => Ok(&self.removed),
            OTTLA_FILES_QUARANTINED => Ok(&self.quarantined),
            OTTLA_FILES_REBUILT => Ok(&self.rebuilt),
            _ => Err(Failure::invalid(format!("{kind} is no kind of files: see OTTLA_FILES_..."))),
        }
    }
}

pub(crate) fn texts(texts: &[String]) -> Vec<CString> {
    texts.iter().map(|text| c_text(text)).collect()
}

pub(crate) struct ReportHandle {
    report: RecoveryReport,
    text: CString,
    read_only_because: Option<CString>,
    files: Files,
    partitions: Vec<RecoveredPartition>,
    damaged: Vec<(CString, i32, Error)>,
    transactions: Vec<FinishedTransaction>,
    clamped: Vec<ClampedOffset>,
}

impl Handle for ReportHandle {
    const KIND: u8 = 23;
    const NAME: &'static str = "a recovery report";
}

impl ReportHandle {
    /// To be given to the program with [`handle::give`].
    pub(crate) fn of(report: &RecoveryReport) -> ReportHandle {
        let damaged = |(partition, error): &(TopicPartition, Error)| {
            (c_text(partition.topic.as_str()), partition.partition, error.clone())
        };
        ReportHandle {
            text: c_text(&report.to_string()),
            read_only_because: report.read_only_because.as_deref().map(c_text),
            files: Files {
                unknown: texts(&report.unknown),
                removed: texts(&report.spills_removed),
                quarantined: texts(&report.quarantined),
                rebuilt: Vec::new(),
            },
            partitions: report.partitions.iter().map(RecoveredPartition::of).collect(),
            damaged: report.damaged.iter().map(damaged).collect(),
            transactions: report
                .transactions_finished
                .iter()
                .map(FinishedTransaction::of)
                .collect(),
            clamped: report.offsets_clamped.iter().map(ClampedOffset::of).collect(),
            report: report.clone(),
        }
    }

    fn info(&self) -> ottla_report_info {
        let report = &self.report;
        let because = self.read_only_because.as_ref();
        ottla_report_info {
            struct_size: 0,
            is_clean: report.clean,
            is_foreign: report.foreign,
            is_created: report.created,
            reserved: 0,
            read_only_because: because.map_or(ptr::null(), |because| because.as_ptr()),
            frames_replayed: report.frames_replayed,
            batches_replayed: report.batches_replayed,
            batches_dropped: report.batches_dropped,
            batches_refused: report.batches_refused,
            offsets_dropped: report.offsets_dropped,
            offset_records_skipped: report.offset_records_skipped,
            bytes_cut: report.bytes_cut(),
            bytes_scanned: report.bytes_scanned(),
            duration_us: u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX),
            partition_count: self.partitions.len() as u64,
            damaged_count: self.damaged.len() as u64,
            transaction_count: self.transactions.len() as u64,
            clamped_count: self.clamped.len() as u64,
            unknown_count: self.files.unknown.len() as u64,
            removed_count: self.files.removed.len() as u64,
            quarantined_count: self.files.quarantined.len() as u64,
        }
    }
}

/// What opening the directory of `broker` found and did.
///
/// Ownership: `*report` is the program's, until ottla_report_free.
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_of_broker(
    broker: *mut ottla_broker,
    report: *mut *mut ottla_report,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(report, "report") }?;
        let broker = BrokerHandle::of(broker)?;
        place.write(handle::give(ReportHandle::of(broker.inner().recovery_report()))?);
        Ok(())
    })
}

/// The report as one line for logs: "recovered in 1.9 ms, 3 journal frames replayed". Empty if
/// `report` is none.
///
/// Ownership: the report's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_report_text(report: *const ottla_report) -> *const c_char {
    enter_or(c"".as_ptr(), || Ok(handle::get::<ReportHandle, _>(report)?.text.as_ptr()))
}

/// The numbers of the report.
///
/// Ownership: the text in `*info` is the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_get(
    report: *const ottla_report,
    info: *mut ottla_report_info,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let known = handle::get::<ReportHandle, _>(report)?.info();
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// One file of the directory, none of a partition's: `kind` is one of OTTLA_FILES_...
///
/// Ownership: `*path` is the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such kind or index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_file(
    report: *const ottla_report,
    kind: i32,
    index: usize,
    path: *mut *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(path, "path") }?;
        let report = handle::get::<ReportHandle, _>(report)?;
        place.write(at(report.files.of_kind(kind)?, index, "files")?.as_ptr());
        Ok(())
    })
}

/// One partition that had to be looked at.
///
/// Ownership: the texts in `*info` are the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_partition(
    report: *const ottla_report,
    index: usize,
    info: *mut ottla_recovered_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let report = handle::get::<ReportHandle, _>(report)?;
        let known = at(&report.partitions, index, "partitions")?.info();
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// One file of a partition that had to be looked at: `kind` is one of OTTLA_FILES_...
///
/// Ownership: `*path` is the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such partition, kind or index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_partition_file(
    report: *const ottla_report,
    partition: usize,
    kind: i32,
    index: usize,
    path: *mut *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(path, "path") }?;
        let report = handle::get::<ReportHandle, _>(report)?;
        let files = at(&report.partitions, partition, "partitions")?.files();
        place.write(at(files.of_kind(kind)?, index, "files")?.as_ptr());
        Ok(())
    })
}

/// One partition that cannot be written, and why.
///
/// Ownership: `*topic` is the report's, valid until it is freed; `*damage` is the program's, until
/// ottla_error_free.
/// Threads: any.
/// NULL: `topic`, `partition` and `damage`, where they are of no interest.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_damaged(
    report: *const ottla_report,
    index: usize,
    topic: *mut *const c_char,
    partition: *mut i32,
    damage: *mut *mut ottla_error,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises places, or NULL.
        let topic_place = unsafe { place_or_none(topic, "topic") }?;
        // SAFETY: as above.
        let partition_place = unsafe { place_or_none(partition, "partition") }?;
        // SAFETY: as above.
        let damage_place = unsafe { place_or_none(damage, "damage") }?;
        let report = handle::get::<ReportHandle, _>(report)?;
        let (topic, partition, found) = at(&report.damaged, index, "damaged partitions")?;
        if let Some(place) = damage_place {
            place.write(given(found)?);
        }
        if let Some(place) = topic_place {
            place.write(topic.as_ptr());
        }
        if let Some(place) = partition_place {
            place.write(*partition);
        }
        Ok(())
    })
}

/// An error of the library as an object of the program.
pub(crate) fn given(error: &Error) -> Result<*mut ottla_error, Failure> {
    handle::give(ErrorObject::new(Failure::Library(error.clone())))
}

/// One transaction of another program that was finished.
///
/// Ownership: the text in `*info` is the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_transaction(
    report: *const ottla_report,
    index: usize,
    info: *mut ottla_finished_transaction,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let report = handle::get::<ReportHandle, _>(report)?;
        let known = at(&report.transactions, index, "transactions")?.info();
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// One committed offset that lay beyond the end of its partition, because records were lost to
/// damage: it was set to the end, durably.
///
/// Ownership: the texts in `*info` are the report's; valid until it is freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_report_clamped(
    report: *const ottla_report,
    index: usize,
    info: *mut ottla_clamped_offset,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let report = handle::get::<ReportHandle, _>(report)?;
        let known = at(&report.clamped, index, "clamped offsets")?.info();
        // SAFETY: the program promises as many bytes as its struct says.
        unsafe { fill(info, &known, "info") }
    })
}

/// Frees a report. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_report_free(report: *mut ottla_report) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !report.is_null() {
            handle::take::<ReportHandle, _>(report)?;
        }
        Ok(())
    })
}
