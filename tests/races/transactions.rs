//! Transactions beside whatever could come between their beginning and their end: a rebalance, a
//! newer producer, an abort, a tick, somebody who looks, a loss of power.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla::{
    Acks, Broker, Consumer, Error, ErrorKind, Message, Record, Snapshot, TopicConfig, Transaction,
};

use crate::schedules::check;
use crate::threads::{scope, yield_now};
use crate::world::{TOPIC, World, log_of, options};

const GROUP: &str = "kitchen";
const DONE: &str = "done";

/// The values of the topic `done`, by how often they are there.
fn done(broker: &Broker) -> BTreeMap<Vec<u8>, usize> {
    let mut consumer = broker.consumer().assign([(DONE, 0)]).build().unwrap();
    let mut done = BTreeMap::new();
    loop {
        let records = consumer.poll(Duration::ZERO).unwrap();
        if records.is_empty() {
            return done;
        }
        for record in &records {
            *done.entry(record.value().unwrap().to_vec()).or_default() += 1;
        }
    }
}

#[test]
fn every_record_is_processed_once_whoever_comes_and_goes() {
    check(beside_a_rebalance);
}

/// Two members process records in transactions over two polls each; a third one comes and goes.
pub(crate) fn beside_a_rebalance() {
    const RECORDS: usize = 4;
    let world = World::new();
    let broker = world.broker();
    broker.create_topic(DONE, TopicConfig::new()).unwrap();
    for number in 0..RECORDS {
        let partition = broker.partition(TOPIC, number as i32 % 2).unwrap();
        partition.append(&[Message::new(&number.to_string())], Acks::Leader).unwrap();
    }
    let processed = AtomicUsize::new(0);
    scope(|scope| {
        for rounds in [usize::MAX, 1] {
            let (broker, processed) = (&broker, &processed);
            scope.spawn(move || {
                let builder = broker.consumer().group(GROUP).subscribe([TOPIC]);
                let mut consumer = builder.max_poll_records(1).build().unwrap();
                for _ in 0..rounds {
                    if processed.load(Ordering::Relaxed) >= RECORDS {
                        break;
                    }
                    processed.fetch_add(process(broker, &mut consumer), Ordering::Relaxed);
                    yield_now();
                }
            });
        }
    });
    let done = done(&broker);
    assert_eq!(done.len(), RECORDS, "{done:?}");
    assert!(done.values().all(|times| *times == 1), "processed twice: {done:?}");
}

/// One transaction over two polls; returns how many records it processed.
fn process(broker: &Broker, consumer: &mut Consumer) -> usize {
    let mut transaction = broker.transaction().unwrap();
    let mut count = 0;
    for _ in 0..2 {
        for record in &consumer.poll(Duration::ZERO).unwrap() {
            transaction.send(Record::new(DONE, record.value().unwrap())).unwrap();
            count += 1;
        }
        let staged = transaction.commit_offsets(consumer);
        if staged.is_err_and(|error| error.kind() == ErrorKind::Fenced) {
            return 0;
        }
    }
    match transaction.commit() {
        Ok(_) => count,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
            // Back to where the group is.
            for at in consumer.assignment() {
                let committed = consumer.committed(at.topic.as_str(), at.partition).unwrap();
                let offset = committed.map_or(0, |committed| committed.offset);
                consumer.seek(at.topic.as_str(), at.partition, offset).unwrap();
            }
            0
        }
    }
}

#[test]
fn nothing_of_an_older_producer_lands_behind_the_newer_one() {
    check(beside_a_fence);
}

/// A producer commits, a newer one of its id comes.
pub(crate) fn beside_a_fence() {
    let world = World::new();
    let broker = world.broker();
    let build = || broker.producer().transactional_id("cashier").build().unwrap();
    let older = build();
    let commit = |name: &str, producer: &ottla::TransactionalProducer| -> Result<(), Error> {
        producer.begin_transaction()?;
        for partition in 0..2 {
            producer.send(Record::new(TOPIC, name).partition(partition))?;
        }
        producer.commit_transaction().map(drop)
    };
    let (told, end) = scope(|scope| {
        let commits = scope.spawn(|| [commit("older", &older), commit("older", &older)]);
        // Other commits, so that one leads and the older one is in its group.
        scope.spawn(|| {
            broker.partition(TOPIC, 0).unwrap().append(&[Message::new("x")], Acks::All).unwrap();
        });
        let newer = scope.spawn(|| {
            let newer = build();
            let end = broker.partition(TOPIC, 1).unwrap().end_offset();
            commit("newer", &newer).unwrap();
            end as usize
        });
        (commits.join().unwrap(), newer.join().unwrap())
    });
    let mut acked = 0;
    for outcome in told {
        match outcome {
            Ok(()) => acked += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{error}"),
        }
    }
    let log = log_of(&broker, 1);
    assert_eq!(log.iter().filter(|name| *name == "older").count(), acked, "{log:?}");
    assert!(log[end..].iter().all(|name| name == "newer"), "behind the newer one: {log:?}");
}

