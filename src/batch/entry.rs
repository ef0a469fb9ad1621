//! One view over what a log is made of: batches of magic 2, and messages of magic 0 and 1.
//!
//! An [`Entry`] borrows its bytes, which may lie anywhere in a larger buffer. Decoding one looks
//! at the header only: it reads no record and computes no checksum.

use crate::batch::compression::{DecodeLimits, decompress};
use crate::batch::records::Records;
use crate::config::compression::Compression;
use crate::format::FormatError;
use crate::format::batch_header::{
    BATCH_HEADER_LEN, BatchHeader, LOG_OVERHEAD, MAGIC_AT, MAGIC_V2, NO_LEADER_EPOCH, NO_TIMESTAMP,
    PREFIX_LEN, TimestampType, verify_checksum,
};
use crate::format::control_record::ControlType;
use crate::format::legacy_message::{LegacyMessage, MESSAGE_SIZE_MIN};

/// Magics above the newest that is known and up to this one are taken for a newer format, not for
/// noise.
const MAGIC_PLAUSIBLE_MAX: i8 = 15;

/// One entry of a log: a batch, or a legacy message (which may wrap others).
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    form: Form<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Batch(BatchHeader),
    Legacy(LegacyMessage<'a>),
}

/// Which idempotent producer made a batch, and which of its records these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer's id, 0 or more.
    pub id: i64,
    /// The epoch of the id.
    pub epoch: i16,
    /// The sequence number of the first offset; -1 in control batches.
    pub base_sequence: i32,
    /// The sequence number of the last offset; -1 in control batches.
    pub last_sequence: i32,
}

impl<'a> Entry<'a> {
    /// The size of the entry that starts with `prefix`, which has 17 bytes or more of it.
    ///
    /// The size is what the entry says. Compare it with what there is before reading that much.
    ///
    /// # Errors
    /// Corrupt if the bytes are too few, no entry can have that size, or the magic is noise;
    /// unsupported if the magic is of a format that does not exist yet.
    #[inline]
    pub fn size_of(prefix: &[u8]) -> Result<usize, FormatError> {
        let Some(prefix) = prefix.first_chunk::<PREFIX_LEN>() else {
            return Err(FormatError::truncated("the prefix of a batch", prefix.len()));
        };
        let size = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
        let magic = prefix[MAGIC_AT].cast_signed();
        let size_min = match magic {
            MAGIC_V2 => (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32,
            0 | 1 => MESSAGE_SIZE_MIN[usize::from(prefix[MAGIC_AT])],
            _ => return Err(unknown_magic(magic, size)),
        };
        if size < size_min {
            let what = format!("the batch length is {size}, at least {size_min} are needed");
            return Err(FormatError::corrupt(what, 8));
        }
        Ok(size as usize + LOG_OVERHEAD)
    }

    /// The entry that `bytes` are: exactly one.
    ///
    /// # Errors
    /// As [`size_of`](Entry::size_of); corrupt if the size is another or a header field cannot be.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Entry<'a>, FormatError> {
        let size = Entry::size_of(bytes)?;
        if size != bytes.len() {
            let what = format!("a batch of {size} bytes has {}", bytes.len());
            return Err(FormatError::corrupt(what, 8));
        }
        let form = if bytes[MAGIC_AT].cast_signed() == MAGIC_V2 {
            Form::Batch(BatchHeader::decode(bytes)?)
        } else {
            Form::Legacy(decode_legacy(bytes)?)
        };
        Ok(Entry { bytes, form })
    }

