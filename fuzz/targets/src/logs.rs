//! A whole log: the walk of recovery over arbitrary bytes, and the indexes that are made of it.
//!
//! The input is cut into pieces that become batches, each damaged or made right as the input says.
//! A naive walk over the same bytes must come to the same batches and the same end, and a naive
//! reading of Kafka's rule to the same index entries.

use std::cell::RefCell;

use ottla::batch::entry::Entry;
use ottla::doors::{ScanEnd, ScannedBatch, ScannedLog};
use ottla::format::batch_header::{BATCH_HEADER_LEN, MAGIC_AT};

use crate::batches::reseal;
use crate::bytes::Input;
use crate::heap::within;

const BASE_OFFSET: i64 = 100;

thread_local! {
    static LOG: RefCell<Option<ScannedLog>> = const { RefCell::new(None) };
}

/// Makes a log of the input.
fn log_of(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    let mut log = Vec::new();
    let mut next = BASE_OFFSET;
    while !input.is_empty() && log.len() < 1 << 16 {
        match input.u8() % 8 {
            // As it is.
            0 => log.extend_from_slice(input.piece()),
            // Zeros, as a disk leaves them.
            1 => log.resize(log.len() + 16 * usize::from(input.u8()), 0),
            kind => {
                let count = i32::from(input.u8() % 4);
                let mut batch = vec![0; BATCH_HEADER_LEN];
                batch[MAGIC_AT] = 2;
                batch[..8].copy_from_slice(&next.to_be_bytes());
                batch[23..27].copy_from_slice(&count.to_be_bytes());
                batch[35..43].copy_from_slice(&i64::from(input.u16()).to_be_bytes());
                batch[43..51].copy_from_slice(&[0xff; 8]);
                batch.extend_from_slice(input.piece());
                reseal(&mut batch);
                if kind == 2 {
                    // A damaged one.
                    let at = input.below(batch.len());
                    batch[at] ^= input.u8();
                } else if kind == 3 {
                    batch.truncate(input.below(batch.len()));
                }
                next += i64::from(count) + 1;
                log.extend_from_slice(&batch);
            }
        }
    }
    log
}

/// The walk, twice, and the rebuilding.
///
/// # Panics
/// If a naive walk comes to something else.
pub fn scan(data: &[u8]) {
    let bytes = log_of(data);
    LOG.with_borrow_mut(|kept| {
        let mut log = match kept.take() {
            Some(log) => log,
            None => ScannedLog::new(BASE_OFFSET).expect("a folder in memory"),
        };
        within(16 * bytes.len() + (1 << 18), || look(&mut log, &bytes));
        *kept = Some(log);
    });
}

fn look(log: &mut ScannedLog, bytes: &[u8]) {
    log.fill(bytes).expect("a file in memory");
    let (found, end) = log.scan().expect("memory can be read");
    let mut at = 0;
    let mut expected = Vec::new();
    let stop = loop {
        if at == bytes.len() {
            break ScanEnd::End;
        }
        let checked = Entry::decode_first(&bytes[at..])
            .and_then(|entry| entry.verify_checksum().map(|()| entry));
        match checked {
            Ok(entry) => {
                let length = entry.bytes().len();
                let (base_offset, last_offset) = (entry.base_offset(), entry.last_offset());
                expected.push(ScannedBatch {
                    position: at as u64,
                    length,
                    base_offset,
                    last_offset,
                });
                at += length;
            }
            Err(error) => break ScanEnd::Bad(at as u64, error),
        }
    };
    assert_eq!(found, expected, "other batches");
    match (&end, &stop) {
        (ScanEnd::End, ScanEnd::End) => {}
        (ScanEnd::Bad(found, _), ScanEnd::Bad(expected, _)) => assert_eq!(found, expected),
        _ => panic!("it ends with {end:?}, not with {stop:?}"),
    }
    for interval in [0, 150] {
        let rebuilt = log.rebuild(BASE_OFFSET, interval).expect("memory can be read");
        assert_eq!(rebuilt.end, at as u64);
        let [index, time_index] = naive_indexes(bytes, &expected, interval);
        assert_eq!(rebuilt.indexes[0], index, "another .index");
        assert_eq!(rebuilt.indexes[1], time_index, "another .timeindex");
        assert!(rebuilt.indexes[2].is_empty(), "an aborted transaction of nobody");
    }
}

/// Kafka's rule: an entry for a batch that begins more than `interval` bytes behind the last one;
/// the time index gets one with it, and one at the end, if the time has grown.
fn naive_indexes(bytes: &[u8], batches: &[ScannedBatch], interval: u64) -> [Vec<u8>; 2] {
    let (mut index, mut time_index) = (Vec::new(), Vec::new());
    let (mut since, mut greatest, mut greatest_at, mut told) = (0, -1, -1, -1);
    let mut tell = |greatest: i64, at: i64, told: &mut i64| {
        if greatest > *told
            && let Ok(at) = i32::try_from(i128::from(at) - i128::from(BASE_OFFSET))
            && at >= 0
        {
            time_index.extend_from_slice(&greatest.to_be_bytes());
            time_index.extend_from_slice(&at.to_be_bytes());
            *told = greatest;
        }
    };
    for ScannedBatch { position, length, last_offset: last, .. } in batches {
        let entry = Entry::decode_first(&bytes[*position as usize..]).expect("walked over");
        if entry.max_timestamp() > greatest {
            greatest = entry.max_timestamp();
            greatest_at = *last;
        }
        if since > interval {
            let relative = i32::try_from(i128::from(*last) - i128::from(BASE_OFFSET)).ok();
            if let Some(relative) = relative.filter(|relative| *relative >= 0) {
                index.extend_from_slice(&relative.to_be_bytes());
                index.extend_from_slice(&(*position as u32).to_be_bytes());
                since = 0;
            }
            tell(greatest, greatest_at, &mut told);
        }
        since += *length as u64;
    }
    tell(greatest, greatest_at, &mut told);
    [index, time_index]
}
