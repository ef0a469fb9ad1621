//! Appending, reading, rolling, looking up, retaining: one verb per test, on a directory in
//! memory.

use super::super::Partition;
use super::super::hold::Hold;
use super::super::read::{ReadPosition, ReadRequest};
use super::support::{Place, append, batch, id, offsets, read_batches};
use crate::error::ErrorKind;

const SMALL: &[(&str, &str)] =
    &[("internal.segment.bytes", "2000"), ("index.interval.bytes", "300")];

#[test]
fn what_was_appended_is_read_back_whatever_the_budget() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..40 {
        let base_offset = append(&partition, batch(3, 20 + index, 1_000 + index as i64)).unwrap();
        assert_eq!(base_offset, 3 * index as i64);
    }
    assert_eq!(partition.end_offset(), 120);
    assert!(place.names().iter().filter(|name| name.ends_with(".log")).count() > 3);
    for bytes_max in [1, 100, 500, 100_000] {
        let batches = read_batches(&partition, bytes_max).unwrap();
        assert_eq!(offsets(&batches), (0..120).collect::<Vec<_>>(), "{bytes_max}");
    }
}

#[test]
fn every_offset_is_found_without_a_remembered_position() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..60 {
        append(&partition, batch(2, 10 + 7 * (index % 5), 1_000)).unwrap();
    }
    let mut buffer = Vec::new();
    for from in 0..120 {
        let request = ReadRequest { from, end: 120, bytes_max: 1, check: true };
        let outcome = partition.read(&request, &mut ReadPosition::default(), &mut buffer).unwrap();
        assert_eq!(outcome.next_offset, from / 2 * 2 + 2);
        let bytes = buffer[outcome.start..outcome.start + outcome.bytes].to_vec();
        assert_eq!(offsets(&[bytes]), [from / 2 * 2, from / 2 * 2 + 1]);
    }
    let request = ReadRequest { from: 121, end: 200, bytes_max: 1, check: true };
    let error = partition.read(&request, &mut ReadPosition::default(), &mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
}

#[test]
fn a_batch_larger_than_the_budget_is_returned_whole() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(1, 10, 0)).unwrap();
    append(&partition, batch(1, 500_000, 0)).unwrap();
    append(&partition, batch(1, 10, 0)).unwrap();
    let batches = read_batches(&partition, 100).unwrap();
    assert!(batches[1].len() > 500_000);
    assert_eq!(offsets(&batches), [0, 1, 2]);
}

#[test]
fn nothing_staged_is_visible_and_it_can_be_taken_back() {
    let place = Place::new(SMALL);
    let partition = place.create();
    append(&partition, batch(1, 100, 5)).unwrap();
    let (mut first, mut second) = (batch(2, 100, 9), batch(3, 100, 9));
    let mut writer = partition.lock();
    let staged = writer.stage(&mut first).unwrap();
    let other = writer.stage(&mut second).unwrap();
    let (first_place, other_place) = (staged.appended(), other.appended());
    assert_eq!((first_place.base_offset, first_place.last_offset), (1, 2));
    assert_eq!((other_place.base_offset, other_place.last_offset), (3, 5));
    assert_eq!(partition.end_offset(), 1);
    writer.unstage(other);
    writer.unstage(staged);
    let staged = writer.stage(&mut second).unwrap();
    assert_eq!((staged.appended().base_offset, staged.appended().last_offset), (1, 3));
    writer.apply(&staged, &second).unwrap();
    assert_eq!(partition.end_offset(), 1);
    writer.publish();
    drop(writer);
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), [0, 1, 2, 3]);
    let segments = partition.segments.load();
    let expected = segments.last().unwrap().published();
    let state = partition.close().unwrap();
    assert_eq!(state.segments.last().unwrap().log_bytes, expected);
    assert_eq!(place.file("00000000000000000000.log").len() as u64, expected);
}

#[test]
fn a_tail_is_unsynced_also_after_a_commit_that_was_taken_back() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(1, 10, 0)).unwrap();
    let mut writer = partition.lock();
    assert!(writer.has_unsynced_tail());
    let staged = writer.stage(&mut batch(5, 10, 0)).unwrap();
    writer.sync_tail().unwrap();
    writer.unstage(staged);
    assert!(!writer.has_unsynced_tail());
    writer.append_written(&mut batch(1, 10, 0)).unwrap();
    assert!(writer.has_unsynced_tail(), "its bytes lie behind what was synced");
}

#[test]
fn too_large_a_batch_is_refused_and_nothing_changes() {
    let place = Place::new(&[("max.message.bytes", "1000")]);
    let partition = place.create();
    let error = append(&partition, batch(1, 1_000, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("orders-0"), "{error}");
    assert_eq!(append(&partition, batch(1, 900, 0)).unwrap(), 0);
}

#[test]
fn time_rolls_a_segment_by_what_its_records_say() {
    let place = Place::new(&[("segment.ms", "1000")]);
    let partition = place.create();
    for timestamp in [5_000, 6_000, 6_001, 6_002, 5_500] {
        append(&partition, batch(1, 10, timestamp)).unwrap();
    }
    let names = place.names();
    let logs: Vec<_> = names.iter().filter(|name| name.ends_with(".log")).collect();
    assert_eq!(logs, ["00000000000000000000.log", "00000000000000000002.log"]);
    // The snapshot at the new base and the closed time index are there.
    assert_eq!(place.file("00000000000000000002.snapshot").len(), 10);
    assert_eq!(place.file("00000000000000000000.timeindex").len(), 12);
}

#[test]
fn timestamps_lead_to_offsets() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..50 {
        append(&partition, batch(2, 50, 1_000 + 10 * index)).unwrap();
    }
    let end = partition.end_offset();
    for (timestamp, expected) in [
        (0, Some((0, 1_000))),
        (1_000, Some((0, 1_000))),
        (1_001, Some((2, 1_010))),
        (1_255, Some((52, 1_260))),
        (1_490, Some((98, 1_490))),
        (1_491, None),
    ] {
        assert_eq!(partition.offset_for_timestamp(timestamp, end).unwrap(), expected);
    }
    assert_eq!(partition.offset_for_timestamp(1_490, 98).unwrap(), None);
    assert_eq!(partition.offset_of_max_timestamp(end).unwrap(), Some((98, 1_490)));
}

