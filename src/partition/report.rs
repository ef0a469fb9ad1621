//! What opening a partition met and did: the partition's part of the recovery report.

use crate::error::Error;

/// What recovery did to one partition.
#[derive(Clone, Debug, Default)]
pub struct PartitionReport {
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
    /// The quarantine files that hold what was cut off.
    pub quarantined: Vec<String>,
    /// Bytes that were cut off and found no place in quarantine.
    pub lost_bytes: u64,
    /// Files that were made anew from the log.
    pub rebuilt: Vec<String>,
    /// Leftovers that were removed.
    pub removed: Vec<String>,
    /// Files that are not known here; they were left alone.
    pub unknown: Vec<String>,
    /// Why the partition is not writable, if it is not.
    pub damage: Option<Error>,
}
