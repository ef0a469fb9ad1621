//! The queues of all partitions that a producer sends to, found by topic name.
//!
//! The hot path looks a topic up in an immutable map and takes no lock. When the broker's topics
//! change, the map is made anew: queues of partitions that are still there are carried over,
//! those of partitions that went away are shut and flushed.

use std::sync::Arc;
use std::time::Duration;

use super::completion::Completion;
use super::delivery::Delivery;
use super::metrics::ProducerMetrics;
use super::notices::is_in_callback;
use super::outlet::{Outlet, closed_error};
use super::partitioner::Partitioner;
use super::queue::PartitionQueue;
use super::record::Record;
use super::topic_queues::TopicQueues;
use crate::catalog::topic_handle::Topics;
use crate::env::sync::{ArcSwap, Condvar, Mutex};
use crate::error::{Error, ErrorKind, Result};

/// Gathers a producer's records into batches. Ticked and closed by the broker.
pub(crate) struct Accumulator {
    outlet: Arc<Outlet>,
    lookup: Arc<dyn Topics>,
    partitioner: Option<Arc<dyn Partitioner>>,
    topics: ArcSwap<TopicMap>,
    /// Held while the map is made anew.
    phase: Mutex<Phase>,
    closed: Condvar,
}

struct TopicMap {
    /// [`Topics::version`] before the topics were looked up.
    version: u64,
    /// In the order of their names: most producers send to a few, and comparing some names takes
    /// less time than hashing one.
    topics: Vec<Arc<TopicQueues>>,
}

impl TopicMap {
    #[inline]
    fn get(&self, name: &str) -> Option<&Arc<TopicQueues>> {
        let place = match &*self.topics {
            // Nearly always, and then equality is enough.
            [only] => return (only.name() == name).then_some(only),
            topics => topics.binary_search_by(|topic| topic.name().cmp(name)).ok()?,
        };
        self.topics.get(place)
    }
}

/// How far the producer has been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// It takes no more records; a thread waits for those that it has.
    Closing,
    Closed,
}

impl Accumulator {
    pub(super) fn new(
        lookup: Arc<dyn Topics>,
        outlet: Arc<Outlet>,
        partitioner: Option<Arc<dyn Partitioner>>,
    ) -> Accumulator {
        let version = lookup.version();
        Accumulator {
            outlet,
            lookup,
            partitioner,
            topics: ArcSwap::from_pointee(TopicMap { version, topics: Vec::new() }),
            phase: Mutex::new(Phase::Open),
            closed: Condvar::new(),
        }
    }

    /// Puts a record into its partition's batch.
    pub(super) fn send(&self, record: &Record<'_>, may_wait: bool) -> Result<Delivery> {
        let version = self.lookup.version();
        {
            let map = self.topics.load();
            if map.version == version
                && let Some(topic) = map.get(record.topic())
            {
                return topic.send(&self.outlet, record, may_wait);
            }
        }
        self.renew(record.topic())?.send(&self.outlet, record, may_wait)
    }

    /// Looks up `wanted`, and, if the broker's topics have changed, all the others too.
    #[cold]
    fn renew(&self, wanted: &str) -> Result<Arc<TopicQueues>> {
        let phase = self.phase.lock();
        if *phase != Phase::Open {
            return Err(closed_error());
        }
        let open_topic = |handle, before| {
            let partitioner = self.partitioner.as_ref();
            Arc::new(TopicQueues::new(&self.outlet, partitioner, handle, before))
        };
        let old = self.topics.load_full();
        let version = self.lookup.version();
        let mut topics = Vec::with_capacity(old.topics.len() + 1);
        for known in &old.topics {
            if old.version == version {
                topics.push(Arc::clone(known));
            } else if let Ok(handle) = self.lookup.topic(known.name()) {
                topics.push(open_topic(handle, Some(&**known)));
            }
        }
        let place = topics.binary_search_by(|topic| topic.name().cmp(wanted));
        let found = match place {
            Ok(place) => Ok(Arc::clone(&topics[place])),
            Err(place) => self.lookup.topic(wanted).map(|handle| {
                let topic = open_topic(handle, None);
                topics.insert(place, Arc::clone(&topic));
                topic
            }),
        };
        let gone = gone_queues(&old, &topics);
        self.topics.store(Arc::new(TopicMap { version, topics }));
        drop(phase);
        for queue in gone {
            queue.shut(gone_error(&queue));
            queue.flush();
        }
        self.outlet.sink.nudge();
        self.outlet.notices.deliver();
        found
    }

    /// Closes the batches that have lingered long enough by `now` (the environment's monotonic
    /// clock) and hands them to the sink, which may have to be settled; gives up those that are
    /// not decided in time. Says when the next batch is due, if any lingers.
    pub(crate) fn tick(&self, now: Duration) -> Option<Duration> {
        let next = self.outlet.close_due(Some(now));
        self.outlet.expire(now);
        self.outlet.notices.deliver();
        next
    }

