//! `%020d.snapshot`, in the folder of a partition: what is known of each producer below an offset.
//!
//! | at | field |
//! |---|---|
//! | 0 | `version i16` = 1 |
//! | 2 | `crc u32`: CRC-32C of everything from byte 6 on |
//! | 6 | `count i32` |
//! | 10 | entries of 46 bytes |
//!
//! The sum leaves out the version and itself: a changed version is an unknown one. A file that does
//! not check is worthless and harmless: an older one serves, or the state is rebuilt from batches.

use crate::format::FormatError;
use crate::format::checksum::crc32c;

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const COUNT_AT: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY_LEN: usize = 46;
const _: () = assert!(ENTRY_LEN == 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8);

/// What is known of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The last sequence of its last batch, -1 if it has none in this epoch.
    pub last_sequence: i32,
    /// The last offset of its last batch, -1 if it has none in this epoch.
    pub last_offset: i64,
    /// The last offset of that batch less its base offset.
    pub offset_delta: i32,
    /// The largest timestamp of that batch, or the time of its last transaction marker.
    pub timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker, -1 if there was none.
    pub coordinator_epoch: i32,
    /// Where its open transaction began, -1 if none is open.
    pub current_txn_first_offset: i64,
}

/// The content of the file.
///
/// # Errors
/// There are more entries than a count can say.
pub fn encode(entries: &[ProducerEntry]) -> Result<Vec<u8>, FormatError> {
    let count = i32::try_from(entries.len())
        .map_err(|_| FormatError::limit(format!("{} producers", entries.len()), COUNT_AT))?;
    let mut out = Vec::with_capacity(ENTRIES_AT + entries.len() * ENTRY_LEN);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_be_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.producer_id.to_be_bytes());
        out.extend_from_slice(&entry.producer_epoch.to_be_bytes());
        out.extend_from_slice(&entry.last_sequence.to_be_bytes());
        out.extend_from_slice(&entry.last_offset.to_be_bytes());
        out.extend_from_slice(&entry.offset_delta.to_be_bytes());
        out.extend_from_slice(&entry.timestamp.to_be_bytes());
        out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        out.extend_from_slice(&entry.current_txn_first_offset.to_be_bytes());
    }
    let crc = crc32c(&out[COUNT_AT..]);
    out[CRC_AT..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
    Ok(out)
}

/// Reads the content of the file.
///
/// # Errors
/// The version is unknown, the sum or the length is wrong, or an entry contradicts itself.
pub fn decode(bytes: &[u8]) -> Result<Vec<ProducerEntry>, FormatError> {
    let mut reader = Reader { bytes, at: 0 };
    let version = i16::from_be_bytes(reader.take()?);
    if version != VERSION {
        let what = format!("the producer snapshot has version {version}, known is {VERSION}");
        return Err(FormatError::unsupported(what, 0));
    }
    let stored = u32::from_be_bytes(reader.take()?);
    let computed = crc32c(bytes.get(COUNT_AT..).unwrap_or_default());
    if stored != computed {
        let what = format!("the producer snapshot has the sum {stored:#x}, not {computed:#x}");
        return Err(FormatError::corrupt(what, CRC_AT));
    }
    let count = i32::from_be_bytes(reader.take()?);
    let length = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(ENTRY_LEN))
        .and_then(|length| length.checked_add(ENTRIES_AT));
    if length != Some(bytes.len()) {
        let what = format!("{count} producers do not fit into {} bytes", bytes.len());
        return Err(FormatError::corrupt(what, COUNT_AT));
    }
    let mut entries = Vec::with_capacity((bytes.len() - ENTRIES_AT) / ENTRY_LEN);
    while reader.at < bytes.len() {
        entries.push(decode_entry(&mut reader)?);
    }
    Ok(entries)
}