#[test]
fn a_clean_close_opens_again_and_goes_on() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..30 {
        append(&partition, batch(1, 100, index)).unwrap();
    }
    let state = partition.close().unwrap();
    drop(partition);
    let place = place.again();
    let open = |state| Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    let partition = open(state.clone());
    assert!(partition.damage().is_none());
    assert_eq!(offsets(&read_batches(&partition, 300).unwrap()), (0..30).collect::<Vec<_>>());
    assert_eq!(partition.close().unwrap(), state, "nothing was touched");
    assert_eq!(append(&partition, batch(1, 100, 40)).unwrap(), 30);
    let state = partition.close().unwrap();
    let partition = open(state);
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), (0..31).collect::<Vec<_>>());
    assert_eq!(partition.verify().unwrap().errors.len(), 0);
}

#[test]
fn retention_takes_whole_segments_in_two_steps() {
    let place = Place::new(&[
        ("internal.segment.bytes", "1000"),
        ("retention.ms", "1000"),
        ("retention.bytes", "-1"),
    ]);
    let partition = place.create();
    for index in 0..20 {
        append(&partition, batch(1, 200, 100 * index)).unwrap();
    }
    let bases: Vec<_> =
        partition.segments.load().as_slice().iter().map(|segment| segment.base_offset).collect();
    assert!(partition.retention_plan(1_000, &Hold::NONE).unwrap().is_none());
    let plan = partition.retention_plan(2_000, &Hold::NONE).unwrap().unwrap().state;
    assert_eq!(partition.log_start_offset(), 0, "a plan changes nothing");
    assert!(bases.contains(&plan.log_start_offset) && plan.log_start_offset > 0);
    let deleted = partition.delete_below(plan.log_start_offset).unwrap();
    assert_eq!(partition.log_start_offset(), plan.log_start_offset);
    assert_eq!(deleted.segments, bases.iter().filter(|&&b| b < plan.log_start_offset).count());
    assert!(!place.names().contains(&"00000000000000000000.log".to_owned()));
    assert_eq!(partition.state().segments, plan.segments);
    // All of it: a new segment takes over.
    let plan = partition.retention_plan(1_000_000, &Hold::NONE).unwrap().unwrap().state;
    assert_eq!(plan.log_start_offset, 20);
    partition.delete_below(20).unwrap();
    assert_eq!(append(&partition, batch(1, 10, 5_000)).unwrap(), 20);
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), [20]);
}

#[test]
fn deleting_records_moves_the_start_into_a_batch() {
    let place = Place::new(&[]);
    let partition = place.create();
    append(&partition, batch(5, 10, 0)).unwrap();
    append(&partition, batch(5, 10, 0)).unwrap();
    assert!(partition.delete_records(11).is_err());
    let state = partition.delete_records(7).unwrap();
    partition.delete_below(state.log_start_offset).unwrap();
    assert_eq!(partition.log_start_offset(), 7);
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), [5, 6, 7, 8, 9]);
    let state = partition.delete_records(-1).unwrap();
    assert_eq!(state.log_start_offset, 10);
    partition.delete_below(10).unwrap();
    assert_eq!(partition.size_bytes(), 0);
}

#[test]
fn cutting_goes_by_whole_batches_and_appending_goes_on() {
    let place = Place::new(SMALL);
    let partition = place.create();
    for index in 0..40 {
        append(&partition, batch(2, 100, index)).unwrap();
    }
    partition.truncate_to(31).unwrap();
    assert_eq!(partition.end_offset(), 31);
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), (0..30).collect::<Vec<_>>());
    assert_eq!(append(&partition, batch(2, 100, 99)).unwrap(), 31);
    let expected: Vec<_> = (0..30).chain(31..33).collect();
    assert_eq!(offsets(&read_batches(&partition, 500).unwrap()), expected);
    assert_eq!(partition.verify().unwrap().errors.len(), 0);
}

#[test]
fn a_very_large_batch_is_proved_before_memory_is_taken_for_it() {
    let place = Place::new(&[("max.message.bytes", "40000000")]);
    let partition = place.create();
    append(&partition, batch(1, 10, 0)).unwrap();
    append(&partition, batch(1, 17 << 20, 0)).unwrap();
    append(&partition, batch(1, 10, 0)).unwrap();
    assert_eq!(offsets(&read_batches(&partition, 1).unwrap()), [0, 1, 2]);
    assert!(partition.verify().unwrap().errors.is_empty());
    let state = partition.close().unwrap();
    let name = "00000000000000000000.log";
    let mut bytes = place.file(name);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.put(name, &bytes);
    let partition = Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    let (mut position, mut buffer) = (ReadPosition::default(), Vec::new());
    let request = ReadRequest { from: 1, end: 3, bytes_max: 1, check: true };
    let error = partition.read(&request, &mut position, &mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(buffer.len() < 1 << 20, "{} bytes were taken for a damaged batch", buffer.len());
    let request = ReadRequest { from: 2, ..request };
    assert!(partition.read(&request, &mut position, &mut buffer).unwrap().bytes > 0);
    assert_eq!(partition.verify().unwrap().errors.len(), 1);
}
