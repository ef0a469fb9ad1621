//! Producers and consumers of one broker, many at once.
//!
//! Goal: with and without the maintenance thread, at every level of `acks` and with and without
//! linger, each record has one fate, keeps its place in its thread's order, and is seen by a
//! consumer that follows the end; and nobody waits for ever.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::HashMap;
use std::time::Duration;

use ottla::{Acks, Broker, ErrorKind, Record, TopicConfig};

const PARTITIONS: i32 = 4;
const THREADS: usize = 4;
const RECORDS: usize = 300;

#[derive(Clone, Copy, Debug)]
struct Case {
    background: bool,
    acks: Acks,
    linger_ms: u64,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for background in [false, true] {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            for linger_ms in [0, 2] {
                cases.push(Case { background, acks, linger_ms });
            }
        }
    }
    cases
}

#[test]
fn what_many_threads_send_is_read_in_order_while_it_is_sent() {
    for case in cases() {
        println!("{case:?}");
        let directory = tempfile::tempdir().unwrap();
        let broker = Broker::options().background(case.background).open(directory.path()).unwrap();
        broker.create_topic("t", TopicConfig::new().partitions(PARTITIONS)).unwrap();
        run(&broker, case);
        broker.close().unwrap();
    }
}

fn run(broker: &Broker, case: Case) {
    let producer = broker
        .producer()
        .acks(case.acks)
        .linger(Duration::from_millis(case.linger_ms))
        .batch_size(500)
        .buffer_memory(8000)
        .build()
        .unwrap();
    let producer = &producer;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| follow(broker));
        let senders: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || send(producer, thread, case))).collect();
        for sender in senders {
            sender.join().unwrap();
        }
        producer.flush().unwrap();
        let seen = reader.join().unwrap();
        assert_eq!(seen.values().map(|numbers| numbers.len()).sum::<usize>(), THREADS * RECORDS);
        for ((partition, thread), numbers) in seen {
            assert!(
                numbers.is_sorted_by(|a, b| a < b),
                "{case:?}: thread {thread} in partition {partition}: {numbers:?}"
            );
        }
    });
}

/// Some records are waited for at once, the others at the end; offsets only rise.
fn send(producer: &ottla::Producer, thread: usize, case: Case) {
    let mut pending = Vec::new();
    let mut newest = [-1; PARTITIONS as usize];
    for number in 0..RECORDS {
        let value = format!("{thread} {number}");
        let key = (number % 7).to_string();
        let mut record = Record::new("t", &value);
        match number % 3 {
            0 => record = record.key(&key),
            1 => record = record.partition(thread as i32),
            _ => {}
        }
        let delivery = producer.send(record).unwrap();
        if number % 50 == 0 {
            let written = delivery.wait().unwrap();
            check_offset(&mut newest, &written, case.acks);
        } else {
            pending.push(delivery);
        }
    }
    newest = [-1; PARTITIONS as usize];
    for delivery in pending {
        check_offset(&mut newest, &delivery.wait().unwrap(), case.acks);
    }
}

fn check_offset(newest: &mut [i64], written: &ottla::RecordMetadata, acks: Acks) {
    if acks == Acks::None {
        assert_eq!(written.offset, -1);
        return;
    }
    let newest = &mut newest[written.partition as usize];
    assert!(written.offset > *newest, "{written:?} after {newest}");
    *newest = written.offset;
}

/// Reads until everything that will be sent was seen: numbers by partition and thread.
fn follow(broker: &Broker) -> HashMap<(i32, usize), Vec<usize>> {
    let all = (0..PARTITIONS).map(|partition| ("t", partition));
    let mut consumer = broker.consumer().assign(all).max_poll_records(37).build().unwrap();
    let mut seen: HashMap<(i32, usize), Vec<usize>> = HashMap::new();
    let mut count = 0;
    while count < THREADS * RECORDS {
        let records = consumer.poll(Duration::from_secs(60)).unwrap();
        assert!(!records.is_empty(), "{count} records were seen, and for a minute no more");
        for record in &records {
            let value = std::str::from_utf8(record.value().unwrap()).unwrap();
            let (thread, number) = value.split_once(' ').unwrap();
            let of = (record.partition(), thread.parse().unwrap());
            seen.entry(of).or_default().push(number.parse().unwrap());
            count += 1;
        }
    }
    assert!(consumer.poll(Duration::ZERO).unwrap().is_empty());
    seen
}

