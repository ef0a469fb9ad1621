//! The index that grows against a plain map, and its way through the file.

use std::collections::BTreeMap;

use super::growing::GrowingKeys;
use super::sealed::SealedKeys;
use super::table::masked;
use crate::env::sim::seed;
use crate::format::key_hash::HashSecret;
use crate::format::key_index::{IndexedLog, KeyedRecord};

const LOG: IndexedLog = IndexedLog { base_offset: 9, log_bytes: 1 << 30, log_sum: 77 };

type Model = BTreeMap<u128, Vec<KeyedRecord>>;

/// All records of a key, ascending, by walking back from the newest.
fn records_of(keys: &GrowingKeys, hash: u128, below: u64) -> Vec<KeyedRecord> {
    let mut found = Vec::new();
    let mut next = keys.chain(hash, below);
    while let Some(link) = next {
        next = keys.walk(link, &mut |_, record| {
            found.push(record);
            true
        });
    }
    found.reverse();
    found
}

fn check_growing(keys: &GrowingKeys, model: &Model, hash: u128, below: u64) {
    let mut expected = model.get(&hash).cloned().unwrap_or_default();
    expected.retain(|record| u64::from(record.relative_offset) < below);
    assert_eq!(keys.newest(hash, below), expected.last().map(|record| record.relative_offset));
    assert_eq!(records_of(keys, hash, below), expected);
}

fn check_sealed(keys: &SealedKeys, model: &Model, hash: u128, below: u64) {
    let expected = model.get(&hash).cloned().unwrap_or_default();
    let range = keys.find(hash);
    let found: Vec<_> = range.clone().filter_map(|index| keys.record(index)).collect();
    assert_eq!(found, expected);
    let count = expected.iter().filter(|record| u64::from(record.relative_offset) < below).count();
    assert_eq!(keys.count_below(&range, below) as usize, count);
}

#[test]
fn batches_come_go_and_go_through_the_file_as_in_a_map() {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..20 {
        let secret = HashSecret::of_bytes(std::array::from_fn(|_| random.u8(..)));
        let names = random.u64(1..400);
        let (mut keys, mut model) = (GrowingKeys::new(secret), Model::new());
        let (mut offset, mut position) = (0, 0);
        // What may be taken back: how many records there were, and the model.
        let mut staged: Vec<(u32, Model)> = Vec::new();
        for _ in 0..random.usize(1..300) {
            let before = model.clone();
            let mut batch = Vec::new();
            for _ in 0..random.usize(0..20) {
                offset += random.u32(1..3);
                let hash = masked(secret.hash(&random.u64(..names).to_be_bytes()));
                batch.push((hash, offset));
                let record = KeyedRecord { relative_offset: offset, position };
                model.entry(hash).or_default().push(record);
            }
            let count = keys.add(position, &batch, staged.is_empty());
            staged.push((count, before));
            position += 100;
            match random.u8(..10) {
                0 => {
                    let back = random.usize(..staged.len());
                    let (count, before) = staged.swap_remove(back);
                    staged.truncate(back);
                    keys.truncate(count);
                    // Offsets and positions may be used again, as after a failed group.
                    model = before;
                }
                1..4 => staged.clear(),
                4 => {
                    let sealed = SealedKeys::of_bytes(keys.encode(&LOG)).unwrap();
                    keys = GrowingKeys::of_sealed(&sealed).unwrap();
                    staged.clear();
                }
                _ => {}
            }
            let hash = masked(secret.hash(&random.u64(..names).to_be_bytes()));
            check_growing(&keys, &model, hash, random.u64(..=u64::from(offset) + 1));
        }
        model.retain(|_, records| !records.is_empty());
        let sealed = SealedKeys::of_bytes(keys.encode(&LOG)).unwrap();
        assert_eq!(sealed.key_count() as usize, model.len());
        for name in 0..names + 5 {
            let hash = masked(secret.hash(&name.to_be_bytes()));
            check_growing(&keys, &model, hash, u64::MAX);
            check_sealed(&sealed, &model, hash, random.u64(..=u64::from(offset) + 1));
        }
    }
}

#[test]
fn a_long_chain_is_walked_in_steps() {
    let keys = GrowingKeys::new(HashSecret::of_bytes([1; 16]));
    for at in 0..5_000 {
        keys.add(at, &[(7, at)], false);
    }
    let mut steps = 0;
    let (mut next, mut seen) = (keys.chain(7, u64::MAX), 0);
    while let Some(link) = next {
        steps += 1;
        next = keys.walk(link, &mut |_, _| {
            seen += 1;
            true
        });
    }
    assert_eq!(seen, 5_000);
    assert!(steps > 4, "the lock is given to others in between");
    let mut links = Vec::new();
    let first = keys.chain(7, 3_000).unwrap();
    let stopped = keys.walk(first, &mut |link, record| {
        links.push(link);
        record.relative_offset > 2_990
    });
    assert_eq!((stopped, links.len()), (links.last().copied(), 10));
}

/// The promise of the memory index, with one and with two records a key.
#[test]
fn a_key_takes_at_most_64_bytes() {
    let secret = HashSecret::of_bytes([5; 16]);
    for key_count in [100_000_u32, 300_000] {
        let keys = GrowingKeys::new(secret);
        for round in 0..2 {
            for key in 0..key_count {
                let hash = secret.hash(&key.to_be_bytes());
                keys.add(key, &[(hash, round * key_count + key)], true);
            }
            let per_key = keys.size_bytes() as f64 / f64::from(key_count);
            println!("{key_count} keys, {} records each: {per_key:.1} bytes a key", round + 1);
            assert!(per_key <= 64.0, "{per_key} bytes a key");
        }
    }
}
