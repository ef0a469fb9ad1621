//! The outside world behind one seam: files, clock, randomness, threads. No floor above calls the
//! operating system itself, so a simulated world can tear, drop, fail and replay everything.

pub(crate) mod block;
pub mod clock;
pub mod dir_lock;
pub mod disk;
mod disk_lock;
mod map;
pub mod memory;
mod ofd_lock;
pub mod overlay;
mod overlay_file;
mod path;
pub mod planted;
pub mod poison;
pub mod random;
pub mod replace_file;
mod signals;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub(crate) mod sync;
pub mod threads;
mod tree;
pub(crate) mod user_code;
pub mod vfs;
#[cfg(test)]
mod vfs_tests;

use std::path::Path;
use std::sync::Arc;

use clock::{Clock, SystemClock};
use disk::DiskVfs;
use memory::MemoryVfs;
use random::{Random, SystemRandom};
use vfs::Vfs;

use crate::error::Result;

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
    /// A directory on the disk; it is made if `create` says so. The directory is not locked yet.
    ///
    /// # Errors
    /// It cannot be opened or made.
    pub fn disk(path: impl AsRef<Path>, create: bool) -> Result<Env> {
        Ok(Env::over(Arc::new(DiskVfs::open(path.as_ref(), create)?)))
    }

    /// A new, empty directory in memory, with the system's clocks and randomness.
    pub fn memory() -> Env {
        Env::over(Arc::new(MemoryVfs::default()))
    }

    /// Any directory, with the system's clocks and randomness.
    pub fn over(vfs: Arc<dyn Vfs>) -> Env {
        Env { vfs, clock: Arc::new(SystemClock), random: Arc::new(SystemRandom) }
    }
}
