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
