//! What a sender holds of a record that was sent: to wait for it, to await it, or to be called.
//!
//! The records of one batch share one [`Completion`]; a [`Delivery`] is a reference to it and the
//! record's place in the batch, so that sending allocates nothing per record.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::completion::{Completion, Placed, Stage};
use super::notices::is_in_callback;
use crate::config::acks::Acks;
use crate::error::Result;
use crate::topic::TopicName;

/// The offset of a record that nobody asked to be acknowledged (`acks=0`).
pub const OFFSET_UNKNOWN: i64 = -1;

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The record's offset; -1 with `acks=0`, which does not wait for one.
    pub offset: i64,
    /// The record's timestamp: as sent, or the time of the append if the topic says so.
    pub timestamp: i64,
}

/// A record that was sent and whose fate can be waited for ([`wait`](Delivery::wait)), awaited (it
/// is a [`Future`] and needs no particular runtime), or told to a callback
/// ([`on_completion`](Delivery::on_completion)). Dropping it changes nothing.
///
/// Awaiting it closes the record's batch, as waiting does. The broker's maintenance thread then
/// commits the batch and wakes the task. Without that thread (`BrokerOptions::background(false)`)
/// the first poll commits the batch itself, and blocks while it does.
///
/// ```
/// use ottla::{Broker, Record, Result, TopicConfig};
///
/// async fn order(broker: Broker) -> Result<i64> {
///     let producer = broker.producer().build()?;
///     let written = producer.send(Record::new("orders", "one burger"))?.await?;
///     Ok(written.offset)
/// }
/// # use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Wake}};
/// # struct Unpark(std::thread::Thread);
/// # impl Wake for Unpark { fn wake(self: Arc<Self>) { self.0.unpark() } }
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let waker = Arc::new(Unpark(std::thread::current())).into();
/// #     let mut future = pin!(future);
/// #     loop {
/// #         match future.as_mut().poll(&mut Context::from_waker(&waker)) {
/// #             Poll::Ready(output) => return output,
/// #             Poll::Pending => std::thread::park(),
/// #         }
/// #     }
/// # }
/// # let broker = Broker::in_memory().unwrap();
/// # broker.create_topic("orders", TopicConfig::new()).unwrap();
/// # assert_eq!(block_on(order(broker)).unwrap(), 0);
/// ```
#[must_use = "a record that was not waited for may still fail"]
pub struct Delivery {
    completion: Arc<Completion>,
    timestamp: i64,
    /// The place in the batch, and whether a waker was left with the completion. One word: a value
    /// that is written in parts and moved as a whole makes the processor wait.
    index_and_mark: u64,
}

// One per record: a reference, a timestamp, the place in the batch with a mark.
const _: () = assert!(std::mem::size_of::<Delivery>() == 24);

const IS_WATCHED: u64 = 1 << 32;

impl Delivery {
    #[inline]
    pub(super) fn new(completion: Arc<Completion>, timestamp: i64, index: u32) -> Delivery {
        Delivery { completion, timestamp, index_and_mark: index.into() }
    }

    fn index(&self) -> u32 {
        // Without the mark, which is above.
        self.index_and_mark as u32
    }

    /// Waits until the record has reached the producer's `acks` level, or has failed.
    ///
    /// Whoever waits is in a hurry: the record's batch is closed, whatever `linger.ms` says, and
    /// committed on this thread unless another one is about to. With `acks=0` it returns at once.
    ///
    /// # Durability
    /// `Ok` means what the producer's `acks` says: written to the operating system (1), or synced
    /// (all).
    ///
    /// # Errors
    /// Whatever befell the batch; [`Poisoned`](crate::error::ErrorKind::Poisoned) when a sync
    /// failed and the outcome is unknown.
    pub fn wait(self) -> Result<RecordMetadata> {
        if self.acks() == Acks::None {
            return Ok(self.unacknowledged());
        }
        self.decide_here()
    }

