//! Messages of magic 0 and 1, which old Kafka versions wrote. They are read, never written.
//!
//! | at | bytes | field |
//! |---:|---:|---|
//! | 0 | 8 | offset |
//! | 8 | 4 | size: the bytes after this field |
//! | 12 | 4 | CRC-32 (IEEE) from the magic to the end of the message |
//! | 16 | 1 | magic |
//! | 17 | 1 | attributes: codec in bits 0 to 2; bit 3 (magic 1) log append time |
//! | 18 | 8 | timestamp, magic 1 only |
//! | | 4 | key length (-1: null), then the key; value likewise |
//!
//! A compressed message is a wrapper: its value is a compressed run of messages of the same
//! magic. Its offset is the last one inside.

use crate::config::compression::Compression;
use crate::format::FormatError;
use crate::format::batch_header::{
    LOG_APPEND_TIME_BIT, LOG_OVERHEAD, MAGIC_AT, TimestampType, compression_of,
};
use crate::format::checksum::crc32_ieee;

const CRC_AT: usize = LOG_OVERHEAD;
const ATTRIBUTES_AT: usize = MAGIC_AT + 1;
const TIMESTAMP_AT: usize = ATTRIBUTES_AT + 1;

/// The fewest bytes after the size field, by magic: both lengths -1.
pub const MESSAGE_SIZE_MIN: [i32; 2] = [14, 22];

/// A message of magic 0 or 1, offset and size included.
#[derive(Clone, Copy, Debug)]
pub struct LegacyMessage<'a> {
    /// The offset; relative in a message inside of a wrapper of magic 1.
    pub offset: i64,
    /// 0 or 1.
    pub magic: i8,
    /// The stored CRC.
    pub crc: u32,
    /// Codec and timestamp type.
    pub attributes: u8,
    /// `None` for magic 0.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; of a wrapper: the compressed messages.
    pub value: Option<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> LegacyMessage<'a> {
    /// Decodes a message that fills `bytes`. The CRC is not checked.
    ///
    /// # Errors
    /// Corrupt if a length does not fit or the magic is neither 0 nor 1.
    pub fn decode(bytes: &'a [u8]) -> Result<LegacyMessage<'a>, FormatError> {
        let mut at = 0;
        let offset = i64::from_be_bytes(take(bytes, &mut at)?);
        let size = i32::from_be_bytes(take(bytes, &mut at)?);
        let crc = u32::from_be_bytes(take(bytes, &mut at)?);
        let [magic, attributes] = take(bytes, &mut at)?;
        let magic = magic.cast_signed();
        if usize::try_from(size).ok() != Some(bytes.len() - LOG_OVERHEAD) {
            let what = format!("a message of size {size} has {} bytes", bytes.len() - LOG_OVERHEAD);
            return Err(FormatError::corrupt(what, LOG_OVERHEAD - 4));
        }
        let timestamp = match magic {
            0 => None,
            1 => Some(i64::from_be_bytes(take(bytes, &mut at)?)),
            _ => {
                let what = format!("the magic of a message is {magic}, not 0 or 1");
                return Err(FormatError::corrupt(what, MAGIC_AT));
            }
        };
        let key = take_nullable(bytes, &mut at)?;
        let value = take_nullable(bytes, &mut at)?;
        if at != bytes.len() {
            return Err(FormatError::corrupt("bytes follow the value of a message", at));
        }
        Ok(LegacyMessage { offset, magic, crc, attributes, timestamp, key, value, bytes })
    }

    /// How the value is compressed, if it is a wrapper.
    ///
    /// # Errors
    /// Unsupported for a codec that is not known, and for zstd, which these versions do not have.
    pub fn compression(&self) -> Result<Compression, FormatError> {
        match compression_of(i16::from(self.attributes), ATTRIBUTES_AT)? {
            Compression::Zstd => {
                let what = format!("zstd in a message of magic {}", self.magic);
                Err(FormatError::unsupported(what, ATTRIBUTES_AT))
            }
            compression => Ok(compression),
        }
    }

    /// Whose clock the timestamp is of.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic == 1 && i16::from(self.attributes) & LOG_APPEND_TIME_BIT != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Checks the CRC.
    ///
    /// # Errors
    /// Corrupt if it does not match.
    pub fn verify_checksum(&self) -> Result<(), FormatError> {
        let computed = crc32_ieee(&self.bytes[MAGIC_AT..]);
        if computed == self.crc {
            return Ok(());
        }
        let stored = self.crc;
        let what = format!("the checksum is {stored:#010x}, the bytes have {computed:#010x}");
        Err(FormatError::corrupt(what, CRC_AT))
    }
}

fn take<const N: usize>(bytes: &[u8], at: &mut usize) -> Result<[u8; N], FormatError> {
    let field = bytes.get(*at..).and_then(|rest| rest.first_chunk::<N>());
    let Some(field) = field else {
        return Err(FormatError::truncated("a message", *at));
    };
    *at += N;
    Ok(*field)
}

fn take_nullable<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, FormatError> {
    let start = *at;
    let length = i32::from_be_bytes(take(bytes, at)?);
    if length == -1 {
        return Ok(None);
    }
    let field = usize::try_from(length).ok().and_then(|length| bytes.get(*at..)?.get(..length));
    let Some(field) = field else {
        let what = format!("a key or value has the length {length}");
        return Err(FormatError::corrupt(what, start));
    };
    *at += field.len();
    Ok(Some(field))
}

const _: () = assert!(TIMESTAMP_AT == 18);
