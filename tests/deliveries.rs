//! What was sent is waited for, awaited and called back, over a broker as programs have it.
//!
//! Goal: with and without the maintenance thread every task wakes and every callback comes, once,
//! whatever the callbacks do and whoever closes what; and nobody waits for ever. The executor is
//! thirty lines in here: a delivery needs no particular one.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;

use ottla::{Acks, Broker, Delivery, ErrorKind, Producer, Record, RecordMetadata, TopicConfig};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Awaits all of them, as a join does: every one is polled whenever one wakes.
struct All(Vec<Option<Delivery>>, Vec<RecordMetadata>);

impl Future for All {
    type Output = Vec<RecordMetadata>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let All(pending, written) = &mut *self;
        for place in pending.iter_mut() {
            let Some(delivery) = place else { continue };
            if let Poll::Ready(outcome) = Pin::new(delivery).poll(context) {
                written.push(outcome.unwrap());
                *place = None;
            }
        }
        let is_done = pending.iter().all(Option::is_none);
        if is_done { Poll::Ready(std::mem::take(written)) } else { Poll::Pending }
    }
}

/// A broker for each way to run one, and each level of `acks`.
fn each_case(test: impl Fn(&Broker, Acks)) {
    for background in [false, true] {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            println!("background {background}, acks {acks}");
            let directory = tempfile::tempdir().unwrap();
            let broker = Broker::options().background(background).open(directory.path()).unwrap();
            broker.create_topic("t", TopicConfig::new().partitions(3)).unwrap();
            test(&broker, acks);
            broker.close().unwrap();
        }
    }
}

fn producer(broker: &Broker, acks: Acks) -> Producer {
    broker.producer().acks(acks).set("linger.ms", "60000").build().unwrap()
}

#[test]
fn deliveries_are_awaited_one_by_one_and_together() {
    each_case(|broker, acks| {
        let producer = producer(broker, acks);
        let threads = 4;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let producer = &producer;
                scope.spawn(move || {
                    let record = || Record::new("t", "one").partition(thread % 3);
                    block_on(async {
                        for _ in 0..10 {
                            producer.send(record()).unwrap().await.unwrap();
                        }
                    });
                    let many: Vec<_> =
                        (0..100).map(|_| Some(producer.send(record()).unwrap())).collect();
                    assert_eq!(block_on(All(many, Vec::new())).len(), 100);
                });
            }
        });
        producer.close().unwrap();
        let ends: i64 = (0..3).map(|at| broker.partition("t", at).unwrap().end_offset()).sum();
        assert_eq!(ends, i64::from(threads) * 110);
    });
}

#[test]
fn callbacks_come_in_order_whoever_commits() {
    each_case(|broker, acks| {
        let producer = producer(broker, acks);
        let (sender, receiver) = mpsc::channel();
        for number in 0..500 {
            let sender = sender.clone();
            let note = move |outcome: ottla::Result<RecordMetadata>| {
                sender.send((number, outcome.unwrap().offset)).unwrap();
            };
            producer.send_with_callback(Record::new("t", "v").partition(0), note).unwrap();
            if number % 100 == 50 {
                // Another writer leads a commit, or the producer's own waiter does.
                broker.partition("t", 1).unwrap().append(&["x".into()], Acks::All).unwrap();
                producer.send(Record::new("t", "w").partition(2)).unwrap().wait().unwrap();
            }
        }
        producer.flush().unwrap();
        let told: Vec<(i64, i64)> = receiver.try_iter().collect();
        let expected: Vec<_> =
            (0..500).map(|number| (number, if acks == Acks::None { -1 } else { number })).collect();
        assert_eq!(told, expected);
    });
}

/// A chain: each callback sends the next record, the last one lets go of the producer.
#[test]
fn callbacks_that_send_and_drop_the_producer_come_to_an_end() {
    each_case(|broker, acks| {
        let (done, finished) = mpsc::channel();
        let producer = broker.producer().acks(acks).set("linger.ms", "1").build().unwrap();
        pass_on(producer, 20, done);
        while finished.try_recv().is_err() {
            broker.tick().unwrap();
            std::thread::yield_now();
        }
        assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 20);
    });
}

