//! Kills a writer with signal 9 at random moments, again and again, and compares what is left with
//! what was acknowledged: no acked record lost, none twice, none changed, order kept.
//!
//! Some kills hit a recovery or a close; now and then the writer may close cleanly. What is checked is
//! in `oracle/`; the long form is `--cycles 100000`.

mod lifetimes;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use crate::oracle::Oracle;
use crate::oracle::planted;
use crate::oracle::protocol::Report;
use crate::reading::{self, Look};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, scratch, storm};
use lifetimes::{Ending, Program};

#[derive(Args, Debug)]
pub(crate) struct Kill {
    /// How many lives.
    #[arg(long, default_value_t = 40)]
    cycles: u32,
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

pub(crate) fn campaign(kill: &Kill, terms: &Terms, seed: u64) -> Verdict {
    planted::every_violation_is_noticed();
    planted::every_violation_of_a_compacted_topic_is_noticed();
    let cycles = kill.cycles;
    let scratch = scratch::make("kill", terms.scratch.as_deref())?;
    let mut oracle = Oracle::new(seed);
    let mut tally = Tally::default();
    let started = Instant::now();
    for cycle in 1..=cycles {
        let done = run_cycle(&mut oracle, &mut tally, scratch.path(), seed, cycle, cycles);
        if let Err(what) = done {
            scratch::keep(scratch);
            return Err(Stop::Broken(format!("{what} (cycle {cycle} of {cycles})")));
        }
    }
    if oracle.records_checked == 0 {
        return Err(Stop::Harness("nothing was checked".to_owned()));
    }
    Ok(summary(&oracle, &tally, scratch.path(), started.elapsed()))
}

fn summary(oracle: &Oracle, tally: &Tally, directory: &Path, elapsed: Duration) -> String {
    format!(
        "{:.1} s: {} kills while writing, {} while opening, {} while closing, {} clean \
         closes; {} records acked, {} of them looked up, {} deleted since, the rest in deleted \
         topics, 0 lost; {} records seen, in order; {} went in compactions, all with newer ones of \
         their keys; {} topics made, {} deleted, {} cuts of a log that starts at {}; {} segments",
        elapsed.as_secs_f64(),
        tally.kills,
        tally.kills_while_opening,
        tally.kills_while_closing,
        tally.clean_closes,
        oracle.records_acked,
        oracle.records_checked,
        oracle.records_retired,
        oracle.records_seen,
        oracle.records_superseded(),
        oracle.topics_created,
        oracle.topics_deleted,
        oracle.cuts,
        oracle.start_of(storm::SHORT, 0),
        reading::segment_count(directory, storm::STEADY),
    )
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
