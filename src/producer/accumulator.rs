//! The queues of all partitions that a producer sends to, found by topic name.
//!
//! The hot path looks a topic up in an immutable map and takes no lock. When the broker's topics
//! change, the map is made anew: queues of partitions that are still there are carried over,
//! those of partitions that went away are shut and flushed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Completion, Delivery};
use super::outlet::Outlet;
use super::partitioner::{Sticky, partition_of_key};
use super::queue::{PartitionQueue, Push, Pushed};
use super::record::Record;
use super::settings::{BatchRules, Settings};
use super::sink::Sink;
use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::env::Env;
use crate::env::sync::{ArcSwap, Mutex};
use crate::error::{Error, ErrorKind, Result};

/// Gathers a producer's records into batches. Ticked and closed by the broker.
pub(crate) struct Accumulator {
    outlet: Arc<Outlet>,
    lookup: Arc<dyn Topics>,
    topics: ArcSwap<TopicMap>,
    /// Held while the map is made anew; says whether the producer is closed.
    closed: Mutex<bool>,
}

struct TopicMap {
    /// [`Topics::version`] before the topics were looked up.
    version: u64,
    topics: HashMap<Box<str>, Arc<TopicQueues>>,
}

struct TopicQueues {
    handle: Arc<TopicHandle>,
    rules: BatchRules,
    sticky: Sticky,
    queues: Vec<Arc<PartitionQueue>>,
}

impl Accumulator {
    pub(super) fn new(
        lookup: Arc<dyn Topics>,
        sink: Arc<dyn Sink>,
        env: Env,
        settings: Settings,
    ) -> Accumulator {
        let version = lookup.version();
        Accumulator {
            outlet: Arc::new(Outlet::new(sink, env, settings)),
            lookup,
            topics: ArcSwap::from_pointee(TopicMap { version, topics: HashMap::new() }),
            closed: Mutex::new(false),
        }
    }

    /// Puts a record into its partition's batch.
    pub(super) fn send(&self, record: &Record<'_>, may_wait: bool) -> Result<Delivery> {
        let version = self.lookup.version();
        {
            let map = self.topics.load();
            if map.version == version
                && let Some(topic) = map.topics.get(record.topic())
            {
                return topic.send(&self.outlet, record, may_wait);
            }
        }
        self.renew(record.topic())?.send(&self.outlet, record, may_wait)
    }

    /// Looks up `wanted`, and, if the broker's topics have changed, all the others too.
    #[cold]
    fn renew(&self, wanted: &str) -> Result<Arc<TopicQueues>> {
        let closed = self.closed.lock();
        if *closed {
            return Err(closed_error());
        }
        let old = self.topics.load_full();
        let version = self.lookup.version();
        let mut topics = HashMap::with_capacity(old.topics.len() + 1);
        for (name, known) in &old.topics {
            if old.version == version {
                topics.insert(name.clone(), Arc::clone(known));
            } else if let Ok(handle) = self.lookup.topic(name) {
                topics.insert(name.clone(), self.open_topic(handle, Some(known)));
            }
        }
        let mut found = topics.get(wanted).map(Arc::clone).ok_or(());
        let mut missing = None;
        if found.is_err() {
            match self.lookup.topic(wanted) {
                Ok(handle) => {
                    let topic = self.open_topic(handle, None);
                    topics.insert(wanted.into(), Arc::clone(&topic));
                    found = Ok(topic);
                }
                Err(error) => missing = Some(error),
            }
        }
        let gone = gone_queues(&old, &topics);
        self.topics.store(Arc::new(TopicMap { version, topics }));
        drop(closed);
        for queue in gone {
            queue.shut(gone_error(&queue));
            queue.flush();
        }
        found.map_err(|()| {
            missing.unwrap_or_else(|| {
                Error::new(
                    ErrorKind::UnknownTopicOrPartition,
                    format!("there is no topic {wanted}"),
                )
            })
        })
    }

    /// A topic's queues; those that `before` has for the same partitions stay the same.
    fn open_topic(
        &self,
        handle: Arc<TopicHandle>,
        before: Option<&TopicQueues>,
    ) -> Arc<TopicQueues> {
        let queue_of = |(index, partition): (usize, &Arc<_>)| {
            let known = before.and_then(|before| before.queues.get(index));
            match known.filter(|known| Arc::ptr_eq(known.partition(), partition)) {
                Some(known) => Arc::clone(known),
                None => Arc::new(PartitionQueue::new(
                    Arc::clone(&self.outlet),
                    handle.name.clone(),
                    i32::try_from(index).unwrap_or(i32::MAX),
                    Arc::clone(partition),
                )),
            }
        };
        let queues: Vec<_> = handle.partitions.iter().enumerate().map(queue_of).collect();
        let seed = self.outlet.env.random.next_u64();
        Arc::new(TopicQueues {
            rules: BatchRules::new(&self.outlet.settings, &handle.config),
            sticky: Sticky::new(seed, queues.len()),
            queues,
            handle,
        })
    }

