//! Kills a writer with signal 9 at random moments, again and again, and compares what is left with
//! what was acknowledged: no acked record lost, none twice, none changed, order kept.
//!
//! Some kills hit a recovery or a close; now and then the writer may close cleanly, and now and then
//! it is `ottla produce --print-acks`. What is checked is in `oracle/`. Lanes work side by side, each
//! in a directory of its own, which it gives up for a new one every few hundred lives.

mod tool_life;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tempfile::TempDir;

use crate::oracle::protocol::Report;
use crate::oracle::{Counts, Fault, Oracle, Read, planted};
use crate::progress::Progress;
use crate::reading::{self, Look};
use crate::running::{self, Running};
use crate::storm::{Life, THREADS};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, scratch};

/// The arguments.
#[derive(Args, Clone, Debug)]
pub(crate) struct Kill {
    /// How many lives, in all lanes.
    #[arg(long, default_value_t = 40)]
    cycles: u64,
    /// How many lanes.
    #[arg(long, default_value_t = 2)]
    lanes: u64,
    /// The longest life, in microseconds from when the directory is open.
    #[arg(long, default_value_t = 20_000)]
    life: u64,
    /// The latest kill of a program that opens, in microseconds from its start.
    #[arg(long, default_value_t = 10_000)]
    opening: u64,
    /// After so many lives a lane begins anew.
    #[arg(long, default_value_t = 200)]
    renew: u32,
    /// One life and one look in so many are those of the command line tool.
    #[arg(long, default_value_t = 16)]
    tool_every: u32,
}

/// What the kills hit.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    cycles: u64,
    kills: u64,
    kills_while_opening: u64,
    kills_while_closing: u64,
    clean_closes: u64,
    lives_of_the_tool: u64,
}

/// How a life ends. The moment counts from the start, or from when the directory is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Close(Duration),
    /// It is told to close after the first time, and killed after the second.
    KillWhileClosing(Duration, Duration),
    KillFromStart(Duration),
    KillWhenReady(Duration),
}

/// One directory and what is known of it.
struct Lane<'a> {
    kill: &'a Kill,
    terms: &'a Terms,
    seed: u64,
    random: fastrand::Rng,
    scratch: TempDir,
    oracle: Oracle,
    /// The lives of this directory.
    cycle: u32,
    /// The directory was open at least once: before that a kill may have left half a directory,
    /// which only opening for writing completes.
    was_open: bool,
    tally: Tally,
    counts: Vec<Counts>,
}

/// Runs all lanes.
pub(crate) fn campaign(kill: &Kill, terms: &Terms, seed: u64) -> Verdict {
    planted::all_are_noticed();
    let evidence = ottla_proof::Evidence::of("kill", "kill -9 at random moments").seed(seed);
    let progress = Progress::start(kill.cycles);
    let stopped = AtomicBool::new(false);
    let began = Instant::now();
    let lanes: Vec<Result<(Tally, Counts), Stop>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..kill.lanes)
            .map(|number| {
                let cycles = (kill.cycles + number) / kill.lanes;
                let (progress, stopped) = (&progress, &stopped);
                scope.spawn(move || {
                    let mut lane = Lane::begin(kill, terms, seed.wrapping_add(number))?;
                    lane.run(cycles, progress, stopped)
                })
            })
            .collect();
        let panicked = |_| Stop::Harness("a lane panicked".to_owned());
        lanes.into_iter().map(|lane| lane.join().map_err(panicked)?).collect()
    });
    drop(progress);
    let (mut tally, mut counts) = (Tally::default(), Counts::default());
    for lane in lanes {
        let (own_tally, own_counts) = lane?;
        tally.add(&own_tally);
        counts.add(&own_counts);
    }
    if counts.records_checked == 0 {
        return Err(Stop::Harness("nothing was checked".to_owned()));
    }
    let kills = tally.kills + tally.kills_while_opening + tally.kills_while_closing;
    counts
        .tell(evidence)
        .count("cycles", tally.cycles)
        .count("kills", kills)
        .fault("F1", kills, 0)
        .fault("F4", tally.kills_while_opening + tally.kills_while_closing, 0)
        .tell();
    Ok(summary(&counts, &tally, began.elapsed()))
}

fn summary(counts: &Counts, tally: &Tally, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    format!(
        "{} cycles in {seconds:.1} s, {:.1} a second: {} kills while writing, {} while opening, {} \
         while closing, {} clean closes, {} lives of the tool; {counts}",
        tally.cycles,
        tally.cycles as f64 / seconds,
        tally.kills,
        tally.kills_while_opening,
        tally.kills_while_closing,
        tally.clean_closes,
        tally.lives_of_the_tool,
    )
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cycles += other.cycles;
        self.kills += other.kills;
        self.kills_while_opening += other.kills_while_opening;
        self.kills_while_closing += other.kills_while_closing;
        self.clean_closes += other.clean_closes;
        self.lives_of_the_tool += other.lives_of_the_tool;
    }
}

