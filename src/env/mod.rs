//! The outside world behind one seam: files, clock, randomness, threads. No floor above calls the
//! operating system itself, so a simulated world can tear, drop, fail and replay everything.

pub mod clock;
pub mod dir_lock;
pub mod random;
pub mod vfs;

use std::sync::Arc;

use clock::Clock;
use random::Random;
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
