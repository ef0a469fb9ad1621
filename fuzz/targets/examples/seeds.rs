//! Makes the first inputs of each target from test vectors, fixtures, and a directory that the
//! library writes: `cargo run -p ottla-fuzz-targets --example seeds`. What fuzzing adds to them is
//! in `fuzz/corpus`, beside them.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "reads fixtures and writes the corpus"
)]

use std::fs;
use std::path::{Path, PathBuf};

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::config::compression::Compression;
use ottla::env::Env;
use ottla::env::vfs::{OpenHow, read_up_to};
use ottla::{Acks, BrokerOptions, Message, TopicConfig};
use serde_json::Value;

/// Longer ones teach a fuzzer nothing.
const LENGTH_MAX: usize = 1200;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Adds an input to a target's corpus, behind a first byte or two that say how it is used.
fn add(target: &str, prefix: &[u8], bytes: &[u8]) {
    if bytes.len() > LENGTH_MAX {
        return;
    }
    let folder = repository().join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).expect("the folder of a corpus");
    let input = [prefix, bytes].concat();
    let sum = ottla::format::checksum::crc32c(&input);
    fs::write(folder.join(format!("seed-{sum:08x}")), input).expect("a file of the corpus");
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits
        .map(|two| u8::from_str_radix(str::from_utf8(two).expect("hex"), 16).expect("hex"))
        .collect()
}

/// All texts in a field of this name, anywhere.
fn texts(value: &Value, field: &str, found: &mut Vec<(String, Vec<u8>)>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| texts(value, field, found)),
        Value::Object(fields) => {
            if let (Some(hex), kind) =
                (fields.get(field).and_then(Value::as_str), fields.get("kind"))
            {
                let kind = kind.and_then(Value::as_str).unwrap_or_default();
                found.push((kind.to_owned(), bytes_of(hex)));
            }
            fields.values().for_each(|value| texts(value, field, found));
        }
        _ => {}
    }
}

fn vectors(file: &str) -> Vec<(String, Vec<u8>)> {
    let path = repository().join("tests/vectors").join(file);
    let value = serde_json::from_str(&fs::read_to_string(path).expect("vectors")).expect("JSON");
    let mut found = Vec::new();
    for field in ["hex", "input_hex", "output_hex"] {
        texts(&value, field, &mut found);
    }
    found
}

fn fixtures(folder: &Path, visit: &mut impl FnMut(&str, Vec<u8>)) {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            fixtures(&path, visit);
        } else {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            visit(&name, fs::read(&path).expect("a fixture"));
        }
    }
}

/// A batch, and what is inside of it.
fn add_batches(mut log: &[u8]) {
    while let Ok(entry) = Entry::decode_first(log) {
        log = &log[entry.bytes().len()..];
        let bytes = entry.bytes();
        add("batch", &[0], bytes);
        if entry.magic() != 2 {
            continue;
        }
        add("differential", &[0], bytes);
        let payload = &bytes[61..];
        match entry.compression() {
            Ok(Compression::None) => add("record", &[], payload),
            Ok(Compression::Gzip) => add("gzip", &[], payload),
            Ok(Compression::Snappy) => add("snappy", &[], payload),
            Ok(Compression::Lz4) => add("lz4", &[], payload),
            Ok(Compression::Zstd) => add("zstd", &[], payload),
            Err(_) => {}
        }
    }
}

fn from_vectors() {
    for file in ["batches.json", "legacy.json", "compaction.json"] {
        vectors(file).iter().for_each(|(_, bytes)| add_batches(bytes));
    }
    let numbers: Vec<u8> =
        vectors("varints.json").into_iter().flat_map(|(_, bytes)| bytes).collect();
    numbers.chunks(40).for_each(|chunk| add("varint", &[], chunk));
    let kinds = [
        ("offset_commit_key", 0),
        ("group_metadata_key", 0),
        ("offset_commit_value", 1),
        ("group_metadata_value", 2),
        ("consumer_subscription", 3),
        ("consumer_assignment", 4),
        ("transaction_log_key", 7),
        ("transaction_log_value", 8),
        ("control_key", 14),
        ("end_txn_marker", 14),
    ];
    for (kind, bytes) in vectors("coordinator_records.json") {
        let known = kinds.iter().find(|(name, _)| *name == kind).map(|(_, number)| *number);
        match known {
            Some(number) => add("group_records", &[number], &bytes),
            None => (0..16).for_each(|number| add("group_records", &[number], &bytes)),
        }
    }
    for (kind, bytes) in vectors("partition_files.json") {
        match kind.as_str() {
            "producer_snapshot_file" => add("producer_snapshot", &[0], &bytes),
            _ => add("txn_index", &[0; 12], &bytes),
        }
    }
}

