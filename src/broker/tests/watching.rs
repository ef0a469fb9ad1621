//! Consumers that are waited for from outside: told whenever there is something to do, and never
//! when there is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::consumer::Consumer;
use crate::error::{ErrorKind, Result};

const NOW: Duration = Duration::ZERO;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A consumer with the loop's side of it.
struct Watched {
    consumer: Consumer,
    bell: Arc<Bell>,
}

impl Watched {
    fn new(consumer: Consumer) -> Watched {
        Watched { consumer, bell: Arc::default() }
    }

    fn is_ready(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.bell));
        self.consumer.wake_when_ready(&waker)
    }

    fn rings(&self) -> usize {
        self.bell.0.swap(0, Ordering::SeqCst)
    }

    /// Polls until there is nothing to do; how many records there were.
    fn drain(&mut self) -> usize {
        let mut records = 0;
        for _ in 0..1000 {
            if !self.is_ready() {
                return records;
            }
            records += self.consumer.poll(NOW).unwrap().len();
        }
        panic!("it is always ready");
    }
}

fn broker() -> Broker {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(2)).unwrap();
    broker
}

fn append(broker: &Broker, partition: i32, count: usize) {
    let messages = vec![Message::new("x"); count];
    broker.partition("t", partition).unwrap().append(&messages, Acks::All).unwrap();
}

fn assigned(broker: &Broker) -> Watched {
    let builder = broker.consumer().assign([("t", 0), ("t", 1)]);
    Watched::new(builder.max_poll_records(3).build().unwrap())
}

#[test]
fn records_ring_once_and_are_ready_until_the_last_is_taken() {
    let broker = broker();
    let mut watched = assigned(&broker);
    assert_eq!(watched.drain(), 0);
    append(&broker, 0, 5);
    append(&broker, 1, 5);
    assert_eq!(watched.rings(), 1, "once is enough");
    assert!(watched.is_ready() && watched.is_ready(), "asking changes nothing");
    assert_eq!(watched.consumer.poll(NOW).unwrap().len(), 3);
    assert!(watched.is_ready(), "some are left");
    assert_eq!(watched.drain(), 7);
    assert_eq!(watched.rings(), 0, "nothing happened since");
}

#[test]
fn who_is_not_waited_for_rings_for_nobody() {
    let broker = broker();
    let mut watched = assigned(&broker);
    assert_eq!(watched.drain(), 0);
    assert!(watched.consumer.poll(NOW).unwrap().is_empty());
    append(&broker, 0, 1);
    assert_eq!(watched.rings(), 0, "a poll ended the watch");
    assert_eq!(watched.drain(), 1);
    watched.consumer.assign([("t", 1)]).unwrap();
    append(&broker, 0, 1);
    append(&broker, 1, 1);
    assert_eq!(watched.rings(), 0);
    assert_eq!(watched.drain(), 1);
    append(&broker, 0, 1);
    assert_eq!(watched.rings(), 0, "not assigned any more");
}

#[test]
fn paused_partitions_are_not_ready() {
    let broker = broker();
    let mut watched = assigned(&broker);
    append(&broker, 0, 1);
    watched.consumer.pause([("t", 0)]).unwrap();
    assert_eq!(watched.drain(), 0);
    append(&broker, 0, 1);
    assert_eq!(watched.rings(), 0);
    watched.consumer.resume([("t", 0)]).unwrap();
    assert_eq!(watched.drain(), 2);
    watched.consumer.seek("t", 0, 0).unwrap();
    assert!(watched.is_ready());
}

#[test]
fn few_bytes_do_not_wait_for_more() {
    let broker = broker();
    let builder = broker.consumer().assign([("t", 0)]).set("fetch.min.bytes", "100000");
    let mut watched = Watched::new(builder.build().unwrap());
    append(&broker, 0, 1);
    assert!(watched.consumer.poll(NOW).unwrap().is_empty(), "too few");
    assert_eq!(watched.drain(), 1);
    append(&broker, 0, 1);
    assert_eq!((watched.rings(), watched.drain()), (1, 1));
}

#[test]
fn members_hear_of_rebalances_and_of_their_commits() {
    let broker = broker();
    let member = || {
        let builder = broker.consumer().group("g").subscribe(["t"]);
        Watched::new(builder.build().unwrap())
    };
    let (mut first, mut second) = (member(), member());
    for _ in 0..10 {
        first.drain();
        second.drain();
    }
    assert_eq!((first.consumer.assignment().len(), second.consumer.assignment().len()), (1, 1));
    assert_eq!((first.rings(), first.is_ready()), (first.rings(), false));
    first.rings();
    second.consumer.close().unwrap();
    assert_eq!(first.rings(), 1, "a partition is free");
    first.drain();
    assert_eq!(first.consumer.assignment().len(), 2);
    first.rings();

    append(&broker, 0, 1);
    assert_eq!((first.rings(), first.drain()), (1, 1));
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let count = move |_: &_, outcome: Result<()>| {
        outcome.unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
    };
    first.consumer.commit_async(count).unwrap();
    while told.load(Ordering::SeqCst) == 0 {
        first.drain();
        std::thread::yield_now();
    }
    assert!(!first.is_ready());
}

#[test]
fn wakeups_and_the_end_of_the_broker_ring() {
    let broker = broker();
    let mut watched = assigned(&broker);
    assert_eq!(watched.drain(), 0);
    let wakeup = watched.consumer.wakeup();
    wakeup.wakeup();
    wakeup.wakeup();
    assert_eq!((watched.rings(), watched.is_ready()), (1, true));
    assert!(watched.consumer.poll(Duration::MAX).unwrap().is_empty(), "it does not wait");
    assert!(!watched.is_ready());
    broker.abandon();
    assert_eq!((watched.rings(), watched.is_ready()), (1, true));
    let refused = watched.consumer.poll(Duration::MAX).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
}

#[test]
fn a_wakeup_loses_no_record() {
    let broker = broker();
    let mut consumer = assigned(&broker).consumer;
    append(&broker, 0, 1);
    consumer.wakeup().wakeup();
    assert_eq!(consumer.poll(NOW).unwrap().len(), 1, "there is no need to wait");
    assert!(consumer.poll(Duration::MAX).unwrap().is_empty());
    append(&broker, 0, 1);
    assert_eq!(consumer.poll(Duration::MAX).unwrap().len(), 1, "one call, one wait");
}
