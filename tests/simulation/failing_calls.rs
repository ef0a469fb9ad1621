//! Every call fails in turn, in every way, once and from then on: no panic, nothing acked is lost,
//! nothing that was refused comes back, and after the failure appends go on or are refused.

use ottla::env::sim::{CacheAfterFailedSync, Effect, Explorer, FaultMatrix, SimEnv};
use ottla::{Acks, ErrorKind, Message};

use crate::check::check;
use crate::laws;
use crate::reader::read_all;
use crate::run::{Run, options};
use crate::workload::{Operation, Workload, fixed};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;

/// Every how many runs the recording is crashed everywhere, too.
const EXPLORED_ONE_IN: u64 = 40;

fn prepare(world: &SimEnv) -> Run {
    let mut run = Run::new(world.clone(), false);
    run.open().expect("nothing fails yet");
    run.faulty = true;
    run
}

/// Runs a workload whose calls fail, and holds the laws at each end that it may come to.
fn scenario(world: &SimEnv, mut run: Run, operations: &[Operation]) -> Result<(), String> {
    for operation in operations {
        run.perform(operation).map_err(|broken| format!("{operation:?}: {broken}"))?;
    }
    world.disk.heal();
    if let Some(broker) = &run.broker {
        let seen = read_all(broker).map_err(|broken| format!("reads go on: {broken}"))?;
        let at = run.at();
        // A poisoned broker may have committed what it could not show any more.
        if appends_go_on(&run)? {
            laws::hold(&run.model, at, false, &seen)?;
        }
    }
    // What the failure left, after a loss of power and after the death of the process.
    let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
    let broker = options().open_in(lost.env()).map_err(|e| format!("after a power loss: {e}"))?;
    let seen = read_all(&broker).map_err(|broken| format!("after a power loss: {broken}"))?;
    broker.abandon();
    laws::hold(&run.model, run.at(), true, &seen).map_err(|broken| {
        let failure = run.failure.as_ref().map(ToString::to_string);
        let recording = run.world.disk.recording();
        let did = recording.describe(recording.len(), 60);
        format!("power loss: {broken}, after the failure {failure:?} and\n{did}")
    })?;
    run.faulty = false;
    let model = run.model.clone();
    run.kill().map_err(|broken| {
        let failure = run.failure.as_ref().map(ToString::to_string);
        let recording = run.world.disk.recording();
        let did = recording.describe(recording.len(), 160);
        format!("after a kill: {broken}, after the failure {failure:?}\n{model:?}\n{did}")
    })
}

/// Once the disk is well again a broker writes; `false` if a failed sync poisoned it.
fn appends_go_on(run: &Run) -> Result<bool, String> {
    let Some(broker) = &run.broker else { return Ok(true) };
    for topic in broker.list_topics() {
        let handle = broker.partition(topic.name.as_str(), 0).map_err(|e| e.to_string())?;
        let end = handle.end_offset();
        match handle.append(&[Message::new("after the failure")], Acks::All) {
            Ok(appended) if appended.base_offset == end => {
                // It is no part of the model: cut it off again.
                handle.truncate_to(end).map_err(|e| format!("after the failure: {e}"))?;
            }
            Ok(appended) => return Err(format!("{appended:?} at the end {end}")),
            Err(error) if error.kind() == ErrorKind::Poisoned => return Ok(false),
            Err(error) => return Err(format!("appends do not go on: {error}")),
        }
    }
    Ok(true)
}

fn matrix(effects: Vec<Effect>, workload: &Workload, nth_max: u64) -> u64 {
    let matrix = FaultMatrix { effects, nth_max, ..FaultMatrix::new(1) };
    let runs = std::cell::Cell::new(0_u64);
    matrix.run(prepare, |world, run, fault| {
        let outcome = scenario(world, run, &workload.operations);
        outcome.unwrap_or_else(|broken| panic!("{}, {fault}: {broken}", workload.name));
        runs.set(runs.get() + 1);
        if runs.get().is_multiple_of(EXPLORED_ONE_IN) {
            crash_after(workload, fault, runs.get());
        }
    })
}

/// Crashes a run that met a failure.
fn crash_after(workload: &Workload, fault: &str, number: u64) {
    let nth = 20 + number % 60;
    let effects = [Effect::Errno(EIO), Effect::Errno(ENOSPC), Effect::Short];
    let effect = effects[(number / 7 % 3) as usize];
    let planned = ottla::env::sim::Fault::new(effect).nth(nth);
    let eras = crate::run::run_with(workload, number, &[planned]);
    for era in eras.unwrap_or_else(|broken| panic!("{}, {fault}: {broken}", workload.name)) {
        let explorer = Explorer { power_losses: 2, ..Explorer::new(number) };
        explorer.run(&era.recording, |crash| check(crash, &era.model)).unwrap_or_else(|broken| {
            panic!("{}, {effect:?} at call {nth}: {broken}", workload.name)
        });
    }
}

#[test]
fn whichever_call_fails_nothing_acked_is_lost() {
    let long = std::env::var("OTTLA_SIM_STATES").is_ok();
    let (effects, nth_max) = if long {
        (FaultMatrix::EFFECTS.to_vec(), u64::MAX)
    } else {
        let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
        let effects = vec![Effect::Errno(EIO), Effect::Errno(ENOSPC), Effect::Errno(EINTR), fails];
        (effects, if cfg!(debug_assertions) { 60 } else { 150 })
    };
    let mut runs = 0;
    for workload in fixed() {
        let steady = |operation: &Operation| !matches!(operation, Operation::PowerLoss { .. });
        let operations = workload.operations.iter().filter(|o| steady(o)).cloned().collect();
        runs += matrix(effects.clone(), &Workload { operations, ..workload }, nth_max);
    }
    println!("{runs} runs, each with a call that failed");
    assert!(runs > 100, "{runs}");
}
