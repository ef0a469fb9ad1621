//! A producer whose records all go in transactions, one after the other, under an id of its own.
//!
//! The invariant: of all producers with one id in a broker only the newest commits. The id is
//! taken before the producer is built, and commits that were asked before are waited for; so
//! nothing of an older one lands after the newer one is there.

use std::fmt;
use std::sync::Arc;

use crate::config::producer::ProducerConfig;
use crate::consumer::Consumer;
use crate::consumer::commit::named;
use crate::consumer::named::NamesPartition;
use crate::env::planted::planted;
use crate::env::sync::Mutex;
use crate::error::conflict::ExpectedVersion;
use crate::error::{Error, ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::writer::Appended;
use crate::producer::partitioner::Partitioner;
use crate::producer::record::Record;
use crate::topic::TopicPartition;
use crate::transaction::builder::staging_options;
use crate::transaction::host::TransactionHost;
use crate::transaction::open_transactions::Holder;
use crate::transaction::staging::Staging;

/// Sends records in transactions, with Kafka's verbs. Shared by any number of threads, which then
/// share the transaction of the moment.
///
/// Made by [`ProducerBuilder::transactional_id`](crate::ProducerBuilder::transactional_id). A newer
/// one with the same id fences it: its transaction is aborted, and every call says `Fenced`.
/// Dropping it aborts its transaction.
pub struct TransactionalProducer {
    host: Arc<dyn TransactionHost>,
    config: ProducerConfig,
    partitioner: Option<Arc<dyn Partitioner>>,
    holder: Holder,
    /// The transaction that was begun.
    current: Mutex<Option<Arc<Staging>>>,
}

impl TransactionalProducer {
    pub(super) fn new(
        host: Arc<dyn TransactionHost>,
        config: ProducerConfig,
        partitioner: Option<Arc<dyn Partitioner>>,
        id: &str,
    ) -> TransactionalProducer {
        // 1. Whoever held the id before is asked by the leader from here on, and refused.
        let holder = host.transactions().hold(id);
        // 2. Who was asked before that is done.
        if !planted!("leader_not_passed") {
            host.committer().pass_leader();
        }
        TransactionalProducer { host, config, partitioner, holder, current: Mutex::new(None) }
    }

    /// The `transactional.id`.
    pub fn transactional_id(&self) -> &str {
        &self.holder.id
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTransactionState`] if one is open; [`ErrorKind::Fenced`] if a newer
    /// producer has the id; `Closed`.
    pub fn begin_transaction(&self) -> Result<()> {
        self.holder.check()?;
        let mut current = self.current.lock();
        let now = self.host.env().clock.monotonic();
        let is_open = |current: &Arc<Staging>| {
            current.tick(now);
            !current.is_over()
        };
        if current.as_ref().is_some_and(is_open) {
            let message = "a transaction was begun already: commit it or abort it first";
            return Err(Error::new(ErrorKind::InvalidTransactionState, message));
        }
        let holder = Some(self.holder.clone());
        let options = staging_options(&self.config, self.partitioner.clone(), holder);
        if let Some(before) = current.replace(Staging::begin(&*self.host, options)?) {
            before.forget(&*self.host);
        }
        Ok(())
    }

    /// Stages a record; see [`Transaction::send`](crate::Transaction::send).
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// As [`Transaction::send`](crate::Transaction::send); [`ErrorKind::InvalidTransactionState`]
    /// if no transaction was begun; [`ErrorKind::Fenced`].
    #[expect(clippy::needless_pass_by_value, reason = "a record is made for the call")]
    pub fn send(&self, record: Record<'_>) -> Result<()> {
        self.current()?.send(&*self.host, &record)
    }

    /// Stages the positions of a consumer; see
    /// [`Transaction::commit_offsets`](crate::Transaction::commit_offsets). Kafka's
    /// `sendOffsetsToTransaction`.
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// As [`Transaction::commit_offsets`](crate::Transaction::commit_offsets), and
    /// [`send`](TransactionalProducer::send).
    pub fn commit_offsets(&self, consumer: &Consumer) -> Result<()> {
        self.current()?.stage_positions(&*self.host, consumer)
    }

    /// Stages offsets of a group without members; see
    /// [`Transaction::commit_offsets_of`](crate::Transaction::commit_offsets_of).
    ///
    /// # Durability
    /// None before the commit.
    ///
    /// # Errors
    /// As [`Transaction::commit_offsets_of`](crate::Transaction::commit_offsets_of), and
    /// [`send`](TransactionalProducer::send).
    pub fn commit_offsets_of<P: NamesPartition, O: Into<OffsetAndMetadata>>(
        &self,
        group: &str,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Result<()> {
        self.current()?.stage_offsets_of(&*self.host, group, &named(offsets)?)
    }

    /// Adds a condition; see [`Transaction::expect_end`](crate::Transaction::expect_end).
    ///
    /// # Errors
    /// As [`Transaction::expect_end`](crate::Transaction::expect_end), and
    /// [`send`](TransactionalProducer::send).
    pub fn expect_end(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.current()?.expect_end(&*self.host, topic, partition, offset)
    }

    /// Adds a condition; see [`Transaction::expect_version`](crate::Transaction::expect_version).
    ///
    /// # Errors
    /// As [`Transaction::expect_version`](crate::Transaction::expect_version), and
    /// [`send`](TransactionalProducer::send).
    pub fn expect_version(
        &self,
        topic: &str,
        key: impl AsRef<[u8]>,
        version: impl Into<ExpectedVersion>,
    ) -> Result<()> {
        self.current()?.expect_version(&*self.host, topic, key.as_ref(), version.into())
    }

    /// Commits the transaction; see [`Transaction::commit`](crate::Transaction::commit).
    ///
    /// # Durability
    /// As [`Transaction::commit`](crate::Transaction::commit).
    ///
    /// # Errors
    /// As [`Transaction::commit`](crate::Transaction::commit): where that leaves the transaction
    /// open, this does. [`ErrorKind::InvalidTransactionState`] if none was begun;
    /// [`ErrorKind::Fenced`] if a newer producer has the id.
    pub fn commit_transaction(&self) -> Result<Vec<(TopicPartition, Appended)>> {
        let current = self.current()?;
        let outcome = current.commit(&*self.host);
        self.let_go_if_over(&current);
        outcome
    }

    /// Aborts the transaction: nothing of it was ever in the log. One that ended without being
    /// committed, because its commit failed or its time was up, may be aborted once more.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTransactionState`] if none was begun, if it is being committed, or was;
    /// [`ErrorKind::Fenced`].
    pub fn abort_transaction(&self) -> Result<()> {
        let current = self.current()?;
        let outcome = current.abort();
        self.let_go_if_over(&current);
        outcome.and_then(|()| self.holder.check())
    }

    fn current(&self) -> Result<Arc<Staging>> {
        if let Some(current) = &*self.current.lock() {
            return Ok(Arc::clone(current));
        }
        self.holder.check()?;
        let message = "no transaction was begun: begin_transaction comes first";
        Err(Error::new(ErrorKind::InvalidTransactionState, message))
    }

    /// What is over holds nothing any more; how it ended is kept until the next one begins.
    fn let_go_if_over(&self, staging: &Staging) {
        if staging.is_over() {
            staging.forget(&*self.host);
        }
    }
}

impl Drop for TransactionalProducer {
    fn drop(&mut self) {
        if let Some(current) = self.current.lock().take() {
            current.forget(&*self.host);
        }
        self.holder.give_up();
    }
}

impl fmt::Debug for TransactionalProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.transactional_id();
        f.debug_struct("TransactionalProducer").field("transactional_id", &id).finish()
    }
}
