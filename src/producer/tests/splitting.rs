//! A batch that is larger than its topic allows goes in pieces, and nobody notices.

use std::sync::Arc;
use std::time::Duration;

use crate::env::sync::Mutex;

use super::{World, kind};
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::topic::TopicConfig;
use crate::error::{ErrorKind, Result};
use crate::producer::delivery::RecordMetadata;
use crate::producer::record::Record;

/// Text that no codec makes smaller, and different for each number.
fn noise(length: usize, number: usize) -> String {
    let mut random = fastrand::Rng::with_seed(number as u64);
    (0..length).map(|_| random.alphanumeric()).collect()
}

#[test]
fn a_batch_that_is_compressed_worse_than_guessed_is_split() {
    for acks in [Acks::Leader, Acks::All] {
        let topic = TopicConfig::new().set("max.message.bytes", "2000").unwrap();
        let world = World::with(1, topic);
        let builder = world.builder().acks(acks).compression(Compression::Lz4);
        let producer = builder.batch_size(20_000).build().unwrap();
        // Makes the producer believe that nearly nothing is left after compression.
        for _ in 0..20_000 {
            drop(producer.send(Record::new("t", &"x".repeat(100))).unwrap());
        }
        producer.flush().unwrap();
        let before = producer.metrics();
        assert!(before.batch_fill() > 0.3, "{before:?}");
        assert_eq!(before.batches_split, 0);
        let start = world.values(0).len();
        let told = Arc::new(Mutex::new(Vec::new()));
        let values: Vec<_> = (0..150).map(|number| noise(90, number)).collect();
        let mut deliveries = Vec::new();
        for value in &values {
            deliveries.push(producer.send(Record::new("t", value)).unwrap());
            let told = Arc::clone(&told);
            let tell = move |outcome: Result<RecordMetadata>| {
                told.lock().push(outcome.unwrap().offset);
            };
            producer.send_with_callback(Record::new("t", value), tell).unwrap();
        }
        producer.flush().unwrap();
        let metrics = producer.metrics();
        assert!(metrics.batches_split >= 1, "{metrics:?}");
        assert_eq!(metrics.records, 20_300);
        let written = world.values(0);
        for ((value, delivery), told) in values.iter().zip(deliveries).zip(&*told.lock()) {
            let offset = delivery.wait().unwrap().offset;
            assert_eq!(&written[offset as usize], value, "{acks}");
            assert_eq!(*told, offset + 1);
        }
        assert_eq!(written.len(), start + 300);
    }
}

#[test]
fn a_limit_that_was_lowered_while_a_batch_was_open_splits_it() {
    let world = World::new(1);
    let producer = world.builder().linger(Duration::from_secs(60)).build().unwrap();
    let deliveries: Vec<_> =
        (0..100).map(|_| producer.send(Record::new("t", &"x".repeat(50))).unwrap()).collect();
    let lower = TopicConfig::new().set("max.message.bytes", "500").unwrap();
    world.topics.alter("t", lower);
    let last = producer.send(Record::new("t", "last")).unwrap();
    producer.flush().unwrap();
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.wait().unwrap().offset, offset);
    }
    assert_eq!(last.wait().unwrap().offset, 100);
    assert!(world.batches() > 10, "{}", world.batches());
    assert_eq!(world.values(0).len(), 101);
}

#[test]
fn only_the_record_that_is_too_large_by_itself_fails() {
    let topic = TopicConfig::new().set("max.message.bytes", "1000").unwrap();
    let world = World::with(1, topic);
    let builder = world.builder().compression(Compression::Lz4).batch_size(10_000);
    let producer = builder.linger(Duration::from_secs(60)).build().unwrap();
    // The first record opens the batch, whatever its size.
    let large = producer.send(Record::new("t", &noise(3000, 1))).unwrap();
    let small = producer.send(Record::new("t", "small")).unwrap();
    assert_eq!(kind(producer.flush()), ErrorKind::Limit);
    let error = large.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
    assert_eq!(small.wait().unwrap().offset, 0);
    let metrics = producer.metrics();
    assert_eq!((metrics.records, metrics.records_failed), (1, 1));
}
