//! Proving that the batches of a log lie where they were written: what no batch's own checksum
//! covers (base offset, length, leader epoch, magic) is summed and held against what is remembered.
//!
//! A reader needs this where offsets have holes: there nothing else tells a batch that compaction
//! left from one whose base offset was damaged. Headers only, and once in the life of a segment.
//! What was appended since the state was taken is not looked at: this process has written it.

use std::io;

use super::Segment;
use super::scan::is_sound;
use super::tally::SUMMED_BYTES;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader};
use crate::format::checksum::crc32c_append;
use crate::format::control_file::SegmentState;

/// Read at once. Where batches are larger, only their headers are read.
const PIECE_BYTES: usize = 4096;

impl Segment {
    /// Makes sure that the headers of the batches are those that were written.
    ///
    /// # Errors
    /// Corrupt if they are not; those of the disk.
    pub(crate) fn prove(&self) -> Result<()> {
        if self.proven.load(Ordering::Relaxed) || planted!("holes_believed") {
            return Ok(());
        }
        // Of a log whose length is wrong nothing can be proven.
        if let Some(damage) = self.damage() {
            return Err(damage.clone());
        }
        let state = self.state();
        let sum = self.sum_of_headers(state.log_bytes).map_err(|error| {
            Error::io(error, "cannot read the headers of the log").at_file(self.describe())
        })?;
        if sum == Some(state.log_sum) {
            self.proven.store(true, Ordering::Relaxed);
            return Ok(());
        }
        // It was cut meanwhile: what the reader wants is gone, or it comes again.
        if self.published() < state.log_bytes || !self.is_still(&state) {
            return Ok(());
        }
        let message = "the headers of the batches are not those that were written";
        Err(Error::new(ErrorKind::Corrupt, message).at_file(self.describe()))
    }

    /// Makes sure, when the segment is first read, that the log is this one: by its first batch. A
    /// whole file in the place of another one has every sum right. (Who wants to know for sure that
    /// every batch is the one that was written has it verified.)
    ///
    /// # Errors
    /// Corrupt if it is another log; those of the disk.
    #[inline]
    pub(crate) fn recognise(&self) -> Result<()> {
        if self.recognised.load(Ordering::Relaxed) { Ok(()) } else { self.look_at_first_batch() }
    }

    #[cold]
    fn look_at_first_batch(&self) -> Result<()> {
        let state = self.state();
        let mut head = [0; BATCH_HEADER_LEN];
        let failed = |error| match self.damage() {
            Some(damage) => damage.clone(),
            None => {
                Error::io(error, "cannot read the first batch of the log").at_file(self.describe())
            }
        };
        // What was appended by this process is known to it.
        let length = if state.log_bytes == 0 { 0 } else { head.len() };
        let read = self.log.read_up_to(&mut head[..length], 0).map_err(failed)?;
        let is_other = match BatchHeader::decode(&head[..read]) {
            Ok(header) => {
                let base_offset = self.base_offset;
                header.max_timestamp != state.first_timestamp || header.base_offset < base_offset
            }
            // None of the newest kind, or a damaged one: it is met by who reads it.
            Err(_) => false,
        };
        if is_other && !planted!("any_log_recognised") {
            let size = Entry::size_of(&head).unwrap_or(0);
            let end = self.published();
            if size as u64 <= end && is_sound(&self.log, 0, size as u64).map_err(failed)? {
                let message = "the log begins with another batch: it is not the one that was here";
                let error = Error::new(ErrorKind::Corrupt, message).at_file(self.describe());
                return Err(error.at_position(0));
            }
        }
        self.recognised.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_still(&self, state: &SegmentState) -> bool {
        let now = self.state();
        now.log_bytes == state.log_bytes && now.log_sum == state.log_sum
    }

    /// The sum over the first bytes of each batch; `None` if the batches do not end at `length`.
    fn sum_of_headers(&self, length: u64) -> io::Result<Option<u32>> {
        let mut piece = [0; PIECE_BYTES];
        let (mut at, mut filled) = (0, 0);
        let (mut position, mut sum) = (0, 0);
        while position < length {
            if position < at || position + SUMMED_BYTES as u64 > at + filled as u64 {
                (at, filled) = (position, self.log.read_up_to(&mut piece, position)?);
            }
            let start = (position - at) as usize;
            let Some(head) = piece.get(start..filled).and_then(|rest| rest.get(..SUMMED_BYTES))
            else {
                return Ok(None);
            };
            let Ok(size) = Entry::size_of(head) else { return Ok(None) };
            sum = crc32c_append(sum, head);
            position += size as u64;
        }
        Ok((position == length).then_some(sum))
    }
}
