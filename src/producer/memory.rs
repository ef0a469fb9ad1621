//! The bounded memory of a producer: what its batches may hold between `send` and their decision.
//!
//! Counts bytes, owns none. The count never exceeds the limit, but for one batch that alone is
//! larger than it, which may enter when nothing else is held. Whoever waits is served in the order
//! of arrival: nobody who comes later takes what the first one waits for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::env::sync::{Condvar, Mutex};

/// `buffer.memory`, as a count of bytes in use.
#[derive(Debug)]
pub(super) struct Memory {
    limit_bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used_bytes: usize,
    /// The numbers of those who wait, in the order of their arrival.
    waiting: VecDeque<u64>,
    next_number: u64,
    /// Nobody is to wait any more.
    shut: bool,
}

impl State {
    fn take(&mut self, bytes: usize, limit_bytes: usize) -> bool {
        let wanted = self.used_bytes.saturating_add(bytes);
        let fits = self.used_bytes == 0 || wanted <= limit_bytes;
        if fits {
            self.used_bytes = wanted;
        }
        fits
    }
}

impl Memory {
    pub(super) fn new(limit_bytes: usize) -> Memory {
        Memory { limit_bytes, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes `bytes` if they are free and nobody waits for some.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let mut state = self.state.lock();
        state.waiting.is_empty() && state.take(bytes, self.limit_bytes)
    }

    /// Gives `bytes` back and wakes those who wait for some.
    pub(super) fn give_back(&self, bytes: usize) {
        let mut state = self.state.lock();
        let used = state.used_bytes;
        debug_assert!(used >= bytes, "{bytes} bytes given back of {used}");
        state.used_bytes = used.saturating_sub(bytes);
        let is_awaited = !state.waiting.is_empty();
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    /// A place behind all who wait already.
    pub(super) fn queue_up(&self) -> Turn<'_> {
        let mut state = self.state.lock();
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(number);
        Turn { memory: self, number }
    }

    /// Wakes all who wait, for ever.
    pub(super) fn shut(&self) {
        self.state.lock().shut = true;
        self.changed.notify_all();
    }

    pub(super) fn is_shut(&self) -> bool {
        self.state.lock().shut
    }

    /// The bytes in use.
    pub(super) fn used_bytes(&self) -> usize {
        self.state.lock().used_bytes
    }

    /// How many wait.
    pub(super) fn waiting_count(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

/// A place among those who wait for memory; given up when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    memory: &'a Memory,
    number: u64,
}

impl Turn<'_> {
    /// Takes `bytes` if it is this one's turn and they are free.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let mut state = self.memory.state.lock();
        state.waiting.front() == Some(&self.number) && state.take(bytes, self.memory.limit_bytes)
    }

    /// Waits until something may have changed, or `at_most` has passed.
    pub(super) fn wait(&self, bytes: usize, at_most: Duration) {
        let memory = self.memory;
        let mut state = memory.state.lock();
        let wanted = state.used_bytes.saturating_add(bytes);
        let fits = state.used_bytes == 0 || wanted <= memory.limit_bytes;
        let is_first = state.waiting.front() == Some(&self.number);
        if !(state.shut || is_first && fits) {
            memory.changed.wait_for(&mut state, at_most);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.memory.state.lock();
        state.waiting.retain(|number| *number != self.number);
        let is_awaited = !state.waiting.is_empty();
        drop(state);
        if is_awaited {
            self.memory.changed.notify_all();
        }
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

    #[test]
    fn whoever_waits_is_served_in_the_order_of_arrival() {
        let memory = Memory::new(100);
        assert!(memory.try_take(90));
        let first = memory.queue_up();
        let second = memory.queue_up();
        assert!(!first.try_take(50));
        assert!(!second.try_take(10), "what fits must not pass by the first");
        assert!(!memory.try_take(10));
        memory.give_back(40);
        assert!(first.try_take(50));
        assert!(!second.try_take(10), "the first still holds its place");
        drop(first);
        assert!(!second.try_take(10));
        memory.give_back(50);
        assert!(second.try_take(10));
        drop(second);
        assert_eq!(memory.waiting_count(), 0);
        assert!(memory.try_take(1));
    }
}
