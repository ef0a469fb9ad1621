//! Compaction against a plain list: random histories of records, transactions as Kafka writes
//! them, time, and rounds; after each round the laws of `laws.rs`.
//!
//! A failure prints its seed; `OTTLA_SEED` runs that history alone, `OTTLA_COMPACTIONS` sets how
//! many there are (docs/TESTING.md).

mod history;
mod kafka_logs;
mod laws;
#[cfg(plant)]
mod planted;
mod world;

use history::run;
use ottla_proof::Evidence;

const HISTORIES_DEFAULT: u64 = 60;

#[test]
fn random_histories_keep_every_law() {
    if let Some(seed) = number("OTTLA_SEED") {
        println!("OTTLA_SEED={seed}");
        run(seed).unwrap();
        return;
    }
    let first = fastrand::u64(..1 << 48);
    let count = number("OTTLA_COMPACTIONS").unwrap_or(HISTORIES_DEFAULT);
    let evidence = Evidence::of("compaction", "random histories").seed(first);
    let mut seen = history::Seen::default();
    for seed in first..first + count {
        match run(seed) {
            Ok(found) => seen.add(&found),
            Err(law) => panic!("OTTLA_SEED={seed}: {law}"),
        }
    }
    println!("{count} histories: {seen:?}");
    evidence.count("histories", count).count("rounds", seen.rounds).tell();
    // What was not exercised was not tested.
    let all = [
        seen.rounds,
        seen.full_maps,
        seen.rewritten,
        seen.emptied,
        seen.tombstones_removed,
        seen.keyless_removed,
        seen.aborted_removed,
        seen.markers_removed,
        seen.merged,
        seen.untouched,
        seen.divided,
    ];
    assert!(all.iter().all(|&count| count > 0), "{seen:?}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
