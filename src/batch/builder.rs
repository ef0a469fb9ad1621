//! Builds a batch of magic 2 in place, in a buffer that is used again for the next one.
//!
//! Records are encoded right behind room for the header; finishing compresses them if asked to,
//! fills in the header and computes the CRC. A warm builder allocates nothing. The batch that
//! comes out has base offset 0 and leader epoch -1 unless told otherwise: the log stamps both.

use crate::batch::compression::{DECOMPRESSED_BYTES_MAX_DEFAULT, compress};
use crate::config::compression::Compression;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{
    BATCH_HEADER_LEN, BatchHeader, CONTROL_BIT, DELETE_HORIZON_BIT, LOG_APPEND_TIME_BIT,
    LOG_OVERHEAD, MAGIC_V2, NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    NO_TIMESTAMP, TRANSACTIONAL_BIT, TimestampType, seal,
};
use crate::format::record::{
    HeaderList, HeaderPair, RECORD_OVERHEAD_MAX, RecordEncoder, SHORT_RECORD_SLACK, encode_short,
};

/// The largest batch that its length field can tell.
const BATCH_LEN_MAX: usize = i32::MAX as usize;

/// By how much a buffer that was used before is made longer within its capacity.
const WARM_STEP: usize = 4096;

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// The codec. Default: none.
    pub compression: Compression,
    /// The level of the codec. Default: the codec's own.
    pub level: Option<i32>,
    /// Whose clock the timestamps are of. Default: `CreateTime`.
    pub timestamp_type: TimestampType,
    /// The time of the append, which is the max timestamp of a `LogAppendTime` batch.
    pub now_ms: i64,
    /// The idempotent producer. Default: none.
    pub producer: Option<BatchProducer>,
    /// Part of a transaction. Default: no.
    pub transactional: bool,
    /// A control batch. Default: no.
    pub control: bool,
    /// Default: 0. The log stamps the real one.
    pub base_offset: i64,
    /// Default: -1. The log stamps the real one.
    pub leader_epoch: i32,
    /// The last offset delta, when it is not that of the last record (a cleaned batch).
    pub last_offset_delta: Option<i32>,
    /// The delete horizon, which then takes the place of the base timestamp.
    pub delete_horizon_ms: Option<i64>,
    /// The most bytes that compressed records may take uncompressed, so that whoever reads the
    /// batch under the default limits can. Default: 64 MiB.
    pub decompressed_bytes_max: usize,
}

impl Default for BatchOptions {
    fn default() -> BatchOptions {
        BatchOptions {
            compression: Compression::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            now_ms: NO_TIMESTAMP,
            producer: None,
            transactional: false,
            control: false,
            base_offset: 0,
            leader_epoch: NO_LEADER_EPOCH,
            last_offset_delta: None,
            delete_horizon_ms: None,
            decompressed_bytes_max: DECOMPRESSED_BYTES_MAX_DEFAULT,
        }
    }
}

/// The idempotent producer of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProducer {
    /// The producer's id.
    pub id: i64,
    /// The epoch of the id.
    pub epoch: i16,
    /// The sequence number of the first record; -1 in control batches.
    pub base_sequence: i32,
}

