//! Decoding what was fetched: each record becomes a slot that says where in the bytes its parts
//! lie, so that records are borrowed from the bytes, and a batch can be handed out in portions.
//!
//! Everything is checked here, before a record is handed out: iterating over records cannot fail.
//! Not here: which bytes are fetched, and when.

use std::ops::Range;
use std::sync::Arc;

use super::isolation::AbortedFilter;
use super::pool::Pool;
use crate::batch::compression::{DecodeLimits, decompress};
use crate::batch::entry::Entry;
use crate::batch::records::{Progress, RecordView, Records};
use crate::config::compression::Compression;
use crate::error::{Error, Result};
use crate::format::FormatError;
use crate::format::batch_header::{BATCH_HEADER_LEN, TimestampType};

/// A step decodes no more records than this: the slots are still in the processor's nearest cache
/// when they are read.
const STEP_RECORDS_MAX: usize = 512;

/// A step decodes this many records if there are as many, also if fewer are wanted.
const STEP_RECORDS_MIN: usize = 64;

/// The bit of [`Slot::header_count`] that says `LogAppendTime`.
const APPEND_TIME_BIT: u32 = 1 << 31;

/// Where the parts of a record lie in the bytes of its piece. A length of -1 means null.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key_at: u32,
    pub(super) key_len: i32,
    pub(super) value_at: u32,
    pub(super) value_len: i32,
    pub(super) headers_at: u32,
    /// The number of headers, and a bit for the timestamp type.
    header_count: u32,
}

impl Slot {
    #[inline]
    fn new(record: &RecordView<'_>, base: usize) -> Slot {
        let (key_at, key_len) = place_of(record.key, base);
        let (value_at, value_len) = place_of(record.value, base);
        let mut header_count = 0;
        let mut headers_at = 0;
        if !record.headers.is_empty() {
            // A record is below 2 GiB and a header has two bytes at least: the bit stays free.
            header_count = record.headers.count_left() as u32;
            headers_at = place_of(Some(record.headers.encoded()), base).0;
        }
        if record.timestamp_type == TimestampType::LogAppendTime {
            header_count |= APPEND_TIME_BIT;
        }
        Slot {
            offset: record.offset,
            timestamp: record.timestamp,
            key_at,
            key_len,
            value_at,
            value_len,
            headers_at,
            header_count,
        }
    }

    #[inline]
    pub(super) fn header_count(&self) -> usize {
        (self.header_count & !APPEND_TIME_BIT) as usize
    }

    #[inline]
    pub(super) fn timestamp_type(&self) -> TimestampType {
        if self.header_count & APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }
}

/// Position and length of a field within the bytes that start at the address `base`. All fields of
/// a record lie within one buffer of less than 4 GiB.
#[inline]
fn place_of(field: Option<&[u8]>, base: usize) -> (u32, i32) {
    match field {
        None => (0, -1),
        Some(field) => ((field.as_ptr().addr().wrapping_sub(base)) as u32, field.len() as i32),
    }
}

/// Whole batches of one partition, as they lie in the log, and how far they are decoded.
#[derive(Debug)]
pub(super) struct Fetched {
    bytes: Arc<Vec<u8>>,
    /// Where the next batch starts.
    at: usize,
    /// Where the last one ends.
    end: usize,
    /// The decompressed records of the batch there, if some of them were handed out.
    plain: Option<Arc<Vec<u8>>>,
    /// How far the batch there is decoded, and the offset that comes next.
    progress: Option<(i64, Progress)>,
    aborted: AbortedFilter,
}

/// Decoded records that follow one another in a partition.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) slots: Arc<Vec<Slot>>,
    /// The position of a consumer that has seen all of it.
    pub(super) next_offset: i64,
}

/// The records of a piece, while it is being decoded.
struct Decoding {
    slots: Vec<Slot>,
    position: i64,
    /// So many slots are enough.
    wanted: usize,
    progress: Option<(i64, Progress)>,
    limits: DecodeLimits,
}