    /// The entry that `bytes` start with, if they hold the whole of it.
    ///
    /// # Errors
    /// As [`decode`](Entry::decode); corrupt if the bytes end within the entry.
    #[inline]
    pub fn decode_first(bytes: &'a [u8]) -> Result<Entry<'a>, FormatError> {
        let size = Entry::size_of(bytes)?;
        match bytes.get(..size) {
            Some(bytes) => Entry::decode(bytes),
            None => {
                let what = format!("a batch of {size} bytes ends after {}", bytes.len());
                Err(FormatError::corrupt(what, bytes.len()))
            }
        }
    }

    /// The bytes of the entry, offset and length included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header, if the entry is a batch of magic 2.
    pub fn header(&self) -> Option<&BatchHeader> {
        match &self.form {
            Form::Batch(header) => Some(header),
            Form::Legacy(_) => None,
        }
    }

    /// 0, 1 or 2.
    pub fn magic(&self) -> i8 {
        match &self.form {
            Form::Batch(header) => header.magic,
            Form::Legacy(message) => message.magic,
        }
    }

    /// Checks that the bytes are those which were written: CRC-32C for magic 2, else CRC-32.
    ///
    /// # Errors
    /// Corrupt if they are not.
    #[inline]
    pub fn verify_checksum(&self) -> Result<(), FormatError> {
        match &self.form {
            Form::Batch(header) => verify_checksum(self.bytes, header.crc),
            Form::Legacy(message) => message.verify_checksum(),
        }
    }

    /// The first offset. Of a compressed legacy message only the last offset is known before it
    /// is decompressed: then that one.
    pub fn base_offset(&self) -> i64 {
        match &self.form {
            Form::Batch(header) => header.base_offset,
            Form::Legacy(message) => message.offset,
        }
    }

    /// The last offset. The entry behind starts above it; its own records may end before.
    pub fn last_offset(&self) -> i64 {
        match &self.form {
            Form::Batch(header) => header.last_offset(),
            Form::Legacy(message) => message.offset,
        }
    }

    /// The largest timestamp, or the time of the append; -1 for none.
    pub fn max_timestamp(&self) -> i64 {
        match &self.form {
            Form::Batch(header) => header.max_timestamp,
            Form::Legacy(message) => message.timestamp.unwrap_or(NO_TIMESTAMP),
        }
    }

    /// Whose clock the timestamps are of.
    pub fn timestamp_type(&self) -> TimestampType {
        match &self.form {
            Form::Batch(header) => header.timestamp_type(),
            Form::Legacy(message) => message.timestamp_type(),
        }
    }

    /// The leader epoch at the append; -1 for none.
    pub fn leader_epoch(&self) -> i32 {
        self.header().map_or(NO_LEADER_EPOCH, |header| header.partition_leader_epoch)
    }

    /// The idempotent producer that made the batch.
    pub fn producer(&self) -> Option<ProducerStamp> {
        let header = self.header().filter(|header| header.producer_id >= 0)?;
        Some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
        })
    }

    /// Whether the entry is a marker; its records are not data.
    pub fn is_control(&self) -> bool {
        self.header().is_some_and(BatchHeader::is_control)
    }

    /// Whether the entry is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.header().is_some_and(BatchHeader::is_transactional)
    }

    /// How many records there are; `None` for a compressed legacy message, which does not say.
    pub fn record_count(&self) -> Option<usize> {
        match &self.form {
            Form::Batch(header) => usize::try_from(header.record_count).ok(),
            Form::Legacy(message) => match message.compression() {
                Ok(Compression::None) => Some(1),
                _ => None,
            },
        }
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// Unsupported if the codec is none that is known.
    pub fn compression(&self) -> Result<Compression, FormatError> {
        match &self.form {
            Form::Batch(header) => header.compression(),
            Form::Legacy(message) => message.compression(),
        }
    }

    /// What a control batch says; `None` if the entry is none, or is one whose record the cleaner
    /// took away.
    ///
    /// # Errors
    /// Corrupt if the record is damaged or compressed.
    pub fn control_type(&self) -> Result<Option<ControlType>, FormatError> {
        let Some(header) = self.header().filter(|header| header.is_control()) else {
            return Ok(None);
        };
        if header.compression()? != Compression::None {
            return Err(FormatError::corrupt("a control batch is compressed", 21));
        }
        match Records::of_batch(header, &self.bytes[BATCH_HEADER_LEN..])?.next() {
            None => Ok(None),
            Some(record) => {
                let record = record.map_err(|error| error.shifted(BATCH_HEADER_LEN))?;
                ControlType::decode_key(record.key.unwrap_or_default()).map(Some)
            }
        }
    }

    /// The records, decoded as the iteration goes. Compressed ones are decompressed into
    /// `scratch`, whose contents are replaced; keep it for the next entry.
    ///
    /// # Errors
    /// Those of decompressing: corrupt, over the limit, or a codec that this build lacks.
    pub fn records<'s>(
        &self,
        limits: &DecodeLimits,
        scratch: &'s mut Vec<u8>,
    ) -> Result<Records<'s>, FormatError>
    where
        'a: 's,
    {
        match &self.form {
            Form::Batch(header) => {
                let payload: &'a [u8] = &self.bytes[BATCH_HEADER_LEN..];
                let compression = header.compression()?;
                // What the cleaner emptied has no compressed stream any more.
                if compression == Compression::None || payload.is_empty() {
                    return Records::of_batch(header, payload)
                        .map_err(|error| error.shifted(BATCH_HEADER_LEN));
                }
                decompress(compression, payload, limits, scratch)?;
                Records::of_batch(header, scratch)
            }
            Form::Legacy(message) => {
                let compression = message.compression()?;
                if compression == Compression::None {
                    return Ok(Records::of_message(self.bytes));
                }
                let Some(packed) = message.value else {
                    return Err(FormatError::corrupt("a compressed message has no value", 17));
                };
                decompress(compression, packed, limits, scratch)?;
                Records::of_wrapper(message, scratch)
            }
        }
    }
}

fn decode_legacy(bytes: &[u8]) -> Result<LegacyMessage<'_>, FormatError> {
    let message = LegacyMessage::decode(bytes)?;
    if message.offset < 0 || message.offset == i64::MAX {
        return Err(FormatError::corrupt(format!("the offset is {}", message.offset), 0));
    }
    Ok(message)
}

#[cold]
fn unknown_magic(magic: i8, size: i32) -> FormatError {
    if magic > MAGIC_V2 && magic <= MAGIC_PLAUSIBLE_MAX && size > 0 {
        let what = format!("the magic is {magic}, this version reads 0, 1 and 2");
        return FormatError::unsupported(what, MAGIC_AT);
    }
    FormatError::corrupt(format!("the magic is {magic}, not 0, 1 or 2"), MAGIC_AT)
}
