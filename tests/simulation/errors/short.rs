//! How much is tried: a part that a `cargo test` has time for, or everything.

use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_proof::Evidence;

use crate::each_call::{Case, Tally, cases, run_case};
use crate::scenarios::{Scenario, scenarios};
use crate::script::Trace;

/// The cases of the short form.
const SHORT: usize = 80;

/// A number from the environment.
pub(crate) fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.trim().parse().ok())
}

/// Whether everything is to be tried.
pub(crate) fn all() -> bool {
    std::env::var("OTTLA_ERRORS").is_ok_and(|text| text.trim() == "all")
}

/// Runs `work` on all items, shared among threads; the first failure ends it.
pub(crate) fn shared<T: Sync, R: Default + Send>(
    items: &[T],
    work: impl Fn(&T, &mut R) -> Result<(), String> + Sync,
    add: impl Fn(&mut R, R),
) -> Result<R, String> {
    let next = AtomicUsize::new(0);
    let threads = given("OTTLA_SIM_THREADS").unwrap_or(2).max(1);
    let (next, work) = (&next, &work);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let part = || {
            let mut result = R::default();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(broken) = work(item, &mut result) {
                    next.store(items.len(), Ordering::Relaxed);
                    return Err(broken);
                }
            }
            Ok(result)
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(part)).collect();
        threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
    });
    let mut sum = R::default();
    for part in parts {
        add(&mut sum, part?);
    }
    Ok(sum)
}

/// The line that a failing harness ends with begins with the law.
pub(crate) fn must<T>(outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|broken| {
        println!("{broken}");
        panic!("{broken}")
    })
}

/// Which of the cases: one, all, or so many of them spread over everything.
fn chosen(cases: Vec<Case>) -> Vec<Case> {
    if let Some(one) = given("OTTLA_ERROR_CASE") {
        return cases.into_iter().filter(|case| case.number == one).collect();
    }
    let runs = given("OTTLA_ERROR_RUNS").map_or(SHORT, |runs| runs as usize);
    if all() || cases.len() <= runs {
        return cases;
    }
    // The golden section: any prefix of it is spread evenly.
    let mut step = (cases.len() as f64 * 0.618_033_988_7) as usize;
    while greatest_common_divisor(step, cases.len()) > 1 {
        step += 1;
    }
    (0..runs).map(|number| cases[number * step % cases.len()]).collect()
}

fn greatest_common_divisor(one: usize, other: usize) -> usize {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[test]
fn whichever_call_fails_no_promise_is_broken() {
    let evidence = Evidence::of("errors", "every call of every script fails");
    let only = std::env::var("OTTLA_SCENARIO").ok();
    let meant = |scenario: &Scenario| only.as_ref().is_none_or(|only| scenario.name.contains(only));
    let scenarios: Vec<_> = scenarios().into_iter().filter(meant).collect();
    let traced = scenarios.iter().map(|scenario| {
        Trace::of(scenario)
            .map_err(|broken| format!("{broken}\nin \"{}\", and no call failed", scenario.name))
    });
    let traces: Vec<_> = must(traced.collect());
    let cases = cases(&traces);
    let total = cases.len() as u64;
    let chosen = chosen(cases);
    let crashed_one_in = if all() { 11 } else { 60 };
    let work = |case: &Case, tally: &mut Tally| {
        let crashes = case.number % crashed_one_in == 3 || given("OTTLA_ERROR_CASE").is_some();
        let (scenario, trace) = (&scenarios[case.scenario], &traces[case.scenario]);
        let outcome = run_case(case, scenario, trace, crashes, tally);
        // A survey of what there is, instead of the first.
        if let (Err(broken), true) = (&outcome, std::env::var("OTTLA_SURVEY").is_ok()) {
            println!("{broken}");
            return Ok(());
        }
        outcome
    };
    let tally = must(shared(&chosen, work, Tally::add));
    tell(evidence, &scenarios, &traces, &tally, (chosen.len() as u64, total));
}

/// Every call that a script makes, by deed and kind: how many there are, how many have failed.
fn tell(
    evidence: Evidence,
    scenarios: &[Scenario],
    traces: &[Trace],
    tally: &Tally,
    (tried, total): (u64, u64),
) {
    let (mut reachable, mut reached) = (0, 0);
    let mut missed = Vec::new();
    for (number, trace) in traces.iter().enumerate() {
        let mut counts = std::collections::BTreeMap::new();
        for (index, made) in trace.calls.iter().enumerate() {
            *counts.entry((number, trace.deed(index).to_owned(), made.call)).or_insert(0_usize) +=
                1;
        }
        for (place, count) in counts {
            let hit = tally.hits.get(&place).map_or(0, std::collections::BTreeSet::len);
            reachable += count;
            reached += hit;
            if hit < count {
                missed.push(format!(
                    "{}: {} {:?}: {hit} of {count}",
                    scenarios[number].name, place.1, place.2
                ));
            }
        }
    }
    if tried == total {
        assert!(missed.is_empty(), "reached: not every call has failed: {missed:#?}");
    }
    let evidence = evidence
        .count("scripts", scenarios.len() as u64)
        .count("calls that failed", reached as u64)
        .count("calls that can be reached", reachable as u64)
        .count("runs", tally.runs)
        .count("cases", total)
        .count("crash states after a failure", tally.states)
        .fault("F4", tally.states, 0);
    tally.by_fault.iter().fold(evidence, |e, (fault, runs)| e.fault(fault, *runs, 0)).tell();
    assert!(tally.runs > 0, "nothing was tried");
}
