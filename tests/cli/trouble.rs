//! Goal: each kind of trouble ends with its exit code and one sentence, and nothing is lost or
//! touched that was not meant. Method: real files, real processes, real limits.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::program::{Run, run};
use crate::scratch::{Scratch, flip};

const READING: [&[&str]; 6] = [
    &["consume", "orders"],
    &["topic", "list"],
    &["topic", "describe"],
    &["info"],
    &["info", "-J"],
    &["verify"],
];

#[test]
fn reading_changes_nothing() {
    let scratch = Scratch::with_lines("a\nb\n");
    let before = scratch.snapshot();
    for arguments in READING {
        scratch.run(arguments).done();
        assert_eq!(scratch.snapshot(), before, "{arguments:?}");
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let scratch = Scratch::with_topic(2);
    for acks in ["all", "1"] {
        let mut producer = scratch.start_producer(&["orders", "--acks", acks, "-p", "1"]);
        for number in 0..10 {
            assert!(producer.send(&format!("{acks} {number}")).starts_with("ack 1 "));
        }
        producer.kill();
        let before = scratch.snapshot();
        // Not closed cleanly: journalled records are shown, and still nothing is written.
        for arguments in READING {
            scratch.run(arguments).done();
            assert_eq!(scratch.snapshot(), before, "{arguments:?}");
        }
        let printed = scratch.consume(&["orders"]);
        let last = printed.done().lines().last().map(str::to_owned);
        assert_eq!(last, Some(format!("{acks} 9")));
    }
    assert_eq!(scratch.consume(&["orders"]).done().lines().count(), 20);
    let info = scratch.run(&["info", "-J"]);
    let info: serde_json::Value = serde_json::from_str(info.done()).expect("JSON");
    assert_eq!(info["recovery"]["clean"], false, "{info}");
    // The next writer recovers; then it is clean.
    scratch.produce(&["orders", "-p", "1"], "after\n").done();
    let info = scratch.run(&["info", "-J"]);
    let info: serde_json::Value = serde_json::from_str(info.done()).expect("JSON");
    assert_eq!(info["recovery"]["clean"], true, "{info}");
    let partitions = &info["topics"].as_array().expect("topics").iter();
    let orders = partitions.clone().find(|topic| topic["name"] == "orders").expect("orders");
    assert_eq!(orders["partitions"][1]["end_offset"], 21, "{info}");
}

#[test]
fn a_second_program_is_told_who_holds_the_directory() {
    let scratch = Scratch::with_topic(1);
    let mut producer = scratch.start_producer(&["orders"]);
    producer.send("first");
    for arguments in READING {
        scratch.run(arguments).failed(5, "");
    }
    scratch.run(&["topic", "create", "notes"]).failed(5, "");
    scratch.produce(&["orders"], "x\n").failed(5, "");
    assert_eq!(producer.send("second"), "ack 0 1");
    producer.finish();
    assert_eq!(scratch.consume(&["orders"]).done(), "first\nsecond\n");
}

#[test]
fn readers_share_the_directory_and_keep_writers_out() {
    let scratch = Scratch::with_lines("a\n");
    let mut follower = scratch
        .command(&["consume", "orders", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 2];
    let stdout = follower.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(stdout, &mut first).expect("a line");
    for arguments in READING {
        scratch.run(arguments).done();
    }
    scratch.produce(&["orders"], "b\n").failed(5, "");
    follower.kill().expect("it is still there");
    follower.wait().expect("it ends");
    scratch.produce(&["orders"], "b\n").done();
}

/// Runs a command without the rights of the superuser, who may write everywhere.
fn run_as_nobody(scratch: &Scratch, arguments: &[&str]) -> Run {
    let mut command = scratch.command(arguments);
    if rustix::process::geteuid().is_root() {
        // The program may stand where nobody else can reach it.
        let copy = scratch.beside("ottla");
        if !copy.exists() {
            // Copied by another process: a file that this one ever had open for writing cannot be
            // run while a child of another test still holds it.
            let program = env!("CARGO_BIN_EXE_ottla");
            let copied = Command::new("cp").arg(program).arg(&copy).status().expect("cp");
            assert!(copied.success());
            allow(&copy, 0o755);
        }
        allow(copy.parent().expect("a folder"), 0o755);
        let mut reduced = Command::new(&copy);
        reduced.env_remove("OTTLA_DIR").arg("--dir").arg(scratch.path()).args(arguments);
        reduced.stdin(Stdio::null()).uid(65534).gid(65534);
        command = reduced;
    }
    run(&mut command)
}

fn allow(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
fn a_read_only_directory_can_be_read_and_not_written() {
    let scratch = Scratch::with_lines("a\nb\n");
    for (path, content) in scratch.snapshot() {
        allow(&path, if content.is_some() { 0o444 } else { 0o555 });
    }
    let before = scratch.snapshot();
    assert_eq!(run_as_nobody(&scratch, &["consume", "orders"]).done(), "a\nb\n");
    for arguments in READING {
        run_as_nobody(&scratch, arguments).done();
    }
    run_as_nobody(&scratch, &["topic", "create", "notes"]).failed(4, "");
    run_as_nobody(&scratch, &["produce", "orders"]).failed(4, "");
    assert_eq!(scratch.snapshot(), before);
    for (path, content) in scratch.snapshot() {
        allow(&path, if content.is_some() { 0o644 } else { 0o755 });
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_io_error() {
    let scratch = Scratch::new();
    for arguments in READING {
        scratch.run(arguments).failed(4, "data");
    }
    scratch.run(&["topic", "delete", "orders"]).failed(4, "data");
    assert!(!scratch.path().exists());
    fs::write(scratch.path(), "a file").expect("a file");
    scratch.run(&["topic", "list"]).failed(4, "data");
    scratch.run(&["topic", "create", "orders"]).failed(4, "data");
    assert_eq!(fs::read(scratch.path()).expect("a file"), b"a file");
}

#[test]
fn damage_is_named_and_other_data_stays_readable() {
    let scratch = Scratch::with_topic(2);
    for partition in ["0", "1"] {
        for number in 0..3 {
            let line = format!("{partition} {number}\n");
            scratch.produce(&["orders", "-p", partition], line).done();
        }
    }
    let segment = scratch.segments("orders-0").remove(0);
    let length = fs::metadata(&segment).expect("a file").len();
    // In the middle batch of three equal ones.
    flip(&segment, usize::try_from(length / 2).expect("a small file"));

    let verified = scratch.run(&["verify"]);
    assert_eq!(verified.code, 3, "{verified:?}");
    assert!(verified.stderr.contains("orders-0"), "{verified:?}");
    let consumed = scratch.consume(&["orders", "-p", "0"]);
    consumed.failed(3, "orders-0");
    assert!(consumed.stderr.contains("position"), "{consumed:?}");
    assert_eq!(consumed.text(), "0 0\n");
    assert_eq!(scratch.consume(&["orders", "-p", "0", "-o", "2"]).done(), "0 2\n");
    assert_eq!(scratch.consume(&["orders", "-p", "1"]).done(), "1 0\n1 1\n1 2\n");
    let json = scratch.run(&["verify", "-J"]);
    assert_eq!(json.code, 3);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(json.to_string().contains("orders-0"), "{json}");
}

#[test]
fn verify_finds_nothing_where_nothing_is_wrong() {
    let scratch = Scratch::with_topic(3);
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    scratch.produce(&["orders", "--compression", "zstd"], lines).done();
    let verified = scratch.run(&["verify"]);
    assert!(verified.done().contains("1000"), "{verified:?}");
    let json = scratch.run(&["verify", "-J"]);
    let json: serde_json::Value = serde_json::from_str(json.done()).expect("JSON");
    assert!(json.is_object(), "{json}");
}

#[test]
fn info_tells_what_there_is() {
    let scratch = Scratch::with_lines("a\nb\n");
    let info = scratch.run(&["info"]);
    assert!(info.done().contains("orders-0 start: 0 end: 2 bytes: "), "{info:?}");
    let json = scratch.run(&["info", "-J"]);
    let json: serde_json::Value = serde_json::from_str(json.done()).expect("JSON");
    let topics = json["topics"].as_array().expect("topics");
    let orders = topics.iter().find(|topic| topic["name"] == "orders").expect("orders");
    assert_eq!(orders["config"]["retention.ms"], "-1");
    assert_eq!(orders["partitions"][0]["end_offset"], 2);
    assert_eq!(json["recovery"]["clean"], true);
}

#[test]
fn a_missing_segment_is_damage() {
    let scratch = Scratch::with_lines("a\nb\n");
    fs::remove_file(scratch.segments("orders-0").remove(0)).expect("a file");
    scratch.run(&["info"]).failed(3, "orders-0");
    scratch.produce(&["orders"], "c\n").failed(3, "orders-0");
}

#[test]
fn a_truncated_segment_is_damage_and_is_not_cut_further() {
    let scratch = Scratch::with_lines("a\n");
    scratch.produce(&["orders"], "b\n").done();
    let segment = scratch.segments("orders-0").remove(0);
    let mut bytes = fs::read(&segment).expect("a file");
    bytes.truncate(bytes.len() - 1);
    fs::write(&segment, &bytes).expect("a file");
    let info = scratch.run(&["info"]);
    assert_eq!(info.code, 3, "{info:?}");
    scratch.produce(&["orders"], "c\n").failed(3, "orders-0");
    assert_eq!(scratch.run(&["verify"]).code, 3);
    assert_eq!(fs::read(&segment).expect("a file"), bytes);
    // What is whole is still printed.
    let consumed = scratch.consume(&["orders"]);
    assert!(consumed.text().starts_with("a\n"), "{consumed:?}");
}

#[test]
fn swapped_segments_are_damage() {
    let scratch = Scratch::with_topic(2);
    scratch.produce(&["orders", "-p", "0"], "zero\n").done();
    scratch.produce(&["orders", "-p", "1"], "one, and longer\n").done();
    let (first, second) =
        (scratch.segments("orders-0").remove(0), scratch.segments("orders-1").remove(0));
    let bytes = fs::read(&first).expect("a file");
    fs::copy(&second, &first).expect("a file");
    fs::write(&second, bytes).expect("a file");
    let verified = scratch.run(&["verify"]);
    assert_eq!(verified.code, 3, "{verified:?}");
}

#[test]
fn foreign_files_are_left_alone_and_named() {
    let scratch = Scratch::with_lines("a\n");
    fs::write(scratch.path().join("notes.txt"), "mine").expect("a file");
    fs::write(scratch.path().join("orders-0/notes.txt"), "mine").expect("a file");
    fs::create_dir(scratch.path().join("holiday")).expect("a folder");
    fs::write(scratch.path().join("holiday/photo"), "mine").expect("a file");
    scratch.produce(&["orders"], "b\n").done();
    assert_eq!(scratch.consume(&["orders"]).done(), "a\nb\n");
    for name in ["notes.txt", "orders-0/notes.txt", "holiday/photo"] {
        let bytes = fs::read(scratch.path().join(name)).expect("still there");
        assert_eq!(bytes, b"mine", "{name}");
    }
    let info = scratch.run(&["info"]);
    assert!(info.done().contains("holiday"), "{info:?}");
}

#[test]
fn a_symbolic_link_leads_nowhere() {
    let scratch = Scratch::with_lines("a\n");
    let outside = scratch.beside("outside.log");
    let segment = scratch.segments("orders-0").remove(0);
    fs::rename(&segment, &outside).expect("a file");
    symlink(&outside, &segment).expect("a link");
    let bytes = fs::read(&outside).expect("a file");
    for run in [scratch.consume(&["orders"]), scratch.produce(&["orders"], "b\n")] {
        assert!(matches!(run.code, 3 | 4), "{run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
    }
    assert_eq!(fs::read(&outside).expect("a file"), bytes);

    // A whole folder that is a link is not entered either.
    let scratch = Scratch::with_lines("a\n");
    let outside = scratch.beside("outside");
    fs::rename(scratch.path().join("orders-0"), &outside).expect("a folder");
    symlink(&outside, scratch.path().join("orders-0")).expect("a link");
    let run = scratch.consume(&["orders"]);
    assert!(matches!(run.code, 3 | 4), "{run:?}");
}

#[test]
fn a_full_disk_is_told_apart() {
    let scratch = Scratch::with_lines("a\n");
    // A limit on the size of files stands for the disk: both are "no space".
    let limited = format!(
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" --dir '{}' produce orders",
        scratch.path().display()
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_ottla"));
    let lines: String = (0..20_000).map(|n| format!("record {n}\n")).collect();
    let run = crate::program::run_with_input(&mut command, lines.as_bytes());
    run.failed(6, "");
    // What was there is there, and with space it goes on.
    assert!(scratch.consume(&["orders"]).done().starts_with("a\n"));
    scratch.produce(&["orders"], "z\n").done();
    assert!(scratch.consume(&["orders"]).done().ends_with("z\n"));
}

#[test]
fn a_full_output_is_no_space() {
    let lines: String = (0..50_000).map(|n| format!("record {n}\n")).collect();
    let scratch = Scratch::with_lines(&lines);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let mut command = scratch.command(&["consume", "orders"]);
    command.stdout(full).stderr(Stdio::piped());
    let output = command.spawn().and_then(|child| child.wait_with_output()).expect("it ends");
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

#[test]
fn a_newer_format_is_neither_damage_nor_touched() {
    let scratch = Scratch::with_lines("a\n");
    let control = scratch.path().join("ottla.control");
    let mut bytes = fs::read(&control).expect("the control file");
    // The version stands behind eight bytes of magic.
    bytes[8..12].copy_from_slice(&99u32.to_be_bytes());
    fs::write(&control, &bytes).expect("the control file");
    let before = scratch.snapshot();
    scratch.produce(&["orders"], "b\n").failed(1, "version");
    assert_eq!(scratch.snapshot(), before);
}
