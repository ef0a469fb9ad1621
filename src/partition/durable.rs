//! The partition's part of a durable commit: stage, write after the commit point, publish.
//!
//! Not here: the journal frame in between, which is the commit. The invariant: nothing staged is
//! visible, and everything that could fail for want of space has happened before the commit point.

use std::io;
use std::sync::Arc;

use super::writer::{Placed, Writer};
use crate::env::planted::planted;
use crate::env::vfs::write_all_at;
use crate::error::Result;
use crate::segment::log_file::OpenLog;

const RESERVE_BYTES_MIN: u64 = 64 * 1024;
const RESERVE_BYTES_MAX: u64 = 8 * 1024 * 1024;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

impl Writer<'_> {
    /// Finds the place of a batch that will be committed: rolls if needed, assigns and stamps its
    /// offsets, reserves the space. Invisible; take it back with [`unstage`](Self::unstage). A batch
    /// that its producer sent before gets no second place; the first one may be in the log, or
    /// staged and not committed yet.
    ///
    /// While other batches are staged here no segment is rolled: one group may overshoot
    /// `segment.bytes`, but not the two gigabytes that positions can count.
    ///
    /// Of a batch of `size` bytes at least the header is in `head`.
    ///
    /// # Errors
    /// As for an append. Nothing is staged then.
    pub(crate) fn stage_head(&mut self, head: &mut [u8], size: usize) -> Result<Placed> {
        let staged = match self.place(head, size)? {
            Placed::Staged(staged) => staged,
            present @ Placed::Present(_) => return Ok(present),
        };
        if let Err(error) = self.reserve(staged.position + staged.size as u64) {
            let name = self.state.active.as_ref().map(|active| active.segment.log.name());
            self.take_back(staged);
            let what = "cannot reserve space in the log";
            return Err(self.partition.io(error, what, &name.unwrap_or_default()));
        }
        self.state.staged += 1;
        Ok(Placed::Staged(staged))
    }

    /// Stages a batch that is in memory.
    #[cfg(test)]
    pub(crate) fn stage(&mut self, batch: &mut [u8]) -> Result<Placed> {
        let size = batch.len();
        self.stage_head(batch, size)
    }

    /// Takes a staged batch back, the last staged first.
    pub(crate) fn unstage(&mut self, placed: Placed) {
        if let Placed::Staged(staged) = placed {
            self.state.staged = self.state.staged.saturating_sub(1);
            self.take_back(staged);
        }
    }

    /// Writes a staged batch, whose commit is durable in the journal, into the segment. One that
    /// was there before is left where it is.
    ///
    /// # Errors
    /// Poisons the broker: the batch is durable but not in its place. Do not publish; opening the
    /// directory anew applies it.
    ///
    /// # Durability
    /// The journal's; the segment itself is synced by the next checkpoint or roll.
    pub(crate) fn apply(&mut self, placed: &Placed, batch: &[u8]) -> Result<()> {
        self.apply_piece(placed, 0, batch)
    }

    /// As [`apply`](Self::apply), for the bytes that lie at `at` of a batch.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub(crate) fn apply_piece(&mut self, placed: &Placed, at: u64, piece: &[u8]) -> Result<()> {
        let Placed::Staged(staged) = placed else { return Ok(()) };
        debug_assert!(at + piece.len() as u64 <= staged.size as u64);
        self.write(staged.position + at, piece).map_err(|error| {
            let name = self.state.active.as_ref().map(|active| active.segment.log.name());
            let what = "cannot write a committed batch into the log";
            let error = self.partition.io(error, what, &name.unwrap_or_default());
            self.partition.shared.poisoned_by(error)
        })
    }

    /// Shows everything that was staged and applied to readers, if there is anything.
    pub(crate) fn publish(&mut self) {
        if self.state.staged == 0 {
            return;
        }
        self.state.staged = 0;
        self.show();
    }

    /// Makes sure that the log can grow to `end` later on.
    fn reserve(&mut self, end: u64) -> io::Result<()> {
        let segment_bytes = self.state.settings.segment_bytes;
        let Some(active) = &mut self.state.active else { return Ok(()) };
        if end <= active.reserved_to {
            return Ok(());
        }
        let open = match &active.open {
            Some(open) if open.mark_dirty() => Arc::clone(open),
            _ => Arc::clone(active.open.insert(active.segment.log.writer()?)),
        };
        let from = active.reserved_to.max(active.segment.published());
        // A small log takes little; a large one is asked for seldom.
        let step = from.clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
        let target = (from + step).min(segment_bytes).max(end);
        if !planted!("space_not_reserved") {
            reserve_range(&open, from, target)?;
        }
        active.reserved_to = target;
        Ok(())
    }
}

/// Reserves a range, by zeros where the file system cannot do better. Zeros behind the end are no
/// batch: recovery cuts them off.
fn reserve_range(open: &OpenLog, from: u64, to: u64) -> io::Result<()> {
    match open.file.reserve(from, to - from) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        done => return done,
    }
    let mut position = from;
    while position < to {
        let length = (to - position).min(ZEROS.len() as u64);
        if let Err(error) = write_all_at(&*open.file, &ZEROS[..length as usize], position) {
            // Give back what was taken; if that fails too, the zeros do no harm.
            let _ = open.file.set_len(from);
            return Err(error);
        }
        position += length;
    }
    Ok(())
}
