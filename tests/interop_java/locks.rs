//! Ottla's lock and a JVM broker's on the same directory exclude each other, also when the holder
//! died without a word.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ottla::{Broker, ErrorKind};

use crate::kafka::kafka;

#[test]
fn a_jvm_that_holds_the_lock_keeps_ottla_out() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    Broker::open(scratch.path()).expect("a new directory").close().expect("it closes");
    let (mut holder, held) = kafka.lock(scratch.path());
    assert!(held, "the lock of a closed directory is free");
    for read_only in [false, true] {
        let refused = Broker::options().read_only(read_only).open(scratch.path());
        let error = refused.expect_err("the directory is locked");
        assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    }
    // Killed, not closed.
    holder.kill().expect("a kill");
    holder.wait().expect("an end");
    let broker = Broker::open(scratch.path()).expect("the lock went with its holder");
    broker.close().expect("it closes");
}

#[test]
fn an_ottla_that_holds_the_lock_keeps_a_jvm_out() {
    let Some(kafka) = kafka() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::open(scratch.path()).expect("a new directory");
    let (holder, held) = kafka.lock(scratch.path());
    end(holder);
    assert!(!held, "a JVM got the lock of an open directory");
    broker.close().expect("it closes");
    let (holder, held) = kafka.lock(scratch.path());
    assert!(held, "a closed directory is still locked");
    end(holder);

    let mut writer = produce(scratch.path());
    let (holder, held) = kafka.lock(scratch.path());
    end(holder);
    assert!(!held, "a JVM got the lock of a directory that another process writes to");
    writer.kill().expect("a kill");
    writer.wait().expect("an end");
    let (holder, held) = kafka.lock(scratch.path());
    assert!(held, "the lock of a killed process is still held");
    end(holder);
}

/// Closes a lock peer's input, which ends it.
fn end(mut holder: Child) {
    drop(holder.stdin.take());
    assert!(holder.wait().expect("an end").success());
}

/// A process that has the directory open, waiting for more lines.
fn produce(directory: &Path) -> Child {
    let ottla = env!("CARGO_BIN_EXE_ottla");
    let created =
        Command::new(ottla).arg("--dir").arg(directory).args(["topic", "create", "t"]).status();
    assert!(created.expect("ottla starts").success());
    let mut child = Command::new(ottla)
        .arg("--dir")
        .arg(directory)
        .args(["produce", "t", "--print-acks", "--batch-records", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ottla starts");
    child.stdin.as_mut().expect("a pipe").write_all(b"a line\n").expect("it reads");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ack 0 0\n");
    let refused = Broker::open(directory).expect_err("the directory is locked");
    assert_eq!(refused.kind(), ErrorKind::Locked, "{refused}");
    child
}
