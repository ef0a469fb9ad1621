//! Offsets of groups within transactions: they go with the records, or not at all.

use std::time::Duration;

use ottla::{Broker, Consumer, ErrorKind, OffsetAndMetadata, Record, TopicConfig};

use crate::world::{NOW, World, committed, refused, values};

fn member(broker: &Broker) -> Consumer {
    broker.consumer().group("kitchen").subscribe(["deliveries"]).build().unwrap()
}

#[test]
fn read_process_write_happens_once() {
    let world = World::new();
    world.send("deliveries", &["one", "two", "three"]);
    let mut consumer = member(&world.broker);
    assert_eq!(consumer.poll(NOW).unwrap().len(), 3);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "processed")).unwrap();
    transaction.commit_offsets(&consumer).unwrap();
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), None);
    transaction.commit().unwrap();
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), Some(3));
    assert_eq!(values(&world.broker, "orders"), ["processed"]);
    consumer.close().unwrap();
    assert!(member(&world.broker).poll(NOW).unwrap().is_empty(), "the next member goes on there");
}

#[test]
fn an_aborted_transaction_moves_no_offset() {
    let world = World::new();
    world.send("deliveries", &["one"]);
    let mut consumer = member(&world.broker);
    assert_eq!(consumer.poll(NOW).unwrap().len(), 1);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.commit_offsets(&consumer).unwrap();
    transaction.abort().unwrap();
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), None);
}

#[test]
fn the_newest_of_several_positions_counts() {
    let world = World::new();
    world.send("deliveries", &["one", "two"]);
    let builder = world.broker.consumer().group("kitchen").subscribe(["deliveries"]);
    let mut consumer = builder.max_poll_records(1).build().unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    for _ in 0..2 {
        assert_eq!(consumer.poll(NOW).unwrap().len(), 1);
        transaction.commit_offsets(&consumer).unwrap();
    }
    let noted = OffsetAndMetadata::new(0).metadata("a note");
    transaction.commit_offsets_of("office", [(("deliveries", 0), 1)]).unwrap();
    transaction.commit_offsets_of("office", [(("deliveries", 0), noted)]).unwrap();
    transaction.commit().unwrap();
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), Some(2));
    let office = world.broker.committed_offsets("office").unwrap();
    assert_eq!((office[0].1.offset, office[0].1.metadata.as_str()), (0, "a note"));
}

/// The members that share two partitions of `orders`, of which each has read its records.
fn two_members(world: &World) -> (Consumer, Consumer) {
    let mut transaction = world.broker.transaction().unwrap();
    for partition in 0..4 {
        transaction.send(Record::new("orders", "a burger").partition(partition)).unwrap();
    }
    transaction.commit().unwrap();
    let join = || world.broker.consumer().group("cooks").subscribe(["orders"]).build().unwrap();
    let (mut first, mut second) = (join(), join());
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
        let _ = second.poll(NOW).unwrap();
    }
    assert_eq!((first.assignment().len(), second.assignment().len()), (2, 2));
    (first, second)
}

/// Somebody comes, takes two of the four partitions that `first` has, reads them, and goes; `first`
/// has all four again.
fn host_a_guest(world: &World, first: &mut Consumer) {
    let mut guest = world.broker.consumer().group("cooks").subscribe(["orders"]).build().unwrap();
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
        let _ = guest.poll(NOW).unwrap();
    }
    assert_eq!(guest.assignment().len(), 2);
    guest.commit().unwrap();
    guest.close().unwrap();
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
    }
    assert_eq!(first.assignment().len(), 4);
}

#[test]
fn offsets_of_a_partition_that_was_lost_meanwhile_are_fenced() {
    let world = World::new();
    let (mut first, second) = two_members(&world);
    // The second one leaves, the first one gets its partitions: what was its own stays so.
    let mut early = world.broker.transaction().unwrap();
    early.commit_offsets(&first).unwrap();
    early.send(Record::new("deliveries", "early")).unwrap();
    let mut late = world.broker.transaction().unwrap();
    late.commit_offsets(&second).unwrap();
    late.send(Record::new("deliveries", "late")).unwrap();
    second.close().unwrap();
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
    }
    assert_eq!(first.assignment().len(), 4);
    refused(late.commit(), ErrorKind::Fenced, "has lost it since");
    refused(late.commit(), ErrorKind::InvalidTransactionState, "its commit failed");
    early.commit().unwrap();
    assert_eq!(values(&world.broker, "deliveries"), ["early"]);
}

#[test]
fn offsets_of_a_partition_that_was_lost_and_taken_again_are_fenced() {
    let world = World::new();
    let (mut first, second) = two_members(&world);
    second.close().unwrap();
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
    }
    let mut stale = world.broker.transaction().unwrap();
    stale.send(Record::new("deliveries", "stale")).unwrap();
    stale.commit_offsets(&first).unwrap();
    host_a_guest(&world, &mut first);
    // Newer positions of the same partitions do not make good what was read before.
    stale.commit_offsets(&first).unwrap();
    refused(stale.commit(), ErrorKind::Fenced, "has lost it since");
    assert!(values(&world.broker, "deliveries").is_empty());
    let mut fresh = world.broker.transaction().unwrap();
    fresh.commit_offsets(&first).unwrap();
    fresh.commit().unwrap();
}

