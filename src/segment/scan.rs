//! Walks over the entries of a log with every check that the bytes allow: size, header, checksum.
//!
//! Memory is bounded: a chunk, or one entry where an entry is larger. The size of an entry is not
//! covered by its checksum, so before a large one is read whole, its checksum is computed piece by
//! piece. An error of the disk is an error, never the end of the log.

use std::io;
use std::sync::Arc;

use super::log_file::LogFile;
use crate::batch::entry::Entry;
use crate::error::room;
use crate::format::FormatError;
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader, MAGIC_AT, MAGIC_V2, PREFIX_LEN};
use crate::format::checksum::crc32c_append;

const CHUNK_BYTES: usize = 1024 * 1024;
/// Entries above this are checked before memory is allocated for them.
const TRUSTED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Where the bytes start that the checksum of a batch covers.
const SUMMED_AT: usize = 21;

/// What lies at a position of a log.
pub(crate) enum Scanned<'a> {
    /// A sound entry.
    Entry { position: u64, entry: Entry<'a> },
    /// The end that was asked for.
    End,
    /// No sound entry: torn, damaged, or not written at all.
    Bad { position: u64, error: FormatError },
}

/// Walks over part of a log.
pub(crate) struct Scanner {
    log: Arc<LogFile>,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    /// The position of the first byte of the buffer.
    buffer_position: u64,
    buffered: usize,
}

impl Scanner {
    /// Walks from `position`, where an entry starts, to `end`.
    pub(crate) fn new(log: &Arc<LogFile>, position: u64, end: u64) -> Scanner {
        Scanner {
            log: Arc::clone(log),
            position,
            end,
            buffer: Vec::new(),
            buffer_position: position,
            buffered: 0,
        }
    }

    /// The position behind the last entry that was returned.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next entry.
    ///
    /// # Errors
    /// Those of the disk only.
    pub(crate) fn next(&mut self) -> io::Result<Scanned<'_>> {
        let position = self.position;
        let remaining = self.end.saturating_sub(position);
        if remaining == 0 {
            return Ok(Scanned::End);
        }
        let bad = |error| Ok(Scanned::Bad { position, error });
        let prefix = self.fill(PREFIX_LEN)?;
        if prefix < PREFIX_LEN {
            return bad(FormatError::truncated("the start of a batch", prefix));
        }
        let size = match Entry::size_of(self.at_position(PREFIX_LEN)) {
            Ok(size) => size,
            Err(error) => return bad(error),
        };
        if size as u64 > remaining {
            let what = format!("a batch of {size} bytes ends after {remaining}");
            return bad(FormatError::corrupt(what, 8));
        }
        if size > TRUSTED_BYTES_MAX && !self.large_is_sound(size)? {
            let what = format!("the checksum of a batch of {size} bytes does not match");
            return bad(FormatError::corrupt(what, SUMMED_AT));
        }
        if self.fill(size)? < size {
            return bad(FormatError::truncated("a batch", size));
        }
        let start = (position - self.buffer_position) as usize;
        let entry = match sound_entry(&self.buffer[start..start + size]) {
            Ok(entry) => entry,
            Err(error) => return bad(error),
        };
        self.position += size as u64;
        Ok(Scanned::Entry { position, entry })
    }

    /// Goes over bytes that are no sound entry, if they still say how long it is; else false.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn step_over(&mut self) -> io::Result<bool> {
        if self.fill(PREFIX_LEN)? < PREFIX_LEN {
            return Ok(false);
        }
        match Entry::size_of(self.at_position(PREFIX_LEN)) {
            Ok(size) if self.position + (size as u64) < self.end => {
                // What was read before is kept only up to here.
                self.position += size as u64;
                self.buffer_position = self.position;
                self.buffered = 0;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn at_position(&self, length: usize) -> &[u8] {
        let start = (self.position - self.buffer_position) as usize;
        &self.buffer[start..start + length]
    }

    /// Has at least `needed` bytes from the position on in the buffer, or all that there are.
    /// Returns how many there are, at most `needed`.
    fn fill(&mut self, needed: usize) -> io::Result<usize> {
        let start = (self.position - self.buffer_position) as usize;
        let there = self.buffered.saturating_sub(start);
        if there >= needed {
            return Ok(needed);
        }
        self.buffer.copy_within(start..start + there, 0);
        self.buffer_position = self.position;
        let remaining = self.end - self.position;
        let wanted = u64::try_from(needed.max(CHUNK_BYTES)).unwrap_or(u64::MAX).min(remaining);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if self.buffer.len() < wanted {
            room::resize(&mut self.buffer, wanted)?;
        }
        let target = &mut self.buffer[there..wanted.max(there)];
        let read = self.log.read_up_to(target, self.position + there as u64)?;
        self.buffered = there + read;
        if self.buffered < wanted {
            // The file was longer a moment ago: a disk that errs, not the end of the log.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.buffered.min(needed))
    }

    /// Whether the checksum of a large batch holds, read piece by piece.
    fn large_is_sound(&mut self, size: usize) -> io::Result<bool> {
        if self.fill(BATCH_HEADER_LEN)? < BATCH_HEADER_LEN {
            return Ok(false);
        }
        let head = self.at_position(BATCH_HEADER_LEN);
        if head[MAGIC_AT].cast_signed() != MAGIC_V2 {
            // Legacy messages were never that large in Kafka's default settings.
            return Ok(true);
        }
        let Ok(header) = BatchHeader::decode(head) else { return Ok(false) };
        let mut piece = vec![0; CHUNK_BYTES];
        let (mut done, mut sum) = (SUMMED_AT, 0);
        while done < size {
            let length = piece.len().min(size - done);
            let target = &mut piece[..length];
            if self.log.read_up_to(target, self.position + done as u64)? < length {
                return Ok(false);
            }
            sum = crc32c_append(sum, target);
            done += length;
        }
        Ok(sum == header.crc)
    }
}

/// The entry that `bytes` are, if its header and checksum are right.
fn sound_entry(bytes: &[u8]) -> Result<Entry<'_>, FormatError> {
    let entry = Entry::decode(bytes)?;
    entry.verify_checksum()?;
    Ok(entry)
}

/// Whether one sound entry lies exactly at `position..end`, in bounded memory.
///
/// # Errors
/// Those of the disk.
pub(crate) fn is_sound(log: &Arc<LogFile>, position: u64, end: u64) -> io::Result<bool> {
    let mut scanner = Scanner::new(log, position, end);
    if scanner.fill(PREFIX_LEN)? < PREFIX_LEN {
        return Ok(false);
    }
    match Entry::size_of(scanner.at_position(PREFIX_LEN)) {
        Ok(size) if position + size as u64 == end => scanner.large_is_sound(size),
        _ => Ok(false),
    }
}
