//! Every call fails in turn, in every way, once and from then on: no panic, nothing acked is lost,
//! nothing that was refused comes back, and after the failure appends go on or are refused.

use ottla::env::sim::{CacheAfterFailedSync, Effect, Explorer, Fault, FaultMatrix, SimEnv};
use ottla::{Acks, ErrorKind, Message};

use ottla_simulation::check::check;
use ottla_simulation::laws;
use ottla_simulation::reader::read_all;
use ottla_simulation::run::{Run, options, run_with};
use ottla_simulation::workload::{Operation, Workload, fixed};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EINTR: i32 = 4;

fn prepare(world: &SimEnv) -> Run {
    let mut run = Run::new(world.clone(), false);
    run.open().expect("nothing fails yet");
    run.faulty = true;
    run
}

/// Runs a workload whose calls fail, and holds the laws at each end that it may come to.
fn scenario(world: &SimEnv, mut run: Run, operations: &[Operation]) -> Result<(), String> {
    for operation in operations {
        let performed = run.perform(operation);
        performed.map_err(|broken| {
            let failure = run.failure.as_ref().map(ToString::to_string);
            format!("{operation:?}: {broken}, after the failure {failure:?}")
        })?;
    }
    world.disk.heal();
    if let Some(broker) = run.broker.as_ref().filter(|_| !run.cache_reverts) {
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
    for topic in broker.list_topics().into_iter().filter(|topic| !topic.internal) {
        let handle = broker.partition(topic.name.as_str(), 0).map_err(|e| e.to_string())?;
        let end = handle.end_offset();
        match handle.append(&[Message::new("after the failure").key("key")], Acks::All) {
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

/// How much is tried.
struct Extent {
    effects: Vec<Effect>,
    /// Every how many calls one fails.
    stride: u64,
    /// Every how many runs the recording is crashed everywhere, too.
    explored_one_in: u64,
}

/// Lets one call after the other fail, until a run makes fewer calls than that.
fn fail_each_call(workload: &Workload, extent: &Extent) -> u64 {
    let mut runs = 0;
    for (number, effect) in extent.effects.iter().enumerate() {
        for persistent in [false, true] {
            for nth in (1 + number as u64 % extent.stride..).step_by(extent.stride as usize) {
                let world = SimEnv::new(1);
                let mut run = prepare(&world);
                run.cache_reverts = *effect == Effect::SyncFails(CacheAfterFailedSync::Reverts);
                let crashes = nth.is_multiple_of(extent.explored_one_in) && !run.cache_reverts;
                let fault = Fault::new(*effect).nth(nth);
                world.disk.plan(if persistent { fault.from_then_on() } else { fault });
                scenario(&world, run, &workload.operations).unwrap_or_else(|broken| {
                    let name = &workload.name;
                    panic!("{name}, {effect:?} at call {nth}, for ever: {persistent}: {broken}")
                });
                if world.disk.faults_met() == 0 {
                    break;
                }
                runs += 1;
                if crashes {
                    crash_after(workload, *effect, nth);
                }
            }
        }
    }
    runs
}

/// Crashes a run that met a failure everywhere.
fn crash_after(workload: &Workload, effect: Effect, nth: u64) {
    let eras = run_with(workload, nth, &[Fault::new(effect).nth(nth)]);
    let complain = |broken: String| -> ! {
        panic!("{}, {effect:?} at call {nth}, crashed later: {broken}", workload.name)
    };
    for era in eras.unwrap_or_else(|broken| complain(broken)) {
        let explorer = Explorer { power_losses: 2, threads: 2, ..Explorer::new(nth) };
        explorer
            .run(&era.recording, |crash| check(crash, &era.model))
            .unwrap_or_else(|failure| complain(failure.to_string()));
    }
}

#[test]
fn whichever_call_fails_nothing_acked_is_lost() {
    let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
    let extent = if std::env::var("OTTLA_SIM_STATES").is_ok() {
        Extent { effects: FaultMatrix::EFFECTS.to_vec(), stride: 1, explored_one_in: 23 }
    } else {
        let effects = [Effect::Errno(EIO), Effect::Errno(ENOSPC), Effect::Errno(EINTR), fails];
        Extent { effects: effects.to_vec(), stride: 37, explored_one_in: 1000 }
    };
    let mut runs = 0;
    for workload in fixed() {
        let steady = |operation: &Operation| !matches!(operation, Operation::PowerLoss { .. });
        let operations = workload.operations.iter().filter(|o| steady(o)).cloned().collect();
        runs += fail_each_call(&Workload { operations, ..workload }, &extent);
    }
    println!("{runs} runs, each with a call that failed");
    assert!(runs > 100, "{runs}");
}
