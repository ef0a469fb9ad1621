//! The producer: records in, batches out, one after the other per partition.
//!
//! `send` copies a record into the open batch of its partition ([`queue`](self)); a batch is
//! closed by its size, by `linger.ms`, by a flush, or by a waiter who has nobody to wait for, and
//! goes to the [`Sink`](sink::Sink). The fate of a record is its [`Delivery`]. Who writes batches,
//! and when, is the sink's matter; which topics there are is the matter of
//! [`Topics`](crate::catalog::topic_handle::Topics).

pub(crate) mod accumulator;
pub(crate) mod builder;
pub(crate) mod chooser;
mod completion;
pub(crate) mod delivery;
mod drive;
mod hand_over;
pub(crate) mod identity;
mod memory;
pub(crate) mod metrics;
mod notices;
mod numbering;
mod outlet;
pub(crate) mod partitioner;
mod queue;
pub(crate) mod ratio;
pub(crate) mod record;
pub(crate) mod settings;
pub(crate) mod sink;
#[cfg(test)]
mod tests;
mod ticket;
mod topic_queues;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use accumulator::Accumulator;
use delivery::{Delivery, RecordMetadata};
use metrics::ProducerMetrics;
use record::Record;

use crate::error::Result;

/// How long a dropped producer tries to write what it holds.
const DROP_FLUSH_MAX: Duration = Duration::from_secs(30);

/// Sends records. Shared by any number of threads; see [`ProducerBuilder`](builder::ProducerBuilder).
///
/// Dropping it flushes, for at most 30 seconds, and then fails what is left.
pub struct Producer {
    accumulator: Arc<Accumulator>,
    /// Let go of after the drop has flushed.
    _keeps_open: Arc<dyn Any + Send + Sync>,
}

impl Producer {
    /// Copies a record into its partition's batch. Waits, up to `max.block.ms`, while the
    /// producer's memory is full.
    ///
    /// # Durability
    /// None yet: see [`Delivery::wait`] and [`flush`](Producer::flush).
    ///
    /// # Errors
    /// An unknown topic or partition, a record over a limit, a timestamp that the topic refuses,
    /// [`BufferFull`](crate::error::ErrorKind::BufferFull), or
    /// [`Closed`](crate::error::ErrorKind::Closed). The record was not taken then.
    #[expect(clippy::needless_pass_by_value, reason = "a record is made for the call")]
    pub fn send(&self, record: Record<'_>) -> Result<Delivery> {
        self.accumulator.send(&record, true)
    }

    /// As [`send`](Producer::send), but never waits for memory.
    ///
    /// # Errors
    /// As [`send`](Producer::send); [`BufferFull`](crate::error::ErrorKind::BufferFull) at once.
    #[expect(clippy::needless_pass_by_value, reason = "a record is made for the call")]
    pub fn try_send(&self, record: Record<'_>) -> Result<Delivery> {
        self.accumulator.send(&record, false)
    }

    /// As [`send`](Producer::send); `callback` is called with the record's fate, on the terms of
    /// [`Delivery::on_completion`].
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let producer = broker.producer().build()?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// for order in ["one burger", "two burgers"] {
    ///     let sender = sender.clone();
    ///     producer.send_with_callback(Record::new("orders", order), move |outcome| {
    ///         let _ = sender.send(outcome);
    ///     })?;
    /// }
    /// producer.flush()?; // and all callbacks have returned
    /// assert_eq!(receiver.recv().unwrap()?.offset, 0);
    /// assert_eq!(receiver.recv().unwrap()?.offset, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Producer::send); the callback is not called then.
    pub fn send_with_callback(
        &self,
        record: Record<'_>,
        callback: impl FnOnce(Result<RecordMetadata>) + Send + 'static,
    ) -> Result<()> {
        self.send(record)?.on_completion(callback);
        Ok(())
    }

    /// Closes all open batches, and returns when all that was sent before is decided and the
    /// callbacks for it have returned. Inside of a callback it does not wait for callbacks.
    ///
    /// # Durability
    /// On `Ok`, every record sent before has reached the producer's `acks` level, or its delivery
    /// failed before this call.
    ///
    /// # Errors
    /// The first error of the batches that were waited for.
    pub fn flush(&self) -> Result<()> {
        self.accumulator.flush()
    }

    /// Flushes and takes no more records, from whatever thread: sends that wait for memory fail
    /// with [`Closed`](crate::error::ErrorKind::Closed). A second close waits for the first.
    ///
    /// # Errors
    /// As [`flush`](Producer::flush).
    pub fn close(&self) -> Result<()> {
        self.accumulator.close(Duration::MAX)
    }

    /// Flushes for at most `within` and takes no more records. What is undecided then fails.
    /// (Without the broker's maintenance thread a commit that has begun is not given up.)
    ///
    /// # Errors
    /// As [`flush`](Producer::flush); [`Closed`](crate::error::ErrorKind::Closed) if the time was
    /// up.
    pub fn close_within(&self, within: Duration) -> Result<()> {
        self.accumulator.close(within)
    }

    /// What the producer has done so far.
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let producer = broker.producer().build()?;
    /// for _ in 0..10 {
    ///     drop(producer.send(Record::new("orders", "one burger"))?);
    /// }
    /// producer.flush()?;
    /// let metrics = producer.metrics();
    /// assert_eq!((metrics.records, metrics.batches), (10, 1));
    /// assert_eq!(metrics.records_per_batch(), 10.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn metrics(&self) -> ProducerMetrics {
        self.accumulator.metrics()
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Whoever wants to know waits for the deliveries, or closes.
        let _ = self.accumulator.close(DROP_FLUSH_MAX);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}
