//! Producers of transactions: Kafka's verbs, and one holder per transactional id.

use std::time::Duration;

use ottla::{Acks, ErrorKind, Record};

use crate::world::{World, committed, refused, values};

const STATE: ErrorKind = ErrorKind::InvalidTransactionState;

#[test]
fn one_transaction_comes_after_the_other() {
    let world = World::new();
    let producer = world.broker.producer().transactional_id("cashier").build().unwrap();
    refused(producer.send(Record::new("orders", "x")), STATE, "begin_transaction comes first");
    refused(producer.commit_transaction(), STATE, "begin_transaction comes first");
    refused(producer.abort_transaction(), STATE, "begin_transaction comes first");
    for round in ["one", "two"] {
        producer.begin_transaction().unwrap();
        refused(producer.begin_transaction(), STATE, "begun already");
        producer.send(Record::new("deliveries", round)).unwrap();
        producer.commit_offsets_of("kitchen", [(("orders", 0), 0)]).unwrap();
        producer.commit_transaction().unwrap();
        refused(producer.send(Record::new("deliveries", "x")), STATE, "committed already");
        producer.begin_transaction().unwrap();
        producer.send(Record::new("deliveries", "never")).unwrap();
        producer.abort_transaction().unwrap();
    }
    assert_eq!(values(&world.broker, "deliveries"), ["one", "two"]);
    assert_eq!(committed(&world.broker, "kitchen", "orders", 0), Some(0));
}

#[test]
fn a_newer_producer_fences_the_older_one_for_ever() {
    let world = World::new();
    let build = || world.broker.producer().transactional_id("cashier").build().unwrap();
    let older = build();
    older.begin_transaction().unwrap();
    older.send(Record::new("deliveries", "of the older")).unwrap();
    let newer = build();
    let fenced = ErrorKind::Fenced;
    refused(older.send(Record::new("deliveries", "x")), fenced, "\"cashier\"");
    refused(older.commit_transaction(), fenced, "newer producer");
    refused(older.begin_transaction(), fenced, "newer producer");
    refused(older.abort_transaction(), fenced, "newer producer");
    newer.begin_transaction().unwrap();
    newer.send(Record::new("deliveries", "of the newer")).unwrap();
    newer.commit_transaction().unwrap();
    drop(newer);
    refused(older.begin_transaction(), fenced, "newer producer");
    assert_eq!(values(&world.broker, "deliveries"), ["of the newer"]);
    // Another id is nobody's business.
    let other = world.broker.producer().transactional_id("baker").build().unwrap();
    let _third = build();
    other.begin_transaction().unwrap();
    other.commit_transaction().unwrap();
}

#[test]
fn a_transaction_of_a_producer_times_out_and_the_next_one_begins() {
    let world = World::new();
    let builder = world.broker.producer().transactional_id("cashier");
    let producer = builder.transaction_timeout(Duration::from_secs(5)).build().unwrap();
    producer.begin_transaction().unwrap();
    producer.send(Record::new("deliveries", "late")).unwrap();
    world.pass(Duration::from_secs(5));
    refused(producer.send(Record::new("deliveries", "x")), STATE, "transaction.timeout.ms");
    refused(producer.commit_transaction(), STATE, "transaction.timeout.ms");
    producer.begin_transaction().unwrap();
    producer.send(Record::new("deliveries", "in time")).unwrap();
    producer.commit_transaction().unwrap();
    assert_eq!(values(&world.broker, "deliveries"), ["in time"]);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let world = World::new();
    let producer = || world.broker.producer();
    let plain = producer().set("transactional.id", "cashier").build();
    refused(plain, ErrorKind::InvalidInput, "`transactional_id`");
    let wrong = ErrorKind::InvalidInput;
    refused(producer().transactional_id("").build(), wrong, "must not be empty");
    let long = "x".repeat(40_000);
    refused(producer().transactional_id(&long).build(), wrong, "32767");
    refused(producer().acks(Acks::Leader).transactional_id("c").build(), wrong, "acks=all");
    refused(producer().transactional_id("c").set("lingr.ms", "1").build(), wrong, "linger.ms");
    refused(producer().set("lingr.ms", "1").transactional_id("c").build(), wrong, "linger.ms");
    let named = producer().transactional_id("c").set("transactional.id", "d").build().unwrap();
    assert_eq!(named.transactional_id(), "d");
}

#[test]
fn threads_share_the_transaction_of_the_moment() {
    let world = World::new();
    let producer = world.broker.producer().transactional_id("cashier").build().unwrap();
    producer.begin_transaction().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..100 {
                    let key = number.to_string();
                    producer.send(Record::new("orders", "a burger").key(&key)).unwrap();
                }
            });
        }
    });
    producer.commit_transaction().unwrap();
    assert_eq!(values(&world.broker, "orders").len(), 400);
}
