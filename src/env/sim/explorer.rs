//! Crashing a recorded run everywhere, and checking every state that a crash may leave.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::SimEnv;
use super::choices::Choices;
use super::crash_disk::SimDisk;
use super::known::{Hashes, Known};
use super::operation::{Entry, Operation, Recording};
use super::power_loss::power_loss;
use super::state::DiskState;
use crate::env::Env;
use crate::env::clock::SimClock;
use crate::env::random::{SeededRandom, mix};

/// How much is explored. Every number of states is per position of the recording.
#[derive(Clone, Debug)]
pub struct Explorer {
    /// All decisions follow from it.
    pub seed: u64,
    /// States that a power loss leaves. Default: 16.
    pub power_losses: u32,
    /// States that the death of the process leaves: the exact one, then ones with the next write
    /// cut short. Default: 1.
    pub kills: u32,
    /// Crashes during the recovery from each state. Default: 1.
    pub nested: u32,
    /// How deep crashes are nested; 1 is none. Default: 3.
    pub depth_max: u32,
    /// Up to so many states, all that a power loss may leave are visited instead of drawn.
    /// Default: 0, all are drawn.
    pub exhaustive_up_to: u32,
    /// Positions before this one are passed over, and at this one only the death of the process is
    /// explored: for a run whose first part was explored as a run of its own. Default: 0, none is.
    pub first_position: usize,
    /// Only one in so many positions, which ones the seed decides. Default: 1, all of them.
    pub positions_one_in: usize,
    /// Threads that share the positions. Default: 1.
    pub threads: usize,
}

/// What was explored.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// States that were checked.
    pub executed: u64,
    /// States that were not, because the same disk was checked against the same expectations.
    pub skipped: u64,
    /// Hashes of the distinct ones among those that were checked.
    hashes: Hashes,
}

/// A state that broke a promise, and how to get there again.
#[derive(Clone, Debug)]
pub struct Failure {
    position: usize,
    text: String,
}

/// A disk as a crash left it, to be opened and checked.
#[derive(Debug)]
pub struct CrashState {
    world: SimEnv,
    position: usize,
    depth: u32,
    lost_power: bool,
    recovered: AtomicUsize,
}

impl Explorer {
    /// The defaults, from a seed.
    pub fn new(seed: u64) -> Explorer {
        Explorer {
            seed,
            power_losses: 16,
            kills: 1,
            nested: 1,
            depth_max: 3,
            exhaustive_up_to: 0,
            first_position: 0,
            positions_one_in: 1,
            threads: 1,
        }
    }

    /// Crashes the recording at every position and has each state checked.
    ///
    /// # Errors
    /// The first state for which `check` returned an error or panicked.
    pub fn run<C>(&self, recording: &Recording, check: C) -> Result<Explored, Failure>
    where
        C: Fn(&CrashState) -> Result<(), String> + Sync,
    {
        self.explore(recording, None, check)
    }

    /// The same, but a disk is not checked again if it was checked against the same expectations.
    /// `expected` is a hash of all that `check` expects after a loss of power at a position.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_new<C, E>(
        &self,
        recording: &Recording,
        known: &Known,
        expected: E,
        check: C,
    ) -> Result<Explored, Failure>
    where
        C: Fn(&CrashState) -> Result<(), String> + Sync,
        E: Fn(usize) -> u64 + Sync,
    {
        self.explore(recording, Some((known, &expected)), check)
    }

    fn explore<C>(
        &self,
        recording: &Recording,
        known: Option<Knowing<'_>>,
        check: C,
    ) -> Result<Explored, Failure>
    where
        C: Fn(&CrashState) -> Result<(), String> + Sync,
    {
        let stop = AtomicBool::new(false);
        let work = |thread: usize| {
            let mut worker = Worker {
                explorer: self,
                recording,
                check: &check,
                known,
                expected: (usize::MAX, 0),
                explored: Explored::default(),
            };
            let result = worker.run(thread, &stop);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            result.map(|()| worker.explored)
        };
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (1..self.threads.max(1)).map(|number| scope.spawn(move || work(number))).collect();
            let own = work(0);
            // A worker catches the panics of the checks; one of its own is passed on.
            threads
                .into_iter()
                .map(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .chain([own])
                .collect()
        });
        let mut explored = Explored::default();
        let mut failures = Vec::new();
        for result in results {
            match result {
                Ok(part) => explored.add(part),
                Err(failure) => failures.push(failure),
            }
        }
        match failures.into_iter().min_by_key(|failure| failure.position) {
            Some(failure) => Err(failure),
            None => Ok(explored),
        }
    }
}

/// What was checked already, and what is expected at a position.
type Knowing<'a> = (&'a Known, &'a (dyn Fn(usize) -> u64 + Sync));

