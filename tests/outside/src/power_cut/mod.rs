//! Cuts the power of a real file system under a writer, and looks after it is back: every record
//! that was acked with `acks=all` is there, byte for byte, and all the other laws of `oracle/`.
//!
//! The cut is the shutdown ioctl of ext4 and xfs on a loop-mounted image: dirty pages and the
//! journal that was not written are lost, and mounting replays the journal. Only lines that were read
//! before the ioctl count: behind it the kernel may return 0 from a sync on the aborted journal.
//!
//! Cuts come while the directory is opened and recovered, while it is written to (which includes
//! rolls, checkpoints, compaction, transactions), while it is closed, and behind a close. After a recovery
//! that was looked at, now and then the power goes again: what was seen must still be there.
//!
//! What this cannot see: writes that reach the disk in another order than they were issued, torn
//! sectors, a drive's own cache. The simulation and the traces do.

mod volume;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use ottla_proof::Evidence;

use crate::oracle::protocol::Report;
use crate::oracle::{Counts, Fault, Oracle, Read, planted};
use crate::progress::Progress;
use crate::reading;
use crate::running::{self, Running};
use crate::storm::{Life, THREADS};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, scratch};
use volume::{FileSystem, Volume};

/// The arguments.
#[derive(Args, Clone, Debug)]
pub(crate) struct PowerCut {
    /// What the image is formatted with.
    #[arg(long, value_enum, default_value = "ext4")]
    file_system: FileSystem,
    /// How many lives end by a cut, in all lanes.
    #[arg(long, default_value_t = 40)]
    cycles: u64,
    /// How many lanes.
    #[arg(long, default_value_t = 2)]
    lanes: u64,
    /// The longest life, in microseconds from when the directory is open.
    #[arg(long, default_value_t = 20_000)]
    life: u64,
    /// The latest cut while it is opened, in microseconds from the start of the program.
    #[arg(long, default_value_t = 15_000)]
    opening: u64,
    /// After so many lives the file system is made anew.
    #[arg(long, default_value_t = 50)]
    renew: u32,
    /// Lets syncs return at once without syncing, to see this harness find it.
    #[arg(long)]
    lying_disk: bool,
    /// This process has mounts of its own already.
    #[arg(long, hide = true)]
    inside: bool,
}

/// What the cuts hit.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    cycles: u64,
    cuts_while_writing: u64,
    cuts_while_opening: u64,
    cuts_while_closing: u64,
    cuts_after_a_look: u64,
    cuts_after_a_close: u64,
    file_systems: u64,
}

/// One file system and what is known of it.
struct Lane<'a> {
    cut: &'a PowerCut,
    seed: u64,
    random: fastrand::Rng,
    volume: Volume,
    oracle: Oracle,
    /// The lives of this file system.
    cycle: u32,
    /// The last life said that it had closed the directory.
    is_closed: bool,
    tally: Tally,
    counts: Counts,
}

/// Runs all lanes.
pub(crate) fn campaign(cut: &PowerCut, terms: &Terms, seed: u64) -> Verdict {
    planted::all_are_noticed();
    let layer = format!("power-{}", cut.file_system.name());
    let evidence = Evidence::of(&layer, "power cuts of a real file system").seed(seed);
    let done = run_lanes(cut, terms, seed);
    match done {
        Ok((tally, counts, elapsed)) => {
            tally.tell(counts.tell(evidence)).tell();
            Ok(tally.summary(&counts, elapsed))
        }
        Err(Stop::NotRun(why)) => {
            evidence.not_run(&why).tell();
            Err(Stop::NotRun(why))
        }
        Err(stop) => Err(stop),
    }
}

