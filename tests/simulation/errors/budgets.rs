//! A disk that is full at any byte, and a process that may have any number of files open: errors
//! that say so, reads and deletions go on, and so do appends once there is room, without a new open.

use ottla::ErrorKind;
use ottla_proof::Evidence;
use ottla_simulation::reader::read_all;
use ottla_simulation::run::Run;

use crate::outcomes::{appends_go_on, hold_everywhere};
use crate::scenarios::{Scenario, scenarios};
use crate::script::{perform, prepare};
use crate::short::{all, must};

/// What is short.
#[derive(Clone, Copy, Debug)]
enum Budget {
    Bytes(u64),
    Handles(usize),
}

/// Runs a script within a budget; false if it sufficed.
fn run_within(scenario: &Scenario, budget: Budget) -> Result<bool, String> {
    let mut run = prepare(scenario)?;
    run.faulty = true;
    match budget {
        Budget::Bytes(bytes) => run.world.disk.limit_space(bytes),
        Budget::Handles(handles) => {
            run.world.disk.limit_handles(run.world.disk.open_handles() + handles);
        }
    }
    let performed = perform(&mut run, &scenario.deeds)?;
    let (fault, expected) = match budget {
        Budget::Bytes(_) => ("F6", ErrorKind::NoSpace),
        Budget::Handles(_) => ("F18", ErrorKind::Io),
    };
    let is_cut = performed.failed.iter().any(|f| scenario.deeds[f.deed].name() == "Truncate");
    for failed in performed.failed.iter().filter(|_| !is_cut) {
        if failed.kind() != expected {
            let (kind, error) = (failed.kind(), &failed.error);
            return Err(format!("{fault}: the answer is {kind:?}, not {expected:?}: {error}"));
        }
    }
    if let (Budget::Bytes(_), Some(broker)) = (budget, &run.broker) {
        read_all(broker).map_err(|broken| format!("{fault}: reads go on: {broken}"))?;
    }
    run.world.disk.heal();
    if !go_on(&run)? && !is_cut {
        return Err(format!("{fault}: there is room again, and nothing is written any more"));
    }
    let is_short = !performed.failed.is_empty();
    hold_everywhere(&mut run)?;
    Ok(is_short)
}

fn go_on(run: &Run) -> Result<bool, String> {
    run.broker.as_ref().map_or(Ok(true), appends_go_on)
}

#[test]
fn whatever_room_there_is_no_promise_is_broken() {
    let evidence = Evidence::of("errors", "budgets of bytes and of handles");
    let step = if all() { 131 } else { 3_989 };
    let (mut bytes, mut handles) = (0, 0);
    for (number, scenario) in scenarios().iter().enumerate() {
        if !all() && number % 7 != 0 {
            continue;
        }
        let told = |budget: Budget, broken: String| {
            Err(format!("{broken}\nin \"{}\", with {budget:?}", scenario.name))
        };
        for budget in (number as u64 * 7 % step..40_000).step_by(step as usize).map(Budget::Bytes) {
            let is_short = run_within(scenario, budget);
            bytes += u64::from(must(is_short.or_else(|broken| told(budget, broken))));
        }
        for budget in (0..if all() { 24 } else { 3 }).map(Budget::Handles) {
            let is_short = run_within(scenario, budget);
            handles += u64::from(must(is_short.or_else(|broken| told(budget, broken))));
        }
    }
    let evidence = evidence.count("full disks", bytes).count("runs out of handles", handles);
    evidence.fault("F6", bytes, 0).fault("F18", handles, 0).tell();
    assert!(bytes > 0, "no disk was full");
}
