//! Producers: every record that was sent is decided, once, and in the order of its sender.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla::{Acks, ErrorKind, Message, Producer, Record};

use crate::schedules::check;
use crate::threads::{Note, block_on, scope};
use crate::world::{Acked, TOPIC, World, log_of, options};

/// Sends `count` records to a partition and waits for them; notes those that were written.
fn send_and_wait(producer: &Producer, sender: i32, partition: i32, count: usize, acked: &Acked) {
    let text = |round| format!("{sender}.{round}");
    let sent: Vec<_> = (0..count)
        .map(|round| producer.send(Record::new(TOPIC, &*text(round)).partition(partition)))
        .collect();
    let mut offsets = Vec::new();
    for (round, delivery) in sent.into_iter().enumerate() {
        match delivery.and_then(ottla::Delivery::wait) {
            Ok(written) => {
                offsets.push(written.offset);
                acked.note(partition, written.offset, &text(round));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
        }
    }
    assert!(offsets.is_sorted(), "the order of a sender was changed: {offsets:?}");
}

#[test]
fn three_senders_share_a_producer() {
    check(three_senders);
}

/// Three senders wait for their records while somebody flushes.
pub(crate) fn three_senders() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().build().unwrap();
    let acked = Acked::default();
    scope(|scope| {
        for sender in 0..3 {
            let (producer, acked) = (&producer, &acked);
            scope.spawn(move || send_and_wait(producer, sender, sender % 2, 2, acked));
        }
        scope.spawn(|| producer.flush().unwrap());
    });
    producer.close().unwrap();
    acked.is_all_of(&broker);
}

#[test]
fn a_flush_decides_all_that_was_sent_before() {
    check(flushed);
}

/// Two senders, each flushes its own records beside the other; the power is lost afterwards.
pub(crate) fn flushed() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().linger(Duration::ZERO).build().unwrap();
    scope(|scope| {
        for sender in 0..2 {
            let producer = &producer;
            scope.spawn(move || {
                for round in 0..2 {
                    let text = format!("{sender}.{round}");
                    let record = Record::new(TOPIC, &*text).partition(0);
                    let delivery = producer.send(record).unwrap();
                    producer.flush().unwrap();
                    assert!(delivery.is_done(), "a flush left something behind");
                }
            });
        }
    });
    let lost = world.power_loss().open(options());
    assert_eq!(log_of(&lost, 0).len(), 4);
}

#[test]
fn senders_wait_for_memory_and_get_it() {
    check(full_memory);
}

/// The memory holds one batch, three senders want one each, in two partitions.
pub(crate) fn full_memory() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().batch_size(100).buffer_memory(150).build().unwrap();
    let acked = Acked::default();
    scope(|scope| {
        for sender in 0..3 {
            let (producer, acked) = (&producer, &acked);
            scope.spawn(move || send_and_wait(producer, sender, sender % 2, 2, acked));
        }
    });
    producer.close().unwrap();
    acked.is_all_of(&broker);
}

#[test]
fn what_lingers_goes_out_in_time() {
    check(lingering);
}

/// Nobody waits for these records but by looking: the maintenance thread has to send them.
pub(crate) fn lingering() {
    linger_at(Acks::All);
    linger_at(Acks::Leader);
}

fn linger_at(acks: Acks) {
    let world = World::new();
    let broker = world.broker_with(options().background(true));
    let producer = broker.producer().acks(acks).linger(Duration::from_millis(20)).build().unwrap();
    scope(|scope| {
        for partition in 0..2 {
            let producer = &producer;
            scope.spawn(move || {
                for _ in 0..2 {
                    let record = Record::new(TOPIC, "one burger").partition(partition);
                    let delivery = producer.send(record).unwrap();
                    while !delivery.is_done() {
                        crate::threads::yield_now();
                    }
                }
            });
        }
    });
    producer.close().unwrap();
    assert_eq!(log_of(&broker, 0).len() + log_of(&broker, 1).len(), 4);
    broker.close().unwrap();
}

#[test]
fn a_close_decides_what_is_under_way() {
    check(closed_broker);
}

/// The broker is closed beside two senders who wait.
pub(crate) fn closed_broker() {
    for_level(Acks::All);
    for_level(Acks::Leader);
}

fn for_level(acks: Acks) {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().acks(acks).build().unwrap();
    let acked = Acked::default();
    scope(|scope| {
        for sender in 0..2 {
            let (producer, acked) = (&producer, &acked);
            scope.spawn(move || send_and_wait(producer, sender, 0, 2, acked));
        }
        broker.close().unwrap();
    });
    drop(producer);
    let again = world.open(options());
    assert!(again.recovery_report().clean, "{:?}", again.recovery_report());
    acked.is_all_of(&again);
}

#[test]
fn a_dropped_producer_writes_what_it_holds() {
    check(dropped);
}

