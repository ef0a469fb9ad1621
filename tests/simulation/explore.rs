//! Crashes everywhere, in every way, on the fixed workloads and on ones from a seed.

use ottla::env::sim::{Explored, Explorer, Known, seed};

use ottla_proof::Evidence;
use ottla_simulation::check::check;
use ottla_simulation::compaction;
use ottla_simulation::run::run;
use ottla_simulation::workload::{Workload, fixed, random};

/// The states of the short form, which is part of every `cargo test`.
const SHORT: u64 = 3_000;

/// How many states to execute, at least: the short form unless the environment says more.
fn wanted() -> u64 {
    let given = std::env::var("OTTLA_SIM_STATES").ok();
    given.and_then(|text| text.trim().parse().ok()).unwrap_or(SHORT)
}

/// Runs a workload and crashes it everywhere.
pub(crate) fn explore(workload: &Workload, explorer: &Explorer) -> Result<Explored, String> {
    let mut explored = Explored::default();
    for (number, era) in run(workload, explorer.seed)?.into_iter().enumerate() {
        let model = &era.model;
        let states = explorer.run_new(
            &era.recording,
            &Known::default(),
            |position| model.expected(position as i64),
            |crash| check(crash, model),
        );
        let told = |failure| format!("{}, recording {number}: {failure}", workload.name);
        explored.add(states.map_err(told)?);
    }
    Ok(explored)
}

/// Without crashes but those of the workloads: many more of them in the same time.
#[test]
fn random_runs_keep_their_promises() {
    let seed = seed();
    let mut seeds = fastrand::Rng::with_seed(seed);
    for _ in 0..(wanted() / 50) {
        let seed = seeds.u64(..);
        let workload = random(seed, 60);
        let eras = run(&workload, seed);
        let broken = |broken| panic!("{broken}\nthe workload: {:?}", workload.operations);
        assert!(!eras.unwrap_or_else(broken).is_empty());
    }
}

fn explorer(seed: u64, power_losses: u32) -> Explorer {
    let threads = std::env::var("OTTLA_SIM_THREADS").ok().and_then(|text| text.parse().ok());
    Explorer {
        power_losses,
        kills: if power_losses > 1 { 2 } else { 1 },
        nested: 1,
        positions_one_in: if power_losses > 1 { 1 } else { 2 },
        exhaustive_up_to: power_losses,
        threads: threads.unwrap_or(2),
        ..Explorer::new(seed)
    }
}

/// Each state is a crash, of the process or of the power, and most have another in their recovery.
fn told(evidence: Evidence, explored: &Explored) {
    let evidence = evidence.count("states", explored.executed);
    let evidence = evidence.count("distinct states", explored.distinct() as u64);
    let evidence = evidence.count("skipped states", explored.skipped);
    ["F1", "F2", "F3", "F4", "F26", "F27"]
        .into_iter()
        .fold(evidence, |evidence, fault| evidence.fault(fault, explored.executed, 0))
        .tell();
}

#[test]
fn no_crash_breaks_a_promise() {
    let seed = seed();
    let evidence = Evidence::of("simulation", "crashes of fixed and random workloads").seed(seed);
    let mut total = Explored::default();
    let mut runs = 0;
    let wanted = wanted();
    let per_position = if wanted == SHORT { 1 } else { 16 };
    for workload in fixed() {
        let explored = explore(&workload, &explorer(seed, per_position));
        total.add(explored.unwrap_or_else(|broken| panic!("{broken}")));
        runs += 1;
    }
    let mut seeds = fastrand::Rng::with_seed(seed);
    while total.executed < wanted {
        runs += 1;
        let seed = seeds.u64(..);
        let workload = random(seed, 12 + (seed % 48) as usize);
        let explored = explore(&workload, &explorer(seed, per_position));
        total.add(
            explored.unwrap_or_else(|broken| {
                panic!("{broken}\nthe workload: {:?}", workload.operations)
            }),
        );
    }
    told(evidence.count("runs", runs), &total);
}

#[test]
fn no_crash_breaks_a_compacted_log() {
    let given = std::env::var("OTTLA_SIM_STATES").ok().and_then(|text| text.trim().parse().ok());
    let wanted = given.unwrap_or(600);
    let seed = seed();
    let evidence = Evidence::of("simulation", "crashes of lives of a compacted log").seed(seed);
    let explored = compaction::explore(seed, wanted, if given.is_some() { 8 } else { 2 });
    told(evidence, &explored.unwrap_or_else(|broken| panic!("{broken}")));
}
