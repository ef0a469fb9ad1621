//! The rows of a recovery report: partitions, finished transactions, offsets that were set back.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{PartitionReport, TopicPartition};

use crate::error::c_text;
use crate::report::{Files, texts};
use crate::structs::SizedStruct;

/// What recovery did to one partition.
///
/// Ownership: the texts are those of the report that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_recovered_partition {
    /// Set it to sizeof(ottla_recovered_partition).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// Bytes of logs that were read and checked.
    pub scanned_bytes: u64,
    /// Batches behind the recovery point that were found sound and kept.
    pub kept_batches: u64,
    /// Batches of the journal that were written into the log.
    pub replayed_batches: u64,
    /// Batches of the journal that the log held already, below the recovery point.
    pub skipped_batches: u64,
    /// Bytes that were cut off, zeros included.
    pub cut_bytes: u64,
    /// Bytes that were cut off and found no place in quarantine.
    pub lost_bytes: u64,
    /// Files that are not known here; they were left alone: OTTLA_FILES_UNKNOWN.
    pub unknown_count: u64,
    /// Leftovers that were removed: OTTLA_FILES_REMOVED.
    pub removed_count: u64,
    /// The quarantine files that hold what was cut off: OTTLA_FILES_QUARANTINED.
    pub quarantined_count: u64,
    /// Files that were made anew from the log: OTTLA_FILES_REBUILT.
    pub rebuilt_count: u64,
    /// Why the partition is not writable; NULL if it is.
    pub damage: *const c_char,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_recovered_partition {}

pub(crate) struct RecoveredPartition {
    topic: CString,
    partition: i32,
    report: PartitionReport,
    files: Files,
    damage: Option<CString>,
}

impl RecoveredPartition {
    pub(crate) fn of((name, report): &(TopicPartition, PartitionReport)) -> RecoveredPartition {
        RecoveredPartition {
            topic: c_text(name.topic.as_str()),
            partition: name.partition,
            files: Files {
                unknown: texts(&report.unknown),
                removed: texts(&report.removed),
                quarantined: texts(&report.quarantined),
                rebuilt: texts(&report.rebuilt),
            },
            damage: report.damage.as_ref().map(|damage| c_text(&damage.to_string())),
            report: report.clone(),
        }
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn info(&self) -> ottla_recovered_partition {
        let (report, files) = (&self.report, &self.files);
        ottla_recovered_partition {
            struct_size: 0,
            partition: self.partition,
            topic: self.topic.as_ptr(),
            scanned_bytes: report.scanned_bytes,
            kept_batches: report.kept_batches,
            replayed_batches: report.replayed_batches,
            skipped_batches: report.skipped_batches,
            cut_bytes: report.cut_bytes,
            lost_bytes: report.lost_bytes,
            unknown_count: files.unknown.len() as u64,
            removed_count: files.removed.len() as u64,
            quarantined_count: files.quarantined.len() as u64,
            rebuilt_count: files.rebuilt.len() as u64,
            damage: self.damage.as_ref().map_or(ptr::null(), |damage| damage.as_ptr()),
        }
    }
}

/// A transaction of another program that was finished.
///
/// Ownership: the text is that of the report that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_finished_transaction {
    /// Set it to sizeof(ottla_finished_transaction).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// Whose transaction it was.
    pub producer_id: i64,
    /// Whether it was committed; else it was aborted.
    pub is_committed: bool,
    /// Zero.
    pub reserved: [u8; 7],
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL, 0 and false.
unsafe impl SizedStruct for ottla_finished_transaction {}

pub(crate) struct FinishedTransaction {
    topic: CString,
    partition: i32,
    producer_id: i64,
    is_committed: bool,
}

impl FinishedTransaction {
    pub(crate) fn of((name, id, committed): &(TopicPartition, i64, bool)) -> FinishedTransaction {
        FinishedTransaction {
            topic: c_text(name.topic.as_str()),
            partition: name.partition,
            producer_id: *id,
            is_committed: *committed,
        }
    }

