//! The three indexes of a segment together: growing beside the active segment, or read from their
//! files when a sealed one is first searched.
//!
//! Reading checks the files against the sums in the segment's state, once. What does not fit is
//! rebuilt from the log (`rebuild.rs`); an index is never a reason to refuse data.

use std::io;

use super::log_file::Folder;
use super::offset_index::OffsetIndex;
use super::sparse_index::IndexBytes;
use super::time_index::TimeIndex;
use super::txn_index::TxnIndex;
use crate::env::planted::planted;
use crate::env::sync::atomic::{AtomicI64, Ordering};
use crate::env::vfs::{OpenHow, VfsFile, read_up_to, write_all_at};
use crate::error::room;
use crate::format::checksum::{crc32c, crc32c_append};
use crate::format::control_file::SegmentState;
use crate::format::file_names::Suffix;
use crate::format::index_entries::{ABORTED_TXN_LEN, OFFSET_INDEX_ENTRY_LEN, TIME_INDEX_ENTRY_LEN};

/// The indexes of a segment.
#[derive(Debug)]
pub(crate) struct Indexes {
    pub(crate) offset: OffsetIndex,
    pub(crate) time: TimeIndex,
    pub(crate) txn: TxnIndex,
    max_timestamp: AtomicI64,
    max_timestamp_offset: AtomicI64,
}

impl Indexes {
    /// Empty ones, to be appended to.
    pub(crate) fn growing() -> Indexes {
        Indexes::of(OffsetIndex::growing(), TimeIndex::growing(), TxnIndex::default())
    }

    fn of(offset: OffsetIndex, time: TimeIndex, txn: TxnIndex) -> Indexes {
        Indexes {
            offset,
            time,
            txn,
            max_timestamp: AtomicI64::new(-1),
            max_timestamp_offset: AtomicI64::new(-1),
        }
    }

