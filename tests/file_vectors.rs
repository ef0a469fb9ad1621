//! Goal: the small things that Kafka writes into files are read and written byte for byte. Method:
//! its own encodings, from tests/vectors.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads its own files")]

use ottla::format::index_entries::AbortedTxn;
use ottla::format::producer_snapshot;
use ottla::topic::TopicId;

#[derive(serde::Deserialize)]
struct Vector {
    kind: String,
    name: String,
    #[serde(default)]
    hex: String,
    #[serde(default)]
    desc: String,
    #[serde(default)]
    msb: i64,
    #[serde(default)]
    lsb: i64,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("the vectors are hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn snapshots_and_index_entries_of_kafka() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("vectors/partition_files.json")).unwrap();
    let mut kinds = Vec::new();
    for vector in vectors {
        let content = bytes(&vector.hex);
        match vector.kind.as_str() {
            "producer_snapshot_file" => {
                let entries = producer_snapshot::decode(&content).unwrap();
                assert_eq!(entries.is_empty(), vector.name == "empty");
                assert_eq!(producer_snapshot::encode(&entries).unwrap(), content);
            }
            "aborted_txn_entry" => {
                let entry = AbortedTxn::decode(&content).unwrap();
                assert_eq!(entry.encode()[..], content);
                let described = format!(
                    "producerId={} firstOffset={} lastOffset={} lastStableOffset={}",
                    entry.producer_id,
                    entry.first_offset,
                    entry.last_offset,
                    entry.last_stable_offset
                );
                assert_eq!(described, vector.desc);
            }
            other => panic!("a vector of the unknown kind {other}"),
        }
        kinds.push(vector.kind);
    }
    assert!(kinds.len() >= 2, "{kinds:?}");
}

#[test]
fn topic_ids_of_kafka() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("vectors/partitions.json")).unwrap();
    let ids: Vec<_> = vectors.iter().filter(|vector| vector.kind == "uuid_base64").collect();
    assert!(!ids.is_empty());
    for vector in ids {
        let id = TopicId::parse(&vector.name).unwrap();
        let halves = [vector.msb.to_be_bytes(), vector.lsb.to_be_bytes()].concat();
        assert_eq!(id.0[..], halves);
        assert_eq!(id.to_string(), vector.name);
    }
}
