//! Goal: `ottla dump` prints what Kafka's own tool prints, byte for byte, and says more than that
//! tool about the files it ignores. Method: `tests/fixtures/dump` holds the output of kafka-dump-log
//! 4.3.1 with `--deep-iteration --print-data-log` and the decoder of the topic.

use std::fs;
use std::path::Path;

use crate::program::{fixtures, ottla, run};
use crate::scratch::{Scratch, flip};

/// Compares the dump of files of the fixtures with a recorded one.
#[track_caller]
fn check(recorded: &str, files: &[&str]) {
    let folder = fixtures();
    let expected = fs::read_to_string(folder.join("dump").join(recorded)).expect("a recorded dump");
    let printed = run(ottla().current_dir(&folder).arg("dump").args(files));
    assert_same(printed.done(), &expected);
}

/// A difference of long texts is only readable line by line.
#[track_caller]
fn assert_same(printed: &str, expected: &str) {
    for (number, (ours, theirs)) in printed.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {}", number + 1);
    }
    assert_eq!(printed.lines().count(), expected.lines().count());
}

#[test]
fn segments_indexes_and_snapshots_print_as_kafka_prints_them() {
    check(
        "golden.txt",
        &[
            "golden/golden-0/00000000000000000000.log",
            "golden/golden-0/00000000000000000000.index",
            "golden/golden-0/00000000000000000000.timeindex",
            "golden/golden-0/00000000000000000000.txnindex",
            "golden/golden-0/00000000000000000199.snapshot",
        ],
    );
}

#[test]
fn records_of_internal_topics_are_decoded() {
    check(
        "offsets.txt",
        &[
            "real-broker-kdata/__consumer_offsets-14/00000000000000000000.log",
            "real-broker-kdata/__consumer_offsets-15/00000000000000000000.log",
        ],
    );
    check(
        "transactions.txt",
        &["real-broker-kdata/__transaction_state-45/00000000000000000000.log"],
    );
    check(
        "metadata.txt",
        &[
            "real-broker-kdata/__cluster_metadata-0/00000000000000000000.log",
            "real-broker-kdata/bootstrap.checkpoint",
        ],
    );
}

#[test]
fn legacy_messages_print_as_kafka_prints_them() {
    let vectors = fixtures().join("../vectors/legacy.json");
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("legacy-0")).unwrap();
    let mut files = Vec::new();
    for (number, vector) in vectors.as_array().unwrap().iter().enumerate() {
        let file = format!("legacy-0/{number:020}.log");
        fs::write(folder.path().join(&file), bytes_of(vector["hex"].as_str().unwrap())).unwrap();
        files.push(file);
    }
    let expected = fs::read_to_string(fixtures().join("dump/legacy.txt")).unwrap();
    let printed = run(ottla().current_dir(&folder).arg("dump").args(files));
    assert_same(printed.done(), &expected);
}

#[test]
fn a_file_in_the_current_directory_is_known_by_it() {
    let folder = fixtures().join("real-broker-kdata/__transaction_state-45");
    let printed = run(ottla().current_dir(folder).args(["dump", "00000000000000000000.log"]));
    assert!(printed.done().contains("\"transactionalId\":\"tx1\""), "{}", printed.text());
}

#[test]
fn small_files_print_a_line_per_entry() {
    for (file, lines) in [
        ("golden/recovery-point-offset-checkpoint", "topic: golden partition: 0 offset: 199\n"),
        ("golden/cleaner-offset-checkpoint", ""),
        ("golden/.kafka_cleanshutdown", "brokerEpoch: 42\n"),
        ("java-logdir/.kafka_cleanshutdown", "brokerEpoch: -1\n"),
        ("golden/golden-0/partition.metadata", "topicId: AAAAAAAAAAEAAAAAAAAAAg\n"),
        (
            "golden/golden-0/leader-epoch-checkpoint",
            "epoch: 0 startOffset: 0\nepoch: 1 startOffset: 138\n",
        ),
        (
            "real-broker-kdata/__cluster_metadata-0/quorum-state",
            "leaderId: 1 leaderEpoch: 1 votedId: -1 currentVoters: [1]\n",
        ),
        (
            "real-broker-kdata/meta.properties",
            "version: 1\nclusterId: MilWqmI8Taa6hJR6vevlZA\nnodeId: 1\n\
             directoryId: x5o_zPYFfKDsaodAVcajBg\n",
        ),
    ] {
        let printed = run(ottla().current_dir(fixtures()).args(["dump", file]));
        assert_eq!(printed.done(), format!("Dumping {file}\n{lines}"));
    }
}