impl<'a> Lane<'a> {
    fn begin(kill: &'a Kill, terms: &'a Terms, seed: u64) -> Result<Lane<'a>, Stop> {
        Ok(Lane {
            kill,
            terms,
            seed,
            random: fastrand::Rng::with_seed(seed),
            scratch: scratch::make("kill", terms.scratch.as_deref())?,
            oracle: Oracle::new(seed, Fault::Kill),
            cycle: 0,
            was_open: false,
            tally: Tally::default(),
            counts: Vec::new(),
        })
    }

    fn run(
        &mut self,
        cycles: u64,
        progress: &Progress,
        stopped: &AtomicBool,
    ) -> Result<(Tally, Counts), Stop> {
        for done in 1..=cycles {
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            let is_last = done == cycles || self.cycle + 1 == self.kill.renew;
            if let Err(what) = self.run_cycle(is_last) {
                stopped.store(true, Ordering::Relaxed);
                let (seed, cycle) = (self.seed, self.cycle);
                let what =
                    format!("{what} (life {cycle} of a directory, cycle {done}, lane seed {seed})");
                scratch::leave(&mut self.scratch);
                return Err(Stop::Broken(what));
            }
            progress.step();
            if is_last {
                self.renew()?;
            }
        }
        let mut counts = Counts::default();
        self.counts.iter().for_each(|own| counts.add(own));
        Ok((self.tally, counts))
    }

    /// Goes on in a new directory.
    fn renew(&mut self) -> Result<(), Stop> {
        self.counts.push(self.oracle.counts);
        self.seed = self.random.u64(..);
        self.oracle = Oracle::new(self.seed, Fault::Kill);
        self.scratch = scratch::make("kill", self.terms.scratch.as_deref())?;
        (self.cycle, self.was_open) = (0, false);
        Ok(())
    }

    fn run_cycle(&mut self, is_last: bool) -> Result<(), String> {
        self.cycle += 1;
        self.tally.cycles += 1;
        for (report, read) in self.live()? {
            self.was_open |= report == Report::Ready;
            self.oracle.note(report, read)?;
        }
        if self.random.u32(0..3) == 0 {
            for _ in 0..self.random.u32(1..4) {
                self.kill_an_opener()?;
            }
        }
        let tool_every = self.kill.tool_every;
        let look = match self.random.u32(0..tool_every.max(3)) {
            _ if !self.was_open => Look::Recovering,
            0 => Look::Tool,
            number if number < tool_every / 2 => Look::ReadOnly,
            _ => Look::Recovering,
        };
        self.look(look, is_last)?;
        if is_last {
            // What the reader of an unrecovered directory was shown must survive the recovery.
            self.look(Look::Recovering, true)?;
            self.look(Look::Tool, true)?;
        }
        Ok(())
    }

    fn look(&mut self, look: Look, all: bool) -> Result<(), String> {
        let looked = reading::check(&mut self.oracle, self.scratch.path(), look, all);
        looked.map_err(|what| format!("{what} ({look:?})"))
    }

    fn moment(&mut self, micros_max: u64) -> Duration {
        Duration::from_micros(self.random.u64(0..micros_max.max(1)))
    }

    fn live(&mut self) -> Result<Vec<(Report, Read)>, String> {
        let (life, opening) = (self.kill.life, self.kill.opening);
        if self.was_open && self.random.u32(0..self.kill.tool_every) == 0 {
            self.tally.lives_of_the_tool += 1;
            self.tally.kills += 1;
            let from_start = self.random.u32(0..4) == 0;
            let moment = (from_start, self.moment(if from_start { opening } else { life }));
            return tool_life::live(self.scratch.path(), self.seed, self.cycle, moment);
        }
        let ending = match self.random.u32(0..8) {
            0 => Ending::Close(self.moment(life / 2)),
            1 => Ending::KillWhileClosing(self.moment(life / 2), self.moment(opening)),
            2 | 3 => Ending::KillFromStart(self.moment(opening)),
            _ => Ending::KillWhenReady(self.moment(life)),
        };
        let mut running = Running::start(running::storm(&self.next_life())?)?;
        match ending {
            Ending::KillFromStart(delay) => {
                self.tally.kills_while_opening += 1;
                thread::sleep(delay);
            }
            Ending::KillWhenReady(delay) => {
                self.tally.kills += 1;
                running.wait_until_ready()?;
                thread::sleep(delay);
            }
            Ending::Close(delay) | Ending::KillWhileClosing(delay, _) => {
                running.wait_until_ready()?;
                thread::sleep(delay);
                running.close()?;
            }
        }
        if let Ending::KillWhileClosing(_, delay) = ending {
            self.tally.kills_while_closing += 1;
            thread::sleep(delay);
        }
        let is_killed = !matches!(ending, Ending::Close(_));
        if is_killed {
            running.kill()?;
        } else {
            self.tally.clean_closes += 1;
        }
        running.end(is_killed)
    }

    /// All threads, or any few of them.
    fn next_life(&mut self) -> Life {
        let all = (1 << THREADS) - 1;
        let threads = match self.random.u32(0..4) {
            0 => all,
            1 => self.random.u32(1..=all),
            _ => self.random.u32(1..=all) & self.random.u32(1..=all),
        };
        Life {
            directory: self.scratch.path().to_owned(),
            seed: self.seed,
            cycle: self.cycle,
            threads,
            producer: self.oracle.producer(),
        }
    }

    fn kill_an_opener(&mut self) -> Result<(), String> {
        let delay = self.moment(self.kill.opening);
        let mut running = Running::start(running::opener(self.scratch.path())?)?;
        thread::sleep(delay);
        running.kill()?;
        self.tally.kills_while_opening += 1;
        running.end(true).map(|_| ())
    }
}
