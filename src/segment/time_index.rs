//! From a timestamp to an offset behind which all later records lie: `.timeindex`.
//!
//! An entry holds the largest timestamp of the segment so far and the last offset of the first
//! batch that carried it. Not here: when an entry is added (`tally.rs`).

use super::sparse_index::{IndexBytes, count_not_above};
use crate::env::sync::RwLock;
use crate::format::FormatError;
use crate::format::index_entries::{TIME_INDEX_ENTRY_LEN, TimeIndexEntry};

/// The time index of a segment.
#[derive(Debug)]
pub(crate) enum TimeIndex {
    /// Of the active segment. One entry per some kilobytes of log: a lock costs nothing here.
    Growing(RwLock<Vec<TimeIndexEntry>>),
    /// Of a sealed segment.
    Sealed(IndexBytes),
}

impl TimeIndex {
    pub(crate) fn growing() -> TimeIndex {
        TimeIndex::Growing(RwLock::new(Vec::new()))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            TimeIndex::Growing(entries) => entries.read().len(),
            TimeIndex::Sealed(bytes) => bytes.as_slice().len() / TIME_INDEX_ENTRY_LEN,
        }
    }

    /// The relative offset of the largest entry whose timestamp is below or at `timestamp`.
    pub(crate) fn lookup(&self, timestamp: i64) -> Option<TimeIndexEntry> {
        match self {
            TimeIndex::Growing(entries) => {
                let entries = entries.read();
                let count = entries.partition_point(|entry| entry.timestamp <= timestamp);
                count.checked_sub(1).and_then(|index| entries.get(index).copied())
            }
            TimeIndex::Sealed(bytes) => {
                let entry = |index: usize| {
                    let start = index.checked_mul(TIME_INDEX_ENTRY_LEN)?;
                    TimeIndexEntry::decode(bytes.as_slice().get(start..)?).ok()
                };
                let count = count_not_above(self.len(), |index| {
                    entry(index).is_none_or(|entry| entry.timestamp > timestamp)
                });
                count.checked_sub(1).and_then(entry)
            }
        }
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<TimeIndexEntry> {
        self.lookup(i64::MAX)
    }

    /// Appends the entries of a file; only while the index grows.
    ///
    /// # Errors
    /// The first entry that cannot be.
    pub(crate) fn extend_from_bytes(&self, bytes: &[u8]) -> Result<(), FormatError> {
        for entry in bytes.chunks(TIME_INDEX_ENTRY_LEN) {
            self.push(TimeIndexEntry::decode(entry)?);
        }
        Ok(())
    }

    pub(crate) fn push(&self, entry: TimeIndexEntry) {
        if let TimeIndex::Growing(entries) = self {
            entries.write().push(entry);
        }
    }

    pub(crate) fn truncate(&self, len: usize) {
        if let TimeIndex::Growing(entries) = self {
            entries.write().truncate(len);
        }
    }

    /// The file's bytes from entry `from` on.
    pub(crate) fn encode_from(&self, from: usize) -> Vec<u8> {
        match self {
            TimeIndex::Growing(entries) => {
                entries.read().iter().skip(from).flat_map(|entry| entry.encode()).collect()
            }
            TimeIndex::Sealed(bytes) => {
                let start = from.saturating_mul(TIME_INDEX_ENTRY_LEN);
                bytes.as_slice().get(start..).unwrap_or_default().to_vec()
            }
        }
    }
}