/// The producer goes while deliveries of its records are waited for elsewhere.
pub(crate) fn dropped() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().linger(Duration::from_secs(5)).build().unwrap();
    let sent: Vec<_> = (0..2)
        .map(|number| producer.send(Record::new(TOPIC, "one burger").partition(number)).unwrap())
        .collect();
    scope(|scope| {
        for delivery in sent {
            scope.spawn(move || {
                delivery.wait().unwrap();
            });
        }
        scope.spawn(move || drop(producer));
    });
    assert_eq!(log_of(&broker, 0).len() + log_of(&broker, 1).len(), 2);
}

#[test]
fn callbacks_are_called_once_whoever_panics() {
    check(callbacks);
}

/// Two senders give callbacks, each second one panics, beside a flush and a close.
pub(crate) fn callbacks() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().build().unwrap();
    let called = Arc::new(AtomicUsize::new(0));
    scope(|scope| {
        for sender in 0..2 {
            let (producer, called) = (&producer, &called);
            scope.spawn(move || {
                for round in 0..2 {
                    let called = Arc::clone(called);
                    let callback = move |written: ottla::Result<_>| {
                        written.unwrap();
                        called.fetch_add(1, Ordering::Relaxed);
                        if round == 0 {
                            resume_unwind(Box::new("a panic of the program's own"));
                        }
                    };
                    let record = Record::new(TOPIC, "one burger").partition(sender);
                    producer.send_with_callback(record, callback).unwrap();
                }
            });
        }
        scope.spawn(|| producer.flush().unwrap());
    });
    producer.close().unwrap();
    assert_eq!(called.load(Ordering::Relaxed), 4);
}

#[test]
fn deliveries_are_told_whoever_asks_when() {
    check(asked);
}

/// Two senders ask for each delivery in both ways, a callback and a wait that may end early, while
/// somebody flushes: every callback is called, once, with the offset that the wait got.
pub(crate) fn asked() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().build().unwrap();
    let (acked, told) = (Acked::default(), Arc::new(Note::new(Vec::new())));
    scope(|scope| {
        for sender in 0..2 {
            let (producer, acked, told) = (&producer, &acked, &told);
            scope.spawn(move || {
                for round in 0..2 {
                    let text = format!("{sender}.{round}");
                    let record = Record::new(TOPIC, &*text).partition(0);
                    let delivery = producer.send(record).unwrap();
                    let told = Arc::clone(told);
                    delivery.on_completion(move |written| {
                        told.lock().unwrap().push(written.unwrap().offset);
                    });
                    let written = loop {
                        match delivery.wait_within(Duration::from_millis(1)) {
                            Some(written) => break written.unwrap(),
                            None => crate::threads::yield_now(),
                        }
                    };
                    acked.note(0, written.offset, &text);
                }
            });
        }
        scope.spawn(|| producer.flush().unwrap());
    });
    producer.close().unwrap();
    acked.is_all_of(&broker);
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2, 3], "a callback was not called, or twice");
}

#[test]
fn deliveries_can_be_awaited() {
    check(awaited);
}

/// Two tasks await deliveries, which the maintenance thread commits.
pub(crate) fn awaited() {
    let world = World::new();
    let broker = world.broker_with(options().background(true));
    let producer = broker.producer().build().unwrap();
    let acked = Acked::default();
    scope(|scope| {
        for sender in 0..2 {
            let (producer, acked) = (&producer, &acked);
            scope.spawn(move || {
                for round in 0..2 {
                    let text = format!("{sender}.{round}");
                    let record = Record::new(TOPIC, &*text).partition(0);
                    let delivery = producer.send(record).unwrap();
                    let written = block_on(delivery).unwrap();
                    acked.note(0, written.offset, &text);
                }
            });
        }
    });
    producer.close().unwrap();
    acked.is_all_of(&broker);
    broker.close().unwrap();
}

#[test]
fn a_numbering_producer_keeps_its_numbers_in_order() {
    check(numbered);
}

/// Two senders share a producer that numbers its batches, a third batch of an identity is sent
/// twice at once: every record is stored once.
pub(crate) fn numbered() {
    let world = World::new();
    let broker = world.broker();
    let producer = broker.producer().enable_idempotence(true).batch_size(1).build().unwrap();
    let identity = broker.new_producer_identity().unwrap();
    let acked = Acked::default();
    scope(|scope| {
        for sender in 0..2 {
            let (producer, acked) = (&producer, &acked);
            scope.spawn(move || send_and_wait(producer, sender, 0, 2, acked));
        }
        let partition = broker.partition(TOPIC, 0).unwrap();
        let again = partition.clone();
        let message = || [Message::new("twice")];
        let first = scope.spawn(move || {
            partition.append_idempotent(identity, 0, &message(), Acks::All).unwrap()
        });
        let second = again.append_idempotent(identity, 0, &message(), Acks::All).unwrap();
        let first = first.join().unwrap();
        assert_eq!(first, second);
        acked.note(0, first.base_offset, "twice");
    });
    producer.close().unwrap();
    acked.is_all_of(&broker);
    acked.is_in(&world.power_loss().open(options()));
}
