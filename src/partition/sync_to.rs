//! Which offsets a loss of power may take, and syncing up to one of them.
//!
//! Whoever promises an offset of this partition elsewhere (a group that commits it) asks here
//! first. Asking costs two atomic loads. The invariant: a reader that sees the end of an unsynced
//! batch sees also that it is unsynced, because that is stored before the end is.

use super::Partition;
use super::writer::{Writer, WriterState};
use crate::env::sync::atomic::Ordering;
use crate::error::Result;

impl Partition {
    /// Whether all records below `offset` survive power loss. Ask for the end first: an offset
    /// beyond it is synced to nothing.
    #[inline]
    pub(crate) fn is_synced_to(&self, offset: i64) -> bool {
        offset <= self.unsynced_from.load(Ordering::Acquire)
    }

    /// Syncs the records below `offset`, unless they are. Appends go on meanwhile.
    ///
    /// # Errors
    /// Those of a partition that cannot be written; a failed sync poisons the broker.
    ///
    /// # Durability
    /// All records below `offset` that readers saw before the call survive power loss.
    pub(crate) fn sync_to(&self, offset: i64) -> Result<()> {
        if self.is_synced_to(offset) {
            return Ok(());
        }
        // 1. Take note of what is there, and by which descriptor it was written.
        let writer = self.lock();
        writer.check_writable()?;
        let Some(active) = &writer.state.active else { return Ok(()) };
        let segment = active.segment.clone();
        let open = active.open.clone().or_else(|| segment.log.dirty());
        let (end, covered_bytes) = (self.end_offset(), writer.state.unsynced_bytes);
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(open) = &open {
            open.begin_sync();
        }
        drop(writer);
        // 2. Sync it, while others append. What was rolled away meanwhile was synced by that.
        if let Some(open) = &open {
            segment.log.sync(open).map_err(|error| {
                let error = self.io(error, "cannot sync the log", &segment.log.name());
                self.shared.poisoned_by(error)
            })?;
        }
        // 3. Take note, unless the log was cut: then `end` is that of another history.
        let mut state = self.writer.lock();
        if self.generation.load(Ordering::Acquire) == generation {
            self.note_synced(&mut state, end, covered_bytes);
        }
        Ok(())
    }

    /// All below `end` is synced; the sync covered so many of the unsynced bytes.
    pub(super) fn note_synced(&self, state: &mut WriterState, end: i64, covered_bytes: u64) {
        if end >= state.written_end {
            state.unsynced_bytes = 0;
        } else if end > state.synced_end {
            // What was written during the sync is left. (If somebody else synced meanwhile, these
            // bytes were taken off already.)
            state.unsynced_bytes = state.unsynced_bytes.saturating_sub(covered_bytes);
        }
        state.synced_end = state.synced_end.max(end);
        let is_unsynced = state.written_end > state.synced_end;
        let from = if is_unsynced { state.synced_end } else { i64::MAX };
        self.unsynced_from.store(from, Ordering::Release);
    }
}

impl Writer<'_> {
    /// A batch at `base_offset` was written with `acks=1`, and is about to be shown.
    #[inline]
    pub(super) fn note_unsynced(&self, base_offset: i64) {
        if !self.has_unsynced_tail() {
            self.partition.unsynced_from.store(base_offset, Ordering::Release);
        }
    }
}