fn from_fixtures() {
    let mut seen = std::collections::BTreeMap::new();
    fixtures(&repository().join("tests/fixtures"), &mut |name, bytes| {
        let ending = name.rsplit('.').next().unwrap_or_default().to_owned();
        let count = seen.entry((ending.clone(), bytes.len())).or_insert(0);
        *count += 1;
        if bytes.is_empty() || *count > 2 {
            return;
        }
        match ending.as_str() {
            "index" => add("offset_index", &[1, 0, 0, 0, 50], &bytes),
            "timeindex" => add("time_index", &[1, 0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0], &bytes),
            "txnindex" => add("txn_index", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], &bytes),
            "snapshot" => add("producer_snapshot", &[0], &bytes),
            "log" if bytes.len() < 40_000 => add_batches(&bytes[..bytes.len().min(8000)]),
            "metadata" => add("text_files", &[2], &bytes),
            "properties" => add("text_files", &[3], &bytes),
            _ if name.starts_with("leader-epoch") => add("text_files", &[1], &bytes),
            _ if name.ends_with("checkpoint") => add("text_files", &[0], &bytes),
            _ if name == "quorum-state" => {
                add("text_files", &[4], &bytes);
                add("text_files", &[6], &bytes);
            }
            _ if name == ".kafka_cleanshutdown" => add("text_files", &[5], &bytes),
            _ => {}
        }
    });
    let logs = ["metadata-logs/dynamic-quorum", "metadata-logs/with-snapshot"];
    for folder in logs {
        let log = repository().join("tests/fixtures").join(folder).join("00000000000000000000.log");
        add_metadata(&fs::read(log).expect("a metadata log"));
    }
}

/// The records of a metadata log, one by one and together.
fn add_metadata(mut log: &[u8]) {
    let mut together = Vec::new();
    while let Ok(entry) = Entry::decode_first(log) {
        log = &log[entry.bytes().len()..];
        let mut scratch = Vec::new();
        let records = entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
        for record in records.map_while(Result::ok).filter(|_| !entry.is_control()) {
            let value = record.value.unwrap_or_default();
            add("metadata_records", &[], value);
            if value.len() < 256 && together.len() + value.len() < 900 {
                together.extend([0, value.len() as u8]);
                together.extend_from_slice(value);
            }
        }
    }
    add("catalog", &[], &together);
}

/// What the library itself writes.
fn from_a_directory() {
    let env = Env::memory();
    let options = BrokerOptions::new().background(false).journal_file_bytes(4096);
    let broker = options.clone().open_in(env.clone()).expect("a new directory");
    for (name, indexed) in [("apples", true), ("pears", false)] {
        let config = TopicConfig::new().partitions(2).key_index(indexed).segment_bytes(1 << 20);
        broker.create_topic(name, config).expect("a topic");
        let partition = broker.partition(name, 0).expect("a partition");
        for number in 0..6 {
            let value = format!("value {number}");
            let message = Message::new(&value).key(if number % 2 == 0 { "even" } else { "odd" });
            partition.append(&[message], Acks::All).expect("an append");
        }
    }
    let read = |name: &str| {
        let file = env.vfs.open(name, OpenHow::Read).expect("a file");
        let mut bytes = vec![0; 3 * LENGTH_MAX];
        let length = read_up_to(&*file, &mut bytes, 0).expect("memory");
        bytes.truncate(length);
        bytes
    };
    for entry in env.vfs.list("").expect("the root") {
        if entry.name.ends_with(".journal") {
            let bytes = read(&entry.name);
            bytes.chunks(512).skip(1).for_each(|frame| add("journal_frame", &[0], frame));
            add("journal_frame", &[0], &bytes[..64.min(bytes.len())]);
        }
    }
    broker.close().expect("a close");
    drop(broker);
    add("control_file", &[0], &read("ottla.control"));
    for file in env.vfs.list("apples-0").expect("a folder").iter().map(|entry| &entry.name) {
        if file.ends_with("keyindex") {
            add("key_index", &[0], &read(&format!("apples-0/{file}")));
        }
    }
    add_metadata(&read("__cluster_metadata-0/00000000000000000000.log"));
}

/// Inputs that are programs for their target: any bytes do, a few lengths are enough.
fn programs() {
    let mut random = fastrand::Rng::with_seed(6);
    let targets = [
        "scan",
        "journal",
        "key_index",
        "fixpoint",
        "paths",
        "spill",
        "directory",
        "api",
        "api_faults",
        "api_crashes",
        "compaction",
        "c_abi",
    ];
    for target in targets {
        for length in [8, 40, 120] {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            add(target, &[3], &bytes);
        }
    }
    for name in [
        "orders",
        "__consumer_offsets",
        "..",
        "a/b",
        "a-0",
        "a.b-12",
        "x\0y",
        "AAAAAAAAAAAAAAAAAAAAAQ",
    ] {
        add("names", &[], name.as_bytes());
    }
    for name in [
        "00000000000000000042.log",
        "00000000000000000042.timeindex.deleted",
        "ottla-00000000000000000001.journal",
        "00000000000000000058-0000000001.checkpoint",
        "a-0.00000000000000000000000000000005-delete",
    ] {
        add("names", &[], name.as_bytes());
    }
    for (number, value) in (0_u8..).zip([
        "1",
        "-1",
        "true",
        "compact,delete",
        "zstd",
        "9223372036854775807",
        "0.5",
        "all",
        "latest",
        "read_committed",
    ]) {
        (0..4).for_each(|kind| add("settings", &[kind, 7 * number], value.as_bytes()));
    }
    add("settings", &[0, 255], b"cleanup.policy=compact");
}

fn main() {
    from_vectors();
    from_fixtures();
    from_a_directory();
    programs();
}
