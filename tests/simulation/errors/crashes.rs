//! Crashes after a failure, and failures in the recovery from them.
//!
//! What is opened after the crash meets a failing call, too, in one state of three; a second open,
//! on a disk that is well, must then find what the first one would have found.

use ottla::env::sim::{CrashState, Effect, Explorer, Fault, FaultMatrix, Recording};
use ottla_simulation::check::check;
use ottla_simulation::laws;
use ottla_simulation::model::Model;
use ottla_simulation::reader::read_all;
use ottla_simulation::run::options;

use crate::each_call::Case;

/// How many positions of a run are crashed, about.
const POSITIONS: usize = 24;

/// Crashes a run that met a failure; the number of states.
pub(crate) fn crash_after(
    recording: &Recording,
    model: &Model,
    case: &Case,
) -> Result<u64, String> {
    let seed = case.number;
    let positions_one_in = recording.len().div_ceil(POSITIONS).max(1);
    let explorer = Explorer { power_losses: 2, positions_one_in, ..Explorer::new(seed) };
    let explored = explorer.run(recording, |crash| {
        let dice = crash.world().disk.hash() >> 9;
        if dice.is_multiple_of(3) {
            recover_with_an_error(crash, model, dice / 3)
        } else {
            check(crash, model)
        }
    });
    explored.map(|explored| explored.executed).map_err(|failure| failure.to_string())
}

/// A call of the recovery fails; the next recovery makes up for it.
pub(crate) fn recover_with_an_error(
    crash: &CrashState,
    model: &Model,
    dice: u64,
) -> Result<(), String> {
    let disk = &crash.world().disk;
    let effects = FaultMatrix::EFFECTS;
    // Old bytes that a failed sync brings back are a loss of power that only this run can see.
    let effect = effects[(dice % (effects.len() as u64 - 1)) as usize];
    let fault = Fault::new(effect).nth(1 + dice / 16 % 60);
    disk.plan(if (dice / 1024).is_multiple_of(2) { fault } else { fault.from_then_on() });
    let opened = options().open_in(crash.env());
    disk.heal();
    let failed = opened.as_ref().err().map(ToString::to_string);
    let told = |broken: String| {
        format!("{broken}, after an error in recovery: {effect:?}, which said {failed:?}")
    };
    if let Ok(broker) = opened {
        broker.abandon();
    }
    let (at, lost_power) = (crash.position() as i64, crash.lost_power());
    let syncs = matches!(effect, Effect::SyncFails(_));
    for power in [false, true] {
        let world = match power {
            false => crash.world().clone(),
            true => crash.world().with_disk(disk.after_losing_everything_unsynced()),
        };
        let broker = options().open_in(world.env());
        let broker = broker.map_err(|error| told(format!("open: it does not open: {error}")))?;
        if !power {
            crash.recovery_ends_here();
        }
        let seen = read_all(&broker).map_err(told)?;
        broker.abandon();
        let lost = lost_power || (power && syncs);
        laws::hold(model, at, lost, &seen).map_err(told)?;
    }
    Ok(())
}
