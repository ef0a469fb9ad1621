//! Transactions that are too large for memory: their spill files stay as long as a frame of the journal
//! names them, and no longer.

use ottla::{Broker, Record};

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{TOPIC, World, log_of, options};

/// More than a transaction keeps in memory.
const BYTES: usize = 5000;

#[test]
fn spilled_transactions_survive_checkpoints_beside_them() {
    check(beside_checkpoints);
}

/// Two threads commit spilled transactions over both partitions beside checkpoints; the power is
/// lost at some moment, and at the end.
pub(crate) fn beside_checkpoints() {
    let world = World::new();
    let small = || options().transaction_buffer_bytes(4096).journal_file_bytes(16_384);
    let broker = world.broker_with(small());
    let lost = scope(|scope| {
        for writer in ["a", "b"] {
            let broker = &broker;
            scope.spawn(move || {
                let mut transaction = broker.transaction().unwrap();
                for partition in 0..2 {
                    let value = writer.repeat(BYTES);
                    let record = Record::new(TOPIC, &*value).partition(partition);
                    transaction.send(record).unwrap();
                }
                transaction.commit().unwrap();
            });
        }
        scope.spawn(|| {
            for _ in 0..2 {
                broker.checkpoint().unwrap();
            }
        });
        scope.spawn(|| world.power_loss()).join().unwrap()
    });
    assert_eq!(both(&broker).len(), 2);
    both(&lost.open(options()));
    let lost = world.power_loss().open(options());
    assert_eq!(both(&lost).len(), 2);
    broker.close().unwrap();
    let files = world.disk.listing();
    assert!(!files.contains(".spill"), "a spill is left: {files}");
}

/// What is in one partition is in the other.
fn both(broker: &Broker) -> Vec<String> {
    let (left, right) = (log_of(broker, 0), log_of(broker, 1));
    assert!(left == right, "half a transaction");
    left
}
