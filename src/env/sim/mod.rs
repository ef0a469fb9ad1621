//! The simulated world: a disk that crashes and fails, a clock that stands still, randomness from
//! a seed. For tests only.
//!
//! # Fault model
//! The disk promises what the seam promises ([`vfs`](crate::env::vfs)), and not a bit more:
//!
//! - *Power loss.* Of everything that was not synced, any part may be lost: of each write any
//!   subset of its 512-byte sectors; of a file's growth any part, with or without the data (then
//!   zeros); of a cut all or nothing; of the changes of names (make, remove, rename) any set that
//!   contains, with each change, the earlier ones of the same name. What was synced stays.
//! - A sync of a file covers what was written *through the same handle*, and no name. A sync of a
//!   directory covers the names in it, and nothing below.
//! - Within a sector bytes are never mixed up by the crash itself; an overwritten sector holds the
//!   old bytes, the new ones, or those of several writes laid over each other in order.
//! - *Death of the process.* Everything that was written is still seen, the last write perhaps cut
//!   short at any byte. Nothing became durable by it: a power loss may follow.
//! - *Failed sync.* Its pages are clean from then on, and not durable: no later sync covers them.
//!   The page cache keeps the new bytes, or shows the old ones again.
//! - *Failing calls.* Any call may fail with any error, once or from then on; reads and writes may
//!   be short; the disk may fill up at any byte; handles may run out.
//! - *A disk that errs.* A write may land at another position or nowhere, a read may return a
//!   flipped bit, stored bytes may rot. And, to see a test go red, a sync may lie.
//!
//! Not modelled: bytes of other files shining through in new blocks (all supported file systems
//! prevent it), and a disk that loses what it said was synced.
//!
//! # How to use it
//! Run a workload on a [`SimEnv`], noting every ack in [`Acked`]. Then let an [`Explorer`] crash the
//! recording at every position in many ways, and open each state with the code under test:
//! whatever was acked before the crash must be there.
//!
//! ```
//! use ottla::env::replace_file::replace_file;
//! use ottla::env::sim::{Acked, Explorer, SimEnv};
//! use ottla::env::vfs::OpenHow;
//!
//! let world = SimEnv::new(1);
//! let env = world.env();
//! let mut acked = Acked::default();
//! for content in ["one", "second"] {
//!     replace_file(&*env.vfs, "ottla.control", content.as_bytes())?;
//!     acked.note(&world.disk, content.len() as u64);
//! }
//!
//! let explored = Explorer::new(ottla::env::sim::seed()).run(&world.disk.recording(), |crash| {
//!     let file = crash.env().vfs.open("ottla.control", OpenHow::Read);
//!     let length = file.and_then(|file| file.len()).unwrap_or(0);
//!     match acked.at(crash).last() {
//!         Some(acked) if length < *acked => Err(format!("{length} bytes after an ack of {acked}")),
//!         _ => Ok(()),
//!     }
//! });
//! assert!(explored.expect("no state breaks the promise").executed > 10);
//! # Ok::<(), ottla::error::Error>(())
//! ```
//!
//! To try failing calls, let a [`FaultMatrix`] run the workload once for every call and every way
//! in which it can fail, and explore some of those recordings too: crashes after an error are
//! where the rare bugs are.

mod acked;
mod choices;
mod content;
mod crash_disk;
mod crash_file;
mod explorer;
mod fault_matrix;
mod faults;
mod image;
mod known;
mod live;
mod operation;
mod power_loss;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use acked::Acked;
pub use choices::Choices;
pub use crash_disk::SimDisk;
pub use explorer::{CrashState, Explored, Explorer, Failure};
pub use fault_matrix::FaultMatrix;
pub use faults::{Call, Effect, Fault, MadeCall};
pub use known::Known;
pub use operation::{CacheAfterFailedSync, Recording};

use super::Env;
use super::clock::SimClock;
use super::random::{Random, SeededRandom, SystemRandom};

/// A simulated world. Cheap to clone; clones are the same world.
#[derive(Clone, Debug)]
pub struct SimEnv {
    /// The disk, empty at first.
    pub disk: SimDisk,
    /// The clock; it stands still until advanced.
    pub clock: Arc<SimClock>,
    /// The randomness that the code under test gets.
    pub random: Arc<SeededRandom>,
}

impl SimEnv {
    /// A world with an empty disk.
    pub fn new(seed: u64) -> SimEnv {
        let clock = Arc::new(SimClock::default());
        SimEnv {
            disk: SimDisk::new(Arc::clone(&clock)),
            clock,
            random: SeededRandom::new(seed).into(),
        }
    }

    /// What the code under test is given.
    pub fn env(&self) -> Env {
        Env {
            vfs: Arc::new(self.disk.clone()),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }

    /// The same world with another disk, usually one that a crash left.
    #[must_use]
    pub fn with_disk(&self, disk: SimDisk) -> SimEnv {
        SimEnv { disk, ..self.clone() }
    }
}

/// The seed of a random test: `OTTLA_SEED` if it is set, else a new one. Prints it, so that a run
/// that fails can be repeated.
#[expect(clippy::print_stdout, reason = "a failing test must say how to repeat it")]
pub fn seed() -> u64 {
    let given = std::env::var("OTTLA_SEED").ok().and_then(|text| text.trim().parse().ok());
    let seed = given.unwrap_or_else(|| SystemRandom.next_u64() >> 16);
    println!("OTTLA_SEED={seed}");
    seed
}
