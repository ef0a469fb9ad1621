//! Committed offsets through a whole broker in memory.

use super::{memory, options};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::group_admin::OffsetScope;
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::error::{ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::topic::{TopicName, TopicPartition};

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), partition)
}

fn commit(broker: &Broker, group: &str, offset: i64) -> Result<()> {
    let offsets = [(at("orders", 0), OffsetAndMetadata::new(offset))];
    broker.engine.offsets.commit(&*broker.engine, group, None, &offsets)
}

fn committed(broker: &Broker, group: &str) -> Option<i64> {
    let found = broker.engine.offsets.committed(&*broker.engine, group, &at("orders", 0));
    found.unwrap().map(|committed| committed.offset)
}

fn generation(broker: &Broker, group: &str) -> i32 {
    broker.engine.offsets.generation(&*broker.engine, group).unwrap()
}

/// A broker with ten records in `orders`.
fn with_orders(env: &Env) -> Broker {
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    append(&broker, 10, Acks::All);
    broker
}

fn append(broker: &Broker, count: usize, acks: Acks) {
    let orders = broker.partition("orders", 0).unwrap();
    for _ in 0..count {
        orders.append(&[Message::new("one burger")], acks).unwrap();
    }
}

#[test]
fn what_was_committed_is_there_after_a_close_a_kill_and_an_open() {
    let env = memory();
    let broker = with_orders(&env);
    assert_eq!(committed(&broker, "kitchen"), None);
    let note =
        OffsetAndMetadata { leader_epoch: Some(0), ..OffsetAndMetadata::new(3).metadata("x") };
    let offsets = [(at("orders", 0), note.clone()), (at("orders", 1), 0.into())];
    broker.engine.offsets.commit(&*broker.engine, "kitchen", Some(4), &offsets).unwrap();
    commit(&broker, "office", 7).unwrap();
    commit(&broker, "office", 5).unwrap();
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), offsets);
    broker.close().unwrap();

    let broker = options().open_in(env.clone()).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), offsets);
    assert_eq!(generation(&broker, "kitchen"), 4);
    assert_eq!((committed(&broker, "office"), generation(&broker, "office")), (Some(5), 0));
    commit(&broker, "kitchen", 9).unwrap();
    broker.abandon();

    let broker = options().open_in(env).unwrap();
    assert!(!broker.recovery_report().clean);
    assert_eq!(committed(&broker, "kitchen"), Some(9));
    assert_eq!(committed(&broker, "office"), Some(5));
    let names = broker.engine.offsets.groups(&*broker.engine).unwrap();
    assert_eq!(names, ["kitchen", "office"]);
}

#[test]
fn what_cannot_be_committed_is_refused_and_changes_nothing() {
    let broker = with_orders(&memory());
    commit(&broker, "kitchen", 3).unwrap();
    let store = &broker.engine.offsets;
    let refused = |group: &str, at: TopicPartition, offset: OffsetAndMetadata| {
        let offsets = [(self::at("orders", 0), OffsetAndMetadata::new(6)), (at, offset)];
        store.commit(&*broker.engine, group, None, &offsets).unwrap_err().kind()
    };
    assert_eq!(refused("kitchen", at("orders", 1), 1.into()), ErrorKind::OffsetOutOfRange);
    assert_eq!(refused("kitchen", at("orders", 1), (-1).into()), ErrorKind::InvalidInput);
    let missing = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(refused("kitchen", at("orders", 2), 0.into()), missing);
    assert_eq!(refused("kitchen", at("orders", -1), 0.into()), missing);
    assert_eq!(refused("kitchen", at("pears", 0), 0.into()), missing);
    let long = OffsetAndMetadata::new(0).metadata("x".repeat(4097));
    assert_eq!(refused("kitchen", at("orders", 1), long), ErrorKind::Limit);
    assert_eq!(refused("", at("orders", 1), 0.into()), ErrorKind::InvalidInput);
    let endless = "x".repeat(40_000);
    assert_eq!(refused(&endless, at("orders", 1), 0.into()), ErrorKind::InvalidInput);
    assert_eq!(committed(&broker, "kitchen"), Some(3));
    store.commit(&*broker.engine, "nobody", None, &[]).unwrap();
    assert_eq!(store.groups(&*broker.engine).unwrap(), ["kitchen"]);
}

