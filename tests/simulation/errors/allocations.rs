//! Every request for memory of a size that a file or a caller decides is refused in turn: an error
//! that says so, nothing half done, and the same call succeeds afterwards.
//!
//! Only those that go through `ottla::error::room`; whatever else is refused ends the process, as a
//! kill does. Requests of other threads are not counted: the scripts have one.

use ottla::ErrorKind;
use ottla::error::room::refusals;
use ottla_proof::Evidence;

use crate::outcomes::{appends_go_on, hold_everywhere};
use crate::scenarios::{Scenario, scenarios};
use crate::script::{perform, prepare};
use crate::short::{all, given, must};

/// One request of a script is refused; false if there is no such request.
fn refuse(scenario: &Scenario, nth: u64, once: bool) -> Result<bool, String> {
    let mut run = prepare(scenario)?;
    run.faulty = true;
    refusals::plan(nth, !once);
    let performed = perform(&mut run, &scenario.deeds);
    let met = refusals::met();
    refusals::heal();
    let performed = performed?;
    if met == 0 {
        return Ok(false);
    }
    let wrong = |kind| !matches!(kind, ErrorKind::Limit | ErrorKind::Poisoned);
    if let Some(other) = performed.failed.iter().find(|failed| wrong(failed.kind())) {
        let (kind, error) = (other.kind(), &other.error);
        return Err(format!("F19: the answer is {kind:?}, not Limit: {error}"));
    }
    if let Some(broker) = run.broker.clone() {
        let is_cut = performed.failed.iter().any(|f| scenario.deeds[f.deed].name() == "Truncate");
        if !appends_go_on(&broker)? && !is_cut {
            return Err("F19: memory was refused, and nothing is written any more".to_owned());
        }
    }
    hold_everywhere(&mut run)?;
    Ok(true)
}

#[test]
fn whichever_memory_is_refused_no_promise_is_broken() {
    let evidence = Evidence::of("allocations", "every request of every script is refused");
    let stride = if all() { 1 } else { given("OTTLA_ALLOCATION_STRIDE").unwrap_or(23) };
    let (mut tried, mut scripts) = (0, 0);
    for (number, scenario) in scenarios().iter().enumerate() {
        if stride > 1 && number % 2 == 1 {
            continue;
        }
        scripts += 1;
        for once in [true, false] {
            for nth in (1 + number as u64 % stride..).step_by(stride as usize) {
                let outcome = refuse(scenario, nth, once);
                let outcome = outcome.map_err(|broken| {
                    let when = if once { "once" } else { "for ever" };
                    format!("{broken}\nin \"{}\": request {nth} is refused, {when}", scenario.name)
                });
                if !must(outcome) {
                    break;
                }
                tried += 1;
            }
        }
    }
    evidence.count("scripts", scripts).count("runs", tried).fault("F19", tried, 0).tell();
    assert!(tried > 0, "no memory was asked for");
}