#[test]
fn closing_the_broker_writes_what_producers_hold() {
    let directory = tempfile::tempdir().unwrap();
    for background in [false, true] {
        let broker = Broker::options().background(background).open(directory.path()).unwrap();
        broker.ensure_topic("t", TopicConfig::new()).unwrap();
        let before = broker.partition("t", 0).unwrap().end_offset();
        let producer = broker.producer().linger(Duration::from_secs(60)).build().unwrap();
        let delivery = producer.send(Record::new("t", "a")).unwrap();
        broker.close().unwrap();
        assert_eq!(delivery.wait().unwrap().offset, before);
        let error = producer.send(Record::new("t", "b")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
    let broker = Broker::open(directory.path()).unwrap();
    assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 2);
}

#[test]
fn a_dropped_producer_flushes() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        let end = broker.partition("t", 0).unwrap().end_offset();
        let producer = broker.producer().acks(acks).linger(Duration::from_secs(60)).build();
        let producer = producer.unwrap();
        drop(producer.send(Record::new("t", "a")).unwrap());
        drop(producer);
        assert_eq!(broker.partition("t", 0).unwrap().end_offset(), end + 1, "{acks}");
    }
}

#[test]
fn a_deleted_topic_ends_its_clients() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    let producer = broker.producer().build().unwrap();
    let mut consumer = broker.consumer().assign([("t", 0)]).build().unwrap();
    producer.send(Record::new("t", "a")).unwrap().wait().unwrap();
    assert_eq!(consumer.poll(Duration::ZERO).unwrap().len(), 1);
    let pending = producer.send(Record::new("t", "b")).unwrap();
    broker.delete_topic("t").unwrap();
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(producer.send(Record::new("t", "c")).unwrap_err().kind(), unknown);
    assert_eq!(pending.wait().unwrap_err().kind(), unknown);
    assert_eq!(consumer.poll(Duration::from_secs(60)).unwrap_err().kind(), unknown);
    // A topic of the same name is another one: the producer finds it, the consumer is asked to.
    broker.create_topic("t", TopicConfig::new()).unwrap();
    assert_eq!(producer.send(Record::new("t", "d")).unwrap().wait().unwrap().offset, 0);
    assert_eq!(consumer.poll(Duration::ZERO).unwrap_err().kind(), unknown);
    consumer.assign([("t", 0)]).unwrap();
    assert_eq!(consumer.poll(Duration::from_secs(60)).unwrap().len(), 1);
}

#[test]
fn closing_the_broker_ends_polls_that_wait() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    std::thread::scope(|scope| {
        let polls = [
            broker.consumer().assign([("t", 0)]),
            broker.consumer().group("g").subscribe_pattern("nothing"),
            broker.consumer().assign([("t", 0)]).poll_spin(Duration::from_secs(1)),
        ];
        let polls = polls.map(|builder| {
            let mut consumer = builder.build().unwrap();
            scope.spawn(move || {
                let result = consumer.poll(Duration::from_secs(600)).map(|records| records.len());
                (result, consumer.poll(Duration::ZERO).map(|records| records.len()))
            })
        });
        // Whether they wait already or come later: they are told.
        std::thread::yield_now();
        broker.close().unwrap();
        for poll in polls {
            let (first, second) = poll.join().unwrap();
            assert_eq!(first.unwrap_err().kind(), ErrorKind::Closed);
            assert_eq!(second.unwrap_err().kind(), ErrorKind::Closed);
        }
    });
}
