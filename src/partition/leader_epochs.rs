//! At which offset each leader epoch began: `leader-epoch-checkpoint`.
//!
//! A single process is its own leader: it goes on in the newest epoch that the log knows, or
//! begins with 0. The file is derived from the batches; it is written at checkpoints.

use super::Partition;
use super::writer::WriterState;
use crate::env::replace_file::replace_file;
use crate::env::vfs::{OpenHow, read_up_to};
use crate::error::room;
use crate::error::{Error, Result};
use crate::format::file_names::LEADER_EPOCH_CHECKPOINT;
use crate::format::leader_epochs::{self, LeaderEpoch};
use crate::segment::scan::{Scanned, Scanner};

/// A checkpoint larger than this is not one of ours, and not one of Kafka's.
const CHECKPOINT_BYTES_MAX: u64 = 16 << 20;

/// The epochs of a partition; read from the file when first needed.
#[derive(Debug, Default)]
pub(crate) struct LeaderEpochs {
    /// Ascending in both fields; `None` until they are read.
    entries: Option<Vec<LeaderEpoch>>,
    /// The newest epoch, once there is one.
    current: Option<i32>,
    changed: bool,
}

impl LeaderEpochs {
    pub(crate) fn new(entries: Vec<LeaderEpoch>, changed: bool) -> LeaderEpochs {
        let current = entries.last().map(|entry| entry.epoch);
        LeaderEpochs { entries: Some(entries), current, changed }
    }

    /// The epoch that batches are stamped with, once it is known.
    #[inline]
    pub(crate) fn current(&self) -> Option<i32> {
        self.current
    }

    pub(crate) fn entries(&self) -> Option<&[LeaderEpoch]> {
        self.entries.as_deref()
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(crate) fn set_changed(&mut self, changed: bool) {
        self.changed = changed;
    }

    /// Takes in that a batch of `epoch` starts at `offset`.
    pub(crate) fn assign(&mut self, epoch: i32, offset: i64) {
        if epoch < 0 || self.current.is_some_and(|current| epoch <= current) {
            return;
        }
        let entries = self.entries.get_or_insert_default();
        while entries.last().is_some_and(|last| last.start_offset >= offset) {
            entries.pop();
        }
        entries.push(LeaderEpoch { epoch, start_offset: offset });
        self.current = Some(epoch);
        self.changed = true;
    }

    /// Forgets epochs that begin at or behind `end`.
    pub(crate) fn truncate_from_end(&mut self, end: i64) {
        let Some(entries) = &mut self.entries else { return };
        let kept = entries.partition_point(|entry| entry.start_offset < end);
        if kept < entries.len() {
            entries.truncate(kept);
            self.current = entries.last().map(|entry| entry.epoch);
            self.changed = true;
        }
    }

    /// Forgets epochs that ended before `start`; the one that holds it begins there now.
    pub(crate) fn truncate_from_start(&mut self, start: i64) {
        let Some(entries) = &mut self.entries else { return };
        let below = entries.partition_point(|entry| entry.start_offset <= start);
        let Some(last_below) = below.checked_sub(1) else { return };
        if last_below == 0 && entries.first().is_some_and(|entry| entry.start_offset == start) {
            return;
        }
        entries.drain(..last_below);
        if let Some(first) = entries.first_mut() {
            first.start_offset = start;
        }
        self.changed = true;
    }
}

impl Partition {
    /// The epoch to stamp batches with; begins epoch 0 if the log knows none.
    pub(super) fn current_epoch(&self, state: &mut WriterState) -> Result<i32> {
        if let Some(epoch) = state.epochs.current() {
            return Ok(epoch);
        }
        if state.epochs.entries().is_none() {
            state.epochs = self.read_epochs()?;
        }
        if state.epochs.current().is_none() {
            state.epochs.assign(0, state.next_offset);
        }
        Ok(state.epochs.current().unwrap_or(0))
    }

    /// Reads the checkpoint; where there is none, or a bad one, the batches tell.
    pub(super) fn read_epochs(&self) -> Result<LeaderEpochs> {
        let path = self.folder.path(LEADER_EPOCH_CHECKPOINT);
        let failed =
            |error| self.io(error, "cannot read the leader epochs", LEADER_EPOCH_CHECKPOINT);
        let bytes = match self.folder.vfs.open(&path, OpenHow::Read) {
            Ok(file) => {
                let length = file.len().map_err(failed)?.min(CHECKPOINT_BYTES_MAX);
                let mut bytes =
                    room::zeros(usize::try_from(length).unwrap_or(0)).map_err(failed)?;
                let read = read_up_to(&*file, &mut bytes, 0).map_err(failed)?;
                bytes.truncate(read);
                Some(bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let bytes = bytes.filter(|bytes| self.shared.is_as_closed(&path, bytes));
        match bytes.map(|bytes| leader_epochs::decode(&bytes)) {
            Some(Ok(entries)) => Ok(LeaderEpochs::new(entries, false)),
            _ => self.epochs_of_batches(),
        }
    }

    fn epochs_of_batches(&self) -> Result<LeaderEpochs> {
        let mut epochs = LeaderEpochs::new(Vec::new(), true);
        for segment in self.segments.load().as_slice() {
            let mut scanner = Scanner::new(&segment.log, 0, segment.published());
            let failed = |error| {
                let what = "cannot read the log for its leader epochs";
                self.name(Error::io(error, what).at_file(segment.describe()))
            };
            while let Scanned::Entry { entry, .. } = scanner.next().map_err(failed)? {
                epochs.assign(entry.leader_epoch(), entry.base_offset());
            }
        }
        Ok(epochs)
    }

    /// Writes the checkpoint.
    ///
    /// # Durability
    /// Synced.
    pub(super) fn write_epochs(&self, entries: &[LeaderEpoch]) -> Result<()> {
        let path = self.folder.path(LEADER_EPOCH_CHECKPOINT);
        self.shared.forget_sum(&path);
        replace_file(&*self.folder.vfs, &path, &leader_epochs::encode(entries))
            .map_err(|error| self.name(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(pairs: &[(i32, i64)]) -> LeaderEpochs {
        let entries =
            pairs.iter().map(|&(epoch, start_offset)| LeaderEpoch { epoch, start_offset });
        LeaderEpochs::new(entries.collect(), false)
    }

    fn check(epochs: &LeaderEpochs, expected: &[(i32, i64)]) {
        let entries: Vec<_> = epochs
            .entries()
            .unwrap()
            .iter()
            .map(|entry| (entry.epoch, entry.start_offset))
            .collect();
        assert_eq!(entries, expected);
        assert_eq!(epochs.current(), expected.last().map(|entry| entry.0));
    }

    #[test]
    fn epochs_begin_where_they_are_first_seen() {
        let mut cache = epochs(&[]);
        for (epoch, offset) in [(-1, 0), (0, 5), (0, 9), (2, 20), (1, 25), (4, 20)] {
            cache.assign(epoch, offset);
        }
        check(&cache, &[(0, 5), (4, 20)]);
    }

    #[test]
    fn cutting_either_end_follows_kafka() {
        let mut cache = epochs(&[(0, 0), (1, 138), (7, 400)]);
        cache.truncate_from_end(199);
        check(&cache, &[(0, 0), (1, 138)]);
        cache.truncate_from_start(150);
        check(&cache, &[(1, 150)]);
        cache.truncate_from_start(150);
        check(&cache, &[(1, 150)]);
        cache.truncate_from_end(150);
        check(&cache, &[]);
    }
}
