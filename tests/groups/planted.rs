//! Sees the runs find bugs: each planted one is woken in turn, and must break a law.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ottla::env::planted::wake;
use ottla::env::sim::seed;

use crate::run::run;

/// Up to so many runs are tried before a bug counts as not found.
const RUNS_MAX: u64 = 500;

const BUGS: [&str; 9] = [
    "released_before_listener",
    "committed_before_returned",
    "taken_from_its_owner",
    "commit_not_fenced",
    "freed_under_a_commit",
    "absent_for_ever",
    "growth_unnoticed",
    "acked_when_queued",
    "offset_before_its_data",
];

/// How a bug was found, and after how many runs.
fn find(bug: &'static str, first: u64) -> Option<(u64, String)> {
    wake(bug);
    let found = (first..first + RUNS_MAX).find_map(|seed| {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, crate::STEPS)));
        let law = match outcome {
            Ok(outcome) => outcome.err()?,
            Err(_) => "an assertion of the library".to_owned(),
        };
        Some((seed - first + 1, law.lines().next().unwrap_or_default().to_owned()))
    });
    wake("");
    found
}

#[test]
fn planted_bugs_are_found() {
    let _alone = crate::ONE_AT_A_TIME.lock();
    let first = seed();
    let only = std::env::var("OTTLA_PLANTED").ok();
    let mut missed = Vec::new();
    for bug in BUGS {
        if only.as_ref().is_some_and(|only| only != bug) {
            continue;
        }
        match find(bug, first) {
            Some((runs, law)) => println!("{bug}: found by run {runs}: {law}"),
            None => {
                println!("{bug}: NOT FOUND in {RUNS_MAX} runs");
                missed.push(bug);
            }
        }
    }
    assert_eq!(missed, [""; 0], "bugs that no law caught");
}