    /// Closes all open batches and waits until everything that was sent is decided and the
    /// callbacks for it have returned.
    ///
    /// # Errors
    /// The first error of the batches that were waited for.
    pub(super) fn flush(&self) -> Result<()> {
        self.close_batches();
        self.finish(None)
    }

    /// Flushes, for at most `within`, and takes no more records. What is undecided then fails.
    /// A second close waits for the first one.
    ///
    /// # Errors
    /// The first error of the batches that were waited for.
    pub(crate) fn close(&self, within: Duration) -> Result<()> {
        if !self.begin_close(within) {
            return Ok(());
        }
        let _closed_at_last = ClosedAtLast(self);
        self.outlet.memory.shut();
        self.close_batches();
        let give_up_at = self.outlet.env.clock.monotonic().checked_add(within);
        let result = self.finish(give_up_at);
        let is_late = |at| self.outlet.env.clock.monotonic() >= at;
        if !give_up_at.is_some_and(is_late) && !is_in_callback() {
            // Whoever commits holds handles of the broker until it has told everybody; the last
            // one of those is to go with the producer, on this thread.
            self.outlet.sink.settle();
        }
        // Queues, batches and these lists refer to one another: nobody else would free them.
        self.outlet.close_due(None);
        self.outlet.fail_all(&late_error());
        self.outlet.notices.deliver();
        let version = self.topics.load().version;
        self.topics.store(Arc::new(TopicMap { version, topics: Vec::new() }));
        result
    }

    /// Takes no more records; `false` if another thread closes or has closed the producer.
    fn begin_close(&self, within: Duration) -> bool {
        let mut phase = self.phase.lock();
        if *phase == Phase::Open {
            *phase = Phase::Closing;
            let map = self.topics.load();
            for queue in map.topics.iter().flat_map(|topic| topic.queues()) {
                queue.shut(closed_error());
            }
            return true;
        }
        // The one that closes may be waiting for this very callback.
        if !is_in_callback() {
            let is_closing = |phase: &mut Phase| *phase == Phase::Closing;
            self.closed.wait_while_for(&mut phase, is_closing, within);
        }
        false
    }

    fn close_batches(&self) {
        let map = self.topics.load_full();
        for queue in map.topics.iter().flat_map(|topic| topic.queues()) {
            queue.flush();
        }
        self.outlet.sink.nudge();
    }

    /// Waits until everything that was sent is decided, or, at `give_up_at`, decides it.
    fn finish(&self, give_up_at: Option<Duration>) -> Result<()> {
        let mut result = Ok(());
        for completion in self.outlet.undecided() {
            self.finish_batch(&completion, give_up_at);
            let outcome = completion.wait_until_done().of_batch();
            result = result.and(outcome);
        }
        let clock = &*self.outlet.env.clock;
        self.outlet.notices.wait_until_called(clock, give_up_at);
        result
    }

    fn finish_batch(&self, completion: &Arc<Completion>, give_up_at: Option<Duration>) {
        let Some(give_up_at) = give_up_at else {
            return completion.queue().drive(completion);
        };
        if self.outlet.env.clock.monotonic() >= give_up_at {
            return self.outlet.fail_all(&late_error());
        }
        // Committing here can take longer than there is time, so it is left to whoever does it
        // anyway; inside of a callback that may be this thread.
        if is_in_callback() || !self.outlet.sink.settles_by_itself() {
            completion.queue().drive(completion);
        } else if !completion.wait_until(give_up_at) {
            self.outlet.fail_all(&late_error());
        }
    }

    /// What was counted so far.
    pub(super) fn metrics(&self) -> ProducerMetrics {
        self.outlet.metrics()
    }
}

/// Lets the others know that the producer is closed, even if closing it panicked.
struct ClosedAtLast<'a>(&'a Accumulator);

impl Drop for ClosedAtLast<'_> {
    fn drop(&mut self) {
        *self.0.phase.lock() = Phase::Closed;
        self.0.closed.notify_all();
    }
}

/// The queues of `old` that are in none of the topics any more.
fn gone_queues(old: &TopicMap, topics: &[Arc<TopicQueues>]) -> Vec<Arc<PartitionQueue>> {
    let mut gone = Vec::new();
    for before in &old.topics {
        let place = topics.binary_search_by(|topic| topic.name().cmp(before.name()));
        let now = place.map_or(&[][..], |place| topics[place].queues());
        for (index, queue) in before.queues().iter().enumerate() {
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

fn late_error() -> Error {
    let message = "the producer was closed before the record was written, or before that was known";
    Error::new(ErrorKind::Closed, message)
}
