//! `.keyindex`: files that are written and then edited, with their sum made right again. Whatever
//! lies in one that decodes, searches end within it; in an unedited one they find each key.

use std::collections::BTreeMap;

use ottla::format::key_hash::HashSecret;
use ottla::format::key_index::{IndexedLog, KeyIndexLayout, KeyIndexWriter, KeyedRecord};

use crate::bytes::Input;
use crate::heap::within;
use crate::small_files::put_sum;

const LOG: IndexedLog = IndexedLog { base_offset: 7, log_bytes: 1 << 20, log_sum: 3 };

/// Bytes as they are, or a file of a few keys that is edited.
///
/// # Panics
/// If a search leaves the file, or does not find what is there.
pub fn key_index(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    if mode & 2 == 0 {
        let mut bytes = input.rest().to_vec();
        if mode & 1 == 1 {
            put_sum(&mut bytes, 12, 16);
        }
        let budget = 2 * bytes.len() + 4096;
        within(budget, || search(&bytes, &[0, u128::MAX, u128::from(input.u64()) << 64]));
        return;
    }
    let secret = HashSecret::of_bytes([mode; 16]);
    let mut keys: BTreeMap<u128, Vec<KeyedRecord>> = BTreeMap::new();
    for number in 0..input.below(40) as u32 {
        // Few different ones, so that buckets fill.
        let hash = u128::from(input.u8()) << 120 | u128::from(input.u8() & 3);
        let record = KeyedRecord { relative_offset: number, position: number * 61 };
        keys.entry(hash).or_default().push(record);
    }
    let records: usize = keys.values().map(Vec::len).sum();
    let mut writer = KeyIndexWriter::new(&LOG, secret, keys.len() as u32, records as u32);
    for (hash, records) in &keys {
        writer.push_key(*hash);
        records.iter().for_each(|record| writer.push_record(*record));
    }
    let mut bytes = writer.finish();
    found_as_written(&bytes, &keys);
    while !input.is_empty() {
        let at = 16 + input.below(bytes.len() - 16);
        bytes[at] ^= input.u8();
    }
    put_sum(&mut bytes, 12, 16);
    let hashes: Vec<u128> = keys.keys().copied().collect();
    within(2 * bytes.len() + 4096, || search(&bytes, &hashes));
}

fn found_as_written(bytes: &[u8], keys: &BTreeMap<u128, Vec<KeyedRecord>>) {
    let layout = KeyIndexLayout::decode(bytes).expect("a file that was just written");
    assert_eq!((layout.log, layout.keys as usize), (LOG, keys.len()));
    for (hash, records) in keys {
        let found = layout.find(bytes, *hash).map(|index| layout.record(bytes, index));
        assert!(found.eq(records.iter().map(|record| Some(*record))), "another list of records");
        assert_eq!(layout.find(bytes, hash ^ 0x80).len(), 0);
    }
}

fn search(bytes: &[u8], hashes: &[u128]) {
    let Ok(layout) = KeyIndexLayout::decode(bytes) else { return };
    assert_eq!(layout.length, bytes.len());
    for hash in hashes {
        let found = layout.find(bytes, *hash);
        assert!(found.end <= layout.records, "records that are not there");
        for index in found.take(64) {
            assert!(layout.record(bytes, index).is_some());
        }
    }
    for index in 0..layout.keys.min(64) {
        let (_, records) = layout.key_at(bytes, index).expect("a key that is there");
        assert!(records.end <= layout.records);
    }
    assert_eq!(layout.key_at(bytes, layout.keys), None);
    assert_eq!(layout.record(bytes, layout.records), None);
}
