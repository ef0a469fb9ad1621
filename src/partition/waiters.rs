//! Readers that wait for the end of a partition to move.
//!
//! Publishing costs a fence and one look at a counter while nobody waits. The invariant: whoever
//! registers first and looks at the end afterwards never misses a publish.

use std::sync::Arc;
use std::time::Duration;

use crate::env::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::env::sync::{Condvar, Mutex};

/// Somebody who waits, maybe for several partitions at once.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    woken: Mutex<bool>,
    condition: Condvar,
}

impl Wake {
    pub(crate) fn new() -> Arc<Wake> {
        Arc::new(Wake::default())
    }

    /// Wakes the waiter, or lets its next wait return at once.
    pub(crate) fn wake(&self) {
        *self.woken.lock() = true;
        self.condition.notify_all();
    }

    /// Waits until woken, at most so long; true if it was woken. Takes the mark back.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let mut woken = self.woken.lock();
        self.condition.wait_while_for(&mut woken, |woken| !*woken, timeout);
        std::mem::take(&mut woken)
    }

    /// Takes the mark back without waiting; true if it was set.
    pub(crate) fn take(&self) -> bool {
        std::mem::take(&mut self.woken.lock())
    }
}

/// Those who wait for one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    list: Mutex<Vec<Arc<Wake>>>,
}

impl Waiters {
    /// From now on every publish wakes `wake`. Look at the end after this, not before.
    pub(crate) fn register(&self, wake: &Arc<Wake>) {
        let mut list = self.list.lock();
        list.push(Arc::clone(wake));
        self.count.store(list.len(), Ordering::SeqCst);
        // Pairs with the fence in `wake_all`: either the publisher sees this count, or the look
        // at the end that follows sees what was published.
        fence(Ordering::SeqCst);
    }

    /// Takes back one registration.
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
        for wake in self.list.lock().iter() {
            wake.wake();
        }
    }
}

#[cfg(test)]
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
        waiters.deregister(&wake);
        waiters.wake_all();
        assert!(!wake.take());
    }
}
