//! The producer over a sink that commits only when a test says so.
//!
//! Goal: batches are closed when they should be, nothing is reordered, nobody waits for ever, and
//! every record has exactly one fate.

mod closing;
mod numbered;
mod partitioning;
mod sending;
mod splitting;
mod telling;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::env::sync::Mutex;

use super::accumulator::Accumulator;
use super::builder::{ProducerBuilder, ProducerParts};
use super::identity::ProducerIdentity;
use super::sink::{Afterwards, OnDone, Sink};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::catalog::known_topics::{KnownTopics, append};
use crate::catalog::topic_handle::TopicHandle;
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::SimClock;
use crate::env::random::SeededRandom;
use crate::error::{Error, ErrorKind};
use crate::partition::Partition;
use crate::partition::read::{ReadPosition, ReadRequest};

type Queued = (Arc<Partition>, Vec<u8>, OnDone, Arc<dyn Afterwards>);

/// Writes at once what is not `acks=all`, and the rest when somebody settles.
#[derive(Default)]
struct TestSink {
    queue: Mutex<VecDeque<Queued>>,
    leading: Mutex<()>,
    /// Nothing is committed any more.
    stuck: AtomicBool,
    /// Claims that somebody settles without being asked.
    by_itself: AtomicBool,
    refuse: Mutex<Option<Error>>,
    /// The numbers of batches, in the order of writing, for which there is no space.
    refused: Mutex<Vec<usize>>,
    batches: AtomicUsize,
    settled: AtomicUsize,
}

impl TestSink {
    /// There is no space for the batches of these numbers, and enough for all others.
    fn refuse_only(&self, numbers: Vec<usize>) {
        *self.refused.lock() = numbers;
    }

    fn write(&self, partition: &Partition, mut batch: Vec<u8>, on_done: OnDone) {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let is_refused = self.refused.lock().contains(&number);
        let full = is_refused.then(|| Error::new(ErrorKind::NoSpace, "no space"));
        let refused = self.refuse.lock().clone().or(full);
        let result = match refused {
            Some(error) => Err(error),
            None => append(partition, &mut batch),
        };
        on_done(result, batch);
    }
}

impl Sink for TestSink {
    fn submit(
        &self,
        partition: &Arc<Partition>,
        batch: Vec<u8>,
        acks: Acks,
        on_done: OnDone,
        afterwards: Arc<dyn Afterwards>,
    ) {
        if acks == Acks::All {
            self.queue.lock().push_back((Arc::clone(partition), batch, on_done, afterwards));
        } else {
            self.write(partition, batch, on_done);
        }
    }

    fn settle(&self) {
        let leading = self.leading.lock();
        let mut tell = Vec::new();
        self.settled.fetch_add(1, Ordering::Relaxed);
        let mut count = self.queue.lock().len();
        if self.stuck.load(Ordering::Relaxed) {
            return;
        }
        while count > 0 {
            let Some(queued) = self.queue.lock().pop_front() else { break };
            let (partition, batch, on_done, afterwards) = queued;
            self.write(&partition, batch, on_done);
            tell.push(afterwards);
            count -= 1;
        }
        drop(leading);
        tell.iter().for_each(|afterwards| afterwards.tell());
    }

    fn nudge(&self) {}

    fn work(&self) {
        self.settle();
    }

    fn settles_by_itself(&self) -> bool {
        self.by_itself.load(Ordering::Relaxed)
    }

    fn new_producer_identity(&self) -> crate::error::Result<ProducerIdentity> {
        Ok(ProducerIdentity::new(7, 0))
    }

    fn schedule(&self, _at: Duration) {}
}

/// A world with one topic `t`.
struct World {
    topics: Arc<KnownTopics>,
    topic: Arc<TopicHandle>,
    sink: Arc<TestSink>,
    clock: Arc<SimClock>,
    accumulator: Arc<Mutex<Option<std::sync::Weak<Accumulator>>>>,
}

impl World {
    fn new(partitions: usize) -> World {
        World::with(partitions, TopicConfig::new())
    }

    fn with(partitions: usize, config: TopicConfig) -> World {
        let topics = Arc::new(KnownTopics::default());
        let topic = topics.create("t", partitions, config);
        World {
            topics,
            topic,
            sink: Arc::default(),
            clock: Arc::new(SimClock::new(1_000_000)),
            accumulator: Arc::default(),
        }
    }

    fn builder(&self) -> ProducerBuilder {
        let accumulator = Arc::clone(&self.accumulator);
        let mut env = Env::memory();
        env.clock = Arc::clone(&self.clock) as _;
        env.random = Arc::new(SeededRandom::new(7));
        ProducerBuilder::new(ProducerParts {
            topics: Arc::clone(&self.topics) as _,
            sink: Arc::clone(&self.sink) as _,
            env,
            keeps_open: Arc::new(()),
            register: Box::new(move |weak| *accumulator.lock() = Some(weak)),
        })
    }

    fn tick(&self) -> Option<Duration> {
        use crate::env::clock::Clock;
        let weak = self.accumulator.lock().clone().unwrap();
        weak.upgrade().unwrap().tick(self.clock.monotonic())
    }

    fn tick_if_alive(&self) {
        use crate::env::clock::Clock;
        let weak = self.accumulator.lock().clone().unwrap();
        if let Some(accumulator) = weak.upgrade() {
            accumulator.tick(self.clock.monotonic());
        }
    }

    fn batches(&self) -> usize {
        self.sink.batches.load(Ordering::Relaxed)
    }

    /// All values of a partition, in order, with their offsets checked.
    fn values(&self, partition: usize) -> Vec<String> {
        values_of(&self.topic.partitions[partition])
    }
}

fn values_of(partition: &Partition) -> Vec<String> {
    let end = partition.end_offset();
    let (mut values, mut scratch, mut from) = (Vec::new(), Vec::new(), 0);
    while from < end {
        let mut buffer = Vec::new();
        let request = ReadRequest { from, end, bytes_max: 1 << 20, check: true };
        let read = partition.read(&request, &mut ReadPosition::default(), &mut buffer).unwrap();
        let mut rest = &buffer[read.start..read.start + read.bytes];
        while !rest.is_empty() {
            let size = Entry::size_of(rest).unwrap();
            let entry = Entry::decode(&rest[..size]).unwrap();
            for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
                let record = record.unwrap();
                assert_eq!(record.offset, values.len() as i64);
                values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
            from = entry.last_offset() + 1;
            rest = &rest[size..];
        }
    }
    values
}

fn kind<T: std::fmt::Debug>(result: crate::error::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}
