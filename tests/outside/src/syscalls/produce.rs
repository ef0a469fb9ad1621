//! `ottla produce` whose system calls fail: it has several threads, prints acks, and ends with the
//! exit code that its documentation names.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::session::wrapped;
use crate::syscalls::Fault;
use crate::tried::Tried;
use crate::verdict::Stop;
use crate::{lines, tool};

const RECORDS: usize = 60;

/// A record, by its number.
fn line(number: usize) -> String {
    format!("{number}-{}", "y".repeat(200))
}

/// What a run of the tool said, and how it ended.
struct Ended {
    /// Offsets of partition 0, in the order of input.
    acks: Vec<i64>,
    code: Option<i32>,
    complaint: String,
}

/// Counts the calls of a run that nothing disturbs.
pub(super) fn count(wrapper: &[String], directory: &Path) -> Result<(), Stop> {
    create(directory)?;
    let ended = produce(wrapper, directory)?;
    match ended.acks.len() {
        RECORDS => Ok(()),
        other => Err(Stop::Harness(format!("{other} acks: {}", ended.complaint))),
    }
}

fn create(directory: &Path) -> Result<(), Stop> {
    let settings = ["--config", "internal.segment.bytes=8192"];
    let create = [&["topic", "create", "lines"][..], &settings].concat();
    tool::run(directory, &create).map(drop).map_err(Stop::Harness)
}

fn produce(wrapper: &[String], directory: &Path) -> Result<Ended, Stop> {
    let own = tool::path();
    let mut command = wrapped(wrapper, own);
    command.arg("--dir").arg(directory).args(["produce", "lines", "-p", "0", "--print-acks"]);
    command.args(["--batch-records", "7"]).stderr(Stdio::piped());
    let (mut child, output) = lines::start(&mut command).map_err(Stop::Harness)?;
    let said = lines::follow(output);
    let input = child.stdin.take();
    if let Some(mut input) = input {
        for number in 0..RECORDS {
            // It may be dead by now.
            let _ = writeln!(input, "{}", line(number));
        }
    }
    let ended = child.wait_with_output().map_err(Stop::harness("the tool"))?;
    let acks = said.iter().filter_map(|line| line.strip_prefix("ack 0 ")?.parse().ok()).collect();
    let complaint = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    Ok(Ended { acks, code: ended.status.code(), complaint })
}

/// The exit codes that a failed call may end in.
fn codes_of(error: &str) -> &'static [i32] {
    match error {
        "ENOSPC" | "EDQUOT" | "EFBIG" => &[0, 6, 4],
        _ => &[0, 4],
    }
}

pub(super) fn run(fault: &Fault, directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    create(directory)?;
    let ended = produce(&fault.wrapper(), directory)?;
    tried.count("records acked", ended.acks.len() as u64);
    let complaint = &ended.complaint;
    if !fault.is_kill() {
        let codes = codes_of(fault.what.trim_start_matches("error="));
        if !ended.code.is_some_and(|code| codes.contains(&code)) {
            let what = format!("{:?}, expected one of {codes:?}: {complaint}", ended.code);
            return Err(Stop::Broken(format!("exit codes: {what}")));
        }
        if ended.code == Some(0) && ended.acks.len() != RECORDS {
            return Err(Stop::Broken(format!("exit codes: 0 after {} acks", ended.acks.len())));
        }
    }
    let look = |verb: &[&str]| {
        tool::run(directory, verb).map_err(|what| Stop::Broken(format!("open: {what}")))
    };
    let text = look(&["consume", "lines", "-f", "%o %s\\n"])?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let found: BTreeMap<i64, &str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(offset, value)| Some((offset.parse().ok()?, value)))
        .collect();
    for (number, offset) in ended.acks.iter().enumerate() {
        if found.get(offset).copied() != Some(&line(number)) {
            return Err(Stop::Broken(format!("acked is there: line {number} at {offset}")));
        }
    }
    for (number, (offset, value)) in (0..).zip(&found) {
        if *offset != number || *value != line(number as usize) {
            return Err(Stop::Broken(format!("prefix: offset {offset} holds another line")));
        }
    }
    look(&["verify"]).map(drop)
}
