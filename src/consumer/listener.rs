//! Telling the program which partitions come and go.
//!
//! A listener gets the consumer itself, and may do anything with it: most calls work, those that
//! would change the partitions in the middle of a change are errors. It may even put another
//! consumer in the place of its own, or panic. The invariant: whatever it does, the partitions of
//! a revocation are released afterwards, so no other member waits for it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::Consumer;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicPartition;

/// Is told when the partitions of a subscribed consumer change: within its own `poll`,
/// `unsubscribe` and `close`, on the thread that calls them.
///
/// The consumer can be used meanwhile: to commit, to ask for positions, to seek, to pause. To
/// poll, subscribe or assign within a listener is an error.
///
/// ```
/// use std::time::Duration;
///
/// use ottla::{Broker, Consumer, RebalanceListener, TopicConfig, TopicPartition};
///
/// /// Commits before partitions go.
/// struct Committing;
///
/// impl RebalanceListener for Committing {
///     fn on_partitions_revoked(&mut self, consumer: &mut Consumer, _: &[TopicPartition]) {
///         if let Err(error) = consumer.commit() {
///             eprintln!("what was read last will be read again: {error}");
///         }
///     }
///
///     fn on_partitions_assigned(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
///         println!("mine from now on: {partitions:?}");
///     }
/// }
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("orders", TopicConfig::new().partitions(4))?;
/// let builder = broker.consumer().group("kitchen").subscribe(["orders"]);
/// let mut consumer = builder.listener(Committing).build()?;
/// consumer.poll(Duration::ZERO)?;
/// assert_eq!(consumer.assignment().len(), 4);
/// consumer.close()?;
/// # Ok(())
/// # }
/// ```
pub trait RebalanceListener: Send {
    /// These partitions go to another member as soon as this returns; until then the consumer may
    /// commit offsets of them.
    fn on_partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]);

    /// These partitions are new. Their positions are known already, and may be changed.
    fn on_partitions_assigned(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]);

    /// These partitions are gone without having been revoked: their topic was deleted, or the
    /// member was evicted or replaced. Nothing of them can be committed any more. Does what
    /// `on_partitions_revoked` does, unless it is implemented.
    fn on_partitions_lost(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.on_partitions_revoked(consumer, partitions);
    }
}

/// What happened to partitions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Assigned,
    Revoked,
    Lost,
}

/// A consumer's listener. It stays where it is when the consumer is moved, so that it finds its
/// place again after a call in which the consumer went elsewhere.
#[derive(Default)]
pub(super) struct ListenerCell {
    listener: Mutex<Option<Box<dyn RebalanceListener>>>,
    is_called: AtomicBool,
}

impl ListenerCell {
    pub(super) fn of(listener: Option<Box<dyn RebalanceListener>>) -> Arc<ListenerCell> {
        let listener = Mutex::new(listener);
        Arc::new(ListenerCell { listener, is_called: AtomicBool::new(false) })
    }

    /// Whether a call is going on.
    #[inline]
    pub(super) fn is_called(&self) -> bool {
        self.is_called.load(Ordering::Relaxed)
    }
}

/// How a call of the listener ended.
#[must_use = "a panic has to be passed on"]
pub(super) struct Told {
    panic: Option<Box<dyn Any + Send>>,
    is_replaced: bool,
}

impl Told {
    /// Whether the consumer is another one now: what was begun is not to be ended with it.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced
    }

    /// Goes on with a panic of the listener.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the consumer is another one now.
    pub(super) fn pass_on(self) -> Result<()> {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
        if self.is_replaced {
            let message = "a rebalance listener put another consumer in the place of its own";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }
}

impl Consumer {
    /// Calls the listener, if there is one and something happened. The time that it takes is no
    /// time within a poll.
    pub(super) fn tell(&mut self, event: Event, partitions: &[TopicPartition]) -> Told {
        let cell = Arc::clone(&self.listener);
        let listener = match partitions {
            [] => None,
            _ => cell.listener.lock().take(),
        };
        let Some(mut listener) = listener else { return Told { panic: None, is_replaced: false } };
        cell.is_called.store(true, Ordering::Relaxed);
        self.pause_poll();
        let called = catch_unwind(AssertUnwindSafe(|| match event {
            Event::Assigned => listener.on_partitions_assigned(self, partitions),
            Event::Revoked => listener.on_partitions_revoked(self, partitions),
            Event::Lost => listener.on_partitions_lost(self, partitions),
        }));
        cell.is_called.store(false, Ordering::Relaxed);
        *cell.listener.lock() = Some(listener);
        let is_replaced = !Arc::ptr_eq(&cell, &self.listener);
        if !is_replaced && called.is_ok() {
            self.resume_poll();
        }
        Told { panic: called.err(), is_replaced }
    }

    /// # Errors
    /// [`ErrorKind::InvalidInput`] while the listener is being called.
    #[inline]
    pub(super) fn check_not_in_listener(&self, what: &str) -> Result<()> {
        if self.listener.is_called() {
            let message = format!("{what} was called within a rebalance listener: do it later");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }
}