fn pass_on(producer: Producer, left: usize, done: mpsc::Sender<()>) {
    let producer = Arc::new(Mutex::new(Some(producer)));
    let held = Arc::clone(&producer);
    let guard = producer.lock().unwrap();
    let delivery = guard.as_ref().unwrap().send(Record::new("t", "v").partition(0)).unwrap();
    drop(guard);
    let next = move |outcome: ottla::Result<RecordMetadata>| {
        outcome.unwrap();
        let producer = held.lock().unwrap().take().unwrap();
        if left > 1 {
            pass_on(producer, left - 1, done);
        } else {
            drop(producer);
            done.send(()).unwrap();
        }
    };
    delivery.on_completion(next);
}

#[test]
fn a_broker_is_closed_while_threads_send() {
    for background in [false, true] {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            let directory = tempfile::tempdir().unwrap();
            let broker = Broker::options().background(background).open(directory.path()).unwrap();
            broker.create_topic("t", TopicConfig::new().partitions(3)).unwrap();
            let written = close_under_senders(&broker, acks);
            let broker = Broker::open(directory.path()).unwrap();
            let ends: i64 = (0..3).map(|at| broker.partition("t", at).unwrap().end_offset()).sum();
            assert_eq!(ends, written as i64, "background {background}, acks {acks}");
        }
    }
}

/// Returns how many records were acknowledged, or handed over with `acks=0`.
fn close_under_senders(broker: &Broker, acks: Acks) -> usize {
    let builder = broker.producer().acks(acks).batch_size(300).buffer_memory(3000);
    let producer = &builder.build().unwrap();
    let (told, failed) = (&Arc::new(AtomicUsize::new(0)), &Arc::new(AtomicUsize::new(0)));
    let taken: usize = std::thread::scope(|scope| {
        let send = move || {
            for taken in 0.. {
                let (told, failed) = (Arc::clone(told), Arc::clone(failed));
                let count = move |outcome: ottla::Result<RecordMetadata>| match outcome {
                    Ok(_) => drop(told.fetch_add(1, Ordering::SeqCst)),
                    Err(_) => drop(failed.fetch_add(1, Ordering::SeqCst)),
                };
                if let Err(error) = producer.send_with_callback(Record::new("t", "value"), count) {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                    return taken;
                }
            }
            0
        };
        let senders: Vec<_> = (0..3).map(|_| scope.spawn(send)).collect();
        while told.load(Ordering::SeqCst) < 200 {
            std::thread::yield_now();
        }
        broker.close().unwrap();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(failed.load(Ordering::SeqCst), 0, "the close waits for what was taken");
    assert_eq!(told.load(Ordering::SeqCst), taken);
    taken
}

/// A task that is dropped when it is woken drops the producer with it, deep inside of a commit.
#[test]
fn a_waker_may_hold_the_last_handle_of_the_producer() {
    each_case(|broker, acks| {
        struct Owner(Mutex<Option<Producer>>, mpsc::Sender<()>);
        impl Wake for Owner {
            fn wake(self: Arc<Self>) {
                drop(self.0.lock().unwrap().take());
                self.1.send(()).unwrap();
            }
        }
        let (done, finished) = mpsc::channel();
        let own = producer(broker, acks);
        let mut delivery = own.send(Record::new("t", "v")).unwrap();
        let waker = Arc::new(Owner(Mutex::new(Some(own)), done)).into();
        match Pin::new(&mut delivery).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => drop(outcome.unwrap()),
            Poll::Pending => finished.recv().unwrap(),
        }
        let written = block_on(delivery).unwrap();
        assert_eq!(written.offset, if acks == Acks::None { -1 } else { 0 });
    });
}
