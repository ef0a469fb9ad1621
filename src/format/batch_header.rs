//! The 61 bytes before the records of a batch of magic 2.
//!
//! | at | bytes | field | at | bytes | field |
//! |---:|---:|---|---:|---:|---|
//! | 0 | 8 | base offset | 27 | 8 | base timestamp, or the delete horizon (bit 6) |
//! | 8 | 4 | batch length: the bytes after this field | 35 | 8 | max timestamp |
//! | 12 | 4 | partition leader epoch | 43 | 8 | producer id |
//! | 16 | 1 | magic | 51 | 2 | producer epoch |
//! | 17 | 4 | CRC | 53 | 4 | base sequence |
//! | 21 | 2 | attributes | 57 | 4 | record count |
//! | 23 | 4 | last offset delta | 61 | | the records |
//!
//! The CRC-32C covers everything from the attributes to the end of the batch. It leaves out the
//! base offset and the leader epoch, so that appending stamps a batch without reading it again.

use crate::config::compression::Compression;
pub use crate::config::timestamp_type::TimestampType;
use crate::format::FormatError;
use crate::format::checksum::crc32c;

/// Offset and length, which every entry of a log starts with, whatever its magic.
pub const LOG_OVERHEAD: usize = 12;
/// How much of an entry tells its size and magic.
pub const PREFIX_LEN: usize = 17;
/// The header of a batch of magic 2.
pub const BATCH_HEADER_LEN: usize = 61;
/// The only magic that is written.
pub const MAGIC_V2: i8 = 2;

const BASE_OFFSET_AT: usize = 0;
const BATCH_LENGTH_AT: usize = BASE_OFFSET_AT + 8;
const LEADER_EPOCH_AT: usize = BATCH_LENGTH_AT + 4;
/// The magic lies at the same place in entries of every version.
pub const MAGIC_AT: usize = LEADER_EPOCH_AT + 4;
const CRC_AT: usize = MAGIC_AT + 1;
const ATTRIBUTES_AT: usize = CRC_AT + 4;
const LAST_OFFSET_DELTA_AT: usize = ATTRIBUTES_AT + 2;
const BASE_TIMESTAMP_AT: usize = LAST_OFFSET_DELTA_AT + 4;
const MAX_TIMESTAMP_AT: usize = BASE_TIMESTAMP_AT + 8;
const PRODUCER_ID_AT: usize = MAX_TIMESTAMP_AT + 8;
const PRODUCER_EPOCH_AT: usize = PRODUCER_ID_AT + 8;
const BASE_SEQUENCE_AT: usize = PRODUCER_EPOCH_AT + 2;
const RECORD_COUNT_AT: usize = BASE_SEQUENCE_AT + 4;
const _: () = assert!(RECORD_COUNT_AT + 4 == BATCH_HEADER_LEN);
const _: () = assert!(LEADER_EPOCH_AT == LOG_OVERHEAD && CRC_AT == PREFIX_LEN);

/// Bits 0 to 2 of the attributes: the codec.
pub const COMPRESSION_MASK: i16 = 0x07;
/// Bit 3: the timestamps are of the append, not of the producer.
pub const LOG_APPEND_TIME_BIT: i16 = 0x08;
/// Bit 4: part of a transaction.
pub const TRANSACTIONAL_BIT: i16 = 0x10;
/// Bit 5: a marker, no data.
pub const CONTROL_BIT: i16 = 0x20;
/// Bit 6: the base timestamp is the delete horizon.
pub const DELETE_HORIZON_BIT: i16 = 0x40;

/// No timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// No producer id.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// No leader epoch: what a producer writes.
pub const NO_LEADER_EPOCH: i32 = -1;