/// The most bytes that a record can take in a batch.
pub fn record_len_max(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[HeaderPair<'_>],
) -> usize {
    let fields = key.map_or(0, <[u8]>::len).saturating_add(value.map_or(0, <[u8]>::len));
    headers.iter().fold(fields.saturating_add(RECORD_OVERHEAD_MAX), |sum, (name, value)| {
        // Two lengths of five bytes at most.
        sum.saturating_add(name.len() + 10).saturating_add(value.map_or(0, <[u8]>::len))
    })
}

/// Makes batches, one after the other.
#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// Room for the header, then records up to `used`, then bytes that were initialized before
    /// and wait to be overwritten: so no byte is set twice for a batch.
    plain: Vec<u8>,
    used: usize,
    /// What `used` must not exceed: the format's limit, or that of readers; 0 when finished.
    used_max: usize,
    compressed: Vec<u8>,
    base_timestamp: i64,
    max_timestamp: i64,
    /// The offset delta of the last record, -1 before the first.
    last_delta: i32,
    record_count: i32,
    finished: bool,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// A builder with no buffer yet, started with default options.
    pub fn new() -> BatchBuilder {
        BatchBuilder {
            options: BatchOptions::default(),
            plain: Vec::new(),
            used: BATCH_HEADER_LEN,
            used_max: BATCH_LEN_MAX,
            compressed: Vec::new(),
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            last_delta: -1,
            record_count: 0,
            finished: false,
        }
    }

    /// Drops what is there and starts a new batch.
    pub fn start(&mut self, options: &BatchOptions) {
        self.options = *options;
        self.used = BATCH_HEADER_LEN;
        self.used_max = match options.compression {
            Compression::None => BATCH_LEN_MAX,
            _ => BATCH_HEADER_LEN.saturating_add(options.decompressed_bytes_max).min(BATCH_LEN_MAX),
        };
        self.compressed.clear();
        self.base_timestamp = options.delete_horizon_ms.unwrap_or(NO_TIMESTAMP);
        self.max_timestamp = NO_TIMESTAMP;
        self.last_delta = -1;
        self.record_count = 0;
        self.finished = false;
    }

    /// Appends a record at the next offset. On an error the batch is as it was.
    ///
    /// # Errors
    /// Invalid input for a timestamp below -1; limit if the batch would outgrow its format or,
    /// compressed, `decompressed_bytes_max`.
    #[inline]
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[HeaderPair<'_>],
    ) -> Result<()> {
        if timestamp < NO_TIMESTAMP {
            return Err(negative_timestamp(timestamp));
        }
        // The delta wraps only after i32::MAX records, and is then refused.
        let delta = self.last_delta.wrapping_add(1);
        if headers.is_empty() && self.push_short(delta, timestamp, key, value) {
            return Ok(());
        }
        self.push_any(delta, timestamp, key, value, HeaderList::Pairs(headers))
    }

    /// Appends a record at an offset of its own, as in a batch that was cleaned. On an error the
    /// batch is as it was.
    ///
    /// # Errors
    /// Invalid input if the offset is not above the last one; limit as for [`push`](Self::push).
    #[inline]
    pub fn push_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: HeaderList<'_>,
    ) -> Result<()> {
        if headers.is_empty() && self.push_short(offset_delta, timestamp, key, value) {
            return Ok(());
        }
        self.push_any(offset_delta, timestamp, key, value, headers)
    }

    /// The path of nearly every record. `false`, and nothing happened, if the record is not of
    /// the usual sort, or there is no room, or something is wrong: `push_any` sorts that out.
    #[inline]
    fn push_short(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> bool {
        if offset_delta <= self.last_delta {
            return false;
        }
        let base_timestamp = self.base_timestamp_with(timestamp);
        let Some(timestamp_delta) = timestamp.checked_sub(base_timestamp) else { return false };
        let Some(room) = self.plain.get_mut(self.used..) else { return false };
        let Some(len) = encode_short(timestamp_delta, offset_delta, key, value, room) else {
            return false;
        };
        if self.used + len > self.used_max {
            return false;
        }
        self.accept(self.used + len, offset_delta, timestamp, base_timestamp);
        true
    }

    #[inline(never)]
    fn push_any(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: HeaderList<'_>,
    ) -> Result<()> {
        if offset_delta <= self.last_delta || self.finished {
            return Err(self.refusal(offset_delta));
        }
        let base_timestamp = self.base_timestamp_with(timestamp);
        let Some(timestamp_delta) = timestamp.checked_sub(base_timestamp) else {
            return Err(timestamp_too_far(timestamp));
        };
        let encoder = RecordEncoder::new(timestamp_delta, offset_delta, key, value, headers);
        let Some(encoder) = encoder else {
            return Err(record_too_large());
        };
        let end = self.used + encoder.encoded_len();
        if end > self.used_max {
            return Err(self.too_large(end));
        }
        if end + SHORT_RECORD_SLACK > self.plain.len() {
            self.grow(end)?;
        }
        encoder.encode(&mut self.plain[self.used..end]);
        self.accept(end, offset_delta, timestamp, base_timestamp);
        Ok(())
    }

    /// What timestamps count from once a record with `timestamp` is in the batch.
    #[inline(always)]
    fn base_timestamp_with(&self, timestamp: i64) -> i64 {
        let is_first = self.record_count == 0 && self.options.delete_horizon_ms.is_none();
        if is_first { timestamp } else { self.base_timestamp }
    }

    #[inline(always)]
    fn accept(&mut self, end: usize, offset_delta: i32, timestamp: i64, base_timestamp: i64) {
        self.used = end;
        self.base_timestamp = base_timestamp;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_delta = offset_delta;
        self.record_count += 1;
    }

    /// The bytes of the batch so far, before compression.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.used
    }

    /// How many records the batch has so far.
    #[inline]
    pub fn record_count(&self) -> usize {
        self.record_count as usize
    }

    /// Whether the batch has no record yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The max timestamp that the header has or will have.
    pub fn max_timestamp(&self) -> i64 {
        match self.options.timestamp_type {
            TimestampType::CreateTime => self.max_timestamp,
            TimestampType::LogAppendTime => self.options.now_ms,
        }
    }

    /// The last offset delta that the header has or will have; -1 if there is no record.
    pub fn last_offset_delta(&self) -> i32 {
        self.options.last_offset_delta.unwrap_or(self.last_delta)
    }

    /// Names another producer for the batch, which is not finished yet: sequence numbers are
    /// often given out only when the batch is closed.
    pub fn set_producer(&mut self, producer: Option<BatchProducer>) {
        self.options.producer = producer;
    }

    /// Changes the time of the append of a batch that is not finished yet.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.options.now_ms = now_ms;
    }

    /// Closes the batch: a whole one, CRC included. It stays until [`start`](Self::start).
    ///
    /// # Errors
    /// Invalid input if it has no record; unsupported if this build lacks the codec.
    pub fn finish(&mut self) -> Result<&mut [u8]> {
        if !self.finished {
            self.close()?;
            self.finished = true;
            self.used_max = 0;
        }
        if self.options.compression == Compression::None {
            Ok(&mut self.plain[..self.used])
        } else {
            Ok(&mut self.compressed)
        }
    }

    /// Closes the batch and hands its buffer over.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn take(&mut self) -> Result<Vec<u8>> {
        self.finish()?;
        let batch = if self.options.compression == Compression::None {
            self.plain.truncate(self.used);
            std::mem::take(&mut self.plain)
        } else {
            std::mem::take(&mut self.compressed)
        };
        let options = self.options;
        self.start(&options);
        Ok(batch)
    }

    /// What its buffers take in memory.
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.plain.capacity() + self.compressed.capacity()
    }

    /// Gives a buffer back that [`take`](Self::take) handed out, so that the next batch needs no
    /// new one. Between batches only: a batch that is under way keeps what it has.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        let (room, is_plain) = match self.options.compression {
            Compression::None => (&mut self.plain, true),
            _ => (&mut self.compressed, false),
        };
        if self.record_count == 0 && room.capacity() < buffer.capacity() {
            if !is_plain {
                buffer.clear();
            }
            *room = buffer;
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.record_count == 0 {
            return Err(Error::new(ErrorKind::InvalidInput, "a batch needs at least one record"));
        }
        let mut header = self.header();
        let batch = if self.options.compression == Compression::None {
            &mut self.plain[..self.used]
        } else {
            self.compressed.clear();
            self.compressed.resize(BATCH_HEADER_LEN, 0);
            let plain = &self.plain[BATCH_HEADER_LEN..self.used];
            compress(self.options.compression, self.options.level, plain, &mut self.compressed)?;
            &mut self.compressed[..]
        };
        header.batch_length =
            i32::try_from(batch.len() - LOG_OVERHEAD).map_err(|_| batch_too_large(batch.len()))?;
        if let Some(room) = batch.first_chunk_mut::<BATCH_HEADER_LEN>() {
            header.encode(room);
        }
        seal(batch);
        Ok(())
    }

    fn header(&self) -> BatchHeader {
        let options = &self.options;
        let mut attributes = i16::from(options.compression.id());
        let bits = [
            (options.timestamp_type == TimestampType::LogAppendTime, LOG_APPEND_TIME_BIT),
            (options.transactional, TRANSACTIONAL_BIT),
            (options.control, CONTROL_BIT),
            (options.delete_horizon_ms.is_some(), DELETE_HORIZON_BIT),
        ];
        for (is_set, bit) in bits {
            if is_set {
                attributes |= bit;
            }
        }
        let producer = options.producer.unwrap_or(BatchProducer {
            id: NO_PRODUCER_ID,
            epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
        });
        BatchHeader {
            base_offset: options.base_offset,
            batch_length: 0,
            partition_leader_epoch: options.leader_epoch,
            magic: MAGIC_V2,
            crc: 0,
            attributes,
            last_offset_delta: self.last_offset_delta(),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            record_count: self.record_count,
        }
    }

    /// Makes the buffer longer than `len` by the slack of short records. Twice as long as before, so
    /// that growing is rare; but where there is room already, only a little, for that sets bytes.
    #[cold]
    fn grow(&mut self, len: usize) -> Result<()> {
        let needed = len + SHORT_RECORD_SLACK;
        let room = self.plain.capacity();
        let target = if needed <= room {
            room.min(needed + WARM_STEP)
        } else {
            needed.max(self.plain.len() * 2).max(512)
        };
        let additional = target - self.plain.len();
        room::exactly(&mut self.plain, additional).map_err(|_| {
            Error::new(ErrorKind::Limit, format!("no memory for a batch of {target} bytes"))
        })?;
        self.plain.resize(target, 0);
        Ok(())
    }

    #[cold]
    fn too_large(&self, end: usize) -> Error {
        if self.options.compression == Compression::None {
            return batch_too_large(end);
        }
        let limit = self.options.decompressed_bytes_max;
        let message = format!(
            "the records of a compressed batch take {} bytes, {limit} are allowed before compression",
            end - BATCH_HEADER_LEN
        );
        Error::new(ErrorKind::Limit, message)
    }

    #[cold]
    fn refusal(&self, offset_delta: i32) -> Error {
        let message = if self.finished {
            "the batch is finished; start the next one".to_owned()
        } else {
            let last = self.last_delta;
            format!("the offset delta {offset_delta} does not come after {last}")
        };
        Error::new(ErrorKind::InvalidInput, message)
    }
}

#[cold]
fn negative_timestamp(timestamp: i64) -> Error {
    let message = format!("the timestamp {timestamp} is negative; -1 means none");
    Error::new(ErrorKind::InvalidInput, message)
}

#[cold]
fn timestamp_too_far(timestamp: i64) -> Error {
    let message = format!("the timestamp {timestamp} is too far from the first one of its batch");
    Error::new(ErrorKind::InvalidInput, message)
}

#[cold]
fn record_too_large() -> Error {
    let message = "a field of the record is larger than a record batch can hold";
    Error::new(ErrorKind::Limit, message)
}

#[cold]
fn batch_too_large(len: usize) -> Error {
    let message = format!("a batch of {len} bytes is larger than the 2 GiB a batch can have");
    Error::new(ErrorKind::Limit, message)
}
