//! Bugs that are planted on purpose, to see the simulation find them; docs/TESTING.md has the
//! list. They exist only in a build with `--cfg plant`, which holds all of them; at most one is
//! awake at a time. In every other build `planted!` is the constant `false`.

#[cfg(plant)]
use super::sync::locks::RwLock;

#[cfg(plant)]
static AWAKE: RwLock<&str> = RwLock::new("");

/// Wakes the bug of this name, and puts the one before to sleep.
#[cfg(plant)]
pub fn wake(bug: &'static str) {
    *AWAKE.write() = bug;
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
