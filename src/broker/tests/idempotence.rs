//! Idempotent producers from outside: what is sent again is stored once, as safe as was asked for,
//! also over a crash; identities are unique, and an old epoch is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{memory, options, values};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::commit::ticket::{Contents, Part};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::clock::SimClock;
use crate::env::sim::{Call, Effect, Fault, SimEnv};
use crate::env::vfs::{OpenHow, read_up_to, write_all_at};
use crate::error::{ErrorKind, Result};
use crate::partition::writer::Appended;
use crate::producer::identity::ProducerIdentity;

fn send(
    broker: &Broker,
    identity: ProducerIdentity,
    sequence: i32,
    value: &str,
    acks: Acks,
) -> Result<i64> {
    let orders = broker.partition("orders", 0)?;
    let appended = orders.append_idempotent(identity, sequence, &[Message::new(value)], acks)?;
    Ok(appended.base_offset)
}

fn with_orders(env: crate::env::Env) -> Broker {
    let broker = options().open_in(env).unwrap();
    broker.ensure_topic("orders", TopicConfig::new()).unwrap();
    broker
}

#[test]
fn what_is_sent_again_is_stored_once_whatever_the_levels() {
    let env = memory();
    let broker = with_orders(env.clone());
    let identity = broker.new_producer_identity().unwrap();
    let levels = [Acks::All, Acks::Leader, Acks::None];
    let mut sequence = 0;
    for first in levels {
        for again in levels {
            let value = sequence.to_string();
            let offset = i64::from(sequence);
            assert_eq!(send(&broker, identity, sequence, &value, first).unwrap(), offset);
            assert_eq!(send(&broker, identity, sequence, &value, again).unwrap(), offset);
            sequence += 1;
        }
    }
    let expected: Vec<_> = (0..9).map(|value| value.to_string()).collect();
    assert_eq!(values(&broker, "orders", 0), expected);
    broker.close().unwrap();
    // The newest is known after a reopen, too.
    let broker = with_orders(env);
    assert_eq!(send(&broker, identity, 8, "8", Acks::All).unwrap(), 8);
    let error = send(&broker, identity, 7, "7", Acks::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfOrderSequence);
    assert_eq!(send(&broker, identity, 9, "9", Acks::All).unwrap(), 9);
}

#[test]
fn an_ack_of_all_for_a_batch_that_was_only_written_survives_power_loss() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env());
    let identity = broker.new_producer_identity().unwrap();
    send(&broker, identity, 0, "first", Acks::All).unwrap();
    send(&broker, identity, 1, "second", Acks::Leader).unwrap();
    assert_eq!(send(&broker, identity, 1, "second", Acks::All).unwrap(), 1);
    let lost = world.disk.after_losing_everything_unsynced();
    let broker = with_orders(world.with_disk(lost).env());
    assert_eq!(values(&broker, "orders", 0), ["first", "second"]);
    assert_eq!(send(&broker, identity, 1, "second", Acks::All).unwrap(), 1);
}

#[test]
fn a_batch_twice_in_one_frame_has_one_place() {
    let broker = with_orders(memory());
    let identity = broker.new_producer_identity().unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    let batch = |sequence| {
        let mut builder = BatchBuilder::new();
        let producer = Some(identity.stamp(sequence));
        builder.start(&BatchOptions { producer, ..BatchOptions::default() });
        builder.push(5, None, Some(b"burger"), &[]).unwrap();
        builder.take().unwrap()
    };
    let told = Arc::new(AtomicUsize::new(0));
    let committer = &broker.engine.committer;
    for (sequence, offset) in [(0, 0), (1, 1), (0, 0), (1, 1), (2, 2)] {
        let part =
            Part { partition: Arc::clone(orders.partition()), batch: batch(sequence).into() };
        let told = Arc::clone(&told);
        committer.enqueue(
            Contents::of(vec![part], None),
            Box::new(move |(outcome, _)| {
                let expected = Appended { base_offset: offset, last_offset: offset };
                assert_eq!(outcome.unwrap(), [expected]);
                told.fetch_add(1, Ordering::SeqCst);
            }),
        );
    }
    committer.settle();
    assert_eq!(told.load(Ordering::SeqCst), 5);
    assert_eq!(orders.end_offset(), 3);
    // Both in one ticket.
    let part = |sequence| Part {
        partition: Arc::clone(orders.partition()),
        batch: batch(sequence).into(),
    };
    let (outcome, _) = committer.commit(vec![part(3), part(3), part(2)]);
    let offsets: Vec<_> = outcome.unwrap().iter().map(|appended| appended.base_offset).collect();
    assert_eq!(offsets, [3, 3, 2]);
}

#[test]
fn a_commit_that_failed_is_no_first_time() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env());
    let identity = broker.new_producer_identity().unwrap();
    send(&broker, identity, 0, "first", Acks::All).unwrap();
    for (effect, acks, path) in [
        (Effect::Errno(libc::ENOSPC), Acks::All, ".journal"),
        (Effect::Errno(libc::ENOSPC), Acks::Leader, ".log"),
    ] {
        let offset = broker.partition("orders", 0).unwrap().end_offset();
        let sequence = offset as i32;
        world.disk.plan(Fault::new(effect).on(Call::WriteAt).at_path(path));
        let error = send(&broker, identity, sequence, "again", acks).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        world.disk.heal();
        assert_eq!(send(&broker, identity, sequence, "again", acks).unwrap(), offset);
    }
    assert_eq!(values(&broker, "orders", 0), ["first", "again", "again"]);
}

