//! Work that calls functions of the program, on whatever thread: when what it belongs to is freed,
//! the program takes away what its functions use.
//!
//! The invariant: once [`end`](Elsewhere::end) has returned, none runs on another thread, and none
//! begins.

use crate::lock::{Condvar, Mutex};

thread_local! {
    static HERE: u8 = const { 0 };
}

/// Tells a thread from all others that live: the place of something that is its own. Unlike the id
/// of a thread it is there until the last destructor of the thread has run.
pub(crate) fn this_thread() -> usize {
    HERE.with(|here| std::ptr::from_ref(here) as usize)
}

/// Work of which some may be under way now.
#[derive(Default)]
pub(crate) struct Elsewhere {
    state: Mutex<Running>,
    left: Condvar,
}

#[derive(Default)]
struct Running {
    has_ended: bool,
    threads: Vec<usize>,
}

impl Elsewhere {
    /// Does `work`, unless this has ended.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let this_thread = this_thread();
        {
            let mut state = self.state.lock();
            if state.has_ended {
                return None;
            }
            state.threads.push(this_thread);
        }
        let _left = Left(self, this_thread);
        Some(work())
    }

    /// From now on none begins; returns when those of other threads have ended.
    pub(crate) fn end(&self) {
        let this_thread = this_thread();
        let mut state = self.state.lock();
        state.has_ended = true;
        // A function that frees what it is called for cannot wait for itself.
        while state.threads.iter().any(|thread| *thread != this_thread) {
            state = self.left.wait(state);
        }
    }
}

/// Work on this thread, until it is done.
struct Left<'a>(&'a Elsewhere, usize);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if let Some(at) = state.threads.iter().position(|thread| *thread == self.1) {
            state.threads.swap_remove(at);
        }
        self.0.left.notify_all();
    }
}