    /// The largest timestamp so far and the last offset of the batch that carried it. The two are
    /// read one after the other: where to look, not what is true.
    pub(crate) fn max_timestamp(&self) -> (i64, i64) {
        let timestamp = self.max_timestamp.load(Ordering::Relaxed);
        (timestamp, self.max_timestamp_offset.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn note_max_timestamp(&self, timestamp: i64, offset: i64) {
        self.max_timestamp.store(timestamp, Ordering::Relaxed);
        self.max_timestamp_offset.store(offset, Ordering::Relaxed);
    }

    /// The index files that are not what the state says: derived, and made anew when they are
    /// needed, but not what was written. Their names have `ending` behind the usual one.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn changed_files(
        folder: &Folder,
        state: &SegmentState,
        ending: &str,
    ) -> io::Result<Vec<String>> {
        let files = [
            (Suffix::Index, state.index_bytes, state.index_sum),
            (Suffix::TimeIndex, state.time_index_bytes, state.time_index_sum),
            (Suffix::TxnIndex, state.txn_index_bytes, state.txn_index_sum),
        ];
        let mut changed = Vec::new();
        for (suffix, length, sum) in files {
            let name = format!("{}{ending}", suffix.file(state.base_offset));
            let is_whole = read_checked(folder, &name, suffix, length, sum)?.is_some();
            // What stands behind the entries of one that still grows is of no interest.
            let is_longer = state.sealed && length_of(folder, &name)? > u64::from(length);
            if !is_whole || is_longer {
                changed.push(name);
            }
        }
        Ok(changed)
    }

    /// Reads the files of a sealed segment, whose names have `ending` behind the usual one; `None`
    /// if one of them is not what `state` says.
    pub(crate) fn read_sealed(
        folder: &Folder,
        state: &SegmentState,
        ending: &str,
    ) -> io::Result<Option<Indexes>> {
        let file = |suffix: Suffix, bytes, sum| {
            let name = format!("{}{ending}", suffix.file(state.base_offset));
            read_checked(folder, &name, suffix, bytes, sum)
        };
        let Some(offset) = file(Suffix::Index, state.index_bytes, state.index_sum)? else {
            return Ok(None);
        };
        let Some(time) = file(Suffix::TimeIndex, state.time_index_bytes, state.time_index_sum)?
        else {
            return Ok(None);
        };
        let Some(txn) = file(Suffix::TxnIndex, state.txn_index_bytes, state.txn_index_sum)? else {
            return Ok(None);
        };
        let Ok(txn) = TxnIndex::decode(txn.as_slice()) else { return Ok(None) };
        let indexes = Indexes::of(OffsetIndex::Sealed(offset), TimeIndex::Sealed(time), txn);
        indexes.note_max_timestamp(state.max_timestamp, state.max_timestamp_offset);
        Ok(Some(indexes))
    }

    /// Reads the files of the active segment so that they can be appended to; `None` if one of
    /// them does not start with what `state` says. Bytes behind that are of no interest.
    pub(crate) fn read_growing(
        folder: &Folder,
        state: &SegmentState,
    ) -> io::Result<Option<Indexes>> {
        let Some(sealed) = Indexes::read_sealed(folder, state, "")? else { return Ok(None) };
        let growing = Indexes::growing();
        for entry in (0..sealed.offset.len()).map(|index| sealed.offset.get(index)) {
            if !entry.is_some_and(|entry| growing.offset.push(entry)) {
                return Ok(None);
            }
        }
        match growing.time.extend_from_bytes(&sealed.time.encode_from(0)) {
            Ok(()) => {}
            Err(_) => return Ok(None),
        }
        let txn = sealed.txn;
        growing.note_max_timestamp(state.max_timestamp, state.max_timestamp_offset);
        Ok(Some(Indexes { txn, ..growing }))
    }

    /// Writes all three files whole, with exactly the right lengths.
    ///
    /// # Durability
    /// The contents are synced if `sync` says so; the names are not.
    pub(crate) fn write(&self, folder: &Folder, base_offset: i64, sync: bool) -> io::Result<()> {
        for (suffix, bytes) in self.encode() {
            if suffix == Suffix::TxnIndex && bytes.is_empty() {
                // Kafka has this file only where there is an aborted transaction.
                remove_if_there(folder, &suffix.file(base_offset))?;
                continue;
            }
            let path = folder.path(&suffix.file(base_offset));
            let file = folder.vfs.open(&path, OpenHow::CreateOrWrite)?;
            write_all_at(&*file, &bytes, 0)?;
            // Also where the length is right: who cut the file may have died before that was synced.
            if sync || file.len()? != bytes.len() as u64 {
                file.set_len(bytes.len() as u64)?;
            }
            if sync {
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Writes the three files if one of them is not as it should be; returns which were not. If
    /// they are to be synced they are always written: what can be read need not be durable.
    ///
    /// # Durability
    /// As [`write`](Self::write).
    pub(crate) fn write_changed(
        &self,
        folder: &Folder,
        base_offset: i64,
        sync: bool,
    ) -> io::Result<Vec<Suffix>> {
        let mut changed = Vec::new();
        for (suffix, bytes) in self.encode() {
            if !is_content(folder, &suffix.file(base_offset), &bytes)? {
                changed.push(suffix);
            }
        }
        if sync || !changed.is_empty() {
            self.write(folder, base_offset, sync)?;
        }
        Ok(changed)
    }

    /// The contents of the three files.
    pub(crate) fn encode(&self) -> [(Suffix, Vec<u8>); 3] {
        [
            (Suffix::Index, self.offset.encode_from(0)),
            (Suffix::TimeIndex, self.time.encode_from(0)),
            (Suffix::TxnIndex, self.txn.encode_from(0)),
        ]
    }

    /// Puts the lengths and sums of the three files into `state`, which may have those of an
    /// earlier time: what was added since is returned, with the positions where it belongs. So
    /// a checkpoint costs what is new, not what there is.
    pub(crate) fn describe_in(&self, state: &mut SegmentState) -> [Added; 3] {
        let offset = self.offset.encode_from(state.index_bytes as usize / OFFSET_INDEX_ENTRY_LEN);
        let time = self.time.encode_from(state.time_index_bytes as usize / TIME_INDEX_ENTRY_LEN);
        let txn = self.txn.encode_from(state.txn_index_bytes as usize / ABORTED_TXN_LEN);
        [
            Added::of(Suffix::Index, offset, &mut state.index_bytes, &mut state.index_sum),
            Added::of(
                Suffix::TimeIndex,
                time,
                &mut state.time_index_bytes,
                &mut state.time_index_sum,
            ),
            Added::of(Suffix::TxnIndex, txn, &mut state.txn_index_bytes, &mut state.txn_index_sum),
        ]
    }
}

/// Bytes that were added to an index since it was described.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) suffix: Suffix,
    pub(crate) position: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Added {
    /// Adds `bytes` to the length and the sum of a file.
    fn of(suffix: Suffix, bytes: Vec<u8>, length: &mut u32, sum: &mut u32) -> Added {
        let position = u64::from(*length);
        *sum = crc32c_append(*sum, &bytes);
        *length = length.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        Added { suffix, position, bytes }
    }
}

/// Removes a file of the folder; it is well if there is none.
pub(crate) fn remove_if_there(folder: &Folder, name: &str) -> io::Result<()> {
    match folder.vfs.remove_file(&folder.path(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file holds exactly these bytes. One that is missing is as good as an empty one.
fn is_content(folder: &Folder, name: &str, expected: &[u8]) -> io::Result<bool> {
    let file = match folder.vfs.open(&folder.path(name), OpenHow::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(expected.is_empty()),
        Err(error) => return Err(error),
    };
    if file.len()? != expected.len() as u64 {
        return Ok(false);
    }
    let mut bytes = room::zeros(expected.len())?;
    let read = read_up_to(&*file, &mut bytes, 0)?;
    Ok(read == expected.len() && bytes == expected)
}

/// The length of a file; 0 if there is none.
fn length_of(folder: &Folder, name: &str) -> io::Result<u64> {
    match folder.vfs.metadata(&folder.path(name)) {
        Ok(found) => Ok(found.length),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The first `length` bytes of an index file, if they have the right sum.
fn read_checked(
    folder: &Folder,
    name: &str,
    suffix: Suffix,
    length: u32,
    sum: u32,
) -> io::Result<Option<IndexBytes>> {
    if length == 0 {
        return Ok(Some(IndexBytes::Memory(Box::default())));
    }
    let entry_len = match suffix {
        Suffix::Index => OFFSET_INDEX_ENTRY_LEN,
        Suffix::TimeIndex => TIME_INDEX_ENTRY_LEN,
        _ => 1,
    };
    let length = length as usize;
    if !length.is_multiple_of(entry_len) {
        return Ok(None);
    }
    let file = match folder.vfs.open(&folder.path(name), OpenHow::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.len()? < length as u64 {
        return Ok(None);
    }
    let bytes = read_or_map(&*file, length)?;
    Ok(bytes.filter(|bytes| planted!("index_trusted") || crc32c(bytes.as_slice()) == sum))
}

pub(super) fn read_or_map(file: &dyn VfsFile, length: usize) -> io::Result<Option<IndexBytes>> {
    // Where no more maps are to be had, reading does as well.
    if let Ok(Some(mapping)) = file.map() {
        let there = (*mapping).as_ref().len();
        return Ok((there >= length).then_some(IndexBytes::Mapped { mapping, length }));
    }
    let mut bytes = room::zeros(length)?;
    let read = read_up_to(file, &mut bytes, 0)?;
    Ok((read == length).then(|| IndexBytes::Memory(bytes.into())))
}
