//! Making a consumer: its settings, typed and under Kafka's names, and what it reads.

use std::sync::Arc;
use std::time::Duration;

use super::group::{GroupExtras, Groups};
use super::listener::RebalanceListener;
use super::named::NamesPartition;
use super::source::Source;
use super::{Consumer, Parts};
use crate::config::consumer::{ConsumerConfig, IsolationLevel};
use crate::config::offset_reset::AutoOffsetReset;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::Assignor;
use crate::group::coordinator::stalls::StalledMember;

/// Makes a [`Consumer`]: with partitions of its own choice ([`assign`](Self::assign)), or as a
/// member of a group ([`group`](Self::group) and [`subscribe`](Self::subscribe)).
#[must_use = "a builder does nothing until it builds"]
pub struct ConsumerBuilder {
    source: Arc<dyn Source>,
    env: Env,
    groups: Option<Groups>,
    extras: GroupExtras,
    listener: Option<Box<dyn RebalanceListener>>,
    config: ConsumerConfig,
    assignment: Vec<(String, i32)>,
    topics: Vec<String>,
    pattern: Option<String>,
    /// The first setting that was refused; reported by `build`.
    refused: Option<Error>,
}

impl ConsumerBuilder {
    /// A builder with the default settings.
    pub(crate) fn new(
        source: Arc<dyn Source>,
        env: Env,
        groups: Option<Groups>,
    ) -> ConsumerBuilder {
        ConsumerBuilder {
            source,
            env,
            groups,
            extras: GroupExtras::default(),
            listener: None,
            config: ConsumerConfig::default(),
            assignment: Vec::new(),
            topics: Vec::new(),
            pattern: None,
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

    /// The group that shares the partitions of subscribed topics among its members and keeps
    /// positions. Without one, nothing can be subscribed to or committed. `group.id`
    pub fn group(mut self, id: impl Into<String>) -> ConsumerBuilder {
        self.config.group_id = Some(id.into());
        self
    }

    /// The topics whose partitions are shared with the group's other members; the consumer joins
    /// when it is built. See [`Consumer::subscribe`].
    pub fn subscribe<T: Into<String>>(
        mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> ConsumerBuilder {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// As [`subscribe`](Self::subscribe), to all topics whose whole name matches a regular
    /// expression. See [`Consumer::subscribe_pattern`].
    pub fn subscribe_pattern(mut self, pattern: impl Into<String>) -> ConsumerBuilder {
        self.pattern = Some(pattern.into());
        self
    }

    /// A lasting name in the group: when the consumer is closed, its partitions wait
    /// `session.timeout.ms` for another one of that name. `group.instance.id`
    pub fn group_instance_id(mut self, id: impl Into<String>) -> ConsumerBuilder {
        self.config.group_instance_id = Some(id.into());
        self
    }

    /// Is told which partitions come and go.
    pub fn listener(mut self, listener: impl RebalanceListener + 'static) -> ConsumerBuilder {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Is called when this consumer has not polled for `max.poll.interval.ms`, once each time
    /// that happens, on the thread that ticks.
    pub fn on_stall(
        mut self,
        on_stall: impl Fn(&StalledMember) + Send + Sync + 'static,
    ) -> ConsumerBuilder {
        self.extras.on_stall = Some(Arc::new(on_stall));
        self
    }

    /// How long the consumer may go without polling before it is reported as stalled. Default: 5
    /// minutes. `max.poll.interval.ms`
    pub fn max_poll_interval(mut self, interval: Duration) -> ConsumerBuilder {
        self.config.max_poll_interval = interval;
        self
    }

    /// How the group may share out partitions, the favourite first: instead of those that
    /// `partition.assignment.strategy` names.
    pub fn assignors(
        mut self,
        assignors: impl IntoIterator<Item = Arc<dyn Assignor>>,
    ) -> ConsumerBuilder {
        self.extras.assignors = Some(assignors.into_iter().collect());
        self
    }

    /// Commits positions at polls, so often; `None`, the default: only on demand.
    /// `enable.auto.commit`, `auto.commit.interval.ms`
    pub fn auto_commit(mut self, interval: Option<Duration>) -> ConsumerBuilder {
        self.config.enable_auto_commit = interval.is_some();
        self.config.auto_commit_interval = interval.unwrap_or(self.config.auto_commit_interval);
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
    /// [`ErrorKind::InvalidInput`] for a setting that cannot be, and for both partitions and
    /// topics; [`ErrorKind::UnknownTopicOrPartition`]; what joining the group says.
    pub fn build(self) -> Result<Consumer> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.config.validate()?;
        let ways = [!self.assignment.is_empty(), !self.topics.is_empty(), self.pattern.is_some()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            let message = "a consumer is assigned partitions, or subscribes to topics, or to a \
                           pattern of topics: only one of them";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let parts = Parts {
            source: self.source,
            env: self.env,
            groups: self.groups,
            extras: self.extras,
            listener: self.listener,
        };
        let mut consumer = Consumer::new(parts, &self.config);
        match self.pattern {
            Some(pattern) => consumer.subscribe_pattern(&pattern)?,
            None if !self.topics.is_empty() => consumer.subscribe(self.topics)?,
            None => consumer.assign(self.assignment)?,
        }
        Ok(consumer)
    }
}
