//! Readers that wait for the end of a partition to move.
//!
//! Publishing costs a fence and one look at a counter while nobody waits. A registration is good
//! for one wake: while a sleeper is on its way, publishing is as cheap as without one. The
//! invariant: whoever registers first and looks at the end afterwards never misses a publish.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::env::sync::{Condvar, Mutex};
use crate::env::user_code;

/// Somebody who waits, maybe for several partitions at once: a thread, or a task.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    state: Mutex<WakeState>,
    condition: Condvar,
}

#[derive(Debug, Default)]
struct WakeState {
    woken: bool,
    /// The task to tell, once.
    waker: Option<Waker>,
    /// It is a task that waits, also when it was told and has not come back yet.
    is_task: bool,
}

impl Wake {
    pub(crate) fn new() -> Arc<Wake> {
        Arc::new(Wake::default())
    }

    /// Wakes the waiter, or lets its next wait return at once. False if it is a task, which may
    /// take its time to come.
    pub(crate) fn wake(&self) -> bool {
        let (waker, is_task) = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.woken, true) {
                return !state.is_task;
            }
            (state.waker.take(), state.is_task)
        };
        self.condition.notify_all();
        if let Some(waker) = waker {
            user_code::run(move || waker.wake());
        }
        !is_task
    }

    /// Waits until woken, at most so long; true if it was woken. Takes the mark back.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        if planted!("mark_cleared_before_waiting") {
            linger();
            self.state.lock().woken = false;
        }
        let mut state = self.state.lock();
        self.condition.wait_while_for(&mut state, |state| !state.woken, timeout);
        std::mem::take(&mut state.woken)
    }

    /// Takes the mark back without waiting, and forgets the task; true if it was set.
    pub(crate) fn take(&self) -> bool {
        // The last handle of a task may go with its waker: not under the lock.
        let WakeState { woken, .. } = {
            let mut state = self.state.lock();
            std::mem::take(&mut *state)
        };
        woken
    }

    /// The task to tell at the next wake, instead of the one before; `false` if that wake came
    /// already, and nobody is told: the mark is taken back.
    #[cfg(feature = "async")]
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.woken) {
            return false;
        }
        state.is_task = true;
        let before = state.waker.replace(waker.clone());
        drop(state);
        drop(before);
        true
    }
}

/// Those who wait for one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    list: Mutex<Vec<Arc<Wake>>>,
}

impl Waiters {
    /// The next publish wakes `wake`. Look at the end after this, not before.
    pub(crate) fn register(&self, wake: &Arc<Wake>) {
        let mut list = self.list.lock();
        list.push(Arc::clone(wake));
        self.count.store(list.len(), Ordering::SeqCst);
        // Pairs with the fence in `wake_all`: either the publisher sees this count, or the look
        // at the end that follows sees what was published.
        fence(Ordering::SeqCst);
    }

    /// Takes back one registration, if no publish used it up.
    pub(crate) fn deregister(&self, wake: &Arc<Wake>) {
        let mut list = self.list.lock();
        if let Some(index) = list.iter().position(|other| Arc::ptr_eq(other, wake)) {
            list.swap_remove(index);
        }
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Wakes all; called after the new end was stored.
    #[inline]
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) != 0 {
            self.wake_registered();
        }
    }

    #[cold]
    fn wake_registered(&self) {
        let registered = {
            let mut list = self.list.lock();
            self.count.store(0, Ordering::SeqCst);
            std::mem::take(&mut *list)
        };
        for wake in registered {
            wake.wake();
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let (waiters, wake) = (Waiters::default(), Wake::new());
        waiters.wake_all();
        assert!(!wake.wait(Duration::ZERO));
        waiters.register(&wake);
        waiters.wake_all();
        assert!(wake.wait(Duration::ZERO));
        assert!(!wake.wait(Duration::ZERO));
        waiters.register(&wake);
        waiters.deregister(&wake);
        waiters.wake_all();
        assert!(!wake.take());
    }

    #[test]
    fn a_registration_is_good_for_one_wake() {
        let (waiters, wake) = (Waiters::default(), Wake::new());
        waiters.register(&wake);
        waiters.wake_all();
        assert_eq!(waiters.count.load(Ordering::SeqCst), 0);
        assert!(wake.take());
        waiters.wake_all();
        assert!(!wake.take());
        waiters.deregister(&wake);
    }
}
