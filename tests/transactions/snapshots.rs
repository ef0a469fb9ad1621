//! Snapshots: one moment, and what the log may do to it afterwards.

use ottla::{Acks, ErrorKind, Message, Record, Snapshot, TopicConfig};

use crate::world::{World, refused};

fn texts(snapshot: &Snapshot, topic: &str, from: i64) -> Vec<String> {
    let records = snapshot.read(topic, 0, from).unwrap();
    records.map(|record| String::from_utf8(record.unwrap().value.unwrap()).unwrap()).collect()
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let world = World::new();
    world.send("deliveries", &["one", "two", "three"]);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 2)]).unwrap();
    transaction.commit().unwrap();
    let snapshot = world.broker.snapshot_with_groups(&["kitchen", "office"]).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("deliveries", "four")).unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 3)]).unwrap();
    transaction.commit().unwrap();
    world.broker.create_topic("later", TopicConfig::new()).unwrap();
    assert_eq!(texts(&snapshot, "deliveries", 0), ["one", "two", "three"]);
    assert_eq!(texts(&snapshot, "deliveries", 2), ["three"]);
    assert!(texts(&snapshot, "deliveries", 3).is_empty());
    assert_eq!(snapshot.end_offset("deliveries", 0).unwrap(), 3);
    assert_eq!(snapshot.log_start_offset("deliveries", 0).unwrap(), 0);
    assert!(snapshot.end_offsets().len() >= 5);
    let committed = |group| snapshot.committed(group, "deliveries", 0);
    assert_eq!(committed("kitchen").unwrap().unwrap().offset, 2);
    assert_eq!(committed("office").unwrap(), None);
    refused(committed("cellar"), ErrorKind::InvalidInput, "snapshot_with_groups");
    refused(snapshot.read("deliveries", 0, 4), ErrorKind::OffsetOutOfRange, "0 to 3");
    refused(snapshot.read("deliveries", 0, -1), ErrorKind::OffsetOutOfRange, "0 to 3");
    let unknown = ErrorKind::UnknownTopicOrPartition;
    refused(snapshot.read("later", 0, 0), unknown, "no such topic");
    refused(snapshot.read("deliveries", 1, 0), unknown, "1 partitions");
}

#[test]
fn records_that_are_gone_are_an_error_and_no_gap() {
    let world = World::new();
    let config = TopicConfig::new().set("internal.segment.bytes", "300").unwrap();
    world.broker.create_topic("short", config).unwrap();
    let short = world.broker.partition("short", 0).unwrap();
    for number in 0..30 {
        short.append(&[Message::new(&number.to_string())], Acks::All).unwrap();
    }
    let snapshot = world.broker.snapshot().unwrap();
    let out_of_range = ErrorKind::OffsetOutOfRange;

    // Retention, before and while it is read.
    let mut reader = snapshot.read("short", 0, 0).unwrap();
    short.delete_records(20).unwrap();
    refused(reader.next_records(), out_of_range, "deleted since the snapshot");
    assert!(reader.next().is_none(), "it is over after an error");
    refused(snapshot.read("short", 0, 0), out_of_range, "deleted since the snapshot");
    assert_eq!(texts(&snapshot, "short", 20).len(), 10);

    // A cut, and other records in the place of those that were cut off.
    short.truncate_to(25).unwrap();
    for _ in 0..10 {
        short.append(&[Message::new("another")], Acks::All).unwrap();
    }
    refused(snapshot.read("short", 0, 20), out_of_range, "cut off at the offset 25");
    let snapshot = world.broker.snapshot().unwrap();
    short.truncate_to(35).unwrap();
    assert_eq!(texts(&snapshot, "short", 20).len(), 15);

    // The topic goes.
    let mut reader = snapshot.read("short", 0, 20).unwrap();
    world.broker.delete_topic("short").unwrap();
    let unknown = ErrorKind::UnknownTopicOrPartition;
    refused(reader.next_records(), unknown, "deleted since the snapshot");
    refused(snapshot.read("short", 0, 20), unknown, "deleted since the snapshot");

    let snapshot = world.broker.snapshot().unwrap();
    world.broker.close().unwrap();
    refused(snapshot.read("orders", 0, 0), ErrorKind::Closed, "closed");
    refused(world.broker.snapshot(), ErrorKind::Closed, "closed");
}

#[test]
fn a_compaction_that_saw_newer_records_is_an_error_and_no_gap() {
    let world = World::new();
    let config = TopicConfig::new().set("cleanup.policy", "compact").unwrap();
    world.broker.create_topic("users", config).unwrap();
    let users = world.broker.partition("users", 0).unwrap();
    let set = |value: &str| {
        users.append(&[Message::new(value).key("john")], Acks::All).unwrap();
        users.append(&[Message::new(value).key("jane")], Acks::All).unwrap();
    };
    set("one");
    set("two");
    world.broker.compact_now("users").unwrap();
    let snapshot = world.broker.snapshot().unwrap();
    assert_eq!(texts(&snapshot, "users", 0), ["two", "two"]);
    // Compacted again, up to where it was then: nothing of it is missing.
    world.broker.compact_now("users").unwrap();
    assert_eq!(texts(&snapshot, "users", 0), ["two", "two"]);
    set("three");
    assert_eq!(texts(&snapshot, "users", 0), ["two", "two"]);
    let mut reader = snapshot.read("users", 0, 0).unwrap();
    world.broker.compact_now("users").unwrap();
    refused(reader.next_records(), ErrorKind::OffsetOutOfRange, "compacted up to the offset 6");
    refused(snapshot.read("users", 0, 0), ErrorKind::OffsetOutOfRange, "compacted");
    assert_eq!(texts(&world.broker.snapshot().unwrap(), "users", 0), ["three", "three"]);
}

#[test]
fn a_large_partition_is_read_in_pieces() {
    let world = World::new();
    let value = vec![7; 10_000];
    let messages: Vec<Message<'_>> = (0..50).map(|_| Message::new(&value)).collect();
    let deliveries = world.broker.partition("deliveries", 0).unwrap();
    for _ in 0..6 {
        deliveries.append(&messages, Acks::Leader).unwrap();
    }
    let snapshot = world.broker.snapshot().unwrap();
    deliveries.append(&messages, Acks::Leader).unwrap();
    let mut reader = snapshot.read("deliveries", 0, 17).unwrap();
    let (mut next, mut pieces) = (17, 0);
    while let Some(records) = reader.next_records().unwrap() {
        for record in &records {
            assert_eq!(record.offset(), next);
            next += 1;
        }
        pieces += 1;
    }
    assert_eq!(next, 300);
    assert!(pieces > 1);
}