/// The header of a batch of magic 2, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset that the record offset deltas count from. Not covered by the CRC.
    pub base_offset: i64,
    /// The bytes that follow the length field. Not covered by the CRC.
    pub batch_length: i32,
    /// The leader epoch at the append; -1 from a producer. Not covered by the CRC.
    pub partition_leader_epoch: i32,
    /// 2.
    pub magic: i8,
    /// CRC-32C from the attributes to the end of the batch.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control, delete horizon.
    pub attributes: i16,
    /// The last offset less the base offset; kept by compaction.
    pub last_offset_delta: i32,
    /// What timestamp deltas count from; the delete horizon if bit 6 of the attributes is set.
    pub base_timestamp: i64,
    /// The largest timestamp of the records, or the time of the append.
    pub max_timestamp: i64,
    /// -1 unless the producer is idempotent.
    pub producer_id: i64,
    /// -1 if there is no producer id.
    pub producer_epoch: i16,
    /// -1 if there is none.
    pub base_sequence: i32,
    /// How many records the batch holds now.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header and checks what can be checked without the records.
    ///
    /// # Errors
    /// Corrupt if the bytes are too few, the magic is not 2, or a length, count or offset cannot be.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<BatchHeader, FormatError> {
        let Some(bytes) = bytes.first_chunk::<BATCH_HEADER_LEN>() else {
            return Err(FormatError::truncated("a batch header", bytes.len()));
        };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(bytes, BASE_OFFSET_AT)),
            batch_length: i32::from_be_bytes(field(bytes, BATCH_LENGTH_AT)),
            partition_leader_epoch: i32::from_be_bytes(field(bytes, LEADER_EPOCH_AT)),
            magic: i8::from_be_bytes(field(bytes, MAGIC_AT)),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(bytes, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(bytes, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(bytes, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(bytes, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(bytes, RECORD_COUNT_AT)),
        };
        header.check()?;
        Ok(header)
    }

    #[inline]
    fn check(&self) -> Result<(), FormatError> {
        let wrong = |what: String, at| Err(FormatError::corrupt(what, at));
        if self.magic != MAGIC_V2 {
            return wrong(format!("the magic of a batch is {}, not 2", self.magic), MAGIC_AT);
        }
        if self.batch_length < (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32 {
            let what = format!("the batch length is {}, at least 49 are needed", self.batch_length);
            return wrong(what, BATCH_LENGTH_AT);
        }
        if self.record_count < 0 {
            let what = format!("the record count is {}", self.record_count);
            return wrong(what, RECORD_COUNT_AT);
        }
        if self.last_offset_delta < 0 {
            let what = format!("the last offset delta is {}", self.last_offset_delta);
            return wrong(what, LAST_OFFSET_DELTA_AT);
        }
        // One offset must stay free behind the last, so that the log has an end.
        let next = self.base_offset.checked_add(i64::from(self.last_offset_delta) + 1);
        if self.base_offset < 0 || next.is_none() {
            return wrong(format!("the base offset is {}", self.base_offset), BASE_OFFSET_AT);
        }
        Ok(())
    }

    /// Writes the header as it is, the CRC field included.
    pub fn encode(&self, out: &mut [u8; BATCH_HEADER_LEN]) {
        out[BASE_OFFSET_AT..][..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[BATCH_LENGTH_AT..][..4].copy_from_slice(&self.batch_length.to_be_bytes());
        out[LEADER_EPOCH_AT..][..4].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[MAGIC_AT] = self.magic.cast_unsigned();
        out[CRC_AT..][..4].copy_from_slice(&self.crc.to_be_bytes());
        out[ATTRIBUTES_AT..][..2].copy_from_slice(&self.attributes.to_be_bytes());
        out[LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[BASE_TIMESTAMP_AT..][..8].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[MAX_TIMESTAMP_AT..][..8].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[PRODUCER_ID_AT..][..8].copy_from_slice(&self.producer_id.to_be_bytes());
        out[PRODUCER_EPOCH_AT..][..2].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[BASE_SEQUENCE_AT..][..4].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[RECORD_COUNT_AT..][..4].copy_from_slice(&self.record_count.to_be_bytes());
    }

    /// The last offset of the batch, whether or not a record of that offset is still there.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// The size of the whole batch.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        usize::try_from(self.batch_length).unwrap_or(0) + LOG_OVERHEAD
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// Unsupported if the codec is none that is known.
    #[inline]
    pub fn compression(&self) -> Result<Compression, FormatError> {
        compression_of(self.attributes, ATTRIBUTES_AT)
    }

    /// Whether the batch is a marker (its records are not data).
    #[inline]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether the batch is part of a transaction.
    #[inline]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whose clock the timestamps are of.
    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// When tombstones and markers in the batch may go, if the cleaner has said so.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// The last sequence number: the base sequence advanced by the last offset delta.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// What compaction leaves of a batch that lost all its records but must keep its place.
    pub fn encode_emptied(&self) -> [u8; BATCH_HEADER_LEN] {
        let kept = LOG_APPEND_TIME_BIT | TRANSACTIONAL_BIT | CONTROL_BIT;
        let emptied = BatchHeader {
            batch_length: (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32,
            attributes: self.attributes & kept,
            base_timestamp: NO_TIMESTAMP,
            record_count: 0,
            ..*self
        };
        let mut bytes = [0; BATCH_HEADER_LEN];
        emptied.encode(&mut bytes);
        seal(&mut bytes);
        bytes
    }
}

#[inline(always)]
fn field<const N: usize>(bytes: &[u8; BATCH_HEADER_LEN], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// The codec in some attributes that lie at `at`.
///
/// # Errors
/// Unsupported if it is none that is known.
#[inline]
pub fn compression_of(attributes: i16, at: usize) -> Result<Compression, FormatError> {
    let id = (attributes & COMPRESSION_MASK) as u8;
    match Compression::from_id(id) {
        Some(compression) => Ok(compression),
        None => Err(FormatError::unsupported(format!("the codec has the number {id}"), at)),
    }
}

/// The sequence number `by` records after `sequence`; it wraps from the largest to 0.
pub fn advance_sequence(sequence: i32, by: i32) -> i32 {
    (i64::from(sequence) + i64::from(by)).rem_euclid(1 << 31) as i32
}

/// Stamps base offset and leader epoch on a batch of magic 2. The CRC covers neither.
///
/// # Panics
/// If `batch` is shorter than a header.
#[inline]
pub fn stamp(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    batch[BASE_OFFSET_AT..][..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[LEADER_EPOCH_AT..][..4].copy_from_slice(&leader_epoch.to_be_bytes());
}

/// Computes the CRC of a batch of magic 2 and puts it into its header.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn seal(batch: &mut [u8]) {
    let crc = crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..][..4].copy_from_slice(&crc.to_be_bytes());
}

/// Checks the CRC of a whole batch of magic 2.
///
/// # Errors
/// Corrupt if it does not match.
#[inline]
pub fn verify_checksum(batch: &[u8], stored: u32) -> Result<(), FormatError> {
    let computed = crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default());
    if computed == stored {
        return Ok(());
    }
    let what = format!("the checksum is {stored:#010x}, the bytes have {computed:#010x}");
    Err(FormatError::corrupt(what, CRC_AT))
}
