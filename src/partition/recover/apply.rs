//! Entries of the journal meet the log.
//!
//! | the entry, at base offset b | the log, which ends at e |
//! |---|---|
//! | ends at or below the recovery point or the log start | skipped |
//! | b < e | the same batch must lie there; finishing writes it again |
//! | b = e | written there; bytes in the way that are worth keeping go to quarantine first |
//! | b > e | a hole: damage |
//!
//! A sound but different batch in the way was written by somebody else: damage. Behind a batch
//! that was written, the log may go on with batches that were acked with `acks=1`.

use super::scan_tail::{Stop, read_exact};
use super::{Applied, Recovery, Tail};
use crate::batch::entry::Entry;
use crate::env::vfs::{OpenHow, write_all_at};
use crate::error::Result;
use crate::error::room;
use crate::format::file_names;
use crate::segment::scan::{Scanned, Scanner};

/// Where the comparison of entries with the log stands. Entries come in order, so each batch is
/// read once.
pub(super) struct Cursor {
    index: usize,
    scanner: Scanner,
    /// No batch below this offset lies ahead.
    offset: i64,
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {} of tail {}", self.scanner.position(), self.index)
    }
}

impl Recovery {
    /// Brings a batch of the journal into the log, in the order of the journal.
    ///
    /// # Errors
    /// Those of the disk. A batch that does not fit is no error but damage.
    ///
    /// # Durability
    /// None before [`finish`](Self::finish).
    pub(crate) fn apply(&mut self, base_offset: i64, batch: &[u8]) -> Result<Applied> {
        if self.damage.is_some() {
            return Ok(Applied::Refused);
        }
        let entry = Entry::decode(batch).map_err(|error| self.named(error.into_error()))?;
        entry.verify_checksum().map_err(|error| self.named(error.into_error()))?;
        if self.skips(entry.last_offset()) {
            return Ok(Applied::Skipped);
        }
        if entry.base_offset() != base_offset {
            let message = format!(
                "a batch of the journal is for the offset {base_offset}, but says {}",
                entry.base_offset()
            );
            return Ok(self.refuse(message));
        }
        if self.unscanned && base_offset >= self.end {
            self.go_on()?;
        }
        if base_offset < self.end {
            return self.compare(&entry);
        }
        if base_offset > self.end {
            let message =
                format!("the log ends at {}, the journal goes on at {base_offset}", self.end);
            return Ok(self.refuse(message));
        }
        self.write(&entry)
    }

    /// Whether a batch that ends with this offset is not needed; it is counted as skipped then.
    pub(crate) fn skips(&mut self, last_offset: i64) -> bool {
        let is_skipped = last_offset < self.recovery_point.max(self.log_start);
        self.report.skipped_batches += u64::from(is_skipped);
        is_skipped
    }

    /// Looks behind the last batch that was applied.
    pub(super) fn go_on(&mut self) -> Result<()> {
        if let Some(index) = self.tails.len().checked_sub(1) {
            self.walk(index)?;
        }
        Ok(())
    }

    fn refuse(&mut self, message: String) -> Applied {
        let name = match self.tails.last() {
            Some(tail) => tail.segment.log.name(),
            None => String::new(),
        };
        self.damaged(self.corrupt(message, &name));
        Applied::Refused
    }

    /// The batch should be in the log already.
    fn compare(&mut self, wanted: &Entry<'_>) -> Result<Applied> {
        let offset = wanted.base_offset();
        let mut cursor = match self.cursor.take() {
            Some(cursor) if cursor.offset <= offset => cursor,
            _ => match self.first_cursor() {
                Some(cursor) => cursor,
                None => return Ok(self.refuse(format!("{offset} is not in the log"))),
            },
        };
        let found = loop {
            let scanned =
                cursor.scanner.next().map_err(|error| self.io(error, "cannot read the log", ""))?;
            match scanned {
                Scanned::Entry { entry, .. } if entry.last_offset() < offset => {
                    cursor.offset = entry.last_offset() + 1;
                }
                Scanned::Entry { entry, .. } => {
                    cursor.offset = entry.last_offset() + 1;
                    break Some((entry.bytes() == wanted.bytes(), entry.base_offset()));
                }
                Scanned::End | Scanned::Bad { .. } => {
                    let index = cursor.index + 1;
                    match self.cursor_at(index, cursor.offset) {
                        Some(next) => cursor = next,
                        None => break None,
                    }
                }
            }
        };
        self.cursor = Some(cursor);
        match found {
            Some((true, _)) => Ok(Applied::Written),
            Some((false, other)) => {
                let message = format!(
                    "the journal holds another batch for the offset {offset} than the log has at \
                     {other}: another program wrote here"
                );
                Ok(self.refuse(message))
            }
            None => Ok(self.refuse(format!("the offset {offset} is not in the log"))),
        }
    }

