//! Directories that Kafka wrote are opened and read back, and must be what `expected.json` says;
//! the same batches through our own append path must give Kafka's index files byte for byte.

#![allow(clippy::disallowed_methods, reason = "loads the fixtures into memory")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::Partition;
use super::super::recover::Known;
use super::support::{FOLDER, Place, env_of_the_fixtures, id, read_batches};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::config::compression::Compression;
use crate::format::producer_snapshot::{self, ProducerEntry};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn expected() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/expected.json")).unwrap()
}

/// A partition's folder of a fixture, in memory.
pub(crate) fn load(folder: &str, settings: &[(&str, &str)]) -> Place {
    let place = Place::new(settings);
    for entry in std::fs::read_dir(fixtures().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        place.put(&name, &std::fs::read(entry.path()).unwrap());
    }
    place
}

pub(crate) fn open_foreign(place: &Place, clean: bool) -> Arc<Partition> {
    let known = Known::Foreign { log_start_offset: 0, recovery_point: 0, cleaned_to: 0, clean };
    let recovery = Partition::start_recovery(&place.shared, id(), &place.config, known, 0).unwrap();
    recovery.finish().unwrap().0
}

/// What a reader of all batches finds, in the words of `expected.json`.
#[derive(Default)]
struct Read {
    batches: u64,
    control: u64,
    records: u64,
    codecs: BTreeMap<String, u64>,
    digest: Sha256,
    committed: u64,
    committed_digest: Sha256,
}

fn read(partition: &Partition, bytes_max: usize) -> Read {
    let mut read = Read::default();
    let aborted = partition.aborted_transactions(0, partition.end_offset()).unwrap();
    let stable = partition.last_stable_offset().unwrap();
    let mut scratch = Vec::new();
    for batch in read_batches(partition, bytes_max).unwrap() {
        let entry = Entry::decode(&batch).unwrap();
        read.batches += 1;
        *read.codecs.entry(codec_name(entry.compression().unwrap())).or_default() += 1;
        if entry.is_control() {
            read.control += 1;
            continue;
        }
        let is_aborted = entry.is_transactional()
            && aborted.iter().any(|txn| {
                Some(txn.producer_id) == entry.producer().map(|stamp| stamp.id)
                    && (txn.first_offset..txn.last_offset).contains(&entry.base_offset())
            });
        for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
            let record = record.unwrap();
            let line = format!(
                "{} {} {} {}\n",
                record.offset,
                record.timestamp,
                text(record.key),
                text(record.value)
            );
            read.records += 1;
            read.digest.update(&line);
            if !is_aborted && record.offset < stable {
                read.committed += 1;
                read.committed_digest.update(&line);
            }
        }
    }
    read
}

fn codec_name(codec: Compression) -> String {
    format!("{codec:?}").to_lowercase()
}

fn text(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "-".to_owned(),
        Some([]) => ".".to_owned(),
        Some(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(folder: &str, expected: &Value) {
    let place = load(folder, &[("retention.ms", "-1")]);
    let before: Vec<_> = contents(&place);
    let partition = open_foreign(&place, true);
    assert!(partition.damage().is_none(), "{folder}: {:?}", partition.damage());
    assert_eq!(partition.end_offset(), expected["log_end_offset"], "{folder}");
    assert_eq!(partition.last_stable_offset().unwrap(), expected["last_stable_offset"], "{folder}");
    for bytes_max in [1, 3_000, 1 << 20] {
        let read = read(&partition, bytes_max);
        assert_eq!(read.batches, expected["batches"], "{folder}");
        assert_eq!(serde_json::to_value(&read.codecs).unwrap(), expected["codecs"], "{folder}");
        assert_eq!(read.records, expected["records_read_uncommitted"], "{folder}");
        assert_eq!(hex(&read.digest.finalize()), expected["sha256_read_uncommitted"], "{folder}");
        assert_eq!(read.committed, expected["records_read_committed"], "{folder}");
        let digest = hex(&read.committed_digest.finalize());
        assert_eq!(digest, expected["sha256_read_committed"], "{folder}");
    }
    let verified = partition.verify().unwrap();
    assert!(verified.errors.is_empty(), "{folder}: {:?}", verified.errors);
    let writer = partition.lock();
    let epochs: Vec<_> = writer
        .state
        .epochs
        .entries()
        .unwrap()
        .iter()
        .map(|entry| serde_json::json!([entry.epoch, entry.start_offset]))
        .collect();
    if !expected["leader_epoch_checkpoint"].is_null() {
        assert_eq!(Value::from(epochs), expected["leader_epoch_checkpoint"], "{folder}");
    }
    drop(writer);
    partition.close().unwrap();
    let mut after = contents(&place);
    if expected["leader_epoch_checkpoint"].is_null() {
        // The fixture lacks the file although the batches have epochs: it is made anew.
        after.retain(|(name, _)| name != "leader-epoch-checkpoint");
    }
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&after), names(&before), "{folder}");
    for ((name, after), (_, before)) in after.iter().zip(&before) {
        assert!(after == before, "{folder}: {name} was changed");
    }
}

fn contents(place: &Place) -> Vec<(String, Vec<u8>)> {
    place.names().into_iter().map(|name| (name.clone(), place.file(&name))).collect()
}

#[test]
fn what_kafka_wrote_reads_as_expected() {
    let expected = expected();
    for directory in ["golden", "java-logdir", "real-broker-kdata"] {
        for (partition, expected) in expected[directory]["partitions"].as_object().unwrap() {
            check(&format!("{directory}/{partition}"), expected);
        }
    }
    check("segout", &expected["segout"]["partitions"]["segout"]);
}

/// Appends the batches of a fixture's logs as they are, with their own offsets.
fn append_all(place: &Place, source: &Place) -> Arc<Partition> {
    let partition = place.create();
    for name in source.names().into_iter().filter(|name| name.ends_with(".log")) {
        let base_offset: i64 = name.trim_end_matches(".log").parse().unwrap();
        if base_offset > 0 {
            partition.lock().roll().unwrap();
        }
        let log = source.file(&name);
        let mut bytes = &log[..];
        while !bytes.is_empty() {
            let entry = Entry::decode_first(bytes).unwrap();
            let mut batch = entry.bytes().to_vec();
            bytes = &bytes[batch.len()..];
            partition.lock().append_written(&mut batch).unwrap();
        }
    }
    partition
}

/// The entries of a snapshot by producer; Kafka's order is that of a hash map.
fn decode_sorted(bytes: &[u8]) -> Vec<ProducerEntry> {
    let mut entries = producer_snapshot::decode(bytes).unwrap();
    entries.sort_by_key(|entry| entry.producer_id);
    entries
}

#[test]
fn appending_the_same_batches_gives_kafkas_indexes() {
    for folder in ["golden/golden-0", "segout", "java-logdir/txn-0", "golden/torn-0"] {
        let source = load(folder, &[]);
        let env = env_of_the_fixtures();
        env.vfs.create_dir(FOLDER).unwrap();
        let place = Place::over(env, &[("segment.ms", "9223372036854775807")]);
        append_all(&place, &source).close().unwrap();
        for name in source.names() {
            let is_index = name.ends_with("index");
            if is_index {
                assert_eq!(hex(&place.file(&name)), hex(&source.file(&name)), "{folder}/{name}");
            } else if name.ends_with(".snapshot") && folder.starts_with("golden") {
                // The one of java-logdir lacks a producer whose batches are in the log.
                let entries = |place: &Place| decode_sorted(&place.file(&name));
                assert_eq!(entries(&place), entries(&source), "{folder}/{name}");
            }
        }
    }
}
