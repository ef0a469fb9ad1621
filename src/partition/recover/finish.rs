//! The end of recovery: what is kept is written again and synced, what is not is cut.
//!
//! Why written again: a page that was read back may be clean in the cache and yet not on the disk
//! (after a failed sync by an earlier process). Only bytes that this process wrote and synced are
//! surely there.

use std::io;
use std::sync::Arc;

use super::super::Partition;
use super::super::create::Parts;
use super::super::report::PartitionReport;
use super::{Recovery, Tail};
use crate::env::planted::planted;
use crate::env::vfs::write_all_at;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::file_names::{self, LEADER_EPOCH_CHECKPOINT};
use crate::segment::Segment;
use crate::segment::indexes::remove_if_there;

const CHUNK_BYTES: usize = 1024 * 1024;

impl Recovery {
    /// Makes the partition ready. If it is damaged, nothing is changed, and it is readable as far
    /// as it is sound.
    ///
    /// # Errors
    /// Those of the disk; a failed sync poisons.
    ///
    /// # Durability
    /// All batches of the partition survive power loss when it returns, unless it is damaged.
    pub(crate) fn finish(mut self) -> Result<(Arc<Partition>, PartitionReport)> {
        if self.unscanned && self.damage.is_none() {
            self.go_on()?;
        }
        if self.damage.is_none() {
            // 1 to 3. The logs: if we stop here, some bytes were written again or cut, of which
            //         copies exist; the next recovery comes to the same end.
            for index in 0..self.tails.len() {
                self.settle(index)?;
            }
            // 4. What can be derived. If we stop here: it is derived again.
            self.drop_all_below_log_start();
            self.write_derived()?;
            // 5. Leftovers, last: they are of no use to anybody by now.
            self.remove_leftovers()?;
            self.sync_folder()?;
        }
        self.into_partition()
    }

    /// Writes the kept tail of one log again, cuts off the rest, syncs.
    fn settle(&mut self, index: usize) -> Result<()> {
        let Some(tail) = self.tails.get(index) else { return Ok(()) };
        let (from, end, file_bytes) = (tail.unsynced_from, tail.tally.position, tail.file_bytes);
        // A log of ours that has a successor was synced when it was rolled.
        let rolled = self.foreign.is_none() && index + 1 < self.tails.len();
        let untouched = rolled || self.foreign.is_some_and(|foreign| foreign.clean);
        let untouched = untouched && !self.replayed;
        if (untouched || planted!("tail_kept_as_it_is")) && end >= file_bytes {
            return Ok(());
        }
        // 1. Copy what will be cut.
        if file_bytes > end {
            self.quarantine(index, end, file_bytes)?;
            self.report.cut_bytes += file_bytes - end;
        }
        let Some(tail) = self.tails.get(index) else { return Ok(()) };
        let name = tail.segment.log.name();
        let failed = |error, what| self.io(error, what, &name);
        let open =
            tail.segment.log.writer().map_err(|error| failed(error, "cannot open the log"))?;
        // 2. Write the kept tail again, cut.
        let looks_right = planted!("right_looking_bytes_trusted");
        rewrite(tail, if untouched || looks_right { end } else { from }, end)
            .map_err(|error| failed(error, "cannot write the tail of the log again"))?;
        // Also where the log ends here already: who cut it may have died before the cut was synced.
        open.file.set_len(end).map_err(|error| failed(error, "cannot cut the log"))?;
        // 3. Sync, by the descriptor that wrote, before any reader sees it.
        open.begin_sync();
        tail.segment
            .log
            .sync(&open)
            .map_err(|error| self.shared.poisoned_by(failed(error, "cannot sync the log")))?;
        Ok(())
    }

    /// A log that ends before the log start: all that was left of it was deleted before.
    fn drop_all_below_log_start(&mut self) {
        if self.end >= self.log_start {
            return;
        }
        for tail in self.tails.drain(..) {
            for suffix in file_names::Suffix::ALL {
                if suffix != file_names::Suffix::Snapshot {
                    self.found.leftovers.push(suffix.file(tail.segment.base_offset));
                }
            }
        }
        for segment in self.sealed.drain(..) {
            for suffix in file_names::Suffix::ALL {
                if suffix != file_names::Suffix::Snapshot {
                    self.found.leftovers.push(suffix.file(segment.base_offset));
                }
            }
        }
        self.end = self.log_start;
        self.epochs.truncate_from_end(0);
        self.producers = Default::default();
    }

