//! Every batch of the vectors, which Kafka's Java classes, kafka-python and aiokafka wrote, is
//! decoded field by field and encoded again: the same bytes where nothing is compressed and the
//! timestamps are the producer's, else the same content.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{OwnedRecord, entries, from_hex, read_records, rebuild, to_hex};
use crate::batch::entry::Entry;
use crate::config::compression::Compression;
use crate::format::batch_header::{BATCH_HEADER_LEN, TimestampType};
use crate::format::control_record::ControlType;
use crate::format::record::skip_record;
use crate::format::varint::{read_varint, read_varlong, write_varint, write_varlong};

#[derive(Deserialize)]
struct VarintVector {
    kind: String,
    value: i64,
    hex: String,
}

#[derive(Deserialize)]
struct BatchVector {
    name: String,
    hex: String,
    batches: Vec<ExpectedBatch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpectedBatch {
    base_offset: i64,
    last_offset: i64,
    size: usize,
    leader_epoch: i32,
    crc: u32,
    compression: String,
    timestamp_type: String,
    txn: bool,
    control: bool,
    delete_horizon_ms: Option<i64>,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    last_sequence: i32,
    count: usize,
    records: Vec<ExpectedRecord>,
}

#[derive(Deserialize)]
struct ExpectedRecord {
    offset: i64,
    timestamp: i64,
    sequence: i32,
    size: usize,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

fn batch_vectors() -> Vec<BatchVector> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/batches.json"));
    serde_json::from_str(text).expect("batches.json")
}

#[test]
fn varints_are_as_kafka_writes_them() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/varints.json"));
    let vectors: Vec<VarintVector> = serde_json::from_str(text).expect("varints.json");
    assert!(vectors.len() >= 17);
    for vector in vectors {
        let bytes = from_hex(&vector.hex);
        let (mut at, mut written) = (0, Vec::new());
        let read = if vector.kind == "varint" {
            write_varint(&mut written, i32::try_from(vector.value).expect("32 bits"));
            read_varint(&bytes, &mut at).map(i64::from)
        } else {
            assert_eq!(vector.kind, "varlong");
            write_varlong(&mut written, vector.value);
            read_varlong(&bytes, &mut at)
        };
        assert_eq!(read, Some(vector.value));
        assert_eq!(at, bytes.len());
        assert_eq!(written, bytes, "{}", vector.value);
    }
}

#[test]
fn every_batch_decodes_to_what_its_writer_put_in() {
    let vectors = batch_vectors();
    assert!(vectors.len() >= 58);
    for vector in vectors {
        let bytes = from_hex(&vector.hex);
        let found = entries(&bytes);
        assert_eq!(found.len(), vector.batches.len(), "{}", vector.name);
        for (entry, expected) in found.iter().zip(&vector.batches) {
            check_header(&vector.name, entry, expected);
            if entry.compression().expect("a codec").is_available() {
                check_records(&vector.name, entry, expected);
            }
        }
    }
}

fn check_header(name: &str, entry: &Entry<'_>, expected: &ExpectedBatch) {
    let header = entry.header().expect("magic 2");
    assert_eq!(entry.magic(), 2, "{name}");
    assert_eq!(entry.base_offset(), expected.base_offset, "{name}");
    assert_eq!(entry.last_offset(), expected.last_offset, "{name}");
    assert_eq!(entry.bytes().len(), expected.size, "{name}");
    assert_eq!(header.size_bytes(), expected.size, "{name}");
    assert_eq!(entry.leader_epoch(), expected.leader_epoch, "{name}");
    assert_eq!(header.crc, expected.crc, "{name}");
    assert_eq!(entry.verify_checksum(), Ok(()), "{name}");
    assert_eq!(entry.compression().map(Compression::name), Ok(expected.compression.as_str()));
    assert_eq!(entry.timestamp_type().name(), expected.timestamp_type, "{name}");
    assert_eq!(entry.is_transactional(), expected.txn, "{name}");
    assert_eq!(entry.is_control(), expected.control, "{name}");
    assert_eq!(header.delete_horizon_ms(), expected.delete_horizon_ms, "{name}");
    assert_eq!(header.base_timestamp, expected.base_timestamp, "{name}");
    assert_eq!(entry.max_timestamp(), expected.max_timestamp, "{name}");
    assert_eq!(header.producer_id, expected.producer_id, "{name}");
    assert_eq!(header.producer_epoch, expected.producer_epoch, "{name}");
    assert_eq!(header.base_sequence, expected.base_sequence, "{name}");
    assert_eq!(header.last_sequence(), expected.last_sequence, "{name}");
    let stamp = entry.producer();
    assert_eq!(stamp.map_or(-1, |stamp| stamp.id), expected.producer_id, "{name}");
    assert_eq!(stamp.map_or(-1, |stamp| stamp.last_sequence), expected.last_sequence, "{name}");
    assert_eq!(entry.record_count(), Some(expected.count), "{name}");
}

