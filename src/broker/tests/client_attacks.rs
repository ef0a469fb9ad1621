//! Regressions of producers, consumers and groups: ways in which a reviewer broke a promise, each
//! with its story.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::{memory, options};
use crate::batch::message::Message;
#[cfg(feature = "async")]
use crate::broker::Broker;
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::SimClock;
use crate::env::sim::{Call, Effect, Fault, SimEnv};
use crate::env::threads::spawn;
use crate::error::ErrorKind;
#[cfg(feature = "async")]
use crate::group::membership::GroupState;
use crate::producer::record::Record;

/// Runs `work` on another thread; a deadlock is a failure.
fn until<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    spawn("attack", move || drop(sender.send(work()))).unwrap();
    receiver.recv_timeout(Duration::from_secs(60)).expect("it hangs or has failed")
}

/// With `acks=1` the batch was in the log and every reader saw it. Then the unsynced tail was too
/// long, its sync failed, and the append answered with a plain error of the disk: as if nothing had
/// been written.
#[test]
fn an_append_whose_tail_cannot_be_synced_says_that_its_outcome_is_unknown() {
    let world = SimEnv::new(3);
    let broker = options().unsynced_bytes_max(1 << 16).open_in(world.env()).unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    let handle = broker.partition("t", 0).unwrap();
    let value = vec![7; 40 << 10];
    handle.append(&[Message::new(&value)], Acks::Leader).unwrap();
    world.disk.plan(
        Fault::new(Effect::Kind(std::io::ErrorKind::StorageFull)).on(Call::SyncData).at_path("t-0"),
    );
    let outcome = handle.append(&[Message::new(&value)], Acks::Leader);
    assert_eq!(handle.end_offset(), 2, "readers see it");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Poisoned);
}

/// The log was cut off behind a consumer's back and written to anew: it went on where it was, and
/// never saw the records that took the place of the cut ones.
#[test]
fn a_consumer_sees_what_took_the_place_of_records_that_were_cut_off() {
    let broker = options().open_in(memory()).unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    let handle = broker.partition("t", 0).unwrap();
    let append = |value: &str| handle.append(&[Message::new(value)], Acks::All).unwrap();
    for n in 0..10 {
        append(&format!("old {n}"));
    }
    let mut consumer = broker.consumer().group("g").assign([("t", 0)]).build().unwrap();
    assert_eq!(consumer.poll(Duration::ZERO).unwrap().len(), 10);
    assert_eq!(handle.truncate_to(5).unwrap(), 5);
    for n in 0..10 {
        append(&format!("new {n}"));
    }
    let records = consumer.poll(Duration::ZERO).unwrap();
    let offsets: Vec<i64> = records.iter().map(|record| record.offset()).collect();
    assert_eq!(offsets, (5..15).collect::<Vec<_>>());
    // Whoever goes somewhere himself after a cut stays there.
    assert_eq!(handle.truncate_to(8).unwrap(), 8);
    assert_eq!(consumer.position("t", 0).unwrap(), 8);
    append("newest");
    consumer.seek_to_end("t", 0).unwrap();
    assert!(consumer.poll(Duration::ZERO).unwrap().is_empty());
    assert_eq!(consumer.position("t", 0).unwrap(), 9);
}

/// Making a topic committed what a producer had queued, and called its callback with the catalog
/// locked. The callback made a topic, too, and waited for ever.
#[test]
fn a_delivery_callback_may_use_the_catalog_whoever_calls_it() {
    until(|| {
        let broker = options().open_in(memory()).unwrap();
        broker.create_topic("t", TopicConfig::new()).unwrap();
        let producer = broker.producer().linger(Duration::ZERO).build().unwrap();
        let (told, called) = mpsc::channel();
        let other = broker.clone();
        let callback = move |_| {
            let made = other.create_topic("u", TopicConfig::new());
            told.send(made.map(drop)).unwrap();
        };
        producer.send_with_callback(Record::new("t", "x"), callback).unwrap();
        broker.create_topic("v", TopicConfig::new()).unwrap();
        called.recv().unwrap().unwrap();
        assert_eq!(broker.list_topics().len(), 3);
    });
}

/// A group had more offsets than fit into one commit: all of them were to expire at once or not at
/// all, so none ever did, and no group behind it.
#[test]
fn offsets_of_a_group_expire_also_if_they_are_too_many_for_one_commit() {
    let clock = Arc::new(SimClock::default());
    let env = Env { clock: clock.clone(), ..memory() };
    let broker = options().commit_bytes_max(1 << 16).open_in(env).unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(4)).unwrap();
    let group = "g".repeat(30_000);
    let partitions = || (0..4).map(|number| ("t", number));
    let assigned = broker.consumer().group(&group).assign(partitions());
    let mut consumer = assigned.build().unwrap();
    for partition in partitions() {
        consumer.commit_offsets([(partition, 0)]).unwrap();
    }
    consumer.close().unwrap();
    clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(broker.engine.expire_offsets().unwrap(), 4);
    assert!(broker.list_groups().unwrap().is_empty());
}