    /// Index files, states, the snapshot at the end, the epochs.
    fn write_derived(&mut self) -> Result<()> {
        let last = self.tails.len().checked_sub(1);
        for index in 0..self.tails.len() {
            let Some(tail) = self.tails.get_mut(index) else { break };
            let sealed = Some(index) != last;
            // A broker closes the time index of every segment that it recovers.
            if sealed || self.foreign.is_some() {
                tail.tally.add_time_entry(&tail.indexes);
            }
            let base_offset = tail.tally.base_offset;
            let changed = tail.indexes.write_changed(&self.folder, base_offset, sealed);
            let changed = match changed {
                Ok(changed) => Some(changed),
                Err(error) => {
                    let name = file_names::index_file(base_offset);
                    tolerate_full_disk(self.io(error, "cannot write an index", &name))?;
                    None
                }
            };
            if self.foreign.is_some() {
                for suffix in changed.iter().flatten() {
                    self.report.rebuilt.push(self.folder.describe(&suffix.file(base_offset)));
                }
            }
            let Some(tail) = self.tails.get(index) else { break };
            let mut state = crate::segment::empty_state(base_offset);
            state.sealed = sealed;
            tail.tally.describe_in(&mut state);
            tail.indexes.describe_in(&mut state);
            tail.segment.set_state(state);
            tail.segment.publish(tail.tally.position);
            // Read again when they are needed: most partitions are idle.
            if changed.is_some() {
                tail.segment.set_indexes(None);
            } else {
                tail.segment.note_rebuilt();
            }
        }
        // An epoch may begin at the end: its leader had not appended anything yet.
        self.epochs.truncate_from_end(self.end.saturating_add(1));
        self.epochs.truncate_from_start(self.log_start);
        if let (true, Some(entries)) = (self.epochs.is_changed(), self.epochs.entries()) {
            match self.below().write_epochs(entries) {
                Ok(()) => {
                    self.epochs.set_changed(false);
                    self.note_made(LEADER_EPOCH_CHECKPOINT);
                }
                Err(error) => tolerate_full_disk(error)?,
            }
        }
        self.write_producers()
    }

    fn write_producers(&mut self) -> Result<()> {
        if let Some((offset, producers)) = self.base_snapshot.take()
            && self.tails.last().is_some_and(|tail| tail.segment.base_offset == offset)
            && !producers.is_empty()
        {
            let written = self.below().write_snapshot_of(&producers, offset, false);
            written.or_else(tolerate_full_disk)?;
            self.note_made(&file_names::snapshot_file(offset));
        }
        if self.foreign.is_some_and(|foreign| foreign.clean)
            && let Some(known) = self.below().read_snapshot(self.end)?
        {
            // After a clean close the snapshot knows of producers whose batches are gone.
            self.producers = known;
        }
        let known = self.below().read_snapshot(self.end)?.map(|known| known.entries());
        if self.producers.is_empty() || known == Some(self.producers.snapshot_entries()) {
            return Ok(());
        }
        let written = self.below().write_snapshot_of(&self.producers, self.end, true);
        written.or_else(tolerate_full_disk)?;
        self.note_made(&file_names::snapshot_file(self.end));
        Ok(())
    }

    /// Names a derived file that was written where another program had left it otherwise, or not at
    /// all. In a log of ours such files are behind the log after every crash.
    fn note_made(&mut self, name: &str) {
        if self.foreign.is_some() {
            self.report.rebuilt.push(self.folder.describe(name));
        }
    }

