//! The entries of a segment's index files: offset index, time index, aborted transactions.
//!
//! | entry | bytes | fields |
//! |---|---|---|
//! | `.index` | 8 | `relativeOffset i32`, `position i32` |
//! | `.timeindex` | 12 | `timestamp i64`, `relativeOffset i32` |
//! | `.txnindex` | 34 | `version i16` = 0, `producerId i64`, `firstOffset i64`, `lastOffset i64`, `lastStableOffset i64` |
//!
//! Not here: order, sums and what to do when an entry is wrong. Nothing in these files carries a
//! checksum, which is fine: all of them can be rebuilt from the `.log`. Numbers are big-endian;
//! offsets and positions are never negative.

use crate::format::FormatError;

/// Bytes of an entry of the offset index.
pub const OFFSET_INDEX_ENTRY_LEN: usize = 8;
/// Bytes of an entry of the time index.
pub const TIME_INDEX_ENTRY_LEN: usize = 12;
/// Bytes of an entry of the transaction index.
pub const ABORTED_TXN_LEN: usize = 34;

const ABORTED_TXN_VERSION: i16 = 0;

/// Where a batch starts: its last offset (relative to the segment's base offset) and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// The batch's last offset less the segment's base offset; at most `i32::MAX`.
    pub relative_offset: u32,
    /// The position of the batch's first byte in the `.log`; at most `i32::MAX`.
    pub position: u32,
}

impl OffsetIndexEntry {
    /// The entry's bytes.
    pub fn encode(self) -> [u8; OFFSET_INDEX_ENTRY_LEN] {
        debug_assert!(is_signed(self.relative_offset) && is_signed(self.position));
        let mut bytes = [0; OFFSET_INDEX_ENTRY_LEN];
        bytes[..4].copy_from_slice(&self.relative_offset.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }

    /// Reads the entry at the start of `bytes`.
    ///
    /// # Errors
    /// Too few bytes, or a number that is negative.
    pub fn decode(bytes: &[u8]) -> Result<OffsetIndexEntry, FormatError> {
        let entry: &[u8; OFFSET_INDEX_ENTRY_LEN] = leading(bytes, "an offset index entry")?;
        let [a, b, c, d, e, f, g, h] = *entry;
        Ok(OffsetIndexEntry {
            relative_offset: not_negative(u32::from_be_bytes([a, b, c, d]), "relative offset", 0)?,
            position: not_negative(u32::from_be_bytes([e, f, g, h]), "position", 4)?,
        })
    }
}

/// Up to which offset no record has a larger timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The largest timestamp of the segment so far.
    pub timestamp: i64,
    /// The last offset of the first batch that carried it, less the segment's base offset.
    pub relative_offset: u32,
}

impl TimeIndexEntry {
    /// The entry's bytes.
    pub fn encode(self) -> [u8; TIME_INDEX_ENTRY_LEN] {
        debug_assert!(is_signed(self.relative_offset));
        let mut bytes = [0; TIME_INDEX_ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.relative_offset.to_be_bytes());
        bytes
    }

    /// Reads the entry at the start of `bytes`.
    ///
    /// # Errors
    /// Too few bytes, or an offset that is negative.
    pub fn decode(bytes: &[u8]) -> Result<TimeIndexEntry, FormatError> {
        let entry: &[u8; TIME_INDEX_ENTRY_LEN] = leading(bytes, "a time index entry")?;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
        Ok(TimeIndexEntry {
            timestamp: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            relative_offset: not_negative(u32::from_be_bytes([i, j, k, l]), "relative offset", 8)?,
        })
    }
}

