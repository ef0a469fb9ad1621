//! How long opening takes after a kill, and how much memory: with unsynced tails of several lengths,
//! and with a journal that is full, for one partition and for many. The page cache is warm, as it is
//! after a kill; what is measured is this machine's processor and its syncs.

use std::process::Command;

use clap::Args;

use crate::gauge::Tail;
use crate::scratch::own_program;
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, lines, scratch};

#[derive(Args, Debug)]
pub(crate) struct Recovery {
    /// Lengths of tails, in mebibytes.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    mebibytes: Vec<u64>,
    /// Numbers of partitions.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1000])]
    partitions: Vec<i32>,
    /// The most seconds for 100 MiB. Optimised programs on a quiet machine keep 1.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The most memory of the process, in mebibytes: the whole journal, and a little.
    #[arg(long, default_value_t = 112)]
    memory: u64,
}

/// What is always allowed: one partition opens in less, and folders are made and synced.
const SECONDS_AT_LEAST: f64 = 1.0;
/// The journal's four files of 16 MiB hold no more than this.
const JOURNAL_MEBIBYTES: u64 = 56;

pub(crate) fn campaign(recovery: &Recovery, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("memory", "time and memory of recovery", seed, |tried| {
        let scratch = scratch::make("recovery", terms.scratch.as_deref())?;
        println!("| MiB | partitions | seconds | MiB of memory |");
        println!("|---:|---:|---:|---:|");
        for partitions in &recovery.partitions {
            let directory = scratch.path().join("directory");
            for mebibytes in &recovery.mebibytes {
                let tail = Tail {
                    directory: directory.clone(),
                    mebibytes: *mebibytes,
                    partitions: *partitions,
                    journal: false,
                };
                one(recovery, &tail, tried)?;
            }
            let mebibytes = JOURNAL_MEBIBYTES;
            let tail = Tail { directory, mebibytes, partitions: *partitions, journal: true };
            one(recovery, &tail, tried)?;
        }
        Ok(())
    })
}

fn one(recovery: &Recovery, tail: &Tail, tried: &mut Tried) -> Result<(), Stop> {
    tried.fault(&["F1", "F19"]);
    leave_behind(tail)?;
    let said = driver(&["measure", &tail.directory.display().to_string()])?;
    let words: Vec<&str> = said.split_whitespace().collect();
    let (Some("ok"), Some(seconds), Some(kib)) =
        (words.first().copied(), words.get(1), words.get(3))
    else {
        return Err(Stop::Broken(format!("open: {said}")));
    };
    let seconds: f64 = seconds.parse().unwrap_or(f64::MAX);
    let memory = kib.parse::<u64>().unwrap_or(u64::MAX) / 1024;
    let Tail { mebibytes, partitions, journal, .. } = tail;
    let name = if *journal { format!("{mebibytes} in the journal") } else { mebibytes.to_string() };
    println!("| {name} | {partitions} | {seconds:.2} | {memory} |");
    tried.count("milliseconds", (seconds * 1000.0) as u64);
    tried.count("MiB recovered", *mebibytes);
    std::fs::remove_dir_all(&tail.directory).map_err(Stop::harness("cleaning up"))?;
    let allowed = (recovery.seconds * *mebibytes as f64 / 100.0)
        + SECONDS_AT_LEAST.max(recovery.seconds) * (1.0 + f64::from(*partitions) / 100.0);
    if seconds > allowed {
        let what = format!("{name} MiB, {partitions} partitions: {seconds} s, allowed {allowed}");
        return Err(Stop::Broken(format!("recovery is quick: {what}")));
    }
    if memory > recovery.memory {
        let what = format!("{name} MiB, {partitions} partitions: {memory} MiB");
        return Err(Stop::Broken(format!("recovery is small: {what}")));
    }
    Ok(())
}

/// A directory whose process was killed.
fn leave_behind(tail: &Tail) -> Result<(), Stop> {
    let mut command = Command::new(own_program()?);
    command.args(["driver", "tail"]).arg(&tail.directory);
    command.args([tail.mebibytes.to_string(), tail.partitions.to_string()]);
    if tail.journal {
        command.arg("--journal");
    }
    let (mut child, output) = lines::start(&mut command).map_err(Stop::Harness)?;
    let said = lines::follow(output).recv();
    let _ = child.kill();
    let _ = child.wait();
    match said.as_deref() {
        Ok("ok") => Ok(()),
        other => Err(Stop::Harness(format!("no tail: {other:?}"))),
    }
}

/// The one line that a driver says.
pub(crate) fn driver(arguments: &[&str]) -> Result<String, Stop> {
    let output = Command::new(own_program()?).arg("driver").args(arguments).output();
    let output = output.map_err(Stop::harness("a driver"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match said.is_empty() {
        false => Ok(said),
        true => Err(Stop::Broken(format!("clean error: the driver died: {}", output.status))),
    }
}
