//! Apache Kafka's own classes against Ottla: its record classes read and write batches, its
//! DumpLogSegments looks for faults in whole directories, its loader opens what Ottla closed, and
//! its lock and Ottla's exclude each other.

#![allow(clippy::disallowed_methods, reason = "looks at the files from outside the library")]
#![allow(clippy::print_stdout, reason = "says what it skips")]

use std::fs;
use std::path::Path;

#[path = "interop/dump_log.rs"]
mod dump_log;
#[path = "interop/kafka.rs"]
mod kafka;
#[path = "interop/lines.rs"]
mod lines;
#[path = "interop/written.rs"]
mod written;

use dump_log::{complaints_of, runs_of};
use kafka::{kafka, path_text, sorted_entries};
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

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's folder");
    for path in sorted_entries(from) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copied file");
        }
    }
}
