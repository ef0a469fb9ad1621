//! The `.cleaned` files of one new segment while they are written.
//!
//! Sums and indexes are those of the one rule in `tally.rs`, so they are what a rebuild would make.
//! Where a segment is cleaned alone, nothing is written until the first batch changes: most old
//! segments stay as they are, and reading them is all that they cost.

use std::sync::Arc;

use super::super::Partition;
use crate::env::vfs::{OpenHow, VfsFile, write_all_at};
use crate::error::room;
use crate::error::{Error, Result};
use crate::format::control_file::SegmentState;
use crate::format::file_names::{CLEANED_SUFFIX, Suffix};
use crate::format::index_entries::AbortedTxn;
use crate::segment::indexes::{Indexes, remove_if_there};
use crate::segment::tally::{BatchFacts, Tally};
use crate::segment::{Segment, empty_state};

/// Written at once.
const PIECE_BYTES: usize = 1024 * 1024;
/// The suffixes of a segment's files.
const SUFFIXES: [Suffix; 4] = [Suffix::Log, Suffix::Index, Suffix::TimeIndex, Suffix::TxnIndex];

/// A segment that is being written.
pub(super) struct Output<'a> {
    partition: &'a Partition,
    interval_bytes: u64,
    tally: Tally,
    indexes: Indexes,
    /// All batches so far lie at the start of this log, too, and were not copied.
    same_as: Option<Arc<Segment>>,
    file: Option<Arc<dyn VfsFile>>,
    /// What is not yet in the file, which ends at `written`.
    buffer: Vec<u8>,
    written: u64,
}

impl<'a> Output<'a> {
    /// An empty segment. If batches of `source` alone go into it, say so.
    pub(super) fn new(
        partition: &'a Partition,
        base_offset: i64,
        interval_bytes: u64,
        source: Option<&Arc<Segment>>,
    ) -> Output<'a> {
        Output {
            partition,
            interval_bytes,
            tally: Tally::new(base_offset),
            indexes: Indexes::growing(),
            same_as: source.cloned(),
            file: None,
            buffer: Vec::new(),
            written: 0,
        }
    }

    /// The bytes so far.
    pub(super) fn log_bytes(&self) -> u64 {
        self.tally.position
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.tally.base_offset
    }

    /// Whether it still is its source, batch by batch.
    pub(super) fn is_same(&self) -> bool {
        self.same_as.is_some()
    }

    /// Appends a batch that is the next one of the source.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn append_same(&mut self, batch: &BatchFacts<'_>, bytes: &[u8]) -> Result<()> {
        if self.same_as.is_none() {
            return self.append(batch, bytes);
        }
        self.tally.add(batch, self.interval_bytes, &self.indexes);
        Ok(())
    }

    /// Appends a batch that is new.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn append(&mut self, batch: &BatchFacts<'_>, bytes: &[u8]) -> Result<()> {
        self.differ()?;
        room::more(&mut self.buffer, bytes.len())
            .map_err(|error| self.partition.io(error, "no memory for a batch", ""))?;
        self.buffer.extend_from_slice(bytes);
        self.tally.add(batch, self.interval_bytes, &self.indexes);
        if self.buffer.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    /// A transaction that stays aborted, whose marker was just appended.
    pub(super) fn push_aborted(&self, transaction: AbortedTxn) {
        self.indexes.txn.push(transaction);
    }

    /// From here on the segment is no copy of its source: what was not copied so far is copied.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn differ(&mut self) -> Result<()> {
        let Some(source) = self.same_as.take() else { return Ok(()) };
        let mut position = 0;
        while position < self.tally.position {
            let left = usize::try_from(self.tally.position - position).unwrap_or(usize::MAX);
            let length = left.min(PIECE_BYTES);
            room::resize(&mut self.buffer, length).map_err(|error| {
                self.partition.io(error, "cannot read the log", &source.log.name())
            })?;
            let read = source.log.read_up_to(&mut self.buffer, position);
            let read = read.map_err(|error| {
                self.partition.io(error, "cannot read the log", &source.log.name())
            })?;
            if read < length {
                let error = std::io::ErrorKind::UnexpectedEof.into();
                return Err(self.partition.io(error, "cannot read the log", &source.log.name()));
            }
            self.flush()?;
            position += length as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.create(Suffix::Log)?),
        };
        if let Err(error) = write_all_at(&**file, &self.buffer, self.written) {
            return Err(self.failed(Suffix::Log, error));
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Closes the segment. `None` if it is its source, which then stays.
    ///
    /// # Errors
    /// Those of the disk.
    ///
    /// # Durability
    /// The contents of the files are synced, their names are not.
    pub(super) fn finish(mut self) -> Result<Option<SegmentState>> {
        if self.is_same() {
            return Ok(None);
        }
        self.flush()?;
        if let Some(file) = &self.file {
            file.sync_data().map_err(|error| self.failed(Suffix::Log, error))?;
        }
        self.tally.add_time_entry(&self.indexes);
        for (suffix, bytes) in self.indexes.encode() {
            if suffix == Suffix::TxnIndex && bytes.is_empty() {
                // Kafka has this file only where there is an aborted transaction.
                let name = cleaned_file(suffix, self.base_offset());
                remove_if_there(&self.partition.folder, &name)
                    .map_err(|error| self.failed(suffix, error))?;
                continue;
            }
            let file = self.create(suffix)?;
            write_all_at(&*file, &bytes, 0)
                .and_then(|()| file.sync_data())
                .map_err(|error| self.failed(suffix, error))?;
        }
        let mut state = empty_state(self.base_offset());
        state.sealed = true;
        self.tally.describe_in(&mut state);
        self.indexes.describe_in(&mut state);
        Ok(Some(state))
    }

    /// Makes a file, empty whether or not an earlier attempt left one.
    fn create(&self, suffix: Suffix) -> Result<Arc<dyn VfsFile>> {
        let folder = &self.partition.folder;
        let path = folder.path(&cleaned_file(suffix, self.base_offset()));
        let made = folder.vfs.open(&path, OpenHow::CreateOrWrite).and_then(|file| {
            file.set_len(0)?;
            Ok(file)
        });
        made.map_err(|error| self.failed(suffix, error))
    }

    fn failed(&self, suffix: Suffix, error: std::io::Error) -> Error {
        let name = cleaned_file(suffix, self.base_offset());
        self.partition.io(error, "cannot write what compaction leaves", &name)
    }
}

/// The name of a file that compaction writes.
pub(crate) fn cleaned_file(suffix: Suffix, base_offset: i64) -> String {
    format!("{}{CLEANED_SUFFIX}", suffix.file(base_offset))
}

/// Removes the files of a new segment that will not be used, as far as that is possible; the next
/// opening removes the rest.
pub(super) fn discard(partition: &Partition, base_offset: i64) {
    if partition.folder.is_gone() {
        return;
    }
    for suffix in SUFFIXES {
        let _ = remove_if_there(&partition.folder, &cleaned_file(suffix, base_offset));
    }
}
