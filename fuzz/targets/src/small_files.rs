//! Files that are read whole: producer snapshots, the control file, Kafka's text files, the marker
//! of a clean end. What decodes must be written so that it decodes to the same, in a fixed form.

use std::fmt::Debug;

use ottla::format::checksum::crc32c;
use ottla::format::clean_shutdown::CleanShutdown;
use ottla::format::control_file::ControlFile;
use ottla::format::json::Json;
use ottla::format::meta_properties::MetaProperties;
use ottla::format::quorum_state::QuorumState;
use ottla::format::{
    FormatError, checkpoint, leader_epochs, partition_metadata, producer_snapshot,
};

use crate::bytes::Input;
use crate::heap::within;

/// Decodes, encodes, decodes: the second value is the first one, and so is its second writing.
pub(crate) fn fixpoint<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<(T, Vec<u8>)> {
    let value = decode(bytes).ok()?;
    let written = encode(&value);
    let again = decode(&written).unwrap_or_else(|e| panic!("{value:?} is written unreadably: {e}"));
    assert_eq!(again, value, "it is read back otherwise");
    assert_eq!(encode(&again), written, "it is written otherwise the second time");
    Some((value, written))
}

/// Puts the CRC-32C of what follows `from` at `at`.
pub(crate) fn put_sum(bytes: &mut [u8], at: usize, from: usize) {
    if bytes.len() >= from {
        let sum = crc32c(&bytes[from..]).to_be_bytes();
        bytes[at..at + 4].copy_from_slice(&sum);
    }
}

/// `%020d.snapshot`.
///
/// # Panics
/// If what was read is not written byte for byte.
pub fn producer_snapshot(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 {
        put_sum(&mut bytes, 2, 6);
    }
    within(6 * bytes.len() + 4096, || {
        let encode = |entries: &Vec<_>| producer_snapshot::encode(entries).expect("few entries");
        if let Some((_, written)) = fixpoint(&bytes, producer_snapshot::decode, encode) {
            assert_eq!(written, bytes);
        }
    });
}

/// `ottla.control`.
///
/// # Panics
/// If what was read in the newest version is not written byte for byte.
pub fn control_file(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 {
        put_sum(&mut bytes, 12, 16);
    }
    within(12 * bytes.len() + 4096, || {
        if let Some((_, written)) = fixpoint(&bytes, ControlFile::decode, ControlFile::encode) {
            let is_newest = bytes[8..12] == written[8..12];
            assert!(!is_newest || written == bytes, "it is written otherwise");
        }
    });
}

/// Text: checkpoints, leader epochs, `partition.metadata`, `meta.properties`, `quorum-state`, the
/// marker of a clean end, JSON.
///
/// # Panics
/// If what was read is written unreadably.
pub fn text_files(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8() % 7;
    let bytes = input.rest();
    // JSON of one byte a value is the most expensive.
    within(160 * bytes.len() + 8192, || match kind {
        0 => drop(fixpoint(bytes, checkpoint::decode, |entries| checkpoint::encode(entries))),
        1 => {
            if let Some((epochs, _)) =
                fixpoint(bytes, leader_epochs::decode, |epochs| leader_epochs::encode(epochs))
            {
                assert!(
                    epochs
                        .is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset)
                );
            }
        }
        2 => {
            drop(fixpoint(bytes, partition_metadata::decode, |id| partition_metadata::encode(*id)));
        }
        3 => drop(fixpoint(bytes, MetaProperties::decode, MetaProperties::encode)),
        4 => drop(fixpoint(bytes, QuorumState::decode, QuorumState::encode)),
        5 => {
            let decode = |bytes: &[u8]| Ok(CleanShutdown::decode(bytes));
            drop(fixpoint(bytes, decode, CleanShutdown::encode));
        }
        _ => {
            if let Ok(json) = Json::parse(bytes) {
                walk(&json, 0);
            }
        }
    });
}

/// JSON is of bounded depth.
fn walk(json: &Json, depth: usize) {
    assert!(depth < 64, "JSON nests without a bound");
    match json {
        Json::Array(values) => values.iter().for_each(|value| walk(value, depth + 1)),
        Json::Object(fields) => fields.iter().for_each(|(_, value)| walk(value, depth + 1)),
        _ => {}
    }
}