/// A transaction that was aborted, in the segment that holds its abort marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction it was.
    pub producer_id: i64,
    /// Its first data record, maybe in an earlier segment.
    pub first_offset: i64,
    /// The offset of the abort marker.
    pub last_offset: i64,
    /// The last stable offset right after the marker.
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    /// The entry's bytes.
    pub fn encode(self) -> [u8; ABORTED_TXN_LEN] {
        let mut bytes = [0; ABORTED_TXN_LEN];
        bytes[..2].copy_from_slice(&ABORTED_TXN_VERSION.to_be_bytes());
        let fields =
            [self.producer_id, self.first_offset, self.last_offset, self.last_stable_offset];
        for (field, target) in fields.into_iter().zip(bytes[2..].chunks_exact_mut(8)) {
            target.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    /// Reads the entry at the start of `bytes`.
    ///
    /// # Errors
    /// Too few bytes, an unknown version, or offsets that contradict each other.
    pub fn decode(bytes: &[u8]) -> Result<AbortedTxn, FormatError> {
        let entry: &[u8; ABORTED_TXN_LEN] = leading(bytes, "an aborted transaction")?;
        let version = i16::from_be_bytes([entry[0], entry[1]]);
        if version != ABORTED_TXN_VERSION {
            let what = format!("an aborted transaction has version {version}, known is 0");
            return Err(FormatError::unsupported(what, 0));
        }
        let mut fields = [0i64; 4];
        for (field, source) in fields.iter_mut().zip(entry[2..].chunks_exact(8)) {
            *field = source.iter().fold(0, |value, &byte| value << 8 | i64::from(byte));
        }
        let [producer_id, first_offset, last_offset, last_stable_offset] = fields;
        if producer_id < 0 {
            return Err(FormatError::corrupt(format!("the producer id is {producer_id}"), 2));
        }
        if first_offset < 0 || last_offset < first_offset {
            let what = format!("the transaction reaches from {first_offset} to {last_offset}");
            return Err(FormatError::corrupt(what, 10));
        }
        if last_stable_offset < 0 {
            let what = format!("the last stable offset is {last_stable_offset}");
            return Err(FormatError::corrupt(what, 26));
        }
        Ok(AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset })
    }
}

fn leading<'a, const LEN: usize>(
    bytes: &'a [u8],
    what: &str,
) -> Result<&'a [u8; LEN], FormatError> {
    match bytes.first_chunk::<LEN>() {
        Some(entry) => Ok(entry),
        None => {
            let what = format!("{what} needs {LEN} bytes, there are {}", bytes.len());
            Err(FormatError::corrupt(what, bytes.len()))
        }
    }
}

fn is_signed(value: u32) -> bool {
    i32::try_from(value).is_ok()
}

fn not_negative(value: u32, field: &str, at: usize) -> Result<u32, FormatError> {
    if is_signed(value) {
        Ok(value)
    } else {
        let what = format!("the {field} of an index entry is {}", value.cast_signed());
        Err(FormatError::corrupt(what, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_index_entries_read_back_and_negatives_are_refused() {
        let entry = OffsetIndexEntry { relative_offset: 40, position: 5109 };
        assert_eq!(entry.encode(), [0, 0, 0, 40, 0, 0, 0x13, 0xf5]);
        assert_eq!(OffsetIndexEntry::decode(&entry.encode()).unwrap(), entry);
        assert_eq!(OffsetIndexEntry::decode(&[0; 7]).unwrap_err().at, 7);
        assert_eq!(OffsetIndexEntry::decode(&[0x80, 0, 0, 0, 0, 0, 0, 0]).unwrap_err().at, 0);
        assert_eq!(OffsetIndexEntry::decode(&[0, 0, 0, 0, 0xff, 0, 0, 0]).unwrap_err().at, 4);
    }

    #[test]
    fn time_index_entries_read_back_and_negatives_are_refused() {
        for timestamp in [-1, 0, 1_700_000_000_000, i64::MIN, i64::MAX] {
            let entry = TimeIndexEntry { timestamp, relative_offset: i32::MAX as u32 };
            assert_eq!(TimeIndexEntry::decode(&entry.encode()).unwrap(), entry);
        }
        assert_eq!(TimeIndexEntry::decode(&[0; 11]).unwrap_err().at, 11);
        let negative = [0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0];
        assert_eq!(TimeIndexEntry::decode(&negative).unwrap_err().at, 8);
    }

    #[test]
    fn aborted_transactions_read_back_and_each_field_is_checked() {
        let entry = AbortedTxn {
            producer_id: 2000,
            first_offset: 130,
            last_offset: 136,
            last_stable_offset: 132,
        };
        let bytes = entry.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "000000000000000007d0000000000000008200000000000000880000000000000084");
        assert_eq!(AbortedTxn::decode(&bytes).unwrap(), entry);
        for length in 0..ABORTED_TXN_LEN {
            assert!(AbortedTxn::decode(&bytes[..length]).is_err());
        }
        for (at, position) in [(0, 0), (1, 0), (2, 2), (10, 10), (18, 10), (26, 26)] {
            let mut wrong = bytes;
            wrong[at] |= 0x80;
            assert_eq!(AbortedTxn::decode(&wrong).unwrap_err().at, position, "byte {at}");
        }
    }
}
