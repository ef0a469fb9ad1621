//! The files of a segment's indexes, whatever lies in them: entries one by one, and searches. A
//! search in a sorted file finds what a walk finds; in any other it ends, with one of its entries.

use ottla::doors::{look_up_aborted, look_up_offset, look_up_time};
use ottla::format::index_entries::{
    ABORTED_TXN_LEN, AbortedTxn, OFFSET_INDEX_ENTRY_LEN, OffsetIndexEntry, TIME_INDEX_ENTRY_LEN,
    TimeIndexEntry,
};

use crate::bytes::Input;
use crate::heap::within;

/// `.index`.
///
/// # Panics
/// If a search finds something else than a walk.
pub fn offset_index(data: &[u8]) {
    let mut input = Input::new(data);
    let sort = input.bool();
    let target = input.u32();
    let mut entries = Vec::new();
    for chunk in input.rest().chunks(OFFSET_INDEX_ENTRY_LEN) {
        if let Ok(entry) = OffsetIndexEntry::decode(chunk) {
            assert_eq!(entry.encode(), chunk);
            entries.push(entry);
        }
    }
    let mut bytes = input.rest().to_vec();
    if sort {
        entries.sort_by_key(|entry| (entry.relative_offset, entry.position));
        bytes = entries.iter().flat_map(|entry| entry.encode()).collect();
    }
    let targets = entries.iter().take(8).map(|entry| entry.relative_offset).chain([target]);
    for target in targets {
        let budget = 4 * bytes.len() + 1024;
        let (floor, next) = within(budget, || look_up_offset(&bytes, target));
        if sort {
            let count = entries.partition_point(|entry| entry.relative_offset <= target);
            assert_eq!(floor, count.checked_sub(1).map(|index| entries[index]));
            assert_eq!(next, entries.get(count).copied());
        } else {
            assert!([floor, next].into_iter().flatten().all(|entry| entries.contains(&entry)));
        }
    }
}

/// `.timeindex`.
///
/// # Panics
/// As [`offset_index`].
pub fn time_index(data: &[u8]) {
    let mut input = Input::new(data);
    let sort = input.bool();
    let target = input.u64().cast_signed();
    let mut entries = Vec::new();
    for chunk in input.rest().chunks(TIME_INDEX_ENTRY_LEN) {
        if let Ok(entry) = TimeIndexEntry::decode(chunk) {
            assert_eq!(entry.encode(), chunk);
            entries.push(entry);
        }
    }
    let mut bytes = input.rest().to_vec();
    if sort {
        entries.sort_by_key(|entry| (entry.timestamp, entry.relative_offset));
        bytes = entries.iter().flat_map(|entry| entry.encode()).collect();
    }
    let targets = entries.iter().take(8).map(|entry| entry.timestamp).chain([target, i64::MAX]);
    for target in targets {
        let found = within(4 * bytes.len() + 1024, || look_up_time(&bytes, target));
        if sort {
            let count = entries.partition_point(|entry| entry.timestamp <= target);
            assert_eq!(found, count.checked_sub(1).map(|index| entries[index]));
        } else {
            assert!(found.is_none_or(|entry| entries.contains(&entry)));
        }
    }
}

/// `.txnindex`.
///
/// # Panics
/// If a search leaves a transaction out that a walk finds below the stable offset that ends it, or
/// the file is written otherwise.
pub fn txn_index(data: &[u8]) {
    let mut input = Input::new(data);
    let (from, length) = (input.u64().cast_signed(), input.u32());
    let end = from.saturating_add(i64::from(length));
    let bytes = input.rest();
    let decoded: Result<Vec<_>, _> =
        bytes.chunks(ABORTED_TXN_LEN).map(AbortedTxn::decode).collect();
    let looked = within(6 * bytes.len() + 4096, || look_up_aborted(bytes, from, end));
    let Ok((found, written)) = looked else {
        let in_order =
            |all: &Vec<AbortedTxn>| all.is_sorted_by(|a, b| a.last_offset < b.last_offset);
        assert!(!decoded.is_ok_and(|all| in_order(&all)), "a file in order is refused");
        return;
    };
    let decoded = decoded.expect("what the whole takes, its parts take");
    assert_eq!(written, bytes);
    // Once a marker's stable offset is at the end, no later marker can touch what lies before.
    let count = decoded.iter().position(|entry| entry.last_stable_offset >= end);
    let known = &decoded[..count.map_or(decoded.len(), |last| last + 1)];
    let touching =
        known.iter().filter(|entry| entry.last_offset >= from && entry.first_offset < end);
    assert!(found.iter().eq(touching), "other transactions");
}
