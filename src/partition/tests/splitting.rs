//! A segment whose offsets lie too far apart for one index, as old brokers left them: compaction
//! makes two of it.

use super::super::Partition;
use super::super::compact::{LOG_BYTES_MAX, Round};
use super::support::{Place, append, id};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::entry::Entry;
use crate::format::checksum::crc32c_append;
use crate::format::control_file::SegmentState;
use crate::format::file_names::Suffix;
use crate::segment::tally::SUMMED_BYTES;

const FAR: i64 = 1 << 31;

fn keyed(key: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    builder.push(1, Some(key.as_bytes()), Some(b"value"), &[]).unwrap();
    builder.take().unwrap()
}

/// Sets the base offsets of the batches of a log; they are under no checksum.
fn renumber(place: &Place, state: &mut SegmentState, base_offset: i64, offsets: &[i64]) {
    let mut bytes = place.file(&Suffix::Log.file(state.base_offset));
    let (mut at, mut sum) = (0, 0);
    for offset in offsets {
        bytes[at..at + 8].copy_from_slice(&offset.to_be_bytes());
        sum = crc32c_append(sum, &bytes[at..at + SUMMED_BYTES]);
        at += Entry::decode_first(&bytes[at..]).unwrap().bytes().len();
    }
    assert_eq!(at, bytes.len());
    state.base_offset = base_offset;
    state.next_offset = offsets.last().unwrap() + 1;
    state.log_sum = sum;
    state.max_timestamp_offset = base_offset;
    place.put(&Suffix::Log.file(base_offset), &bytes);
}

#[test]
fn what_lies_before_the_split_of_a_segment_stays() {
    let place = Place::new(&[("cleanup.policy", "compact")]);
    let partition = place.create();
    append(&partition, keyed("a")).unwrap();
    append(&partition, keyed("b")).unwrap();
    partition.lock().roll().unwrap();
    append(&partition, keyed("c")).unwrap();
    let mut state = partition.close().unwrap();
    drop(partition);
    renumber(&place, &mut state.segments[0], 0, &[0, FAR]);
    renumber(&place, &mut state.segments[1], FAR + 1, &[FAR + 1]);
    state.recovery_point = FAR + 2;
    let place = place.again();
    let partition = Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    let round = Round {
        first_dirty: 0,
        upper: FAR + 1,
        now_ms: 1,
        map_bytes: 1 << 20,
        log_bytes_max: LOG_BYTES_MAX,
    };
    let cleaned = partition.clean(&round, &mut |_| Ok(())).unwrap();
    let bases: Vec<_> = cleaned.segments.iter().map(|segment| segment.state.base_offset).collect();
    assert_eq!(bases, [0, FAR]);
    assert_eq!((cleaned.stats.records_before, cleaned.stats.records_after), (2, 2));
    assert!(cleaned.segments.iter().all(|segment| segment.state.log_bytes > 0));
}