#[test]
fn an_identity_is_handed_out_once() {
    let env = memory();
    let mut last = -1;
    for _ in 0..3 {
        let broker = with_orders(env.clone());
        for _ in 0..1001 {
            let identity = broker.new_producer_identity().unwrap();
            assert!(identity.id > last && identity.epoch == 0, "{identity:?} after {last}");
            last = identity.id;
        }
        broker.close().unwrap();
    }
    let broker = with_orders(env);
    for (id, epoch) in [(-1, 0), (last + 1000, 0), (i64::MAX, 0), (0, -1), (0, i16::MAX)] {
        let stranger = ProducerIdentity::new(id, epoch);
        let error = send(&broker, stranger, 0, "who", Acks::All).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = broker.fence_producer(stranger).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let known = ProducerIdentity::new(0, 0);
    let error = send(&broker, known, -1, "who", Acks::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

/// A folder that a broker wrote, and no catalog that tells which ids were handed out.
#[test]
fn an_identity_is_none_that_a_partition_knows_already() {
    let env = crate::env::Env {
        clock: Arc::new(SimClock::new(1_700_000_100_000)),
        ..crate::env::Env::memory()
    };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden");
    let fixture = crate::env::Env::disk(fixture, false).unwrap().vfs;
    env.vfs.create_dir("golden-0").unwrap();
    for entry in fixture.list("golden-0").unwrap() {
        let name = format!("golden-0/{}", entry.name);
        let source = fixture.open(&name, OpenHow::Read).unwrap();
        let mut bytes = vec![0; source.len().unwrap() as usize];
        read_up_to(&*source, &mut bytes, 0).unwrap();
        let file = env.vfs.open(&name, OpenHow::CreateNew).unwrap();
        write_all_at(&*file, &bytes, 0).unwrap();
    }
    let broker = options().open_in(env).unwrap();
    let golden = broker.partition("golden", 0).unwrap();
    let known = golden.producers().unwrap();
    let highest = known.iter().map(|known| known.identity.id).max().unwrap();
    assert!(highest >= 2001, "{known:?}");
    let identity = broker.new_producer_identity().unwrap();
    assert_eq!(identity.id, highest + 1);
    let end = golden.end_offset();
    let burger = [Message::new("burger")];
    let appended = golden.append_idempotent(identity, 0, &burger, Acks::All).unwrap();
    assert_eq!(appended.base_offset, end);
}

#[test]
fn a_fenced_producer_is_refused_at_once_and_by_its_successors_batches_for_good() {
    let env = memory();
    let broker = with_orders(env.clone());
    let old = broker.new_producer_identity().unwrap();
    send(&broker, old, 0, "of the old", Acks::All).unwrap();
    let new = broker.fence_producer(old).unwrap();
    assert_eq!((new.id, new.epoch), (old.id, 1));
    for acks in [Acks::All, Acks::Leader] {
        let error = send(&broker, old, 1, "late", acks).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    }
    // A producer has one successor.
    assert_eq!(broker.fence_producer(old).unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(send(&broker, new, 0, "of the new", Acks::All).unwrap(), 1);
    broker.close().unwrap();

    let broker = with_orders(env);
    assert_eq!(send(&broker, old, 1, "late", Acks::All).unwrap_err().kind(), ErrorKind::Fenced);
    let newer = broker.fence_producer(new).unwrap();
    assert_eq!(newer.epoch, 2);
    assert_eq!(values(&broker, "orders", 0), ["of the old", "of the new"]);
    // The last epoch has a successor as well.
    let last = ProducerIdentity::new(old.id, i16::MAX - 1);
    let successor = broker.fence_producer(last).unwrap();
    assert!(successor.id != old.id && successor.epoch == 0, "{successor:?}");
    assert_eq!(send(&broker, last, 0, "late", Acks::All).unwrap_err().kind(), ErrorKind::Fenced);
}

#[test]
fn an_appender_counts_and_goes_on_after_a_failure() {
    let broker = with_orders(memory());
    let identity = broker.new_producer_identity().unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    let mut appender = orders.appender(Acks::All).idempotent(identity, 0);
    let burgers = [Message::new("one"), Message::new("two")];
    appender.append(&burgers).unwrap();
    assert_eq!(appender.next_sequence(), Some(2));
    let large = "x".repeat(2 << 20);
    let error = appender.append(&[Message::new(&large)]).unwrap_err();
    assert_eq!((error.kind(), appender.next_sequence()), (ErrorKind::Limit, Some(2)));
    broker.alter_topic("orders", &[("max.message.bytes", Some("2000"))]).unwrap();
    appender.append(&burgers).unwrap();
    assert_eq!(appender.next_sequence(), Some(4));
    let state = orders.producers().unwrap()[0];
    assert_eq!(
        (state.identity, state.last_sequence, state.last_offset),
        (identity, Some(3), Some(3))
    );
}

#[test]
fn producers_that_were_quiet_for_long_are_forgotten_by_the_tick() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env());
    let orders = broker.partition("orders", 0).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let quiet = broker.new_producer_identity().unwrap();
    let busy = broker.new_producer_identity().unwrap();
    send(&broker, quiet, 0, "quiet", Acks::All).unwrap();
    send(&broker, busy, 0, "busy", Acks::All).unwrap();
    world.clock.advance(day / 2);
    // Its records are old; it is not.
    let old = [Message::new("busy").timestamp(7)];
    orders.append_idempotent(busy, 1, &old, Acks::All).unwrap();
    world.clock.advance(day / 2);
    broker.tick().unwrap();
    let known: Vec<_> = orders.producers().unwrap().iter().map(|known| known.identity).collect();
    assert_eq!(known, [busy]);
    // A clock that is set forward makes nobody old.
    world.clock.set_wall_ms(4_000_000_000_000);
    world.clock.advance(Duration::from_secs(700));
    broker.tick().unwrap();
    assert_eq!(orders.append_idempotent(busy, 1, &old, Acks::All).unwrap().base_offset, 2);
}
