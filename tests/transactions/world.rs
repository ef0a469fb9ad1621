//! A broker in memory whose clock stands still, and what is looked at in it.

use std::sync::Arc;
use std::time::Duration;

use ottla::env::Env;
use ottla::env::clock::SimClock;
use ottla::{Broker, BrokerOptions, Error, ErrorKind, Record, TopicConfig};

pub(crate) const NOW: Duration = Duration::ZERO;

pub(crate) struct World {
    pub(crate) broker: Broker,
    clock: Arc<SimClock>,
}

pub(crate) fn options() -> BrokerOptions {
    Broker::options().background(false).journal_file_bytes(1 << 20)
}

impl World {
    /// A broker with the topics `orders` (4 partitions) and `deliveries` (1).
    pub(crate) fn new() -> World {
        World::with(options())
    }

    pub(crate) fn with(options: BrokerOptions) -> World {
        let clock = Arc::new(SimClock::default());
        let mut env = Env::memory();
        env.clock = clock.clone();
        let broker = options.open_in(env).unwrap();
        broker.create_topic("orders", TopicConfig::new().partitions(4)).unwrap();
        broker.create_topic("deliveries", TopicConfig::new()).unwrap();
        World { broker, clock }
    }

    /// Lets time pass, and the broker notice it.
    pub(crate) fn pass(&self, time: Duration) {
        self.pass_unnoticed(time);
        self.broker.tick().unwrap();
    }

    pub(crate) fn pass_unnoticed(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Sends records with `acks=all`.
    pub(crate) fn send(&self, topic: &str, values: &[&str]) {
        let producer = self.broker.producer().build().unwrap();
        for value in values {
            drop(producer.send(Record::new(topic, *value)).unwrap());
        }
        producer.flush().unwrap();
    }
}

/// The values of a topic, by partition and offset.
pub(crate) fn values(broker: &Broker, topic: &str) -> Vec<String> {
    let count = broker.describe_topic(topic).unwrap().partitions.len() as i32;
    let partitions = (0..count).map(|partition| (topic, partition));
    let mut consumer = broker.consumer().assign(partitions).build().unwrap();
    let mut values = Vec::new();
    loop {
        let records = consumer.poll(NOW).unwrap();
        if records.is_empty() {
            return values;
        }
        values.extend(
            records.iter().map(|record| {
                String::from_utf8(record.value().unwrap_or_default().to_vec()).unwrap()
            }),
        );
    }
}

/// Where a group is in a partition.
pub(crate) fn committed(broker: &Broker, group: &str, topic: &str, number: i32) -> Option<i64> {
    let all = broker.committed_offsets(group).unwrap();
    let is_it = |at: &ottla::TopicPartition| at.topic.as_str() == topic && at.partition == number;
    all.iter().find(|(at, _)| is_it(at)).map(|(_, committed)| committed.offset)
}

/// The error is of this kind, and its sentence has this part.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: ErrorKind, part: &str) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(part), "{error}");
}
