//! Retention that waits for groups: what they have not committed stays, up to the cap.

use std::sync::Arc;
use std::time::Duration;

use super::{memory, options};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::group_admin::OffsetScope;
use crate::broker::partition_handle::PartitionHandle;
use crate::broker::retention::{RetentionHold, RetentionOutcome};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::{Clock, SimClock};
use crate::env::memory::MemoryVfs;
use crate::env::sim::SimEnv;
use crate::env::vfs::{OpenHow, read_up_to, write_all_at};
use crate::error::ErrorKind;
use crate::group::offset::OffsetAndMetadata;
use crate::topic::{TopicName, TopicPartition};

/// Three or four records to a segment, and retention wants all of them.
fn greedy(groups: &[&str]) -> TopicConfig {
    let config = TopicConfig::new().retention_bytes(0).partitions(2);
    let config = config.retention_groups(groups.iter().copied());
    config.set("internal.segment.bytes", "300").unwrap()
}

fn with_orders(env: &Env, config: TopicConfig) -> (Broker, PartitionHandle) {
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", config).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    append(&orders, 20);
    (broker, orders)
}

fn append(orders: &PartitionHandle, count: usize) {
    for _ in 0..count {
        orders.append(&[Message::new("burger").timestamp(0)], Acks::All).unwrap();
    }
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new("orders").unwrap(), partition)
}

fn commit(broker: &Broker, group: &str, offset: i64) {
    let offsets = [(at(0), OffsetAndMetadata::new(offset))];
    broker.engine.offsets.commit(&*broker.engine, group, None, &offsets).unwrap();
}

fn retain(broker: &Broker) -> Option<RetentionOutcome> {
    broker.run_retention().unwrap().into_iter().find(|outcome| outcome.partition == at(0))
}

fn hold(broker: &Broker, group: &str) -> RetentionHold {
    let report = broker.retention_report().unwrap();
    report.into_iter().find(|hold| hold.partition == at(0) && hold.group == group).unwrap()
}

/// Where the segments of the log begin, and where it ends.
fn bounds(orders: &PartitionHandle) -> Vec<i64> {
    let segments = orders.partition().state().segments;
    let bases = segments.iter().map(|segment| segment.base_offset);
    bases.chain([orders.end_offset()]).collect()
}

#[test]
fn nothing_goes_before_every_group_has_committed_it() {
    let (broker, orders) = with_orders(&memory(), greedy(&["kitchen", "office"]));
    let before = bounds(&orders);
    assert!(retain(&broker).is_none(), "groups that never committed hold everything");
    commit(&broker, "kitchen", 20);
    assert!(retain(&broker).is_none(), "one of them still does");
    assert_eq!(hold(&broker, "kitchen").held_records, 0);
    let office = hold(&broker, "office");
    assert_eq!((office.committed, office.held_records), (None, 20));
    assert_eq!(office.held_bytes, orders.size_bytes());

    // In the middle of a segment: that one stays, in whole.
    let middle = before[2] + 1;
    commit(&broker, "office", middle);
    let outcome = retain(&broker).unwrap();
    assert_eq!((outcome.log_start_offset, outcome.segments), (before[2], 2));
    assert!(!outcome.over_cap);
    let office = hold(&broker, "office");
    assert_eq!((office.committed, office.log_start_offset), (Some(middle), before[2]));
    assert_eq!((office.held_records, office.end_offset), (20 - before[2], 20));
    assert_eq!(office.held_bytes, orders.size_bytes());
    assert!(!office.over_cap);
    assert!(retain(&broker).is_none());

    // One short of a segment's end, and its end.
    commit(&broker, "office", before[4] - 1);
    assert_eq!(retain(&broker).unwrap().log_start_offset, before[3]);
    commit(&broker, "office", before[4]);
    assert_eq!(retain(&broker).unwrap().log_start_offset, before[4]);
    commit(&broker, "office", 20);
    assert_eq!(retain(&broker).unwrap().log_start_offset, 20);
    append(&orders, 1);
    assert!(retain(&broker).is_none());
}

#[test]
fn age_waits_for_groups_as_size_does() {
    let clock = Arc::new(SimClock::default());
    let vfs = Arc::new(MemoryVfs::new(clock.clone()));
    let env = Env { clock: clock.clone(), ..Env::over(vfs) };
    let hour = Duration::from_secs(3600);
    let config = greedy(&["kitchen"]).retention_bytes(-1).retention(hour);
    let (broker, orders) = with_orders(&env, config);
    let start = bounds(&orders)[3];
    commit(&broker, "kitchen", start);
    clock.advance(hour * 2);
    // By their timestamps, they are as old as time.
    assert!(clock.wall_ms() > 0);
    assert_eq!(retain(&broker).unwrap().log_start_offset, start);
    broker.alter_topic("orders", &[("retention.ms", Some("-1"))]).unwrap();
    assert_eq!(hold(&broker, "kitchen").held_bytes, 0, "nothing is due, so nothing is held");
}