fn decode_entry(reader: &mut Reader<'_>) -> Result<ProducerEntry, FormatError> {
    let at = reader.at;
    let entry = ProducerEntry {
        producer_id: i64::from_be_bytes(reader.take()?),
        producer_epoch: i16::from_be_bytes(reader.take()?),
        last_sequence: i32::from_be_bytes(reader.take()?),
        last_offset: i64::from_be_bytes(reader.take()?),
        offset_delta: i32::from_be_bytes(reader.take()?),
        timestamp: i64::from_be_bytes(reader.take()?),
        coordinator_epoch: i32::from_be_bytes(reader.take()?),
        current_txn_first_offset: i64::from_be_bytes(reader.take()?),
    };
    let sound = entry.producer_id >= 0
        && entry.producer_epoch >= -1
        && entry.last_sequence >= -1
        && entry.last_offset >= -1
        && entry.offset_delta >= 0
        && (entry.last_offset == -1 || i64::from(entry.offset_delta) <= entry.last_offset)
        && entry.coordinator_epoch >= -1
        && entry.current_txn_first_offset >= -1;
    if sound {
        Ok(entry)
    } else {
        Err(FormatError::corrupt(format!("the producer snapshot has {entry:?}"), at))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => {
                let what = format!("the producer snapshot ends after {} bytes", self.bytes.len());
                Err(FormatError::corrupt(what, self.at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    const ENTRY: ProducerEntry = ProducerEntry {
        producer_id: 2000,
        producer_epoch: 3,
        last_sequence: 41,
        last_offset: 99,
        offset_delta: 9,
        timestamp: 1_700_000_000_000,
        coordinator_epoch: -1,
        current_txn_first_offset: -1,
    };

    #[test]
    fn the_files_of_kafka_are_read_and_written_byte_for_byte() {
        assert_eq!(encode(&[]).unwrap(), [0, 1, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0]);
        let files: [&[u8]; 3] = [
            include_bytes!("../../tests/fixtures/golden/golden-0/00000000000000000138.snapshot"),
            include_bytes!("../../tests/fixtures/golden/golden-0/00000000000000000199.snapshot"),
            include_bytes!("../../tests/fixtures/java-logdir/txn-0/00000000000000000006.snapshot"),
        ];
        for file in files {
            let entries = decode(file).unwrap();
            assert!(!entries.is_empty());
            assert_eq!(encode(&entries).unwrap(), file);
        }
    }

    #[test]
    fn every_cut_and_every_changed_bit_is_noticed() {
        let bytes = encode(&[ENTRY, ProducerEntry { producer_id: 7, ..ENTRY }]).unwrap();
        for at in 0..bytes.len() {
            assert!(decode(&bytes[..at]).is_err(), "cut to {at}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let kind = decode(&changed).unwrap_err().kind;
                let expected = match at {
                    0 | 1 => FormatErrorKind::Unsupported,
                    _ => FormatErrorKind::Corrupt,
                };
                assert_eq!(kind, expected, "bit {bit} of byte {at}");
            }
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
    }

    #[test]
    fn each_field_of_an_entry_is_checked() {
        let wrong = [
            ProducerEntry { producer_id: -1, ..ENTRY },
            ProducerEntry { producer_epoch: -2, ..ENTRY },
            ProducerEntry { last_sequence: -2, ..ENTRY },
            ProducerEntry { last_offset: -2, ..ENTRY },
            ProducerEntry { offset_delta: -1, ..ENTRY },
            ProducerEntry { offset_delta: 100, ..ENTRY },
            ProducerEntry { coordinator_epoch: -2, ..ENTRY },
            ProducerEntry { current_txn_first_offset: -2, ..ENTRY },
        ];
        for entry in wrong {
            let error = decode(&encode(&[ENTRY, entry]).unwrap()).unwrap_err();
            assert_eq!(error.at, ENTRIES_AT + ENTRY_LEN, "{entry:?}");
        }
        let mut huge = encode(&[]).unwrap();
        huge[COUNT_AT..].copy_from_slice(&i32::MAX.to_be_bytes());
        let crc = crc32c(&huge[COUNT_AT..]);
        huge[CRC_AT..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&huge).unwrap_err().at, COUNT_AT);
    }
}
