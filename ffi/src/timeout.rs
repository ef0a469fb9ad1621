//! Timeouts as programs give them: milliseconds, 0 for not waiting, -1 for ever.

use std::time::Duration;

use crate::entry::Failure;

/// The time; [`Duration::MAX`] for ever. Other negative numbers are refused: a deadline that has
/// passed, less the time of now, would wait for ever.
pub(crate) fn timeout(timeout_ms: i64) -> Result<Duration, Failure> {
    match u64::try_from(timeout_ms) {
        Ok(timeout_ms) => Ok(Duration::from_millis(timeout_ms)),
        Err(_) if timeout_ms == -1 => Ok(Duration::MAX),
        Err(_) => {
            let message = format!("a timeout of {timeout_ms} ms: it is -1 (for ever), 0 or more");
            Err(Failure::invalid(message))
        }
    }
}
