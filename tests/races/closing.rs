//! Closing beside everything else: what was acked is there, what comes too late is refused, and
//! nobody waits for ever.

use std::time::Duration;

use ottla::{Acks, Broker, ErrorKind, Message, Result};

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{Acked, TOPIC, World, options};

#[test]
fn a_close_takes_all_that_was_acked_along() {
    check(close_beside_work);
}

/// Writers of two levels, a reader and a checkpoint, while somebody closes the broker.
pub(crate) fn close_beside_work() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    scope(|scope| {
        for (number, acks) in [(0, Acks::All), (1, Acks::Leader)] {
            let (broker, acked) = (&broker, &acked);
            scope.spawn(move || append_until_closed(broker, number, acks, acked));
        }
        scope.spawn(|| {
            let assignment = [(TOPIC, 0), (TOPIC, 1)];
            let mut consumer = broker.consumer().assign(assignment).build().unwrap();
            for _ in 0..2 {
                is_done_or_closed(consumer.poll(Duration::ZERO));
            }
        });
        scope.spawn(|| is_done_or_closed(broker.checkpoint()));
        broker.close().unwrap();
        // From now on the directory may be somebody else's.
        let position = world.disk.position();
        crate::threads::yield_now();
        assert_eq!(world.disk.position(), position, "it was written to after the close");
    });
    let again = world.open(options());
    assert!(again.recovery_report().clean, "{:?}", again.recovery_report());
    acked.is_all_of(&again);
}

fn append_until_closed(broker: &Broker, number: i32, acks: Acks, acked: &Acked) {
    let partition = broker.partition(TOPIC, number).unwrap();
    for round in 0..3 {
        let text = format!("{acks} {round}");
        match partition.append(&[Message::new(&text)], acks) {
            Ok(appended) => acked.note(number, appended.base_offset, &text),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
        }
    }
}

fn is_done_or_closed<T>(outcome: Result<T>) {
    if let Err(error) = outcome {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
}

#[test]
fn the_last_handle_closes_beside_the_maintenance_thread() {
    check(last_handle);
}

/// Handles go on three threads while the maintenance thread ticks; the last one closes.
pub(crate) fn last_handle() {
    let world = World::new();
    let broker = world.broker_with(options().background(true));
    let acked = Acked::default();
    scope(|scope| {
        for number in 0..2 {
            let (broker, acked) = (broker.clone(), &acked);
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, number).unwrap();
                drop(broker);
                acked.append(&partition, "one burger", Acks::All);
            });
        }
        drop(broker);
    });
    let again = world.open(options());
    assert!(again.recovery_report().clean, "{:?}", again.recovery_report());
    acked.is_all_of(&again);
}

#[test]
fn an_abandoned_broker_writes_nothing_more() {
    check(abandoned);
}

/// A broker is let go of beside a writer; the next one opens at once.
pub(crate) fn abandoned() {
    let world = World::new();
    let broker = world.broker();
    let acked = Acked::default();
    scope(|scope| {
        for (number, acks) in [(0, Acks::All), (1, Acks::Leader)] {
            let partition = broker.partition(TOPIC, number).unwrap();
            let acked = &acked;
            scope.spawn(move || {
                for round in 0..3 {
                    let text = format!("{acks} {round}");
                    match partition.append(&[Message::new(&text)], acks) {
                        Ok(appended) => acked.note(number, appended.base_offset, &text),
                        Err(error) => assert!(
                            matches!(error.kind(), ErrorKind::Closed | ErrorKind::Poisoned),
                            "{error}"
                        ),
                    }
                }
            });
        }
        broker.abandon();
        let again = world.open(options());
        let position = world.disk.position();
        crate::threads::yield_now();
        assert_eq!(world.disk.position(), position, "the old broker goes on writing");
        acked.until_now().is_in(&again);
    });
}
