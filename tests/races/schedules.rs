//! Runs a scenario under many schedules: half of them drawn anew at every step, half by PCT, which
//! lets one thread run ahead and changes its mind at a few places only.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{PoisonError, RwLock};

use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, UncontrolledNondeterminismCheckScheduler,
};
use shuttle::{Config, MaxSteps, Runner};

use crate::faults::{evidence, name_of, tell};

/// How many schedules a scenario gets if nobody says otherwise.
const SCHEDULES: usize = 300;

/// A scenario that takes more steps than this runs in circles.
const STEPS_MAX: usize = 100_000;

/// Both ways of drawing take turns: this many schedules first, then twice as many, and so on.
const ROUND_MIN: usize = 120;

/// In how many places PCT changes its mind, plus one.
const DEPTHS: [usize; 3] = [2, 3, 6];

/// Planted bugs are awake in the whole process: nothing else runs beside them.
static AWAKE: RwLock<()> = RwLock::new(());

/// Waits until no scenario runs, and lets none begin.
#[cfg(plant)]
pub(crate) fn alone() -> impl Drop {
    AWAKE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `scenario` under `OTTLA_SCHEDULES` schedules that follow from `OTTLA_SEED`, or under the
/// one that the file `OTTLA_SCHEDULE` holds.
#[expect(clippy::disallowed_methods, reason = "looks at a note, not at a log directory")]
pub(crate) fn check(scenario: impl Fn() + Copy + Send + Sync + 'static) {
    let name = name_of(&scenario);
    let _asleep = AWAKE.read().unwrap_or_else(PoisonError::into_inner);
    if let Ok(schedule) = std::env::var("OTTLA_SCHEDULE") {
        let schedule = std::fs::read_to_string(schedule).expect("the file of OTTLA_SCHEDULE");
        Runner::new(ReplayScheduler::new_from_encoded(schedule.trim()), config()).run(scenario);
        return;
    }
    let given = std::env::var("OTTLA_SCHEDULES").ok().and_then(|text| text.trim().parse().ok());
    let seed = ottla::env::sim::seed();
    let evidence = evidence("races", name, seed);
    let schedules = given.unwrap_or(SCHEDULES);
    let explored = catch_unwind(AssertUnwindSafe(|| explore(scenario, seed, schedules)));
    let failed = u64::from(explored.is_err());
    tell(evidence, name, schedules as u64, failed);
    if let Err(broken) = explored {
        resume_unwind(broken);
    }
}

/// Runs `scenario` under about `schedules` schedules; panics under one that breaks it.
pub(crate) fn explore(
    scenario: impl Fn() + Copy + Send + Sync + 'static,
    seed: u64,
    schedules: usize,
) {
    // What does not follow from the schedule cannot be replayed.
    let twice = RandomScheduler::new_from_seed(seed, 2);
    Runner::new(UncontrolledNondeterminismCheckScheduler::new(twice), config()).run(scenario);
    let (mut tried, mut round) = (0, ROUND_MIN);
    while tried < schedules {
        let seed = seed.wrapping_add(tried as u64);
        let some = round.min(schedules - tried).div_ceil(2 * DEPTHS.len());
        for depth in DEPTHS {
            Runner::new(PctScheduler::new_from_seed(seed, depth, some), config()).run(scenario);
            Runner::new(RandomScheduler::new_from_seed(seed + depth as u64, some), config())
                .run(scenario);
        }
        tried += 2 * some * DEPTHS.len();
        round *= 2;
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 19;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    config
}