fn check_records(name: &str, entry: &Entry<'_>, expected: &ExpectedBatch) {
    let records = read_records(entry).expect("records");
    assert_eq!(records.len(), expected.count, "{name}");
    for (record, expected) in records.iter().zip(&expected.records) {
        assert_eq!(record.offset, expected.offset, "{name}");
        assert_eq!(record.timestamp, expected.timestamp, "{name}");
        assert_eq!(record.sequence, expected.sequence, "{name}");
        assert_eq!(shown(record.key.as_deref()), expected.key, "{name}");
        assert_eq!(shown(record.value.as_deref()), expected.value, "{name}");
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| (key.clone(), shown(value.as_deref())))
            .collect();
        assert_eq!(headers, expected.headers, "{name}");
    }
    if entry.compression() == Ok(Compression::None) {
        let payload = &entry.bytes()[BATCH_HEADER_LEN..];
        let mut at = 0;
        for expected in &expected.records {
            let start = at;
            skip_record(payload, &mut at).expect("a record");
            assert_eq!(at - start, expected.size, "{name}");
        }
    }
}

/// A field as the vectors show it: long ones by their digest.
fn shown(field: Option<&[u8]>) -> Option<String> {
    field.map(|bytes| {
        if bytes.len() > 4096 {
            format!("sha256:{}", to_hex(&Sha256::digest(bytes)))
        } else {
            to_hex(bytes)
        }
    })
}

#[test]
fn every_batch_can_be_built_again_from_its_records() {
    let mut same_bytes = 0;
    for vector in batch_vectors() {
        let bytes = from_hex(&vector.hex);
        for entry in entries(&bytes) {
            let header = *entry.header().expect("magic 2");
            if header.record_count == 0 || !header.compression().expect("codec").is_available() {
                continue;
            }
            let rebuilt = rebuild(&entry);
            let again = Entry::decode(&rebuilt).expect("a rebuilt batch");
            assert_eq!(again.verify_checksum(), Ok(()), "{}", vector.name);
            let plain = header.compression() == Ok(Compression::None);
            if plain && header.timestamp_type() == TimestampType::CreateTime {
                assert_eq!(to_hex(&rebuilt), vector.hex, "{}", vector.name);
                same_bytes += 1;
                continue;
            }
            let mut new_header = *again.header().expect("magic 2");
            new_header.crc = header.crc;
            new_header.batch_length = header.batch_length;
            if header.timestamp_type() == TimestampType::LogAppendTime {
                // The producer's timestamps are not visible in the decoded records.
                new_header.base_timestamp = header.base_timestamp;
            }
            assert_eq!(new_header, header, "{}", vector.name);
            let expected: Vec<OwnedRecord> = read_records(&entry).expect("records");
            assert_eq!(read_records(&again).expect("records"), expected, "{}", vector.name);
        }
    }
    assert!(same_bytes >= 15, "only {same_bytes} batches were compared byte for byte");
}

#[test]
fn control_batches_and_emptied_batches() {
    let vectors = batch_vectors();
    let bytes_of = |name: &str| {
        let vector = vectors.iter().find(|vector| vector.name == name);
        from_hex(&vector.expect("a vector of that name").hex)
    };
    let abort = bytes_of("control_ABORT");
    let entry = Entry::decode(&abort).expect("a batch");
    assert_eq!(entry.control_type(), Ok(Some(ControlType::Abort)));

    let emptied = bytes_of("empty_control_batch_retained");
    let entry = Entry::decode(&emptied).expect("a batch");
    assert_eq!(entry.control_type(), Ok(None));
    assert_eq!(read_records(&entry), Ok(Vec::new()));
    assert_eq!(entry.header().expect("magic 2").encode_emptied()[..], emptied[..]);

    let data = bytes_of("none_compacted_gap_deletehorizon");
    let mut header = *Entry::decode(&data).expect("a batch").header().expect("magic 2");
    assert_eq!(header.delete_horizon_ms(), Some(1_700_086_400_000));
    let left = header.encode_emptied();
    let left = Entry::decode(&left).expect("an emptied batch");
    assert_eq!(left.verify_checksum(), Ok(()));
    header.batch_length = 49;
    header.attributes = 0;
    header.base_timestamp = -1;
    header.record_count = 0;
    header.crc = left.header().expect("magic 2").crc;
    assert_eq!(left.header(), Some(&header));
}
