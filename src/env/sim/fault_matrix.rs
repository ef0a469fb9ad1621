//! Every call fails in turn, in every way: once, and from then on.

use super::SimEnv;
use super::faults::{Effect, Fault};
use super::operation::CacheAfterFailedSync;

/// Which failures are tried. Each is a run of its own in a world of its own.
#[derive(Clone, Debug)]
pub struct FaultMatrix {
    /// The seed of every world.
    pub seed: u64,
    /// What happens to the call. Default: [`FaultMatrix::EFFECTS`].
    pub effects: Vec<Effect>,
    /// The last call that is made to fail. Default: no limit, until a run makes no n-th call.
    pub nth_max: u64,
}

impl FaultMatrix {
    /// Every error that a disk is known to give, and the calls that do less than they should.
    pub const EFFECTS: [Effect; 11] = [
        Effect::Errno(libc::EIO),
        Effect::Errno(libc::ENOSPC),
        Effect::Errno(libc::EDQUOT),
        Effect::Errno(libc::EFBIG),
        Effect::Errno(libc::EINTR),
        Effect::Errno(libc::EMFILE),
        Effect::Errno(libc::EACCES),
        Effect::Short,
        Effect::Zero,
        Effect::SyncFails(CacheAfterFailedSync::KeepsNew),
        Effect::SyncFails(CacheAfterFailedSync::Reverts),
    ];

    /// All effects, on every call.
    pub fn new(seed: u64) -> FaultMatrix {
        FaultMatrix { seed, effects: FaultMatrix::EFFECTS.to_vec(), nth_max: u64::MAX }
    }

    /// For every effect and every `n`: makes a world, runs `prepare` in it, plans the fault, runs
    /// `scenario` with what was prepared and a text that names the fault for messages. Returns the
    /// number of runs in which a call was hit.
    pub fn run<T>(
        &self,
        prepare: impl Fn(&SimEnv) -> T,
        scenario: impl Fn(&SimEnv, T, &str),
    ) -> u64 {
        let mut runs = 0;
        for effect in &self.effects {
            for persistent in [false, true] {
                for nth in 1..=self.nth_max {
                    let world = SimEnv::new(self.seed);
                    let prepared = prepare(&world);
                    let fault = Fault::new(*effect).nth(nth);
                    world.disk.plan(if persistent { fault.from_then_on() } else { fault });
                    let when = if persistent { "from then on" } else { "once" };
                    scenario(&world, prepared, &format!("{effect:?} at call {nth}, {when}"));
                    if world.disk.faults_met() == 0 {
                        break;
                    }
                    runs += 1;
                }
            }
        }
        runs
    }
}
