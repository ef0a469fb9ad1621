//! Goal: every line becomes one record, and an ack says no more than is true and no later than it
//! is. Method: acks are read while the producer still waits for input.

use std::io::Read;
use std::process::Stdio;

use crate::program::run_with_input;
use crate::scratch::Scratch;

#[test]
fn lines_become_records_in_order() {
    let scratch = Scratch::with_topic(1);
    let acks = scratch.produce(&["orders", "--print-acks"], "one\n\nthree\r\nlast");
    assert_eq!(acks.done(), "ack 0 0\nack 0 1\nack 0 2\nack 0 3\n");
    assert_eq!(scratch.consume(&["orders"]).done(), "one\n\nthree\r\nlast\n");
    // Without the option nothing is printed; no input is no record.
    assert_eq!(scratch.produce(&["orders"], "x\n").done(), "");
    assert_eq!(scratch.produce(&["orders", "--print-acks"], "").done(), "");
    assert_eq!(scratch.consume(&["orders", "-o", "-1"]).done(), "x\n");
}

#[test]
fn every_ack_level_and_codec_reads_back() {
    let scratch = Scratch::with_topic(1);
    let mut expected = String::new();
    for acks in ["0", "1", "all", "-1"] {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let lines: String =
                (0..50).map(|n| format!("{acks} {codec} {n} {}\n", "pad ".repeat(20))).collect();
            let acks = format!("--acks={acks}");
            scratch.produce(&["orders", &acks, "--compression", codec], &lines).done();
            expected.push_str(&lines);
        }
    }
    assert_eq!(scratch.consume(&["orders"]).done(), expected);
}

#[test]
fn without_an_ack_level_there_is_no_offset() {
    let scratch = Scratch::with_topic(1);
    let acks = scratch.produce(&["orders", "--acks", "0", "--print-acks"], "a\nb\n");
    assert_eq!(acks.done(), "ack 0 -1\nack 0 -1\n");
    assert_eq!(scratch.consume(&["orders"]).done(), "a\nb\n");
}

#[test]
fn a_separator_splits_off_the_key() {
    let scratch = Scratch::with_topic(4);
    scratch.produce(&["orders", "-K", ":"], "john:burger\nno key\n:empty\njohn:cola:zero\n").done();
    let printed = scratch.consume(&["orders", "-f", r"%p|%k|%K|%s\n"]);
    let printed = printed.done();
    for line in ["|john|4|burger", "||-1|no key", "||0|empty", "|john|4|cola:zero"] {
        assert!(printed.lines().any(|printed| printed.ends_with(line)), "{line} in {printed}");
    }
    // Kafka's own partitioner puts the key there.
    let partitions: Vec<&str> =
        printed.lines().filter(|line| line.contains("john")).map(|line| &line[..1]).collect();
    assert_eq!(partitions[0], partitions[1], "{printed}");
}

#[test]
fn a_partition_can_be_chosen() {
    let scratch = Scratch::with_topic(3);
    let acks = scratch.produce(&["orders", "--partition", "2", "--print-acks"], "a\nb\n");
    assert_eq!(acks.done(), "ack 2 0\nack 2 1\n");
    for partition in ["3", "-1"] {
        let partition = format!("--partition={partition}");
        scratch.produce(&["orders", &partition], "a\n").failed(7, "orders");
    }
}

#[test]
fn an_ack_comes_as_soon_as_it_is_true() {
    let scratch = Scratch::with_topic(1);
    for acks in ["all", "1"] {
        let mut producer = scratch.start_producer(&["orders", "--acks", acks]);
        for _ in 0..20 {
            // Would wait for ever if a line waited for company.
            assert!(producer.send("line").starts_with("ack 0 "));
        }
        producer.finish();
    }
    assert_eq!(scratch.consume(&["orders"]).done().lines().count(), 40);
}

