//! Messages of magic 0 and 1: the vectors, and what must be refused.

use serde::Deserialize;

use super::{entries, from_hex, to_hex};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::config::compression::Compression;

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    records: Vec<Expected>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Expected {
    offset: i64,
    timestamp: Option<i64>,
    timestamp_type: Option<u8>,
    key: Option<String>,
    value: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/legacy.json"));
    serde_json::from_str(text).expect("legacy.json")
}

fn read(entry: &Entry<'_>) -> Vec<Expected> {
    let mut scratch = Vec::new();
    let records = entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
    let is_timed = entry.magic() == 1;
    records
        .map(|record| {
            let record = record.expect("a record");
            assert!(is_timed || record.timestamp == -1);
            assert!(record.headers.is_empty() && record.sequence == -1);
            Expected {
                offset: record.offset,
                timestamp: is_timed.then_some(record.timestamp),
                timestamp_type: is_timed.then_some(record.timestamp_type as u8),
                key: record.key.map(to_hex),
                value: record.value.map(to_hex),
            }
        })
        .collect()
}

#[test]
fn every_message_set_decodes_to_what_its_writer_put_in() {
    let vectors = vectors();
    assert!(vectors.len() >= 10);
    for vector in vectors {
        let bytes = from_hex(&vector.hex);
        let mut records = Vec::new();
        for entry in entries(&bytes) {
            assert_eq!(entry.verify_checksum(), Ok(()), "{}", vector.name);
            assert!(entry.producer().is_none() && !entry.is_control());
            if !entry.compression().expect("a codec").is_available() {
                continue;
            }
            let is_wrapper = entry.compression() != Ok(Compression::None);
            assert_eq!(entry.record_count(), (!is_wrapper).then_some(1));
            let found = read(&entry);
            let last = found.last().map(|record| record.offset);
            // kafka-python leaves the offset of a wrapper 0: the broker would have set it.
            assert!(last == Some(entry.last_offset()) || entry.last_offset() == 0);
            records.extend(found);
        }
        if !records.is_empty() {
            assert_eq!(records, vector.records, "{}", vector.name);
        }
    }
}

#[cfg(feature = "gzip")]
mod wrappers {
    use super::read;
    use crate::batch::compression::{DecodeLimits, compress};
    use crate::batch::entry::Entry;
    use crate::config::compression::Compression;
    use crate::format::FormatErrorKind;
    use crate::format::checksum::crc32_ieee;

    /// A message, sealed.
    fn message(magic: u8, attributes: u8, offset: i64, timestamp: i64, value: &[u8]) -> Vec<u8> {
        let mut body = vec![magic, attributes];
        if magic == 1 {
            body.extend_from_slice(&timestamp.to_be_bytes());
        }
        body.extend_from_slice(&(-1i32).to_be_bytes());
        body.extend_from_slice(&(value.len() as i32).to_be_bytes());
        body.extend_from_slice(value);
        let mut bytes = offset.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        bytes.extend_from_slice(&crc32_ieee(&body).to_be_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    fn wrapper(magic: u8, attributes: u8, offset: i64, inner: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        compress(Compression::Gzip, None, inner, &mut packed).expect("gzip");
        message(magic, attributes | 1, offset, 77, &packed)
    }

    #[test]
    fn offsets_and_times_inside_of_a_wrapper() {
        let inner = [message(1, 0, 0, 5, b"a"), message(1, 0, 2, 9, b"b")].concat();
        let bytes = wrapper(1, 0, 102, &inner);
        let found = read(&Entry::decode(&bytes).expect("an entry"));
        let seen: Vec<_> = found.iter().map(|record| (record.offset, record.timestamp)).collect();
        assert_eq!(seen, [(100, Some(5)), (102, Some(9))]);

        // The time of the append overrides those inside.
        let bytes = wrapper(1, 8, 102, &inner);
        let found = read(&Entry::decode(&bytes).expect("an entry"));
        let seen: Vec<_> = found.iter().map(|r| (r.timestamp, r.timestamp_type)).collect();
        assert_eq!(seen, [(Some(77), Some(1)), (Some(77), Some(1))]);

        let entry = Entry::decode(&bytes).expect("an entry");
        let mut scratch = Vec::new();
        let mut records = entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
        records.skip_to(101).expect("a record");
        assert_eq!(records.next().expect("a record").expect("sound").offset, 102);
    }

    #[test]
    fn wrappers_that_break_the_rules_are_refused() {
        let plain = message(1, 0, 0, 5, b"a");
        let refused = |bytes: Vec<u8>| {
            let entry = Entry::decode(&bytes).expect("an entry");
            let mut scratch = Vec::new();
            match entry.records(&DecodeLimits::default(), &mut scratch) {
                Err(error) => error.kind,
                Ok(mut records) => records.find_map(Result::err).expect("an error").kind,
            }
        };
        let nested = wrapper(1, 0, 0, &wrapper(1, 0, 0, &plain));
        assert_eq!(refused(nested), FormatErrorKind::Corrupt);
        let mixed = wrapper(1, 0, 5, &message(0, 0, 0, 0, b"a"));
        assert_eq!(refused(mixed), FormatErrorKind::Corrupt);
        let torn = wrapper(1, 0, 5, &plain[..plain.len() - 1]);
        assert_eq!(refused(torn), FormatErrorKind::Corrupt);
        let empty = wrapper(1, 0, 5, b"");
        assert_eq!(refused(empty), FormatErrorKind::Corrupt);
        let unordered = [plain.clone(), plain].concat();
        assert_eq!(refused(wrapper(1, 0, 5, &unordered)), FormatErrorKind::Corrupt);
        let zstd = message(1, 4, 0, 0, b"x");
        assert_eq!(refused(zstd), FormatErrorKind::Unsupported);
    }
}
