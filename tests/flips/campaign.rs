//! What is tried, and how it is told: all of it, or a sample by seed; shared among threads. The
//! first failures are printed with the law that broke.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_proof::Evidence;

use crate::image::Image;
use crate::laws::Outcome;

/// Failures that are printed.
const SHOWN: u64 = 12;

/// A bit of a file.
#[derive(Clone, Debug)]
pub(crate) struct Flip {
    pub(crate) path: String,
    pub(crate) bit: usize,
}

pub(crate) fn seed() -> u64 {
    let given = std::env::var("OTTLA_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| fastrand::u64(..))
}

/// Whether all of everything was asked for.
fn wants_all() -> bool {
    std::env::var("OTTLA_FLIPS").is_ok_and(|flips| flips == "all")
}

/// Of how many things each sample consists: a number in place of `all`.
fn sample_of(default: usize) -> usize {
    let given = std::env::var("OTTLA_FLIPS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(default)
}

/// Only what has this in its description.
fn only() -> String {
    std::env::var("OTTLA_FLIPS_ONLY").unwrap_or_default()
}

fn threads() -> usize {
    let given = std::env::var("OTTLA_FLIPS_THREADS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(2)
}

/// All things, or a sample of them.
pub(crate) fn some_of<T: Clone>(all: Vec<T>, seed: u64, sample: usize) -> Vec<T> {
    let sample = sample_of(sample);
    if wants_all() || all.len() <= sample {
        return all;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    (0..sample).map(|_| all[random.usize(..all.len())].clone()).collect()
}

/// All bits of all files; or a sample, and if asked for one bit of the first or the last byte of
/// each file.
pub(crate) fn bits_of(image: &Image, seed: u64, sample: usize, with_ends: bool) -> Vec<Flip> {
    let (mut all, mut ends) = (Vec::new(), Vec::new());
    let mut random = fastrand::Rng::with_seed(seed);
    for path in image.paths() {
        let length = image.bytes(path).len();
        let flip = |bit| Flip { path: path.to_owned(), bit };
        all.extend((0..length * 8).map(flip));
        if length > 0 && with_ends {
            let byte = if random.bool() { 0 } else { length - 1 };
            ends.push(flip(byte * 8 + random.usize(..8)));
        }
    }
    if wants_all() {
        return all;
    }
    ends.extend(some_of(all, seed, sample));
    ends
}

/// What a run found.
#[derive(Debug, Default)]
struct Tally {
    /// Tried and failed, by fault.
    faults: BTreeMap<&'static str, (u64, u64)>,
    refused: u64,
    with_errors: u64,
    /// How often each law was broken, by its name and the file's.
    broken: BTreeMap<String, u64>,
}

impl Tally {
    fn note(&mut self, fault: &'static str, what: &str, held: Result<Outcome, String>) {
        let (tried, failed) = self.faults.entry(fault).or_default();
        *tried += 1;
        match held {
            Ok(outcome) => {
                self.refused += u64::from(outcome.refused);
                self.with_errors += u64::from(outcome.errors > 0);
            }
            Err(law) => {
                *failed += 1;
                let name = law.split(':').next().unwrap_or("");
                let file = what.split(' ').next().unwrap_or("");
                *self.broken.entry(format!("{name} <- {file}")).or_default() += 1;
                if self.broken.values().sum::<u64>() <= SHOWN {
                    println!("{law}\n    by {what}");
                }
            }
        }
    }
}

/// Tries things one by one on several threads, and tells. Ends the test if a law was broken.
pub(crate) fn run<T: Sync>(
    (what, seed): (&str, u64),
    things: &[T],
    fault: impl Fn(&T) -> &'static str + Sync,
    describe: impl Fn(&T) -> String + Sync,
    hold: impl Fn(&T) -> Result<Outcome, String> + Sync,
) {
    let mut evidence = Evidence::of("flips", what).seed(seed);
    let tally = Mutex::new(Tally::default());
    let (next, only) = (AtomicUsize::new(0), only());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !describe(thing).contains(&only) {
                        continue;
                    }
                    let held = hold(thing);
                    tally.lock().unwrap().note(fault(thing), &describe(thing), held);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    for (fault, &(tried, failed)) in &tally.faults {
        evidence = evidence.fault(fault, tried, failed).count("tried", tried);
    }
    evidence.count("refused", tally.refused).count("errors", tally.with_errors).tell();
    for (law, times) in &tally.broken {
        println!("  {times} x {law}");
    }
    assert!(tally.broken.is_empty(), "{what}: laws were broken, OTTLA_SEED={seed}");
}
