//! Batches that Kafka's Java classes made, and batches in every framing that a broker accepted,
//! must have the content that two independent readers found in them, told by its digest.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{OwnedRecord, entries, read_records, rebuild, to_hex};
use crate::batch::entry::Entry;
use crate::config::compression::Compression;

macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $path))
    };
}

macro_rules! broker_log {
    ($partition:literal) => {
        (
            $partition,
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/real-broker-kdata/",
                $partition,
                "/00000000000000000000.log"
            )),
        )
    };
}

const JAVA: [(&str, &[u8]); 5] = [
    ("none.java.batch", fixture!("javaout/none.java.batch")),
    ("gzip.java.batch", fixture!("javaout/gzip.java.batch")),
    ("snappy.java.batch", fixture!("javaout/snappy.java.batch")),
    ("lz4.java.batch", fixture!("javaout/lz4.java.batch")),
    ("zstd.java.batch", fixture!("javaout/zstd.java.batch")),
];

const BROKER: [(&str, &[u8]); 18] = [
    broker_log!("raw-none-0"),
    broker_log!("raw-gzip-0"),
    broker_log!("raw-snappy_xerial-0"),
    broker_log!("raw-snappy_raw-0"),
    broker_log!("raw-lz4_auto-0"),
    broker_log!("raw-lz4_default-0"),
    broker_log!("raw-lz4_indep64k-0"),
    broker_log!("raw-lz4_cksum-0"),
    broker_log!("raw-lz4_blkcksum-0"),
    broker_log!("raw-zstd_bulk-0"),
    broker_log!("raw-zstd_stream-0"),
    broker_log!("raw-zstd_ruzstd-0"),
    broker_log!("t-none-0"),
    broker_log!("t-gzip-0"),
    broker_log!("t-snappy-0"),
    broker_log!("t-lz4-0"),
    broker_log!("t-zstd-0"),
    broker_log!("js-0"),
];

fn expected() -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/expected.json"));
    serde_json::from_str(text).expect("expected.json")
}

/// The digest that `tests/fixtures/README.md` defines.
fn digest(records: &[OwnedRecord]) -> String {
    let shown = |field: &Option<Vec<u8>>| match field {
        None => "-".to_owned(),
        Some(bytes) if bytes.is_empty() => ".".to_owned(),
        Some(bytes) => to_hex(bytes),
    };
    let mut hasher = Sha256::new();
    for record in records {
        let (key, value) = (shown(&record.key), shown(&record.value));
        hasher.update(format!("{} {} {key} {value}\n", record.offset, record.timestamp));
    }
    to_hex(&hasher.finalize())
}

fn is_readable(entry: &Entry<'_>) -> bool {
    entry.compression().expect("a codec").is_available()
}

#[test]
fn batches_of_kafkas_java_classes_have_their_content() {
    let expected = expected();
    for (name, bytes) in JAVA {
        let facts = &expected["javaout"]["batches"][name];
        let entry = Entry::decode(bytes).expect("one batch");
        assert_eq!(entry.verify_checksum(), Ok(()), "{name}");
        assert_eq!(facts["last_offset"], entry.last_offset(), "{name}");
        assert_eq!(facts["leader_epoch"], entry.leader_epoch(), "{name}");
        assert_eq!(facts["max_timestamp"], entry.max_timestamp(), "{name}");
        assert_eq!(facts["codec"], entry.compression().expect("a codec").name(), "{name}");
        if !is_readable(&entry) {
            continue;
        }
        let records = read_records(&entry).expect("records");
        assert_eq!(facts["records"], records.len(), "{name}");
        assert_eq!(facts["sha256"], digest(&records), "{name}");
        let header = [("h".to_owned(), Some(b"hv".to_vec()))];
        assert!(records.iter().all(|record| record.headers == header), "{name}");
    }
}

#[test]
fn batches_in_every_framing_of_a_broker_have_their_content() {
    let expected = expected();
    for (name, bytes) in BROKER {
        let facts = &expected["real-broker-kdata"]["partitions"][name];
        let mut records = Vec::new();
        let mut all_readable = true;
        for entry in entries(bytes) {
            assert_eq!(entry.verify_checksum(), Ok(()), "{name}");
            all_readable &= is_readable(&entry);
            if is_readable(&entry) {
                records.extend(read_records(&entry).expect("records"));
            }
        }
        if all_readable {
            assert_eq!(facts["records_read_uncommitted"], records.len(), "{name}");
            assert_eq!(facts["sha256_read_uncommitted"], digest(&records), "{name}");
        }
    }
}

#[test]
fn uncompressed_and_snappy_batches_are_built_as_java_builds_them() {
    for (name, bytes) in JAVA {
        let entry = Entry::decode(bytes).expect("one batch");
        if !is_readable(&entry) {
            continue;
        }
        let rebuilt = rebuild(&entry);
        let again = Entry::decode(&rebuilt).expect("a rebuilt batch");
        assert_eq!(read_records(&again), read_records(&entry), "{name}");
        let codec = entry.compression().expect("a codec");
        if matches!(codec, Compression::None | Compression::Snappy) {
            assert!(rebuilt == bytes, "{name} differs");
        }
    }
}