    fn remove_leftovers(&mut self) -> Result<()> {
        let mut names = std::mem::take(&mut self.found.leftovers);
        let is_base = |offset: i64| {
            let bases = self.sealed.iter().map(|segment| segment.base_offset);
            let tails = self.tails.iter().map(|tail| tail.segment.base_offset);
            bases.chain(tails).any(|base_offset| base_offset == offset)
        };
        for &offset in &self.found.snapshots {
            // Snapshots of what was cut off must not be taken for those of later batches.
            // The one at the recovery point is needed until a control file knows a later one.
            let is_needed = self.foreign.is_none() && offset == self.recovery_point;
            let in_use = is_base(offset) || offset == self.end || is_needed;
            if offset > self.end || !in_use {
                names.push(file_names::snapshot_file(offset));
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            match self.folder.vfs.metadata(&self.folder.path(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                _ => {}
            }
            remove_if_there(&self.folder, &name)
                .map_err(|error| self.io(error, "cannot remove a leftover", &name))?;
            self.report.removed.push(self.folder.describe(&name));
        }
        Ok(())
    }

    fn sync_folder(&self) -> Result<()> {
        // Names that we do not see may have been removed by somebody who died before that was synced.
        if planted!("removed_names_trusted") {
            return Ok(());
        }
        if self.tails.is_empty() && self.sealed.is_empty() && self.report.removed.is_empty() {
            return Ok(());
        }
        self.folder.vfs.sync_dir(self.folder.name()).map_err(|error| {
            let what = "cannot sync the folder of the partition";
            self.shared.poisoned_by(self.io(error, what, ""))
        })
    }

    fn into_partition(mut self) -> Result<(Arc<Partition>, PartitionReport)> {
        let mut segments = std::mem::take(&mut self.sealed);
        for tail in std::mem::take(&mut self.tails) {
            segments.push(match &self.damage {
                None => tail.segment,
                Some(_) => as_far_as_sound(&self, &tail),
            });
        }
        self.report.damage.clone_from(&self.damage);
        let end = self.end.max(self.log_start);
        let has_producers = !self.producers.is_empty();
        let closed = self.foreign.is_some_and(|foreign| foreign.clean) && !self.replayed;
        let unclosed = self.damage.is_none() && !segments.is_empty() && !closed;
        let parts = Parts {
            segments,
            log_start: self.log_start.max(self.found.bases.first().copied().unwrap_or(0)),
            end,
            recovery_point: end,
            cleaned_to: self.cleaned_to().min(end),
            has_producers,
            producers: Some(self.producers),
            epochs: self.epochs,
            unclosed,
            damage: self.damage,
        };
        let partition =
            Partition::assemble(&self.shared, self.id, self.folder, &self.config, parts);
        Ok((partition, self.report))
    }

    /// Up to where all went through compaction. The state of a log that was about to be cut below
    /// that still says so; if it was cut, all behind the recovery point was appended since, without
    /// a hole. If it was not, what lies there is looked at again for nothing.
    fn cleaned_to(&self) -> i64 {
        if self.foreign.is_some() || self.has_hole {
            self.cleaned_to
        } else {
            self.cleaned_to.min(self.recovery_point)
        }
    }
}

/// What is derived can be written later, or made again: a full disk must not keep a partition
/// closed.
fn tolerate_full_disk(error: Error) -> Result<()> {
    if error.kind() == ErrorKind::NoSpace { Ok(()) } else { Err(error) }
}

/// A segment of a damaged partition: readable up to the last sound batch.
fn as_far_as_sound(recovery: &Recovery, tail: &Tail) -> Arc<Segment> {
    let mut state = crate::segment::empty_state(tail.segment.base_offset);
    tail.tally.describe_in(&mut state);
    tail.indexes.describe_in(&mut state);
    let message = "the log is damaged behind this";
    let damage = recovery.damage.clone().unwrap_or_else(|| Error::new(ErrorKind::Corrupt, message));
    let segment = Segment::new(&recovery.folder, state, tail.tally.position, Some(damage));
    segment.set_indexes(Some(Arc::clone(&tail.indexes)));
    Arc::new(segment)
}

/// Writes `from..end` of a log again, as it is.
fn rewrite(tail: &Tail, from: u64, end: u64) -> io::Result<()> {
    let log = &tail.segment.log;
    let open = log.writer()?;
    let mut chunk = Vec::new();
    let mut position = from;
    while position < end {
        let length = usize::try_from(end - position).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        room::resize(&mut chunk, length)?;
        if log.read_up_to(&mut chunk, position)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all_at(&*open.file, &chunk, position)?;
        position += length as u64;
    }
    Ok(())
}
