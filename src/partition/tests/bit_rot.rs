//! Every bit of a closed partition is flipped, one at a time. A flipped bit of a log is an error
//! where it is read, or in the worst case in `verify`; never other data. A flipped bit of anything
//! else changes nothing that is read.

use super::super::Partition;
use super::super::read::{ReadPosition, ReadRequest};
use super::support::{Place, append, batch, id, read_batches};
use crate::error::ErrorKind;
use crate::format::control_file::PartitionState;

const SETTINGS: &[(&str, &str)] =
    &[("internal.segment.bytes", "400"), ("index.interval.bytes", "100")];

fn prepare() -> (Place, PartitionState, Vec<Vec<u8>>) {
    let place = Place::new(SETTINGS);
    let partition = place.create();
    for index in 0..9 {
        append(&partition, batch(1 + index % 2, 10, 1_000 + index as i64)).unwrap();
    }
    let batches = read_batches(&partition, 1 << 20).unwrap();
    let state = partition.close().unwrap();
    (place, state, batches)
}

/// Reads each batch on its own, as a reader would that goes on behind damage.
fn read_each(partition: &Partition, batches: &[Vec<u8>]) -> (usize, Vec<ErrorKind>) {
    let (mut same, mut errors, mut buffer) = (0, Vec::new(), Vec::new());
    let end = partition.end_offset();
    let mut from = 0;
    for expected in batches {
        let entry = crate::batch::entry::Entry::decode(expected).unwrap();
        assert_eq!(entry.base_offset(), from);
        let request = ReadRequest { from, end, bytes_max: 1, check: true };
        match partition.read(&request, &mut ReadPosition::default(), &mut buffer) {
            Ok(outcome) => {
                let found = &buffer[outcome.start..outcome.start + outcome.bytes];
                // The leader epoch is under no checksum of the batch; `verify` sees it.
                let is_same = found.len() == expected.len()
                    && found[..12] == expected[..12]
                    && found[16..] == expected[16..];
                assert!(is_same, "other data at {from}");
                same += usize::from(found == expected);
            }
            Err(error) => errors.push(error.kind()),
        }
        from = entry.last_offset() + 1;
    }
    (same, errors)
}

#[test]
fn no_flipped_bit_of_a_log_goes_unnoticed() {
    let (place, state, batches) = prepare();
    let logs: Vec<_> = place.names().into_iter().filter(|name| name.ends_with(".log")).collect();
    assert!(logs.len() > 2);
    for name in logs {
        let whole = place.file(&name);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            place.put(&name, &bytes);
            let partition =
                Partition::open_clean(&place.shared, id(), &place.config, state.clone()).unwrap();
            let (same, errors) = read_each(&partition, &batches);
            let is_kind =
                |kind: &ErrorKind| matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported);
            assert!(errors.iter().all(is_kind), "{name} bit {bit}: {errors:?}");
            assert!(same >= batches.len() - 5, "{name} bit {bit}: only {same} are readable");
            let verified = partition.verify().unwrap();
            assert!(!verified.errors.is_empty(), "{name} bit {bit}: unnoticed");
        }
        place.put(&name, &whole);
    }
}

#[test]
fn a_flipped_bit_of_anything_derived_changes_nothing() {
    let (place, state, batches) = prepare();
    for name in place.names().into_iter().filter(|name| !name.ends_with(".log")) {
        let whole = place.file(&name);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            place.put(&name, &bytes);
            let partition =
                Partition::open_clean(&place.shared, id(), &place.config, state.clone()).unwrap();
            let (same, errors) = read_each(&partition, &batches);
            assert_eq!((same, errors.len()), (batches.len(), 0), "{name} bit {bit}");
            let end = partition.end_offset();
            let found = partition.offset_for_timestamp(1_004, end).unwrap();
            assert_eq!(found, Some((6, 1_004)), "{name} bit {bit}");
            assert_eq!(partition.last_stable_offset().unwrap(), end);
        }
        place.put(&name, &whole);
    }
}
