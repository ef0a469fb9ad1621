//! Kills a writer with signal 9 at random moments, again and again, and compares what is left with
//! what was acknowledged: no acked record lost, none twice, none changed, order kept.
//!
//! The supervisor trusts nothing but the lines that it read from the writer, a process of its own
//! (this program again, with other arguments), and from `ottla produce --print-acks`. Some kills
//! hit a recovery or a close; now and then the writer may close cleanly. See `oracle.rs` for what is checked.
//!
//! `OTTLA_KILL_CYCLES` sets the number of cycles (default 40), `OTTLA_SEED` repeats a campaign as
//! far as the scheduler allows.

#![allow(clippy::disallowed_methods, reason = "supervises processes from outside the library")]
#![allow(clippy::print_stdout, reason = "says what was done")]

mod compacted;
mod lifetimes;
mod oracle;
mod payload;
mod planted;
mod protocol;
mod reading;
mod writer;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lifetimes::{Ending, Program};
use oracle::Oracle;
use protocol::Report;
use reading::Look;

const CYCLES_DEFAULT: u32 = 40;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["writer", directory, seed, cycle] => {
            let seed = seed.parse().expect("a seed");
            writer::write(Path::new(directory), seed, cycle.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        ["opener", directory] => {
            writer::open_only(Path::new(directory));
            ExitCode::SUCCESS
        }
        // A test runner asks for a list, or for tests of another name.
        ["--list", ..] => ExitCode::SUCCESS,
        [filter, ..] if !filter.starts_with('-') && !"kill_nine".contains(filter) => {
            ExitCode::SUCCESS
        }
        _ => campaign(),
    }
}

/// What the kills hit.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    kills_while_opening: u32,
    kills_while_closing: u32,
    clean_closes: u32,
    /// The directory was open at least once: before that a kill may have left half a directory,
    /// which only opening for writing completes.
    was_open: bool,
}

fn campaign() -> ExitCode {
    planted::every_violation_is_noticed();
    planted::every_violation_of_a_compacted_topic_is_noticed();
    let cycles = number_from("OTTLA_KILL_CYCLES").map_or(CYCLES_DEFAULT, |cycles| cycles as u32);
    let seed = number_from("OTTLA_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("kill_nine: OTTLA_SEED={seed} OTTLA_KILL_CYCLES={cycles}");
    let scratch = tempfile::Builder::new()
        .prefix("kill-nine-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a scratch directory");
    let mut oracle = Oracle::new(seed);
    let mut tally = Tally::default();
    let started = Instant::now();
    for cycle in 1..=cycles {
        let done = run_cycle(&mut oracle, &mut tally, scratch.path(), seed, cycle, cycles);
        if let Err(what) = done {
            let kept = scratch.keep();
            println!("kill_nine: FAILED in cycle {cycle} of {cycles}, OTTLA_SEED={seed}: {what}");
            println!("kill_nine: the directory is kept: {}", kept.display());
            return ExitCode::FAILURE;
        }
    }
    print_summary(&oracle, &tally, scratch.path(), started.elapsed());
    if oracle.records_checked == 0 {
        println!("kill_nine: FAILED: nothing was checked");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print_summary(oracle: &Oracle, tally: &Tally, directory: &Path, elapsed: Duration) {
    println!(
        "kill_nine: {:.1} s: {} kills while writing, {} while opening, {} while closing, {} clean \
         closes; {} records acked, {} of them looked up, {} deleted since, the rest in deleted \
         topics, 0 lost; {} records seen, in order",
        elapsed.as_secs_f64(),
        tally.kills,
        tally.kills_while_opening,
        tally.kills_while_closing,
        tally.clean_closes,
        oracle.records_acked,
        oracle.records_checked,
        oracle.records_retired,
        oracle.records_seen,
    );
    println!(
        "kill_nine: {} records of {} went in compactions, all with newer ones of their keys",
        oracle.records_superseded(),
        writer::COMPACTED,
    );
    println!(
        "kill_nine: {} topics created, {} deleted, {} deletions of records; {} starts at {}, {} in \
         {} segments",
        oracle.topics_created,
        oracle.topics_deleted,
        oracle.cuts,
        writer::SHORT,
        oracle.start_of(writer::SHORT, 0),
        writer::STEADY,
        reading::segment_count(directory, writer::STEADY),
    );
}

fn run_cycle(
    oracle: &mut Oracle,
    tally: &mut Tally,
    directory: &Path,
    seed: u64,
    cycle: u32,
    cycles: u32,
) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(u64::from(cycle) << 40));
    let program = if cycle % 7 == 3 && tally.was_open { Program::Tool } else { Program::Writer };
    let mut moment = |micros_max: u64| Duration::from_micros(random.u64(0..micros_max));
    let ending = match cycle % 8 {
        0 if program == Program::Writer => Ending::Close(moment(100_000)),
        1 if program == Program::Writer => {
            Ending::KillWhileClosing(moment(100_000), moment(60_000))
        }
        2 | 5 => Ending::KillFromStart(moment(40_000)),
        _ => Ending::KillWhenReady(moment(250_000)),
    };
    for report in lifetimes::live(program, ending, directory, seed, cycle)? {
        tally.was_open |= report == Report::Ready;
        oracle.note(report)?;
    }
    match ending {
        Ending::Close(_) => tally.clean_closes += 1,
        Ending::KillFromStart(_) => tally.kills_while_opening += 1,
        Ending::KillWhileClosing(..) => tally.kills_while_closing += 1,
        Ending::KillWhenReady(_) => tally.kills += 1,
    }
    if random.u32(0..3) == 0 {
        for _ in 0..random.u32(1..4) {
            let delay = Duration::from_micros(random.u64(0..25_000));
            lifetimes::live(Program::Opener, Ending::KillFromStart(delay), directory, seed, cycle)?;
            tally.kills_while_opening += 1;
        }
    }
    let all = cycle == cycles || cycle.is_multiple_of(20);
    let look = match random.u32(0..8) {
        _ if !tally.was_open => Look::Recovering,
        0..4 => Look::ReadOnly,
        4..6 => Look::Tool,
        _ => Look::Recovering,
    };
    reading::check(oracle, directory, look, all).map_err(|what| format!("{look:?}: {what}"))?;
    if all {
        // What the reader of an unrecovered directory was shown must survive the recovery.
        reading::check(oracle, directory, Look::Recovering, true)
            .map_err(|what| format!("recovering: {what}"))?;
    }
    Ok(())
}

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
