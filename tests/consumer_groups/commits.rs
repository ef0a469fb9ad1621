//! Commits: with and without waiting, of given offsets, by themselves.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ottla::{Consumer, ErrorKind, OffsetAndMetadata};

use crate::world::{NOW, World, drain, kind, numbers, settle};

fn committed(consumer: &Consumer, partition: i32) -> Option<i64> {
    consumer.committed("t", partition).unwrap().map(|committed| committed.offset)
}

#[test]
fn a_commit_is_what_polls_returned() {
    let world = World::new(2);
    world.append(0, 0..10);
    let mut consumer = world.builder().subscribe(["t"]).max_poll_records(4).build().unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1, 2, 3]);
    assert_eq!(committed(&consumer, 0), None);
    consumer.commit().unwrap();
    assert_eq!(committed(&consumer, 0), Some(4));
    consumer.seek("t", 0, 2).unwrap();
    consumer.commit().unwrap();
    assert_eq!(committed(&consumer, 0), Some(2), "a position is a position");

    let note = OffsetAndMetadata::new(7).metadata("half way");
    consumer.commit_offsets([(("t", 0), note.clone())]).unwrap();
    assert_eq!(consumer.committed("t", 0).unwrap(), Some(note));
    consumer.commit_offsets([(("t", 0), 8), (("t", 1), 0)]).unwrap();
    assert_eq!((committed(&consumer, 0), committed(&consumer, 1)), (Some(8), Some(0)));
    consumer.close().unwrap();
    assert_eq!(drain(&mut world.member()), [8, 9]);
}

