//! Appending: finding the place of a batch, and the whole way of `acks=1`.
//!
//! Not here: how a batch gets durable (`durable.rs`, and the journal above). The invariant: a
//! failed append leaves the log as it was, or poisons the broker.

use super::idempotence::TakenIn;
use super::writer::{Active, Appended, Placed, Staged, Writer};
use crate::env::planted::{linger, planted};
use crate::env::vfs::write_all_at;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{self, BatchHeader};
use crate::segment::tally::BatchFacts;

impl Writer<'_> {
    /// Appends a batch with `acks=1`: assigns its offsets, writes it, shows it to readers. A batch
    /// that its producer sent before is not appended again: its offsets are the first ones.
    ///
    /// # Errors
    /// The batch is too large or no batch, or does not follow the one before of its producer; the
    /// disk is full or fails. Nothing is visible then, and the log is as before.
    ///
    /// # Durability
    /// Survives the death of the process, not the loss of power.
    pub(crate) fn append_written(&mut self, batch: &mut [u8]) -> Result<Appended> {
        let size = batch.len();
        let staged = match self.place(batch, size)? {
            Placed::Staged(staged) => staged,
            // Written before: it has survived the process, if not the power, as this one would.
            Placed::Present(appended) => return Ok(appended),
        };
        debug_assert_eq!(self.state.staged, 0, "the lock is held from stage to publish");
        if planted!("acked_unwritten") {
            // As if the bytes were on their way still.
        } else if let Err(error) = self.write(staged.position, batch) {
            return Err(self.cut_back(staged, error));
        }
        self.note_unsynced(staged.base_offset);
        self.state.written_end = staged.last_offset + 1;
        self.state.unsynced_bytes += staged.size as u64;
        self.show();
        Ok(Placed::Staged(staged).appended())
    }

    /// Finds the place of a batch: rolls if needed, assigns and stamps its offsets and epoch,
    /// adds it to the sums. Nothing is written into the active segment. Of a batch of `size` bytes
    /// at least the header is in `batch`; all of it if the partition remembers keys.
    pub(super) fn place(&mut self, batch: &mut [u8], size: usize) -> Result<Placed> {
        self.check_writable()?;
        let header = self.check_batch(batch, size)?;
        let leader_epoch = match self.state.epochs.current() {
            Some(epoch) if self.state.active.is_some() => epoch,
            _ => self.prepare()?,
        };
        if self.must_roll(&header, size)? {
            // Only for a batch that will be appended.
            if let Some(present) = self.find_present(&header)? {
                return Ok(Placed::Present(present));
            }
            self.roll()?;
        }
        let base_offset = self.state.next_offset;
        let leader_epoch = leader_epoch.max(header.partition_leader_epoch);
        let Some(last_offset) = base_offset
            .checked_add(i64::from(header.last_offset_delta))
            .filter(|&last| last < i64::MAX)
        else {
            return Err(self.refuse(ErrorKind::Limit, "the offsets are used up".to_owned()));
        };
        batch_header::stamp(batch, base_offset, leader_epoch);
        if self.state.settings.key_index {
            self.hash_keys(batch)?;
        }
        let mut producer = None;
        if header.producer_id >= 0 {
            producer = match self.take_in_producer(&header, batch, base_offset)? {
                TakenIn::Append(undo) => undo,
                TakenIn::Present(appended) => return Ok(Placed::Present(appended)),
            };
        }
        // A batch that names a later epoch begins it: the first ones of a catalog do.
        self.state.epochs.assign(header.partition_leader_epoch, base_offset);
        let interval_bytes = self.state.settings.index_interval_bytes;
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        let before = active.tally;
        let facts = BatchFacts {
            head: batch,
            size: size as u64,
            last_offset,
            max_timestamp: header.max_timestamp,
        };
        active.tally.add(&facts, interval_bytes, &active.indexes);
        let keys_before = match &mut active.keys {
            Some(keys) => keys.note(before.position),
            None => 0,
        };
        self.state.next_offset = last_offset + 1;
        let position = before.position;
        Ok(Placed::Staged(Staged {
            base_offset,
            last_offset,
            position,
            size,
            before,
            keys_before,
            producer,
        }))
    }

    fn check_batch(&self, batch: &[u8], size: usize) -> Result<BatchHeader> {
        let header =
            BatchHeader::decode(batch).map_err(|error| self.partition.name(error.into_error()))?;
        if header.size_bytes() != size {
            let message = format!("a batch of {} bytes has {size} bytes", header.size_bytes());
            return Err(self.refuse(ErrorKind::InvalidInput, message));
        }
        let allowed = self.state.settings.batch_bytes_max;
        if size > allowed {
            let message = format!(
                "the batch has {size} bytes, max.message.bytes allows {allowed}: send smaller \
                 batches or raise it"
            );
            return Err(self.refuse(ErrorKind::Limit, message));
        }
        Ok(header)
    }

    /// Writes bytes of a batch to their place, through the page cache.
    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) -> std::io::Result<()> {
        let Some(active) = &mut self.state.active else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let open = match &active.open {
            Some(open) if open.mark_dirty() => open,
            _ => active.open.insert(active.segment.log.writer()?),
        };
        let written = write_all_at(&*open.file, bytes, position);
        self.note_change();
        written
    }

    /// Shows everything that was written to readers.
    pub(super) fn show(&mut self) {
        if let Some(active) = &mut self.state.active {
            active.segment.publish(active.tally.position);
            if let Some(keys) = &mut active.keys {
                keys.settle();
            }
        }
        if planted!("woken_before_the_end") {
            self.partition.waiters.wake_all();
            linger();
            return self.partition.watermarks.set_end(self.state.next_offset);
        }
        self.partition.watermarks.set_end(self.state.next_offset);
        self.partition.waiters.wake_all();
    }

    /// Undoes a placed batch whose write failed.
    #[cold]
    fn cut_back(&mut self, staged: Staged, error: std::io::Error) -> Error {
        let position = staged.position;
        self.take_back(staged);
        let Some(active) = &mut self.state.active else { return self.not_prepared() };
        let name = active.segment.log.name();
        let error = self.partition.io(error, "cannot append to the log", &name);
        // Part of the batch may have been written. A tail that cannot be cut would be taken for
        // an acked one by nobody, but the next append would lie behind it: so nothing is written.
        active.reserved_to = position;
        // The cut is synced: after a crash the failed bytes must not stand where another batch
        // was committed.
        let cut = match &active.open {
            Some(open) => open.file.set_len(position).and_then(|()| open.file.sync_data()),
            None => Ok(()),
        };
        if let Err(cut) = cut {
            let what = "cannot cut the log back after a failed append";
            self.partition.shared.poison.set(&self.partition.io(cut, what, &name));
        }
        error
    }

    /// Puts back what `place` changed; the batch placed last is taken back first.
    pub(super) fn take_back(&mut self, staged: Staged) {
        self.state.next_offset = staged.base_offset;
        if let Some(active) = &mut self.state.active {
            active.tally = staged.before;
            staged.before.restore(&active.indexes);
            if let Some(keys) = &active.keys {
                keys.take_back(staged.keys_before);
            }
        }
        if let Some(undo) = staged.producer {
            self.undo_producer(undo);
        }
    }

    #[cold]
    pub(super) fn not_prepared(&self) -> Error {
        self.refuse(ErrorKind::Closed, "the partition has no active segment".to_owned())
    }
}

impl Active {
    /// The position behind the last batch, staged ones included.
    pub(super) fn position(&self) -> u64 {
        self.tally.position
    }
}
