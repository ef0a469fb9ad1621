//! The consumer over real partitions in memory.
//!
//! Goal: every record that is there is returned once and in order, whatever the limits, the codecs
//! and the gaps; nothing that is bad is returned, nor hides what is good.

mod model;
mod offsets;
mod slots;
mod waiting;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Consumer;
use super::builder::ConsumerBuilder;
use super::records::{OwnedRecord, Records};
use super::source::Source;
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::message::Message;
use crate::catalog::known_topics::{KnownTopics, append};
use crate::catalog::topic_handle::TopicHandle;
use crate::config::compression::Compression;
use crate::config::offset_reset::AutoOffsetReset;
use crate::config::topic::TopicConfig;
use crate::error::{ErrorKind, Result};
use crate::format::batch_header::TimestampType;
use crate::partition::Partition;
use crate::partition::waiters::Waiters;

impl Source for KnownTopics {
    fn read_section(&self, collect: &mut dyn FnMut()) {
        // A broker may have to run it again.
        collect();
        collect();
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn closing(&self) -> &Waiters {
        static NOBODY: OnceLock<Waiters> = OnceLock::new();
        NOBODY.get_or_init(Waiters::default)
    }

    fn settle(&self) {}
}

const NOW: Duration = Duration::ZERO;

struct World {
    topics: Arc<KnownTopics>,
    topic: Arc<TopicHandle>,
}

impl World {
    fn new(partitions: usize) -> World {
        let topics = Arc::new(KnownTopics::default());
        let topic = topics.create("t", partitions, TopicConfig::new());
        World { topics, topic }
    }

    fn builder(&self) -> ConsumerBuilder {
        let all = (0..self.topic.partitions.len()).map(|index| ("t", index as i32));
        ConsumerBuilder::new(Arc::clone(&self.topics) as _, self.topics.env.clone(), None)
            .assign(all)
    }

    fn consumer(&self) -> Consumer {
        self.builder().build().unwrap()
    }

    fn partition(&self, index: usize) -> &Arc<Partition> {
        &self.topic.partitions[index]
    }

    /// Appends a batch of the numbers `values`, one record each.
    fn append(&self, partition: usize, values: std::ops::Range<usize>) {
        self.append_with(partition, values, &BatchOptions::default());
    }

