//! Disks that are full or fail while a transaction commits.

use ottla::env::sim::{CacheAfterFailedSync, Call, Effect, Fault, SimEnv};
use ottla::{Broker, ErrorKind, Record, TopicConfig, Transaction};

use crate::world::{committed, options, refused, values};

fn broker(world: &SimEnv) -> Broker {
    let broker = options().journal_file_bytes(64 << 10).open_in(world.env()).unwrap();
    broker.ensure_topic("orders", TopicConfig::new().partitions(4)).unwrap();
    broker
}

fn begin(broker: &Broker) -> Transaction {
    let mut transaction = broker.transaction().unwrap();
    for partition in 0..4 {
        transaction.send(Record::new("orders", "a burger").partition(partition)).unwrap();
    }
    transaction.commit_offsets_of("kitchen", [(("orders", 0), 0)]).unwrap();
    transaction
}

#[test]
fn a_full_disk_leaves_the_transaction_open_until_there_is_space() {
    for (path, call) in [(".journal", Call::WriteAt), ("orders-2", Call::Reserve)] {
        let world = SimEnv::new(1);
        let broker = broker(&world);
        // The topic of offsets is there already.
        begin(&broker).commit().unwrap();
        broker.checkpoint().unwrap();
        let mut transaction = begin(&broker);
        let value = vec![7; 200_000];
        transaction.send(Record::new("orders", &value).partition(2)).unwrap();
        transaction.commit_offsets_of("kitchen", [(("orders", 0), 1)]).unwrap();
        let full = Effect::Kind(std::io::ErrorKind::StorageFull);
        world.disk.plan(Fault::new(full).on(call).at_path(path).from_then_on());
        for _ in 0..2 {
            refused(transaction.commit(), ErrorKind::NoSpace, "space");
            assert_eq!(values(&broker, "orders").len(), 4, "{path} {call:?}");
            assert_eq!(committed(&broker, "kitchen", "orders", 0), Some(0));
        }
        world.disk.heal();
        transaction.send(Record::new("orders", "one more").partition(3)).unwrap();
        let written = transaction.commit().unwrap();
        assert_eq!(written[3].1.last_offset, 2, "{path} {call:?}");
        assert_eq!(values(&broker, "orders").len(), 10, "{path} {call:?}");
        assert_eq!(committed(&broker, "kitchen", "orders", 0), Some(1));
    }
}

#[test]
fn a_commit_whose_sync_fails_is_there_wholly_or_not_at_all_after_the_next_open() {
    for cache in [CacheAfterFailedSync::KeepsNew, CacheAfterFailedSync::Reverts] {
        let world = SimEnv::new(2);
        let broker = broker(&world);
        begin(&broker).commit().unwrap();
        let mut transaction = begin(&broker);
        let fails = Effect::SyncFails(cache);
        world.disk.plan(Fault::new(fails).on(Call::SyncData).at_path(".journal"));
        refused(transaction.commit(), ErrorKind::Poisoned, "unknown");
        refused(transaction.commit(), ErrorKind::InvalidTransactionState, "its commit failed");
        assert_eq!(values(&broker, "orders").len(), 4, "readers see nothing of it");
        drop(transaction);
        broker.abandon();
        let broker = options().open_in(world.env()).unwrap();
        let count = values(&broker, "orders").len();
        assert!(count == 4 || count == 8, "{count}");
    }
}

#[test]
fn a_disk_that_is_full_while_spilling_leaves_the_transaction_usable() {
    let world = SimEnv::new(3);
    let broker = options().transaction_buffer_bytes(1 << 16).open_in(world.env()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(4)).unwrap();
    let mut transaction = broker.transaction().unwrap();
    let value = [7; 1000];
    let mut taken = 0;
    world.disk.plan(
        Fault::new(Effect::Kind(std::io::ErrorKind::StorageFull))
            .on(Call::WriteAt)
            .at_path(".spill")
            .nth(3)
            .from_then_on(),
    );
    let refusal = loop {
        match transaction.send(Record::new("orders", &value).key(&taken.to_string())) {
            Ok(()) => taken += 1,
            refusal => break refusal,
        }
    };
    refused(refusal, ErrorKind::NoSpace, ".spill");
    while transaction.send(Record::new("orders", &value)).is_ok() {
        taken += 1;
    }
    assert!(taken < 250, "what is in memory stays bounded");
    assert!(values(&broker, "orders").is_empty());
    world.disk.heal();
    for _ in 0..200 {
        transaction.send(Record::new("orders", &value).key(&taken.to_string())).unwrap();
        taken += 1;
    }
    transaction.commit().unwrap();
    assert_eq!(values(&broker, "orders").len(), taken);
}

#[test]
fn a_spill_that_cannot_be_synced_ends_its_transaction_and_nothing_else() {
    let world = SimEnv::new(4);
    let broker = options().transaction_buffer_bytes(1 << 16).open_in(world.env()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let mut transaction = broker.transaction().unwrap();
    for _ in 0..200 {
        transaction.send(Record::new("orders", &[7; 1000])).unwrap();
    }
    let fails = Effect::SyncFails(CacheAfterFailedSync::KeepsNew);
    world.disk.plan(Fault::new(fails).on(Call::SyncData).at_path(".spill"));
    refused(transaction.commit(), ErrorKind::Io, "spill");
    refused(transaction.commit(), ErrorKind::Io, "lost, abort it");
    transaction.abort().unwrap();
    let mut transaction = broker.transaction().unwrap();
    transaction.send(Record::new("orders", "a burger")).unwrap();
    transaction.commit().unwrap();
    assert_eq!(values(&broker, "orders"), ["a burger"]);
}
