//! kafka-python's record classes against Ottla's: what either writes, the other reads.
//!
//! A virtual environment with pinned versions is made once in the target directory; it needs
//! `python3` with the venv module and a package index. A machine without them sets
//! `OTTLA_SKIP_PYTHON=1`; without that a missing tool is a failure.

#![allow(clippy::disallowed_methods, reason = "looks at the files from outside the library")]
#![allow(clippy::print_stdout, reason = "says what it skips")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[path = "../interop/directory.rs"]
mod directory;
#[path = "../interop/lines.rs"]
mod lines;
#[path = "../interop/written.rs"]
mod written;

use lines::{assert_same_lines, lines_of, record_lines_only, split_by_file};

#[test]
fn kafka_python_reads_what_ottla_writes() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let batches = written::batches();
    let mut arguments = vec!["records".to_owned()];
    for batch in &batches {
        let path = directory.path().join(format!("{}.batch", batch.name));
        fs::write(&path, &batch.batch).expect("a batch is written");
        arguments.push(path.to_string_lossy().into_owned());
    }
    let output = run(&mut peer(python, &arguments));
    let files = split_by_file(&output);
    assert_eq!(files.len(), batches.len());
    for (batch, (path, found)) in batches.iter().zip(&files) {
        assert!(path.ends_with(&format!("{}.batch", batch.name)));
        assert_same_lines(&batch.name, found, &batch.lines);
    }
}

#[test]
fn ottla_reads_what_kafka_python_writes() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    run(&mut peer(python, &["write".to_owned(), directory.path().to_string_lossy().into_owned()]));
    let count = check_batches_of_a_peer(directory.path());
    // Five codecs in five kinds, magic 0 and 1 in four codecs.
    assert_eq!(count, 33);
}

/// Every segment of a closed directory, small segments, headers and nulls included.
#[test]
fn kafka_python_reads_the_segments_of_a_directory() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().expect("a scratch directory");
    let expected = directory::write(directory.path());
    let mut arguments = vec!["records".to_owned()];
    for name in expected.partitions.keys() {
        let folder = fs::read_dir(directory.path().join(name)).expect("a partition's folder");
        let mut segments: Vec<PathBuf> =
            folder.map(|entry| entry.expect("a file").path()).collect();
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        arguments.extend(segments.iter().map(|path| path.to_string_lossy().into_owned()));
    }
    let files = split_by_file(&run(&mut peer(python, &arguments)));
    for (name, log) in &expected.partitions {
        let inside = format!("/{name}/");
        let of_partition = files.iter().filter(|(path, _)| path.contains(&inside));
        let lines: String = of_partition.map(|(_, lines)| record_lines_only(lines)).collect();
        let visible: String = lines
            .lines()
            .filter(|line| offset_of(line) >= log.start)
            .map(|line| format!("{line}\n"))
            .collect();
        assert_same_lines(name, &visible, &log.lines());
        let end = lines.lines().last().map_or(log.start, |line| offset_of(line) + 1);
        assert_eq!(end, log.end(), "{name}");
    }
}

/// The offset in a record's line.
fn offset_of(line: &str) -> i64 {
    let word = line.split(' ').nth(1).expect("an offset");
    word.parse().expect("a number")
}

/// Reads every `NAME.batch` and compares it with `NAME.lines`.
fn check_batches_of_a_peer(directory: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("the peer's directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "batch") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let wanted = fs::read_to_string(path.with_extension("lines")).expect("the lines");
        let bytes = fs::read(&path).expect("the batch");
        let found = lines_of(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        if name.starts_with("legacy") {
            assert_same_lines(&name, &record_lines_only(&found), &record_lines_only(&wanted));
        } else {
            assert_same_lines(&name, &found, &wanted);
        }
        count += 1;
    }
    count
}

/// The interpreter of the virtual environment, or `None` if the tests are to be skipped.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(prepare).as_deref()
}

fn prepare() -> Option<PathBuf> {
    if std::env::var_os("OTTLA_SKIP_PYTHON").is_some_and(|value| value == "1") {
        println!("skipped: OTTLA_SKIP_PYTHON is set");
        return None;
    }
    let home =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("interop-venv");
    let requirements = source().join("requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("requirements.txt");
    let installed = home.join("installed.txt");
    let python = home.join("bin/python");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Some(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements));
    fs::write(&installed, wanted).expect("a note of what is installed");
    Some(python)
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python")
}

fn peer(python: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(python);
    command.arg(source().join("peer.py")).args(arguments);
    command
}

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let shown = &shown[..shown.len().min(300)];
    let output = command.output().unwrap_or_else(|error| {
        panic!("{shown} cannot run: {error}; install it or set OTTLA_SKIP_PYTHON=1")
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}: {}\n{complaints}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