#[test]
fn staging_again_does_not_mend_what_was_lost_meanwhile() {
    let world = World::new();
    let (mut first, second) = two_members(&world);
    second.close().unwrap();
    for _ in 0..4 {
        let _ = first.poll(NOW).unwrap();
    }
    let mut stale = world.broker.transaction().unwrap();
    stale.send(Record::new("deliveries", "read before")).unwrap();
    stale.commit_offsets(&first).unwrap();
    host_a_guest(&world, &mut first);
    // What was sent for the first offsets is still in the transaction.
    stale.send(Record::new("deliveries", "read again")).unwrap();
    stale.commit_offsets(&first).unwrap();
    refused(stale.commit(), ErrorKind::Fenced, "has lost it since");
    assert!(values(&world.broker, "deliveries").is_empty());
}

#[test]
fn offsets_of_a_topic_that_was_deleted_are_not_those_of_the_next_one_of_its_name() {
    let world = World::new();
    world.send("deliveries", &["one", "two"]);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "for two")).unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 2)]).unwrap();
    world.broker.delete_topic("deliveries").unwrap();
    world.broker.create_topic("deliveries", TopicConfig::new()).unwrap();
    world.send("deliveries", &["another one", "another two", "another three"]);
    refused(transaction.commit(), ErrorKind::UnknownTopicOrPartition, "deleted");
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), None);
    assert!(values(&world.broker, "orders").is_empty());
}

#[test]
fn a_member_that_was_put_out_of_its_group_commits_nothing() {
    let world = World::new();
    world.send("deliveries", &["one"]);
    let builder = world.broker.consumer().group("kitchen").subscribe(["deliveries"]);
    let builder = builder.set("max.poll.interval.ms", "1000");
    let builder = builder.set("ottla.max.poll.interval.evict", "true");
    let mut consumer = builder.build().unwrap();
    assert_eq!(consumer.poll(NOW).unwrap().len(), 1);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "never")).unwrap();
    transaction.commit_offsets(&consumer).unwrap();
    world.pass(Duration::from_secs(2));
    refused(transaction.commit(), ErrorKind::Fenced, "");
    let mut transaction = world.broker.transaction().unwrap();
    refused(transaction.commit_offsets(&consumer), ErrorKind::Fenced, "max.poll.interval.ms");
    assert!(values(&world.broker, "orders").is_empty());
}

#[test]
fn offsets_that_cannot_be_are_refused_when_they_are_staged() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    let wrong = ErrorKind::InvalidInput;
    let mut stage = |group, topic, partition, offset| {
        transaction.commit_offsets_of(group, [((topic, partition), offset)])
    };
    refused(stage("", "orders", 0, 0), wrong, "needs a name");
    refused(stage("kitchen", "orders", 0, -1), wrong, "-1");
    let unknown = ErrorKind::UnknownTopicOrPartition;
    refused(stage("kitchen", "orders", 4, 0), unknown, "4 partitions");
    refused(stage("kitchen", "nowhere", 0, 0), unknown, "nowhere");
    let loner = world.broker.consumer().assign([("orders", 0)]).build().unwrap();
    refused(transaction.commit_offsets(&loner), wrong, "group.id");
    let automatic = world.broker.consumer().group("kitchen").subscribe(["orders"]);
    let automatic = automatic.set("enable.auto.commit", "true").build().unwrap();
    refused(transaction.commit_offsets(&automatic), wrong, "enable.auto.commit");
    let stranger = member(&World::new().broker);
    refused(transaction.commit_offsets(&stranger), wrong, "another broker");
    transaction.send(Record::new("orders", "x")).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn one_offset_that_is_refused_at_the_commit_refuses_everything() {
    let world = World::new();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "never")).unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 0)]).unwrap();
    transaction.commit_offsets_of("office", [(("deliveries", 0), 7)]).unwrap();
    refused(transaction.commit(), ErrorKind::OffsetOutOfRange, "ends at 0");
    assert!(values(&world.broker, "orders").is_empty());
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), None);
}

#[test]
fn a_group_with_members_is_not_written_from_outside_and_may_be_tried_again() {
    let world = World::new();
    let mut consumer = member(&world.broker);
    let _ = consumer.poll(NOW).unwrap();
    let mut transaction = world.broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger")).unwrap();
    transaction.commit_offsets_of("kitchen", [(("deliveries", 0), 0)]).unwrap();
    refused(transaction.commit(), ErrorKind::GroupNotEmpty, "1 active");
    assert!(values(&world.broker, "orders").is_empty());
    consumer.close().unwrap();
    transaction.commit().unwrap();
    assert_eq!(values(&world.broker, "orders"), ["a burger"]);
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), Some(0));
}

#[test]
fn a_consumer_with_partitions_of_its_own_choice_commits_for_its_group() {
    let world = World::new();
    world.send("deliveries", &["one", "two"]);
    let builder = world.broker.consumer().group("kitchen").assign([("deliveries", 0)]);
    let mut consumer = builder.build().unwrap();
    assert_eq!(consumer.poll(NOW).unwrap().len(), 2);
    let mut transaction = world.broker.transaction().unwrap();
    transaction.commit_offsets(&consumer).unwrap();
    transaction.commit().unwrap();
    assert_eq!(committed(&world.broker, "kitchen", "deliveries", 0), Some(2));
}
