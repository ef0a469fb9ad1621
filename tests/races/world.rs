//! The world of a scenario: a disk that can lose its power at any moment, a clock that ticks when
//! it is looked at, randomness that is always the same; and what was acked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ottla::env::Env;
use ottla::env::clock::{Clock, SimClock};
use ottla::env::random::SeededRandom;
use ottla::env::sim::{Choices, SimDisk};
use ottla::{Acks, Broker, BrokerOptions, Message, PartitionHandle, Result, TopicConfig};

use crate::disk::{Disk, Panics};
use crate::threads::{Note, draw};

/// The one topic of most scenarios.
pub(crate) const TOPIC: &str = "orders";

/// Longer than any wait: whoever waits so long waits for a wake-up.
pub(crate) const FOREVER: Duration = Duration::from_secs(3600);

/// Where a broker lives.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) panics: Panics,
}

/// Goes on by a millisecond whenever it is looked at, so that what waits for a time gets there.
#[derive(Debug, Default)]
struct TickingClock(AtomicU64);

impl Clock for TickingClock {
    fn wall_ms(&self) -> i64 {
        1_800_000_000_000 + self.monotonic().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::of(SimDisk::new(Arc::new(SimClock::default())))
    }

    fn of(disk: SimDisk) -> World {
        World { disk, panics: Panics::default() }
    }

    /// A broker without a thread of its own, and the topic with two partitions.
    pub(crate) fn broker(&self) -> Broker {
        self.broker_with(options())
    }

    pub(crate) fn broker_with(&self, options: BrokerOptions) -> Broker {
        let broker = self.open(options);
        broker.create_topic(TOPIC, TopicConfig::new().partitions(2)).unwrap();
        broker
    }

    pub(crate) fn open(&self, options: BrokerOptions) -> Broker {
        self.try_open(options).unwrap()
    }

    pub(crate) fn try_open(&self, options: BrokerOptions) -> Result<Broker> {
        let env = Env {
            vfs: Arc::new(Disk { inner: self.disk.clone(), panics: self.panics.clone() }),
            clock: Arc::new(TickingClock::default()),
            random: Arc::new(SeededRandom::new(1)),
        };
        options.open_in(env)
    }

    /// The world after a loss of power now.
    pub(crate) fn power_loss(&self) -> World {
        let drawn = draw();
        let disk = if drawn.is_multiple_of(2) {
            self.disk.after_losing_everything_unsynced()
        } else {
            self.disk.after_power_loss(&mut Choices::seeded(drawn))
        };
        World::of(disk)
    }

    /// The world after the process was killed now.
    pub(crate) fn kill(&self) -> World {
        World::of(self.disk.after_kill())
    }
}

/// The smallest broker: no thread, a short journal.
pub(crate) fn options() -> BrokerOptions {
    Broker::options().background(false).journal_file_bytes(4096).journal_files(2)
}

/// What was acked so far: the record of each offset.
#[derive(Clone, Default)]
pub(crate) struct Acked(Arc<Note<BTreeMap<(i32, i64), String>>>);

impl Acked {
    /// Appends one record and notes its ack.
    pub(crate) fn append(&self, partition: &PartitionHandle, text: &str, acks: Acks) {
        let appended = partition.append(&[Message::new(text)], acks).unwrap();
        self.note(partition.name().partition, appended.base_offset, text);
    }

    pub(crate) fn note(&self, partition: i32, offset: i64, text: &str) {
        let before = self.0.lock().unwrap().insert((partition, offset), text.to_owned());
        assert_eq!(before, None, "the offset {offset} of {partition} was given twice");
    }

    /// Notes all that `other` has.
    pub(crate) fn add(&self, other: &Acked) {
        let other = other.0.lock().unwrap().clone();
        self.0.lock().unwrap().extend(other);
    }

    /// Those that were acked until now.
    pub(crate) fn until_now(&self) -> Acked {
        Acked(Arc::new(Note::new(self.0.lock().unwrap().clone())))
    }

    /// Everything acked is in the log.
    pub(crate) fn is_in(&self, broker: &Broker) {
        let mut logs = BTreeMap::new();
        for (&(partition, offset), text) in &*self.0.lock().unwrap() {
            let log = logs.entry(partition).or_insert_with(|| log_of(broker, partition));
            let there = usize::try_from(offset).ok().and_then(|offset| log.get(offset));
            let brief = || log.iter().map(|text| text.split(' ').next()).collect::<Vec<_>>();
            assert!(
                there == Some(text),
                "{text:.10} was acked as {partition}@{offset}; the log has {:?}",
                brief()
            );
        }
    }

    /// Everything acked is in the log, and nothing else.
    pub(crate) fn is_all_of(&self, broker: &Broker) {
        self.is_in(broker);
        let written: usize = (0..2).map(|partition| log_of(broker, partition).len()).sum();
        assert_eq!(written, self.0.lock().unwrap().len());
    }
}

/// All records of a partition.
pub(crate) fn log_of(broker: &Broker, partition: i32) -> Vec<String> {
    let mut consumer = broker.consumer().assign([(TOPIC, partition)]).build().unwrap();
    let mut log = Vec::new();
    let start = broker.partition(TOPIC, partition).unwrap().log_start_offset();
    loop {
        let records = consumer.poll(Duration::ZERO).unwrap();
        if records.is_empty() {
            return log;
        }
        for record in &records {
            assert_eq!(record.offset(), start + log.len() as i64, "a hole, or a record twice");
            log.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
        }
    }
}
