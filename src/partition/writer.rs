//! What the partition's lock guards, and the guard through which everything is written.
//!
//! Not here: the verbs (`append.rs`, `durable.rs`, `roll.rs`). The invariant: while the lock is
//! free, nothing is staged, and the end that readers see is the end of the log.

use std::sync::Arc;

use super::Partition;
use super::keys::note::ActiveKeys;
use super::leader_epochs::LeaderEpochs;
use super::producers::{ProducerSlot, ProducerUndo};
use super::settings::Settings;
use crate::env::sync::MutexGuard;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::segment::indexes::Indexes;
use crate::segment::log_file::OpenLog;
use crate::segment::tally::Tally;

/// Guarded by the partition's lock.
#[derive(Debug)]
pub(crate) struct WriterState {
    pub(crate) settings: Settings,
    /// The offset of the next batch; staged ones are counted.
    pub(crate) next_offset: i64,
    /// The segment that is appended to; found or made when first needed.
    pub(crate) active: Option<Active>,
    /// Batches that were staged and not published.
    pub(crate) staged: usize,
    /// All below this is synced, and the segments' states say so.
    pub(crate) recovery_point: i64,
    /// All below this went through compaction.
    pub(crate) cleaned_to: i64,
    /// Where the last checkpoint wrote a snapshot of the producers.
    pub(crate) snapshot_offset: i64,
    /// Something was written since the files were last in the form of a clean close.
    pub(crate) unclosed: bool,
    /// The log start of the last plan: a control file that is written between a plan and its
    /// deed must not go back behind it.
    pub(crate) planned_log_start: i64,
    /// Whether producers were known at the recovery point.
    pub(crate) has_producers: bool,
    pub(crate) producers: ProducerSlot,
    pub(crate) epochs: LeaderEpochs,
    /// Counts what a checkpoint has to write.
    pub(crate) changes: u64,
    /// The end of what was appended with `acks=1`, and of what is synced.
    pub(crate) written_end: i64,
    pub(crate) synced_end: i64,
    /// Bytes appended with `acks=1` since the last sync.
    pub(crate) unsynced_bytes: u64,
}

/// The active segment, opened for appending.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) indexes: Arc<Indexes>,
    /// Where the log ends; staged batches are counted.
    pub(crate) tally: Tally,
    /// The descriptor that was written through; let go at a checkpoint.
    pub(crate) open: Option<Arc<OpenLog>>,
    /// Up to where space was reserved.
    pub(crate) reserved_to: u64,
    /// When the segment was made or opened, in case its records have no timestamps.
    pub(crate) created_ms: i64,
    /// Taken off `segment.ms`.
    pub(crate) jitter_ms: i64,
    /// Which records carry a key, if the topic has that remembered and somebody asked or appended.
    pub(crate) keys: Option<Box<ActiveKeys>>,
}

/// Where a batch that was staged will lie.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    /// The position in the active segment.
    pub(crate) position: u64,
    pub(crate) size: usize,
    /// What to put back if the batch is taken back.
    pub(super) before: Tally,
    pub(super) keys_before: u32,
    pub(super) producer: Option<ProducerUndo>,
}

/// What became of a batch that was to be staged.
#[derive(Debug)]
pub(crate) enum Placed {
    /// It got its place.
    Staged(Staged),
    /// Its producer sent it before: it is in the log, or staged here already. Nothing was changed.
    Present(Appended),
}

impl Placed {
    /// The offsets that the batch has.
    pub(crate) fn appended(&self) -> Appended {
        match self {
            Placed::Staged(staged) => {
                Appended { base_offset: staged.base_offset, last_offset: staged.last_offset }
            }
            Placed::Present(appended) => *appended,
        }
    }
}

/// Where a batch was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
}

/// The partition's lock, held.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(super) partition: &'a Partition,
    pub(super) state: MutexGuard<'a, WriterState>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(partition: &'a Partition, state: MutexGuard<'a, WriterState>) -> Writer<'a> {
        Writer { partition, state }
    }

    /// Whether anything may be written at all.
    ///
    /// # Errors
    /// Poisoned, the damage of the partition, or its topic was deleted.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<()> {
        self.partition.shared.poison.check()?;
        if let Some(damage) = &self.partition.damage {
            return Err(damage.clone());
        }
        self.partition.check_not_deleted()
    }

    /// Whether bytes appended with `acks=1` are not synced yet.
    pub(crate) fn has_unsynced_tail(&self) -> bool {
        self.state.written_end > self.state.synced_end
    }

    /// How many bytes those are: sync when there are many.
    pub(crate) fn unsynced_tail_bytes(&self) -> u64 {
        self.state.unsynced_bytes
    }

    /// Syncs what was appended with `acks=1`, so that a frame may follow it.
    ///
    /// # Errors
    /// A failed sync poisons the broker.
    ///
    /// # Durability
    /// All that was appended to this partition before survives power loss.
    pub(crate) fn sync_tail(&mut self) -> Result<()> {
        self.check_writable()?;
        if self.has_unsynced_tail() {
            self.sync_active()?;
        }
        Ok(())
    }

    /// Syncs the log of the active segment by the descriptor that wrote it.
    pub(super) fn sync_active(&mut self) -> Result<()> {
        let Some(active) = &self.state.active else { return Ok(()) };
        if let Some(open) = active.open.clone().or_else(|| active.segment.log.dirty()) {
            open.begin_sync();
            active.segment.log.sync(&open).map_err(|error| {
                let what = "cannot sync the log";
                let error = self.partition.io(error, what, &active.segment.log.name());
                self.partition.shared.poisoned_by(error)
            })?;
        }
        // What is staged is not written yet, and may be taken back.
        let covered = self.state.unsynced_bytes;
        self.partition.note_synced(&mut self.state, self.partition.end_offset(), covered);
        Ok(())
    }

    /// Something changed that a checkpoint has to write.
    #[inline]
    pub(super) fn note_change(&mut self) {
        self.state.changes += 1;
        self.state.unclosed = true;
        self.partition.dirty.store(true, crate::env::sync::atomic::Ordering::Release);
    }

    /// The error of a batch that cannot be appended.
    pub(super) fn refuse(&self, kind: ErrorKind, message: String) -> Error {
        self.partition.name(Error::new(kind, message))
    }
}
