//! The broker's part in transactions: beginning them, and what binds them.

use std::sync::Arc;

use crate::broker::{Broker, Held};
use crate::config::broker::BrokerOptions;
use crate::env::Env;
use crate::error::Result;
use crate::group::coordinator::Coordinator;
use crate::transaction::Transaction;
use crate::transaction::builder::TransactionBuilder;
use crate::transaction::host::{TransactionHost, TransactionLimits};
use crate::transaction::open_transactions::OpenTransactions;

/// What binds transactions, by the broker's options.
pub(crate) fn transaction_limits(options: &BrokerOptions) -> TransactionLimits {
    TransactionLimits {
        bytes_max: options.transaction_bytes_max.into(),
        // The rest of a frame is for the offsets, and for the names of what was spilled.
        buffer_bytes: options.transaction_buffer_bytes.min(options.commit_bytes_max / 2).into(),
        timeout_max: options.transaction_timeout_max,
    }
}

impl Broker {
    /// Begins a transaction: records for any number of partitions and offsets of groups, which are
    /// there together when it commits, or not at all.
    ///
    /// Nothing of it is in the log before, so nothing has to be taken back, and nobody waits for
    /// it. It is aborted when it is dropped, or open for longer than a minute; other settings are
    /// those of [`transaction_with`](Broker::transaction_with).
    ///
    /// ```
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new().partitions(4))?;
    /// broker.create_topic("invoices", TopicConfig::new())?;
    /// let mut transaction = broker.transaction()?;
    /// transaction.send(Record::new("orders", "one burger").key("john"))?;
    /// transaction.send(Record::new("invoices", "5.00").key("john"))?;
    /// assert_eq!(broker.partition("invoices", 0)?.end_offset(), 0); // nothing is there yet
    /// let written = transaction.commit()?; // one sync
    /// assert_eq!(written.len(), 2);
    /// assert_eq!(broker.partition("invoices", 0)?.end_offset(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ReadOnly`; `Closed`.
    pub fn transaction(&self) -> Result<Transaction> {
        self.transaction_with().begin()
    }

    /// A transaction, to be configured and begun.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> ottla::Result<()> {
    /// # let broker = ottla::Broker::in_memory()?;
    /// let transaction = broker.transaction_with().timeout(Duration::from_secs(5)).begin()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transaction_with(&self) -> TransactionBuilder {
        TransactionBuilder::new(self.engine.clone())
    }
}

impl TransactionHost for Held {
    fn env(&self) -> &Env {
        &self.env
    }

    fn coordinator(&self) -> &Coordinator {
        &self.groups
    }

    fn transactions(&self) -> &Arc<OpenTransactions> {
        &self.transactions
    }
}
