//! Beginning a transaction with settings.

use std::sync::Arc;
use std::time::Duration;

use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::producer::ProducerConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::partitioner::Partitioner;
use crate::producer::settings::Settings;
use crate::transaction::Transaction;
use crate::transaction::host::TransactionHost;
use crate::transaction::open_transactions::Holder;
use crate::transaction::staging::{Staging, StagingOptions};

/// The least bytes at which a batch of a transaction is closed: nobody waits for it to be full.
const BATCH_BYTES_MIN: u32 = 256 << 10;

/// Begins a [`Transaction`]. See [`Broker::transaction_with`](crate::Broker::transaction_with).
#[must_use = "a builder does nothing until it begins"]
pub struct TransactionBuilder {
    host: Arc<dyn TransactionHost>,
    config: ProducerConfig,
    partitioner: Option<Arc<dyn Partitioner>>,
    /// The first setting that was refused; reported by `begin`.
    refused: Option<Error>,
}

impl TransactionBuilder {
    /// A builder with the default settings.
    pub(crate) fn new(host: Arc<dyn TransactionHost>) -> TransactionBuilder {
        let mut config = ProducerConfig::default();
        // Whoever lowers the bound means those who say nothing, too.
        let timeout_max = host.transactions().limits.timeout_max;
        config.transaction_timeout = config.transaction_timeout.min(timeout_max);
        TransactionBuilder { host, config, partitioner: None, refused: None }
    }

    /// How long it may be open; then it is aborted. Default: 60 s, or `transaction.max.timeout.ms` of
    /// the broker if that is less; it cannot be more.
    pub fn timeout(mut self, timeout: Duration) -> TransactionBuilder {
        self.config.transaction_timeout = timeout;
        self
    }

    /// The codec of topics that leave it to the producer. Default: none.
    pub fn compression(mut self, compression: Compression) -> TransactionBuilder {
        self.config.compression = compression;
        self
    }

    /// Chooses the partition of records that name none. Default: Kafka's, by the key, or sticky
    /// without one.
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> TransactionBuilder {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Sets what Kafka calls `name` for a producer. A wrong name or value is reported by
    /// [`begin`](TransactionBuilder::begin).
    pub fn set(mut self, name: &str, value: &str) -> TransactionBuilder {
        match self.config.clone().set(name, value) {
            Ok(config) => self.config = config,
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// Begins the transaction.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) for a setting that cannot be;
    /// `ReadOnly`; `Closed`.
    pub fn begin(self) -> Result<Transaction> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        // Each value was checked when it was set; a transaction is made too often to do it again.
        check_acks(&self.config)?;
        self.host.transactions().limits.check_timeout(self.config.transaction_timeout)?;
        let options = staging_options(&self.config, self.partitioner, None);
        let staging = Staging::begin(&*self.host, options)?;
        Ok(Transaction { staging, host: self.host })
    }
}

/// # Errors
/// `InvalidInput` for what no transaction can be made with.
pub(super) fn check_config(host: &dyn TransactionHost, config: &ProducerConfig) -> Result<()> {
    config.validate()?;
    check_acks(config)?;
    host.transactions().limits.check_timeout(config.transaction_timeout)
}

/// # Errors
/// `InvalidInput`.
fn check_acks(config: &ProducerConfig) -> Result<()> {
    if config.acks == Acks::All {
        return Ok(());
    }
    let message =
        format!("a transaction is as safe as acks=all, and acks is {}: leave it out", config.acks);
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// How the transactions of a producer with these settings are staged.
pub(super) fn staging_options(
    config: &ProducerConfig,
    partitioner: Option<Arc<dyn Partitioner>>,
    holder: Option<Holder>,
) -> StagingOptions {
    let batch_size = config.batch_size.max(BATCH_BYTES_MIN);
    let settings = Settings::new(&ProducerConfig { batch_size, ..config.clone() });
    StagingOptions { timeout: config.transaction_timeout, settings, partitioner, holder }
}