/// One thread's share of the positions.
struct Worker<'a, C> {
    explorer: &'a Explorer,
    recording: &'a Recording,
    check: &'a C,
    known: Option<Knowing<'a>>,
    /// The position that was asked for last, and what is expected there.
    expected: (usize, u64),
    explored: Explored,
}

/// A state to be checked, and where it comes from.
struct Candidate {
    state: DiskState,
    /// The hash of what it shows.
    hash: u64,
    position: usize,
    depth: u32,
    lost_power: bool,
    /// Nothing is pending on it: the last crash was a loss of power.
    settled: bool,
    seed: u64,
    wall_ms: i64,
    origin: String,
}

impl<C: Fn(&CrashState) -> Result<(), String>> Worker<'_, C> {
    fn run(&mut self, thread: usize, stop: &AtomicBool) -> Result<(), Failure> {
        let threads = self.explorer.threads.max(1);
        let entries = Arc::clone(&self.recording.entries);
        let mut state = (*self.recording.start).clone();
        let one_in = self.explorer.positions_one_in.max(1);
        let first = usize::try_from(self.explorer.seed % one_in as u64).unwrap_or(0);
        for position in 0..=entries.len() {
            if position > 0 {
                state.apply(&entries[position - 1]);
            }
            let is_meant = position >= self.explorer.first_position
                && position % one_in == first
                && position / one_in % threads == thread;
            if is_meant && !stop.load(Ordering::Relaxed) {
                self.crash_at(position, &state, entries.get(position))?;
            }
        }
        Ok(())
    }

    fn crash_at(
        &mut self,
        position: usize,
        state: &DiskState,
        next: Option<&Entry>,
    ) -> Result<(), Failure> {
        let last = position.checked_sub(1).map(|index| self.recording.entries[index].wall_ms);
        let candidate = |state, hash, lost_power, seed, origin| Candidate {
            state,
            hash,
            position,
            depth: 1,
            lost_power,
            settled: lost_power,
            seed,
            wall_ms: last.unwrap_or(0) + 1_000,
            origin,
        };
        let seed_here = mix(self.explorer.seed ^ mix(position as u64));
        let mut seen = Hashes::default();
        let is_old = position > 0 && position == self.explorer.first_position;
        let images = if is_old { Vec::new() } else { self.power_losses_at(state, seed_here) };
        for image in images {
            let hash = image.hash();
            if seen.insert(hash) {
                let drawn = seen.len();
                let origin = format!("power loss {drawn} at position {position}");
                let seed = mix(seed_here ^ hash);
                self.visit(&candidate(DiskState::of(image), hash, true, seed, origin))?;
            }
        }
        for number in 0..self.explorer.kills {
            let seed = mix(seed_here.wrapping_add(u64::from(number) + 1));
            let next = next.filter(|_| number > 0);
            let (killed, cut) = killed(state, next, &mut Choices::seeded(seed));
            if number > 0 && cut.is_none() {
                break;
            }
            let origin = match cut {
                None => format!("death of the process at position {position}"),
                Some(bytes) => format!(
                    "death of the process at position {position}, after {bytes} bytes of the next write"
                ),
            };
            let hash = killed.visible.hash();
            self.visit(&candidate(killed, hash, false, seed, origin))?;
        }
        Ok(())
    }

    /// All states, if there are few enough; else some that are drawn.
    fn power_losses_at(&self, state: &DiskState, seed: u64) -> Vec<super::image::Image> {
        if state.pending.is_empty() && state.pending_names.is_empty() {
            return vec![state.durable.clone()];
        }
        let mut images = Vec::new();
        if self.explorer.exhaustive_up_to > 0 {
            let mut choices = Choices::enumerated();
            loop {
                images.push(power_loss(state, &mut choices));
                if !choices.next_round() {
                    return images;
                }
                if images.len() >= self.explorer.exhaustive_up_to as usize {
                    images.clear();
                    break;
                }
            }
        }
        let draw = |number| {
            let seed = mix(seed ^ mix(u64::from(number)));
            power_loss(state, &mut Choices::seeded(seed))
        };
        images.extend((0..self.explorer.power_losses).map(draw));
        images
    }

    /// Checks a state, then crashes what the check did.
    fn visit(&mut self, candidate: &Candidate) -> Result<(), Failure> {
        if candidate.settled && !self.is_new(candidate) {
            self.explored.skipped += 1;
            return Ok(());
        }
        let crash = CrashState::new(candidate);
        self.explored.executed += 1;
        self.explored.hashes.insert(candidate.hash);
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.check)(&crash)));
        let complaint = match outcome {
            Ok(Ok(())) => return self.visit_nested(candidate, &crash),
            Ok(Err(complaint)) => complaint,
            Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
        };
        Err(self.failure(candidate, &complaint))
    }

    fn is_new(&mut self, candidate: &Candidate) -> bool {
        let Some((known, expected)) = self.known else { return true };
        if self.expected.0 != candidate.position {
            self.expected = (candidate.position, expected(candidate.position));
        }
        known.is_new(candidate.hash, self.expected.1, candidate.depth)
    }

    fn visit_nested(&mut self, candidate: &Candidate, crash: &CrashState) -> Result<(), Failure> {
        let ends = crash.recovered.load(Ordering::Relaxed).min(crash.world.disk.position());
        if candidate.depth >= self.explorer.depth_max || ends == 0 {
            return Ok(());
        }
        for number in 0..self.explorer.nested {
            let seed = mix(candidate.seed.wrapping_add(0x5eed + u64::from(number)));
            let mut choices = Choices::seeded(seed);
            if candidate.depth > 1 && !choices.one_in(4) {
                continue;
            }
            let at = 1 + choices.choose(u32::try_from(ends).unwrap_or(u32::MAX)) as usize;
            let (state, next) = crash.world.disk.state_at(at);
            let power = !choices.one_in(4);
            let (state, what) = if power {
                (DiskState::of(power_loss(&state, &mut choices)), "power loss")
            } else {
                (killed(&state, next.as_ref(), &mut choices).0, "death of the process")
            };
            self.visit(&Candidate {
                hash: state.visible.hash(),
                state,
                position: candidate.position,
                depth: candidate.depth + 1,
                lost_power: candidate.lost_power || power,
                settled: power,
                seed,
                wall_ms: candidate.wall_ms + 1_000,
                origin: format!("{}, then {what} at operation {at} of the check", candidate.origin),
            })?;
        }
        Ok(())
    }

    fn failure(&self, candidate: &Candidate, complaint: &str) -> Failure {
        let before = CrashState::new(candidate);
        let text = format!(
            "{complaint}\nafter {}\nOTTLA_SEED={} (of the exploration)\nthe last operations:\n{}the disk:\n{}",
            candidate.origin,
            self.explorer.seed,
            self.recording.describe(candidate.position, 12),
            before.world.disk.listing(),
        );
        Failure { position: candidate.position, text }
    }
}

