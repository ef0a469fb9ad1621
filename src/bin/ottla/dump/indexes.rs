//! Offset indexes, time indexes, transaction indexes and producer snapshots, an entry a line as
//! Kafka's own tool prints them.

use std::io::Write;

use ottla::format::FormatError;
use ottla::format::index_entries::{
    ABORTED_TXN_LEN, AbortedTxn, OFFSET_INDEX_ENTRY_LEN, OffsetIndexEntry, TIME_INDEX_ENTRY_LEN,
    TimeIndexEntry,
};
use ottla::format::key_index::KeyIndexLayout;
use ottla::format::producer_snapshot;

use super::log::optional;
use super::source::Source;
use crate::exit::Failure;

/// More than a snapshot of a million producers.
const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;
/// More than the keys of a segment of 1 GiB with records of 30 bytes.
const KEY_INDEX_BYTES_MAX: u64 = 1 << 30;

/// Prints a `.index`.
pub(super) fn offset_index(
    source: &mut Source,
    base_offset: i64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if source.length == 0 {
        writeln!(out, "{} is empty.", source.path)?;
    }
    entries::<OFFSET_INDEX_ENTRY_LEN>(
        source,
        |index, bytes| {
            let entry = OffsetIndexEntry::decode(bytes)?;
            if index > 0 && entry.relative_offset == 0 {
                return Ok(None);
            }
            let offset = base_offset.saturating_add(i64::from(entry.relative_offset));
            Ok(Some(format!("offset: {offset} position: {}", entry.position)))
        },
        out,
    )
}

/// Prints a `.timeindex`.
pub(super) fn time_index(
    source: &mut Source,
    base_offset: i64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    entries::<TIME_INDEX_ENTRY_LEN>(
        source,
        |index, bytes| {
            let entry = TimeIndexEntry::decode(bytes)?;
            if index > 0 && entry.relative_offset == 0 {
                return Ok(None);
            }
            let offset = base_offset.saturating_add(i64::from(entry.relative_offset));
            Ok(Some(format!("timestamp: {} offset: {offset}", entry.timestamp)))
        },
        out,
    )
}

/// Prints a `.txnindex`.
pub(super) fn txn_index(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    entries::<ABORTED_TXN_LEN>(
        source,
        |_, bytes| {
            let txn = AbortedTxn::decode(bytes)?;
            Ok(Some(format!(
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset
            )))
        },
        out,
    )
}

/// Prints a `.keyindex`: keys are known by their hashes only.
pub(super) fn key_index(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = source.read_whole(KEY_INDEX_BYTES_MAX)?;
    let layout = KeyIndexLayout::decode(&bytes).map_err(|error| source.damaged(error, 0))?;
    let log = layout.log;
    writeln!(
        out,
        "baseOffset: {} logBytes: {} logSum: {:08x} keys: {} records: {}",
        log.base_offset, log.log_bytes, log.log_sum, layout.keys, layout.records
    )?;
    for (hash, records) in (0..layout.keys).filter_map(|index| layout.key_at(&bytes, index)) {
        write!(out, "key: {hash:032x}")?;
        for record in records.filter_map(|index| layout.record(&bytes, index)) {
            let offset = log.base_offset.saturating_add(i64::from(record.relative_offset));
            write!(out, " offset: {offset} position: {}", record.position)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Prints a `.snapshot`.
pub(super) fn producer_snapshot(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = source.read_whole(SNAPSHOT_BYTES_MAX)?;
    let producers = producer_snapshot::decode(&bytes).map_err(|error| source.damaged(error, 0))?;
    for producer in producers {
        let open = Some(producer.current_txn_first_offset).filter(|offset| *offset >= 0);
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {} ",
            producer.producer_id,
            producer.producer_epoch,
            producer.coordinator_epoch,
            optional(open),
            producer.timestamp,
        )?;
        // A producer without a batch in its epoch has no last offset.
        if producer.last_offset >= 0 {
            write!(
                out,
                "firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                first_sequence(producer.last_sequence, producer.offset_delta),
                producer.last_sequence,
                producer.last_offset,
                producer.offset_delta,
                producer.timestamp,
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The sequence number `delta` before `last`; they run from 0 to `i32::MAX` and start over.
fn first_sequence(last: i32, delta: i32) -> i32 {
    let first = i64::from(last) - i64::from(delta);
    let wrapped = if first < 0 { first + (1 << 31) } else { first };
    i32::try_from(wrapped).unwrap_or(-1)
}

/// Prints entries of `LEN` bytes until `line` has none for one, where the zeros of an index begin
/// that was not trimmed.
fn entries<const LEN: usize>(
    source: &mut Source,
    line: impl Fn(u64, &[u8]) -> Result<Option<String>, FormatError>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut index = 0;
    let mut entry = [0; LEN];
    while source.left() > 0 {
        let position = source.position();
        let read = source.read(&mut entry)?;
        if read < LEN {
            let error = FormatError::truncated("an entry", read);
            return Err(source.damaged(error, position));
        }
        match line(index, &entry) {
            Ok(Some(line)) => writeln!(out, "{line}")?,
            Ok(None) => break,
            Err(error) => return Err(source.damaged(error, position)),
        }
        index += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(first_sequence(29, 2), 27);
        assert_eq!(first_sequence(0, 0), 0);
        assert_eq!(first_sequence(1, 3), i32::MAX - 1);
    }
}
