//! Goal: no short workload has a crash that breaks a promise. All workloads of a few operations are
//! run, in a few contexts, and crashed at every position; docs/TESTING.md has the commands.
//!
//! Why only the last operation of a workload is crashed: the disk, the clock and the randomness of a
//! run follow from its seed, which all runs share. So what a workload does before its last operation
//! is, call by call, what the workload without that operation does, and its crashes are those of
//! that one; what is expected of them can only have become less (what the last operation began may
//! be there, too), and not before it began. At the position where it begins the same disks were
//! checked as the end of the shorter workload; only a first write that is cut short is new there.
//!
//! Why a disk that was seen need not be checked again: what a check finds follows from the disk and
//! from what the model expects at that position (`expected.rs`). This holds for disks that lost
//! power; what a process left that died is checked each time.
//!
//! What is left out: an operation that does not fit (records of a topic that is not there) makes no
//! call and changes nothing, so the workload is a shorter one. Names, sizes and numbers of records
//! stand for all like them. Where more states are possible than `OTTLA_EXHAUSTIVE_STATES`, some are
//! drawn. In the recovery from each state there is one more crash, at a moment that is drawn, and
//! one in four of those has a third.

mod alphabet;
mod campaign;
mod lives;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use ottla::env::sim::seed;
use ottla_proof::Evidence;

use crate::campaign::{Campaign, Done};

/// States are made and thrown away by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn no_short_workload_breaks_a_promise() {
    let seed = seed();
    let campaign = Campaign::from_environment(seed);
    let (part, of) = campaign.part;
    let what = format!("workloads of up to {} operations, part {part}/{of}", campaign.length);
    let evidence = Evidence::of("exhaustive", &what).seed(seed);
    let done = Done::default();
    campaign.run(&done).unwrap_or_else(|broken| panic!("{broken}\nOTTLA_SEED={seed}"));
    let explored = done.explored.lock().unwrap_or_else(PoisonError::into_inner);
    let evidence = evidence
        .count("workloads", done.workloads.load(Ordering::Relaxed))
        .count("passed over", done.passed_over.load(Ordering::Relaxed))
        .count("states", explored.executed)
        .count("skipped states", explored.skipped)
        .count("distinct states", explored.distinct() as u64);
    ["F1", "F2", "F3", "F4", "F26", "F27"]
        .into_iter()
        .fold(evidence, |evidence, fault| evidence.fault(fault, explored.executed, 0))
        .tell();
}
