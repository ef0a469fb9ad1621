//! Compaction of logs that Kafka wrote, the fixtures: who reads the whole log comes to the same
//! table as before, whatever codecs, transactions and old messages are in it.

use std::collections::BTreeMap;

use super::super::super::tests::fixtures::{expected, load, open_foreign};
use super::super::{LOG_BYTES_MAX, Round};
use super::world::World;

/// The newest value of each key, as readers of committed records see it; tombstones are `None`.
fn table(world: &World, end: i64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let aborted = world.partition.aborted_transactions(0, end).unwrap();
    let mut table = BTreeMap::new();
    for batch in world.batches() {
        let is_aborted = batch.is_transactional
            && aborted.iter().any(|transaction| {
                Some(transaction.producer_id) == batch.producer_id
                    && transaction.first_offset <= batch.last_offset
                    && batch.base_offset <= transaction.last_offset
            });
        for record in batch.records.into_iter().filter(|_| !is_aborted) {
            if let Some(key) = record.key.filter(|_| record.offset < end) {
                table.insert(key, record.value);
            }
        }
    }
    table
}

#[test]
fn what_kafka_wrote_has_the_same_newest_values_afterwards() {
    let expected = expected();
    let (mut compacted, mut removed) = (0, 0);
    for directory in ["golden", "java-logdir", "real-broker-kdata"] {
        for name in expected[directory]["partitions"].as_object().unwrap().keys() {
            let folder = format!("{directory}/{name}");
            let settings = [("cleanup.policy", "compact"), ("index.interval.bytes", "100")];
            let place = load(&folder, &settings);
            let partition = open_foreign(&place, false);
            if partition.end_offset() == 0 {
                continue;
            }
            partition.lock().roll().unwrap();
            let stable = partition.last_stable_offset().unwrap();
            let segments = partition.segments.load();
            let bases = segments.as_slice().iter().map(|segment| segment.base_offset);
            let upper = bases.filter(|&base_offset| base_offset <= stable).max().unwrap_or(0);
            let mut world = World::over(place, partition);
            let before = table(&world, stable);
            let round = Round {
                first_dirty: world.partition.log_start_offset(),
                upper,
                now_ms: 1_700_000_200_000,
                map_bytes: 1 << 20,
                log_bytes_max: LOG_BYTES_MAX,
            };
            let cleaned = world.clean(&round).unwrap();
            let faults = world.faults();
            assert!(faults.is_empty(), "{folder}: {faults:?}");
            assert_eq!(table(&world, stable), before, "{folder}");
            let old = world.batches().iter().filter(|batch| batch.bytes[16] < 2).count();
            assert!(old == 0 || upper < stable, "{folder}: {old} old messages");
            compacted += usize::from(upper > 0);
            removed += cleaned.stats.records_before - cleaned.stats.records_after;
        }
    }
    assert!(compacted > 15 && removed > 20, "{compacted} logs, {removed} records went");
}
