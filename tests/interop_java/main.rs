//! Apache Kafka's own classes against Ottla: its record classes read and write batches, its
//! DumpLogSegments looks for faults in whole directories, its loader opens what Ottla closed, and
//! its lock and Ottla's exclude each other.

#![allow(clippy::disallowed_methods, reason = "looks at the files from outside the library")]
#![allow(clippy::print_stdout, reason = "says what it skips")]

use std::fs;
use std::path::Path;
use std::process::Command;

mod directories;
#[path = "../interop/directory.rs"]
mod directory;
#[path = "../interop/dump_log.rs"]
mod dump_log;
#[path = "../interop/kafka.rs"]
mod kafka;
#[path = "../interop/lines.rs"]
mod lines;
mod locks;
mod producers;
#[path = "../interop/written.rs"]
mod written;

use dump_log::{complaints_of, runs_of};
use kafka::{Kafka, copy_folder, kafka, path_text, sorted_entries};
use lines::{assert_same_lines, lines_of, record_lines_only, split_by_file};

#[test]
fn kafka_reads_what_ottla_writes() {
    let Some(kafka) = kafka() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let batches = written::batches();
    let mut arguments = vec!["records".to_owned()];
    for batch in &batches {
        let path = directory.path().join(format!("{}.batch", batch.name));
        fs::write(&path, &batch.batch).expect("a batch is written");
        arguments.push(path_text(&path).to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let files = split_by_file(&kafka.run(&arguments));
    assert_eq!(files.len(), batches.len());
    for (batch, (_, found)) in batches.iter().zip(&files) {
        assert_same_lines(&batch.name, found, &batch.lines);
    }
}

#[test]
fn ottla_reads_what_kafka_writes() {
    let Some(kafka) = kafka() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    kafka.run(&["write", path_text(directory.path())]);
    let mut count = 0;
    for path in sorted_entries(directory.path()) {
        if path.extension().is_none_or(|extension| extension != "batch") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let wanted = fs::read_to_string(path.with_extension("lines")).expect("the lines");
        let found = lines_of(&fs::read(&path).expect("the batch"));
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        if name.starts_with("legacy") {
            assert_same_lines(&name, &record_lines_only(&found), &record_lines_only(&wanted));
        } else {
            assert_same_lines(&name, &found, &wanted);
        }
        count += 1;
    }
    // Five codecs in seven kinds, a marker, magic 0 and 1 in four codecs.
    assert_eq!(count, 44);
}

/// `ottla dump` has the fields and the order of Kafka's tool: over everything that Kafka wrote for
/// the fixtures the two print the same lines.
#[test]
fn ottla_dump_prints_what_kafka_prints() {
    let Some(kafka) = kafka() else { return };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut compared = 0;
    for name in ["golden", "java-logdir", "real-broker-kdata"] {
        compared += compare_dumps(kafka, &fixtures.join(name));
    }
    assert!(compared > 400, "only {compared} files were compared");
}

fn compare_dumps(kafka: &Kafka, directory: &Path) -> usize {
    let mut compared = 0;
    for run in runs_of(&kafka.run(&["dump", path_text(directory)])) {
        if !matches!(run.mode.as_str(), "print" | "decoder" | "index" | "state") {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_ottla")).arg("dump").arg(&run.path).output();
        let output = output.expect("ottla starts");
        assert!(output.status.success(), "{}: {}", run.path, output.status);
        let printed = String::from_utf8_lossy(&output.stdout);
        // What Kafka's tool says on standard error is not part of the dump.
        let wanted: String = run
            .lines
            .iter()
            .filter(|line| !line.is_empty() && !line.starts_with("STDERR "))
            .map(|line| format!("{line}\n"))
            .collect();
        let found: String = printed
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect();
        assert_same_lines(&run.path, &found, &wanted);
        compared += 1;
    }
    compared
}

/// The judge of the dump tool's words must itself be seen to judge: a sound directory passes, each
/// kind of damage is noticed.
#[test]
fn the_dump_tool_is_heard_when_it_complains() {
    let Some(kafka) = kafka() else { return };
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let complaints = |damage: &dyn Fn(&Path)| {
        let copy = tempfile::tempdir().expect("a scratch directory");
        copy_folder(&fixture, copy.path());
        damage(&copy.path().join("golden-0"));
        complaints_of(&runs_of(&kafka.run(&["dump", path_text(copy.path())])))
    };
    let base = "00000000000000000000";
    assert_eq!(complaints(&|_| {}), Vec::<String>::new());
    let damages: [Damage<'_>; 5] = [
        ("a flipped bit in a batch", &|partition| {
            flip(&partition.join(format!("{base}.log")), 100);
        }),
        ("bytes behind the last batch", &|partition| {
            let path = partition.join(format!("{base}.log"));
            let mut bytes = fs::read(&path).expect("the log");
            bytes.extend_from_slice(&[0; 40]);
            fs::write(&path, bytes).expect("the log is written");
        }),
        ("an index entry of another offset", &|partition| {
            flip(&partition.join(format!("{base}.index")), 3);
        }),
        ("a time index entry of another time", &|partition| {
            flip(&partition.join(format!("{base}.timeindex")), 7);
        }),
        ("a changed snapshot", &|partition| {
            flip(&partition.join("00000000000000000138.snapshot"), 20);
        }),
    ];
    for (what, damage) in damages {
        assert!(!complaints(damage).is_empty(), "not noticed: {what}");
    }
}

/// What is damaged, and how.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("the file is written");
}
