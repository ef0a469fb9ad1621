//! What cannot be is said so.

use std::time::Duration;

use ottla::{ConsumerBuilder, ErrorKind};

use crate::world::{LONG, NOW, World, drain, kind};

#[test]
fn what_needs_a_group_says_so() {
    let world = World::new(1);
    let mut consumer = world.broker.consumer().assign([("t", 0)]).build().unwrap();
    drain(&mut consumer);
    let invalid = ErrorKind::InvalidInput;
    let error = consumer.commit().unwrap_err();
    assert!(error.to_string().contains("group.id"), "{error}");
    assert_eq!(error.kind(), invalid);
    assert_eq!(kind(consumer.commit_async(|_, _| {})), invalid);
    assert_eq!(kind(consumer.commit_offsets([(("t", 0), 0)])), invalid);
    assert_eq!(kind(consumer.committed("t", 0)), invalid);
    assert_eq!(kind(consumer.group_metadata()), invalid);
    consumer.unsubscribe().unwrap();
    assert!(consumer.assignment().is_empty());
    assert_eq!(kind(consumer.subscribe(["t"])), invalid);
    assert_eq!(kind(world.broker.consumer().subscribe(["t"]).build()), invalid);
    let auto = world.broker.consumer().auto_commit(Some(Duration::from_secs(1)));
    assert_eq!(kind(auto.build()), invalid);
}

#[test]
fn topics_and_partitions_do_not_mix() {
    let world = World::new(1);
    let build = |builder: ConsumerBuilder| kind(builder.build());
    let invalid = ErrorKind::InvalidInput;
    assert_eq!(build(world.builder().subscribe(["t"]).assign([("t", 0)])), invalid);
    assert_eq!(build(world.builder().subscribe(["t"]).subscribe_pattern("t")), invalid);
    assert_eq!(build(world.builder().subscribe_pattern("t(")), invalid);
    assert_eq!(build(world.builder().subscribe(["no/topic"])), invalid);
    assert_eq!(build(world.broker.consumer().group("").subscribe(["t"])), invalid);
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(build(world.builder().subscribe(["t", "u"])), unknown);

    let mut consumer = world.member();
    let error = consumer.assign([("t", 0)]).unwrap_err();
    assert!(error.to_string().contains("unsubscribe first"), "{error}");
    assert_eq!(kind(consumer.subscribe(["u"])), unknown);
    assert_eq!(consumer.subscription().len(), 1, "as before");
    consumer.unsubscribe().unwrap();
    consumer.assign([("t", 0)]).unwrap();
    let error = consumer.subscribe(["t"]).unwrap_err();
    assert!(error.to_string().contains("assign none first"), "{error}");
    assert_eq!(consumer.assignment().len(), 1);
    assert_eq!(kind(consumer.seek("t", 1, 0)), invalid);
}

#[test]
fn members_without_a_common_assignor_do_not_join() {
    let world = World::new(1);
    let strategy = "partition.assignment.strategy";
    let first = world.builder().subscribe(["t"]).set(strategy, "range").build().unwrap();
    let second = world.builder().subscribe(["t"]).set(strategy, "sticky").build();
    assert_eq!(kind(second), ErrorKind::InvalidInput);
    drop(first);
    world.builder().subscribe(["t"]).set(strategy, "sticky").build().unwrap();
}

#[test]
fn closing_the_broker_ends_members() {
    let world = World::new(2);
    let mut idle = world.member();
    drain(&mut idle);
    std::thread::scope(|scope| {
        let polls: Vec<_> = (0..3)
            .map(|_| {
                let mut consumer = world.member();
                scope.spawn(move || {
                    let polled = consumer.poll(LONG).map(|records| records.len());
                    (kind(polled), kind(consumer.commit()), consumer.close())
                })
            })
            .collect();
        std::thread::yield_now();
        world.broker.close().unwrap();
        for poll in polls {
            let (polled, committed, closed) = poll.join().unwrap();
            assert_eq!((polled, committed), (ErrorKind::Closed, ErrorKind::Closed));
            closed.unwrap();
        }
    });
    assert_eq!(kind(idle.poll(NOW)), ErrorKind::Closed);
    let ends: Vec<_> = idle.records().map(kind).collect();
    assert_eq!(ends, [ErrorKind::Closed], "an iterator ends then");
    assert_eq!(kind(world.builder().subscribe(["t"]).build()), ErrorKind::Closed);
    assert_eq!(kind(idle.subscribe_pattern("x")), ErrorKind::Closed);
}
