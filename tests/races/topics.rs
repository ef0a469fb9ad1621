//! Topics that come, grow and go beside everything that uses them.

use std::time::Duration;

use ottla::{Acks, ErrorKind, Message, Record, Result, TopicConfig};

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{Acked, TOPIC, World, options};

/// The topic may be gone.
fn is_done_or_gone<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition, "{error}");
            None
        }
    }
}

#[test]
fn a_topic_is_deleted_beside_all_its_users() {
    check(deleted);
}

/// A topic is deleted and made again beside writers of all ways, a reader and a checkpoint. The
/// new one has no record of the old one, before and after the power is lost.
pub(crate) fn deleted() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().build().unwrap();
    scope(|scope| {
        scope.spawn(|| {
            for acks in [Acks::All, Acks::Leader] {
                let Some(partition) = is_done_or_gone(broker.partition(TOPIC, 0)) else { continue };
                is_done_or_gone(partition.append(&[Message::new("old")], acks));
            }
        });
        scope.spawn(|| {
            for partition in 0..2 {
                let record = Record::new(TOPIC, "old").partition(partition);
                if let Some(delivery) = is_done_or_gone(producer.send(record)) {
                    is_done_or_gone(delivery.wait());
                }
            }
        });
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let Some(mut consumer) = is_done_or_gone(broker.consumer().assign(assignment).build())
            else {
                return;
            };
            for _ in 0..2 {
                is_done_or_gone(consumer.poll(Duration::ZERO));
            }
        });
        scope.spawn(|| broker.checkpoint().unwrap());
        broker.delete_topic(TOPIC).unwrap();
    });
    producer.close().unwrap_or_else(|error| {
        assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition, "{error}");
    });
    broker.create_topic(TOPIC, TopicConfig::new().partitions(2)).unwrap();
    let acked = Acked::default();
    acked.append(&broker.partition(TOPIC, 0).unwrap(), "new", Acks::All);
    acked.is_all_of(&broker);
    acked.is_all_of(&world.power_loss().open(options()));
    broker.close().unwrap();
    acked.is_all_of(&world.open(options()));
}

#[test]
fn partitions_are_added_beside_senders() {
    check(grown);
}

/// A topic gets more partitions beside a producer that spreads records without a key and a member
/// that waits: it is woken to read the new ones, too.
pub(crate) fn grown() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().batch_size(1).build().unwrap();
    scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                producer.send(Record::new(TOPIC, "one burger")).unwrap().wait().unwrap();
            }
        });
        scope.spawn(|| {
            let mut consumer =
                broker.consumer().group("kitchen").subscribe([TOPIC]).build().unwrap();
            let mut seen = 0;
            let mut has_new = false;
            while seen < 3 || !has_new {
                for record in &consumer.poll(crate::world::FOREVER).unwrap() {
                    has_new |= record.partition() == 3;
                    seen += 1;
                }
            }
            consumer.close().unwrap();
        });
        broker.add_partitions(TOPIC, 4).unwrap();
        let new = broker.partition(TOPIC, 3).unwrap();
        new.append(&[Message::new("one cola")], Acks::All).unwrap();
    });
    producer.close().unwrap();
    broker.close().unwrap();
}
