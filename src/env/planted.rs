//! Bugs that are planted on purpose, to see the harnesses find them; docs/TESTING.md has the
//! list. They exist only in a build with `--cfg plant`, which holds all of them; at most one is
//! awake at a time. In every other build `planted!` is the constant `false`.
//!
//! `OTTLA_PLANTED=name` wakes one before the first look, in any program: so a harness that knows
//! nothing of bugs can be seen to go red, too.

// A build for users has no debug assertions.
#[cfg(all(plant, not(debug_assertions)))]
compile_error!("planted bugs are for tests, which are built with debug assertions");

#[cfg(plant)]
use std::sync::LazyLock;

#[cfg(plant)]
use super::sync::locks::RwLock;

#[cfg(plant)]
static AWAKE: LazyLock<RwLock<String>> =
    LazyLock::new(|| RwLock::new(std::env::var("OTTLA_PLANTED").unwrap_or_default()));

/// Wakes the bug of this name, and puts the one before to sleep.
#[cfg(plant)]
pub fn wake(bug: &str) {
    *AWAKE.write() = bug.to_owned();
}

/// Whether this bug is awake.
#[cfg(plant)]
pub fn is(bug: &str) -> bool {
    *AWAKE.read() == bug
}

/// Stays for a moment where a planted race has its window: threads of a real machine hardly ever meet
/// in it otherwise. A model checker needs no such help.
#[cfg(all(plant, not(shuttle)))]
#[expect(clippy::disallowed_methods, reason = "part of a planted bug")]
pub(crate) fn linger() {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    static COUNT: AtomicU64 = AtomicU64::new(1);
    let drawn = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    std::thread::sleep(Duration::from_micros(drawn % 500));
}

/// Nothing: see the other one.
#[cfg(not(all(plant, not(shuttle))))]
pub(crate) fn linger() {}

/// Whether the bug of this name is planted and awake.
#[cfg(plant)]
macro_rules! planted {
    ($bug:literal) => {
        $crate::env::planted::is($bug)
    };
}

/// No bug is planted in this build.
#[cfg(not(plant))]
macro_rules! planted {
    ($bug:literal) => {
        false
    };
}

pub(crate) use planted;