    /// A cursor at the recovery point.
    fn first_cursor(&self) -> Option<Cursor> {
        self.cursor_at(0, self.recovery_point.min(self.end))
    }

    fn cursor_at(&self, index: usize, offset: i64) -> Option<Cursor> {
        let tail = self.tails.get(index)?;
        let from = if index == 0 { tail.start } else { 0 };
        let scanner = Scanner::new(&tail.segment.log, from, tail.tally.position);
        Some(Cursor { index, scanner, offset })
    }

    /// Writes a batch at the end of the log.
    fn write(&mut self, entry: &Entry<'_>) -> Result<Applied> {
        if self.tails.is_empty() {
            self.make_first_tail()?;
        }
        let Some(index) = self.tails.len().checked_sub(1) else { return Ok(Applied::Refused) };
        let in_the_way = self.bytes_at_end(index, entry.bytes().len())?;
        if !is_torn(&in_the_way, entry.bytes()) {
            if let Some(base_offset) = self.foreign_batch_at_end(index)? {
                let message = format!(
                    "the log holds a batch at {base_offset} where the journal has {}: another \
                     program wrote here",
                    entry.base_offset()
                );
                return Ok(self.refuse(message));
            }
            let from = self.tails.get(index).map_or(0, |tail| tail.tally.position);
            self.quarantine(index, from, from + in_the_way.len() as u64)?;
        }
        let Some(tail) = self.tails.get(index) else { return Ok(Applied::Refused) };
        let name = tail.segment.log.name();
        tail.segment
            .log
            .writer()
            .and_then(|open| write_all_at(&*open.file, entry.bytes(), tail.tally.position))
            .map_err(|error| self.io(error, "cannot write into the log", &name))?;
        self.take_in(entry);
        self.cursor = None;
        self.replayed = true;
        self.report.replayed_batches += 1;
        Ok(Applied::Written)
    }

    /// A sound batch at the end of the log does not follow it; the walk stopped there.
    fn foreign_batch_at_end(&mut self, index: usize) -> Result<Option<i64>> {
        match self.walk(index)? {
            Stop::Foreign { base_offset } => Ok(Some(base_offset)),
            Stop::End | Stop::Bad(_) => Ok(None),
        }
    }

    /// What a batch of `length` bytes will overwrite.
    fn bytes_at_end(&self, index: usize, length: usize) -> Result<Vec<u8>> {
        let Some(tail) = self.tails.get(index) else { return Ok(Vec::new()) };
        let from = tail.tally.position;
        let to = tail.file_bytes.min(from + length as u64);
        let mut there = room::zeros(to.saturating_sub(from) as usize)
            .map_err(|error| self.io(error, "cannot read the log", &tail.segment.log.name()))?;
        read_exact(&tail.segment, &mut there, from)
            .map_err(|error| self.io(error, "cannot read the log", &tail.segment.log.name()))?;
        Ok(there)
    }

    /// Copies bytes of a log into a quarantine file.
    pub(super) fn quarantine(&mut self, index: usize, from: u64, to: u64) -> Result<()> {
        let Some(tail) = self.tails.get(index) else { return Ok(()) };
        let kept = self
            .shared
            .quarantine
            .keep(&self.shared.env.vfs, &tail.segment.log, from, to)
            .map_err(|error| {
            self.io(error, "cannot quarantine bytes", &tail.segment.log.name())
        })?;
        self.report.lost_bytes += kept.lost_bytes;
        self.report.quarantined.extend(kept.file);
        Ok(())
    }

    /// The first batch of a partition whose first segment was made just before the crash.
    fn make_first_tail(&mut self) -> Result<()> {
        let base_offset = self.end;
        let name = file_names::log_file(base_offset);
        self.folder
            .vfs
            .open(&self.folder.path(&name), OpenHow::CreateOrWrite)
            .map_err(|error| self.io(error, "cannot make a segment", &name))?;
        self.tails.push(Tail::unlisted(&self.folder, base_offset, 0));
        Ok(())
    }
}

/// Whether bytes are what a crash left of this batch: sectors of it, and zeros. Where the first
/// sector is lost a sound batch may remain, with another offset, because that is under no
/// checksum.
fn is_torn(there: &[u8], batch: &[u8]) -> bool {
    there.iter().zip(batch).all(|(&old, &new)| old == new || old == 0)
}
