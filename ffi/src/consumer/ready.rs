//! A descriptor that is readable while a poll has something to do, for event loops.
//!
//! The invariant: when a call of the consumer has returned, the descriptor is readable, or the
//! library will make it so as soon as a poll may find something.

use std::sync::Arc;
use std::task::{Wake, Waker};

use ottla::Consumer;

use super::{ottla_consumer, with_used};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::event_fd::EventFd;
use crate::pointer::place;
use crate::status::ottla_status;

/// The descriptor of one consumer.
pub(super) struct Ready {
    event: EventFd,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.event.signal();
    }
}

impl Ready {
    fn new() -> Result<Arc<Ready>, Failure> {
        Ok(Arc::new(Ready { event: EventFd::new()? }))
    }

    /// Makes the descriptor say what the consumer says: after each call that may change it.
    pub(super) fn follow(self: &Arc<Self>, consumer: &mut Consumer) {
        // Cleared first: the library may ring from the moment on at which it is asked.
        self.event.clear();
        if consumer.wake_when_ready(&Waker::from(Arc::clone(self))) {
            self.event.signal();
        }
    }

    /// There is something to hear: the consumer was closed.
    pub(super) fn set(&self) {
        self.event.signal();
    }
}

/// Sets `*fd` to a descriptor for select, poll, epoll and the loops built on them. It is readable
/// while ottla_consumer_poll has something to do: records to return, a rebalance to come to, the
/// outcome of a commit to tell, an error, a wakeup, the end of the broker or of the consumer. Poll
/// then with a timeout of 0, as often as it stays readable. What needs a timer is done by polls
/// only: automatic commits; and from now on nothing waits for fetch.min.bytes. A member of a group
/// counts as polling while it is not readable.
///
/// Do not read, write or close it. To ask again gives the same descriptor.
///
/// Ownership: `*fd` is the consumer's, and closed by ottla_consumer_free: take it out of the loop
/// before.
/// Threads: one at a time; others may wait for the descriptor meanwhile.
/// Returns: OTTLA_E_IO if there are no descriptors left; OTTLA_E_CLOSED; OTTLA_E_INVALID_INPUT within
/// a rebalance callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_fd(
    consumer: *mut ottla_consumer,
    fd: *mut i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(fd, "fd") }?;
        let number = with_used(consumer, "ottla_consumer_fd", |used| {
            let ready = match &used.ready {
                Some(ready) => Arc::clone(ready),
                None => Ready::new()?,
            };
            used.ready = Some(Arc::clone(&ready));
            Ok(ready.event.number())
        })?;
        place.write(number);
        Ok(())
    })
}
