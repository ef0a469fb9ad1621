//! A leader that panics in the middle of a commit: everybody who waits hears of it, nobody waits for
//! ever, and what was acked before is there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ottla::{Acks, Broker, ErrorKind, Message, Record};

use crate::schedules::check;
use crate::threads::{Note, scope};
use crate::world::{Acked, TOPIC, World, options};

#[test]
fn a_leader_that_panics_is_told_to_everybody() {
    check(leader);
}

/// Three writers and a sender of a producer; one write to the journal panics.
pub(crate) fn leader() {
    let world = World::new();
    let broker = world.broker();
    world.panics.after(1);
    let acked = Acked::default();
    let panicked = Note::new(0);
    let noted = |work: &dyn Fn()| {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            *panicked.lock().unwrap() += 1;
        }
    };
    scope(|scope| {
        for writer in 0..3 {
            let (broker, acked, noted) = (&broker, &acked, &noted);
            scope.spawn(move || noted(&|| append_until_poisoned(broker, writer, acked)));
        }
        scope.spawn(|| {
            noted(&|| {
                let producer = broker.producer().build().unwrap();
                let delivery = producer.send(Record::new(TOPIC, "sent").partition(0)).unwrap();
                match delivery.wait() {
                    Ok(written) => acked.note(0, written.offset, "sent"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}"),
                }
            });
        });
    });
    assert!(*panicked.lock().unwrap() <= 1, "the panic is that of one thread");
    acked.is_in(&broker);
    broker.abandon();
    acked.is_in(&world.kill().open(options()));
    acked.is_in(&world.power_loss().open(options()));
}

fn append_until_poisoned(broker: &Broker, writer: i32, acked: &Acked) {
    let partition = broker.partition(TOPIC, writer % 2).unwrap();
    for round in 0..3 {
        let text = format!("{writer}.{round}");
        match partition.append(&[Message::new(&text)], Acks::All) {
            Ok(appended) => acked.note(writer % 2, appended.base_offset, &text),
            Err(error) => return assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}"),
        }
    }
}
