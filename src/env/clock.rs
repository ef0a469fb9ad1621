//! Time, as the library sees it: the wall clock for timestamps and retention, a monotonic clock
//! for everything that waits.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A source of time.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970, as the wall clock says; may jump.
    fn wall_ms(&self) -> i64;

    /// As [`wall_ms`](Clock::wall_ms), or a few milliseconds behind, if that is cheaper to know.
    fn wall_ms_coarse(&self) -> i64 {
        self.wall_ms()
    }

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the operating system.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn wall_ms(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// The time of the kernel's last tick, one to ten milliseconds ago: a sixth of the cost.
    ///
    /// Asked through the C library, which knows where that is to be read: under valgrind it is not
    /// where the kernel says.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "the C library's clock is not to be had otherwise")]
    fn wall_ms_coarse(&self) -> i64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the time is written to memory of this function.
        if unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut time) } != 0 {
            return self.wall_ms();
        }
        time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// A clock that stands still until it is told otherwise: for tests and simulations.
#[derive(Debug)]
pub struct SimClock {
    wall_ms: AtomicI64,
    monotonic_nanos: AtomicU64,
}

impl SimClock {
    /// A clock that shows `wall_ms`.
    pub fn new(wall_ms: i64) -> SimClock {
        SimClock { wall_ms: AtomicI64::new(wall_ms), monotonic_nanos: AtomicU64::new(0) }
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.wall_ms.fetch_add(millis, Ordering::SeqCst);
        self.monotonic_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets the wall clock, forwards or back; the monotonic clock does not notice.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.wall_ms.store(wall_ms, Ordering::SeqCst);
    }
}

impl Default for SimClock {
    /// Shows 2026-01-01T00:00:00Z.
    fn default() -> SimClock {
        SimClock::new(1_767_225_600_000)
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic_nanos.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_may_jump_and_the_monotonic_clock_does_not() {
        let clock = SimClock::new(1_000);
        clock.advance(Duration::from_millis(50));
        clock.set_wall_ms(-5);
        clock.advance(Duration::from_micros(2_500));
        assert_eq!(clock.wall_ms(), -3);
        assert_eq!(clock.monotonic(), Duration::from_micros(52_500));
    }

    #[test]
    fn the_system_clocks_move_forward() {
        let before = SystemClock.monotonic();
        assert!(SystemClock.wall_ms() > 1_600_000_000_000);
        assert!(SystemClock.monotonic() >= before);
        let coarse = SystemClock.wall_ms_coarse();
        let lag = SystemClock.wall_ms() - coarse;
        assert!((-1000..1000).contains(&lag), "{lag}");
    }
}
