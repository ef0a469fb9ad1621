//! From a producer's builder to one of a transactional producer.

use std::sync::Arc;
use std::time::Duration;

use crate::config::compression::Compression;
use crate::config::producer::ProducerConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::builder::{ProducerBuilder, TransactionalParts};
use crate::producer::partitioner::Partitioner;
use crate::transaction::builder::check_config;
use crate::transaction::host::KeptOpen;
use crate::transaction::producer::TransactionalProducer;

/// The longest transactional id, as Kafka's records have room for.
const ID_BYTES_MAX: usize = i16::MAX as usize;

/// Makes a [`TransactionalProducer`].
#[must_use = "a builder does nothing until it builds"]
pub struct TransactionalProducerBuilder {
    id: String,
    parts: TransactionalParts,
}

impl ProducerBuilder {
    /// A producer whose records go in transactions, under an id that one producer at a time has:
    /// the newest. What was set so far stays set. The id is known while the directory is open.
    ///
    /// ```
    /// use ottla::{Broker, ErrorKind, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("payments", TopicConfig::new())?;
    /// let producer = broker.producer().transactional_id("cashier").build()?;
    /// producer.begin_transaction()?;
    /// producer.send(Record::new("payments", "5 from john"))?;
    /// producer.send(Record::new("payments", "5 to jane"))?;
    /// producer.commit_transaction()?; // both, or none
    ///
    /// let newer = broker.producer().transactional_id("cashier").build()?;
    /// let error = producer.begin_transaction().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Fenced);
    /// # drop(newer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn transactional_id(self, id: &str) -> TransactionalProducerBuilder {
        TransactionalProducerBuilder { id: id.to_owned(), parts: self.into_transactional() }
    }
}

impl TransactionalProducerBuilder {
    /// Takes all settings from `config`.
    pub fn config(mut self, config: ProducerConfig) -> TransactionalProducerBuilder {
        self.parts.config = config;
        self
    }

    /// How long a transaction may be open; then it is aborted. Default: 60 s, and at most
    /// `transaction.max.timeout.ms` of the broker.
    pub fn transaction_timeout(mut self, timeout: Duration) -> TransactionalProducerBuilder {
        self.parts.config.transaction_timeout = timeout;
        self
    }

    /// The codec of topics that leave it to the producer. Default: none.
    pub fn compression(mut self, compression: Compression) -> TransactionalProducerBuilder {
        self.parts.config.compression = compression;
        self
    }

    /// Chooses the partition of records that name none. Default: Kafka's, by the key, or sticky
    /// without one.
    pub fn partitioner(
        mut self,
        partitioner: impl Partitioner + 'static,
    ) -> TransactionalProducerBuilder {
        self.parts.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Sets what Kafka calls `name`. A wrong name or value is reported by
    /// [`build`](TransactionalProducerBuilder::build).
    pub fn set(mut self, name: &str, value: &str) -> TransactionalProducerBuilder {
        if name == "transactional.id" {
            value.clone_into(&mut self.id);
            return self;
        }
        match self.parts.config.clone().set(name, value) {
            Ok(config) => self.parts.config = config,
            Err(error) => self.parts.refused = self.parts.refused.or(Some(error)),
        }
        self
    }

    /// Makes the producer, and fences the one that has the id: its transaction is aborted, and
    /// nothing of it is committed after this returns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a setting that cannot be; `ReadOnly`; `Closed`.
    pub fn build(self) -> Result<TransactionalProducer> {
        let TransactionalParts { config, partitioner, refused, keeps_open } = self.parts;
        if let Some(error) = refused {
            return Err(error);
        }
        let message = match self.id.len() {
            0 => Some("a transactional.id must not be empty".to_owned()),
            length if length > ID_BYTES_MAX => {
                Some(format!("a transactional.id of {length} bytes: {ID_BYTES_MAX} are allowed"))
            }
            _ => None,
        };
        if let Some(message) = message {
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let host = KeptOpen::find(keeps_open)?;
        check_config(&*host, &config)?;
        host.check_writable()?;
        Ok(TransactionalProducer::new(host, config, partitioner, &self.id))
    }
}
