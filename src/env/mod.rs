//! The outside world behind one seam: files, clock, randomness, threads. No floor above calls the
//! operating system itself, so a simulated world can tear, drop, fail and replay everything.

pub mod clock;
pub mod dir_lock;
pub mod memory;
mod path;
pub mod poison;
pub mod random;
pub mod replace_file;
pub mod threads;
pub mod vfs;
#[cfg(test)]
mod vfs_tests;

use std::sync::Arc;

use clock::{Clock, SystemClock};
use memory::MemoryVfs;
use random::{Random, SystemRandom};
use vfs::Vfs;

/// Everything outside that a broker may touch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// The data directory.
    pub vfs: Arc<dyn Vfs>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
}

impl Env {
    /// A new, empty directory in memory, with the system's clocks and randomness.
    pub fn memory() -> Env {
        Env::over(Arc::new(MemoryVfs::default()))
    }

    /// Any directory, with the system's clocks and randomness.
    pub fn over(vfs: Arc<dyn Vfs>) -> Env {
        Env { vfs, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }
}