#[cfg(feature = "async")]
mod tasks {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;

    /// A task awaited records in one branch and was busy in another. When a member left, the group
    /// called that task, of all who waited, to share out what was free, and nobody else: until the
    /// task came back, nobody read the partitions.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "what waits in real time is tested in real time")]
    fn a_task_that_is_busy_elsewhere_holds_up_nobody() {
        until(|| {
            let broker = Broker::in_memory().unwrap();
            broker.create_topic("t", TopicConfig::new().partitions(3)).unwrap();
            let join = || broker.consumer().group("g").subscribe(["t"]).build().unwrap();
            let (mut busy, mut awake, mut leaving) = (join(), join(), join());
            for _ in 0..4 {
                for consumer in [&mut busy, &mut awake, &mut leaving] {
                    consumer.poll(Duration::ZERO).unwrap();
                }
            }
            assert_eq!(leaving.assignment().len(), 1);
            let mut pending = pin!(busy.poll_async());
            let mut context = Context::from_waker(Waker::noop());
            assert!(pending.as_mut().poll(&mut context).is_pending());
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| awake.poll(Duration::from_secs(5)).unwrap().len());
                std::thread::sleep(Duration::from_millis(300));
                drop(leaving);
                let is_shared_out = || {
                    std::thread::sleep(Duration::from_millis(100));
                    broker.describe_group("g").unwrap().state != GroupState::Assigning
                };
                assert!((0..20).any(|_| is_shared_out()));
                for number in 0..3 {
                    let handle = broker.partition("t", number).unwrap();
                    handle.append(&[Message::new("x")], Acks::All).unwrap();
                }
                assert!(waits.join().unwrap() > 0);
            });
        });
    }

    /// What the waker of a task does.
    struct Does<F>(F);

    impl<F: Fn() + Send + Sync> Wake for Does<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    /// A waker that wrote to the partition that woke it waited for ever: it ran under the locks of
    /// the append.
    #[test]
    fn a_waker_may_use_the_broker() {
        for acks in [Acks::Leader, Acks::All] {
            until(move || {
                let broker = Broker::in_memory().unwrap();
                broker.create_topic("t", TopicConfig::new().partitions(1)).unwrap();
                let mut consumer = broker.consumer().group("g").subscribe(["t"]).build().unwrap();
                let (told, woken) = mpsc::channel();
                let waker = {
                    let broker = broker.clone();
                    Waker::from(Arc::new(Does(move || {
                        let handle = broker.partition("t", 0).unwrap();
                        let appended = handle.append(&[Message::new("y")], acks).unwrap();
                        let mut other = broker.consumer().assign([("t", 0)]).build().unwrap();
                        let seen = other.poll(Duration::ZERO).unwrap().len();
                        let generation = broker.describe_group("g").unwrap().generation;
                        told.send((appended.base_offset, seen, generation)).unwrap();
                    })))
                };
                let mut pending = pin!(consumer.poll_async());
                let mut context = Context::from_waker(&waker);
                assert!(pending.as_mut().poll(&mut context).is_pending());
                let handle = broker.partition("t", 0).unwrap();
                handle.append(&[Message::new("x")], acks).unwrap();
                assert_eq!(woken.recv().unwrap(), (1, 2, 1));
                let Poll::Ready(records) = pending.as_mut().poll(&mut context) else { panic!() };
                assert_eq!(records.unwrap().len(), 2);
            });
        }
    }

    /// The same when the group wakes, be it because a topic was made or deleted.
    #[test]
    fn a_waker_may_use_its_group_and_the_catalog() {
        until(|| {
            let broker = Broker::in_memory().unwrap();
            let mut consumer =
                broker.consumer().group("g").subscribe_pattern("t.*").build().unwrap();
            let (told, woken) = mpsc::channel();
            let waker = {
                let broker = broker.clone();
                Waker::from(Arc::new(Does(move || {
                    let state = broker.describe_group("g").unwrap().state;
                    broker.create_topic("u", TopicConfig::new()).unwrap();
                    broker.delete_topic("u").unwrap();
                    told.send(state).unwrap();
                })))
            };
            let mut context = Context::from_waker(&waker);
            let mut pending = pin!(consumer.poll_async());
            assert!(pending.as_mut().poll(&mut context).is_pending());
            broker.create_topic("t1", TopicConfig::new()).unwrap();
            woken.recv().unwrap();
            assert!(pending.as_mut().poll(&mut context).is_pending());
            broker.delete_topic("t1").unwrap();
            woken.recv().unwrap();
            assert!(pending.as_mut().poll(&mut context).is_pending());
        });
    }
}
