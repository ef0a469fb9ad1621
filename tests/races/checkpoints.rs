//! Checkpoints beside commits: what is recycled is not needed any more, whatever happens meanwhile.

use ottla::Acks;

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{Acked, TOPIC, World, options};

#[test]
fn a_checkpoint_vouches_for_what_came_before_it() {
    check(beside_writers);
}

/// A durable writer, two of another level, and somebody who checkpoints; the power is lost.
/// What was written before a checkpoint that succeeded is there, as is every durable record.
pub(crate) fn beside_writers() {
    let world = World::new();
    let broker = world.broker();
    let (durable, written) = (Acked::default(), Acked::default());
    let vouched = Acked::default();
    let (before, lost) = scope(|scope| {
        for (number, acks) in [(0, Acks::All), (0, Acks::Leader), (1, Acks::Leader)] {
            let (broker, durable, written) = (&broker, &durable, &written);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                for round in 0..2 {
                    let acked = if acks == Acks::All { durable } else { written };
                    acked.append(&partition, &format!("{acks} {round}"), acks);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..2 {
                let before = written.until_now();
                broker.checkpoint().unwrap();
                vouched.add(&before);
            }
        });
        let plug = scope.spawn(|| {
            let before = durable.until_now();
            before.add(&vouched);
            (before, world.power_loss())
        });
        plug.join().unwrap()
    });
    durable.add(&written);
    durable.is_all_of(&broker);
    before.is_in(&lost.open(options()));
    let killed = world.kill();
    broker.abandon();
    durable.is_in(&killed.open(options()));
}

#[test]
fn a_full_journal_is_checkpointed_on_the_way() {
    check(full_journal);
}

/// Two writers lap a journal that holds a few of their frames; the power is lost after a
/// checkpoint.
pub(crate) fn full_journal() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    let (before, lost) = scope(|scope| {
        for writer in 0..2 {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, writer).unwrap();
                for round in 0..5 {
                    let text = format!("{writer}.{round} {}", "x".repeat(1200));
                    acked.append(&partition, &text, Acks::All);
                }
            });
        }
        let plug = scope.spawn(|| {
            broker.checkpoint().unwrap();
            (acked.until_now(), world.power_loss())
        });
        plug.join().unwrap()
    });
    acked.is_all_of(&broker);
    before.is_in(&lost.open(options()));
}
