//! Locks, atomics and the parking of threads, as the rest of the library uses them.
//!
//! One place, so that a model checker of schedules can stand in for all of them: in a build with
//! `--cfg shuttle` they come from `scheduled`, and each call is a place where another thread may
//! go on. Reference counts (`Arc`) are not in here: nobody waits for them. In a build with
//! `--cfg tsan` the locks tell ThreadSanitizer what they order (`announced`).

/// Not to be scheduled, also where a model checker runs: nobody waits while he holds one.
#[cfg_attr(shuttle, allow(dead_code, reason = "most of it is scheduled there"))]
#[cfg_attr(tsan, path = "announced.rs")]
pub(crate) mod locks;
#[cfg_attr(shuttle, path = "scheduled_parking.rs")]
mod parking;
#[cfg(shuttle)]
mod scheduled;

/// Atomic integers and fences.
pub(crate) mod atomic {
    #[cfg(shuttle)]
    pub(crate) use shuttle::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    #[cfg(not(shuttle))]
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// Threads and their parking. New ones are made by [`threads`](crate::env::threads).
pub(crate) mod thread {
    pub(crate) use super::parking::{Thread, current};
    #[cfg(shuttle)]
    pub(crate) use shuttle::thread::{Builder, JoinHandle};
    #[cfg(not(shuttle))]
    pub(crate) use std::thread::{Builder, JoinHandle};
}

#[cfg(tsan)]
pub(crate) use locks::OnceLock;
#[cfg(not(any(shuttle, tsan)))]
pub(crate) use std::sync::OnceLock;
#[cfg(not(shuttle))]
pub(crate) use {
    arc_swap::{ArcSwap, ArcSwapOption},
    locks::{Condvar, Mutex, MutexGuard, RwLock},
    std::hint::spin_loop,
    std::sync::mpsc,
    std::thread_local,
};
#[cfg(shuttle)]
pub(crate) use {
    scheduled::{ArcSwap, ArcSwapOption, Condvar, Mutex, MutexGuard, OnceLock, RwLock},
    shuttle::hint::spin_loop,
    shuttle::sync::mpsc,
    shuttle::thread_local,
};