impl Fetched {
    /// The batches lie in `range` of `bytes`.
    pub(super) fn new(bytes: Vec<u8>, range: Range<usize>, aborted: AbortedFilter) -> Fetched {
        let Range { start: at, end } = range;
        Fetched { bytes: Arc::new(bytes), at, end, plain: None, progress: None, aborted }
    }

    /// Whether everything was decoded.
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// The bytes that are still to be decoded.
    pub(super) fn left_bytes(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Gives the buffers back.
    pub(super) fn give_back(self, pool: &Pool) {
        pool.keep_bytes(self.bytes);
        if let Some(plain) = self.plain {
            pool.keep_bytes(plain);
        }
    }

    /// Decodes on, from `position`, until there are about `wanted` records, or the end of the
    /// fetched bytes. Control batches, aborted ones and records below the position are passed
    /// over. A compressed batch has pieces of its own.
    ///
    /// # Errors
    /// Corrupt, unsupported or over a limit, if that befalls the first batch that is looked at;
    /// what comes before a bad batch is returned first.
    pub(super) fn decode(&mut self, position: i64, wanted: usize, pool: &Pool) -> Result<Piece> {
        let mut decoding = Decoding {
            slots: pool.take_slots(),
            position,
            wanted: wanted.clamp(STEP_RECORDS_MIN, STEP_RECORDS_MAX),
            progress: self.progress.take(),
            limits: DecodeLimits::default(),
        };
        let result = self.decode_batches(&mut decoding, pool);
        let Decoding { slots, position: next_offset, progress, .. } = decoding;
        self.progress = progress;
        let slots = Arc::new(slots);
        match result {
            Ok(bytes) => Ok(Piece { bytes, slots, next_offset }),
            // The bad batch is met again, and is the first then.
            Err(_) if next_offset > position => {
                Ok(Piece { bytes: Arc::clone(&self.bytes), slots, next_offset })
            }
            Err(error) => {
                pool.keep_slots(slots);
                Err(error)
            }
        }
    }

    /// Fills the slots; returns the bytes that they refer to.
    fn decode_batches(&mut self, decoding: &mut Decoding, pool: &Pool) -> Result<Arc<Vec<u8>>> {
        let bytes = Arc::clone(&self.bytes);
        let base = bytes.as_ptr().addr();
        while !self.is_done() && decoding.slots.len() < decoding.wanted {
            let entry = Entry::decode_first(bytes.get(self.at..self.end).unwrap_or_default())
                .map_err(FormatError::into_error)?;
            let hidden = self.aborted.hides(&entry).map_err(|e| named(&entry, e))?;
            if hidden || entry.is_control() || entry.last_offset() < decoding.position {
                decoding.pass(&entry);
                self.at += entry.bytes().len();
                continue;
            }
            let is_whole = if is_compressed(&entry).map_err(|e| named(&entry, e))? {
                if !decoding.slots.is_empty() {
                    break;
                }
                let plain = self.decompress(&entry, decoding, pool)?;
                let is_whole = decoding.add_compressed(&entry, &plain)?;
                if is_whole {
                    self.at += entry.bytes().len();
                } else {
                    self.plain = Some(Arc::clone(&plain));
                }
                return Ok(plain);
            } else {
                let mut unused = Vec::new();
                let records = entry.records(&decoding.limits, &mut unused);
                decoding.add(&entry, records.map_err(|e| named(&entry, e))?, base)?
            };
            if is_whole {
                self.at += entry.bytes().len();
            }
        }
        Ok(bytes)
    }

    /// The decompressed records of a batch; those of a legacy message are rewritten as slots at
    /// once, so there it is the bytes of their keys and values.
    fn decompress(
        &mut self,
        entry: &Entry<'_>,
        decoding: &mut Decoding,
        pool: &Pool,
    ) -> Result<Arc<Vec<u8>>> {
        if let Some(plain) = self.plain.take() {
            return Ok(plain);
        }
        let mut plain = pool.take_bytes();
        match entry.header() {
            Some(header) => header
                .compression()
                .and_then(|codec| {
                    let packed = entry.bytes().get(BATCH_HEADER_LEN..).unwrap_or_default();
                    decompress(codec, packed, &decoding.limits, &mut plain)
                })
                .map_err(|e| named(entry, e))?,
            None => decoding.add_legacy(entry, &mut plain)?,
        }
        Ok(Arc::new(plain))
    }
}

impl Decoding {
    /// Goes behind an entry without looking at its records.
    fn pass(&mut self, entry: &Entry<'_>) {
        self.position = self.position.max(entry.last_offset().saturating_add(1));
    }