    /// As [`wait`](Delivery::wait), for at most `timeout`, and as often as one likes: `None` if the
    /// record is not decided by then. With a timeout of zero it only sees to it that the record
    /// goes out soon.
    ///
    /// The commit is left to the broker's maintenance thread, for it takes as long as the disk
    /// does. Without that thread (`BrokerOptions::background(false)`), and inside of a callback, it
    /// is done here, and may take longer than the timeout. A timeout beyond all clocks
    /// ([`Duration::MAX`]) is none: then this is [`wait`](Delivery::wait).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let producer = broker.producer().build()?;
    /// let delivery = producer.send(Record::new("orders", "one burger"))?;
    /// while delivery.wait_within(Duration::from_millis(100)).is_none() {
    ///     // Not yet: something else can be done meanwhile.
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// As [`wait`](Delivery::wait).
    ///
    /// # Errors
    /// As [`wait`](Delivery::wait).
    pub fn wait_within(&self, timeout: Duration) -> Option<Result<RecordMetadata>> {
        if let Some(outcome) = self.outcome() {
            return Some(outcome);
        }
        let queue = self.completion.queue();
        let Some(until) = queue.monotonic().checked_add(timeout) else {
            return Some(self.decide_here());
        };
        // Perhaps it is this thread that others leave commits to.
        if is_in_callback() && !timeout.is_zero() {
            return Some(self.decide_here());
        }
        queue.hurry(&self.completion);
        self.completion.wait_until(until);
        queue.outlet().notices.deliver();
        self.outcome()
    }

    /// Sees to it that the record is decided.
    fn decide_here(&self) -> Result<RecordMetadata> {
        let queue = self.completion.queue();
        queue.drive(&self.completion);
        let placed = self.completion.wait_until_done().of_record(self.index());
        queue.outlet().notices.deliver();
        Ok(self.metadata(placed?))
    }

    /// Whether the records of both are in the same batch, and so are decided together.
    pub fn shares_batch_with(&self, other: &Delivery) -> bool {
        Arc::ptr_eq(&self.completion, &other.completion)
    }

    /// Calls `callback` once with the record's fate, as Kafka's `Callback.onCompletion`.
    ///
    /// It runs on whichever thread completes the batch: one that waits or flushes, the maintenance
    /// thread, or this one if the fate is decided already. Callbacks of one producer run one at a
    /// time, those of one partition in the order of its batches and in a batch in the order of
    /// these calls. No lock is held: a callback may send, wait, flush, and drop the producer; it
    /// should not take long, for the others wait for it. If it panics, the others are still called.
    ///
    /// With `acks=0` it runs at once and is told no offset.
    pub fn on_completion(&self, callback: impl FnOnce(Result<RecordMetadata>) + Send + 'static) {
        let callback = Box::new(callback);
        let notices = &self.completion.queue().outlet().notices;
        if self.acks() == Acks::None {
            let outcome = Ok(self.unacknowledged());
            notices.add(None, [super::notices::Due { callback, outcome }]);
        } else {
            self.completion.call(self.index(), self.timestamp, callback);
        }
        if self.is_done() {
            notices.deliver();
        }
    }

    /// The record's fate if it is decided. Never waits.
    pub fn outcome(&self) -> Option<Result<RecordMetadata>> {
        if self.acks() == Acks::None {
            return Some(Ok(self.unacknowledged()));
        }
        let placed = self.completion.outcome()?.of_record(self.index());
        Some(placed.map(|placed| self.metadata(placed)))
    }

    /// Whether the record's fate is decided. Never waits.
    pub fn is_done(&self) -> bool {
        self.acks() == Acks::None || self.completion.stage() == Stage::Done
    }

    fn acks(&self) -> Acks {
        self.completion.queue().acks()
    }

    fn metadata(&self, placed: Placed) -> RecordMetadata {
        self.completion.queue().metadata(placed, self.timestamp)
    }

    fn unacknowledged(&self) -> RecordMetadata {
        self.metadata(Placed { base_offset: OFFSET_UNKNOWN, append_time: None })
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let delivery = self.get_mut();
        if let Some(outcome) = delivery.outcome() {
            return Poll::Ready(outcome);
        }
        // First the waker, then the hurry: what is decided in between wakes.
        if delivery.completion.watch(delivery.index(), context.waker()) {
            delivery.index_and_mark |= IS_WATCHED;
            delivery.completion.queue().hurry(&delivery.completion);
        }
        match delivery.outcome() {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}

impl Drop for Delivery {
    #[inline]
    fn drop(&mut self) {
        if self.index_and_mark & IS_WATCHED != 0 {
            self.completion.unwatch(self.index());
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", self.completion.queue().topic())
            .field("partition", &self.completion.queue().number())
            .field("outcome", &self.outcome())
            .finish()
    }
}