#[test]
fn a_transaction_is_committed_or_aborted_and_never_both() {
    check(beside_an_abort);
}

/// One thread commits, one aborts the same transaction, and the time of it is nearly up.
pub(crate) fn beside_an_abort() {
    let world = World::new();
    let broker = world.broker();
    let builder = broker.producer().transactional_id("cashier");
    let producer = builder.transaction_timeout(Duration::from_millis(40)).build().unwrap();
    producer.begin_transaction().unwrap();
    for partition in 0..2 {
        producer.send(Record::new(TOPIC, "one").partition(partition)).unwrap();
    }
    let (committed, aborted) = scope(|scope| {
        let commits = scope.spawn(|| producer.commit_transaction().map(drop));
        let aborts = scope.spawn(|| producer.abort_transaction());
        scope.spawn(|| (0..3).for_each(|_| assert!(broker.tick().is_ok())));
        (commits.join().unwrap(), aborts.join().unwrap())
    });
    for outcome in [&committed, &aborted] {
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::InvalidTransactionState, "{error}");
        }
    }
    assert!(!(committed.is_ok() && aborted.is_ok()), "committed and aborted");
    let ends = [0, 1].map(|partition| log_of(&broker, partition).len());
    assert_eq!(ends, [usize::from(committed.is_ok()); 2], "{committed:?} {aborted:?}");
    // Whatever it was, it is over.
    producer.begin_transaction().unwrap();
    producer.commit_transaction().unwrap();
}

#[test]
fn a_snapshot_has_all_of_a_transaction_or_nothing() {
    check(beside_a_snapshot);
}

/// Two writers commit into both partitions and a group, somebody takes snapshots, and the power is
/// lost.
pub(crate) fn beside_a_snapshot() {
    let world = World::new();
    let broker = world.broker();
    // The topic of offsets is there.
    stage(&broker, "before").commit().unwrap();
    let lost = scope(|scope| {
        for writer in ["a", "b"] {
            let broker = &broker;
            scope.spawn(move || drop(stage(broker, writer).commit().unwrap()));
        }
        scope.spawn(|| {
            for _ in 0..2 {
                is_whole(&broker.snapshot_with_groups(&[GROUP, "a", "b"]).unwrap());
            }
        });
        scope.spawn(|| world.power_loss()).join().unwrap()
    });
    is_whole(&broker.snapshot_with_groups(&[GROUP, "a", "b"]).unwrap());
    broker.abandon();
    let broker = lost.open(options());
    is_whole(&broker.snapshot_with_groups(&[GROUP, "a", "b"]).unwrap());
}

/// A transaction that says in a group of the writer's own that it was there.
fn stage(broker: &Broker, writer: &str) -> Transaction {
    let mut transaction = broker.transaction().unwrap();
    for partition in 0..2 {
        transaction.send(Record::new(TOPIC, writer).partition(partition)).unwrap();
    }
    let group = if writer == "before" { GROUP } else { writer };
    transaction.commit_offsets_of(group, [((TOPIC, 0), 0)]).unwrap();
    transaction
}

fn is_whole(snapshot: &Snapshot) {
    let values = |partition| -> Vec<Vec<u8>> {
        let records = snapshot.read(TOPIC, partition, 0).unwrap();
        records.map(|record| record.unwrap().value.unwrap()).collect()
    };
    let (left, right) = (values(0), values(1));
    assert_eq!(left, right, "half a transaction");
    for writer in ["a", "b"] {
        let is_there = left.iter().any(|value| value == writer.as_bytes());
        let committed = snapshot.committed(writer, TOPIC, 0).unwrap();
        assert_eq!(committed.is_some(), is_there, "the offset goes with the records of {writer}");
    }
}
