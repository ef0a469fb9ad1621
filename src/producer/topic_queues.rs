//! The queues of one topic's partitions, and which of them a record goes to.

use std::sync::Arc;

use super::delivery::Delivery;
use super::outlet::Outlet;
use super::partitioner::{Partitioner, Sticky, partition_of_key};
use super::queue::{PartitionQueue, Push, Pushed};
use super::record::Record;
use super::settings::BatchRules;
use crate::catalog::topic_handle::TopicHandle;
use crate::error::{Error, ErrorKind, Result};

/// A topic as a producer sends to it.
pub(super) struct TopicQueues {
    handle: Arc<TopicHandle>,
    rules: BatchRules,
    partitioner: Option<Arc<dyn Partitioner>>,
    sticky: Sticky,
    queues: Vec<Arc<PartitionQueue>>,
}

impl TopicQueues {
    /// A topic's queues; those that `before` has for the same partitions stay the same.
    pub(super) fn new(
        outlet: &Arc<Outlet>,
        partitioner: Option<&Arc<dyn Partitioner>>,
        handle: Arc<TopicHandle>,
        before: Option<&TopicQueues>,
    ) -> TopicQueues {
        let rules = BatchRules::new(&outlet.settings, &handle.config);
        let queue_of = |(index, partition): (usize, &Arc<_>)| {
            let known = before.and_then(|before| before.queues.get(index));
            let queue = match known.filter(|known| Arc::ptr_eq(known.partition(), partition)) {
                Some(known) => Arc::clone(known),
                None => Arc::new(PartitionQueue::new(
                    Arc::clone(outlet),
                    handle.name.clone(),
                    i32::try_from(index).unwrap_or(i32::MAX),
                    Arc::clone(partition),
                )),
            };
            queue.set_message_bytes_max(rules.message_bytes_max);
            queue
        };
        let queues: Vec<_> = handle.partitions.iter().enumerate().map(queue_of).collect();
        let seed = outlet.env.random.next_u64();
        TopicQueues {
            partitioner: partitioner.map(Arc::clone),
            sticky: Sticky::new(seed, queues.len()),
            rules,
            queues,
            handle,
        }
    }

    #[inline]
    pub(super) fn name(&self) -> &str {
        self.handle.name.as_str()
    }

    pub(super) fn queues(&self) -> &[Arc<PartitionQueue>] {
        &self.queues
    }

    /// Puts a record into its partition's batch.
    pub(super) fn send(
        &self,
        outlet: &Outlet,
        record: &Record<'_>,
        may_wait: bool,
    ) -> Result<Delivery> {
        let message = record.message();
        let bytes = message.size_bytes_max();
        let clock = &*outlet.env.clock;
        self.rules.check(&self.handle.name, message, bytes, || clock.wall_ms())?;
        let timestamp = message.timestamp_ms().unwrap_or_else(|| clock.wall_ms_coarse());
        let (index, sticky) = self.choose(outlet, record)?;
        let push = Push { message, timestamp, bytes, sticky, may_wait };
        match self.queue(index)?.push(&self.rules, &push) {
            Ok(Pushed::Sent(delivery)) => Ok(delivery),
            Ok(Pushed::Enough) => self.send_elsewhere(index, push),
            Err(error) => Err(error),
        }
    }

    /// Enough went to the sticky partition: another one is chosen.
    #[inline(never)]
    fn send_elsewhere(&self, index: usize, mut push: Push<'_>) -> Result<Delivery> {
        let next = self.sticky.leave(index, self.queues.len());
        let queue = self.queue(next)?;
        match queue.push_anyhow(&self.rules, &push)? {
            Pushed::Sent(delivery) => return Ok(delivery),
            Pushed::Enough => {}
        }
        // It was left just now by others too; where this record goes is all the same.
        push.sticky = false;
        match queue.push_anyhow(&self.rules, &push)? {
            Pushed::Sent(delivery) => Ok(delivery),
            Pushed::Enough => Err(self.unknown_partition(next as i64)),
        }
    }

    /// The partition of a record, and whether another one would do as well.
    fn choose(&self, outlet: &Outlet, record: &Record<'_>) -> Result<(usize, bool)> {
        if let Some(number) = record.partition_number() {
            return Ok((
                self.index_of(number).ok_or_else(|| self.unknown_partition(number.into()))?,
                false,
            ));
        }
        let message = record.message();
        let count = self.queues.len();
        if let Some(partitioner) = &self.partitioner {
            let topic = self.handle.name.as_str();
            let partition_count = i32::try_from(count).unwrap_or(i32::MAX);
            if let Some(number) = partitioner.partition(topic, message, partition_count) {
                return Ok((
                    self.index_of(number).ok_or_else(|| self.wrong_answer(number))?,
                    false,
                ));
            }
        }
        Ok(match message.key_bytes().filter(|_| !outlet.settings.ignore_keys) {
            Some(key) => (partition_of_key(key, count), false),
            None => (self.sticky.current(), count > 1),
        })
    }

    fn index_of(&self, number: i32) -> Option<usize> {
        usize::try_from(number).ok().filter(|index| *index < self.queues.len())
    }

    fn queue(&self, index: usize) -> Result<&Arc<PartitionQueue>> {
        self.queues.get(index).ok_or_else(|| self.unknown_partition(index as i64))
    }

    #[cold]
    fn unknown_partition(&self, number: i64) -> Error {
        let message = format!(
            "topic {} has no partition {number}: it has {}",
            self.handle.name,
            self.queues.len()
        );
        Error::new(ErrorKind::UnknownTopicOrPartition, message)
    }

    #[cold]
    fn wrong_answer(&self, number: i32) -> Error {
        let message = format!(
            "the partitioner chose partition {number} of topic {}, which has {}: it must answer \
             with one of them or with None",
            self.handle.name,
            self.queues.len()
        );
        Error::new(ErrorKind::InvalidInput, message)
    }
}
