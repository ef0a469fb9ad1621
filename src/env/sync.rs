//! Locks, atomics and the parking of threads, as the rest of the library uses them.
//!
//! One place, so that a model checker of schedules can stand in for all of them. Plain values that
//! are set once (`OnceLock`) and reference counts (`Arc`) are not in here: nobody waits for them.

/// Atomic integers and fences.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