    /// Closes the batches that have lingered long enough by `now` (the environment's monotonic
    /// clock) and hands them to the sink, which may have to be settled. Says when the next one is
    /// due, if any lingers.
    pub(crate) fn tick(&self, now: Duration) -> Option<Duration> {
        self.outlet.close_due(Some(now))
    }

    /// Closes all open batches and waits until everything that was sent is decided.
    ///
    /// # Errors
    /// The first error of the batches that were waited for.
    pub(super) fn flush(&self) -> Result<()> {
        self.finish(self.close_batches(), None)
    }

    /// Flushes, for at most `within`, and takes no more records. What is undecided then fails.
    /// A second close does nothing.
    ///
    /// # Errors
    /// The first error of the batches that were waited for.
    pub(crate) fn close(&self, within: Duration) -> Result<()> {
        let mut closed = self.closed.lock();
        if std::mem::replace(&mut *closed, true) {
            return Ok(());
        }
        let map = self.topics.load_full();
        for queue in map.topics.values().flat_map(|topic| &topic.queues) {
            queue.shut(closed_error());
        }
        drop(closed);
        let give_up_at = self.outlet.env.clock.monotonic().saturating_add(within);
        let result = self.finish(self.close_batches(), Some(give_up_at));
        // Queues, batches and this list refer to one another: nobody else would free them.
        self.outlet.close_due(None);
        self.topics.store(Arc::new(TopicMap { version: map.version, topics: HashMap::new() }));
        result
    }

    /// Closes all open batches; returns the newest undecided one of each partition.
    fn close_batches(&self) -> Vec<Arc<Completion>> {
        let map = self.topics.load_full();
        map.topics
            .values()
            .flat_map(|topic| &topic.queues)
            .filter_map(|queue| queue.flush())
            .collect()
    }

    fn finish(&self, pending: Vec<Arc<Completion>>, give_up_at: Option<Duration>) -> Result<()> {
        let mut result = Ok(());
        for completion in pending {
            let is_late = |at| self.outlet.env.clock.monotonic() >= at;
            if give_up_at.is_some_and(is_late) {
                completion.decide(Err(late_error()));
            } else {
                completion.queue().drive(&completion);
            }
            if let Err(error) = completion.wait_until_done()
                && result.is_ok()
            {
                result = Err(error);
            }
        }
        result
    }
}

impl TopicQueues {
    fn send(&self, outlet: &Outlet, record: &Record<'_>, may_wait: bool) -> Result<Delivery> {
        let message = record.message();
        let bytes = message.size_bytes_max();
        let now_ms = outlet.env.clock.wall_ms();
        self.rules.check(&self.handle.name, message, bytes, now_ms)?;
        let timestamp = message.timestamp_ms().unwrap_or(now_ms);
        let key = message.key_bytes().filter(|_| !outlet.settings.ignore_keys);
        let (index, sticky) = match (record.partition_number(), key) {
            (Some(number), _) => (self.index_of(number)?, false),
            (None, Some(key)) => (partition_of_key(key, self.queues.len()), false),
            (None, None) => (self.sticky.current(), self.queues.len() > 1),
        };
        let mut push = Push { message, timestamp, bytes, sticky, may_wait };
        match self.queue(index)?.push(&self.rules, &push)? {
            Pushed::Sent(delivery) => return Ok(delivery),
            Pushed::Enough => {}
        }
        let next = self.sticky.leave(index, self.queues.len());
        let queue = self.queue(next)?;
        match queue.push(&self.rules, &push)? {
            Pushed::Sent(delivery) => return Ok(delivery),
            Pushed::Enough => {}
        }
        // It was left just now by others too; where this record goes is all the same.
        push.sticky = false;
        match queue.push(&self.rules, &push)? {
            Pushed::Sent(delivery) => Ok(delivery),
            Pushed::Enough => Err(self.unknown_partition(next as i64)),
        }
    }

    fn index_of(&self, number: i32) -> Result<usize> {
        usize::try_from(number)
            .ok()
            .filter(|index| *index < self.queues.len())
            .ok_or_else(|| self.unknown_partition(number.into()))
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
}

/// The queues of `old` that are in none of the topics any more.
fn gone_queues(
    old: &TopicMap,
    topics: &HashMap<Box<str>, Arc<TopicQueues>>,
) -> Vec<Arc<PartitionQueue>> {
    let mut gone = Vec::new();
    for (name, before) in &old.topics {
        let now = topics.get(name).map_or(&[][..], |topic| &topic.queues);
        for (index, queue) in before.queues.iter().enumerate() {
            if !now.get(index).is_some_and(|kept| Arc::ptr_eq(kept, queue)) {
                gone.push(Arc::clone(queue));
            }
        }
    }
    gone
}

fn gone_error(queue: &PartitionQueue) -> Error {
    Error::new(ErrorKind::UnknownTopicOrPartition, "the partition was deleted meanwhile")
        .at_partition(queue.topic().as_str(), queue.number())
}

fn closed_error() -> Error {
    Error::new(ErrorKind::Closed, "the producer is closed")
}

fn late_error() -> Error {
    let message = "the producer was closed before the record was written, or before that was known";
    Error::new(ErrorKind::Closed, message)
}
