//! Walks over everything above the recovery point and finds the end of the log.
//!
//! Truth table for bytes that are no sound batch:
//!
//! | where | meaning |
//! |---|---|
//! | last segment, at or above the recovery point | a torn tail: cut |
//! | a segment whose successor is empty | the same; the roll had failed, or was just done |
//! | a segment with a successor that holds batches | damage: it was complete before that was written |
//! | below the recovery point, or after a clean close | damage |
//!
//! In a log of our own, offsets go on without a gap, but for what compaction took; a broker's log
//! may have holes.

use std::sync::Arc;

use super::super::producers::{AppendTime, Producers};
use super::{Recovery, Tail};
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::control_file::SegmentState;
use crate::format::file_names;
use crate::segment::indexes::Indexes;
use crate::segment::rebuild::{self, facts_of};
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::{Segment, empty_state};

/// Why a walk ended.
pub(super) enum Stop {
    /// At the end of the file.
    End,
    /// At bytes that are no sound batch.
    Bad(FormatError),
    /// At a sound batch that does not follow the one before.
    Foreign { base_offset: i64 },
}

impl Recovery {
    /// Walks over the tail of the active segment and over all segments behind it.
    pub(super) fn scan_tails(&mut self) -> Result<()> {
        let known = self.tails.last().map(|tail| tail.segment.base_offset);
        let bases: Vec<i64> = self
            .found
            .bases
            .iter()
            .copied()
            .filter(|&base_offset| known.is_none_or(|known| base_offset > known))
            .filter(|&base| !self.sealed.iter().any(|segment| segment.base_offset == base))
            .collect();
        if !self.tails.is_empty() {
            self.scan_last(bases.first().copied())?;
        }
        for (position, &base_offset) in bases.iter().enumerate() {
            if self.take_unlisted(base_offset)? {
                self.scan_last(bases.get(position + 1).copied())?;
            }
        }
        if self.end < self.recovery_point && self.log_start <= self.end {
            let message = format!(
                "the log ends at {}, but was synced up to {}",
                self.end, self.recovery_point
            );
            let name = self.tails.last().map(|tail| tail.segment.log.name()).unwrap_or_default();
            self.damaged(self.corrupt(message, &name));
        }
        Ok(())
    }

    /// Walks over the last tail. Damage does not end the walk if the log goes on behind it.
    fn scan_last(&mut self, next_base: Option<i64>) -> Result<()> {
        let Some(index) = self.tails.len().checked_sub(1) else { return Ok(()) };
        loop {
            let stop = self.walk(index)?;
            if !self.judge(index, stop, next_base)? || !self.step_over(index)? {
                return Ok(());
            }
        }
    }