fn run_lanes(cut: &PowerCut, terms: &Terms, seed: u64) -> Result<(Tally, Counts, Duration), Stop> {
    if !cut.inside {
        return Err(volume::enter_namespace(seed));
    }
    let scratch = scratch::make("power-cut", terms.scratch.as_deref())?;
    volume::private_memory(scratch.path())?;
    let progress = Progress::start(cut.cycles);
    let stopped = AtomicBool::new(false);
    let began = Instant::now();
    let lanes: Vec<Result<(Tally, Counts), Stop>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..cut.lanes)
            .map(|number| {
                let (progress, stopped, folder) = (&progress, &stopped, scratch.path());
                scope.spawn(move || {
                    let volume = Volume::new(folder, number, cut.file_system)?;
                    let mut lane = Lane::begin(cut, volume, seed.wrapping_add(number));
                    lane.run((cut.cycles + number) / cut.lanes, progress, stopped)
                })
            })
            .collect();
        let panicked = |_| Stop::Harness("a lane panicked".to_owned());
        lanes.into_iter().map(|lane| lane.join().map_err(panicked)?).collect()
    });
    drop(progress);
    // The folder itself outlives the namespace, and what is mounted in it does not.
    let _ = rustix::mount::unmount(scratch.path(), rustix::mount::UnmountFlags::DETACH);
    let (mut tally, mut counts) = (Tally::default(), Counts::default());
    for lane in lanes {
        let (own_tally, own_counts) = lane?;
        tally.add(&own_tally);
        counts.add(&own_counts);
    }
    if counts.records_checked == 0 {
        return Err(Stop::Harness("nothing was checked".to_owned()));
    }
    Ok((tally, counts, began.elapsed()))
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cycles += other.cycles;
        self.cuts_while_writing += other.cuts_while_writing;
        self.cuts_while_opening += other.cuts_while_opening;
        self.cuts_while_closing += other.cuts_while_closing;
        self.cuts_after_a_look += other.cuts_after_a_look;
        self.cuts_after_a_close += other.cuts_after_a_close;
        self.file_systems += other.file_systems;
    }

    fn cuts(&self) -> u64 {
        self.cuts_while_writing
            + self.cuts_while_opening
            + self.cuts_while_closing
            + self.cuts_after_a_look
            + self.cuts_after_a_close
    }

    fn tell(&self, evidence: Evidence) -> Evidence {
        evidence
            .count("cycles", self.cycles)
            .count("power cuts", self.cuts())
            .count("file systems made", self.file_systems)
            .fault("F2", self.cuts(), 0)
            .fault("F3", self.cuts(), 0)
            .fault("F4", self.cuts_while_opening + self.cuts_while_closing, 0)
    }

    fn summary(&self, counts: &Counts, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        format!(
            "{} cycles in {seconds:.1} s, {:.1} a second: {} cuts while writing, {} while opening, \
             {} while closing, {} after a look, {} after a close, {} file systems; {counts}",
            self.cycles,
            self.cycles as f64 / seconds,
            self.cuts_while_writing,
            self.cuts_while_opening,
            self.cuts_while_closing,
            self.cuts_after_a_look,
            self.cuts_after_a_close,
            self.file_systems,
        )
    }
}

impl From<String> for Stop {
    fn from(what: String) -> Stop {
        Stop::Broken(what)
    }
}

impl<'a> Lane<'a> {
    fn begin(cut: &'a PowerCut, volume: Volume, seed: u64) -> Lane<'a> {
        Lane {
            cut,
            seed,
            random: fastrand::Rng::with_seed(seed),
            volume,
            oracle: Oracle::new(seed, Fault::Power),
            cycle: 0,
            is_closed: false,
            tally: Tally::default(),
            counts: Counts::default(),
        }
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
            if self.cycle == 0 {
                self.volume.format()?;
                self.tally.file_systems += 1;
            }
            let is_last = done == cycles || self.cycle + 1 == self.cut.renew;
            if let Err(stop) = self.run_cycle(is_last) {
                stopped.store(true, Ordering::Relaxed);
                let (seed, cycle) = (self.seed, self.cycle);
                let place = format!("(life {cycle} of a file system, cycle {done}, seed {seed})");
                return Err(match stop {
                    Stop::Broken(what) => Stop::Broken(format!("{what} {place}")),
                    Stop::Harness(what) => Stop::Harness(format!("{what} {place}")),
                    other => other,
                });
            }
            progress.step();
            if is_last {
                self.counts.add(&self.oracle.counts);
                self.seed = self.random.u64(..);
                self.oracle = Oracle::new(self.seed, Fault::Power);
                (self.cycle, self.is_closed) = (0, false);
            }
        }
        Ok((self.tally, self.counts))
    }

