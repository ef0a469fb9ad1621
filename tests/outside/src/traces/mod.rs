//! States that a loss of power may leave, rebuilt from system calls alone: a driver runs under strace,
//! and from what it wrote, synced and renamed follows what the disk may hold at each moment. Each
//! such state is written to a real directory and opened; what was acked before that moment must be there.
//!
//! An oracle of its own: it shares nothing with the simulated disk of the library. Several processes may follow each
//! other on one directory, killed, with what none of them has synced; a state may become the directory of the
//! next process, so that recoveries are cut off, too. After each process the rebuilt directory is
//! compared with the real one, so that no call can be overlooked.
//!
//! What this cannot see: calls that fail, and what a memory map would write (none may be writable).

mod disk;
mod image;
mod strace;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use ottla_proof::Evidence;
use tempfile::TempDir;

use crate::oracle::protocol::Report;
use crate::oracle::{Counts, Fault, Oracle, Read, planted};
use crate::progress::Progress;
use crate::reading::{self, Look};
use crate::running::{self, Running};
use crate::storm::{AGAIN, Life, THREADS};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, scratch};
use disk::{Disk, Image};
use strace::{Deed, Moment, Trace};

/// The arguments.
#[derive(Args, Clone, Debug)]
pub(crate) struct Traces {
    /// How many directories.
    #[arg(long, default_value_t = 4)]
    runs: u64,
    /// How many processes follow each other on one.
    #[arg(long, default_value_t = 3)]
    lives: u32,
    /// How many states of each process are looked at.
    #[arg(long, default_value_t = 25)]
    states: usize,
    /// The longest life, in microseconds from when the directory is open.
    #[arg(long, default_value_t = 60_000)]
    life: u64,
    /// One state in so many is looked at with the command line tool, too.
    #[arg(long, default_value_t = 16)]
    tool_every: u32,
}

#[derive(Debug, Default)]
struct Tally {
    processes: u64,
    calls: u64,
    states: u64,
    distinct: HashSet<u64>,
    states_of_recoveries: u64,
}

struct Campaign<'a> {
    traces: &'a Traces,
    scratch: TempDir,
    random: fastrand::Rng,
    hasher: RandomState,
    tally: Tally,
    counts: Counts,
}

/// One directory, over its processes.
struct Run {
    seed: u64,
    directory: PathBuf,
    disk: Disk,
    oracle: Oracle,
    /// Processes so far.
    cycle: u32,
    /// The oracle has seen what is there, and so knows what the idempotent producer has to send.
    is_looked_at: bool,
    /// The directory was open at least once: half a directory is for those who open it to write.
    is_whole: bool,
    /// The process before was killed, and what it wrote is there.
    was_killed: bool,
}

