//! A life of the command line tool: `ottla produce --print-acks`, fed with records, killed.

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::lines::{follow, start};
use crate::oracle::Read;
use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Level, Report};
use crate::tool;

/// The topic of the tool.
const LINES: &str = "lines";
const THREAD: u32 = 30;
const RECORDS: u32 = 4_000;
const OPEN_TIMEOUT: Duration = Duration::from_secs(120);

/// Feeds records to the tool, kills it so long after its first ack (or its start), and matches its
/// acks with the records by their order.
pub(super) fn live(
    directory: &Path,
    seed: u64,
    cycle: u32,
    (from_start, delay): (bool, Duration),
) -> Result<Vec<(Report, Read)>, String> {
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
        for number in 0..RECORDS {
            let mut line = stamp(cycle, number).payload(seed);
            line.push(b'\n');
            if input.write_all(&line).is_err() {
                return;
            }
        }
    });
    let first = if from_start { None } else { lines.recv_timeout(OPEN_TIMEOUT).ok() };
    thread::sleep(delay);
    child.kill().map_err(|error| error.to_string())?;
    let _ = feeder.join();
    let printed: Vec<String> = first.into_iter().chain(lines.iter()).collect();
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.code().is_some() && !status.success() {
        return Err(format!("crash: the tool ended with {status}"));
    }
    let level = if acks == "all" { Level::Synced } else { Level::Written };
    for (number, line) in (0..).zip(printed) {
        let offset = line.strip_prefix("ack 0 ").and_then(|offset| offset.trim().parse().ok());
        let base_offset = offset.ok_or(format!("the tool said {line:?}"))?;
        let Stamp { topic, incarnation, partition, thread, .. } = stamp(cycle, number);
        reports.push(Report::Acked(Ack {
            topic,
            incarnation,
            partition,
            base_offset,
            cycle,
            thread,
            number,
            count: 1,
            level,
        }));
    }
    Ok(reports.into_iter().map(|report| (report, Read::InTime)).collect())
}

fn stamp(cycle: u32, number: u32) -> Stamp {
    Stamp {
        topic: LINES.to_owned(),
        incarnation: 0,
        partition: 0,
        cycle,
        thread: THREAD,
        number,
        together: None,
    }
}
