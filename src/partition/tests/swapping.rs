//! Readers that hold a segment while compaction puts another one in its place, under the same name.

use std::sync::Arc;

use super::super::Partition;
use super::super::compact::Cleaned;
use super::super::read::{ReadPosition, ReadRequest};
use super::support::{Place, append, batch, read_batches};
use crate::segment::Segment;
use crate::segment::scan::{Scanned, Scanner};

const SETTINGS: &[(&str, &str)] =
    &[("internal.segment.bytes", "700"), ("index.interval.bytes", "100")];

fn filled(place: &Place) -> Arc<Partition> {
    let partition = place.create();
    for index in 0..40 {
        append(&partition, batch(1, 50, index)).unwrap();
    }
    let part = partition.checkpoint_begin().unwrap();
    part.sync().unwrap();
    partition.checkpoint_end(part);
    partition
}

/// All of a swap but the control file.
fn swap(partition: &Partition, cleaned: Cleaned) {
    let generation = partition.begin_round().unwrap();
    let (swap, cleaned_to) = cleaned.into_swap();
    partition.swap_plan(&swap, cleaned_to, generation).unwrap().expect("nothing changed meanwhile");
    partition.name_swap(&swap).unwrap();
    partition.swap_in(swap, cleaned_to);
    partition.finish_swap().unwrap();
}

fn offsets_of(segment: &Segment) -> Vec<i64> {
    let mut scanner = Scanner::new(&segment.log, 0, segment.published());
    let mut found = Vec::new();
    while let Scanned::Entry { entry, .. } = scanner.next().unwrap() {
        found.push(entry.base_offset());
    }
    found
}

#[test]
fn a_segment_that_is_held_stays_readable_to_its_end() {
    let place = Place::new(SETTINGS);
    let partition = filled(&place);
    let held = partition.segments.load_full();
    let before: Vec<_> = held.as_slice().iter().map(|segment| offsets_of(segment)).collect();
    swap(&partition, partition.thin(&|offset| offset % 2 == 0).unwrap());
    let after = read_batches(&partition, 300).unwrap().len();
    assert!(after < 30, "{after}");
    // Two descriptors are kept at most, and all those of the new segments were used since.
    for (segment, before) in held.as_slice().iter().zip(before) {
        assert_eq!(offsets_of(segment), before);
        let indexes = segment.indexes(100).unwrap();
        assert_eq!(indexes.max_timestamp().0, *before.last().unwrap());
    }
    // And once more, over what is compacted already; the first sources are still held.
    swap(&partition, partition.thin(&|offset| offset % 3 == 0).unwrap());
    assert_eq!(offsets_of(&held.as_slice()[0]).len(), held.get(1).unwrap().base_offset as usize);
    drop(held);
    assert!(place.names().iter().all(|name| !name.ends_with(".swap")));
    let logs = place.names().iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!(logs, partition.segments.load().as_slice().len());
}

#[test]
fn a_remembered_position_is_worth_nothing_in_the_new_segment() {
    let place = Place::new(SETTINGS);
    let partition = filled(&place);
    let (mut position, mut buffer) = (ReadPosition::default(), Vec::new());
    let request = ReadRequest { from: 0, end: 40, bytes_max: 400, check: true };
    let first = partition.read(&request, &mut position, &mut buffer).unwrap();
    swap(&partition, partition.thin(&|offset| offset % 2 == 0).unwrap());
    let from = first.next_offset;
    let next = ReadRequest { from, ..request };
    let read = partition.read(&next, &mut position, &mut buffer).unwrap();
    let expected = from + from % 2;
    let entry = crate::batch::entry::Entry::decode_first(&buffer[read.start..]).unwrap();
    assert_eq!(entry.base_offset(), expected);
}

#[test]
fn the_bytes_of_what_was_replaced_are_given_back() {
    let place = Place::new(SETTINGS);
    let partition = filled(&place);
    let before = partition.size_bytes();
    swap(&partition, partition.thin(&|offset| offset % 10 == 0).unwrap());
    assert!(partition.size_bytes() * 3 < before);
    let state = partition.close().unwrap();
    let place = place.again();
    let opened =
        Partition::open_clean(&place.shared, super::support::id(), &place.config, state).unwrap();
    assert!(opened.damage().is_none());
    assert_eq!(opened.cleaned_to(), partition.cleaned_to());
    assert_eq!(read_batches(&opened, 300).unwrap(), read_batches(&partition, 300).unwrap());
    assert!(opened.verify().unwrap().errors.is_empty());
}

#[test]
fn a_log_start_that_moved_meanwhile_takes_no_other_segment_out_of_the_list() {
    let place = Place::new(SETTINGS);
    let partition = filled(&place);
    let generation = partition.begin_round().unwrap();
    let (swap, cleaned_to) = partition.thin(&|offset| offset % 2 == 0).unwrap().into_swap();
    // Durable, but not carried out yet: that failed.
    let second = partition.segments.load().get(1).unwrap().base_offset;
    partition.delete_records(second).unwrap();
    let planned = partition.swap_plan(&swap, cleaned_to, generation).unwrap().unwrap();
    partition.name_swap(&swap).unwrap();
    partition.swap_in(swap, cleaned_to);
    let bases = |state: &crate::format::control_file::PartitionState| -> Vec<i64> {
        state.segments.iter().map(|segment| segment.base_offset).collect()
    };
    assert_eq!(bases(&planned), bases(&partition.state()));
}