#[test]
fn the_cap_bounds_what_is_held_and_says_so() {
    let config = greedy(&["kitchen", "office"]).retention_groups_max_bytes(700);
    let (broker, orders) = with_orders(&memory(), config);
    let before = bounds(&orders);
    commit(&broker, "office", before[1]);
    assert!(hold(&broker, "kitchen").over_cap, "it will be cut");
    let outcome = retain(&broker).unwrap();
    assert!(outcome.over_cap);
    assert!(outcome.log_start_offset > before[1]);
    assert!(orders.size_bytes() <= 700, "{} bytes are kept", orders.size_bytes());
    assert!(orders.size_bytes() > 300, "more went than had to");
    for group in ["kitchen", "office"] {
        let hold = hold(&broker, group);
        assert!(hold.over_cap, "{group} has lost records");
        assert!(hold.held_bytes <= 700 && hold.held_bytes == orders.size_bytes());
    }
    // What it has behind it is not lost any more; the other one has still lost it.
    commit(&broker, "kitchen", 20);
    assert!(!hold(&broker, "kitchen").over_cap);
    assert!(hold(&broker, "office").over_cap);
    assert!(retain(&broker).is_none());
    // No room at all: as if there were no groups.
    broker.alter_topic("orders", &[("ottla.retention.groups.max.bytes", Some("0"))]).unwrap();
    let outcome = retain(&broker).unwrap();
    assert_eq!((outcome.log_start_offset, outcome.over_cap), (20, true));
}

#[test]
fn an_explicit_order_to_delete_goes_ahead() {
    let (broker, orders) = with_orders(&memory(), greedy(&["kitchen"]));
    orders.delete_records(11).unwrap();
    assert_eq!(orders.log_start_offset(), 11);
    let hold = hold(&broker, "kitchen");
    assert_eq!((hold.held_records, hold.over_cap), (20 - 11, false));
}

#[test]
fn a_group_that_is_deleted_or_expires_holds_everything_again() {
    let clock = Arc::new(SimClock::default());
    let vfs = Arc::new(MemoryVfs::new(clock.clone()));
    let env = Env { clock: clock.clone(), ..Env::over(vfs) };
    let hour = Duration::from_secs(3600);
    let (broker, orders) = with_orders(&env, greedy(&["kitchen"]));
    let before = bounds(&orders);
    commit(&broker, "kitchen", before[1]);
    assert_eq!(retain(&broker).unwrap().log_start_offset, before[1]);
    commit(&broker, "kitchen", before[2]);
    broker.delete_group("kitchen").unwrap();
    assert!(retain(&broker).is_none());
    assert_eq!(hold(&broker, "kitchen").committed, None);

    commit(&broker, "kitchen", before[2]);
    broker.close().unwrap();
    drop((broker, orders));
    let keep = options().offsets_retention(hour).offsets_retention_check_interval(hour / 60);
    let broker = keep.open_in(env).unwrap();
    // The table is read lazily; then the group's offsets expire.
    assert_eq!(hold(&broker, "kitchen").committed, Some(before[2]));
    clock.advance(hour * 2);
    broker.tick().unwrap();
    assert_eq!(hold(&broker, "kitchen").committed, None);
    let start = broker.partition("orders", 0).unwrap().log_start_offset();
    assert!(retain(&broker).is_none());
    assert!([before[1], before[2]].contains(&start));
}

#[test]
fn an_altered_topic_waits_for_others_from_then_on() {
    let (broker, orders) = with_orders(&memory(), greedy(&[]));
    assert!(broker.retention_report().unwrap().is_empty());
    let name = |groups: &str| {
        broker.alter_topic("orders", &[("ottla.retention.groups", Some(groups))]).unwrap();
    };
    name("kitchen,office");
    assert!(retain(&broker).is_none());
    let before = bounds(&orders);
    commit(&broker, "kitchen", before[2]);
    commit(&broker, "office", before[1]);
    name("kitchen");
    assert_eq!(broker.retention_report().unwrap().len(), 2, "a row for each partition");
    assert_eq!(retain(&broker).unwrap().log_start_offset, before[2]);
    name("");
    assert_eq!(retain(&broker).unwrap().log_start_offset, 20);
}

#[test]
fn a_commit_for_one_partition_is_none_for_the_other() {
    let (broker, orders) = with_orders(&memory(), greedy(&["kitchen"]));
    let other = broker.partition("orders", 1).unwrap();
    append(&other, 20);
    commit(&broker, "kitchen", 20);
    let outcomes = broker.run_retention().unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((orders.log_start_offset(), other.log_start_offset()), (20, 0));
    // What was taken back holds again.
    broker.delete_offsets("kitchen", &OffsetScope::Topics(vec![at(0).topic])).unwrap();
    append(&orders, 20);
    assert!(broker.run_retention().unwrap().is_empty());
}

#[test]
fn offsets_that_cannot_be_read_hold_everything() {
    let vfs = MemoryVfs::default();
    let env = Env::over(Arc::new(vfs));
    let (broker, orders) = with_orders(&env, greedy(&["kitchen"]));
    commit(&broker, "kitchen", 20);
    broker.close().unwrap();
    drop((broker, orders));
    let log = "__consumer_offsets-0/00000000000000000000.log";
    let file = env.vfs.open(log, OpenHow::Write).unwrap();
    let mut byte = [0; 1];
    read_up_to(&*file, &mut byte, 70).unwrap();
    write_all_at(&*file, &[byte[0] ^ 1], 70).unwrap();
    drop(file);
    let broker = options().open_in(env).unwrap();
    let error = broker.run_retention().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(broker.partition("orders", 0).unwrap().log_start_offset(), 0);
    assert_eq!(broker.retention_report().unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn after_a_loss_of_power_the_group_finds_what_it_has_not_committed() {
    let world = SimEnv::new(1);
    let (broker, orders) = with_orders(&world.env(), greedy(&["kitchen"]));
    let before = bounds(&orders);
    commit(&broker, "kitchen", before[2]);
    for _ in 0..2 {
        broker.run_retention().unwrap();
        let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
        let lost = options().open_in(lost.env()).unwrap();
        assert_eq!(hold(&lost, "kitchen").committed, Some(before[2]));
        let start = lost.partition("orders", 0).unwrap().log_start_offset();
        assert_eq!(start, before[2]);
        lost.abandon();
    }
}
