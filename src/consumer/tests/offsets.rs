//! Asking for offsets, and starting by age.

use std::sync::Arc;
use std::time::Duration;

use super::{NOW, World, drain, kind, numbers};
use crate::config::offset_reset::AutoOffsetReset;
use crate::consumer::builder::ConsumerBuilder;
use crate::env::clock::SimClock;
use crate::error::ErrorKind;

#[test]
fn offsets_of_any_partition_can_be_asked_for() {
    let world = World::new(3);
    world.append(1, 0..20);
    let mut consumer = world.builder().max_poll_records(5).build().unwrap();
    consumer.assign([("t", 1)]).unwrap();
    let all = [("t", 2), ("t", 1), ("t", 0)];
    let ends = consumer.end_offsets(all).unwrap();
    let ends: Vec<_> = ends.iter().map(|(of, end)| (of.to_string(), *end)).collect();
    assert_eq!(ends, [("t-2".to_owned(), 0), ("t-1".to_owned(), 20), ("t-0".to_owned(), 0)]);
    assert_eq!(consumer.beginning_offsets(all).unwrap()[1].1, 0);
    let times = [(("t", 1), 7), (("t", 1), 20), (("t", 0), 0)];
    let found = consumer.offsets_for_times(times).unwrap();
    let found: Vec<_> =
        found.iter().map(|(_, at)| at.map(|at| (at.offset, at.timestamp))).collect();
    assert_eq!(found, [Some((7, 7)), None, None]);
    assert_eq!(consumer.lag("t", 1).unwrap(), 20);
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1, 2, 3, 4]);
    assert_eq!(consumer.lag("t", 1).unwrap(), 15);

    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(kind(consumer.end_offsets([("t", 3)])), unknown);
    assert_eq!(kind(consumer.beginning_offsets([("u", 0)])), unknown);
    assert_eq!(kind(consumer.offsets_for_times([(("t", -1), 0)])), unknown);
    assert_eq!(kind(consumer.offsets_for_times([(("t", 1), -1)])), ErrorKind::InvalidInput);
    assert_eq!(kind(consumer.lag("t", 0)), ErrorKind::InvalidInput);
}

#[test]
fn several_partitions_can_be_sought_at_once() {
    let world = World::new(2);
    world.append(0, 0..5);
    world.append(1, 5..10);
    let mut consumer = world.consumer();
    consumer.seek_all_to_end(consumer.assignment()).unwrap();
    assert!(drain(&mut consumer).is_empty());
    consumer.seek_all_to_beginning(&[("t", 0), ("t", 1)]).unwrap();
    assert_eq!(drain(&mut consumer).len(), 10);
    let invalid = ErrorKind::InvalidInput;
    assert_eq!(kind(consumer.seek_all_to_beginning([("t", 0), ("t", 2)])), invalid);
    assert!(drain(&mut consumer).is_empty(), "none was moved");
}

#[test]
fn reading_may_start_by_age() {
    let world = World::new(1);
    // The timestamps are 0 to 9 ms.
    world.append(0, 0..10);
    let mut env = world.topics.env.clone();
    env.clock = Arc::new(SimClock::new(15));
    for (age_ms, wanted) in [(0, 10), (5, 10), (6, 9), (10, 5), (15, 0), (1_000_000, 0)] {
        let age = AutoOffsetReset::ByDuration(Duration::from_millis(age_ms));
        let builder = ConsumerBuilder::new(Arc::clone(&world.topics) as _, env.clone(), None);
        let builder = builder.assign([("t", 0)]).auto_offset_reset(age);
        let mut consumer = builder.build().unwrap();
        assert_eq!(consumer.position("t", 0).unwrap(), wanted, "{age_ms}");
        let expected: Vec<usize> = (usize::try_from(wanted).unwrap()..10).collect();
        assert_eq!(drain(&mut consumer), expected);
    }
}
