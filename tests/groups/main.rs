//! Goal: no order of events breaks a promise of consumer groups. Random steps of producers,
//! consumers, time and crashes run on a simulated disk, on one thread, and are held against a
//! plain model; docs/TESTING.md says how to run it long and how to replay a failure.

mod commits;
mod model;
#[cfg(plant)]
mod planted;
mod polls;
mod run;
mod stage;
mod steps;

use std::sync::Mutex;

use ottla::env::sim::seed;
use ottla_proof::Evidence;

/// The runs of the short form, which is part of every `cargo test`.
const SHORT: u64 = 300;
/// The steps of one run.
const STEPS: usize = 120;

/// With planted bugs one test at a time: the one that is awake is awake for all.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

#[test]
fn groups_keep_their_promises() {
    let _alone = ONE_AT_A_TIME.lock();
    let first = seed();
    let wanted = number("OTTLA_GROUP_RUNS").unwrap_or(SHORT);
    let steps = number("OTTLA_GROUP_STEPS").map_or(STEPS, |steps| steps as usize);
    let evidence = Evidence::of("groups", "random steps against a model").seed(first);
    let mut total = run::Tally::default();
    for seed in first..first + wanted {
        match run::run(seed, steps) {
            Ok(tally) => {
                total.delivered += tally.delivered;
                total.assigned += tally.assigned;
                total.crashes += tally.crashes;
            }
            Err(law) => panic!("{law}\nto see it again: OTTLA_SEED={seed} OTTLA_GROUP_RUNS=1"),
        }
    }
    let counted = evidence.count("runs", wanted).count("steps", wanted * steps as u64);
    let counted = counted.count("crashes", total.crashes).count("delivered", total.delivered);
    counted.fault("F25", wanted, 0).fault("F28", total.crashes, 0).tell();
    // A test that stopped seeing anything is noticed.
    assert!(wanted < 100 || (total.delivered > wanted * 10 && total.crashes > wanted / 4));
}
