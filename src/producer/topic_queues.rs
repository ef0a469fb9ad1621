//! The queues of one topic's partitions, and which of them a record goes to.

use std::sync::Arc;

use super::chooser::Chooser;
use super::delivery::Delivery;
use super::outlet::Outlet;
use super::partitioner::Partitioner;
use super::queue::{PartitionQueue, Push, Pushed};
use super::record::Record;
use super::settings::BatchRules;
use crate::catalog::topic_handle::TopicHandle;
use crate::error::Result;

/// A topic as a producer sends to it.
pub(super) struct TopicQueues {
    handle: Arc<TopicHandle>,
    rules: BatchRules,
    chooser: Chooser,
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
        let rules = BatchRules::new(&outlet.settings, &handle);
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
            chooser: Chooser::new(&handle, partitioner, outlet.settings.ignore_keys, seed),
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
        let (index, sticky) = self.chooser.choose(record)?;
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
        let next = self.chooser.leave(index);
        let queue = self.queue(next)?;
        match queue.push_anyhow(&self.rules, &push)? {
            Pushed::Sent(delivery) => return Ok(delivery),
            Pushed::Enough => {}
        }
        // It was left just now by others too; where this record goes is all the same.
        push.sticky = false;
        match queue.push_anyhow(&self.rules, &push)? {
            Pushed::Sent(delivery) => Ok(delivery),
            Pushed::Enough => Err(self.chooser.unknown_partition(next as i64)),
        }
    }

    fn queue(&self, index: usize) -> Result<&Arc<PartitionQueue>> {
        self.queues.get(index).ok_or_else(|| self.chooser.unknown_partition(index as i64))
    }
}
