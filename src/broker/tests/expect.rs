//! Conditional appends: of several who expect the same end one succeeds, and the others learn what
//! they have missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{memory, options, values};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::partition_handle::PartitionHandle;
use crate::commit::ticket::{Contents, Effect as Shown, Guard, Part};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::sim::{CacheAfterFailedSync, Call, Effect, Fault, SimEnv};
use crate::env::sync::mpsc;
use crate::error::conflict::{Conflict, Expected};
use crate::error::{Error, ErrorKind, Result};
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;

const LEVELS: [Acks; 3] = [Acks::All, Acks::Leader, Acks::None];

fn with_orders(env: Env) -> Broker {
    let broker = options().open_in(env).unwrap();
    broker.ensure_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    broker
}

fn orders(broker: &Broker, partition: i32) -> PartitionHandle {
    broker.partition("orders", partition).unwrap()
}

fn conflict_of(error: &Error) -> &Conflict {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    error.conflict().unwrap()
}

fn missed(conflict: &Conflict) -> Vec<(i64, String)> {
    let text = |value: &Option<Vec<u8>>| String::from_utf8(value.clone().unwrap()).unwrap();
    conflict.records.iter().map(|record| (record.offset, text(&record.value))).collect()
}

#[test]
fn an_append_succeeds_at_the_expected_end_only_and_tells_what_was_missed() {
    for acks in LEVELS {
        let broker = with_orders(memory());
        let orders = orders(&broker, 0);
        let expecting = |end: i64, value: &str| {
            orders.expect_end(end).append(&[Message::new(value).key("k").timestamp(7)], acks)
        };
        assert_eq!(expecting(0, "first").unwrap().base_offset, 0);
        assert_eq!(expecting(1, "second").unwrap().base_offset, 1);

        let error = expecting(0, "late").unwrap_err();
        let conflict = conflict_of(&error);
        assert_eq!((conflict.topic.as_str(), conflict.partition), ("orders", 0));
        assert_eq!((&conflict.expected, conflict.actual), (&Expected::End(0), Some(2)));
        assert_eq!(missed(conflict), [(0, "first".to_owned()), (1, "second".to_owned())]);
        let reader = broker.snapshot().unwrap().read("orders", 0, 0).unwrap();
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(conflict.to_records().unwrap(), read);
        let record = &conflict.records[1];
        assert_eq!((record.timestamp_ms, record.key.as_deref()), (7, Some(&b"k"[..])));
        assert!(conflict.is_complete);
        let told = "the log ends at 2, not at 0 as expected (partition orders-0)";
        assert_eq!(error.to_string(), told);

        // In the middle of a batch, and beyond the end.
        orders.append(&[Message::new("third"), Message::new("fourth")], acks).unwrap();
        let error = expecting(3, "late").unwrap_err();
        assert_eq!(missed(conflict_of(&error)), [(3, "fourth".to_owned())]);
        let error = expecting(5, "early").unwrap_err();
        let conflict = conflict_of(&error);
        assert_eq!((conflict.actual, conflict.is_complete), (Some(4), true));
        assert!(conflict.records.is_empty());

        let error = expecting(-1, "never").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(values(&broker, "orders", 0), ["first", "second", "third", "fourth"]);
    }
}

#[test]
fn an_appender_expects_once() {
    for acks in LEVELS {
        let broker = with_orders(memory());
        let mut appender = orders(&broker, 0).appender(acks);
        appender.expect_end(0).append(&[Message::new("a")]).unwrap();
        appender.append(&[Message::new("b")]).unwrap();
        let error = appender.expect_end(1).append(&[Message::new("c")]).unwrap_err();
        assert_eq!(missed(conflict_of(&error)), [(1, "b".to_owned())]);
        appender.append(&[Message::new("d")]).unwrap();
        // What could not be built has used the condition up, too.
        assert_eq!(appender.expect_end(0).append(&[]).unwrap_err().kind(), ErrorKind::InvalidInput);
        appender.append(&[Message::new("e")]).unwrap();
        assert_eq!(values(&broker, "orders", 0), ["a", "b", "d", "e"]);
    }
}

