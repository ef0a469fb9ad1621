//! Closing, from any thread and at any moment: nobody waits for ever, and every fate is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{World, kind};
use crate::config::acks::Acks;
use crate::error::{ErrorKind, Result};
use crate::producer::delivery::RecordMetadata;
use crate::producer::record::Record;
use crate::producer::sink::Sink;

#[test]
fn a_close_ends_those_who_wait_for_memory() {
    let world = World::new(2);
    let builder = world.builder().batch_size(1000).set("buffer.memory", "1000");
    let producer = builder.build().unwrap();
    world.sink.stuck.store(true, Ordering::Relaxed);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let held = producer.send(Record::new("t", "a").partition(0)).unwrap();
    std::thread::scope(|scope| {
        let blocked: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| producer.send(Record::new("t", "b").partition(1))))
            .collect();
        while producer.metrics().waiting_threads < 3 {
            std::thread::yield_now();
        }
        assert_eq!(kind(producer.close_within(Duration::ZERO)), ErrorKind::Closed);
        for sender in blocked {
            assert_eq!(kind(sender.join().unwrap()), ErrorKind::Closed);
        }
    });
    assert_eq!(kind(held.wait()), ErrorKind::Closed);
    let metrics = producer.metrics();
    assert_eq!((metrics.sends_waited, metrics.waiting_threads), (3, 0));
    world.sink.stuck.store(false, Ordering::Relaxed);
    world.sink.settle();
    assert_eq!(producer.metrics().bytes_in_flight, 0);
}

#[test]
fn a_close_that_runs_out_of_time_fails_every_batch_that_is_left() {
    let world = World::new(2);
    let producer = world.builder().batch_size(200).build().unwrap();
    world.sink.stuck.store(true, Ordering::Relaxed);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let deliveries: Vec<_> = (0..20)
        .map(|number| producer.send(Record::new("t", &"x".repeat(50)).partition(number % 2)))
        .map(|delivery| delivery.unwrap())
        .collect();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| producer.close_within(Duration::from_millis(30)));
        while world.sink.queue.lock().len() < 10 {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| producer.close());
        assert!(!closing.is_finished(), "the clock stands still");
        world.clock.advance(Duration::from_millis(30));
        assert_eq!(kind(closing.join().unwrap()), ErrorKind::Closed);
        second.join().unwrap().unwrap();
    });
    for delivery in deliveries {
        assert!(delivery.is_done());
        assert_eq!(kind(delivery.wait()), ErrorKind::Closed);
    }
}

#[test]
fn a_close_of_nothing_is_quick_and_may_be_repeated() {
    let producer = World::new(1).builder().build().unwrap();
    producer.close().unwrap();
    producer.close().unwrap();
    producer.flush().unwrap();
    assert_eq!(kind(producer.send(Record::new("t", "v"))), ErrorKind::Closed);
}

#[test]
fn memory_that_is_waited_for_goes_to_the_first_and_try_send_never_waits() {
    let world = World::new(3);
    let builder = world.builder().batch_size(1000).set("buffer.memory", "1000");
    let producer = builder.build().unwrap();
    world.sink.stuck.store(true, Ordering::Relaxed);
    drop(producer.send(Record::new("t", "a").partition(0)).unwrap());
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| producer.send(Record::new("t", "b").partition(1)).unwrap());
        while producer.metrics().waiting_threads < 1 {
            std::thread::yield_now();
        }
        let refused = producer.try_send(Record::new("t", "c").partition(2));
        assert_eq!(kind(refused), ErrorKind::BufferFull);
        // A record that fits into an open batch needs no memory, and waits for nobody.
        world.sink.stuck.store(false, Ordering::Relaxed);
        assert_eq!(blocked.join().unwrap().wait().unwrap().offset, 0);
    });
    let metrics = producer.metrics();
    assert_eq!((metrics.sends_waited, metrics.sends_refused), (1, 1));
}

/// Threads send with callbacks and without while one closes: whatever was taken is decided and
/// told once, and what was not taken was refused with the right error.
#[test]
fn senders_race_a_close() {
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        for round in 0..20 {
            race(acks, round);
        }
    }
}

fn race(acks: Acks, round: usize) {
    let world = World::new(2);
    let builder = world.builder().acks(acks).batch_size(300).set("buffer.memory", "2000");
    let builder = builder.linger(Duration::from_millis(round as u64 % 2));
    let producer = &builder.build().unwrap();
    let told = &Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let taken: usize = std::thread::scope(|scope| {
        let sender = move |thread: usize| {
            let mut taken = 0;
            for number in 0.. {
                let value = format!("{thread} {number}");
                let record = Record::new("t", &value).partition(number % 2);
                let told = Arc::clone(told);
                let tell = move |outcome: Result<_>| {
                    let _: RecordMetadata = outcome.unwrap();
                    told.fetch_add(1, Ordering::SeqCst);
                };
                match producer.send_with_callback(record, tell) {
                    Ok(()) => taken += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                        break;
                    }
                }
            }
            taken
        };
        let senders: Vec<_> = (0..3).map(|thread| scope.spawn(move || sender(thread))).collect();
        while told.load(Ordering::SeqCst) < 50 * round {
            std::thread::yield_now();
        }
        producer.close().unwrap();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(told.load(Ordering::SeqCst), taken, "{acks} {round}");
    assert_eq!(world.values(0).len() + world.values(1).len(), taken);
}
