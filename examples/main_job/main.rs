//! The main job on real input, with the process killed in between:
//! `cargo run --release --example main_job`.
//!
//! Every line of Rust in the sources of libc and rustix (both MIT OR Apache-2.0, in the versions
//! and with the checksums of Cargo.lock; cargo has fetched them to build Ottla) becomes a JSON
//! record. A child process appends them with `acks=all` to four zstd partitions and reports what
//! was acked; it is killed with SIGKILL several times and started again, and resumes where the
//! log ends. At the end every record is read back and compared: none lost, none twice, none
//! changed, none out of order.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "an example is a program like a user's"
)]

mod source;
mod writer;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use ottla::Broker;
use source::Line;

const TOPIC: &str = "source-lines";
const PARTITIONS: usize = 4;
const KILLS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let lines = source::read_lines()?;
    let scratch = env::temp_dir().join("ottla-main-job");
    if env::args().nth(1).as_deref() == Some("writer") {
        return writer::write(&scratch, &lines);
    }
    let total = lines.len();
    let plain_bytes: usize = lines.iter().map(|line| line.json.len()).sum();
    eprintln!("{total} records, {} MB of JSON, made of {}", plain_bytes / 1_000_000, source::NAMES);

    let _ = fs::remove_dir_all(&scratch);
    let start = Instant::now();
    let mut acked = [0; PARTITIONS];
    for run in 0..=KILLS {
        // The last run goes to the end; the others die when they got their share acked.
        let kill_at = if run < KILLS { total * (run + 1) / (KILLS + 1) } else { usize::MAX };
        run_writer(run, kill_at, &mut acked)?;
    }
    let written = start.elapsed();
    if acked.iter().sum::<usize>() != total {
        return Err(format!("{} of {total} records were acked", acked.iter().sum::<usize>()).into());
    }

    let start = Instant::now();
    compare(&scratch, &lines)?;
    let read = start.elapsed();
    let disk_bytes = log_bytes(&scratch)?;
    println!(
        "{total} records compared: none lost, none twice, none changed\n\
         {KILLS} kills survived\n\
         {plain_bytes} bytes of JSON in {disk_bytes} bytes of log: {:.1} to 1\n\
         written in {:.2} s (processes, kills and recoveries included), read back in {:.2} s",
        plain_bytes as f64 / disk_bytes as f64,
        written.as_secs_f64(),
        read.as_secs_f64(),
    );
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// Starts the writer, follows its reports, kills it when enough is acked.
fn run_writer(
    run: usize,
    kill_at: usize,
    acked: &mut [usize; PARTITIONS],
) -> Result<(), Box<dyn Error>> {
    let mut child =
        Command::new(env::current_exe()?).arg("writer").stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("the child has no pipe")?;
    let mut killed = false;
    // After the kill the pipe still holds acks that were given before: they count too.
    for report in BufReader::new(stdout).lines() {
        let report = report?;
        let words: Vec<&str> = report.split(' ').collect();
        let &[what, partition, count] = &words[..] else { continue };
        let (partition, count): (usize, usize) = (partition.parse()?, count.parse()?);
        if what == "found" && count < acked[partition] {
            let lost = acked[partition] - count;
            return Err(format!("{lost} acked records of partition {partition} are lost").into());
        }
        acked[partition] = count;
        if !killed && acked.iter().sum::<usize>() >= kill_at {
            child.kill()?; // SIGKILL: no destructor, no last flush
            killed = true;
        }
    }
    let status = child.wait()?;
    let sum: usize = acked.iter().sum();
    eprintln!("run {}: {} after {sum} acks", run + 1, if killed { "killed" } else { "done" });
    if killed || status.success() {
        Ok(())
    } else {
        Err(format!("the writer failed: {status}").into())
    }
}

/// Reads everything from the beginning and compares it, record by record.
fn compare(scratch: &Path, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let broker = Broker::open(scratch)?;
    let mut expected: [_; PARTITIONS] =
        std::array::from_fn(|p| lines.iter().filter(move |line| line.partition == p));
    let assignment = (0..PARTITIONS).map(|partition| (TOPIC, partition as i32));
    let mut consumer = broker.consumer().assign(assignment).build()?;
    let (mut compared, mut told) = (0, 0);
    loop {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            let place = format!("partition {} offset {}", record.partition(), record.offset());
            let line = expected[record.partition() as usize].next();
            let line = line.ok_or_else(|| format!("{place}: one record too many"))?;
            let same = record.key() == Some(line.file.as_bytes())
                && record.value() == Some(line.json.as_bytes());
            if !same {
                return Err(format!("{place}: not the record that was written").into());
            }
            compared += 1;
        }
        if compared / 50_000 > told {
            told = compared / 50_000;
            eprintln!("compared {compared}");
        }
    }
    broker.close()?;
    if compared == lines.len() { Ok(()) } else { Err(format!("only {compared} were there").into()) }
}

fn log_bytes(scratch: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for partition in 0..PARTITIONS {
        for entry in fs::read_dir(scratch.join(format!("{TOPIC}-{partition}")))? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(bytes)
}
