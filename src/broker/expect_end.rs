//! Appending only if nobody else has appended since one looked: the handles for it.
//!
//! Not here: where the condition is asked (under the partition's lock, `partition/expect.rs`).

use crate::batch::message::Message;
use crate::broker::partition_handle::{Appender, PartitionHandle};
use crate::config::acks::Acks;
use crate::error::Result;
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;

/// A partition that is appended to only if it ends where it is expected to. Made by
/// [`PartitionHandle::expect_end`].
#[derive(Clone, Copy, Debug)]
pub struct ExpectEnd<'a> {
    handle: &'a PartitionHandle,
    offset: i64,
}

impl PartitionHandle {
    /// The partition, to be appended to only if it still ends at `offset`: if nobody has appended
    /// to it since somebody saw that end. Of several who expect the same end at most one succeeds,
    /// whatever their acks; the others get [`Conflict`](crate::ErrorKind::Conflict) and what they
    /// have missed, and decide anew.
    ///
    /// The end alone is looked at, not what lies below it: after
    /// [`truncate_to`](Self::truncate_to) a log may grow to an end that it had before.
    ///
    /// ```
    /// use ottla::{Acks, Broker, ErrorKind, Message, PartitionHandle, TopicConfig};
    ///
    /// /// Takes one burger, unless there is none left.
    /// fn take(stock: &PartitionHandle, mut end: i64, mut left: usize) -> ottla::Result<bool> {
    ///     while left > 0 {
    ///         match stock.expect_end(end).append(&[Message::new("taken")], Acks::All) {
    ///             Ok(_) => return Ok(true),
    ///             Err(error) => {
    ///                 // Others were faster: what they took is in the error.
    ///                 let Some(conflict) = error.conflict() else { return Err(error) };
    ///                 left = left.saturating_sub(conflict.records.len());
    ///                 end += conflict.records.len() as i64;
    ///             }
    ///         }
    ///     }
    ///     Ok(false)
    /// }
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("stock", TopicConfig::new())?;
    /// let stock = broker.partition("stock", 0)?;
    /// assert!(take(&stock, 0, 2)?);
    /// assert!(take(&stock, 0, 2)?);
    /// assert!(!take(&stock, 0, 2)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn expect_end(&self, offset: i64) -> ExpectEnd<'_> {
        ExpectEnd { handle: self, offset }
    }
}

impl ExpectEnd<'_> {
    /// Appends the messages as one batch, if the partition ends at the expected offset: they begin
    /// there then.
    ///
    /// # Durability
    /// As [`PartitionHandle::append`]. With `acks=all` also what was appended before is durable
    /// then.
    ///
    /// # Errors
    /// `Conflict` if the partition ends elsewhere, [`with`](crate::Error::conflict) what was
    /// appended meanwhile; `InvalidInput` for a negative offset; those of
    /// [`PartitionHandle::append`].
    pub fn append(&self, messages: &[Message<'_>], acks: Acks) -> Result<Appended> {
        self.handle.appender(acks).expect_end(self.offset).append(messages)
    }
}

impl Appender {
    /// Lets the next append, and only that, happen only if the partition still ends at `offset`;
    /// see [`PartitionHandle::expect_end`].
    ///
    /// An idempotent producer's batch that was appended before is not asked again: its condition
    /// held then, and it is what stands against it now.
    pub fn expect_end(&mut self, offset: i64) -> &mut Appender {
        self.expect(Expect::End(offset))
    }
}
