//! Waiting for a delivery with a timeout, as often as one likes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::World;
use crate::error::ErrorKind;
use crate::producer::record::Record;
use crate::producer::sink::Sink;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_wait_of_no_time_sends_the_record_off_and_does_not_commit() {
    let world = World::new(1);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let producer = world.builder().linger(LONG).build().unwrap();
    let first = producer.send(Record::new("t", "a")).unwrap();
    let second = producer.send(Record::new("t", "b")).unwrap();
    assert!(first.shares_batch_with(&second));
    assert!(first.wait_within(Duration::ZERO).is_none());
    assert_eq!(world.sink.queue.lock().len(), 1, "it does not linger");
    let third = producer.send(Record::new("t", "c")).unwrap();
    assert!(!second.shares_batch_with(&third));
    assert!(third.wait_within(Duration::ZERO).is_none());
    assert_eq!(world.sink.queue.lock().len(), 1, "it follows the batch that is under way");
    world.sink.settle();
    assert_eq!(second.wait_within(Duration::ZERO).unwrap().unwrap().offset, 1);
    assert!(third.wait_within(Duration::ZERO).is_none());
    world.sink.settle();
    assert_eq!(third.wait_within(Duration::ZERO).unwrap().unwrap().offset, 2);
    assert_eq!(third.wait_within(LONG).unwrap().unwrap().offset, 2, "as often as one likes");
}

#[test]
fn without_anybody_who_commits_a_wait_commits_itself() {
    for timeout in [Duration::ZERO, LONG, Duration::MAX] {
        let world = World::new(1);
        let producer = world.builder().linger(LONG).build().unwrap();
        let delivery = producer.send(Record::new("t", "a")).unwrap();
        assert_eq!(delivery.wait_within(timeout).unwrap().unwrap().offset, 0, "{timeout:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "what waits in real time is tested in real time")]
#[test]
fn a_wait_ends_with_its_time_and_without_one_with_the_delivery_timeout() {
    let world = World::new(1);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    world.sink.stuck.store(true, Ordering::Relaxed);
    let producer = world.builder().set("delivery.timeout.ms", "1000").build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    let clock = Arc::clone(&world.clock);
    let time = std::thread::spawn(move || {
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(10));
            clock.advance(Duration::from_millis(10));
        }
    });
    assert!(delivery.wait_within(Duration::from_millis(50)).is_none());
    let outcome = delivery.wait_within(Duration::MAX).unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    time.join().unwrap();
}

#[test]
fn inside_of_a_callback_a_wait_commits_itself() {
    let world = World::new(1);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let producer = Arc::new(world.builder().linger(LONG).build().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    let again = Arc::clone(&producer);
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    delivery.on_completion(move |_| {
        let next = again.send(Record::new("t", "b")).unwrap();
        assert!(next.wait_within(Duration::ZERO).is_none());
        sender.send(next.wait_within(LONG).unwrap().unwrap().offset).unwrap();
    });
    assert!(delivery.wait_within(Duration::ZERO).is_none());
    world.sink.settle();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(delivery.wait_within(Duration::ZERO).unwrap().unwrap().offset, 0);
}