    fn append_with(&self, partition: usize, values: std::ops::Range<usize>, how: &BatchOptions) {
        let mut builder = BatchBuilder::new();
        builder.start(how);
        for value in values {
            let text = value.to_string();
            builder.push(value as i64, None, Some(text.as_bytes()), &[]).unwrap();
        }
        append(self.partition(partition), builder.finish().unwrap()).unwrap();
    }
}

fn compressed(compression: Compression) -> BatchOptions {
    BatchOptions { compression, ..BatchOptions::default() }
}

fn numbers(records: &Records) -> Vec<usize> {
    records
        .iter()
        .map(|record| std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap())
        .collect()
}

/// Polls until nothing comes any more.
fn drain(consumer: &mut Consumer) -> Vec<usize> {
    let mut all = Vec::new();
    loop {
        let records = consumer.poll(NOW).unwrap();
        if records.is_empty() {
            return all;
        }
        all.extend(numbers(&records));
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_poll_returns_no_more_than_asked_for_and_loses_nothing() {
    for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let world = World::new(1);
        for batch in 0..10 {
            world.append_with(0, batch * 10..batch * 10 + 10, &compressed(codec));
        }
        let mut consumer = world.builder().max_poll_records(7).build().unwrap();
        let mut seen = Vec::new();
        for poll in 1..=14 {
            let records = consumer.poll(NOW).unwrap();
            assert_eq!(records.len(), records.iter().count());
            assert_eq!(records.len(), records.iter().len());
            assert_eq!(records.len(), 7);
            seen.push(records);
            assert_eq!(consumer.position("t", 0).unwrap(), poll * 7);
        }
        seen.push(consumer.poll(NOW).unwrap());
        assert!(consumer.poll(NOW).unwrap().is_empty());
        // The records of earlier polls are still what they were.
        let all: Vec<usize> = seen.iter().flat_map(numbers).collect();
        assert_eq!(all, (0..100).collect::<Vec<_>>(), "{codec}");
        let offsets: Vec<i64> = seen.iter().flatten().map(|record| record.offset()).collect();
        assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_with_many_records_is_decoded_in_steps() {
    for codec in [Compression::None, Compression::Zstd] {
        let world = World::new(1);
        world.append_with(0, 0..20_000, &compressed(codec));
        world.append_with(0, 20_000..20_010, &compressed(codec));
        let mut consumer = world.builder().max_poll_records(3000).build().unwrap();
        assert_eq!(drain(&mut consumer), (0..20_010).collect::<Vec<_>>());
        let mut consumer = world.builder().max_poll_records(100_000).build().unwrap();
        assert_eq!(drain(&mut consumer), (0..20_010).collect::<Vec<_>>());
        // Where a step ends with its batch.
        let world = World::new(1);
        for batch in 0..4 {
            world.append_with(0, batch * 100..batch * 100 + 100, &compressed(codec));
        }
        let mut consumer = world.builder().max_poll_records(100).build().unwrap();
        assert_eq!(drain(&mut consumer), (0..400).collect::<Vec<_>>());
    }
}

#[test]
fn all_parts_of_a_record_come_back() {
    let world = World::new(1);
    let messages = [
        Message::new("v").key("k").header("a", "1").header("a", "").null_header("b").timestamp(7),
        Message::tombstone("gone").timestamp(8),
        Message::new("").key("").timestamp(-1),
    ];
    for codec in [Compression::None, Compression::Gzip] {
        let mut builder = BatchBuilder::new();
        builder.start(&compressed(codec));
        for m in &messages {
            let at = m.timestamp_ms().unwrap();
            builder.push(at, m.key_bytes(), m.value_bytes(), m.headers()).unwrap();
        }
        append(world.partition(0), builder.finish().unwrap()).unwrap();
    }
    let by_append = BatchOptions {
        timestamp_type: TimestampType::LogAppendTime,
        now_ms: 99,
        ..BatchOptions::default()
    };
    world.append_with(0, 5..6, &by_append);
    let records = world.consumer().poll(NOW).unwrap();
    let owned: Vec<OwnedRecord> = records.iter().map(|record| record.to_owned()).collect();
    assert_eq!(owned.len(), 7);
    for (index, record) in owned[..6].iter().enumerate() {
        let message = &messages[index % 3];
        assert_eq!(record.offset, index as i64);
        assert_eq!(record.timestamp, message.timestamp_ms().unwrap());
        assert_eq!(record.timestamp_type, TimestampType::CreateTime);
        assert_eq!(record.key.as_deref(), message.key_bytes());
        assert_eq!(record.value.as_deref(), message.value_bytes());
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(headers, message.headers());
    }
    let last = records.iter().last().unwrap();
    assert_eq!((last.timestamp(), last.timestamp_type()), (99, TimestampType::LogAppendTime));
    assert!(records.iter().nth(1).unwrap().is_tombstone());
    assert_eq!(records.partitions(), [owned[0].partition.clone()].iter().collect::<Vec<_>>());
    assert_eq!(records.of_partition("t", 0).count(), 7);
    assert_eq!(records.of_partition("t", 1).count(), 0);
}

#[test]
fn seeking_goes_where_it_says() {
    let world = World::new(1);
    for batch in 0..5 {
        world.append_with(0, batch * 10..batch * 10 + 10, &compressed(Compression::Snappy));
    }
    let mut consumer = world.builder().max_poll_records(3).build().unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1, 2]);
    consumer.seek("t", 0, 25).unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [25, 26, 27]);
    assert_eq!(consumer.position("t", 0).unwrap(), 28);
    consumer.seek_to_beginning("t", 0).unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1, 2]);
    consumer.seek_to_end("t", 0).unwrap();
    assert_eq!(consumer.position("t", 0).unwrap(), 50);
    assert!(consumer.poll(NOW).unwrap().is_empty());
    assert_eq!(consumer.seek_to_timestamp("t", 0, 33).unwrap(), 33);
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [33, 34, 35]);
    assert_eq!(consumer.seek_to_timestamp("t", 0, 1000).unwrap(), 50);
    assert!(consumer.poll(NOW).unwrap().is_empty());
    assert_eq!(kind(consumer.seek("t", 1, 0)), ErrorKind::InvalidInput);
    assert_eq!(kind(consumer.seek("t", 0, -1)), ErrorKind::InvalidInput);
    assert_eq!(kind(consumer.position("u", 0)), ErrorKind::InvalidInput);
}

#[test]
fn a_position_that_does_not_exist_is_reset_or_refused() {
    let world = World::new(1);
    world.append(0, 0..10);
    let mut earliest = world.consumer();
    earliest.seek("t", 0, 11).unwrap();
    assert_eq!(drain(&mut earliest), (0..10).collect::<Vec<_>>());

    let latest = world.builder().auto_offset_reset(AutoOffsetReset::Latest);
    let mut latest = latest.build().unwrap();
    assert!(latest.poll(NOW).unwrap().is_empty());
    world.append(0, 10..12);
    assert_eq!(drain(&mut latest), [10, 11]);

    let none = world.builder().auto_offset_reset(AutoOffsetReset::None);
    let mut none = none.build().unwrap();
    let error = none.poll(NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
    assert_eq!(error.partition(), Some(("t", 0)));
    none.seek("t", 0, 13).unwrap();
    assert_eq!(kind(none.poll(NOW)), ErrorKind::OffsetOutOfRange);
    none.seek("t", 0, 12).unwrap();
    assert!(none.poll(NOW).unwrap().is_empty(), "the end itself is in range");
}

#[test]
fn a_waiting_poll_is_woken_by_an_append() {
    let world = World::new(3);
    let mut consumer = world.consumer();
    assert!(consumer.poll(Duration::from_millis(5)).unwrap().is_empty());
    for round in 0..20 {
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| consumer.poll(Duration::from_secs(600)).unwrap());
            if round % 2 == 0 {
                std::thread::yield_now();
            }
            world.append(round % 3, round..round + 1);
            assert_eq!(numbers(&waiter.join().unwrap()), [round]);
        });
    }
}

