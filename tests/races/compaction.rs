//! Compaction beside everything else: readers see what stays once and in order, writers are not
//! disturbed, checkpoints and cuts keep out of its way, and a close ends it.

use std::collections::BTreeMap;

use ottla::{Acks, Broker, CleanupPolicy, ErrorKind, Message, TopicConfig};

use crate::schedules::check;
use crate::threads::{draw, scope};
use crate::world::{FOREVER, TOPIC, World, options};

const RECORDS: i64 = 6;

fn config() -> TopicConfig {
    let config = TopicConfig::new().partitions(1).cleanup_policy(CleanupPolicy::COMPACT);
    config.set("internal.segment.bytes", "100").unwrap()
}

/// Records of two keys in turns, whose values are their offsets.
fn write(broker: &Broker) {
    let partition = broker.partition(TOPIC, 0).unwrap();
    for offset in 0..RECORDS {
        let (key, value) = ((offset % 2).to_string(), offset.to_string());
        let acks = if offset % 3 == 0 { Acks::All } else { Acks::Leader };
        let appended = partition.append(&[Message::new(&value).key(&key)], acks).unwrap();
        assert_eq!(appended.base_offset, offset);
    }
}

/// Reads to the end; the last record of the log is the newest of its key, so it always comes.
fn read(broker: &Broker) -> Vec<i64> {
    let mut consumer = broker.consumer().assign([(TOPIC, 0)]).build().unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&(RECORDS - 1)) {
        for record in &consumer.poll(FOREVER).unwrap() {
            assert_eq!(record.value().unwrap(), record.offset().to_string().as_bytes());
            seen.push(record.offset());
        }
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    seen
}

/// The newest record of each key is there.
fn holds_the_newest(broker: &Broker) {
    let seen = read(broker);
    let newest: BTreeMap<i64, i64> = seen.iter().map(|offset| (offset % 2, *offset)).collect();
    assert_eq!(newest, BTreeMap::from([(0, RECORDS - 2), (1, RECORDS - 1)]));
}

#[test]
fn compaction_disturbs_neither_writers_nor_readers() {
    check(beside_work);
}

/// A writer, a reader that follows it, a checkpoint, and rounds of compaction; then the power goes.
pub(crate) fn beside_work() {
    let world = World::new();
    let broker = world.open(options().descriptors_max(16));
    broker.create_topic(TOPIC, config()).unwrap();
    scope(|scope| {
        scope.spawn(|| write(&broker));
        scope.spawn(|| drop(read(&broker)));
        scope.spawn(|| {
            for _ in 0..2 {
                broker.compact_now(TOPIC).unwrap();
            }
        });
        scope.spawn(|| broker.checkpoint().unwrap());
    });
    broker.checkpoint().unwrap();
    let lost = world.power_loss().open(options());
    assert!(lost.recovery_report().damaged.is_empty(), "{:?}", lost.recovery_report());
    holds_the_newest(&lost);
    holds_the_newest(&broker);
    broker.close().unwrap();
    let again = world.open(options());
    assert!(again.recovery_report().clean);
    holds_the_newest(&again);
}

#[test]
fn a_close_ends_compaction_and_nothing_is_written_behind_it() {
    check(closed);
}

/// Two threads compact while the broker is closed, or abandoned.
pub(crate) fn closed() {
    let world = World::new();
    let broker = world.open(options());
    broker.create_topic(TOPIC, config()).unwrap();
    write(&broker);
    let abandons = draw().is_multiple_of(2);
    scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                if let Err(error) = broker.compact_now(TOPIC) {
                    let kinds = [ErrorKind::Closed, ErrorKind::Poisoned];
                    assert!(kinds.contains(&error.kind()), "{error}");
                }
            });
        }
        match abandons {
            true => broker.clone().abandon(),
            false => broker.close().unwrap(),
        }
        let position = world.disk.position();
        crate::threads::yield_now();
        assert_eq!(world.disk.position(), position, "it was written to after the close");
    });
    let again = world.open(options());
    assert_eq!(again.recovery_report().clean, !abandons);
    assert!(again.recovery_report().damaged.is_empty(), "{:?}", again.recovery_report());
    holds_the_newest(&again);
}
