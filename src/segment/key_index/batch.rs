//! Reading the one batch that an index names, with every check that its bytes allow.

use std::io;

use super::super::Segment;
use super::super::scan::is_sound;
use crate::batch::entry::Entry;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader, MAGIC_AT, MAGIC_V2, PREFIX_LEN};

/// Batches above this are checked before memory is allocated for them.
const TRUSTED_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Segment {
    /// Reads the batch at `position` into `buffer`, which grows as needed; about `expected_bytes`
    /// are read at once. Returns its size.
    ///
    /// # Errors
    /// Corrupt if no sound batch lies there; those of the disk.
    pub(crate) fn read_batch(
        &self,
        position: u64,
        expected_bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize> {
        let remaining = self.published().saturating_sub(position);
        let most = usize::try_from(remaining).unwrap_or(usize::MAX);
        let there = self.fill(position, 0, expected_bytes.max(PREFIX_LEN).min(most), buffer)?;
        let size = Entry::size_of(&buffer[..there])
            .map_err(|error| error.into_error().at_file(self.describe()).at_position(position))?;
        if size > most {
            return Err(self.no_batch(position, "reaches beyond the log"));
        }
        if size > TRUSTED_BYTES_MAX {
            let sound = is_sound(&self.log, position, position + size as u64);
            if !sound.map_err(|error| self.cannot_read_at(error, position))? {
                return Err(self.no_batch(position, "does not match its checksum"));
            }
        }
        if there < size && self.fill(position, there, size, buffer)? < size {
            return Err(self.no_batch(position, "is not whole"));
        }
        Entry::decode(&buffer[..size])
            .and_then(|entry| entry.verify_checksum())
            .map_err(|error| error.into_error().at_file(self.describe()).at_position(position))?;
        Ok(size)
    }

    /// Whether a batch lies at `position` that has a place for `offset`, by its header.
    ///
    /// # Errors
    /// Corrupt if it does not; those of the disk.
    pub(crate) fn check_batch(&self, position: u64, offset: i64) -> Result<()> {
        let mut head = [0; BATCH_HEADER_LEN];
        let read = self.log.read_up_to(&mut head, position);
        let read = read.map_err(|error| self.cannot_read_at(error, position))?;
        let header = Entry::size_of(&head[..read]).and_then(|size| {
            // A message of an old format is all there is to look at.
            let is_batch = head[MAGIC_AT].cast_signed() == MAGIC_V2;
            let header = is_batch.then(|| BatchHeader::decode(&head[..read])).transpose()?;
            Ok((header, size as u64))
        });
        let (header, size) = header
            .map_err(|error| error.into_error().at_file(self.describe()).at_position(position))?;
        let holds = match header {
            Some(header) => (header.base_offset..=header.last_offset()).contains(&offset),
            None => true,
        };
        if !holds || size > self.published().saturating_sub(position) {
            return Err(self.no_batch(position, "does not hold what it should"));
        }
        Ok(())
    }

    /// Has `length` bytes in the buffer, of which `there` are; returns how many there are then.
    fn fill(
        &self,
        position: u64,
        there: usize,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize> {
        if buffer.len() < length {
            room::resize(buffer, length).map_err(|e| self.cannot_read_at(e, position))?;
        }
        let read = self.log.read_up_to(&mut buffer[there..length], position + there as u64);
        Ok(there + read.map_err(|error| self.cannot_read_at(error, position))?)
    }

    fn cannot_read_at(&self, error: io::Error, position: u64) -> Error {
        Error::io(error, "cannot read the log").at_file(self.describe()).at_position(position)
    }

    fn no_batch(&self, position: u64, what: &str) -> Error {
        let message = format!("the batch that an index names {what}");
        Error::new(ErrorKind::Corrupt, message).at_file(self.describe()).at_position(position)
    }
}
