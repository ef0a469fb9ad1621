//! Deliveries that are awaited, and callbacks: each is told once, in order, whatever it does.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::env::sync::Mutex;

use super::{World, kind};
use crate::config::acks::Acks;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::Producer;
use crate::producer::delivery::RecordMetadata;
use crate::producer::record::Record;
use crate::producer::sink::Sink;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<F: Future + Unpin>(future: &mut F, bell: &Arc<Bell>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn an_awaited_record_goes_out_at_once_and_wakes_its_task() {
    let world = World::new(1);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let producer = world.builder().linger(Duration::from_secs(60)).build().unwrap();
    let bell = Arc::new(Bell::default());
    let mut first = producer.send(Record::new("t", "a")).unwrap();
    assert!(poll(&mut first, &bell).is_pending());
    assert_eq!(world.sink.queue.lock().len(), 1, "it does not linger");
    let mut second = producer.send(Record::new("t", "b")).unwrap();
    let mut third = producer.send(Record::new("t", "c")).unwrap();
    assert!(poll(&mut second, &bell).is_pending());
    assert!(poll(&mut third, &bell).is_pending());
    assert!(poll(&mut third, &bell).is_pending(), "a second look changes nothing");
    assert_eq!(world.sink.queue.lock().len(), 1, "what comes meanwhile gathers");
    world.sink.settle();
    assert_eq!((bell.rings(), world.sink.queue.lock().len()), (1, 1));
    world.sink.settle();
    assert_eq!((bell.rings(), world.batches()), (3, 2));
    for (delivery, offset) in [(&mut first, 0), (&mut second, 1), (&mut third, 2)] {
        let Poll::Ready(outcome) = poll(delivery, &bell) else { panic!("it is decided") };
        assert_eq!(outcome.unwrap().offset, offset);
    }
}

#[test]
fn without_anybody_who_commits_the_first_poll_does() {
    let world = World::new(1);
    let producer = world.builder().linger(Duration::from_secs(60)).build().unwrap();
    let bell = Arc::new(Bell::default());
    let mut delivery = producer.send(Record::new("t", "a")).unwrap();
    let Poll::Ready(outcome) = poll(&mut delivery, &bell) else { panic!("it blocks instead") };
    assert_eq!(outcome.unwrap().offset, 0);
}

#[test]
fn a_delivery_that_is_dropped_wakes_nobody() {
    let world = World::new(1);
    world.sink.by_itself.store(true, Ordering::Relaxed);
    let producer = world.builder().build().unwrap();
    let (kept, dropped) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let mut first = producer.send(Record::new("t", "a")).unwrap();
    let mut second = producer.send(Record::new("t", "b")).unwrap();
    assert!(poll(&mut second, &dropped).is_pending());
    assert!(poll(&mut first, &dropped).is_pending());
    assert!(poll(&mut first, &kept).is_pending(), "another task took it over");
    drop(second);
    assert_eq!(Arc::strong_count(&dropped), 1, "nobody keeps a waker that is not wanted");
    world.sink.settle();
    assert_eq!((kept.rings(), dropped.rings()), (1, 0));
}

#[test]
fn acks_0_is_ready_at_once() {
    let world = World::new(1);
    let producer = world.builder().acks(Acks::None).build().unwrap();
    let mut delivery = pin!(producer.send(Record::new("t", "a")).unwrap());
    let Poll::Ready(outcome) = poll(&mut delivery, &Arc::default()) else { panic!("no wait") };
    assert_eq!(outcome.unwrap().offset, -1);
    let called = Arc::new(AtomicBool::new(false));
    let sees = Arc::clone(&called);
    let record = Record::new("t", "b");
    let told = move |_: Result<_>| sees.store(true, Ordering::Relaxed);
    producer.send_with_callback(record, told).unwrap();
    assert!(called.load(Ordering::Relaxed));
}

/// Sends values whose callbacks note in which order they were told which offset.
fn send_noted(producer: &Producer, values: &[&str], notes: &Arc<Mutex<Vec<(String, i64)>>>) {
    for value in values {
        let (name, notes) = ((*value).to_owned(), Arc::clone(notes));
        let note = move |outcome: Result<RecordMetadata>| {
            notes.lock().push((name, outcome.map_or(-2, |written| written.offset)));
        };
        producer.send_with_callback(Record::new("t", value), note).unwrap();
    }
}

#[test]
fn callbacks_are_called_in_order_and_before_a_flush_returns() {
    for acks in [Acks::Leader, Acks::All] {
        let world = World::new(1);
        let producer = world.builder().acks(acks).batch_size(120).build().unwrap();
        let notes = Arc::default();
        send_noted(&producer, &["a", "b", "c", "d", "e", "f", "g"], &notes);
        producer.flush().unwrap();
        let expected = ["a", "b", "c", "d", "e", "f", "g"].iter().zip(0..);
        let expected: Vec<_> = expected.map(|(name, at)| ((*name).to_owned(), at)).collect();
        assert_eq!(*notes.lock(), expected, "{acks}");
        assert!(world.batches() > 1);
    }
}

#[test]
fn a_callback_that_comes_late_is_called_at_once() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    let delivery = producer.send(Record::new("t", "a")).unwrap();
    producer.flush().unwrap();
    let (sender, receiver) = mpsc::channel();
    delivery.on_completion(move |outcome| sender.send(outcome.unwrap().offset).unwrap());
    assert_eq!(receiver.try_recv(), Ok(0));
}

