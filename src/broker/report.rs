//! What opening a directory found and did.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::group::offsets::ClampedOffset;
use crate::partition::report::PartitionReport;
use crate::topic::TopicPartition;

/// What [`Broker::open`](crate::Broker::open) found and did. Every byte that was not kept is in
/// here.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The directory was closed cleanly, by Ottla: nothing had to be looked at.
    pub clean: bool,
    /// Another program (a Kafka broker) wrote the directory last.
    pub foreign: bool,
    /// The directory was made.
    pub created: bool,
    /// Why the broker is read-only although it was not asked to be.
    pub read_only_because: Option<String>,
    /// Frames of the journal that were applied again.
    pub frames_replayed: u64,
    /// Batches of the journal that were written into segments.
    pub batches_replayed: u64,
    /// Batches of the journal that belonged to topics deleted since.
    pub batches_dropped: u64,
    /// Batches of the journal that damaged partitions could not take; the journal is kept.
    pub batches_refused: u64,
    /// Partitions that had to be looked at, with what was found.
    pub partitions: Vec<(TopicPartition, PartitionReport)>,
    /// Partitions that cannot be written, and why.
    pub damaged: Vec<(TopicPartition, Error)>,
    /// Transactions of other programs that were finished: partition, producer id, committed.
    pub transactions_finished: Vec<(TopicPartition, i64, bool)>,
    /// Committed offsets that lay beyond the end of their partition because records were lost to
    /// damage: they were set to the end, durably.
    pub offsets_clamped: Vec<ClampedOffset>,
    /// Committed offsets of topics that are not there any more, taken back.
    pub offsets_dropped: u64,
    /// Records in the topic of committed offsets that are none, or of an unknown kind.
    pub offset_records_skipped: u64,
    /// Folders and links that do not belong here, left alone.
    pub unknown: Vec<String>,
    /// Spill files of transactions that were never committed, or whose batches are in the log by
    /// now: removed.
    pub spills_removed: Vec<String>,
    /// Journal files that should have been empty, and spill files that should not have been there:
    /// set aside.
    pub quarantined: Vec<String>,
    /// How long opening took.
    pub duration: Duration,
}

impl RecoveryReport {
    /// Bytes that were cut from the ends of segments.
    pub fn bytes_cut(&self) -> u64 {
        self.partitions.iter().map(|(_, report)| report.cut_bytes).sum()
    }

    /// Bytes that were read and checked.
    pub fn bytes_scanned(&self) -> u64 {
        self.partitions.iter().map(|(_, report)| report.scanned_bytes).sum()
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.created, self.clean, self.foreign) {
            (true, _, _) => "made",
            (_, true, _) => "clean",
            (_, _, true) => "written by another program",
            _ => "recovered",
        };
        write!(f, "{how} in {:.1} ms", self.duration.as_secs_f64() * 1000.0)?;
        for (count, what) in [
            (self.frames_replayed, "journal frames replayed"),
            (self.batches_replayed, "batches written again"),
            (self.batches_dropped, "batches of deleted topics dropped"),
            (self.batches_refused, "batches kept in the journal"),
            (self.spills_removed.len() as u64, "spill files removed"),
            (self.bytes_scanned(), "bytes scanned"),
            (self.bytes_cut(), "bytes cut"),
            (self.damaged.len() as u64, "partitions damaged"),
            (self.transactions_finished.len() as u64, "transactions finished"),
            (self.offsets_clamped.len() as u64, "committed offsets set back to the end"),
            (self.offsets_dropped, "committed offsets of deleted topics dropped"),
            (self.offset_records_skipped, "records of offsets not understood"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}
