//! Many writers, one journal: every commit is made, told once, and survives.

use std::sync::Arc;

use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Fault};
use ottla::{Acks, ErrorKind, Message, Record};

use crate::schedules::check;
use crate::threads::{Note, scope};
use crate::world::{Acked, TOPIC, World, log_of, options};

#[test]
fn three_writers_commit_durably() {
    check(three_writers);
}

/// Three writers commit into two partitions; at some moment the power is lost.
pub(crate) fn three_writers() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    let (before, lost) = scope(|scope| {
        for writer in 0..3 {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                for round in 0..2 {
                    let partition = broker.partition(TOPIC, (writer + round) % 2).unwrap();
                    acked.append(&partition, &format!("{writer}.{round}"), Acks::All);
                }
            });
        }
        let plug = scope.spawn(|| (acked.until_now(), world.power_loss()));
        plug.join().unwrap()
    });
    acked.is_all_of(&broker);
    before.is_in(&lost.open(options()));
}

#[test]
fn a_write_that_fails_fails_its_own_commits_only() {
    check(failing_write);
}

/// The first write to the journal fails: the commits of that group are refused, the others made.
pub(crate) fn failing_write() {
    let world = World::new();
    let broker = world.broker();
    world.disk.plan(Fault::new(Effect::Errno(28)).on(Call::WriteAt).at_path(".journal").nth(1));
    let acked = Acked::default();
    let refused = Note::new(0);
    scope(|scope| {
        for writer in 0..3 {
            let (broker, acked, refused) = (&broker, &acked, &refused);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, writer % 2).unwrap();
                let text = writer.to_string();
                match partition.append(&[Message::new(&text)], Acks::All) {
                    Ok(appended) => acked.note(writer % 2, appended.base_offset, &text),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                        *refused.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    assert!(*refused.lock().unwrap() > 0);
    acked.is_all_of(&broker);
    acked.append(&broker.partition(TOPIC, 0).unwrap(), "afterwards", Acks::All);
    acked.is_all_of(&broker);
}

#[test]
fn a_sync_that_fails_is_told_to_everybody() {
    check(failing_sync);
}

/// A sync of the journal fails: whoever was not told before hears that the outcome is unknown.
pub(crate) fn failing_sync() {
    let world = World::new();
    let broker = world.broker();
    let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
    world.disk.plan(Fault::new(fails).on(Call::SyncData).at_path(".journal").nth(2));
    let acked = Acked::default();
    scope(|scope| {
        for writer in 0..3 {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, writer % 2).unwrap();
                for round in 0..2 {
                    let text = format!("{writer}.{round}");
                    match partition.append(&[Message::new(&text)], Acks::All) {
                        Ok(appended) => acked.note(writer % 2, appended.base_offset, &text),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}"),
                    }
                }
            });
        }
    });
    acked.is_in(&broker);
    broker.abandon();
    acked.is_in(&world.kill().open(options()));
    acked.is_in(&world.power_loss().open(options()));
}

#[test]
fn senders_hear_of_a_sync_that_fails() {
    check(senders_of_a_failing_sync);
}

/// Two producers wait for their records while a third thread appends; a sync of the journal fails, and
/// each is told, be it by its delivery or by its callback.
pub(crate) fn senders_of_a_failing_sync() {
    let world = World::new();
    let broker = world.broker();
    let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
    world.disk.plan(Fault::new(fails).on(Call::SyncData).at_path(".journal").nth(2));
    let acked = Acked::default();
    let told = Arc::new(Note::new(0));
    scope(|scope| {
        for sender in 0..2 {
            let (broker, acked, told) = (&broker, &acked, &told);
            scope.spawn(move || {
                let producer = broker.producer().build().unwrap();
                for round in 0..2 {
                    let text = format!("{sender}.{round}");
                    let record = Record::new(TOPIC, &*text).partition(sender);
                    let Ok(delivery) = producer.send(record) else { continue };
                    let told = Arc::clone(told);
                    delivery.on_completion(move |_| *told.lock().unwrap() += 1);
                    match delivery.wait() {
                        Ok(written) => acked.note(sender, written.offset, &text),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}"),
                    }
                }
                let closed = producer.close();
                assert!(closed.is_ok_and(|()| true) || broker.checkpoint().is_err());
            });
        }
        scope.spawn(|| {
            let partition = broker.partition(TOPIC, 0).unwrap();
            if let Ok(appended) = partition.append(&[Message::new("plain")], Acks::All) {
                acked.note(0, appended.base_offset, "plain");
            }
        });
    });
    assert!(*told.lock().unwrap() > 0, "nobody was told");
    acked.is_in(&broker);
    broker.abandon();
    acked.is_in(&world.power_loss().open(options()));
}

#[test]
fn of_those_who_expect_the_same_end_one_appends() {
    check(expecting_the_same);
}

/// Three writers of all levels expect the same end, and go on from what they have missed.
pub(crate) fn expecting_the_same() {
    let world = World::new();
    let broker = world.broker();
    scope(|scope| {
        for acks in [Acks::All, Acks::All, Acks::Leader] {
            let broker = &broker;
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, 0).unwrap();
                let mut end = 0;
                loop {
                    let value = end.to_string();
                    let Err(error) =
                        partition.expect_end(end).append(&[Message::new(&value)], acks)
                    else {
                        return;
                    };
                    let conflict = error.conflict().unwrap_or_else(|| panic!("{error}"));
                    assert!(conflict.is_complete, "{conflict:?}");
                    assert_eq!(Some(end + conflict.records.len() as i64), conflict.actual);
                    end += conflict.records.len() as i64;
                }
            });
        }
    });
    assert_eq!(log_of(&broker, 0), ["0", "1", "2"], "an update was lost");
}

#[test]
fn partitions_that_are_published_together_are_seen_together() {
    check(seen_together);
}

/// Two writers append to both partitions at once, two readers look: each sees both or neither.
pub(crate) fn seen_together() {
    let world = World::new();
    let broker = world.broker();
    scope(|scope| {
        for writer in ["a", "b"] {
            let broker = &broker;
            scope.spawn(move || {
                for _ in 0..2 {
                    let mut both = broker.atomic_append();
                    both.add(TOPIC, 0, &[Message::new(writer)]).unwrap();
                    both.add(TOPIC, 1, &[Message::new(writer)]).unwrap();
                    both.commit().unwrap();
                }
            });
        }
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let mut consumer = broker.consumer().assign(assignment).build().unwrap();
            let mut seen = [Vec::new(), Vec::new()];
            while seen[0].len() < 4 {
                for record in &consumer.poll(crate::world::FOREVER).unwrap() {
                    seen[record.partition() as usize].push(record.value().unwrap().to_vec());
                }
                assert_eq!(seen[0], seen[1], "half a commit was shown");
            }
        });
    });
    assert_eq!(log_of(&broker, 0).len(), 4);
}
