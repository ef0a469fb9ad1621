//! Goal: what was appended is printed, from where and in the form that was asked for.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::program::{fixtures, ottla, run};
use crate::scratch::Scratch;

#[test]
fn reading_begins_where_it_is_told() {
    let scratch = Scratch::with_lines("a\nb\nc\nd\n");
    for (offset, printed) in [
        ("beginning", "a\nb\nc\nd\n"),
        ("0", "a\nb\nc\nd\n"),
        ("2", "c\nd\n"),
        ("4", ""),
        ("end", ""),
        ("-1", "d\n"),
        ("-3", "b\nc\nd\n"),
        ("-100", "a\nb\nc\nd\n"),
        ("@0", "a\nb\nc\nd\n"),
        ("@9999999999999", ""),
    ] {
        let run = scratch.consume(&["orders", "--offset", offset]);
        assert_eq!(run.done(), printed, "{offset}");
    }
    for offset in ["5", "9223372036854775807"] {
        scratch.consume(&["orders", "--offset", offset]).failed(7, "orders-0");
    }
}

#[test]
fn a_timestamp_finds_the_first_record_of_that_time_or_later() {
    let scratch = Scratch::with_lines("a\n");
    let stamp = scratch.consume(&["orders", "-f", "%T"]).done().to_owned();
    let stamp: i64 = stamp.parse().expect("a timestamp");
    // The clock of the second run is at least one tick further.
    while scratch.produce(&["orders"], "b\n").done().is_empty() {
        let last = scratch.consume(&["orders", "-o", "-1", "-f", "%T"]).done().to_owned();
        if last.parse::<i64>().expect("a timestamp") > stamp {
            break;
        }
    }
    let later = format!("@{}", stamp + 1);
    let printed = scratch.consume(&["orders", "-o", &later, "-c", "1"]);
    assert_eq!(printed.done(), "b\n");
    let at = format!("@{stamp}");
    assert_eq!(scratch.consume(&["orders", "-o", &at, "-c", "1"]).done(), "a\n");
}

#[test]
fn so_many_records_and_no_more() {
    let scratch = Scratch::with_lines("a\nb\nc\n");
    assert_eq!(scratch.consume(&["orders", "--max-messages", "2"]).done(), "a\nb\n");
    assert_eq!(scratch.consume(&["orders", "-c", "0"]).done(), "");
    assert_eq!(scratch.consume(&["orders", "-c", "9"]).done(), "a\nb\nc\n");
}

#[test]
fn all_partitions_are_read_or_one() {
    let scratch = Scratch::with_topic(3);
    for partition in ["0", "1", "2"] {
        scratch.produce(&["orders", "-p", partition], format!("p{partition}\n")).done();
    }
    let mut all: Vec<String> =
        scratch.consume(&["orders"]).done().lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, ["p0", "p1", "p2"]);
    assert_eq!(scratch.consume(&["orders", "--partition", "1"]).done(), "p1\n");
    scratch.consume(&["orders", "--partition", "3"]).failed(7, "orders");
    scratch.consume(&["nobody"]).failed(7, "nobody");
}

#[test]
fn formats_print_kcats_tokens_and_json() {
    let scratch = Scratch::with_topic(1);
    scratch.produce(&["orders", "-K", "="], "k=one \"burger\"\nkeyless\n").done();
    let stamps = scratch.consume(&["orders", "-f", r"%T\n"]).done().to_owned();
    let (stamp, second) = stamps.trim_end().split_once('\n').expect("two records");
    let printed = scratch.consume(&["orders", "-f", r"%t [%p] at %o: %k/%K %s/%S %T %h%%\x21\n"]);
    assert_eq!(
        printed.done(),
        format!(
            "orders [0] at 0: k/1 one \"burger\"/12 {stamp} %!\n\
             orders [0] at 1: /-1 keyless/7 {second} %!\n"
        )
    );
    let binary = scratch.consume(&["orders", "-f", "%R", "-c", "1"]);
    assert_eq!(binary.stdout, [0, 0, 0, 12]);
    let json = scratch.consume(&["orders", "-J"]);
    assert_eq!(
        json.done().lines().next(),
        Some(
            format!(
                "{{\"topic\":\"orders\",\"partition\":0,\"offset\":0,\"tstype\":\"create\",\
                 \"ts\":{stamp},\"key\":\"k\",\"payload\":\"one \\\"burger\\\"\"}}"
            )
            .as_str()
        )
    );
    for line in json.done().lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(value["topic"], "orders");
    }
}

/// Copies a directory of the fixtures, so that nothing can happen to it.
fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a scratch folder");
    let mut queue = vec![fixtures().join(name)];
    while let Some(path) = queue.pop() {
        let inside = path.strip_prefix(fixtures().join(name)).expect("inside");
        let target = copy.path().join(inside);
        if path.is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            let entries = std::fs::read_dir(&path).expect("a folder");
            queue.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            std::fs::copy(&path, &target).expect("a file");
        }
    }
    copy
}

#[test]
fn a_directory_of_a_real_broker_is_read() {
    let copy = copy_of("real-broker-kdata");
    let consume = |arguments: &[&str]| {
        run(ottla().arg("--dir").arg(copy.path()).arg("consume").args(arguments))
    };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("t-{codec}");
        let printed = consume(&[&topic, "-f", r"%o %h\n"]);
        let lines: Vec<&str> = printed.done().lines().collect();
        assert_eq!(lines.len(), 2000, "{topic}");
        assert_eq!((lines[0], lines[1999]), ("0 h=hv", "1999 h=hv"), "{topic}");
    }
    // Four transactions, two of them aborted.
    let all = consume(&["txn"]);
    assert_eq!(all.done().lines().count(), 20);
    let committed = consume(&["txn", "--isolation-level", "read_committed"]);
    assert_eq!(committed.done().lines().count(), 10);
    assert_eq!(consume(&["raw-lz4_linked"]).done(), "");
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let lines: String = (0..200_000).map(|n| format!("record number {n}\n")).collect();
    let scratch = Scratch::with_lines(&lines);
    let mut child = scratch
        .command(&["consume", "orders"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a line");
    assert_eq!(first, "record number 0\n");
    drop(stdout);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn following_waits_at_the_end() {
    let scratch = Scratch::with_lines("a\nb\n");
    let mut child = scratch
        .command(&["consume", "orders", "--follow", "-o", "-1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    // Arrives although the program goes on: what was read is flushed.
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "b\n");
    assert!(child.try_wait().expect("a child").is_none(), "it does not end");
    child.kill().expect("it is still there");
    child.wait().expect("it ends");
    let limited = scratch.consume(&["orders", "--follow", "-c", "2"]);
    assert_eq!(limited.done(), "a\nb\n");
}