#[test]
fn sixteen_threads_increment_and_no_update_is_lost() {
    const ROUNDS: usize = 25;
    let broker = with_orders(memory());
    let conflicts = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (broker, conflicts) = (&broker, &conflicts);
            scope.spawn(move || {
                let orders = orders(broker, 0);
                let acks = LEVELS[thread % LEVELS.len()];
                let (mut end, mut count) = (0, 0_u64);
                for _ in 0..ROUNDS {
                    loop {
                        let value = (count + 1).to_string();
                        match orders.expect_end(end).append(&[Message::new(&value)], acks) {
                            Ok(appended) => {
                                (end, count) = (appended.last_offset + 1, count + 1);
                                break;
                            }
                            Err(error) => {
                                let conflict = conflict_of(&error);
                                assert!(conflict.is_complete, "{conflict:?}");
                                let (last, value) = missed(conflict).pop().unwrap();
                                assert_eq!(Some(last + 1), conflict.actual);
                                (end, count) = (last + 1, value.parse().unwrap());
                                conflicts.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    let counted: Vec<String> = (1..=16 * ROUNDS).map(|count| count.to_string()).collect();
    assert_eq!(values(&broker, "orders", 0), counted);
    assert!(conflicts.load(Ordering::Relaxed) > 0, "nobody was in anybody's way");
}

/// Commits tickets as one group; their outcomes in order.
fn in_one_group(broker: &Broker, tickets: Vec<Contents>) -> Vec<Result<Vec<Appended>>> {
    let (told, outcomes) = mpsc::channel();
    let count = tickets.len();
    for ticket in tickets {
        let told = told.clone();
        let on_outcome = Box::new(move |(outcome, _)| told.send(outcome).unwrap());
        broker.engine.committer.enqueue(ticket, on_outcome);
    }
    broker.engine.committer.settle();
    (0..count).map(|_| outcomes.recv().unwrap()).collect()
}

fn part(handle: &PartitionHandle, value: &str) -> Part {
    let batch = handle.build_batch(&[Message::new(value)]).unwrap();
    Part { partition: Arc::clone(handle.partition()), batch: batch.into() }
}

fn guard(handle: &PartitionHandle, end: i64) -> Guard {
    Guard { partition: Arc::clone(handle.partition()), expect: Expect::End(end) }
}

fn ticket(parts: Vec<Part>, guards: Vec<Guard>) -> Contents {
    Contents { parts, guards, effect: None }
}

#[test]
fn of_two_tickets_of_one_group_with_the_same_condition_one_wins() {
    let broker = with_orders(memory());
    let (first, second) = (orders(&broker, 0), orders(&broker, 1));
    let outcomes = in_one_group(
        &broker,
        vec![
            ticket(vec![part(&first, "a")], vec![guard(&first, 0)]),
            ticket(vec![part(&first, "b")], vec![guard(&first, 0)]),
            // Behind the one that won; and a condition of a partition that it does not write.
            ticket(vec![part(&first, "c")], vec![guard(&first, 1)]),
            ticket(vec![part(&second, "d")], vec![guard(&first, 1)]),
            ticket(Vec::new(), vec![guard(&first, 2), guard(&second, 0)]),
            ticket(Vec::new(), vec![guard(&first, 1)]),
        ],
    );
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(Error::kind)).collect();
    let lost = Some(ErrorKind::Conflict);
    assert_eq!(kinds, [None, lost, None, lost, None, lost]);
    assert_eq!(values(&broker, "orders", 0), ["a", "c"]);
    assert_eq!(second.end_offset(), 0);
    let error = outcomes[1].as_ref().unwrap_err();
    assert_eq!(conflict_of(error).actual, Some(1));
}

#[test]
fn a_conflict_in_a_group_that_fails_is_what_the_group_is() {
    let full = Fault::new(Effect::Errno(libc::ENOSPC)).on(Call::WriteAt);
    let broken = Fault::new(Effect::SyncFails(CacheAfterFailedSync::KeepsNew)).on(Call::SyncData);
    for (fault, expected) in [(full, ErrorKind::NoSpace), (broken, ErrorKind::Poisoned)] {
        let world = SimEnv::new(1);
        let broker = with_orders(world.env());
        let (first, second) = (orders(&broker, 0), orders(&broker, 1));
        second.append(&[Message::new("before")], Acks::All).unwrap();
        world.disk.plan(fault.at_path(".journal"));
        let outcomes = in_one_group(
            &broker,
            vec![
                ticket(vec![part(&first, "a")], vec![guard(&first, 0)]),
                ticket(vec![part(&first, "b")], vec![guard(&first, 0)]),
                ticket(vec![part(&first, "c")], vec![guard(&second, 0)]),
            ],
        );
        let kinds: Vec<_> = outcomes.into_iter().map(|o| o.unwrap_err().kind()).collect();
        // What stood against the second was never there; what stands against the third was.
        assert_eq!(kinds, [expected, expected, ErrorKind::Conflict]);
        assert_eq!(first.end_offset(), 0);
        world.disk.heal();
        if expected == ErrorKind::NoSpace {
            first.expect_end(0).append(&[Message::new("d")], Acks::All).unwrap();
        }
    }
}

#[test]
fn conditions_of_several_partitions_hold_together_or_nothing_is_written() {
    let broker = with_orders(memory());
    let (first, second) = (orders(&broker, 0), orders(&broker, 1));
    second.append(&[Message::new("there")], Acks::Leader).unwrap();
    let both = |ends: [i64; 2]| {
        let mut both = broker.atomic_append();
        both.add("orders", 0, &[Message::new("left")]).unwrap();
        both.expect_end("orders", 0, ends[0]).unwrap();
        both.add("orders", 0, &[Message::new("again")]).unwrap();
        both.expect_end("orders", 1, ends[1]).unwrap();
        both.commit()
    };
    let error = both([0, 0]).unwrap_err();
    assert_eq!(missed(conflict_of(&error)), [(0, "there".to_owned())]);
    assert_eq!(conflict_of(&error).partition, 1);
    let error = both([1, 1]).unwrap_err();
    assert_eq!((conflict_of(&error).partition, conflict_of(&error).actual), (0, Some(0)));
    assert_eq!((first.end_offset(), second.end_offset()), (0, 1));
    assert_eq!(both([0, 1]).unwrap().len(), 2);
    assert_eq!(values(&broker, "orders", 0), ["left", "again"]);

    // Without a batch the conditions are asked all the same.
    let only = |end| {
        let mut asked = broker.atomic_append();
        asked.expect_end("orders", 0, end).unwrap();
        asked.commit()
    };
    assert_eq!(only(2).unwrap(), []);
    assert_eq!(only(1).unwrap_err().kind(), ErrorKind::Conflict);

    let mut asked = broker.atomic_append();
    let unknown = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(asked.expect_end("orders", 2, 0).unwrap_err().kind(), unknown);
    assert_eq!(asked.expect_end("burgers", 0, 0).unwrap_err().kind(), unknown);
    let error = asked.expect_end("orders", 0, -1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    asked.expect_end("orders", 1, 1).unwrap();
    broker.delete_topic("orders").unwrap();
    assert_eq!(asked.commit().unwrap_err().kind(), unknown);
    let error = first.expect_end(9).append(&[Message::new("late")], Acks::Leader).unwrap_err();
    assert_eq!(error.kind(), unknown);
}

#[test]
fn what_a_condition_rests_on_is_as_durable_as_what_it_allowed() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env());
    orders(&broker, 1).append(&[Message::new("seen")], Acks::Leader).unwrap();
    let mut follows = broker.atomic_append();
    follows.add("orders", 0, &[Message::new("so")]).unwrap();
    follows.expect_end("orders", 1, 1).unwrap();
    follows.commit().unwrap();
    broker.abandon();
    let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
    let lost = options().open_in(lost.env()).unwrap();
    assert_eq!(values(&lost, "orders", 0), ["so"]);
    assert_eq!(values(&lost, "orders", 1), ["seen"]);
}

#[test]
fn after_a_cut_and_below_the_log_start_a_conflict_says_what_is_there() {
    let broker = with_orders(memory());
    let orders = orders(&broker, 0);
    for value in ["a", "b", "c", "d"] {
        orders.append(&[Message::new(value)], Acks::All).unwrap();
    }
    orders.truncate_to(3).unwrap();
    let error = orders.expect_end(4).append(&[Message::new("e")], Acks::All).unwrap_err();
    assert_eq!(conflict_of(&error).actual, Some(3));
    orders.expect_end(3).append(&[Message::new("e")], Acks::All).unwrap();
    orders.delete_records(2).unwrap();
    let error = orders.expect_end(1).append(&[Message::new("f")], Acks::Leader).unwrap_err();
    let conflict = conflict_of(&error);
    assert_eq!(missed(conflict), [(2, "c".to_owned()), (3, "e".to_owned())]);
    assert!(!conflict.is_complete, "the record at 1 is gone");
}

#[test]
fn what_a_conflict_carries_is_bounded() {
    let broker = with_orders(memory());
    let (many, large) = (orders(&broker, 0), orders(&broker, 1));
    let messages = vec![Message::new("x"); 600];
    many.append(&messages, Acks::Leader).unwrap();
    let error = many.expect_end(0).append(&[Message::new("y")], Acks::Leader).unwrap_err();
    assert_eq!((conflict_of(&error).records.len(), conflict_of(&error).is_complete), (600, true));
    many.append(&messages, Acks::Leader).unwrap();
    let error = many.expect_end(0).append(&[Message::new("y")], Acks::All).unwrap_err();
    assert_eq!((conflict_of(&error).records.len(), conflict_of(&error).is_complete), (1000, false));
    let error = many.expect_end(200).append(&[Message::new("y")], Acks::All).unwrap_err();
    assert_eq!((conflict_of(&error).records.len(), conflict_of(&error).is_complete), (1000, true));

    let value = "v".repeat(400 << 10);
    for _ in 0..3 {
        large.append(&[Message::new(&value)], Acks::Leader).unwrap();
    }
    let error = large.expect_end(0).append(&[Message::new("y")], Acks::All).unwrap_err();
    assert_eq!((conflict_of(&error).records.len(), conflict_of(&error).is_complete), (2, false));
}

#[test]
fn what_was_sent_before_is_not_asked_again() {
    for (first, again) in [(Acks::All, Acks::Leader), (Acks::Leader, Acks::All)] {
        let broker = with_orders(memory());
        let orders = orders(&broker, 0);
        let identity = broker.new_producer_identity().unwrap();
        let send = |acks, sequence, end, value: &str| {
            let mut appender = orders.appender(acks).idempotent(identity, sequence);
            appender.expect_end(end).append(&[Message::new(value)])
        };
        assert_eq!(send(first, 0, 0, "a").unwrap().base_offset, 0);
        // The ack was lost: the same once more is no conflict with itself.
        assert_eq!(send(again, 0, 0, "a").unwrap().base_offset, 0);
        // A new one is asked.
        assert_eq!(send(again, 1, 0, "b").unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(send(again, 1, 1, "b").unwrap().base_offset, 1);
        assert_eq!(values(&broker, "orders", 0), ["a", "b"]);
    }
}

/// Counts how often it was shown.
struct Counted(Arc<AtomicUsize>);

impl Shown for Counted {
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    fn publish(&mut self, _: &[Appended]) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_goes_with_batches_that_were_sent_before_is_shown() {
    let broker = with_orders(memory());
    let orders = orders(&broker, 0);
    let identity = broker.new_producer_identity().unwrap();
    orders.append_idempotent(identity, 0, &[Message::new("a")], Acks::All).unwrap();
    let mut sent = crate::batch::builder::BatchBuilder::new();
    sent.start(&crate::batch::builder::BatchOptions {
        producer: Some(identity.stamp(0)),
        ..Default::default()
    });
    sent.push(0, None, Some(b"a"), &[]).unwrap();
    let batch = sent.take().unwrap();
    let shown = Arc::new(AtomicUsize::new(0));
    let effect = || -> Option<Box<dyn Shown>> { Some(Box::new(Counted(Arc::clone(&shown)))) };
    let part = Part { partition: Arc::clone(orders.partition()), batch: batch.into() };
    let committer = &broker.engine.committer;
    let appended = committer.commit_guarded(vec![part], vec![guard(&orders, 0)], effect()).0;
    assert_eq!(appended.unwrap(), [Appended { base_offset: 0, last_offset: 0 }]);
    assert_eq!(shown.load(Ordering::SeqCst), 1);
    // Nothing but conditions: shown if they hold.
    committer.commit_guarded(Vec::new(), vec![guard(&orders, 1)], effect()).0.unwrap();
    assert_eq!(shown.load(Ordering::SeqCst), 2);
    committer.commit_guarded(Vec::new(), vec![guard(&orders, 0)], effect()).0.unwrap_err();
    assert_eq!(shown.load(Ordering::SeqCst), 2);
    assert_eq!(orders.end_offset(), 1);
}
