//! The consumer over real partitions in memory.
//!
//! Goal: every record that is there is returned once and in order, whatever the limits, the codecs
//! and the gaps; nothing that is bad is returned, nor hides what is good.

use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use super::builder::ConsumerBuilder;
use super::isolation::AbortedFilter;
use super::piece::Fetched;
use super::pool::Pool;
use super::records::{OwnedRecord, Records};
use super::source::Source;
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::batch::message::Message;
use crate::catalog::known_topics::{KnownTopics, append};
use crate::catalog::topic_handle::TopicHandle;
use crate::config::compression::Compression;
use crate::config::consumer::AutoOffsetReset;
use crate::config::topic::TopicConfig;
use crate::error::{ErrorKind, Result};
use crate::format::batch_header::TimestampType;
use crate::format::index_entries::AbortedTxn;
use crate::partition::Partition;

impl Source for KnownTopics {
    fn read_section(&self, collect: &mut dyn FnMut()) {
        // A broker may have to run it again.
        collect();
        collect();
    }
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
        ConsumerBuilder::new(Arc::clone(&self.topics) as _, self.topics.env.clone()).assign(all)
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
    assert!(consumer.poll(Duration::from_millis(1)).unwrap().is_empty());
    assert_eq!(kind(world.builder().set("group.id", "g").build()), ErrorKind::InvalidInput);
}

/// Kafka's batches and messages of all versions, codecs and kinds: the slots say what the
/// decoder says.
#[test]
fn slots_agree_with_the_decoder_on_all_vectors() {
    let texts = [
        include_str!("../../tests/vectors/batches.json"),
        include_str!("../../tests/vectors/legacy.json"),
    ];
    let (mut vectors, mut records_seen) = (0, 0);
    for text in texts {
        let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        for vector in &all {
            records_seen += check_vector(vector);
            vectors += 1;
        }
    }
    assert!(vectors >= 60 && records_seen >= 200, "{vectors} vectors, {records_seen} records");
}

