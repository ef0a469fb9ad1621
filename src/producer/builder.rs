//! Making a producer: its settings, typed and under Kafka's names.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Producer;
use super::accumulator::Accumulator;
use super::outlet::Outlet;
use super::partitioner::Partitioner;
use super::settings::Settings;
use super::sink::Sink;
use crate::catalog::topic_handle::Topics;
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::producer::ProducerConfig;
use crate::env::Env;
use crate::error::{Error, Result};

/// What a producer needs from whoever makes it.
pub(crate) struct ProducerParts {
    /// Finds topics.
    pub(crate) topics: Arc<dyn Topics>,
    /// Takes finished batches.
    pub(crate) sink: Arc<dyn Sink>,
    /// Clock and randomness.
    pub(crate) env: Env,
    /// Held by the producer, and by nothing that outlives it: keeps the directory open.
    pub(crate) keeps_open: Arc<dyn Any + Send + Sync>,
    /// Called once with the new producer's accumulator, to be ticked and closed.
    pub(crate) register: Box<dyn FnOnce(Weak<Accumulator>) + Send>,
}

/// What a builder has come to when it turns out that it is to make a transactional producer.
pub(crate) struct TransactionalParts {
    pub(crate) config: ProducerConfig,
    pub(crate) partitioner: Option<Arc<dyn Partitioner>>,
    /// The first setting that was refused.
    pub(crate) refused: Option<Error>,
    pub(crate) keeps_open: Arc<dyn Any + Send + Sync>,
}

/// Makes a [`Producer`].
#[must_use = "a builder does nothing until it builds"]
pub struct ProducerBuilder {
    parts: ProducerParts,
    config: ProducerConfig,
    partitioner: Option<Arc<dyn Partitioner>>,
    /// The first setting that was refused; reported by `build`.
    refused: Option<Error>,
}

impl ProducerBuilder {
    /// A builder with the default settings.
    pub(crate) fn new(parts: ProducerParts) -> ProducerBuilder {
        let config = ProducerConfig::default();
        ProducerBuilder { parts, config, partitioner: None, refused: None }
    }

    /// What was set so far, for a transactional producer.
    pub(crate) fn into_transactional(self) -> TransactionalParts {
        let ProducerBuilder { parts, config, partitioner, refused } = self;
        TransactionalParts { config, partitioner, refused, keeps_open: parts.keeps_open }
    }

    /// Takes all settings from `config`.
    pub fn config(mut self, config: ProducerConfig) -> ProducerBuilder {
        self.config = config;
        self
    }

    /// How safe a record is before it counts as sent. Default: [`Acks::All`].
    pub fn acks(mut self, acks: Acks) -> ProducerBuilder {
        self.config.acks = acks;
        self
    }

    /// How long a batch waits for company. Default: 5 ms.
    ///
    /// With zero a record goes out at once if no batch of its partition is under way, and
    /// otherwise together with all that come before that one is decided.
    pub fn linger(mut self, linger: Duration) -> ProducerBuilder {
        self.config.linger = linger;
        self
    }

    /// The bytes at which a batch is closed, before compression. Default: 16 KiB.
    pub fn batch_size(mut self, bytes: usize) -> ProducerBuilder {
        self.config.batch_size = u32::try_from(bytes).unwrap_or(u32::MAX);
        self
    }

    /// The bytes of all batches that are not decided yet. Default: 32 MiB.
    pub fn buffer_memory(mut self, bytes: usize) -> ProducerBuilder {
        self.config.buffer_memory = u64::try_from(bytes).unwrap_or(u64::MAX);
        self
    }

    /// How long a send waits when that memory is full. Default: 60 s.
    pub fn max_block(mut self, time: Duration) -> ProducerBuilder {
        self.config.max_block = time;
        self
    }

    /// The codec of topics that leave it to the producer. Default: none.
    pub fn compression(mut self, compression: Compression) -> ProducerBuilder {
        self.config.compression = compression;
        self
    }

    /// How long after a send its outcome is known, be it that nobody knows. Default: 120 s.
    pub fn delivery_timeout(mut self, time: Duration) -> ProducerBuilder {
        self.config.delivery_timeout = time;
        self
    }

    /// Whether batches are numbered, so that none is stored twice or out of order. Default: `false`
    /// (Kafka: `true`): nothing is sent twice within a process, so there is nothing to recognize,
    /// and each producer takes an id.
    ///
    /// What it gives: if a batch fails, the batches of its partition that were under way behind it
    /// fail as well, with [`OutOfOrderSequence`](crate::error::ErrorKind::OutOfOrderSequence): no
    /// record is written in front of one that was sent before it and is to be sent again. Needs
    /// `acks=all`. To recognize what a program sends again after its own death, it has to keep the
    /// numbers itself: [`append_idempotent`](crate::PartitionHandle::append_idempotent).
    pub fn enable_idempotence(mut self, enable: bool) -> ProducerBuilder {
        self.config.enable_idempotence = enable;
        self
    }

    /// Chooses the partition of records that name none. Default: Kafka's, by the key, or sticky
    /// without one.
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> ProducerBuilder {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Sets what Kafka calls `name`. A wrong name or value is reported by
    /// [`build`](ProducerBuilder::build).
    pub fn set(mut self, name: &str, value: &str) -> ProducerBuilder {
        match self.config.clone().set(name, value) {
            Ok(config) => self.config = config,
            Err(error) => self.refused = self.refused.or(Some(error)),
        }
        self
    }

    /// Makes the producer.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) for a setting that cannot be. An
    /// idempotent producer takes an id, which may fail as a commit can.
    pub fn build(self) -> Result<Producer> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.config.validate()?;
        let ProducerParts { topics, sink, env, keeps_open, register } = self.parts;
        let settings = Settings::new(&self.config);
        let numbered = self.config.enable_idempotence;
        let identity = numbered.then(|| sink.new_producer_identity()).transpose()?;
        let outlet = Arc::new(Outlet::new(sink, env, settings, identity));
        let accumulator = Arc::new(Accumulator::new(topics, outlet, self.partitioner));
        register(Arc::downgrade(&accumulator));
        Ok(Producer { accumulator, _keeps_open: keeps_open })
    }
}
