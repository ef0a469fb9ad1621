//! From an offset to the position of a batch that is not behind it: `.index`.
//!
//! An entry holds the last offset of a batch and the position where that batch starts. Not
//! here: which batches get an entry (`tally.rs`), and whether an entry tells the truth: the reader
//! checks that against the log.

use super::growing::GrowingWords;
use super::sparse_index::{IndexBytes, count_not_above};
use crate::format::index_entries::{OFFSET_INDEX_ENTRY_LEN, OffsetIndexEntry};

/// The offset index of a segment.
#[derive(Debug)]
pub(crate) enum OffsetIndex {
    /// Of the active segment.
    Growing(Box<GrowingWords>),
    /// Of a sealed segment.
    Sealed(IndexBytes),
}

/// What an index says about an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexHit {
    /// The largest entry that is not above the target; `None`: start at the segment's start.
    pub(crate) floor: Option<OffsetIndexEntry>,
    /// The entry behind it.
    pub(crate) next: Option<OffsetIndexEntry>,
}

impl IndexHit {
    /// Where to start looking.
    pub(crate) fn position(&self) -> u64 {
        self.floor.map_or(0, |entry| u64::from(entry.position))
    }
}

impl OffsetIndex {
    pub(crate) fn growing() -> OffsetIndex {
        OffsetIndex::Growing(Box::new(GrowingWords::new()))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            OffsetIndex::Growing(words) => words.len(),
            OffsetIndex::Sealed(bytes) => bytes.as_slice().len() / OFFSET_INDEX_ENTRY_LEN,
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<OffsetIndexEntry> {
        match self {
            OffsetIndex::Growing(words) => words.get(index).map(from_word),
            OffsetIndex::Sealed(bytes) => {
                let start = index.checked_mul(OFFSET_INDEX_ENTRY_LEN)?;
                OffsetIndexEntry::decode(bytes.as_slice().get(start..)?).ok()
            }
        }
    }

    /// The entries around a relative offset.
    pub(crate) fn lookup(&self, relative_offset: u32) -> IndexHit {
        let count = count_not_above(self.len(), |index| {
            self.get(index).is_none_or(|entry| entry.relative_offset > relative_offset)
        });
        let floor = count.checked_sub(1).and_then(|index| self.get(index));
        IndexHit { floor, next: self.get_below(count) }
    }

    fn get_below(&self, index: usize) -> Option<OffsetIndexEntry> {
        if index < self.len() { self.get(index) } else { None }
    }

    /// Appends an entry; only while the index grows.
    pub(crate) fn push(&self, entry: OffsetIndexEntry) -> bool {
        match self {
            OffsetIndex::Growing(words) => words.push(to_word(entry)),
            OffsetIndex::Sealed(_) => false,
        }
    }

    /// Takes back the entries from `len` on; only while the index grows.
    pub(crate) fn truncate(&self, len: usize) {
        if let OffsetIndex::Growing(words) = self {
            words.truncate(len);
        }
    }

    /// The file's bytes from entry `from` on.
    pub(crate) fn encode_from(&self, from: usize) -> Vec<u8> {
        let len = self.len();
        let mut bytes = Vec::with_capacity(len.saturating_sub(from) * OFFSET_INDEX_ENTRY_LEN);
        for entry in (from..len).filter_map(|index| self.get(index)) {
            bytes.extend_from_slice(&entry.encode());
        }
        bytes
    }
}

fn to_word(entry: OffsetIndexEntry) -> u64 {
    u64::from(entry.relative_offset) << 32 | u64::from(entry.position)
}

fn from_word(word: u64) -> OffsetIndexEntry {
    OffsetIndexEntry { relative_offset: (word >> 32) as u32, position: word as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(relative_offset: u32, position: u32) -> OffsetIndexEntry {
        OffsetIndexEntry { relative_offset, position }
    }

    #[test]
    fn the_floor_is_found_in_both_forms() {
        let entries = [entry(40, 5109), entry(82, 9219), entry(120, 14610)];
        let growing = OffsetIndex::growing();
        entries.iter().for_each(|&entry| assert!(growing.push(entry)));
        let sealed = OffsetIndex::Sealed(IndexBytes::Memory(growing.encode_from(0).into()));
        for index in [&growing, &sealed] {
            for (target, floor, next) in [
                (0, None, Some(0)),
                (39, None, Some(0)),
                (40, Some(0), Some(1)),
                (81, Some(0), Some(1)),
                (119, Some(1), Some(2)),
                (120, Some(2), None),
                (u32::MAX, Some(2), None),
            ] {
                let hit = index.lookup(target);
                assert_eq!(hit.floor, floor.map(|at: usize| entries[at]), "{target}");
                assert_eq!(hit.next, next.map(|at: usize| entries[at]), "{target}");
            }
        }
        growing.truncate(1);
        assert_eq!(growing.lookup(100).floor, Some(entries[0]));
        assert_eq!(growing.lookup(100).next, None);
    }
}
