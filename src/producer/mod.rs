//! The producer: records in, batches out, one after the other per partition.
//!
//! `send` copies a record into the open batch of its partition ([`queue`](self)); a batch is
//! closed by its size, by `linger.ms`, by a flush, or by a waiter who has nobody to wait for, and
//! goes to the [`Sink`](sink::Sink). The fate of a record is its [`Delivery`]. Who writes batches,
//! and when, is the sink's matter; which topics there are is the matter of
//! [`Topics`](crate::catalog::topic_handle::Topics).

pub(crate) mod accumulator;
pub(crate) mod builder;
pub(crate) mod delivery;
pub(crate) mod identity;
mod memory;
mod outlet;
pub(crate) mod partitioner;
mod queue;
pub(crate) mod record;
mod settings;
pub(crate) mod sink;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use accumulator::Accumulator;
use delivery::Delivery;
use record::Record;

use crate::error::Result;

/// How long a dropped producer tries to write what it holds.
const DROP_FLUSH_MAX: Duration = Duration::from_secs(30);

/// Sends records. Shared by any number of threads; see [`ProducerBuilder`](builder::ProducerBuilder).
///
/// Dropping it flushes, for at most 30 seconds, and then fails what is left.
pub struct Producer {
    accumulator: Arc<Accumulator>,
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

    /// Closes all open batches, and returns when all that was sent before is decided.
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

    /// Flushes and takes no more records.
    ///
    /// # Errors
    /// As [`flush`](Producer::flush).
    pub fn close(self) -> Result<()> {
        self.accumulator.close(Duration::MAX)
    }

    /// Flushes for at most `within` and takes no more records. What is undecided then fails.
    ///
    /// # Errors
    /// As [`flush`](Producer::flush); [`Closed`](crate::error::ErrorKind::Closed) if the time was
    /// up.
    pub fn close_within(self, within: Duration) -> Result<()> {
        self.accumulator.close(within)
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
