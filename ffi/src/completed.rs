//! The completion queue of a producer: the tags of deliveries that are decided, for a program with
//! an event loop.
//!
//! The invariant: the descriptor, if there is one, is readable exactly while a tag waits.

use std::collections::VecDeque;

use crate::entry::Failure;
use crate::event_fd::EventFd;
use crate::lock::Mutex;

/// Tags, oldest first.
#[derive(Default)]
pub(crate) struct Completed {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tags: VecDeque<u64>,
    /// Made when it is first asked for.
    event: Option<EventFd>,
}

impl Completed {
    /// The descriptor that is readable while tags wait.
    pub(crate) fn descriptor(&self) -> Result<i32, Failure> {
        let mut state = self.state.lock();
        if let Some(event) = &state.event {
            return Ok(event.number());
        }
        let event = EventFd::new()?;
        if !state.tags.is_empty() {
            event.signal();
        }
        let number = event.number();
        state.event = Some(event);
        Ok(number)
    }

    /// A delivery with this tag is decided.
    pub(crate) fn push(&self, tag: u64) {
        let mut state = self.state.lock();
        state.tags.push_back(tag);
        if state.tags.len() == 1
            && let Some(event) = &state.event
        {
            event.signal();
        }
    }

    /// Hands the oldest tags to `take`, at most `capacity`; how many those were.
    pub(crate) fn take(&self, capacity: usize, mut take: impl FnMut(usize, u64)) -> usize {
        let mut state = self.state.lock();
        let count = capacity.min(state.tags.len());
        for (index, tag) in state.tags.drain(..count).enumerate() {
            take(index, tag);
        }
        if count > 0
            && state.tags.is_empty()
            && let Some(event) = &state.event
        {
            event.clear();
        }
        count
    }
}