    fn moment(&mut self, micros_max: u64) -> Duration {
        Duration::from_micros(self.random.u64(0..micros_max.max(1)))
    }

    fn run_cycle(&mut self, is_last: bool) -> Result<(), Stop> {
        self.cycle += 1;
        self.tally.cycles += 1;
        self.is_closed = false;
        for (report, read) in self.live()? {
            self.is_closed |= report == Report::Closed && read == Read::InTime;
            self.oracle.note(report, read)?;
        }
        self.volume.restart()?;
        if self.random.u32(0..3) == 0 {
            for _ in 0..self.random.u32(1..4) {
                self.cut_an_opener()?;
                self.is_closed = false;
            }
        }
        let all = is_last || self.cycle.is_multiple_of(8);
        let broker = reading::open(&self.volume.directory(), false)?;
        if self.is_closed && !broker.recovery_report().clean {
            let report = broker.recovery_report();
            return Err(Stop::Broken(format!("close: it was closed, and is not: {report:?}")));
        }
        reading::check_through(&mut self.oracle, &broker, all)?;
        match self.random.u32(0..3) {
            // What was seen right after a recovery must survive the next loss of power.
            0 => {
                self.volume.cut()?;
                drop(broker);
                self.tally.cuts_after_a_look += 1;
                self.look_again(false)
            }
            1 => {
                broker.close().map_err(|error| format!("close: {error}"))?;
                drop(broker);
                self.volume.cut()?;
                self.tally.cuts_after_a_close += 1;
                self.look_again(true)
            }
            _ => Ok(broker.close().map_err(|error| format!("close: {error}"))?),
        }
    }

    fn look_again(&mut self, is_closed: bool) -> Result<(), Stop> {
        self.volume.restart()?;
        let broker = reading::open(&self.volume.directory(), false)?;
        let report = broker.recovery_report();
        if is_closed && !report.clean {
            return Err(Stop::Broken(format!("close: it was closed, and is not: {report:?}")));
        }
        let looked = reading::check_through(&mut self.oracle, &broker, true);
        looked.map_err(|what| format!("{what} (seen before the power went again)"))?;
        Ok(broker.close().map_err(|error| format!("close: {error}"))?)
    }

    fn live(&mut self) -> Result<Vec<(Report, Read)>, Stop> {
        let (life, opening) = (self.cut.life, self.cut.opening);
        let driver = running::storm(&self.next_life())?;
        let mut running = Running::start(self.disk(driver))?;
        match self.random.u32(0..8) {
            0 | 1 => {
                thread::sleep(self.moment(opening));
                self.tally.cuts_while_opening += 1;
            }
            2 => {
                running.wait_until_ready()?;
                thread::sleep(self.moment(life / 2));
                running.close()?;
                thread::sleep(self.moment(opening));
                self.tally.cuts_while_closing += 1;
            }
            _ => {
                running.wait_until_ready()?;
                thread::sleep(self.moment(life));
                self.tally.cuts_while_writing += 1;
            }
        }
        self.cut_under(running)
    }

    fn cut_under(&mut self, mut running: Running) -> Result<Vec<(Report, Read)>, Stop> {
        running.believe_no_more();
        self.volume.cut()?;
        running.kill()?;
        Ok(running.end(true)?)
    }

    fn cut_an_opener(&mut self) -> Result<(), Stop> {
        let opener = running::opener(&self.volume.directory())?;
        let running = Running::start(self.disk(opener))?;
        thread::sleep(self.moment(self.cut.opening));
        self.cut_under(running)?;
        self.tally.cuts_while_opening += 1;
        self.volume.restart()
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
            directory: self.volume.directory(),
            seed: self.seed,
            cycle: self.cycle,
            threads,
            producer: self.oracle.producer(),
        }
    }

    /// The driver as it is, or on a disk that lies.
    fn disk(&self, driver: std::process::Command) -> std::process::Command {
        if self.cut.lying_disk { running::without_syncs(&driver) } else { driver }
    }
}
