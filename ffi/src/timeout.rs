//! Timeouts as programs give them: milliseconds, 0 for not waiting, -1 for ever.

use std::time::Duration;

/// The time; [`Duration::MAX`] for ever, which is what any negative number means.
pub(crate) fn timeout(timeout_ms: i64) -> Duration {
    u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis)
}
