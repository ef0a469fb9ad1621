//! Ending the wait of a poll from another thread.
//!
//! The invariant: a call ends one wait, the one that goes on or the next one, and no record is lost
//! with it.

use std::sync::Arc;

use super::Consumer;
use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::partition::waiters::Wake;

/// Lets polls of a consumer return early, from any thread. See [`Consumer::wakeup`].
#[derive(Clone, Debug)]
pub struct ConsumerWakeup {
    wake: Arc<Wake>,
    is_called: Arc<AtomicBool>,
}

impl ConsumerWakeup {
    pub(super) fn of(wake: &Arc<Wake>) -> ConsumerWakeup {
        ConsumerWakeup { wake: Arc::clone(wake), is_called: Arc::default() }
    }

    /// Lets the [`poll`](Consumer::poll) that waits return at once, without records; if none does,
    /// the next one that would wait. Several calls before that are as one. Kafka's `wakeup`, without
    /// its exception. A poll that is awaited, or one of an iterator, goes on waiting.
    pub fn wakeup(&self) {
        if planted!("woken_before_the_call") {
            self.wake.wake();
            linger();
            return self.is_called.store(true, Ordering::SeqCst);
        }
        self.is_called.store(true, Ordering::SeqCst);
        self.wake.wake();
    }

    /// Whether somebody called, and no poll returned for it yet.
    #[inline]
    pub(super) fn is_called(&self) -> bool {
        self.is_called.load(Ordering::SeqCst)
    }

    /// The same; the call is answered.
    #[inline]
    pub(super) fn take(&self) -> bool {
        self.is_called() && self.is_called.swap(false, Ordering::SeqCst)
    }
}

impl Consumer {
    /// What another thread lets a poll return early with: because there is something else to do, or
    /// to end a loop around polls.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = ottla::Broker::in_memory()?;
    /// broker.create_topic("orders", ottla::TopicConfig::new())?;
    /// let mut consumer = broker.consumer().assign([("orders", 0)]).build()?;
    /// let wakeup = consumer.wakeup();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| wakeup.wakeup());
    ///     assert!(consumer.poll(Duration::MAX).is_ok_and(|records| records.is_empty()));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn wakeup(&self) -> ConsumerWakeup {
        self.wakeup.clone()
    }
}
