//! The threads of the scenarios: here those of the model checker. The scenarios run in tests/stress,
//! too, where the same names are those of the operating system.

pub(crate) use shuttle::future::block_on;
pub(crate) use shuttle::sync::{Condvar, Mutex, atomic};
pub(crate) use shuttle::thread::{scope, yield_now};
/// What a scenario writes down. Not scheduled: nobody waits while he holds it.
pub(crate) use std::sync::Mutex as Note;

use shuttle::rand::{RngCore, thread_rng};

/// A call of the disk, which takes no time here: other threads go on anyway.
pub(crate) fn take_time() {}

/// A number that follows from the schedule.
pub(crate) fn draw() -> u64 {
    thread_rng().next_u64()
}
