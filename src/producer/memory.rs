//! The bounded memory of a producer: what its batches may hold between `send` and their decision.
//!
//! Counts bytes, owns none. The count never exceeds the limit, but for one batch that alone is
//! larger than it, which may enter when nothing else is held.

use std::time::Duration;

use crate::env::sync::{Condvar, Mutex};

/// `buffer.memory`, as a count of bytes in use.
#[derive(Debug)]
pub(super) struct Memory {
    limit_bytes: usize,
    used_bytes: Mutex<usize>,
    released: Condvar,
}

impl Memory {
    pub(super) fn new(limit_bytes: usize) -> Memory {
        Memory { limit_bytes, used_bytes: Mutex::new(0), released: Condvar::new() }
    }

    /// Takes `bytes` if they are free.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let mut used = self.used_bytes.lock();
        let wanted = used.saturating_add(bytes);
        if *used == 0 || wanted <= self.limit_bytes {
            *used = wanted;
            return true;
        }
        false
    }

    /// Gives `bytes` back and wakes those who wait for some.
    pub(super) fn give_back(&self, bytes: usize) {
        let mut used = self.used_bytes.lock();
        debug_assert!(*used >= bytes, "{bytes} bytes given back of {used}");
        *used = used.saturating_sub(bytes);
        drop(used);
        self.released.notify_all();
    }

    /// Waits until some bytes were given back or `at_most` has passed, unless `bytes` are free.
    pub(super) fn wait_for_release(&self, bytes: usize, at_most: Duration) {
        let mut used = self.used_bytes.lock();
        if *used != 0 && used.saturating_add(bytes) > self.limit_bytes {
            self.released.wait_for(&mut used, at_most);
        }
    }

    /// The bytes in use.
    pub(super) fn used_bytes(&self) -> usize {
        *self.used_bytes.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_a_single_large_batch_still_enters() {
        let memory = Memory::new(100);
        assert!(memory.try_take(60));
        assert!(memory.try_take(40));
        assert!(!memory.try_take(1));
        memory.give_back(60);
        assert!(!memory.try_take(61));
        assert!(memory.try_take(60));
        memory.give_back(100);
        assert!(memory.try_take(1000), "alone it may be larger than the limit");
        assert!(!memory.try_take(1));
        memory.give_back(1000);
        assert_eq!(memory.used_bytes(), 0);
    }
}
