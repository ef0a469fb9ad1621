//! Long random workloads with crashes, and faults that a seed decides: which ones, how often, how
//! much room there is, how the clock jumps. `OTTLA_SWARM_RUNS` runs; `OTTLA_SEED` begins with the
//! same one. A failure prints what the seed has decided.
//!
//! A fault may strike while the directory is opened, too; then it is opened again. Old bytes that a
//! failed sync brings back are not among the effects: the loops have them.

use fastrand::Rng;
use ottla::env::sim::{CacheAfterFailedSync, Effect, Fault, SimEnv, seed};
use ottla_proof::Evidence;
use ottla_simulation::run::Run;
use ottla_simulation::workload::{Operation, random};

use crate::outcomes::{EACCES, EDQUOT, EINTR, EIO, EMFILE, ENOSPC, appends_go_on, hold_everywhere};
use crate::short::given;

const EFFECTS: [Effect; 9] = [
    Effect::Errno(EIO),
    Effect::Errno(ENOSPC),
    Effect::Errno(EDQUOT),
    Effect::Errno(EINTR),
    Effect::Errno(EMFILE),
    Effect::Errno(EACCES),
    Effect::Short,
    Effect::Zero,
    Effect::SyncFails(CacheAfterFailedSync::KeepsNew),
];

/// What a seed has decided.
#[derive(Debug)]
struct Weather {
    effects: Vec<Effect>,
    /// One operation in so many meets a fault.
    fault_one_in: u32,
    /// And one in so many a full disk, few handles, another time.
    room_one_in: u32,
    jump_one_in: u32,
    operations: usize,
}

impl Weather {
    fn of(rng: &mut Rng) -> Weather {
        let mut effects: Vec<_> = EFFECTS.into_iter().filter(|_| rng.u32(..3) == 0).collect();
        if effects.is_empty() {
            effects.push(EFFECTS[rng.usize(..EFFECTS.len())]);
        }
        Weather {
            effects,
            fault_one_in: [3, 8, 25][rng.usize(..3)],
            room_one_in: [10, 40, 1_000][rng.usize(..3)],
            jump_one_in: [10, 1_000][rng.usize(..2)],
            operations: rng.usize(20..80),
        }
    }
}

/// One run. Returns how many faults it met, and how many crashes.
fn fly(seed: u64) -> Result<(u64, u64), String> {
    let mut rng = Rng::with_seed(seed);
    let weather = Weather::of(&mut rng);
    let workload = random(rng.u64(..), weather.operations);
    let mut run = Run::new(SimEnv::new(seed), true);
    let (mut met, mut crashes) = (0, 0);
    let mut done = || -> Result<(), String> {
        run.open()?;
        for operation in &workload.operations {
            strike(&mut rng, &weather, &run);
            crashes +=
                u64::from(matches!(operation, Operation::Kill | Operation::PowerLoss { .. }));
            let before = run.world.disk.clone();
            let faults = before.faults_met();
            let outcome = run.perform(operation);
            met += before.faults_met() - faults;
            run.world.disk.heal();
            outcome.map_err(|broken| format!("{broken}, in {operation:?}"))?;
            let is_dead = match &run.broker {
                Some(broker) => !appends_go_on(broker)?,
                None => true,
            };
            if is_dead {
                crashes += 1;
                run.kill()?;
            }
        }
        hold_everywhere(&mut run)
    };
    done().map_err(|broken| {
        format!("{broken}\nOTTLA_SEED={seed} decided: {weather:?}\n{:?}", workload.operations)
    })?;
    Ok((met, crashes))
}

/// Plans what the weather brings.
fn strike(rng: &mut Rng, weather: &Weather, run: &Run) {
    let disk = &run.world.disk;
    if rng.u32(..weather.fault_one_in) == 0 {
        let effect = weather.effects[rng.usize(..weather.effects.len())];
        let fault = Fault::new(effect).nth(rng.u64(1..40));
        disk.plan(if rng.u32(..4) == 0 { fault.from_then_on() } else { fault });
    }
    if rng.u32(..weather.room_one_in) == 0 {
        disk.limit_space(rng.u64(..6_000));
    }
    if rng.u32(..weather.room_one_in) == 0 {
        disk.limit_handles(disk.open_handles() + rng.usize(..6));
    }
    if rng.u32(..weather.jump_one_in) == 0 {
        run.world.clock.set_wall_ms(rng.i64(0..4_000_000_000_000));
    }
}

#[test]
fn no_weather_breaks_a_promise() {
    let first = seed();
    let runs = given("OTTLA_SWARM_RUNS").unwrap_or(10);
    let evidence = Evidence::of("simulation", "long runs with faults, crashes and jumps at random");
    let (mut met, mut crashes) = (0, 0);
    let mut seeds = Rng::with_seed(first);
    for number in 0..runs {
        let seed = if number == 0 { first } else { seeds.u64(..) };
        let flown = fly(seed).unwrap_or_else(|broken| {
            println!("{broken}");
            panic!("{broken}")
        });
        met += flown.0;
        crashes += flown.1;
    }
    let evidence = evidence.seed(first).count("runs", runs).count("calls that failed", met);
    let evidence = evidence.count("crashes within runs", crashes);
    ["F4", "F5", "F6", "F8", "F14", "F18", "F26", "F27"]
        .into_iter()
        .fold(evidence, |evidence, fault| evidence.fault(fault, runs, 0))
        .tell();
}