#[test]
fn wrong_offsets_are_refused_and_nothing_is_committed() {
    let world = World::new(2);
    world.append(0, 0..3);
    let mut consumer = world.member();
    drain(&mut consumer);
    let mut commit = |partition: (&str, i32), offset: i64| {
        kind(consumer.commit_offsets([(("t", 1), 0), (partition, offset)]))
    };
    assert_eq!(commit(("t", 0), -1), ErrorKind::InvalidInput);
    assert_eq!(commit(("t", 0), 4), ErrorKind::OffsetOutOfRange);
    assert_eq!(commit(("t", 2), 0), ErrorKind::InvalidInput);
    assert_eq!(commit(("u", 0), 0), ErrorKind::InvalidInput);
    assert_eq!(commit(("no/topic", 0), 0), ErrorKind::InvalidInput);
    assert_eq!((committed(&consumer, 0), committed(&consumer, 1)), (None, None));
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(kind(consumer.committed("u", 0)), unknown);

    // Another member's partition.
    let mut other = world.member();
    settle(&mut [&mut consumer, &mut other]);
    let foreign = other.assignment()[0].clone();
    let error = consumer.commit_offsets([(foreign, 0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("not assigned to the member"), "{error}");
}

#[test]
fn callbacks_come_in_order_within_calls_of_the_consumer() {
    let world = World::new(1);
    world.append(0, 0..30);
    let mut consumer = world.builder().subscribe(["t"]).max_poll_records(1).build().unwrap();
    let told: Arc<Mutex<Vec<i64>>> = Arc::default();
    let commit = |consumer: &mut Consumer| {
        let told = told.clone();
        consumer
            .commit_async(move |offsets, result| {
                result.unwrap();
                told.lock().unwrap().push(offsets[0].1.offset);
            })
            .unwrap();
    };
    for _ in 0..10 {
        assert_eq!(consumer.poll(NOW).unwrap().len(), 1);
        commit(&mut consumer);
    }
    // Somebody has to write them: the tick, where there is no thread for it.
    world.broker.tick().unwrap();
    assert!(told.lock().unwrap().len() < 10, "only within calls of the consumer");
    consumer.poll(NOW).unwrap();
    assert_eq!(*told.lock().unwrap(), (1..=10).collect::<Vec<_>>());

    // A later commit does not overtake an earlier one.
    consumer.poll(NOW).unwrap();
    commit(&mut consumer);
    consumer.seek("t", 0, 5).unwrap();
    consumer.commit().unwrap();
    assert_eq!(committed(&consumer, 0), Some(5));
    assert_eq!(told.lock().unwrap().last(), Some(&12));

    // The close waits.
    consumer.seek("t", 0, 20).unwrap();
    commit(&mut consumer);
    consumer.close().unwrap();
    assert_eq!(told.lock().unwrap().last(), Some(&20));
    assert_eq!(drain(&mut world.member()), (20..30).collect::<Vec<_>>());
}

#[test]
fn commits_under_way_are_bounded() {
    let world = World::new(1);
    world.append(0, 0..10);
    let mut consumer = world.member();
    assert_eq!(drain(&mut consumer).len(), 10);
    let told: Arc<Mutex<usize>> = Arc::default();
    for number in 1..=2500 {
        let told = told.clone();
        let note = move |_: &[_], result: ottla::Result<()>| {
            result.unwrap();
            *told.lock().unwrap() += 1;
        };
        consumer.commit_offsets_async([(("t", 0), number % 10)], note).unwrap();
    }
    assert!(*told.lock().unwrap() >= 1500);
    consumer.close().unwrap();
    assert_eq!(*told.lock().unwrap(), 2500);
}

#[test]
fn a_failed_commit_is_told_to_its_callback() {
    let world = World::new(1);
    let mut consumer = world.member();
    drain(&mut consumer);
    let told: Arc<Mutex<Vec<ErrorKind>>> = Arc::default();
    let commit = |consumer: &mut Consumer, offset: i64| {
        let told = told.clone();
        let note =
            move |_: &[_], result: ottla::Result<()>| told.lock().unwrap().push(kind(result));
        consumer.commit_offsets_async([(("t", 0), offset)], note).unwrap();
    };
    commit(&mut consumer, 77);
    commit(&mut consumer, -1);
    world.broker.tick().unwrap();
    consumer.poll(NOW).unwrap();
    assert_eq!(*told.lock().unwrap(), [ErrorKind::OffsetOutOfRange, ErrorKind::InvalidInput]);
    world.broker.close().unwrap();
    commit(&mut consumer, 0);
    consumer.close().unwrap();
    assert_eq!(told.lock().unwrap().last(), Some(&ErrorKind::Closed));
}

#[test]
fn positions_are_committed_by_themselves_with_kafkas_timing() {
    let world = World::new(1);
    world.append(0, 0..40);
    let builder = world.builder().subscribe(["t"]).max_poll_records(10);
    let mut consumer = builder.auto_commit(Some(Duration::from_secs(5))).build().unwrap();
    consumer.poll(NOW).unwrap();
    assert_eq!(consumer.position("t", 0).unwrap(), 10);
    world.pass(Duration::from_secs(4));
    consumer.poll(NOW).unwrap();
    assert_eq!(committed(&consumer, 0), None);
    world.pass(Duration::from_secs(1));
    assert_eq!(committed(&consumer, 0), None, "only at a poll");
    consumer.poll(NOW).unwrap();
    assert_eq!(consumer.position("t", 0).unwrap(), 30);
    assert_eq!(committed(&consumer, 0), Some(20), "what earlier polls returned");
    assert_eq!(consumer.metrics().commits, 1);
    world.pass(Duration::from_secs(5));
    consumer.poll(NOW).unwrap();
    world.pass(Duration::from_secs(5));
    consumer.poll(NOW).unwrap();
    assert_eq!(committed(&consumer, 0), Some(40));
    world.pass(Duration::from_secs(5));
    consumer.poll(NOW).unwrap();
    assert_eq!(consumer.metrics().commits, 3, "nothing new is not committed");
    world.append(0, 40..41);
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [40]);
    consumer.close().unwrap();
    assert!(drain(&mut world.member()).is_empty(), "the close commits");
}

/// Offsets of a topic in which nothing happened expired under the consumer that read it: they were
/// committed only when they moved.
#[test]
fn positions_that_do_not_move_are_kept_alive() {
    let world = World::new(1);
    world.append(0, 0..3);
    let builder = world.builder().assign([("t", 0)]);
    let mut consumer = builder.auto_commit(Some(Duration::from_secs(5))).build().unwrap();
    drain(&mut consumer);
    for _ in 0..9 * 24 {
        world.pass(Duration::from_secs(3600));
        assert!(consumer.poll(NOW).unwrap().is_empty());
    }
    assert_eq!(committed(&consumer, 0), Some(3));
}

#[test]
fn positions_are_committed_before_partitions_go() {
    let world = World::new(2);
    world.append(0, 0..3);
    world.append(1, 10..13);
    let auto = || world.builder().subscribe(["t"]).auto_commit(Some(Duration::from_secs(5)));
    let mut first = auto().build().unwrap();
    assert_eq!(drain(&mut first).len(), 6);
    let mut second = auto().build().unwrap();
    settle(&mut [&mut first, &mut second]);
    assert!(drain(&mut second).is_empty(), "it goes on behind what the first returned");
    world.append(second.assignment()[0].partition, 13..14);
    assert_eq!(drain(&mut second), [13]);
    second.unsubscribe().unwrap();
    assert!(drain(&mut first).is_empty(), "so does leaving");
    first.assign([("t", 0)]).unwrap_err();
    drop(first);
    second.subscribe(["t"]).unwrap();
    assert!(drain(&mut second).is_empty(), "and dropping");
}

#[test]
fn a_consumer_of_its_own_partitions_may_commit_while_nobody_is_a_member() {
    let world = World::new(2);
    world.append(0, 0..6);
    let mut alone = world.builder().assign([("t", 0)]).max_poll_records(2).build().unwrap();
    assert_eq!(numbers(&alone.poll(NOW).unwrap()), [0, 1]);
    alone.commit().unwrap();
    assert_eq!(alone.group_metadata().unwrap().generation, -1);
    // The next one goes on there, as a member or not.
    let mut next = world.builder().assign([("t", 0)]).build().unwrap();
    assert_eq!(next.position("t", 0).unwrap(), 2);
    assert_eq!(drain(&mut next), [2, 3, 4, 5]);
    let mut member = world.member();
    assert_eq!(drain(&mut member), [2, 3, 4, 5]);
    let error = next.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GroupNotEmpty, "{error}");
    member.close().unwrap();
    next.commit().unwrap();
    assert_eq!(committed(&alone, 0), Some(6));
}

#[test]
fn a_position_before_the_first_poll_is_the_committed_one() {
    let world = World::new(1);
    world.append(0, 0..6);
    let mut first = world.builder().assign([("t", 0)]).build().unwrap();
    first.commit_offsets([(("t", 0), 4)]).unwrap();
    let mut second = world.builder().assign([("t", 0)]).build().unwrap();
    assert_eq!(second.position("t", 0).unwrap(), 4);
    assert_eq!(second.lag("t", 0).unwrap(), 2);
    second.seek("t", 0, 1).unwrap();
    assert_eq!(drain(&mut second), (1..6).collect::<Vec<_>>());
}
