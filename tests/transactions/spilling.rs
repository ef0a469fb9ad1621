//! Transactions that are larger than what is kept in memory.

use std::path::Path;
use std::time::Duration;

use ottla::{Broker, Record, TopicConfig, Transaction};

use crate::world::{options, values};

const RECORDS: usize = 500;

fn open(directory: &Path) -> Broker {
    let broker = options().transaction_buffer_bytes(1 << 16).open(directory).unwrap();
    broker.ensure_topic("orders", TopicConfig::new().partitions(4)).unwrap();
    broker
}

/// Half a megabyte, eight times what is kept in memory.
fn begin(broker: &Broker) -> Transaction {
    let timeout = Duration::from_millis(200);
    let mut transaction = broker.transaction_with().timeout(timeout).begin().unwrap();
    let padding = "x".repeat(1000);
    for number in 0..RECORDS {
        let value = format!("{number} {padding}");
        let partition = number as i32 % 4;
        transaction.send(Record::new("orders", &value).partition(partition)).unwrap();
    }
    transaction
}

fn spills(directory: &Path) -> usize {
    let files = std::fs::read_dir(directory).unwrap();
    files
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "spill"))
        .count()
}

fn is_whole(broker: &Broker) {
    let mut numbers: Vec<usize> = values(broker, "orders")
        .iter()
        .map(|value| value.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!((0..4).all(|partition| {
        let of_one = numbers.iter().filter(|number| **number % 4 == partition);
        of_one.is_sorted()
    }));
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..RECORDS));
}

#[test]
fn a_large_transaction_is_committed_as_any_other() {
    let scratch = tempfile::tempdir().unwrap();
    let broker = open(scratch.path());
    let mut transaction = begin(&broker);
    assert_eq!(spills(scratch.path()), 1);
    assert!(values(&broker, "orders").is_empty());
    let written = transaction.commit().unwrap();
    assert_eq!(written.len(), 4);
    is_whole(&broker);
    broker.checkpoint().unwrap();
    drop(transaction);
    assert_eq!(spills(scratch.path()), 0, "nothing asks for it any more");
    broker.close().unwrap();
    is_whole(&open(scratch.path()));
}

#[test]
fn a_large_transaction_survives_a_kill_right_after_its_commit() {
    let scratch = tempfile::tempdir().unwrap();
    let broker = open(scratch.path());
    begin(&broker).commit().unwrap();
    broker.abandon();
    is_whole(&open(scratch.path()));
}

#[test]
fn what_was_spilled_goes_with_its_transaction() {
    let scratch = tempfile::tempdir().unwrap();
    let broker = open(scratch.path());
    let mut transaction = begin(&broker);
    transaction.abort().unwrap();
    assert_eq!(spills(scratch.path()), 0, "aborted");
    drop(begin(&broker));
    assert_eq!(spills(scratch.path()), 0, "dropped");
    let late = begin(&broker);
    std::thread::sleep(Duration::from_millis(250)); // the real clock: longer than its timeout
    broker.tick().unwrap();
    assert_eq!(spills(scratch.path()), 0, "timed out");
    drop(late);
    let open_at_close = begin(&broker);
    assert_eq!(spills(scratch.path()), 1);
    broker.close().unwrap();
    assert_eq!(spills(scratch.path()), 0, "closed");
    drop(open_at_close);
    assert!(values(&open(scratch.path()), "orders").is_empty());
}

#[test]
fn one_record_larger_than_a_frame_is_committed() {
    let scratch = tempfile::tempdir().unwrap();
    let options = options().commit_bytes_max(1 << 16).transaction_buffer_bytes(1 << 16);
    let broker = options.open(scratch.path()).unwrap();
    broker.create_topic("orders", TopicConfig::new().max_message_bytes(1 << 20)).unwrap();
    let value = "x".repeat(200_000);
    let mut transaction = broker.transaction().unwrap();
    transaction.send(Record::new("orders", &value)).unwrap();
    transaction.commit().unwrap();
    assert_eq!(values(&broker, "orders"), [value]);
}
