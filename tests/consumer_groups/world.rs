//! A broker in memory whose clock stands still, and what tests do with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::env::Env;
use ottla::env::clock::SimClock;
use ottla::{
    Acks, Broker, Consumer, ConsumerBuilder, ErrorKind, Message, RebalanceListener, Records,
    Result, TopicConfig, TopicPartition,
};

pub(crate) const NOW: Duration = Duration::ZERO;
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) struct World {
    pub(crate) broker: Broker,
    clock: Arc<SimClock>,
}

impl World {
    /// A broker with topic `t` of so many partitions.
    pub(crate) fn new(partitions: i32) -> World {
        let clock = Arc::new(SimClock::default());
        let mut env = Env::memory();
        env.clock = clock.clone();
        let options = Broker::options().background(false).journal_file_bytes(1 << 20);
        let world = World { broker: options.open_in(env).unwrap(), clock };
        world.create("t", partitions);
        world
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        self.broker.create_topic(topic, TopicConfig::new().partitions(partitions)).unwrap();
    }

    /// Lets time pass, and the broker notice it.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.broker.tick().unwrap();
    }

    /// Appends numbers to a partition of `t`.
    pub(crate) fn append(&self, partition: i32, values: std::ops::Range<usize>) {
        append(&self.broker, partition, values);
    }

    pub(crate) fn member(&self) -> Consumer {
        self.builder().subscribe(["t"]).build().unwrap()
    }

    pub(crate) fn builder(&self) -> ConsumerBuilder {
        self.broker.consumer().group("g")
    }
}

pub(crate) fn append(broker: &Broker, partition: i32, values: std::ops::Range<usize>) {
    let texts: Vec<String> = values.map(|value| value.to_string()).collect();
    let messages: Vec<Message<'_>> = texts.iter().map(Message::new).collect();
    broker.partition("t", partition).unwrap().append(&messages, Acks::Leader).unwrap();
}

/// Polls until nothing more comes; the values by their order.
pub(crate) fn drain(consumer: &mut Consumer) -> Vec<usize> {
    let mut all = Vec::new();
    // The first poll may only bring partitions.
    let mut empty = 0;
    while empty < 2 {
        let records = consumer.poll(NOW).unwrap();
        empty = if records.is_empty() { empty + 1 } else { 0 };
        all.extend(numbers(&records));
    }
    all
}

pub(crate) fn numbers(records: &Records) -> Vec<usize> {
    let values = records.iter().map(|record| record.value().unwrap());
    values.map(|value| std::str::from_utf8(value).unwrap().parse().unwrap()).collect()
}

/// Polls all in turn until they own what they will own.
pub(crate) fn settle(consumers: &mut [&mut Consumer]) {
    for _ in 0..4 {
        for consumer in consumers.iter_mut() {
            consumer.poll(NOW).unwrap();
        }
    }
}

pub(crate) fn owned(consumer: &Consumer) -> Vec<i32> {
    consumer.assignment().iter().map(|assigned| assigned.partition).collect()
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// What a listener was told: a letter for the event, and the partitions.
pub(crate) type Log = Arc<Mutex<Vec<(char, Vec<i32>)>>>;

/// Notes what it is told.
#[derive(Clone, Default)]
pub(crate) struct Noting(pub Log);

impl Noting {
    pub(crate) fn take(&self) -> Vec<(char, Vec<i32>)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, event: char, partitions: &[TopicPartition]) {
        let partitions = partitions.iter().map(|partition| partition.partition).collect();
        self.0.lock().unwrap().push((event, partitions));
    }
}

impl RebalanceListener for Noting {
    fn on_partitions_revoked(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        self.note('r', partitions);
    }

    fn on_partitions_assigned(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        self.note('a', partitions);
    }

    fn on_partitions_lost(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        self.note('l', partitions);
    }
}

/// Does something when partitions are revoked, and something when they are assigned.
pub(crate) struct Doing<R, A> {
    pub(crate) revoked: R,
    pub(crate) assigned: A,
}

impl<R, A> RebalanceListener for Doing<R, A>
where
    R: FnMut(&mut Consumer, &[TopicPartition]) + Send,
    A: FnMut(&mut Consumer, &[TopicPartition]) + Send,
{
    fn on_partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        (self.revoked)(consumer, partitions);
    }

    fn on_partitions_assigned(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        (self.assigned)(consumer, partitions);
    }
}

pub(crate) fn nothing(_: &mut Consumer, _: &[TopicPartition]) {}
