//! Members in threads of their own: hand-overs wake those who wait, and nothing is lost.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::{Broker, Consumer, TopicConfig, TopicPartition};

use crate::world::{Doing, LONG, append, nothing};

const PARTITIONS: i32 = 4;

/// A member that waits gets the partitions of one that closes, without a timeout.
#[test]
fn a_waiting_member_is_woken_for_partitions() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(1)).unwrap();
    let member = || broker.consumer().group("g").subscribe(["t"]).build().unwrap();
    let mut first = member();
    first.poll(std::time::Duration::ZERO).unwrap();
    assert_eq!(first.assignment().len(), 1);
    for round in 0..20 {
        append(&broker, 0, round..round + 1);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut second = member();
                assert_eq!(second.poll(LONG).unwrap().len(), 1);
                second.commit().unwrap();
                second
            });
            std::thread::yield_now();
            let old = std::mem::replace(&mut first, bystander(&broker));
            old.close().unwrap();
            first = second.join().unwrap();
        });
    }
}

fn bystander(broker: &Broker) -> Consumer {
    broker.consumer().build().unwrap()
}

/// Threads that join, read, commit and leave while records come. The listener commits before
/// partitions go, so every record is seen once.
#[test]
fn each_record_is_seen_once_while_members_come_and_go() {
    const RECORDS: usize = 2000;
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(PARTITIONS)).unwrap();
    let seen: Mutex<BTreeMap<(i32, i64), usize>> = Mutex::default();
    let left = AtomicUsize::new(RECORDS * PARTITIONS as usize);
    std::thread::scope(|scope| {
        for partition in 0..PARTITIONS {
            let broker = &broker;
            scope.spawn(move || {
                for value in (0..RECORDS).step_by(10) {
                    append(broker, partition, value..value + 10);
                }
            });
        }
        for thread in 0..4 {
            let (broker, seen, left) = (&broker, &seen, &left);
            scope.spawn(move || work(broker, seen, left, thread));
        }
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), RECORDS * PARTITIONS as usize);
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
}

fn work(
    broker: &Broker,
    seen: &Mutex<BTreeMap<(i32, i64), usize>>,
    left: &AtomicUsize,
    thread: usize,
) {
    while left.load(Ordering::SeqCst) > 0 {
        let commit = |consumer: &mut Consumer, _: &[TopicPartition]| consumer.commit().unwrap();
        let listener = Doing { revoked: commit, assigned: nothing };
        let builder = broker.consumer().group("g").subscribe(["t"]).max_poll_records(20);
        let mut consumer = builder.listener(listener).build().unwrap();
        for _ in 0..10 + thread * 7 {
            let records = consumer.poll(std::time::Duration::from_millis(1)).unwrap();
            let mut seen = seen.lock().unwrap();
            for record in &records {
                let times = seen.entry((record.partition(), record.offset())).or_default();
                *times += 1;
                if *times == 1 {
                    left.fetch_sub(1, Ordering::SeqCst);
                }
            }
        }
        consumer.close().unwrap();
    }
}
