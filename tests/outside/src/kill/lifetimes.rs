//! Starts a program on the directory, ends it in one of three ways, and returns what it said.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::lines::{follow, start};
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Report};
use crate::tool;

/// No program needs longer to open a directory of this size.
const OPEN_TIMEOUT: Duration = Duration::from_secs(120);

/// The topic of the command line tool.
const LINES: &str = "lines";
const TOOL_THREAD: u32 = 9;
const TOOL_RECORDS: u32 = 4_000;

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The writer of many threads.
    Writer,
    /// Opens the directory, which recovers it, and does nothing else.
    Opener,
    /// `ottla produce --print-acks`.
    Tool,
}

/// How it ends. The moment counts from the start, or from when the directory is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Close(Duration),
    /// It is told to close after the first time, and killed after the second.
    KillWhileClosing(Duration, Duration),
    KillFromStart(Duration),
    KillWhenReady(Duration),
}

/// A whole life. Errors are those that no kill explains.
pub(crate) fn live(
    program: Program,
    ending: Ending,
    directory: &Path,
    seed: u64,
    cycle: u32,
) -> Result<Vec<Report>, String> {
    if program == Program::Tool {
        return live_as_tool(ending, directory, seed, cycle);
    }
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg("driver");
    match program {
        Program::Writer => {
            command.arg("storm").arg(directory).args([seed.to_string(), cycle.to_string()])
        }
        Program::Opener | Program::Tool => command.arg("opener").arg(directory),
    };
    let (mut child, output) = start(&mut command)?;
    let lines = follow(output);
    let mut reports = Vec::new();
    let killed = end(&mut child, ending, || wait_until_ready(&lines, &mut reports));
    // Reading goes on until the pipe is empty: a line that was written before the kill counts.
    while let Ok(line) = lines.recv() {
        reports.extend(Report::parse(&line));
    }
    let failed = reports.iter().find_map(|report| match report {
        Report::Failed(what) => Some(what.clone()),
        _ => None,
    });
    let finished = finish(&mut child, killed?);
    match failed {
        Some(what) => Err(format!("{program:?} failed: {what}")),
        None => finished.map(|()| reports),
    }
}

/// Waits for the first line that says the directory is open.
fn wait_until_ready(lines: &Receiver<String>, reports: &mut Vec<Report>) -> Result<(), String> {
    loop {
        match lines.recv_timeout(OPEN_TIMEOUT) {
            Ok(line) => {
                let report = Report::parse(&line);
                let ready = report == Some(Report::Ready);
                reports.extend(report);
                if ready {
                    return Ok(());
                }
            }
            // It ended by itself; what it said tells why.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => return Err("the directory does not open".to_owned()),
        }
    }
}

/// Feeds records to the tool, and matches its acks with them by their order.
fn live_as_tool(
    ending: Ending,
    directory: &Path,
    seed: u64,
    cycle: u32,
) -> Result<Vec<Report>, String> {
    let mut reports = vec![Report::Creating(LINES.to_owned(), 0)];
    tool::run(directory, &["topic", "create", LINES, "--if-not-exists"])?;
    reports.push(Report::Created(LINES.to_owned(), 0));
    let acks = if cycle.is_multiple_of(2) { "all" } else { "1" };
    let mut command = tool::command(directory);
    command.args(["produce", LINES, "--partition", "0"]);
    command.args(["--acks", acks, "--print-acks", "--batch-records", "7"]);
    let (mut child, output) = start(&mut command)?;
    let lines = follow(output);
    let mut input = child.stdin.take().ok_or("no pipe to the tool")?;
    let feeder = thread::spawn(move || {
        for number in 0..TOOL_RECORDS {
            let mut line = stamp(cycle, number).payload(seed);
            line.push(b'\n');
            if input.write_all(&line).is_err() {
                return;
            }
        }
    });
    let mut first_ack = None;
    let killed = end(&mut child, ending, || {
        first_ack = lines.recv_timeout(OPEN_TIMEOUT).ok();
        Ok(())
    });
    let _ = feeder.join();
    let mut printed: Vec<String> = first_ack.into_iter().collect();
    printed.extend(lines.iter());
    finish(&mut child, killed?)?;
    for (number, line) in (0..).zip(printed) {
        let offset = line.strip_prefix("ack 0 ").and_then(|offset| offset.trim().parse().ok());
        let base_offset = offset.ok_or(format!("the tool said {line:?}"))?;
        let Stamp { topic, incarnation, partition, thread, .. } = stamp(cycle, number);
        let ack =
            Ack { topic, incarnation, partition, base_offset, cycle, thread, number, count: 1 };
        reports.push(Report::Acked(ack));
    }
    Ok(reports)
}

fn stamp(cycle: u32, number: u32) -> Stamp {
    Stamp {
        topic: LINES.to_owned(),
        incarnation: 0,
        partition: 0,
        cycle,
        thread: TOOL_THREAD,
        number,
        together: None,
    }
}

/// Ends the child as asked; whether that was by a kill.
fn end(
    child: &mut Child,
    ending: Ending,
    wait: impl FnOnce() -> Result<(), String>,
) -> Result<bool, String> {
    match ending {
        Ending::KillFromStart(delay) => thread::sleep(delay),
        Ending::KillWhenReady(delay) => {
            let waited = wait();
            if waited.is_err() {
                let _ = child.kill();
                waited?;
            }
            thread::sleep(delay);
        }
        Ending::Close(delay) | Ending::KillWhileClosing(delay, _) => {
            wait()?;
            thread::sleep(delay);
            let input = child.stdin.as_mut().ok_or("no pipe")?;
            input.write_all(b"close\n").map_err(|error| format!("it died: {error}"))?;
            match ending {
                Ending::KillWhileClosing(_, delay) => thread::sleep(delay),
                _ => return Ok(false),
            }
        }
    }
    child.kill().map_err(|error| error.to_string())?;
    Ok(true)
}

fn finish(child: &mut Child, killed: bool) -> Result<(), String> {
    let status = child.wait().map_err(|error| error.to_string())?;
    // A child may end by itself just before its kill; then it must have ended well.
    if killed && status.code().is_none() || status.success() {
        Ok(())
    } else {
        Err(format!("the program ended with {status}"))
    }
}