    pub(crate) fn info(&self) -> ottla_finished_transaction {
        ottla_finished_transaction {
            struct_size: 0,
            partition: self.partition,
            topic: self.topic.as_ptr(),
            producer_id: self.producer_id,
            is_committed: self.is_committed,
            reserved: [0; 7],
        }
    }
}

/// A committed offset that lay beyond the end of its partition, and was set to the end.
///
/// Ownership: the texts are those of the report that it was read from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_clamped_offset {
    /// Set it to sizeof(ottla_clamped_offset).
    pub struct_size: u32,
    /// The partition's number.
    pub partition: i32,
    /// The topic.
    pub topic: *const c_char,
    /// The group that committed it.
    pub group: *const c_char,
    /// What was committed.
    pub committed: i64,
    /// The end of the partition, where the group goes on.
    pub end: i64,
}

// SAFETY: repr(C), begins with the size, no gaps on 64 bits, zeros are NULL and 0.
unsafe impl SizedStruct for ottla_clamped_offset {}

pub(crate) struct ClampedOffset {
    topic: CString,
    group: CString,
    partition: i32,
    committed: i64,
    end: i64,
}

impl ClampedOffset {
    pub(crate) fn of(clamped: &ottla::ClampedOffset) -> ClampedOffset {
        ClampedOffset {
            topic: c_text(clamped.partition.topic.as_str()),
            group: c_text(&clamped.group),
            partition: clamped.partition.partition,
            committed: clamped.committed,
            end: clamped.end,
        }
    }

    pub(crate) fn info(&self) -> ottla_clamped_offset {
        ottla_clamped_offset {
            struct_size: 0,
            partition: self.partition,
            topic: self.topic.as_ptr(),
            group: self.group.as_ptr(),
            committed: self.committed,
            end: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use ottla::{Error, ErrorKind, TopicName};

    use super::*;

    fn text<'a>(pointer: *const c_char) -> &'a str {
        assert!(!pointer.is_null());
        // SAFETY: the rows of these tests outlive the texts that are looked at.
        unsafe { CStr::from_ptr(pointer) }.to_str().unwrap()
    }

    fn orders(partition: i32) -> TopicPartition {
        TopicPartition::new(TopicName::new("orders").unwrap(), partition)
    }

    #[test]
    fn each_number_of_a_partition_has_its_place() {
        let report = PartitionReport {
            scanned_bytes: 1,
            kept_batches: 2,
            replayed_batches: 3,
            skipped_batches: 4,
            cut_bytes: 5,
            quarantined: vec!["q".into(); 6],
            lost_bytes: 7,
            rebuilt: vec!["b".into(); 8],
            removed: vec!["r".into(); 9],
            unknown: vec!["u".into(); 10],
            damage: Some(Error::new(ErrorKind::Corrupt, "a hole")),
        };
        let row = RecoveredPartition::of(&(orders(3), report));
        let info = row.info();
        assert_eq!((info.partition, text(info.topic)), (3, "orders"));
        let found = [info.scanned_bytes, info.kept_batches, info.replayed_batches];
        assert_eq!((found, info.skipped_batches), ([1, 2, 3], 4));
        assert_eq!((info.cut_bytes, info.quarantined_count, info.lost_bytes), (5, 6, 7));
        assert_eq!((info.rebuilt_count, info.removed_count, info.unknown_count), (8, 9, 10));
        assert!(text(info.damage).contains("a hole"));
        assert_eq!(row.files().rebuilt[7].to_str(), Ok("b"));
    }

    #[test]
    fn transactions_and_clamped_offsets_are_shown_as_they_are() {
        let row = FinishedTransaction::of(&(orders(2), 77, true));
        let info = row.info();
        assert_eq!((info.partition, text(info.topic)), (2, "orders"));
        assert_eq!((info.producer_id, info.is_committed), (77, true));
        assert!(!FinishedTransaction::of(&(orders(2), 77, false)).info().is_committed);
    }
}
