//! Making a consumer: its settings, typed and under Kafka's names, and what it reads.

use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use super::named::NamesPartition;
use super::source::Source;
use crate::config::consumer::{ConsumerConfig, IsolationLevel};
use crate::config::offset_reset::AutoOffsetReset;
use crate::env::Env;
use crate::error::{Error, Result};

/// Makes a [`Consumer`].
#[must_use = "a builder does nothing until it builds"]
pub struct ConsumerBuilder {
    source: Arc<dyn Source>,
    env: Env,
    config: ConsumerConfig,
    assignment: Vec<(String, i32)>,
    /// The first setting that was refused; reported by `build`.
    refused: Option<Error>,
}

impl ConsumerBuilder {
    /// A builder with the default settings.
    pub(crate) fn new(source: Arc<dyn Source>, env: Env) -> ConsumerBuilder {
        ConsumerBuilder {
            source,
            env,
            config: ConsumerConfig::default(),
            assignment: Vec::new(),
            refused: None,
        }
    }

    /// Takes all settings from `config`.
    pub fn config(mut self, config: ConsumerConfig) -> ConsumerBuilder {
        self.config = config;
        self
    }

    /// The partitions to read. They must exist when the consumer is built.
    pub fn assign(
        mut self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> ConsumerBuilder {
        let owned =
            |partition: &dyn NamesPartition| (partition.topic().to_owned(), partition.partition());
        self.assignment = partitions.into_iter().map(|partition| owned(&partition)).collect();
        self
    }

    /// Where reading starts without a position, or with one that does not exist. Default:
    /// [`AutoOffsetReset::Earliest`].
    pub fn auto_offset_reset(mut self, reset: AutoOffsetReset) -> ConsumerBuilder {
        self.config.auto_offset_reset = reset;
        self
    }

    /// The most records that a poll returns. Default: 500.
    pub fn max_poll_records(mut self, records: usize) -> ConsumerBuilder {
        self.config.max_poll_records = u32::try_from(records).unwrap_or(u32::MAX);
        self
    }

    /// What is seen of transactions that Kafka wrote. Default: everything.
    pub fn isolation_level(mut self, level: IsolationLevel) -> ConsumerBuilder {
        self.config.isolation_level = level;
        self
    }

    /// A poll that finds nothing looks again and again for so long before it sleeps. Default:
    /// not at all.
    pub fn poll_spin(mut self, spin: Duration) -> ConsumerBuilder {
        self.config.poll_spin_us = u32::try_from(spin.as_micros()).unwrap_or(u32::MAX);
        self
    }

    /// Sets what Kafka calls `name`. A wrong name or value is reported by
    /// [`build`](ConsumerBuilder::build).
    pub fn set(mut self, name: &str, value: &str) -> ConsumerBuilder {
        match self.config.clone().set(name, value) {
            Ok(config) => self.config = config,
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// Makes the consumer.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) for a setting that cannot be, and
    /// [`UnknownTopicOrPartition`](crate::error::ErrorKind::UnknownTopicOrPartition).
    pub fn build(self) -> Result<Consumer> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.config.validate()?;
        let mut consumer = Consumer::new(self.source, &self.env, &self.config);
        consumer.assign(self.assignment)?;
        Ok(consumer)
    }
}
