//! The streams of keys, and tables, beside writers, cuts and compaction: no version is taken twice, no
//! record of a stream is missing, and a table ends up with the newest of each key.

use ottla::{Acks, Broker, CleanupPolicy, Message, TopicConfig};

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{FOREVER, TOPIC, World, options};

const KEYS: usize = 2;

fn config() -> TopicConfig {
    TopicConfig::new().set("internal.segment.bytes", "150").unwrap()
}

/// Adds one to the counter of a key, whoever else does.
fn increment(broker: &Broker, key: &str, acks: Acks) {
    let counter = broker.stream(TOPIC, key).unwrap();
    loop {
        let newest = counter.read_backwards(..).next().transpose().unwrap();
        let count = newest.as_ref().map_or(0, |record| number(record.value.as_deref()));
        let version = newest.map(|record| record.offset);
        let value = (count + 1).to_string();
        match counter.expect_version(version).append(&[Message::new(&value)], acks) {
            Ok(_) => return,
            Err(error) => assert!(error.conflict().is_some(), "{error}"),
        }
    }
}

fn number(value: Option<&[u8]>) -> u64 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

/// The counts of a key count without a gap.
fn counts(broker: &Broker, key: &str) -> u64 {
    let records = broker.stream(TOPIC, key).unwrap().read(..);
    (1..).zip(records).fold(0, |_, (expected, record)| {
        assert_eq!(number(record.unwrap().value.as_deref()), expected, "of {key}");
        expected
    })
}

#[test]
fn no_update_of_a_key_is_lost() {
    check(counters);
}

/// Three threads count on condition, at all levels, in small segments; somebody reads the streams,
/// and no index stays in memory. Then the power is lost.
pub(crate) fn counters() {
    let world = World::new();
    let broker = world.open(options().key_index_cache_bytes(0));
    broker.create_topic(TOPIC, config().key_index(true)).unwrap();
    scope(|scope| {
        for acks in [Acks::All, Acks::All, Acks::Leader] {
            let broker = &broker;
            scope.spawn(move || {
                for key in 0..KEYS {
                    increment(broker, &key.to_string(), acks);
                }
            });
        }
        scope.spawn(|| {
            for key in 0..KEYS {
                counts(&broker, &key.to_string());
            }
        });
    });
    let all = |broker: &Broker| {
        (0..KEYS).for_each(|key| {
            assert_eq!(counts(broker, &key.to_string()), 3, "an update was lost");
        });
    };
    all(&broker);
    broker.checkpoint().unwrap();
    all(&world.power_loss().open(options()));
}

#[test]
fn a_table_follows_its_topic_through_compaction() {
    check(table);
}

/// A table follows a writer of two keys while the topic is compacted.
pub(crate) fn table() {
    const RECORDS: u64 = 6;
    let world = World::new();
    let broker = world.open(options());
    let config = config().cleanup_policy(CleanupPolicy::COMPACT);
    broker.create_topic(TOPIC, config).unwrap();
    scope(|scope| {
        scope.spawn(|| {
            let partition = broker.partition(TOPIC, 0).unwrap();
            for count in 1..=RECORDS {
                let (key, value) = ((count % 2).to_string(), count.to_string());
                let message = Message::new(&value).key(&key);
                partition.append(&[message], Acks::Leader).unwrap();
            }
        });
        scope.spawn(|| broker.compact_now(TOPIC).map(drop).unwrap());
        scope.spawn(|| {
            let mut table = broker.table(TOPIC).unwrap();
            let mut newest = [0; KEYS];
            while newest != [RECORDS, RECORDS - 1] {
                for (key, newest) in newest.iter_mut().enumerate() {
                    let now = table.get(key.to_string()).map_or(0, |value| number(Some(value)));
                    assert!(now >= *newest, "the table went back from {newest} to {now}");
                    *newest = now;
                }
                if newest != [RECORDS, RECORDS - 1] {
                    // A wake-up that was missed would be a deadlock here.
                    table.poll(FOREVER).unwrap();
                }
            }
        });
    });
}
