//! Who rewrites a log must not make damage look right: a round over a damaged source is an error
//! that names the place, and leaves nothing behind.

use super::super::Partition;
use super::super::compact::{LOG_BYTES_MAX, Round};
use super::support::{Place, append, id};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::error::{Error, ErrorKind};
use crate::format::control_file::PartitionState;

const LOG: &str = "00000000000000000000.log";

fn keyed(key: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    builder.push(1, Some(key.as_bytes()), Some(&[7; 100]), &[]).unwrap();
    builder.take().unwrap()
}

/// Two sealed segments in which one key is written again and again.
fn written() -> (Place, PartitionState) {
    let place = Place::new(&[("cleanup.policy", "compact")]);
    let partition = place.create();
    for index in 0..20 {
        append(&partition, keyed(["a", "b"][index % 2])).unwrap();
        if index == 9 || index == 18 {
            partition.lock().roll().unwrap();
        }
    }
    let state = partition.close().unwrap();
    (place, state)
}

fn round() -> Round {
    Round { first_dirty: 0, upper: 19, now_ms: 1, map_bytes: 1 << 16, log_bytes_max: LOG_BYTES_MAX }
}

fn clean(place: &Place, state: PartitionState) -> Result<(), Error> {
    let place = place.again();
    let partition = Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    let cleaned = partition.clean(&round(), &mut |_| Ok(()));
    let left = place.names().into_iter().filter(|name| name.ends_with(".cleaned")).count();
    assert_eq!(left > 0, cleaned.is_ok(), "only a round that succeeds leaves files");
    cleaned.map(|_| ())
}

#[test]
fn no_changed_byte_of_a_source_is_carried_over() {
    let (place, state) = written();
    let bytes = place.file(LOG);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        place.put(LOG, &changed);
        let error = clean(&place, state.clone()).unwrap_err();
        let known = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
        assert!(known, "byte {at}: {error}");
        assert!(error.to_string().contains(LOG), "byte {at}: {error}");
    }
    place.put(LOG, &bytes);
    clean(&place, state).unwrap();
}

#[test]
fn a_round_that_is_stopped_leaves_nothing_behind() {
    let (place, state) = written();
    let partition = Partition::open_clean(&place.shared, id(), &place.config, state).unwrap();
    let mut calls = 0;
    loop {
        let mut left = calls;
        let cleaned = partition.clean(&round(), &mut |_| match left {
            0 => Err(Error::new(ErrorKind::Closed, "stopped")),
            _ => {
                left -= 1;
                Ok(())
            }
        });
        let files = place.names().into_iter().filter(|name| name.ends_with(".cleaned")).count();
        if let Err(error) = cleaned {
            assert_eq!((error.kind(), files), (ErrorKind::Closed, 0), "call {calls}");
            calls += 1;
        } else {
            assert!(files > 0 && calls > 2, "{calls} calls");
            return;
        }
    }
}
