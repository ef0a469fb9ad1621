//! Batches are closed when they should be, nothing is reordered, and every record has one fate.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{World, kind, values_of};
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::topic::TopicConfig;
use crate::error::{Error, ErrorKind};
use crate::producer::Producer;
use crate::producer::record::Record;
use crate::producer::sink::Sink;

#[test]
fn a_waiter_closes_the_batch_and_commits_it() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    let first = producer.send(Record::new("t", "a").timestamp(5)).unwrap();
    let second = producer.send(Record::new("t", "b")).unwrap();
    assert!(!second.is_done());
    let written = second.wait().unwrap();
    assert_eq!((written.partition, written.offset), (0, 1));
    assert_eq!(written.timestamp, 1_000_000);
    assert!(first.is_done());
    let written = first.wait().unwrap();
    assert_eq!((written.offset, written.timestamp), (0, 5));
    assert_eq!(written.topic.as_str(), "t");
    assert_eq!(world.batches(), 1);
    assert_eq!(world.values(0), ["a", "b"]);
}

#[test]
fn a_batch_lingers_until_its_time_is_up_or_somebody_waits() {
    let world = World::new(1);
    let producer = world.builder().linger(Duration::from_millis(10)).build().unwrap();
    let first = producer.send(Record::new("t", "a")).unwrap();
    assert_eq!(world.tick(), Some(Duration::from_millis(10)));
    world.sink.settle();
    assert_eq!(world.batches(), 0);
    world.clock.advance(Duration::from_millis(10));
    assert_eq!(world.tick(), None);
    world.sink.settle();
    assert!(first.is_done());
    let second = producer.send(Record::new("t", "b")).unwrap();
    assert_eq!(second.wait().unwrap().offset, 1);
    assert_eq!(world.batches(), 2);
}

#[test]
fn a_full_batch_is_closed_by_the_next_record() {
    let world = World::new(1);
    let producer = world.builder().acks(Acks::Leader).batch_size(200).build().unwrap();
    let mut deliveries = Vec::new();
    for index in 0..20 {
        deliveries.push(producer.send(Record::new("t", &format!("{index:050}"))).unwrap());
    }
    // 61 bytes of header leave room for one record of at most 71 bytes, and the second needs 57.
    assert!(world.batches() >= 9, "{}", world.batches());
    assert!(!deliveries[19].is_done() && deliveries[0].is_done());
    producer.flush().unwrap();
    for (index, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.wait().unwrap().offset, index as i64);
    }
    assert_eq!(world.values(0).len(), 20);
}

#[test]
fn a_record_larger_than_a_batch_has_a_batch_of_its_own() {
    let world = World::new(1);
    let producer = world.builder().batch_size(100).build().unwrap();
    for size in [1, 5000, 1] {
        drop(producer.send(Record::new("t", &"x".repeat(size))).unwrap());
    }
    producer.close().unwrap();
    assert_eq!(world.batches(), 3);
    assert_eq!(world.values(0).iter().map(String::len).collect::<Vec<_>>(), [1, 5000, 1]);
}

#[test]
fn without_linger_records_gather_only_behind_a_batch_that_is_under_way() {
    let world = World::new(1);
    let producer = world.builder().linger(Duration::ZERO).build().unwrap();
    let deliveries: Vec<_> =
        (0..10).map(|i| producer.send(Record::new("t", &i.to_string())).unwrap()).collect();
    assert_eq!(world.sink.queue.lock().len(), 1, "the first went out alone");
    let mut offsets = Vec::new();
    for delivery in deliveries {
        offsets.push(delivery.wait().unwrap().offset);
    }
    assert_eq!(offsets, (0..10).collect::<Vec<_>>());
    assert_eq!(world.batches(), 2, "and the others together");
}

#[test]
fn acks_0_is_answered_at_once_and_written_later() {
    let world = World::new(1);
    let producer = world.builder().acks(Acks::None).build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    assert!(delivery.is_done());
    assert_eq!(delivery.wait().unwrap().offset, -1);
    assert_eq!(world.batches(), 0);
    drop(producer);
    assert_eq!(world.values(0), ["a"]);
}

#[test]
fn full_memory_is_an_error_or_is_waited_for() {
    let world = World::new(2);
    let producer = world.builder().batch_size(1000).set("buffer.memory", "1000").build().unwrap();
    let first = producer.try_send(Record::new("t", "a").partition(0)).unwrap();
    let full = producer.try_send(Record::new("t", "b").partition(1));
    assert_eq!(kind(full), ErrorKind::BufferFull);
    // The batch that lingered was asked to leave: it is with the sink, which is slow.
    assert_eq!(world.sink.queue.lock().len(), 1);
    let second = producer.send(Record::new("t", "b").partition(1)).unwrap();
    assert!(first.is_done(), "the sender settled what held the memory");
    producer.flush().unwrap();
    assert_eq!(second.wait().unwrap().offset, 0);
}