/// Traces runs.
pub(crate) fn campaign(traces: &Traces, terms: &Terms, seed: u64) -> Verdict {
    planted::all_are_noticed();
    let evidence = Evidence::of("traces", "crash states rebuilt from system calls").seed(seed);
    if let Err(why) = strace::is_allowed() {
        evidence.not_run(&why).tell();
        return Err(Stop::NotRun(why));
    }
    // Syncs of the states themselves cost nothing in memory.
    let memory = Path::new("/dev/shm");
    let parent = terms.scratch.as_deref().or(memory.is_dir().then_some(memory));
    let mut campaign = Campaign {
        traces,
        scratch: scratch::make("traces", parent)?,
        random: fastrand::Rng::with_seed(seed),
        hasher: RandomState::new(),
        tally: Tally::default(),
        counts: Counts::default(),
    };
    let progress = Progress::start(traces.runs);
    let began = Instant::now();
    for number in 0..traces.runs {
        campaign.run(number)?;
        progress.step();
    }
    drop(progress);
    let Campaign { tally, counts, .. } = campaign;
    if counts.records_checked == 0 {
        return Err(Stop::Harness("nothing was checked".to_owned()));
    }
    let distinct = tally.distinct.len() as u64;
    let told = counts
        .tell(evidence)
        .count("processes", tally.processes)
        .count("states", tally.states)
        .count("distinct states", distinct)
        .fault("F2", tally.states, 0)
        .fault("F3", tally.states, 0);
    told.fault("F4", tally.states_of_recoveries, 0).tell();
    let seconds = began.elapsed().as_secs_f64();
    Ok(format!(
        "{} states, {distinct} distinct, {} of them in recoveries, of {} processes with {} calls in \
         {seconds:.1} s, {:.1} states a second; {counts}",
        tally.states,
        tally.states_of_recoveries,
        tally.processes,
        tally.calls,
        tally.states as f64 / seconds,
    ))
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Stop {
    Stop::harness(what)
}

impl Campaign<'_> {
    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn run(&mut self, number: u64) -> Result<(), Stop> {
        let seed = self.random.u64(..);
        let directory = self.folder(&format!("run-{number}"));
        std::fs::create_dir(&directory).map_err(io("the directory"))?;
        let mut run = Run {
            seed,
            disk: Disk::new(&directory, &Image::new()),
            directory,
            oracle: Oracle::new(seed, Fault::Power),
            cycle: 0,
            is_looked_at: true,
            is_whole: false,
            was_killed: false,
        };
        for _ in 0..self.traces.lives {
            self.live(&mut run).map_err(|stop| match stop {
                Stop::Broken(what) => {
                    scratch::leave(&mut self.scratch);
                    Stop::Broken(format!("{what} (run {number}, process {})", run.cycle))
                }
                other => other,
            })?;
        }
        let _ = std::fs::remove_dir_all(&run.directory);
        Ok(())
    }

    /// One process, and states of it.
    fn live(&mut self, run: &mut Run) -> Result<(), Stop> {
        run.cycle += 1;
        let before = run.oracle.counts;
        self.tally.processes += 1;
        let (trace, is_killed) = self.trace(run)?;
        self.tally.calls += trace.calls.len() as u64;
        let mut chosen: Vec<usize> = (0..self.traces.states)
            .map(|_| self.random.usize(..trace.moments.len().max(1)))
            .collect();
        chosen.sort_unstable();
        // The next process may find one of these states, instead of what is there.
        let next = self.random.bool().then(|| self.random.usize(..chosen.len().max(1)));
        let mut base = None;
        let (mut at, mut is_ready) = (0, false);
        for (index, moment) in trace.moments.iter().enumerate() {
            is_ready |= follow(run, &trace, *moment)?;
            run.is_whole |= is_ready;
            while chosen.get(at) == Some(&index) {
                let image = run.disk.after_a_loss_of_power(&mut self.random);
                let oracle = self.look_at(run, &trace, index, &image, !is_ready)?;
                if next == Some(at) {
                    base = Some((image, oracle, run.is_whole));
                }
                at += 1;
            }
        }
        for report in under_way(&trace, trace.moments.len()) {
            run.oracle.note(report, Read::TooLate)?;
        }
        self.counts.add(&run.oracle.counts.since(&before));
        match base {
            Some((image, oracle, is_whole)) => {
                run.is_whole = is_whole;
                lose_power(run, &image, oracle)
            }
            None => self.go_on(run, &trace, is_killed),
        }
    }

    /// Runs a process to its close or kill.
    fn trace(&mut self, run: &mut Run) -> Result<(Trace, bool), Stop> {
        let output = self.folder("trace");
        let is_opener = run.cycle > 1 && self.random.u32(0..4) == 0;
        let program = match is_opener {
            true => running::opener(&run.directory)?,
            false => running::storm(&self.next_life(run))?,
        };
        let mut running = Running::start(strace::tracing(&program, &output))?;
        running.wait_until_ready()?;
        std::thread::sleep(Duration::from_micros(self.random.u64(0..self.traces.life.max(1))));
        let is_killed = is_opener || self.random.u32(0..3) > 0;
        if is_killed {
            running.kill_traced()?;
        } else {
            running.close()?;
        }
        running.end(true)?;
        let text = std::fs::read_to_string(&output).map_err(io("the trace"))?;
        let trace = strace::parse(&text).map_err(Stop::Harness)?;
        Ok((trace, is_killed))
    }

    /// A few threads: each call takes its time under strace.
    fn next_life(&mut self, run: &mut Run) -> Life {
        let all = (1 << THREADS) - 1;
        let mut threads = self.random.u32(1..=all) & self.random.u32(1..=all);
        if !run.is_looked_at {
            threads &= !(1 << AGAIN);
        }
        Life {
            directory: run.directory.clone(),
            seed: run.seed,
            cycle: run.cycle,
            threads,
            producer: if run.is_looked_at { run.oracle.producer() } else { None },
        }
    }

    /// Opens a state and compares what it shows; returns what is known from then on.
    fn look_at(
        &mut self,
        run: &Run,
        trace: &Trace,
        index: usize,
        image: &Image,
        is_opening: bool,
    ) -> Result<Oracle, Stop> {
        self.tally.states += 1;
        self.tally.states_of_recoveries += u64::from(is_opening && run.cycle > 1);
        self.tally.distinct.insert(self.hasher.hash_one(image));
        let mut oracle = run.oracle.clone();
        for report in under_way(trace, index) {
            oracle.note(report, Read::TooLate)?;
        }
        let before = oracle.counts;
        let directory = self.folder("state");
        image::store(image, &directory).map_err(io("a state"))?;
        let with_tool = run.is_whole && self.random.u32(0..self.traces.tool_every.max(1)) == 0;
        let mut look = |look| reading::check(&mut oracle, &directory, look, true);
        let looked = if with_tool { look(Look::Tool) } else { Ok(()) };
        let looked = looked.and_then(|()| look(Look::Recovering));
        if let Err(what) = looked {
            let untouched = self.folder("untouched");
            image::store(image, &untouched).map_err(io("a state"))?;
            let at = format!("after {index} of {} moments", trace.moments.len());
            return Err(Stop::Broken(format!("{what} ({at})")));
        }
        std::fs::remove_dir_all(&directory).map_err(io("a state"))?;
        self.counts.add(&oracle.counts.since(&before));
        Ok(oracle)
    }

    /// The next process finds what this one has left: what is there must be what the calls make of it.
    fn go_on(&mut self, run: &mut Run, trace: &Trace, is_killed: bool) -> Result<(), Stop> {
        let real = image::load(&run.directory).map_err(io("the directory"))?;
        if let Some(difference) = image::difference(&run.disk.now(), &real) {
            // Nobody knows what became of a call that the kill cut off; some of them leave no line.
            if is_killed {
                let image = run.disk.after_a_loss_of_power(&mut self.random);
                let oracle = self.look_at(run, trace, trace.moments.len(), &image, false)?;
                return lose_power(run, &image, oracle);
            }
            return Err(Stop::Harness(format!("the trace missed something: {difference}")));
        }
        run.disk.next_process(trace.calls.len());
        (run.is_looked_at, run.was_killed) = (false, is_killed);
        Ok(())
    }
}