#[test]
fn data_is_synced_before_an_offset_of_it_is_committed() {
    let broker = with_orders(&memory());
    let orders = broker.partition("orders", 0).unwrap();
    append(&broker, 5, Acks::Leader);
    assert!(orders.partition().is_synced_to(10));
    assert!(!orders.partition().is_synced_to(11));
    commit(&broker, "kitchen", 10).unwrap();
    assert!(!orders.partition().is_synced_to(11), "what is not committed is not synced for it");
    commit(&broker, "kitchen", 12).unwrap();
    assert!(orders.partition().is_synced_to(15));
    append(&broker, 1, Acks::Leader);
    assert!(orders.partition().is_synced_to(15) && !orders.partition().is_synced_to(16));
    append(&broker, 1, Acks::All);
    assert!(orders.partition().is_synced_to(17));
}

#[test]
fn a_topic_takes_its_offsets_with_it() {
    let env = memory();
    let broker = with_orders(&env);
    broker.create_topic("pears", TopicConfig::new()).unwrap();
    let pears = [(at("pears", 0), OffsetAndMetadata::new(0))];
    broker.engine.offsets.commit(&*broker.engine, "kitchen", None, &pears).unwrap();
    commit(&broker, "kitchen", 3).unwrap();
    commit(&broker, "office", 4).unwrap();
    broker.delete_topic("orders").unwrap();
    assert_eq!(committed(&broker, "kitchen"), None);
    assert_eq!(
        commit(&broker, "kitchen", 0).unwrap_err().kind(),
        ErrorKind::UnknownTopicOrPartition
    );
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), pears);
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_eq!(committed(&broker, "kitchen"), None);
    commit(&broker, "kitchen", 0).unwrap();
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(0), None));
    assert_eq!(broker.recovery_report().offsets_dropped, 0);
}

#[test]
fn a_cut_sets_offsets_back_before_it_cuts() {
    let env = memory();
    let broker = with_orders(&env);
    commit(&broker, "kitchen", 9).unwrap();
    commit(&broker, "office", 2).unwrap();
    broker.partition("orders", 0).unwrap().truncate_to(4).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(4), Some(2)));
    append(&broker, 6, Acks::All);
    commit(&broker, "office", 10).unwrap();
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(4), Some(10)));
    let offsets = broker.partition("__consumer_offsets", 0).unwrap();
    assert_eq!(offsets.truncate_to(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let more = broker.add_partitions("__consumer_offsets", 2);
    assert_eq!(more.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn groups_and_offsets_are_deleted_for_good() {
    let env = memory();
    let broker = with_orders(&env);
    let (engine, store) = (&*broker.engine, &broker.engine.offsets);
    let both = [(at("orders", 0), OffsetAndMetadata::new(3)), (at("orders", 1), 0.into())];
    for group in ["kitchen", "office"] {
        store.commit(engine, group, Some(2), &both).unwrap();
    }
    let one = OffsetScope::Partitions(vec![at("orders", 1), at("pears", 0)]);
    broker.delete_offsets("office", &one).unwrap();
    assert_eq!(broker.committed_offsets("office").unwrap(), both[..1]);
    store.delete_group(engine, "kitchen").unwrap();
    for _ in 0..2 {
        let gone = store.delete_group(engine, "kitchen").unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::UnknownGroup);
    }
    assert_eq!(store.groups(engine).unwrap(), ["office"]);
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!(broker.engine.offsets.groups(&*broker.engine).unwrap(), ["office"]);
    assert_eq!((generation(&broker, "office"), generation(&broker, "kitchen")), (2, 0));
    assert_eq!(broker.committed_offsets("office").unwrap(), both[..1]);
}
