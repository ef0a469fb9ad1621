//! The records of a key in one batch that an index names.

use std::sync::Arc;

use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::batch::records::{RecordView, Records};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::segment::Segment;

/// A first guess at the size of a batch.
const BATCH_BYTES_GUESS: usize = 1024;
/// How much is read at once, at most, in the hope that the batch is as large as the one before.
const BATCH_BYTES_GUESS_MAX: usize = 64 * 1024;

/// Reads batches for one key, and keeps its buffers.
#[derive(Debug)]
pub(crate) struct KeyReader {
    key: Arc<[u8]>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// The size of the largest batch so far, as far as it can be hoped for again.
    expected_bytes: usize,
}

impl KeyReader {
    pub(crate) fn new(key: Arc<[u8]>) -> KeyReader {
        KeyReader {
            key,
            buffer: Vec::new(),
            scratch: Vec::new(),
            expected_bytes: BATCH_BYTES_GUESS,
        }
    }

    /// Reads the batch at `position`.
    ///
    /// # Errors
    /// Corrupt if no sound batch lies there; those of the disk.
    pub(crate) fn batch<'a>(
        &'a mut self,
        segment: &'a Segment,
        position: u32,
    ) -> Result<KeyBatch<'a>> {
        let at = u64::from(position);
        let size = segment.read_batch(at, self.expected_bytes, &mut self.buffer)?;
        self.expected_bytes = self.expected_bytes.max(size.min(BATCH_BYTES_GUESS_MAX));
        let named =
            |error: FormatError| error.into_error().at_file(segment.describe()).at_position(at);
        let entry = Entry::decode(&self.buffer[..size]).map_err(named)?;
        let records = if entry.is_control() {
            None
        } else {
            let limits = DecodeLimits::default();
            Some(entry.records(&limits, &mut self.scratch).map_err(named)?)
        };
        Ok(KeyBatch { key: &self.key, records, segment, position: at })
    }

    /// Whether the record at `offset` is in the batch at `position`, and carries the key.
    ///
    /// # Errors
    /// Corrupt if it is not, or no sound batch lies there; those of the disk.
    pub(crate) fn check(&mut self, segment: &Segment, position: u32, offset: i64) -> Result<()> {
        if self.batch(segment, position)?.has(offset)? {
            return Ok(());
        }
        Err(not_there(segment, position, offset))
    }
}

/// A batch that was read for one key.
#[derive(Debug)]
pub(crate) struct KeyBatch<'a> {
    key: &'a [u8],
    /// `None` for markers.
    records: Option<Records<'a>>,
    segment: &'a Segment,
    position: u64,
}

impl KeyBatch<'_> {
    /// Whether the record at `offset` is there and carries the key.
    ///
    /// # Errors
    /// Corrupt if the batch cannot be decoded.
    pub(crate) fn has(&self, offset: i64) -> Result<bool> {
        let Some(mut records) = self.records.clone() else { return Ok(false) };
        records.skip_to(offset).map_err(|error| self.named(error))?;
        match records.next() {
            Some(record) => {
                let record = record.map_err(|error| self.named(error))?;
                Ok(record.offset == offset && record.key == Some(self.key))
            }
            None => Ok(false),
        }
    }

    /// Hands all records that carry the key to `visit`, in order.
    ///
    /// # Errors
    /// Corrupt if the batch cannot be decoded.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(&RecordView<'_>)) -> Result<()> {
        for record in self.records.clone().into_iter().flatten() {
            let record = record.map_err(|error| self.named(error))?;
            if record.key == Some(self.key) {
                visit(&record);
            }
        }
        Ok(())
    }

    /// Hands the record at `offset`, and all behind it that carry the key, to `visit`; `false` if the
    /// one at `offset` does not: then nothing is handed out.
    ///
    /// # Errors
    /// Corrupt if the batch cannot be decoded.
    pub(crate) fn visit_from(
        &self,
        offset: i64,
        visit: &mut dyn FnMut(&RecordView<'_>),
    ) -> Result<bool> {
        let Some(mut records) = self.records.clone() else { return Ok(false) };
        records.skip_to(offset).map_err(|error| self.named(error))?;
        let mut is_there = false;
        for record in records {
            let record = record.map_err(|error| self.named(error))?;
            let is_wanted = record.key == Some(self.key);
            if !(is_there || is_wanted && record.offset == offset) {
                return Ok(false);
            }
            is_there = true;
            if is_wanted {
                visit(&record);
            }
        }
        Ok(is_there)
    }

    fn named(&self, error: FormatError) -> Error {
        error.into_error().at_file(self.segment.describe()).at_position(self.position)
    }
}

/// An index names a record that is not there.
#[cold]
pub(super) fn not_there(segment: &Segment, position: u32, offset: i64) -> Error {
    let message = format!("the key index names the offset {offset}, which is of another key");
    Error::new(ErrorKind::Corrupt, message)
        .at_file(segment.describe())
        .at_position(u64::from(position))
}