/// The next process finds what a loss of power has left.
fn lose_power(run: &mut Run, image: &Image, oracle: Oracle) -> Result<(), Stop> {
    std::fs::remove_dir_all(&run.directory).map_err(io("the directory"))?;
    image::store(image, &run.directory).map_err(io("the directory"))?;
    run.disk = Disk::new(&run.directory, image);
    run.oracle = oracle;
    (run.is_looked_at, run.was_killed) = (true, false);
    Ok(())
}

/// Lets the moment pass; whether the process said that the directory is open.
fn follow(run: &mut Run, trace: &Trace, moment: Moment) -> Result<bool, Stop> {
    let mut is_ready = false;
    match moment {
        Moment::Begin(call) => run.disk.begin(trace, call).map_err(Stop::Harness)?,
        Moment::End(call) => {
            run.disk.end(trace, call);
            for report in reports(&trace.calls[call].deed) {
                is_ready |= report == Report::Ready;
                if report == Report::Ready && run.was_killed {
                    run.oracle.everything_is_synced();
                }
                run.oracle.note(report, Read::InTime)?;
            }
        }
    }
    Ok(is_ready)
}

/// What a call prints.
fn reports(deed: &Deed) -> Vec<Report> {
    let Deed::Print(bytes) = deed else { return Vec::new() };
    String::from_utf8_lossy(bytes).lines().filter_map(Report::parse).collect()
}

/// What is being printed: it was done, and nobody has read it.
fn under_way(trace: &Trace, index: usize) -> Vec<Report> {
    let mut open: Vec<usize> = Vec::new();
    for moment in trace.moments.iter().take(index + 1) {
        match moment {
            Moment::Begin(call) => open.push(*call),
            Moment::End(call) => open.retain(|other| other != call),
        }
    }
    open.iter().flat_map(|call| reports(&trace.calls[*call].deed)).collect()
}
