//! Sees the laws find bugs: each planted one is woken in turn, and must break a law.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::history::run;
use crate::env::planted::wake;

/// Up to so many histories are tried before a bug counts as not found.
const HISTORIES_MAX: u64 = 500;

const BUGS: [&str; 8] = [
    "tombstones_go_at_once",
    "unknown_keys_cleaned",
    "full_map_goes_on",
    "markers_are_records",
    "idle_markers_go_at_once",
    "last_empty_batch_dropped",
    "last_word_dropped",
    "aborted_of_the_map_only",
];

#[test]
fn planted_bugs_are_found() {
    let mut missed = Vec::new();
    for bug in BUGS {
        wake(bug);
        let found = (1..=HISTORIES_MAX).find_map(|seed| {
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(outcome) => Some((seed, outcome.err()?)),
                Err(_) => Some((seed, "an assertion".to_owned())),
            }
        });
        wake("");
        match found {
            Some((histories, law)) => println!("{bug}: found by history {histories}: {law:.300}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, [""; 0], "bugs that no law caught");
}
