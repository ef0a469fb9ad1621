//! Where the table of producers meets the log: loading it, keeping it with every batch, writing
//! snapshots, and what readers of committed records ask for.
//!
//! Loading takes the newest snapshot that is not above the recovery point and reads the batches
//! behind it. A snapshot that cannot be read is passed over for an older one.

use super::Partition;
use super::producers::{AppendTime, NONE_UNSTABLE, ProducerSlot, Producers, UNKNOWN_UNSTABLE};
use super::writer::WriterState;
use crate::batch::entry::Entry;
use crate::env::sync::atomic::Ordering;
use crate::env::vfs::{OpenHow, read_up_to, write_all_at};
use crate::error::room;
use crate::error::{Error, Result};
use crate::format::file_names::{self, Suffix};
use crate::format::index_entries::AbortedTxn;
use crate::format::producer_snapshot::{self, ProducerEntry};
use crate::segment::scan::{Scanned, Scanner};

/// A snapshot larger than this (some 20 million producers) is not read.
const SNAPSHOT_BYTES_MAX: u64 = 1 << 30;

impl Partition {
    /// The offset below which every transaction is decided.
    ///
    /// # Errors
    /// Those of the disk, when the producers are read for the first time.
    pub(crate) fn last_stable_offset(&self) -> Result<i64> {
        let end = self.end_offset();
        let mut unstable = self.first_unstable.load(Ordering::Acquire);
        if unstable == UNKNOWN_UNSTABLE {
            self.load_producers(&mut self.writer.lock())?;
            unstable = self.first_unstable.load(Ordering::Acquire);
        }
        Ok(unstable.min(end))
    }

    /// The producers whose transactions are still open.
    ///
    /// # Errors
    /// Those of the disk, when the producers are read for the first time.
    pub(crate) fn open_transactions(&self) -> Result<Vec<ProducerEntry>> {
        if self.last_stable_offset()? == self.end_offset() {
            return Ok(Vec::new());
        }
        let state = self.writer.lock();
        let ProducerSlot::Read(producers) = &state.producers else { return Ok(Vec::new()) };
        let is_open = |entry: &ProducerEntry| entry.current_txn_first_offset >= 0;
        Ok(producers.entries().into_iter().filter(is_open).collect())
    }