#[test]
fn waiting_for_memory_ends_after_max_block() {
    let world = World::new(2);
    let producer = world
        .builder()
        .batch_size(1000)
        .set("buffer.memory", "1000")
        .set("max.block.ms", "30")
        .build()
        .unwrap();
    world.sink.stuck.store(true, Ordering::Relaxed);
    drop(producer.send(Record::new("t", "a").partition(0)).unwrap());
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| producer.send(Record::new("t", "b").partition(1)));
        while world.sink.settled.load(Ordering::Relaxed) < 3 {
            assert!(!blocked.is_finished(), "it has to wait while the clock stands still");
            std::thread::yield_now();
        }
        world.clock.advance(Duration::from_millis(30));
        let error = blocked.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BufferFull);
        assert!(error.to_string().contains("after 30 ms"), "{error}");
    });
    world.sink.stuck.store(false, Ordering::Relaxed);
}

#[test]
fn records_that_are_too_large_are_refused_by_name_of_the_limit() {
    let topic = TopicConfig::new().set("max.message.bytes", "1000").unwrap();
    let world = World::with(1, topic);
    let producer = world.builder().set("max.request.size", "5000").build().unwrap();
    let error = producer.send(Record::new("t", &"x".repeat(1000))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    // 61 bytes of header, 2 + 1 + 1 + 1 + 1 + 2 + 1 around a value of this size.
    drop(producer.send(Record::new("t", &"x".repeat(1000 - 61 - 9))).unwrap());
    assert_eq!(kind(producer.send(Record::new("t", &"x".repeat(1000 - 61 - 8)))), ErrorKind::Limit);
    producer.flush().unwrap();
    assert_eq!(world.values(0).len(), 1);

    let zstd = world.builder().compression(Compression::Zstd).set("max.request.size", "5000");
    let zstd = zstd.build().unwrap();
    let error = zstd.send(Record::new("t", &"x".repeat(5000))).unwrap_err();
    assert!(error.to_string().contains("max.request.size"), "{error}");
    drop(zstd.send(Record::new("t", &"x".repeat(4000))).unwrap());
    zstd.close().unwrap();
}

#[test]
fn wrong_addresses_and_timestamps_are_refused() {
    let world = World::new(2);
    let producer = world.builder().build().unwrap();
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(kind(producer.send(Record::new("other", "a"))), unknown);
    assert_eq!(kind(producer.send(Record::new("t", "a").partition(2))), unknown);
    assert_eq!(kind(producer.send(Record::new("t", "a").partition(-1))), unknown);
    let hour = 3_600_000;
    let late = Record::new("t", "a").timestamp(1_000_000 + hour + 1);
    let error = producer.send(late).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("message.timestamp.after.max.ms"), "{error}");
    drop(producer.send(Record::new("t", "a").timestamp(1_000_000 + hour)).unwrap());
    assert_eq!(kind(producer.send(Record::new("t", "a").timestamp(-2))), ErrorKind::InvalidInput);
    assert_eq!(kind(world.builder().set("linger", "1").build()), ErrorKind::InvalidInput);
}

#[test]
fn a_failed_batch_fails_all_its_deliveries_and_no_other() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    let deliveries: Vec<_> =
        (0..3).map(|_| producer.send(Record::new("t", "lost")).unwrap()).collect();
    *world.sink.refuse.lock() = Some(Error::new(ErrorKind::NoSpace, "the disk is full"));
    assert_eq!(kind(producer.flush()), ErrorKind::NoSpace);
    for delivery in deliveries {
        let error = delivery.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(error.partition(), Some(("t", 0)));
    }
    *world.sink.refuse.lock() = None;
    assert_eq!(producer.send(Record::new("t", "kept")).unwrap().wait().unwrap().offset, 0);
    assert_eq!(world.values(0), ["kept"]);
}

#[test]
fn a_batch_that_the_sink_drops_fails_instead_of_hanging() {
    let world = World::new(1);
    let producer = world.builder().linger(Duration::ZERO).build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    world.sink.queue.lock().clear();
    assert_eq!(kind(delivery.wait()), ErrorKind::Poisoned);
    assert_eq!(producer.send(Record::new("t", "b")).unwrap().wait().unwrap().offset, 0);
}

#[test]
fn a_delivery_times_out_when_nobody_decides() {
    let world = World::new(1);
    world.sink.stuck.store(true, Ordering::Relaxed);
    let producer = world.builder().set("delivery.timeout.ms", "20").build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    world.clock.advance(Duration::from_millis(20));
    assert_eq!(kind(delivery.wait()), ErrorKind::Timeout);
}

#[test]
fn a_closed_producer_has_written_everything_and_takes_no_more() {
    let world = World::new(3);
    let producer = world.builder().linger(Duration::from_secs(60)).build().unwrap();
    for index in 0..30 {
        drop(producer.send(Record::new("t", "v").partition(index % 3)).unwrap());
    }
    let accumulator = world.accumulator.lock().clone().unwrap();
    accumulator.upgrade().unwrap().close(Duration::MAX).unwrap();
    assert_eq!(kind(producer.send(Record::new("t", "v"))), ErrorKind::Closed);
    assert_eq!((0..3).map(|p| world.values(p).len()).sum::<usize>(), 30);
    drop(producer);
    assert!(accumulator.upgrade().is_none(), "nothing keeps a closed producer alive");
}

