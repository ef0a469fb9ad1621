//! All workloads of a length, shared among threads, and among runs of this program.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ottla::env::sim::{Explored, Explorer, Known};
use ottla_simulation::check::check;

use crate::alphabet::{Context, contexts};
use crate::lives::live;

/// The short form is one of so many parts of all workloads of up to two operations; the seed draws it.
const SHORT_PARTS: usize = 587;

/// What to explore; `from_environment` says what each is.
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    pub(crate) length: usize,
    pub(crate) part: (usize, usize),
    pub(crate) threads: usize,
    pub(crate) states: u32,
    contexts: Vec<Context>,
}

/// What was done so far, by all threads.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) workloads: AtomicU64,
    pub(crate) passed_over: AtomicU64,
    pub(crate) explored: Mutex<Explored>,
    known: Known,
    jobs: AtomicUsize,
    broken: AtomicBool,
}

/// Workloads that begin alike.
struct Job {
    context: usize,
    begins: Vec<usize>,
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

/// `i/n` of the environment: one of n parts, counted from 1.
fn part() -> Option<(usize, usize)> {
    let text = std::env::var("OTTLA_EXHAUSTIVE_PART").ok()?;
    let (part, of) = text.split_once('/').expect("OTTLA_EXHAUSTIVE_PART is i/n");
    let number = |text: &str| text.trim().parse::<usize>().expect("a number");
    let (part, of) = (number(part), number(of));
    assert!((1..=of).contains(&part), "OTTLA_EXHAUSTIVE_PART is 1/n to n/n");
    Some((part, of))
}

impl Campaign {
    pub(crate) fn from_environment(seed: u64) -> Campaign {
        let length = number("OTTLA_EXHAUSTIVE_LENGTH");
        let drawn = (1 + seed as usize % SHORT_PARTS, SHORT_PARTS);
        Campaign {
            seed,
            length: length.unwrap_or(2),
            part: part().unwrap_or(if length.is_some() { (1, 1) } else { drawn }),
            threads: number("OTTLA_SIM_THREADS").unwrap_or(2),
            states: number("OTTLA_EXHAUSTIVE_STATES").map_or(64, |states| states as u32),
            contexts: contexts(),
        }
    }

    /// Explores all workloads up to the length, shorter ones first.
    pub(crate) fn run(&self, done: &Done) -> Result<(), String> {
        for length in 0..=self.length {
            self.run_length(length, done)?;
        }
        Ok(())
    }

    /// Explores the workloads of one length.
    fn run_length(&self, length: usize, done: &Done) -> Result<(), String> {
        let jobs = self.jobs(length);
        done.jobs.store(0, Ordering::Relaxed);
        let began = now();
        let work = || -> Result<(), String> {
            loop {
                let number = done.jobs.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(number) else { return Ok(()) };
                if done.broken.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let outcome = self.extend(job.context, &mut job.begins.clone(), length, done);
                outcome.inspect_err(|_| done.broken.store(true, Ordering::Relaxed))?;
            }
        };
        let progress = || {
            while done.jobs.load(Ordering::Relaxed) < jobs.len() + self.threads {
                std::thread::park_timeout(Duration::from_secs(10));
                let begun = done.jobs.load(Ordering::Relaxed).min(jobs.len());
                tell(done, &format!("length {length}, {begun} of {} jobs", jobs.len()), began);
            }
        };
        std::thread::scope(|scope| {
            let ticker = scope.spawn(progress);
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(|thread| thread.join().expect("no panic here"));
            let outcomes: Vec<_> = joined.collect();
            done.jobs.fetch_add(jobs.len() + self.threads, Ordering::Relaxed);
            ticker.thread().unpark();
            outcomes.into_iter().collect()
        })
    }

    /// The beginnings that are of this part.
    fn jobs(&self, length: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (context, Context { alphabet, .. }) in self.contexts.iter().enumerate() {
            let mut begins = vec![Vec::new()];
            for _ in 0..length.min(2) {
                let longer = |begin: &Vec<usize>| {
                    let begin = begin.clone();
                    (0..alphabet.len()).map(move |next| [begin.as_slice(), &[next]].concat())
                };
                begins = begins.iter().flat_map(longer).collect();
            }
            jobs.extend(begins.into_iter().map(|begins| Job { context, begins }));
        }
        let (part, of) = self.part;
        jobs.into_iter().skip(part - 1).step_by(of).collect()
    }

    /// Explores all workloads of the length that begin like this; none if this does not fit.
    fn extend(
        &self,
        context: usize,
        workload: &mut Vec<usize>,
        length: usize,
        done: &Done,
    ) -> Result<(), String> {
        if workload.len() == length {
            return self.explore(context, workload, done).map(drop);
        }
        let context_here = &self.contexts[context];
        if live(context_here, workload, self.seed)?.is_none() {
            return Ok(());
        }
        for next in 0..context_here.alphabet.len() {
            workload.push(next);
            self.extend(context, workload, length, done)?;
            workload.pop();
            if done.broken.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    fn explore(&self, context: usize, workload: &[usize], done: &Done) -> Result<(), String> {
        let context = &self.contexts[context];
        let told = |broken: &dyn std::fmt::Display| {
            let operations: Vec<_> =
                workload.iter().map(|number| &context.alphabet[*number]).collect();
            format!("{broken}\nthe workload: {}, then {operations:?}", context.name)
        };
        let life = live(context, workload, self.seed).map_err(|broken| told(&broken))?;
        let Some(life) = life else {
            done.passed_over.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let explorer = Explorer {
            power_losses: self.states.min(16),
            kills: 2,
            nested: 1,
            exhaustive_up_to: self.states,
            first_position: life.last_begins,
            ..Explorer::new(self.seed)
        };
        let model = &life.era.model;
        let explored = explorer.run_new(
            &life.era.recording,
            &done.known,
            |position| model.expected(position as i64),
            |crash| check(crash, model),
        );
        let explored = explored.map_err(|failure| told(&failure))?;
        done.workloads.fetch_add(1, Ordering::Relaxed);
        done.explored.lock().unwrap_or_else(PoisonError::into_inner).add(explored);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "says how fast it goes")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "says how far it is")]
fn tell(done: &Done, what: &str, began: Instant) {
    let explored = done.explored.lock().unwrap_or_else(PoisonError::into_inner);
    eprintln!(
        "{what}, {} s: {} workloads, {} states, {} distinct, {} skipped",
        began.elapsed().as_secs(),
        done.workloads.load(Ordering::Relaxed),
        explored.executed,
        explored.distinct(),
        explored.skipped,
    );
}
