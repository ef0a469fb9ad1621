//! What users gave to be told by, wakers and callbacks, once it is due: run later, at a place
//! where nothing is held.
//!
//! A decision is made deep inside of a commit; what a callback does there (send, wait, flush, drop
//! the producer) could wait for the very thread that runs it. So decisions only put notices in
//! here, and whoever has let go of everything delivers them. The invariant: callbacks of one
//! producer are called one after the other in the order in which they got due; a waker waits for
//! no callback.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use super::delivery::RecordMetadata;
use super::sink::Afterwards;
use crate::env::clock::Clock;
use crate::env::sync::{Condvar, Mutex, thread_local};
use crate::error::Result;

/// What a user wants called with the fate of a record.
pub(super) type Callback = Box<dyn FnOnce(Result<RecordMetadata>) + Send>;

/// A callback and what it is to be told.
pub(super) struct Due {
    pub(super) callback: Callback,
    pub(super) outcome: Result<RecordMetadata>,
}

/// The notices of one producer.
#[derive(Default)]
pub(super) struct Notices {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    wakers: Vec<Waker>,
    callbacks: VecDeque<Due>,
    /// A thread calls callbacks.
    calling: bool,
    /// How many callbacks ever got due, and how many have returned.
    due_count: u64,
    called_count: u64,
}

thread_local! {
    /// How many callbacks this thread is in, one in another.
    static CALLBACK_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether the calling thread is inside of a callback: it must not wait for callbacks to return.
pub(super) fn is_in_callback() -> bool {
    CALLBACK_DEPTH.with(Cell::get) > 0
}

impl Notices {
    /// Notes what is due now.
    pub(super) fn add(
        &self,
        wakers: impl IntoIterator<Item = Waker>,
        callbacks: impl IntoIterator<Item = Due>,
    ) {
        let mut state = self.state.lock();
        state.wakers.extend(wakers);
        let before = state.callbacks.len();
        state.callbacks.extend(callbacks);
        state.due_count += (state.callbacks.len() - before) as u64;
    }

    /// Wakes and calls whatever is due, on this thread; callbacks are left to another thread if
    /// that is calling some already. Called under no lock and from within no commit.
    pub(super) fn deliver(&self) {
        loop {
            let mut state = self.state.lock();
            if let Some(waker) = state.wakers.pop() {
                drop(state);
                undisturbed(|| waker.wake());
                continue;
            }
            if state.calling {
                return;
            }
            let Some(Due { callback, outcome }) = state.callbacks.pop_front() else { return };
            state.calling = true;
            drop(state);
            CALLBACK_DEPTH.with(|depth| depth.set(depth.get() + 1));
            undisturbed(|| callback(outcome));
            CALLBACK_DEPTH.with(|depth| depth.set(depth.get() - 1));
            let mut state = self.state.lock();
            state.calling = false;
            state.called_count += 1;
            drop(state);
            self.called.notify_all();
        }
    }

    /// Waits until every callback that is due now has returned, or until `give_up_at`. Does not
    /// wait inside of a callback.
    pub(super) fn wait_until_called(&self, clock: &dyn Clock, give_up_at: Option<Duration>) {
        self.deliver();
        if is_in_callback() {
            return;
        }
        let mut state = self.state.lock();
        let awaited = state.due_count;
        while state.called_count < awaited {
            match give_up_at {
                None => self.called.wait(&mut state),
                Some(at) => {
                    let now = clock.monotonic();
                    if now >= at {
                        return;
                    }
                    self.called.wait_for(&mut state, at - now);
                }
            }
        }
    }
}

impl Afterwards for Notices {
    fn tell(&self) {
        self.deliver();
    }
}

/// A panic in what a user gave ends with it; the panic hook has reported it.
fn undisturbed(work: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(work));
}
