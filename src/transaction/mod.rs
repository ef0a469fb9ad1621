//! Transactions: records and offsets of groups that are staged, and committed as one.
//!
//! Nothing of a transaction is in the log before its commit; the commit is one ticket of the
//! commit group: one frame, one sync, and all its ends and offsets are shown together. So there is
//! nothing to take back in the log, and no reader ever waits for a transaction that is open.
//!
//! [`Transaction`] is the handle of one; [`TransactionalProducer`](producer::TransactionalProducer)
//! makes one after the other under an id. What is staged is in `staging` (with `batches` and
//! `route`), the steps of the commit are in `commit`. A transaction holds no lock and no thread
//! between two calls.

mod batches;
pub(crate) mod builder;
mod commit;
pub(crate) mod host;
pub(crate) mod open_transactions;
pub(crate) mod producer;
pub(crate) mod producer_builder;
mod route;
mod staging;

use std::fmt;
use std::sync::Arc;

use crate::consumer::Consumer;
use crate::consumer::commit::named;
use crate::consumer::named::NamesPartition;
use crate::error::Result;
use crate::error::conflict::ExpectedVersion;
use crate::group::offset::OffsetAndMetadata;
use crate::partition::writer::Appended;
use crate::producer::record::Record;
use crate::topic::TopicPartition;
use crate::transaction::host::TransactionHost;
use crate::transaction::staging::Staging;

/// Records for any number of partitions, and offsets of groups, that become durable and visible
/// together, or not at all. See [`Broker::transaction`](crate::Broker::transaction).
///
/// Nothing is in the log before [`commit`](Transaction::commit). Dropping it aborts it.
pub struct Transaction {
    staging: Arc<Staging>,
    host: Arc<dyn TransactionHost>,
}

impl Transaction {
    /// Stages a record: copied, and nowhere to be seen before the commit. Its partition is chosen
    /// as a producer chooses.
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// An unknown topic or partition, a record that the topic refuses;
    /// [`Limit`](crate::error::ErrorKind::Limit) if the transaction would be larger than
    /// `ottla.transaction.max.bytes`: the record was not taken, and the transaction goes on.
    /// [`InvalidTransactionState`](crate::error::ErrorKind::InvalidTransactionState) if it is over.
    #[expect(clippy::needless_pass_by_value, reason = "a record is made for the call")]
    pub fn send(&mut self, record: Record<'_>) -> Result<()> {
        self.staging.send(&*self.host, &record)
    }

    /// Stages the positions of a consumer, as they are now: behind the records that its polls have
    /// returned. The group goes on there if, and only if, the transaction commits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// broker.create_topic("deliveries", TopicConfig::new())?;
    /// broker.producer().build()?.send(Record::new("orders", "one burger"))?.wait()?;
    ///
    /// let mut consumer = broker.consumer().group("kitchen").subscribe(["orders"]).build()?;
    /// for order in &consumer.poll(Duration::from_secs(1))? {
    ///     let mut transaction = broker.transaction()?;
    ///     let order = String::from_utf8_lossy(order.value().unwrap_or_default());
    ///     transaction.send(Record::new("deliveries", &format!("{order} to john")))?;
    ///     transaction.commit_offsets(&consumer)?;
    ///     transaction.commit()?; // read, processed and written: exactly once
    /// }
    /// # assert_eq!(broker.committed_offsets("kitchen")?[0].1.offset, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) without a `group.id`, with
    /// `enable.auto.commit`, or for a consumer of another broker; [`Fenced`](crate::error::ErrorKind::Fenced) for a member that its
    /// group does not count any more; as [`send`](Transaction::send).
    pub fn commit_offsets(&mut self, consumer: &Consumer) -> Result<()> {
        self.staging.stage_positions(&*self.host, consumer)
    }

