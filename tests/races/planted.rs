//! Sees the checker find races: each planted one is woken in turn, and must break its scenario.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::env::planted::wake;

use crate::schedules::{alone, explore};
use crate::{
    checkpoints, closing, commits, compaction, groups, keys, offsets, opening, panics, producers,
    readers, spills, transactions,
};

/// Up to so many schedules are tried before a bug counts as not found.
const SCHEDULES_MAX: usize = 20_000;

/// The bugs, and the scenario that each breaks.
const BUGS: [(&str, fn()); 36] = [
    ("woken_before_the_end", readers::tailing),
    ("mark_cleared_before_waiting", readers::tailing),
    ("ends_one_by_one", commits::seen_together),
    ("published_before_applied", readers::tailing),
    ("leadership_laid_down_late", commits::three_writers),
    ("condition_asked_early", commits::expecting_the_same),
    ("position_noted_late", checkpoints::full_journal),
    ("appends_not_waited_for", closing::abandoned),
    ("looked_before_registering", readers::tailing),
    ("looked_before_watching", readers::watching),
    ("looked_before_saying_so", groups::shared_out),
    ("nobody_called", groups::shared_out),
    ("taken_from_its_owner", groups::read_once),
    ("released_before_listener", groups::read_once),
    ("freed_under_a_commit", groups::evicted),
    ("acked_when_queued", groups::commits_without_waiting),
    ("offset_shown_before_sync", offsets::seen_survives),
    ("cut_before_offsets", offsets::beside_a_cut),
    ("stale_generation_committed", transactions::beside_a_rebalance),
    ("leader_not_passed", transactions::beside_a_fence),
    ("fenced_producer_commits", transactions::beside_a_fence),
    ("ended_under_its_commit", transactions::beside_an_abort),
    ("snapshot_end_by_end", transactions::beside_a_snapshot),
    ("offsets_in_a_frame_of_their_own", transactions::beside_a_snapshot),
    ("panic_tells_nobody", panics::leader),
    ("failed_group_not_told", commits::senders_of_a_failing_sync),
    ("lock_given_up_early", opening::in_turns),
    ("looked_before_the_lock", producers::asked),
    ("loop_wake_forgotten", producers::lingering),
    ("files_removed_under_readers", readers::snapshot_beside_a_deletion),
    ("woken_before_the_call", readers::called_back),
    ("round_not_waited_for", compaction::closed),
    ("table_looks_before_registering", keys::table),
    ("version_without_staged", keys::counters),
    ("spill_removed_early", spills::beside_checkpoints),
    ("frame_before_spill_sync", spills::beside_checkpoints),
];

/// The schedules of the bug that is awake.
static TRIED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn planted_races_are_found() {
    let _alone = alone();
    let seed = ottla::env::sim::seed();
    let only = std::env::var("OTTLA_PLANTED").ok();
    let mut missed = Vec::new();
    for (bug, scenario) in BUGS {
        if only.as_deref().is_some_and(|only| only != bug) {
            continue;
        }
        wake(bug);
        TRIED.store(0, Ordering::Relaxed);
        let counted = move || {
            TRIED.fetch_add(1, Ordering::Relaxed);
            scenario();
        };
        let found = catch_unwind(AssertUnwindSafe(|| explore(counted, seed, SCHEDULES_MAX)));
        wake("");
        let tried = TRIED.load(Ordering::Relaxed);
        match found {
            Err(why) => println!("{bug}: found in schedule {tried}: {}", message(&*why)),
            Ok(()) => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref().copied()).unwrap_or("a panic");
    text.lines().next().unwrap_or_default().to_owned()
}
