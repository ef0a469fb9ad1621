//! Appending to several partitions at once: all of it or nothing.

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::commit::ticket::Part;
use crate::error::Result;
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
    broker: Broker,
    parts: Vec<Part>,
}

impl Broker {
    /// Starts an append to several partitions at once.
    pub fn atomic_append(&self) -> AtomicAppend {
        AtomicAppend { broker: self.clone(), parts: Vec::new() }
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
        self.parts.push(Part { partition: handle.partition().clone(), batch });
        Ok(())
    }

    /// Commits everything: one frame of the journal and one sync. Returns where each batch is, in
    /// the order in which they were added.
    ///
    /// # Durability
    /// As `acks=all`: when it returns `Ok`, all batches survive power loss.
    ///
    /// # Errors
    /// Nothing was written, unless the error is `Poisoned`: then the outcome is unknown until the
    /// directory is opened anew, but still all or nothing.
    pub fn commit(self) -> Result<Vec<Appended>> {
        self.broker.engine.check_writable()?;
        self.broker.engine.committer.commit(self.parts).0
    }
}