    /// Adds a slot for each record from the position on, up to a bound. Says whether that was the
    /// whole batch. On an error, no slot was added.
    fn add(&mut self, entry: &Entry<'_>, mut records: Records<'_>, base: usize) -> Result<bool> {
        let before = self.slots.len();
        match self.progress.take() {
            Some((offset, progress)) if offset == self.position => records.resume(progress),
            _ if entry.base_offset() < self.position => {
                records.skip_to(self.position).map_err(|e| named(entry, e))?;
            }
            _ => {}
        }
        let slots = &mut self.slots;
        let wanted = self.wanted.saturating_sub(before);
        slots.reserve(entry.record_count().unwrap_or(0).min(wanted));
        // The walk owns its state, so that it stays in registers.
        let mut records = records;
        let mut taken = 0;
        while taken < wanted
            && let Some(record) = records.next()
        {
            match record {
                Ok(record) => slots.push(Slot::new(&record, base)),
                Err(error) => {
                    slots.truncate(before);
                    return Err(named(entry, error));
                }
            }
            taken += 1;
        }
        if taken == wanted {
            if let Some(last) = self.slots.last() {
                self.position = last.offset.saturating_add(1);
            }
            let is_whole = self.position > entry.last_offset();
            let progress = records.progress().filter(|_| !is_whole);
            self.progress = progress.map(|progress| (self.position, progress));
            return Ok(is_whole);
        }
        self.pass(entry);
        Ok(true)
    }

    fn add_compressed(&mut self, entry: &Entry<'_>, plain: &[u8]) -> Result<bool> {
        let Some(header) = entry.header() else {
            self.pass(entry);
            return Ok(true);
        };
        let records = Records::of_batch(header, plain).map_err(|e| named(entry, e))?;
        self.add(entry, records, plain.as_ptr().addr())
    }

    /// Copies the records of a compressed message of an old format: rare, so simple.
    fn add_legacy(&mut self, entry: &Entry<'_>, plain: &mut Vec<u8>) -> Result<()> {
        let mut scratch = Vec::new();
        plain.clear();
        let records = entry.records(&self.limits, &mut scratch).map_err(|e| named(entry, e))?;
        for record in records {
            let record = record.map_err(|e| named(entry, e))?;
            if record.offset < self.position {
                continue;
            }
            let key_at = plain.len();
            plain.extend_from_slice(record.key.unwrap_or_default());
            let value_at = plain.len();
            plain.extend_from_slice(record.value.unwrap_or_default());
            let mut slot = Slot::new(&record, 0);
            // What one message decompresses to is far below 4 GiB.
            slot.key_at = key_at as u32;
            slot.value_at = value_at as u32;
            self.slots.push(slot);
        }
        Ok(())
    }
}

fn is_compressed(entry: &Entry<'_>) -> Result<bool, FormatError> {
    // What the cleaner emptied has no compressed stream any more.
    let is_empty = entry.magic() == 2 && entry.bytes().len() <= BATCH_HEADER_LEN;
    Ok(!is_empty && entry.compression()? != Compression::None)
}

fn named(entry: &Entry<'_>, error: FormatError) -> Error {
    let (first, last) = (entry.base_offset(), entry.last_offset());
    let error = error.into_error();
    Error::new(error.kind(), format!("the batch of offsets {first} to {last} is bad: {error}"))
}