#[test]
fn a_close_without_time_fails_what_is_left() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    assert_eq!(kind(producer.close_within(Duration::ZERO)), ErrorKind::Closed);
    assert_eq!(kind(delivery.wait()), ErrorKind::Closed);
}

#[test]
fn keys_choose_the_partition_and_the_rest_spreads() {
    let world = World::new(4);
    let producer = world.builder().acks(Acks::Leader).batch_size(512).build().unwrap();
    for round in 0..2 {
        let partitions: HashSet<_> = (0..50)
            .map(|_| producer.send(Record::new("t", "v").key("john")).unwrap())
            .map(|delivery| delivery.wait().unwrap().partition)
            .collect();
        assert_eq!(partitions.len(), 1, "round {round}");
    }
    let before: Vec<_> = (0..4).map(|p| world.values(p).len()).collect();
    for _ in 0..8000 {
        drop(producer.send(Record::new("t", &"v".repeat(80))).unwrap());
    }
    producer.close().unwrap();
    for (partition, before) in before.into_iter().enumerate() {
        let count = world.values(partition).len() - before;
        assert!((1400..2600).contains(&count), "partition {partition}: {count} of 8000");
    }
}

#[test]
fn ignoring_keys_and_growing_topics() {
    let world = World::new(1);
    let producer = world.builder().acks(Acks::Leader).batch_size(100);
    let producer = producer.set("partitioner.ignore.keys", "true").build().unwrap();
    drop(producer.send(Record::new("t", "v").key("k")).unwrap());
    let grown = world.topics.grow("t", 1);
    let there = producer.send(Record::new("t", "new").partition(1)).unwrap();
    assert_eq!(there.wait().unwrap().partition, 1);
    for _ in 0..200 {
        drop(producer.send(Record::new("t", &"v".repeat(50)).key("k")).unwrap());
    }
    producer.close().unwrap();
    let counts: Vec<_> = grown.partitions.iter().map(|p| values_of(p).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 202);
    assert!(counts.iter().all(|count| *count > 40), "{counts:?}");
}

#[test]
fn a_topic_that_goes_away_takes_no_more_records() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    drop(producer.send(Record::new("t", "v")).unwrap());
    world.topics.delete("t");
    assert_eq!(kind(producer.send(Record::new("t", "v"))), ErrorKind::UnknownTopicOrPartition);
    let anew = world.topics.create("t", 1, TopicConfig::new());
    let written = producer.send(Record::new("t", "v")).unwrap().wait().unwrap();
    assert_eq!(written.offset, 0);
    assert_eq!(values_of(&anew.partitions[0]), ["v"]);
}

#[test]
fn a_topic_may_stamp_the_time_of_the_append() {
    let topic = TopicConfig::new().set("message.timestamp.type", "LogAppendTime").unwrap();
    let world = World::with(1, topic);
    let producer = world.builder().build().unwrap();
    let delivery = producer.send(Record::new("t", "v").timestamp(5)).unwrap();
    assert_eq!(delivery.wait().unwrap().timestamp, 1_000_000);
}

/// Many threads, small batches, every codec: each partition has each thread's records in the
/// order in which the thread sent them, once, at the offsets that their deliveries named.
#[test]
fn records_of_a_thread_keep_their_order() {
    for (acks, linger_ms) in [(Acks::All, 0), (Acks::All, 5), (Acks::Leader, 0), (Acks::Leader, 5)]
    {
        for codec in [Compression::None, Compression::Lz4] {
            check_order(acks, linger_ms, codec);
        }
    }
}

fn check_order(acks: Acks, linger_ms: u64, codec: Compression) {
    const THREADS: usize = 4;
    const RECORDS: usize = 400;
    let world = World::new(2);
    let builder = world.builder().acks(acks).compression(codec).batch_size(300);
    let builder = builder.linger(Duration::from_millis(linger_ms));
    let producer = &builder.set("buffer.memory", "3000").build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || send_numbered(producer, thread, RECORDS));
        }
    });
    producer.flush().unwrap();
    let mut total = 0;
    for partition in 0..2 {
        let values = world.values(partition);
        total += values.len();
        for thread in 0..THREADS {
            let prefix = format!("{thread}:");
            let numbers: Vec<usize> = values
                .iter()
                .filter_map(|value| value.strip_prefix(&prefix)?.parse().ok())
                .collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "{acks} {codec}: {numbers:?}");
        }
    }
    assert_eq!(total, THREADS * RECORDS);
}

fn send_numbered(producer: &Producer, thread: usize, records: usize) {
    let mut last_offset = [-1; 2];
    for number in 0..records {
        let partition = (number % 2) as i32;
        let value = format!("{thread}:{number}");
        let record = Record::new("t", &value).partition(partition);
        let delivery = producer.send(record).unwrap();
        if number % 7 == 0 {
            let offset = delivery.wait().unwrap().offset;
            assert!(offset > last_offset[partition as usize]);
            last_offset[partition as usize] = offset;
        }
    }
}