/// The state after the death of the process, with part of the next write done, if it is a write.
fn killed(
    state: &DiskState,
    next: Option<&Entry>,
    choices: &mut Choices,
) -> (DiskState, Option<usize>) {
    let mut state = state.clone();
    let Some(Entry {
        wall_ms,
        operation: Operation::Write { file, handle, position, bytes, landing },
    }) = next
    else {
        return (state, None);
    };
    let count = choices.choose(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) as usize;
    if count > 0 {
        let operation = Operation::Write {
            file: *file,
            handle: *handle,
            position: *position,
            bytes: bytes[..count].into(),
            landing: *landing,
        };
        state.apply(&Entry { wall_ms: *wall_ms, operation });
    }
    (state, Some(count))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "(without words)",
    }
}

impl CrashState {
    fn new(candidate: &Candidate) -> CrashState {
        let clock = Arc::new(SimClock::new(candidate.wall_ms));
        let disk = SimDisk::start(candidate.state.clone(), Arc::clone(&clock));
        CrashState {
            world: SimEnv { disk, clock, random: SeededRandom::new(candidate.seed).into() },
            position: candidate.position,
            depth: candidate.depth,
            lost_power: candidate.lost_power,
            recovered: AtomicUsize::new(usize::MAX),
        }
    }

    /// The world to open: the disk, with a clock one second later and fresh randomness.
    pub fn env(&self) -> Env {
        self.world.env()
    }

    /// The simulated world itself.
    pub fn world(&self) -> &SimEnv {
        &self.world
    }

    /// How much of the recorded run had happened: what was acked at this position or before
    /// ([`SimDisk::position`]) must be there.
    pub fn position(&self) -> usize {
        self.position
    }

    /// 1 for a crash of the run, 2 for a crash of the recovery from it, and so on.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether power was lost in any of the crashes; else only processes died, and what was
    /// written without a sync is there too.
    pub fn lost_power(&self) -> bool {
        self.lost_power
    }

    /// Says that what the check does from here on is not recovery: nested crashes are put only
    /// into what was done before. Without it they are put into everything.
    pub fn recovery_ends_here(&self) {
        self.recovered.store(self.world.disk.position(), Ordering::Relaxed);
    }
}

impl Explored {
    /// How many distinct disks were among the states.
    pub fn distinct(&self) -> usize {
        self.hashes.len()
    }

    /// Counts another exploration in.
    pub fn add(&mut self, other: Explored) {
        self.executed += other.executed;
        self.skipped += other.skipped;
        if self.hashes.is_empty() {
            self.hashes = other.hashes;
        } else {
            self.hashes.extend(other.hashes);
        }
    }
}

impl Failure {
    /// The position of the crash in the run.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
