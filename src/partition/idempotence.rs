//! Where a batch with a producer id meets the partition's table of producers: before it gets its
//! place, when it is taken back, and when producers are forgotten.
//!
//! The rules are the table's (`producers/`); this brings them the table, the time of the session
//! and the fences. The invariant: the table tells of every batch that has a place, staged ones
//! included, and of no other.

use super::Partition;
use super::producers::admit::{Admission, Circumstances};
use super::producers::recent::StoredBatch;
use super::producers::{AppendTime, ProducerSlot, ProducerUndo};
use super::writer::{Appended, Writer, WriterState};
use crate::batch::entry::Entry;
use crate::error::Result;
use crate::format::batch_header::BatchHeader;
use crate::format::producer_snapshot::ProducerEntry;

/// What became of a batch with a producer id.
pub(super) enum TakenIn {
    /// It is appended; `None`: it left no trace in the table.
    Append(Option<ProducerUndo>),
    /// It was appended before.
    Present(Appended),
}

impl StoredBatch {
    fn appended(&self) -> Appended {
        Appended { base_offset: self.base_offset(), last_offset: self.last_offset }
    }
}

impl Writer<'_> {
    /// Judges a batch and takes it into the table. Markers are believed: only the broker makes
    /// them.
    ///
    /// # Errors
    /// Those of the table; those of the disk, when it has to be read first.
    pub(super) fn take_in_producer(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        base_offset: i64,
    ) -> Result<TakenIn> {
        if header.is_control() {
            return self.observe_marker(batch).map(TakenIn::Append);
        }
        let partition = self.partition;
        partition.load_producers(&mut self.state)?;
        let circumstances = self.circumstances(header.producer_id);
        let ProducerSlot::Read(producers) = &mut self.state.producers else {
            return Err(self.not_prepared());
        };
        match producers.admit(header, base_offset, &circumstances) {
            Ok(Admission::Append(undo)) => {
                if header.is_transactional() {
                    partition.note_unstable(producers);
                }
                Ok(TakenIn::Append(Some(undo)))
            }
            Ok(Admission::Present(stored)) => Ok(TakenIn::Present(stored.appended())),
            Err(error) => Err(partition.name(error)),
        }
    }

    /// The offsets of a batch that its producer sent before; `None` if it is to be appended.
    ///
    /// # Errors
    /// As [`take_in_producer`](Self::take_in_producer).
    #[cold]
    pub(super) fn find_present(&mut self, header: &BatchHeader) -> Result<Option<Appended>> {
        if header.producer_id < 0 || header.is_control() {
            return Ok(None);
        }
        let partition = self.partition;
        partition.load_producers(&mut self.state)?;
        let circumstances = self.circumstances(header.producer_id);
        let ProducerSlot::Read(producers) = &self.state.producers else {
            return Err(self.not_prepared());
        };
        let judged = producers.judge(header, &circumstances);
        let present = judged.map_err(|error| partition.name(error))?;
        Ok(present.map(|stored| stored.appended()))
    }

    fn circumstances(&self, producer_id: i64) -> Circumstances {
        let shared = &self.partition.shared;
        Circumstances {
            never_held_a_record: self.state.next_offset == 0,
            epoch_min: shared.fences.epoch_min(producer_id),
            now_ms: shared.session_ms(),
        }
    }

    /// Takes a marker into the table. Returns how to take it back.
    #[cold]
    fn observe_marker(&mut self, batch: &[u8]) -> Result<Option<ProducerUndo>> {
        let partition = self.partition;
        partition.load_producers(&mut self.state)?;
        let entry = Entry::decode(batch).map_err(|error| partition.name(error.into_error()))?;
        let ProducerSlot::Read(producers) = &mut self.state.producers else {
            return Err(self.not_prepared());
        };
        let observed = producers
            .observe(&entry, AppendTime::Known(partition.shared.session_ms()))
            .map_err(|error| partition.name(error.into_error()))?;
        partition.note_unstable(producers);
        let Some((undo, aborted)) = observed else { return Ok(None) };
        if let (Some(aborted), Some(active)) = (aborted, &self.state.active) {
            active.indexes.txn.push(aborted);
        }
        Ok(Some(undo))
    }

    /// Puts back what taking in a batch has changed; the last batch first.
    #[cold]
    pub(super) fn undo_producer(&mut self, undo: ProducerUndo) {
        let has_aborted = undo.has_aborted();
        if let ProducerSlot::Read(producers) = &mut self.state.producers {
            producers.undo(undo);
            self.partition.note_unstable(producers);
        }
        if let (true, Some(active)) = (has_aborted, &self.state.active) {
            active.indexes.txn.truncate(active.indexes.txn.len().saturating_sub(1));
        }
    }
}

impl Partition {
    /// Forgets the producers that were quiet for longer than the broker remembers them. A table
    /// that was not read yet is left alone. Returns how many went.
    pub(crate) fn expire_producers(&self) -> usize {
        self.expire(&mut self.writer.lock())
    }

    pub(super) fn expire(&self, state: &mut WriterState) -> usize {
        match &mut state.producers {
            ProducerSlot::Unread => 0,
            ProducerSlot::Read(producers) => {
                producers.expire(self.shared.session_time(), self.shared.producer_expiration_ms)
            }
        }
    }

    /// Makes a producer known that is about to send its first batch here.
    ///
    /// # Errors
    /// Those of the disk, when the producers are read for the first time.
    pub(crate) fn introduce_producer(&self, producer_id: i64, producer_epoch: i16) -> Result<()> {
        let mut state = self.writer.lock();
        self.load_producers(&mut state)?;
        if let ProducerSlot::Read(producers) = &mut state.producers {
            producers.introduce(producer_id, producer_epoch, self.shared.session_ms());
        }
        Ok(())
    }

    /// What is known of each producer, by its id.
    ///
    /// # Errors
    /// Those of the disk, when the producers are read for the first time.
    pub(crate) fn producers(&self) -> Result<Vec<ProducerEntry>> {
        let mut state = self.writer.lock();
        self.load_producers(&mut state)?;
        match &state.producers {
            ProducerSlot::Unread => Ok(Vec::new()),
            ProducerSlot::Read(producers) => Ok(producers.entries()),
        }
    }
}