fn check_vector(vector: &serde_json::Value) -> usize {
    let hex = vector["hex"].as_str().unwrap();
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let mut expected = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let entry = Entry::decode_first(&bytes[at..]).unwrap();
        at += entry.bytes().len();
        if entry.is_control() {
            continue;
        }
        let mut scratch = Vec::new();
        for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
            let r = record.unwrap();
            let headers = r.headers.map(|h| (h.name_bytes.to_vec(), h.value.map(<[u8]>::to_vec)));
            expected.push((
                (r.offset, r.timestamp, r.timestamp_type),
                (r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)),
                headers.collect::<Vec<_>>(),
            ));
        }
    }
    // The bytes lie somewhere in the buffer.
    let start = 3;
    let mut buffer = vec![0xee; start];
    buffer.extend_from_slice(&bytes);
    buffer.extend_from_slice(&[0xee; 50]);
    let range = start..start + bytes.len();
    let pool = Arc::new(Pool::default());
    let mut fetched = Fetched::new(buffer, range, AbortedFilter::default());
    let (mut position, mut seen) = (0, Records::new(Arc::clone(&pool)));
    while !fetched.is_done() {
        let piece = fetched.decode(position, 10, &pool).unwrap();
        position = piece.next_offset;
        seen.push(super::records::Run {
            partition: Arc::new(crate::topic::TopicPartition::new(
                crate::topic::TopicName::new("t").unwrap(),
                0,
            )),
            from: 0,
            to: piece.slots.len(),
            bytes: piece.bytes,
            slots: piece.slots,
        });
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|r| {
            let headers = r.headers().map(|h| (h.name_bytes.to_vec(), h.value.map(<[u8]>::to_vec)));
            (
                (r.offset(), r.timestamp(), r.timestamp_type()),
                (r.key().map(<[u8]>::to_vec), r.value().map(<[u8]>::to_vec)),
                headers.collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(seen, expected, "{}", vector["name"]);
    seen.len()
}

#[test]
fn aborted_transactions_are_hidden_up_to_their_marker() {
    let of = |id| Some(BatchProducer { id, epoch: 0, base_sequence: 0 });
    let batch = |offset: i64, id: i64, control: bool, transactional: bool| {
        let mut builder = BatchBuilder::new();
        builder.start(&BatchOptions {
            base_offset: offset,
            control,
            transactional,
            producer: of(id),
            ..BatchOptions::default()
        });
        builder.push(0, Some(&[0, 0, 0, 0]), Some(&[0; 6]), &[]).unwrap();
        builder.take().unwrap()
    };
    let aborted = |producer_id, first_offset, last_offset| AbortedTxn {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset: 100,
    };
    let mut filter = AbortedFilter::new(&[aborted(1, 2, 5), aborted(2, 9, 12), aborted(1, 7, 8)]);
    let mut hides = |offset, id, control, transactional| {
        let bytes = batch(offset, id, control, transactional);
        let entry = Entry::decode(&bytes).unwrap();
        let first = filter.hides(&entry).unwrap();
        assert_eq!(filter.hides(&entry).unwrap(), first, "asking twice is fine");
        first
    };
    assert!(!hides(1, 1, false, true), "an earlier transaction, committed");
    assert!(hides(2, 1, false, true));
    assert!(!hides(3, 2, false, true), "another producer");
    assert!(!hides(4, 1, false, false), "not part of the transaction");
    assert!(!hides(5, 1, true, true), "the marker itself is no record");
    assert!(!hides(6, 1, false, true), "the next transaction of the producer");
    assert!(hides(7, 1, false, true));
    assert!(!hides(8, 1, true, true));
    assert!(hides(9, 2, false, true));
}

/// Random appends, polls and seeks on two partitions against plain lists of values.
#[test]
fn polls_agree_with_a_model() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or_else(|| fastrand::u64(..u64::MAX - 100));
    let count = if seed.is_some() { 1 } else { 30 };
    for seed in first..first + count {
        println!("OTTLA_SEED={seed}");
        check_model(seed);
    }
}

fn check_model(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(2);
    let mut builder = world.builder().max_poll_records(random.usize(1..40));
    builder = builder.set("max.partition.fetch.bytes", &random.usize(1..3000).to_string());
    let mut consumer = builder.build().unwrap();
    // Offset and value of each record, and the end of each partition.
    let mut model: [(Vec<(i64, usize)>, i64); 2] = Default::default();
    let mut positions = [0i64; 2];
    for _ in 0..200 {
        let partition = random.usize(0..2);
        match random.u32(0..10) {
            0..4 => append_random(&world, partition, &mut model[partition], &mut random),
            4..9 => {
                let records = consumer.poll(NOW).unwrap();
                for record in &records {
                    let index = record.partition() as usize;
                    let (all, end) = &model[index];
                    let next = all.iter().find(|(offset, _)| *offset >= positions[index]).unwrap();
                    let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                    assert_eq!((record.offset(), value), (next.0, next.1.to_string().as_str()));
                    assert!(record.offset() < *end);
                    positions[index] = record.offset() + 1;
                }
                for index in 0..2 {
                    // It may be further: behind offsets without a record.
                    let position = consumer.position("t", index as i32).unwrap();
                    let hidden = positions[index]..position;
                    assert!(!model[index].0.iter().any(|(offset, _)| hidden.contains(offset)));
                    positions[index] = position;
                }
                if records.is_empty() {
                    assert_eq!(positions, [model[0].1, model[1].1], "it stopped too early");
                }
            }
            _ => {
                let offset = random.i64(0..=model[partition].1);
                consumer.seek("t", partition as i32, offset).unwrap();
                positions[partition] = offset;
            }
        }
    }
}

fn append_random(
    world: &World,
    partition: usize,
    (all, end): &mut (Vec<(i64, usize)>, i64),
    random: &mut fastrand::Rng,
) {
    let values = random.usize(1..30);
    let mut delta = 0;
    let mut builder = BatchBuilder::new();
    let codec = Compression::ALL[random.usize(0..5)];
    let gap = if random.bool() { 0 } else { random.i32(0..20) };
    let mut records = Vec::new();
    for _ in 0..values {
        records.push((delta, random.usize(..)));
        delta += if random.u32(0..5) == 0 { random.i32(1..4) } else { 1 };
    }
    let last = records[records.len() - 1].0 + gap;
    builder.start(&BatchOptions {
        compression: codec,
        last_offset_delta: Some(last),
        ..BatchOptions::default()
    });
    for (delta, value) in &records {
        use crate::format::record::HeaderList;
        let text = value.to_string();
        let headers = HeaderList::Pairs(&[]);
        builder.push_at(*delta, 0, None, Some(text.as_bytes()), headers).unwrap();
        all.push((*end + i64::from(*delta), *value));
    }
    append(world.partition(partition), builder.finish().unwrap()).unwrap();
    *end += i64::from(last) + 1;
}
