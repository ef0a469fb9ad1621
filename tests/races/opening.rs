//! Who gets a directory: one at a time, and only when the one before has let go of everything.

use ottla::{Acks, ErrorKind};

use crate::schedules::check;
use crate::threads::{scope, yield_now};
use crate::world::{Acked, TOPIC, World, log_of, options};

#[test]
fn a_directory_has_one_holder_at_a_time() {
    check(in_turns);
}

/// Three threads want the same directory, each appends and closes it, or drops it.
pub(crate) fn in_turns() {
    let world = World::new();
    drop(world.broker());
    scope(|scope| {
        for writer in 0..3 {
            let world = &world;
            scope.spawn(move || {
                let broker = loop {
                    match world.try_open(options()) {
                        Ok(broker) => break broker,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Locked, "{error}"),
                    }
                    yield_now();
                };
                assert!(broker.recovery_report().clean, "it was opened before it was closed");
                let partition = broker.partition(TOPIC, 0).unwrap();
                let before = partition.end_offset();
                Acked::default().append(&partition, &writer.to_string(), Acks::All);
                assert_eq!(partition.end_offset(), before + 1, "two had it");
                if writer == 0 {
                    drop((broker, partition));
                } else {
                    broker.close().unwrap();
                }
            });
        }
    });
    let mut log = log_of(&world.open(options()), 0);
    log.sort();
    assert_eq!(log, ["0", "1", "2"]);
}