#[test]
fn control_batches_and_gaps_are_passed_over() {
    let world = World::new(1);
    world.append(0, 0..2);
    let marker = BatchOptions {
        control: true,
        transactional: true,
        producer: Some(BatchProducer { id: 5, epoch: 0, base_sequence: -1 }),
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new();
    let append_marker = |builder: &mut BatchBuilder| {
        builder.start(&marker);
        builder.push(0, Some(&[0, 0, 0, 1]), Some(&[0; 6]), &[]).unwrap();
        append(world.partition(0), builder.finish().unwrap()).unwrap();
    };
    append_marker(&mut builder);
    // A batch as the cleaner leaves it: its last records are gone, their offsets are not.
    world.append_with(
        0,
        3..5,
        &BatchOptions { last_offset_delta: Some(9), ..BatchOptions::default() },
    );
    append_marker(&mut builder);
    let mut consumer = world.consumer();
    let records = consumer.poll(NOW).unwrap();
    let offsets: Vec<i64> = records.iter().map(|record| record.offset()).collect();
    assert_eq!(offsets, [0, 1, 3, 4]);
    assert_eq!(consumer.position("t", 0).unwrap(), 14);
    assert!(consumer.poll(NOW).unwrap().is_empty());
    consumer.seek("t", 0, 8).unwrap();
    assert!(consumer.poll(NOW).unwrap().is_empty());
    assert_eq!(consumer.position("t", 0).unwrap(), 14);
}

#[test]
fn every_partition_gets_its_turn() {
    let world = World::new(4);
    for partition in 0..4 {
        for batch in 0..20 {
            world.append(partition, batch * 10..batch * 10 + 10);
        }
    }
    let mut consumer = world.builder().max_poll_records(10).build().unwrap();
    for _ in 0..5 {
        let mut turn: Vec<i32> =
            (0..4).map(|_| consumer.poll(NOW).unwrap().partitions()[0].partition).collect();
        turn.sort_unstable();
        assert_eq!(turn, [0, 1, 2, 3]);
    }
    // A small bound of all partitions together still brings each one forward.
    let mut consumer = world.builder().set("fetch.max.bytes", "1").build().unwrap();
    assert_eq!(drain(&mut consumer).len(), 800);
}

#[test]
fn damage_is_named_and_hides_nothing_else() {
    let world = World::new(2);
    for batch in 0..4 {
        world.append(0, batch * 10..batch * 10 + 10);
        world.append(1, batch * 10..batch * 10 + 10);
    }
    // The third batch of partition 0.
    world.topics.damage(world.partition(0), 20);
    let mut consumer = world.builder().max_poll_records(25).build().unwrap();
    let (mut records, mut errors) = (0, 0);
    for _ in 0..10 {
        match consumer.poll(NOW) {
            Ok(some) => records += some.len(),
            Err(error) => {
                errors += 1;
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                assert_eq!(error.partition(), Some(("t", 0)));
            }
        }
    }
    assert_eq!(records, 20 + 40);
    assert!(errors >= 2, "it is told again and again");
    assert_eq!(consumer.position("t", 0).unwrap(), 20);
    consumer.seek("t", 0, 30).unwrap();
    assert_eq!(drain(&mut consumer), (30..40).collect::<Vec<_>>());
}

#[test]
fn assignments_are_checked_and_positions_survive_them() {
    let world = World::new(2);
    world.append(0, 0..4);
    let mut consumer = world.builder().max_poll_records(2).build().unwrap();
    assert_eq!(consumer.assignment().len(), 2);
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1]);
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(kind(consumer.assign([("t", 2)])), unknown);
    assert_eq!(kind(consumer.assign([("u", 0)])), unknown);
    assert_eq!(kind(consumer.assign([("t", -1)])), unknown);
    assert_eq!(kind(consumer.assign([("t", 0), ("t", 0)])), ErrorKind::InvalidInput);
    assert_eq!(consumer.assignment().len(), 2);
    consumer.assign([("t", 0)]).unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [2, 3]);
    consumer.assign([("t", 1)]).unwrap();
    consumer.assign([("t", 0)]).unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1]);
    let nothing: [(&str, i32); 0] = [];
    consumer.assign(nothing).unwrap();
    let error = consumer.poll(Duration::from_millis(1)).unwrap_err();
    assert!(error.to_string().contains("reads nothing"), "{error}");
}
