//! Appending to several partitions at once: all of it or nothing.

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::topics::partition_of;
use crate::catalog::topic_handle::Topics;
use crate::commit::ticket::{Guard, Part};
use crate::error::Result;
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;

/// Batches for several partitions that become durable and visible together, or not at all.
///
/// ```
/// use ottla::{Broker, Message, TopicConfig};
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("orders", TopicConfig::new().partitions(2))?;
/// let mut both = broker.atomic_append();
/// both.add("orders", 0, &[Message::new("one burger")])?;
/// both.add("orders", 1, &[Message::new("one cola")])?;
/// let written = both.commit()?;
/// assert_eq!(written.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AtomicAppend {
    pub(super) broker: Broker,
    parts: Vec<Part>,
    pub(super) guards: Vec<Guard>,
}

impl Broker {
    /// Starts an append to several partitions at once.
    pub fn atomic_append(&self) -> AtomicAppend {
        AtomicAppend { broker: self.clone(), parts: Vec::new(), guards: Vec::new() }
    }
}

impl AtomicAppend {
    /// Adds a batch for one partition. Several for the same one are written in this order.
    ///
    /// # Errors
    /// As [`PartitionHandle::append`](crate::PartitionHandle::append); what was added before
    /// stays.
    pub fn add(&mut self, topic: &str, partition: i32, messages: &[Message<'_>]) -> Result<()> {
        let handle = self.broker.partition(topic, partition)?;
        let batch = handle.build_batch(messages)?;
        let partition = handle.partition().clone();
        self.parts.push(Part { partition, batch: batch.into() });
        Ok(())
    }

    /// Lets the commit happen only if the partition still ends at `offset` then, whether or not a
    /// batch is added for it; see [`PartitionHandle::expect_end`](crate::PartitionHandle::expect_end).
    /// All conditions have to hold, of all partitions; the batches of this append do not count.
    /// Without a batch the commit says whether they hold.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a negative offset.
    pub fn expect_end(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let topic = self.broker.engine.topic(topic)?;
        let partition = partition_of(&topic, partition)?;
        self.guards.push(Guard::new(partition, Expect::End(offset))?);
        Ok(())
    }

    /// Commits everything: one frame of the journal and one sync. Returns where each batch is, in
    /// the order in which they were added.
    ///
    /// # Durability
    /// As `acks=all`: when it returns `Ok`, all batches survive power loss.
    ///
    /// # Errors
    /// `Conflict` if a condition does not hold, [`with`](crate::Error::conflict) what was appended
    /// meanwhile. Nothing was written, unless the error is `Poisoned`: then the outcome is unknown until the
    /// directory is opened anew, but still all or nothing.
    pub fn commit(self) -> Result<Vec<Appended>> {
        self.broker.engine.check_writable()?;
        self.broker.engine.committer.commit_guarded(self.parts, self.guards, None).0
    }
}
