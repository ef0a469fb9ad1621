//! Reading the one batch that an index names, with every check that its bytes allow.

use std::io;

use super::super::Segment;
use super::super::scan::is_sound;
use crate::batch::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::PREFIX_LEN;

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

    /// Has `length` bytes in the buffer, of which `there` are; returns how many there are then.
    fn fill(
        &self,
        position: u64,
        there: usize,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<usize> {
        if buffer.len() < length {
            buffer.resize(length, 0);
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