    /// Stages offsets of a group that has no members: for a program that keeps no consumer, or
    /// assigns its partitions itself.
    ///
    /// ```
    /// # use ottla::{Broker, TopicConfig};
    /// # fn main() -> ottla::Result<()> {
    /// # let broker = Broker::in_memory()?;
    /// # broker.create_topic("orders", TopicConfig::new())?;
    /// let mut transaction = broker.transaction()?;
    /// transaction.commit_offsets_of("kitchen", [(("orders", 0), 0)])?;
    /// transaction.commit()?;
    /// assert_eq!(broker.committed_offsets("kitchen")?[0].1.offset, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// As [`Consumer::commit_offsets`], and [`send`](Transaction::send).
    pub fn commit_offsets_of<P: NamesPartition, O: Into<OffsetAndMetadata>>(
        &mut self,
        group: &str,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Result<()> {
        self.staging.stage_offsets_of(&*self.host, group, &named(offsets)?)
    }

    /// Lets the commit happen only if the partition still ends at `offset` then, whether or not a
    /// record is sent to it; the records of this transaction do not count. All conditions have to
    /// hold. See [`PartitionHandle::expect_end`](crate::PartitionHandle::expect_end).
    ///
    /// ```
    /// use ottla::{Acks, Broker, ErrorKind, Message, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("seats", TopicConfig::new())?;
    /// let mut transaction = broker.transaction()?;
    /// transaction.send(Record::new("seats", "john takes 17"))?;
    /// transaction.expect_end("seats", 0, 0)?;
    /// // Somebody else is faster.
    /// broker.partition("seats", 0)?.append(&[Message::new("jane takes 17")], Acks::All)?;
    /// let error = transaction.commit().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Conflict);
    /// let missed = &error.conflict().unwrap().records;
    /// assert_eq!(missed[0].value.as_deref(), Some("jane takes 17".as_bytes()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a negative offset; `InvalidTransactionState`.
    pub fn expect_end(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.staging.expect_end(&*self.host, topic, partition, offset)
    }

    /// Lets the commit happen only if the newest record of `key` is still the expected one then; the
    /// records of this transaction do not count. All conditions have to hold, of all streams. Asked
    /// is the partition that a producer chooses for the key by itself: records that were put
    /// elsewhere are not seen. See [`Stream::expect_version`](crate::Stream::expect_version).
    ///
    /// ```
    /// use ottla::{Broker, ErrorKind, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("accounts", TopicConfig::new().partitions(2).key_index(true))?;
    /// let mut opens = broker.transaction()?;
    /// opens.expect_version("accounts", "ada", None)?; // there is no such account yet
    /// opens.send(Record::new("accounts", "opened").key("ada"))?;
    /// opens.commit()?;
    ///
    /// let mut again = broker.transaction()?;
    /// again.expect_version("accounts", "ada", None)?;
    /// again.send(Record::new("accounts", "opened").key("ada"))?;
    /// assert_eq!(again.commit().unwrap_err().kind(), ErrorKind::Conflict);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a negative offset, or if the topic has no key
    /// index; `InvalidTransactionState`.
    pub fn expect_version(
        &mut self,
        topic: &str,
        key: impl AsRef<[u8]>,
        version: impl Into<ExpectedVersion>,
    ) -> Result<()> {
        self.staging.expect_version(&*self.host, topic, key.as_ref(), version.into())
    }

    /// Commits everything: one frame of the journal and one sync. Returns, by partition, which
    /// offsets the records have; the records of one partition follow one another.
    ///
    /// # Durability
    /// When it returns `Ok`, all records and offsets survive power loss. At no moment, and after
    /// no crash, is a part of them there without the rest. (Should the segments refuse what the
    /// journal has taken, the broker is poisoned: the records are seen when the directory is opened
    /// anew.)
    ///
    /// # Errors
    /// Nothing was written, unless the error is `Poisoned`: then the outcome is unknown until the
    /// directory is opened anew, but still all or nothing.
    ///
    /// The transaction stays open, to be committed again or aborted, after `NoSpace`, `Limit`,
    /// `Io` and `GroupNotEmpty` (for offsets of a group that has members). It is over after any
    /// other: `Conflict` if a condition does not hold; `Fenced` if a member lost a partition whose offset it staged, even if it got it
    /// back since; `OffsetOutOfRange` for an offset behind the end; `UnknownTopicOrPartition` if a
    /// topic was deleted meanwhile; `InvalidTransactionState` if it was over before.
    pub fn commit(&mut self) -> Result<Vec<(TopicPartition, Appended)>> {
        self.staging.commit(&*self.host)
    }

    /// Drops everything that was staged. Nothing of it was ever in the log.
    ///
    /// # Errors
    /// [`InvalidTransactionState`](crate::error::ErrorKind::InvalidTransactionState) if it was
    /// committed.
    pub fn abort(&mut self) -> Result<()> {
        self.staging.abort()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.staging.forget(&*self.host);
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("is_over", &self.staging.is_over()).finish()
    }
}
