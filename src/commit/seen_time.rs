//! How far time has come, as the control file remembers it: what the wall clock says, as long as that
//! can be time that has passed. Not here: what is done where the clock is not believed. The invariant:
//! a clock that jumps ahead, within a session or before it, does not make the next session believe
//! in the new date.

use std::time::Duration;

use crate::env::Env;

/// A directory that was last written to longer ago than this is opened by a program whose clock is
/// likely wrong: nothing is deleted by age in this session.
const YEARS_AWAY_MS: i64 = 2 * 366 * 24 * 60 * 60 * 1000;

/// A wall clock that ran ahead of the monotonic one by more than this was set, not passed.
pub(crate) const CLOCK_JUMP_MS: i64 = 60 * 60 * 1000;

/// A directory that was open for so long under a date years away did lie in a drawer for years.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the clock is so far ahead of what the last session saw that it is likely wrong.
pub(crate) fn is_in_the_future(env: &Env, wall_ms_max: i64) -> bool {
    wall_ms_max > 0 && env.clock.wall_ms().saturating_sub(wall_ms_max) > YEARS_AWAY_MS
}

/// What the clocks said when a session began.
#[derive(Debug)]
pub(super) struct SeenTime {
    wall_ms: i64,
    monotonic: Duration,
    /// What the last session saw, if the wall clock is years ahead of that.
    doubted_since_ms: Option<i64>,
}

impl SeenTime {
    pub(super) fn new(env: &Env, wall_ms_max: i64) -> SeenTime {
        SeenTime {
            wall_ms: env.clock.wall_ms(),
            monotonic: env.clock.monotonic(),
            doubted_since_ms: is_in_the_future(env, wall_ms_max).then_some(wall_ms_max),
        }
    }

    /// What the wall clock says, or less.
    pub(super) fn now_ms(&self, env: &Env) -> i64 {
        let passed = env.clock.monotonic().saturating_sub(self.monotonic);
        let begin = match self.doubted_since_ms {
            Some(last) if passed < BELIEVED_AFTER => last,
            _ => self.wall_ms,
        };
        let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let believed = begin.saturating_add(passed_ms).saturating_add(CLOCK_JUMP_MS);
        env.clock.wall_ms().min(believed)
    }
}