    /// The aborted transactions that a reader of `from..end` has to know.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn aborted_transactions(&self, from: i64, end: i64) -> Result<Vec<AbortedTxn>> {
        let segments = self.segments.load();
        let mut found = Vec::new();
        for segment in &segments.as_slice()[segments.floor(from).min(segments.as_slice().len())..] {
            let indexes =
                segment.indexes(self.interval_bytes()).map_err(|error| self.name(error))?;
            if segment.lacks_txn_index() {
                self.rebuild_txn_index(segment)?;
            }
            if indexes.txn.collect(from, end, &mut found) {
                break;
            }
        }
        Ok(found)
    }

    /// Makes the index of aborted transactions of one segment anew.
    pub(super) fn rebuild_txn_index(&self, segment: &crate::segment::Segment) -> Result<()> {
        let mut producers = self.producers_at(segment.base_offset)?;
        let indexes = segment.indexes(self.interval_bytes()).map_err(|error| self.name(error))?;
        let mut entries = Vec::new();
        self.replay(segment.base_offset, segment.state().next_offset, &mut |entry| {
            if let Ok(Some((_, Some(aborted)))) = producers.observe(entry, AppendTime::Unknown) {
                entries.push(aborted);
            }
        })?;
        segment.set_txn_index(&indexes, entries);
        Ok(())
    }

    /// Reads the producers if they were not read yet.
    pub(super) fn load_producers(&self, state: &mut WriterState) -> Result<()> {
        if matches!(state.producers, ProducerSlot::Unread) {
            let producers = self.producers_at(state.next_offset)?;
            self.note_unstable(&producers);
            state.producers = ProducerSlot::Read(Box::new(producers));
        }
        Ok(())
    }

    pub(super) fn note_unstable(&self, producers: &Producers) {
        let unstable = producers.first_unstable().unwrap_or(NONE_UNSTABLE);
        self.first_unstable.store(unstable, Ordering::Release);
    }

    /// Whether there are producers to remember.
    pub(super) fn has_producers(&self, state: &WriterState) -> bool {
        match &state.producers {
            ProducerSlot::Unread => state.has_producers,
            ProducerSlot::Read(producers) => !producers.is_empty(),
        }
    }

    /// The table as of all batches below `offset`.
    pub(super) fn producers_at(&self, offset: i64) -> Result<Producers> {
        let failed = |error| match &self.damage {
            // A folder that is gone is what the damage says.
            Some(damage) => damage.clone(),
            None => self.name(
                Error::io(error, "cannot list the folder of a partition")
                    .at_file(self.folder.vfs.describe(self.folder.name())),
            ),
        };
        let listed = self.folder.vfs.list(self.folder.name()).map_err(failed)?;
        let mut snapshots: Vec<i64> = listed
            .iter()
            .filter_map(|entry| file_names::parse_base_offset(&entry.name))
            .filter(|&(at, suffix)| suffix == Suffix::Snapshot && at <= offset)
            .map(|(at, _)| at)
            .collect();
        snapshots.sort_unstable_by(|a, b| b.cmp(a));
        for at in snapshots {
            if let Some(mut producers) = self.read_snapshot(at)? {
                self.replay(at, offset, &mut |entry| {
                    // A marker that cannot be read changes nothing.
                    let _ = producers.observe(entry, AppendTime::Unknown);
                })?;
                return Ok(producers);
            }
        }
        let mut producers = Producers::default();
        self.replay(self.log_start_offset(), offset, &mut |entry| {
            let _ = producers.observe(entry, AppendTime::Unknown);
        })?;
        Ok(producers)
    }

    /// The table of a snapshot file; `None` if there is none, or none that can be read.
    pub(super) fn read_snapshot(&self, offset: i64) -> Result<Option<Producers>> {
        let name = file_names::snapshot_file(offset);
        let failed = |error| self.io(error, "cannot read a producer snapshot", &name);
        let file = match self.folder.vfs.open(&self.folder.path(&name), OpenHow::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let length = file.len().map_err(failed)?;
        if length > SNAPSHOT_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = room::zeros(usize::try_from(length).unwrap_or(0)).map_err(failed)?;
        let read = read_up_to(&*file, &mut bytes, 0).map_err(failed)?;
        if !self.shared.is_as_closed(&self.folder.path(&name), &bytes[..read]) {
            return Ok(None);
        }
        Ok(producer_snapshot::decode(&bytes[..read]).ok().map(Producers::of_entries))
    }

    /// Hands all sound batches of `from..to` to `observe`, in order. Stops at damage.
    fn replay(&self, from: i64, to: i64, observe: &mut dyn FnMut(&Entry<'_>)) -> Result<()> {
        if from >= to {
            return Ok(());
        }
        let segments = self.segments.load();
        let first = segments.floor(from).min(segments.as_slice().len());
        for segment in &segments.as_slice()[first..] {
            if segment.base_offset >= to {
                break;
            }
            let mut scanner = Scanner::new(&segment.log, 0, segment.published());
            loop {
                let scanned = scanner.next().map_err(|error| {
                    let what = "cannot read the log for the state of its producers";
                    self.name(Error::io(error, what).at_file(segment.describe()))
                })?;
                match scanned {
                    Scanned::Entry { entry, .. } if entry.base_offset() >= to => return Ok(()),
                    Scanned::Entry { entry, .. } if entry.last_offset() < from => {}
                    Scanned::Entry { entry, .. } => observe(&entry),
                    Scanned::End => break,
                    Scanned::Bad { .. } => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Writes the table as the snapshot of the log's end.
    ///
    /// # Durability
    /// The content is synced if `sync` says so, also where there is no producer: a broker takes an
    /// empty file for a damaged snapshot. The name is not.
    pub(super) fn write_snapshot(&self, state: &mut WriterState, sync: bool) -> Result<()> {
        self.load_producers(state)?;
        self.expire(state);
        let ProducerSlot::Read(producers) = &state.producers else { return Ok(()) };
        self.write_snapshot_of(producers, state.next_offset, sync)
    }

    /// Writes a table as the snapshot of `offset`.
    pub(super) fn write_snapshot_of(
        &self,
        producers: &Producers,
        offset: i64,
        sync: bool,
    ) -> Result<()> {
        let bytes = producer_snapshot::encode(&producers.snapshot_entries())
            .map_err(|error| self.name(error.into_error()))?;
        self.write_snapshot_bytes(&bytes, offset, sync)
    }

    pub(super) fn write_snapshot_bytes(&self, bytes: &[u8], offset: i64, sync: bool) -> Result<()> {
        let name = file_names::snapshot_file(offset);
        self.shared.forget_sum(&self.folder.path(&name));
        let written = (|| {
            let file = self.folder.vfs.open(&self.folder.path(&name), OpenHow::CreateOrWrite)?;
            file.set_len(0)?;
            write_all_at(&*file, bytes, 0)?;
            if sync { file.sync_data() } else { Ok(()) }
        })();
        written.map_err(|error| self.io(error, "cannot write a producer snapshot", &name))
    }
}
