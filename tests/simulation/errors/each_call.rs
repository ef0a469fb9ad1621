//! Every call of every script fails, in every way, once and from then on.
//!
//! The calls of a script are noted in a run without a fault; until the failure a run with one is
//! the same, so that the n-th call is known before it fails. A case is a script, a call, an effect
//! that this call can have, and whether it stays: `OTTLA_ERROR_CASE` runs one alone.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Fault, FaultMatrix};

use crate::crashes::crash_after;
use crate::outcomes::{EINTR, Met, appends_go_on, fault_of, hold_everywhere, hold_promise};
use crate::scenarios::Scenario;
use crate::script::{Trace, perform, prepare};

/// One failure to be tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) scenario: usize,
    /// The first call is 1.
    pub(crate) nth: u64,
    pub(crate) effect: Effect,
    pub(crate) once: bool,
    pub(crate) number: u64,
}

/// What became of the cases.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) states: u64,
    pub(crate) by_fault: BTreeMap<&'static str, u64>,
    /// Hits by script, deed and kind of call.
    pub(crate) hits: BTreeMap<(usize, String, Call), std::collections::BTreeSet<u64>>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.states += other.states;
        for (fault, count) in other.by_fault {
            *self.by_fault.entry(fault).or_default() += count;
        }
        for (place, hits) in other.hits {
            self.hits.entry(place).or_default().extend(hits);
        }
    }
}

/// Whether the call can have that effect at all; else the run would be one without a fault.
fn applies(effect: Effect, call: Call) -> bool {
    match effect {
        Effect::Short | Effect::Zero => matches!(call, Call::ReadAt | Call::WriteAt),
        Effect::SyncFails(CacheAfterFailedSync::Reverts) => call == Call::SyncData,
        Effect::SyncFails(_) => matches!(call, Call::SyncData | Call::SyncDir),
        _ => true,
    }
}

/// All cases, in a fixed order.
pub(crate) fn cases(traces: &[Trace]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (scenario, trace) in traces.iter().enumerate() {
        for (index, made) in trace.calls.iter().enumerate() {
            for effect in FaultMatrix::EFFECTS.into_iter().filter(|e| applies(*e, made.call)) {
                for once in [true, false] {
                    let (nth, number) = (index as u64 + 1, cases.len() as u64);
                    cases.push(Case { scenario, nth, effect, once, number });
                }
            }
        }
    }
    cases
}

/// Runs one case; says what broke.
pub(crate) fn run_case(
    case: &Case,
    scenario: &Scenario,
    trace: &Trace,
    crashes: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let told = |broken: String| {
        let Case { nth, effect, once, number, .. } = case;
        let made = &trace.calls[*nth as usize - 1];
        let (deed, when) = (trace.deed(*nth as usize - 1), if *once { "once" } else { "for ever" });
        format!(
            "{broken}\nin \"{}\": {effect:?} at call {nth} ({:?} of {:?}, in {deed}), {when}\n\
             OTTLA_ERROR_CASE={number}",
            scenario.name, made.call, made.path
        )
    };
    let attempt = AssertUnwindSafe(|| try_case(case, scenario, trace, crashes, tally));
    match catch_unwind(attempt) {
        Ok(outcome) => outcome.map_err(told),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(told(format!("panic: {}", text.unwrap_or_default())))
        }
    }
}

fn try_case(
    case: &Case,
    scenario: &Scenario,
    trace: &Trace,
    crashes: bool,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut run = prepare(scenario)?;
    run.faulty = true;
    run.cache_reverts = case.effect == Effect::SyncFails(CacheAfterFailedSync::Reverts);
    let began = run.world.disk.faults_met();
    let fault = Fault::new(case.effect).nth(case.nth);
    run.world.disk.plan(if case.once { fault } else { fault.from_then_on() });
    let performed = perform(&mut run, &scenario.deeds)?;
    let failed = performed.failed;
    let met = run.world.disk.faults_met();
    run.world.disk.heal();
    let Some(hit) = run.world.disk.first_hit().filter(|_| met > began) else {
        return Err("reached: the call was not made".to_owned());
    };
    let expected = &trace.calls[case.nth as usize - 1];
    if hit != *expected {
        return Err(format!("reached: the call is {hit:?}"));
    }
    tally.runs += 1;
    *tally.by_fault.entry(fault_of(case.effect, hit.call)).or_default() += 1;
    let place = (case.scenario, trace.deed(case.nth as usize - 1).to_owned(), hit.call);
    tally.hits.entry(place).or_default().insert(case.nth);
    let recording = run.world.disk.recording();
    let model = run.model.clone();
    let is_poisoned = match run.broker.clone().filter(|_| !run.cache_reverts) {
        Some(broker) => Some(!appends_go_on(&broker)?),
        None => None,
    };
    let lived = performed.session == Some(run.sessions);
    let deed = trace.deed(case.nth as usize - 1);
    let met = Met { effect: case.effect, once: case.once, hit: &hit, deed };
    hold_promise(&met, &failed, is_poisoned.filter(|_| lived))?;
    if is_poisoned == Some(false) && case.once && case.effect != Effect::Errno(EINTR) {
        again(&mut run, scenario, &failed)?;
    }
    hold_everywhere(&mut run)?;
    if crashes && case.effect != Effect::SyncFails(CacheAfterFailedSync::Reverts) {
        tally.states += crash_after(&recording, &model, case)?;
    }
    Ok(())
}

/// What failed is done again, on a disk that is well: now it succeeds.
fn again(
    run: &mut ottla_simulation::run::Run,
    scenario: &Scenario,
    failed: &[crate::script::Failed],
) -> Result<(), String> {
    run.faulty = false;
    for failed in failed {
        let deed = &scenario.deeds[failed.deed];
        deed.perform(run).map_err(|broken| {
            format!("again: {} failed with {}, and again: {broken}", deed.name(), failed.error)
        })?;
    }
    run.faulty = true;
    Ok(())
}
