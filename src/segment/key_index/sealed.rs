//! The key index of a sealed segment: a file, mapped where there are maps.
//!
//! It is believed only if it names the very log that lies there, by length and sum, and if its own
//! sum is right; the sum is looked at once in the life of a segment.

use std::io;

use super::super::indexes::read_or_map;
use super::super::log_file::Folder;
use super::super::sparse_index::IndexBytes;
use super::table::masked;
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, read_up_to};
use crate::format::control_file::SegmentState;
use crate::format::file_names::Suffix;
use crate::format::key_hash::HashSecret;
use crate::format::key_index::{IndexedLog, KEY_INDEX_HEADER_LEN, KeyIndexLayout, KeyedRecord};

/// The key index of a segment that does not change any more.
#[derive(Debug)]
pub(crate) struct SealedKeys {
    bytes: IndexBytes,
    layout: KeyIndexLayout,
    filter: Filter,
}

/// The log that a state describes.
pub(crate) fn log_of(state: &SegmentState) -> IndexedLog {
    IndexedLog {
        base_offset: state.base_offset,
        log_bytes: state.log_bytes,
        log_sum: state.log_sum,
    }
}

impl SealedKeys {
    /// The index in these bytes; `None` if they are none.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Option<SealedKeys> {
        let layout = KeyIndexLayout::decode(&bytes).ok()?;
        Some(SealedKeys::of(IndexBytes::Memory(bytes.into()), layout))
    }

    /// The file of a segment; `None` if there is none, or it is not of this log. `checked` says
    /// that its sum was looked at before.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(
        folder: &Folder,
        state: &SegmentState,
        checked: bool,
    ) -> io::Result<Option<SealedKeys>> {
        let path = folder.path(&Suffix::KeyIndex.file(state.base_offset));
        let file = match folder.vfs.open(&path, OpenHow::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut header = [0; KEY_INDEX_HEADER_LEN];
        let read = read_up_to(&*file, &mut header, 0)?;
        let Ok(layout) = KeyIndexLayout::decode_header(&header[..read]) else { return Ok(None) };
        let is_of_this_log = layout.log == log_of(state) || planted!("stale_key_index_trusted");
        if !is_of_this_log || file.len()? != layout.length as u64 {
            return Ok(None);
        }
        let Some(bytes) = read_or_map(&*file, layout.length)? else { return Ok(None) };
        if !checked && KeyIndexLayout::decode(bytes.as_slice()) != Ok(layout) {
            return Ok(None);
        }
        Ok(Some(SealedKeys::of(bytes, layout)))
    }

    /// Whether there is a file of that name that is none: cut, or of another sum.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn is_damaged(folder: &Folder, base_offset: i64) -> io::Result<bool> {
        let path = folder.path(&Suffix::KeyIndex.file(base_offset));
        let file = match folder.vfs.open(&path, OpenHow::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut header = [0; KEY_INDEX_HEADER_LEN];
        let read = read_up_to(&*file, &mut header, 0)?;
        let Ok(layout) = KeyIndexLayout::decode_header(&header[..read]) else { return Ok(true) };
        if file.len()? != layout.length as u64 {
            return Ok(true);
        }
        let bytes = read_or_map(&*file, layout.length)?;
        Ok(bytes.is_none_or(|bytes| KeyIndexLayout::decode(bytes.as_slice()) != Ok(layout)))
    }

    fn of(bytes: IndexBytes, layout: KeyIndexLayout) -> SealedKeys {
        let mut filter = Filter::new(layout.keys);
        for index in 0..layout.keys {
            if let Some((hash, _)) = layout.key_at(bytes.as_slice(), index) {
                filter.add(hash);
            }
        }
        SealedKeys { bytes, layout, filter }
    }

    pub(crate) fn secret(&self) -> HashSecret {
        self.layout.secret
    }

    /// The records of a key, as indexes for [`record`](Self::record), ascending.
    #[inline]
    pub(crate) fn find(&self, hash: u128) -> std::ops::Range<u32> {
        let hash = masked(hash);
        if self.filter.may_hold(hash) {
            self.layout.find(self.bytes.as_slice(), hash)
        } else {
            0..0
        }
    }

    #[inline]
    pub(crate) fn record(&self, index: u32) -> Option<KeyedRecord> {
        self.layout.record(self.bytes.as_slice(), index)
    }

    /// How many keys there are.
    pub(crate) fn key_count(&self) -> u32 {
        self.layout.keys
    }

    /// A key by its number, with its records.
    pub(crate) fn key_at(&self, index: u32) -> Option<(u128, std::ops::Range<u32>)> {
        self.layout.key_at(self.bytes.as_slice(), index)
    }

    /// Of the records of a key, how many lie below a relative offset.
    pub(crate) fn count_below(&self, range: &std::ops::Range<u32>, below: u64) -> u32 {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_below =
                self.record(middle).is_some_and(|record| u64::from(record.relative_offset) < below);
            if is_below {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - range.start
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        (self.layout.length + self.filter.0.len() * size_of::<u64>()) as u64
    }
}

/// Says of most keys that are not in a segment that they are not, in one look at a few bytes a
/// key: a key that is in none, or in one of many segments, is not searched for in all others. Eight
/// bits a key; two are set in one word.
#[derive(Debug)]
struct Filter(Box<[u64]>);

impl Filter {
    fn new(keys: u32) -> Filter {
        Filter(vec![0; (keys as usize).div_ceil(8).max(1)].into())
    }

    #[inline]
    fn place(&self, hash: u128) -> (usize, u64) {
        // The bits in the middle: those ahead say where in the file, those behind where in memory.
        let bits = (hash >> 32) as u64;
        let word = ((bits & u64::from(u32::MAX)) * self.0.len() as u64) >> 32;
        (word as usize, 1 << (bits >> 32 & 63) | 1 << (bits >> 38 & 63))
    }

    fn add(&mut self, hash: u128) {
        let (word, bits) = self.place(hash);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bits;
        }
    }

    #[inline]
    fn may_hold(&self, hash: u128) -> bool {
        let (word, bits) = self.place(hash);
        self.0.get(word).is_none_or(|word| word & bits == bits)
    }
}