#[test]
fn a_callback_that_panics_harms_no_other() {
    let world = World::new(1);
    let producer = world.builder().build().unwrap();
    let notes = Arc::default();
    send_noted(&producer, &["a"], &notes);
    producer.send_with_callback(Record::new("t", "b"), |_| panic!("as a test of panics")).unwrap();
    send_noted(&producer, &["c"], &notes);
    producer.flush().unwrap();
    assert_eq!(*notes.lock(), [("a".to_owned(), 0), ("c".to_owned(), 2)]);
    send_noted(&producer, &["d"], &notes);
    producer.close().unwrap();
    assert_eq!(notes.lock().len(), 3);
}

#[test]
fn a_callback_is_told_of_a_failure_and_of_a_timeout() {
    let world = World::new(1);
    let producer = world.builder().set("delivery.timeout.ms", "20").build().unwrap();
    let (sender, receiver) = mpsc::channel();
    let told = |sender: &mpsc::Sender<ErrorKind>| {
        let sender = sender.clone();
        move |outcome: Result<_>| {
            sender.send(kind::<RecordMetadata>(outcome)).unwrap();
        }
    };
    *world.sink.refuse.lock() = Some(Error::new(ErrorKind::NoSpace, "the disk is full"));
    producer.send_with_callback(Record::new("t", "a"), told(&sender)).unwrap();
    producer.flush().unwrap_err();
    assert_eq!(receiver.try_recv(), Ok(ErrorKind::NoSpace));
    *world.sink.refuse.lock() = None;
    world.sink.stuck.store(true, Ordering::Relaxed);
    producer.send_with_callback(Record::new("t", "b"), told(&sender)).unwrap();
    world.clock.advance(Duration::from_millis(19));
    world.tick();
    assert!(receiver.try_recv().is_err());
    world.clock.advance(Duration::from_millis(1));
    world.tick();
    assert_eq!(receiver.try_recv(), Ok(ErrorKind::Timeout));
    world.sink.stuck.store(false, Ordering::Relaxed);
    assert_eq!(producer.send(Record::new("t", "c")).unwrap().wait().unwrap().offset, 1);
}

/// A batch that was open all the time, because nobody ticked, is given up with the others.
#[test]
fn no_record_joins_a_batch_that_is_given_up() {
    let world = World::new(2);
    let builder = world.builder().set("delivery.timeout.ms", "20");
    let producer = builder.linger(Duration::from_millis(20)).build().unwrap();
    world.sink.stuck.store(true, Ordering::Relaxed);
    let open = producer.send(Record::new("t", "a").partition(0)).unwrap();
    let waited = producer.send(Record::new("t", "b").partition(1)).unwrap();
    world.clock.advance(Duration::from_millis(20));
    assert_eq!(kind(waited.wait()), ErrorKind::Timeout);
    assert_eq!(kind(open.outcome().unwrap()), ErrorKind::Timeout);
    world.sink.stuck.store(false, Ordering::Relaxed);
    let next = producer.send(Record::new("t", "c").partition(0)).unwrap();
    assert_eq!(next.wait().unwrap().offset, 1, "behind the one whose outcome nobody waited for");
}

/// Inside of a callback everything is allowed that is allowed outside of it.
#[test]
fn a_callback_may_send_wait_await_flush_and_close() {
    for (acks, linger_ms) in [(Acks::Leader, 0), (Acks::Leader, 5), (Acks::All, 0), (Acks::All, 5)]
    {
        let world = World::new(2);
        let builder = world.builder().acks(acks).linger(Duration::from_millis(linger_ms));
        let producer = Arc::new(builder.set("buffer.memory", "20000").build().unwrap());
        let (sender, receiver) = mpsc::channel();
        let inner = Arc::clone(&producer);
        let busy = move |outcome: Result<RecordMetadata>| {
            let written = outcome.unwrap();
            let same = Record::new("t", "b").partition(written.partition);
            assert_eq!(inner.send(same).unwrap().wait().unwrap().offset, 1);
            let other = Record::new("t", "c").partition(1);
            let mut delivery = inner.send(other.clone()).unwrap();
            assert!(poll(&mut delivery, &Arc::default()).is_ready());
            let nested = sender.clone();
            inner.send_with_callback(other, move |_| nested.send("nested").unwrap()).unwrap();
            inner.flush().unwrap();
            sender.send("flushed").unwrap();
            inner.close().unwrap();
            sender.send("closed").unwrap();
        };
        producer.send_with_callback(Record::new("t", "a").partition(0), busy).unwrap();
        producer.flush().unwrap();
        // The nested one comes after the one that it is nested in.
        let told: Vec<_> = receiver.try_iter().collect();
        assert_eq!(told, ["flushed", "closed", "nested"], "{acks} {linger_ms}");
        assert_eq!(world.values(0), ["a", "b"]);
        assert_eq!(world.values(1), ["c", "c"]);
    }
}

#[test]
fn a_producer_may_be_dropped_by_its_own_callback() {
    for acks in [Acks::Leader, Acks::All] {
        let world = World::new(1);
        let producer = Arc::new(Mutex::new(Some(world.builder().acks(acks).build().unwrap())));
        let dropping = Arc::clone(&producer);
        let guard = producer.lock();
        let sending = guard.as_ref().unwrap();
        let delivery = sending.send(Record::new("t", "a")).unwrap();
        drop(sending.send(Record::new("t", "b")).unwrap());
        delivery.on_completion(move |_| drop(dropping.lock().take()));
        drop(guard);
        let accumulator = world.accumulator.lock().clone().unwrap();
        world.clock.advance(Duration::from_millis(10));
        world.tick();
        world.sink.settle();
        world.tick_if_alive();
        assert!(producer.lock().is_none(), "{acks}");
        assert!(accumulator.upgrade().is_none(), "nothing keeps it alive");
        assert_eq!(world.values(0), ["a", "b"]);
    }
}