    /// Goes over a damaged batch whose header still says how long it is, if a sound batch follows.
    fn step_over(&mut self, index: usize) -> Result<bool> {
        let Some(tail) = self.tails.get_mut(index) else { return Ok(false) };
        let name = tail.segment.log.name();
        let mut scanner = Scanner::new(&tail.segment.log, tail.tally.position, tail.file_bytes);
        let next = scanner.step_over().and_then(|stepped| {
            let position = scanner.position();
            match stepped.then(|| scanner.next()).transpose()? {
                Some(Scanned::Entry { entry, .. }) => Ok(Some((position, entry.base_offset()))),
                _ => Ok(None),
            }
        });
        match next {
            Ok(Some((position, base_offset))) if base_offset >= self.end => {
                tail.tally.position = position;
                self.end = base_offset;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(self.io(error, "cannot read the log", &name)),
        }
    }

    /// Takes a segment that the state does not list. False if it is a leftover.
    fn take_unlisted(&mut self, base_offset: i64) -> Result<bool> {
        let name = file_names::log_file(base_offset);
        let failed = |error| self.io(error, "cannot look at the log", &name);
        let file_bytes = self.folder.vfs.metadata(&self.folder.path(&name)).map_err(failed)?.length;
        let is_first = self.tails.is_empty() && self.sealed.is_empty();
        let fits = match self.foreign {
            Some(_) => base_offset >= self.end || is_first,
            None if base_offset <= self.cleaned_to => base_offset >= self.end,
            None => base_offset == self.end,
        };
        if !fits && base_offset < self.end && self.is_blank(base_offset, file_bytes)? {
            // The roll to it failed, and the segment before it was gone on with.
            for suffix in file_names::Suffix::ALL {
                if suffix != file_names::Suffix::Snapshot {
                    self.found.leftovers.push(suffix.file(base_offset));
                }
            }
            return Ok(false);
        }
        if !fits && self.damage.is_none() {
            let message = format!(
                "the segment starts at {base_offset}, but the log before it ends at {}",
                self.end
            );
            self.damaged(self.corrupt(message, &name));
        }
        if base_offset < self.end {
            return Ok(false);
        }
        self.has_hole |= base_offset > self.end;
        self.end = base_offset;
        let has_snapshot = base_offset == 0 || self.found.snapshots.contains(&base_offset);
        self.base_snapshot = (!has_snapshot).then(|| (base_offset, self.producers.clone()));
        self.tails.push(Tail::unlisted(&self.folder, base_offset, file_bytes));
        Ok(true)
    }

    /// Whether a log holds no batch: it is empty, or zeros that were reserved.
    fn is_blank(&self, base_offset: i64, file_bytes: u64) -> Result<bool> {
        if file_bytes == 0 {
            return Ok(true);
        }
        let segment = Segment::new(&self.folder, empty_state(base_offset), file_bytes, None);
        let mut head = vec![0; file_bytes.min(64) as usize];
        read_exact(&segment, &mut head, 0)
            .map_err(|error| self.io(error, "cannot read the log", &segment.log.name()))?;
        Ok(head.iter().all(|&byte| byte == 0))
    }

    /// Walks on from the end of a tail and takes in every sound batch.
    pub(super) fn walk(&mut self, index: usize) -> Result<Stop> {
        let append_time = self.append_time();
        let Some(tail) = self.tails.get_mut(index) else { return Ok(Stop::End) };
        let dense = self.foreign.is_none();
        let mut scanner = Scanner::new(&tail.segment.log, tail.tally.position, tail.file_bytes);
        let stop = loop {
            let scanned = scanner.next();
            if planted!("cut_on_eio") && scanned.is_err() {
                break Stop::End;
            }
            let scanned = scanned.map_err(|error| {
                Error::io(error, "cannot read the log")
                    .at_file(tail.segment.describe())
                    .at_partition(self.id.topic().as_str(), self.id.partition())
            })?;
            let entry = match scanned {
                Scanned::End => break Stop::End,
                Scanned::Bad { error, .. } => break Stop::Bad(error),
                Scanned::Entry { entry, .. } => entry,
            };
            let base_offset = entry.base_offset();
            // Offset and epoch are under no checksum: a torn write can take them away alone.
            let epoch_fits = self.epochs.current().is_none_or(|now| entry.leader_epoch() >= now);
            let hole_is_known = base_offset <= self.cleaned_to;
            let follows = match dense {
                true if hole_is_known => base_offset >= self.end && epoch_fits,
                true => base_offset == self.end && epoch_fits,
                false => base_offset >= self.end,
            };
            if !follows || entry.last_offset() == i64::MAX {
                break Stop::Foreign { base_offset };
            }
            if base_offset >= self.recovery_point {
                self.report.kept_batches += 1;
            } else {
                tail.unsynced_from = tail.tally.position + entry.bytes().len() as u64;
            }
            self.report.scanned_bytes += entry.bytes().len() as u64;
            self.has_hole |= base_offset > self.end;
            tail.tally.add(&facts_of(&entry), self.interval_bytes, &tail.indexes);
            self.end = entry.last_offset() + 1;
            self.epochs.assign(entry.leader_epoch(), base_offset);
            observe(&mut self.producers, tail, &entry, append_time);
        };
        self.unscanned = false;
        Ok(stop)
    }

    /// Takes a batch of the journal that was written at the end of the last tail.
    pub(super) fn take_in(&mut self, entry: &Entry<'_>) {
        let append_time = self.append_time();
        let Some(tail) = self.tails.last_mut() else { return };
        tail.tally.add(&facts_of(entry), self.interval_bytes, &tail.indexes);
        tail.file_bytes = tail.file_bytes.max(tail.tally.position);
        self.end = entry.last_offset() + 1;
        self.epochs.assign(entry.leader_epoch(), entry.base_offset());
        observe(&mut self.producers, tail, entry, append_time);
        self.unscanned = true;
    }

    /// When the batches above the recovery point were appended: shortly before now, if the log is
    /// our own.
    fn append_time(&self) -> AppendTime {
        match self.foreign {
            None => AppendTime::Known(self.shared.session_ms()),
            Some(_) => AppendTime::Unknown,
        }
    }

    /// Decides by the truth table above what the end of a walk means; true if it is damage.
    fn judge(&mut self, index: usize, stop: Stop, next_base: Option<i64>) -> Result<bool> {
        let Some(tail) = self.tails.get(index) else { return Ok(false) };
        let (position, name) = (tail.tally.position, tail.segment.log.name());
        let next_holds_batches = match next_base {
            None => false,
            Some(base_offset) => {
                let next = file_names::log_file(base_offset);
                let length = self
                    .folder
                    .vfs
                    .metadata(&self.folder.path(&next))
                    .map_err(|error| self.io(error, "cannot look at the log", &next))?
                    .length;
                !self.is_blank(base_offset, length)?
            }
        };
        let is_clean = self.foreign.is_some_and(|foreign| foreign.clean);
        // Once there is damage nothing is cut any more.
        let is_clean = is_clean || self.damage.is_some();
        let cannot_be_torn = next_holds_batches || is_clean || self.end < self.recovery_point;
        let message = match stop {
            Stop::End => return Ok(false),
            Stop::Bad(error) if cannot_be_torn => {
                // Zeros behind the end are reserved space, whoever reserved it.
                if !next_holds_batches
                    && self.end >= self.recovery_point
                    && self.is_zero_from(index, position)?
                {
                    return Ok(false);
                }
                format!("the log is damaged: {error}")
            }
            Stop::Foreign { base_offset } if cannot_be_torn => {
                format!("the batch at {base_offset} does not follow the offset {}", self.end)
            }
            Stop::Bad(_) | Stop::Foreign { .. } => return Ok(false),
        };
        self.damaged(self.corrupt(message, &name).at_position(position));
        Ok(true)
    }

    /// Whether a log holds nothing but zeros from a position on.
    pub(super) fn is_zero_from(&self, index: usize, position: u64) -> Result<bool> {
        let Some(tail) = self.tails.get(index) else { return Ok(true) };
        let mut chunk = vec![0; 64 * 1024];
        let mut at = position;
        while at < tail.file_bytes {
            let length = chunk.len().min((tail.file_bytes - at) as usize);
            read_exact(&tail.segment, &mut chunk[..length], at)
                .map_err(|error| self.io(error, "cannot read the log", &tail.segment.log.name()))?;
            if chunk[..length].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    /// The indexes of the active segment up to the recovery point, from its log. This reads
    /// synced batches; a bad one among them is damage.
    pub(super) fn rebuild_below(
        &mut self,
        segment: &Arc<Segment>,
        state: &SegmentState,
    ) -> Result<Indexes> {
        let name = segment.log.name();
        let rebuilt = rebuild::from_log(&segment.log, state, state.log_bytes, self.interval_bytes)
            .map_err(|error| self.io(error, "cannot read the log", &name))?;
        if rebuilt.end != state.log_bytes {
            let message = "the log is damaged below what was synced".to_owned();
            let error = Error::new(ErrorKind::Corrupt, message)
                .at_file(segment.describe())
                .at_position(rebuilt.end);
            self.damaged(self.named(error));
        } else if state.txn_index_bytes > 0 {
            self.found.txn_index_lost = true;
        }
        Ok(rebuilt.indexes)
    }
}

/// Reads bytes that the file has by its length; fewer are an error of the disk.
pub(super) fn read_exact(
    segment: &Segment,
    buffer: &mut [u8],
    position: u64,
) -> std::io::Result<()> {
    let read = segment.log.read_up_to(buffer, position)?;
    if read < buffer.len() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// Takes a batch into the table of producers. A marker that cannot be read changes nothing.
fn observe(producers: &mut Producers, tail: &Tail, entry: &Entry<'_>, append_time: AppendTime) {
    if planted!("producers_not_recovered") {
        return;
    }
    if let Ok(Some((_, Some(aborted)))) = producers.observe(entry, append_time) {
        tail.indexes.txn.push(aborted);
    }
}