#[test]
fn damage_is_printed_as_far_as_it_goes_and_ends_with_3() {
    let whole = fs::read(fixtures().join("golden/golden-0/00000000000000000138.log")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("00000000000000000138.log");
    let dump = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        run(ottla().arg("dump").arg(&file))
    };
    let batches = |printed: &str| printed.lines().filter(|line| line.starts_with("base")).count();

    let torn = dump(&whole[..whole.len() - 5]);
    torn.failed(3, "position 10026");
    assert_eq!(batches(torn.text()), 30);
    let last = torn.text().lines().last().unwrap();
    assert_eq!(last, "Found 99 invalid bytes at the end of 00000000000000000138.log");

    let mut flipped = whole.clone();
    flipped[500] ^= 1;
    let flipped = dump(&flipped);
    flipped.failed(3, "position 17)");
    assert_eq!(batches(flipped.text()), 31);
    assert_eq!(flipped.text().matches("isvalid: false").count(), 1);

    let noise = dump(&[0xa5; 1000]);
    noise.failed(3, "position");
    let zeros = dump(&[0; 1000]);
    zeros.failed(3, "position 8)");
    let empty = dump(&[]);
    assert_eq!(empty.done().lines().count(), 2);

    // Every prefix ends in order: nothing panics, nothing hangs.
    for length in (0..2000).step_by(7) {
        let cut = dump(&whole[..length]);
        assert!(matches!(cut.code, 0 | 3), "{length}: {cut:?}");
    }
}

#[test]
fn damaged_small_files_end_with_3() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("00000000000000000000.index", &[0u8; 9][..]),
        ("00000000000000000000.timeindex", &[0; 13]),
        ("00000000000000000000.txnindex", &[0; 33]),
        ("00000000000000000000.snapshot", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("leader-epoch-checkpoint", b"0\n1\n"),
        ("replication-offset-checkpoint", b"0\nmany\n"),
        ("partition.metadata", b"version: 0\ntopic_id: nobody"),
        ("quorum-state", b"{"),
        ("ottla.control", b"OTTLACTL"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        run(ottla().arg("dump").arg(&file)).failed(3, name);
    }
}

#[test]
fn what_is_no_file_of_a_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "hello").unwrap();
    run(ottla().arg("dump").arg(&foreign)).failed(7, "notes.txt");
    run(ottla().arg("dump").arg(folder.path())).failed(7, "regular files");
    run(ottla().arg("dump").arg(folder.path().join("00000000000000000000.log")))
        .failed(4, "cannot read");
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let good = fixtures().join("golden/recovery-point-offset-checkpoint");
    let run = run(ottla().arg("dump").arg("nowhere").arg(&good));
    assert_eq!(run.code, 4);
    assert!(run.text().contains("topic: golden partition: 0 offset: 199"), "{}", run.text());
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

#[test]
fn our_own_files_are_readable_too() {
    let scratch = Scratch::with_topic(1);
    let mut producer = scratch.start_producer(&["orders"]);
    producer.send("one");
    producer.send("two");
    producer.kill();
    let files = |ending: &str| -> Vec<std::path::PathBuf> {
        let mut found: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        found.sort();
        found
    };
    let control = run(ottla().arg("dump").args(files("ottla.control")));
    assert!(control.done().contains("\nclosed: false nonce: "), "{}", control.text());
    assert!(control.text().contains(" partition: 0 logStartOffset: 0 "), "{}", control.text());
    let journal = run(ottla().arg("dump").args(files(".journal")));
    let frames: Vec<&str> =
        journal.done().lines().filter(|line| line.starts_with("lsn: ")).collect();
    assert_eq!(frames.len(), 2, "{}", journal.text());
    let batches: Vec<&str> =
        journal.text().lines().filter(|line| line.starts_with("| topicId: ")).collect();
    assert!(batches[1].contains(" partition: 0 baseOffset: 1 "), "{batches:?}");
    assert!(batches[1].ends_with(" lastOffset: 1 count: 1 isvalid: true"), "{batches:?}");

    // A frame whose payload was changed is where a replay would end, and so does the dump.
    let file = files(".journal").remove(0);
    flip(&file, 1024 + 60);
    let journal = run(ottla().arg("dump").arg(&file));
    assert_eq!(journal.done().lines().filter(|line| line.starts_with("lsn: ")).count(), 1);
}

#[test]
fn what_recovery_cut_off_is_readable() {
    let scratch = Scratch::with_lines("a\n");
    let mut producer = scratch.start_producer(&["orders", "--acks", "1"]);
    producer.send("b");
    producer.send("c");
    producer.kill();
    let segment = scratch.segments("orders-0").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&segment, bytes).unwrap();
    scratch.produce(&["orders"], "d\n").done();
    assert_eq!(scratch.consume(&["orders"]).done(), "a\nb\nd\n");
    let quarantine = fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(".quarantine"))
        .expect("a quarantine file");
    let dumped = run(ottla().arg("dump").arg(quarantine));
    assert!(dumped.done().contains("invalid bytes at the end of"), "{}", dumped.text());
}

#[test]
fn a_journal_that_holds_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("ottla-{:020}.journal", 1));
    fs::write(&file, vec![0; 4096]).unwrap();
    let printed = run(ottla().arg("dump").arg(&file));
    assert!(printed.done().ends_with("The journal file holds nothing.\n"), "{}", printed.text());
    assert!(Path::new(&file).exists());
}