#[test]
fn acks_follow_the_order_of_input_over_partitions_and_groups() {
    let scratch = Scratch::with_topic(4);
    let lines: String = (0..10_000).map(|n| format!("key{}:{n}\n", n % 37)).collect();
    for group in ["1000", "7"] {
        let lines = if group == "7" { &lines[..2000] } else { &lines };
        let arguments = ["orders", "-K", ":", "--print-acks", "--batch-records", group];
        let acks = scratch.produce(&arguments, lines);
        let acks: Vec<&str> = acks.done().lines().map(|ack| &ack["ack ".len()..]).collect();
        let shown = scratch.consume(&["orders", "-f", r"%p %o %k:%s\n"]);
        let records: std::collections::HashMap<String, String> = shown
            .done()
            .lines()
            .map(|line| {
                let mut parts = line.splitn(3, ' ');
                let place =
                    format!("{} {}", parts.next().unwrap_or(""), parts.next().unwrap_or(""));
                (place, parts.next().unwrap_or("").to_owned())
            })
            .collect();
        assert_eq!(acks.len(), lines.lines().count());
        for (ack, line) in acks.iter().zip(lines.lines()) {
            // The last line of the cut text may lack its end, not its start.
            assert_eq!(records.get(*ack).map(String::as_str), Some(line), "{ack}");
        }
    }
}

#[test]
fn a_record_over_the_limit_is_named_and_those_before_it_are_kept() {
    let scratch = Scratch::new();
    let create = ["topic", "create", "orders", "--config", "max.message.bytes=1000"];
    scratch.run(&create).done();
    let input = format!("one\ntwo\n{}\nfour\n", "x".repeat(2000));
    let run = scratch.produce(&["orders", "--print-acks"], input);
    run.failed(7, "line 3");
    assert_eq!(run.text(), "ack 0 0\nack 0 1\n");
    assert_eq!(scratch.consume(&["orders"]).done(), "one\ntwo\n");
    // A line without an end is not gathered for ever.
    let endless = "x".repeat(4 << 20);
    scratch.produce(&["orders"], endless).failed(7, "line 1");
    // Many small records are more than one batch can take, and that is no error.
    let many: String = (0..500).map(|n| format!("record {n}\n")).collect();
    scratch.produce(&["orders"], &many).done();
    assert_eq!(scratch.consume(&["orders", "-o", "2"]).done(), many);
}

#[test]
fn an_unknown_topic_is_no_reason_to_make_a_directory() {
    let scratch = Scratch::new();
    scratch.produce(&["orders"], "x\n").failed(4, "data");
    assert!(!scratch.path().exists());
    scratch.run(&["topic", "create", "notes"]).done();
    scratch.produce(&["orders"], "x\n").failed(7, "orders");
}

#[test]
fn bytes_go_through_unchanged() {
    let scratch = Scratch::with_topic(1);
    let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').chain([b'\n']).collect();
    scratch.produce(&["orders"], &bytes).done();
    assert_eq!(scratch.consume(&["orders"]).stdout, bytes);
}

#[test]
fn a_closed_reader_of_acks_does_not_stop_the_job() {
    let scratch = Scratch::with_topic(1);
    let lines: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    let mut command = scratch.command(&["produce", "orders", "--print-acks"]);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(command);
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeder =
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, lines.as_bytes()));
    let mut first = [0; 8];
    reader.read_exact(&mut first).expect("an ack");
    assert_eq!(&first, b"ack 0 0\n");
    drop(reader);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    feeder.join().expect("no panic").expect("all input was read");
    let count = scratch.consume(&["orders"]).done().lines().count();
    assert_eq!(count, 50_000);
}

#[test]
fn input_may_come_from_a_file() {
    let scratch = Scratch::with_topic(1);
    let path = scratch.beside("input");
    std::fs::write(&path, "a\nb\n").expect("a file");
    let mut command = scratch.command(&["produce", "orders"]);
    command.stdin(std::fs::File::open(&path).expect("a file"));
    let run = crate::program::run(&mut command);
    run.done();
    assert_eq!(scratch.consume(&["orders"]).done(), "a\nb\n");
    let silent = run_with_input(&mut scratch.command(&["produce", "orders"]), b"c\n");
    assert_eq!(silent.done(), "", "no progress bar where there is no terminal");
}
