//! Journal files: a line per frame, then a line per batch in it.
//!
//! A journal file is recycled, so behind its last frame there may be zeros or frames of an earlier
//! session. The dump ends where a replay would: at the first frame that does not follow. The first
//! frame's checksum depends on the file before, so it is taken as it is.

use std::io::Write;

use ottla::batch::entry::Entry;
use ottla::format::journal_frame::{
    BLOCK_BYTES, EntryBatch, FRAME_HEADER_BYTES, FileHeader, FrameHeader, decode_entries,
};
use ottla::format::spill_file::SpilledEntry;

use super::source::Source;
use crate::exit::Failure;

/// How many more bytes are read into memory at a time for one frame.
const STEP_BYTES: usize = 1 << 20;

/// Prints a journal file.
pub(super) fn journal(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    let mut block = [0; BLOCK_BYTES];
    let read = source.read(&mut block)?;
    let header = FileHeader::decode(&block[..read]).map_err(|error| source.damaged(error, 0))?;
    let Some(header) = header else {
        writeln!(out, "The journal file holds nothing.")?;
        return Ok(());
    };
    let (number, salt, first_lsn) = (header.number, header.salt, header.first_lsn);
    writeln!(out, "Journal file number: {number} salt: {salt:016x} first lsn: {first_lsn}")?;
    let mut bytes = Vec::new();
    let mut previous = None;
    let mut lsn = first_lsn;
    loop {
        let position = source.position();
        let Some(frame) = read_frame(source, &mut bytes)? else { break };
        if frame.salt != salt || frame.lsn != lsn {
            break;
        }
        let payload = match previous {
            Some(crc) => frame.payload(&bytes, crc),
            None => bytes.get(FRAME_HEADER_BYTES..frame.length as usize),
        };
        let Some(payload) = payload else { break };
        writeln!(
            out,
            "lsn: {} position: {position} length: {} syncedLsn: {} entries: {} payloadCrc: {}",
            frame.lsn, frame.length, frame.synced_lsn, frame.entries, frame.payload_crc,
        )?;
        print_entries(source, payload, &frame, position, out)?;
        previous = Some(frame.payload_crc);
        lsn = lsn.saturating_add(1);
    }
    Ok(())
}

/// Reads the next frame with its padding; `None` where there is no whole one.
fn read_frame(source: &mut Source, bytes: &mut Vec<u8>) -> Result<Option<FrameHeader>, Failure> {
    let left = source.left();
    bytes.clear();
    bytes.resize(BLOCK_BYTES, 0);
    if source.read(bytes)? < BLOCK_BYTES {
        return Ok(None);
    }
    let Some(header) = FrameHeader::decode(bytes) else { return Ok(None) };
    let length = header.padded_length();
    let Some(length) = usize::try_from(length).ok().filter(|length| *length as u64 <= left) else {
        return Ok(None);
    };
    while bytes.len() < length {
        let start = bytes.len();
        let end = length.min(start + STEP_BYTES);
        bytes.resize(end, 0);
        if source.read(&mut bytes[start..])? < end - start {
            return Ok(None);
        }
    }
    Ok(Some(header))
}

fn print_entries(
    source: &Source,
    payload: &[u8],
    frame: &FrameHeader,
    position: u64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let entries = decode_entries(payload, frame.entries)
        .map_err(|error| source.damaged(error.shifted(FRAME_HEADER_BYTES), position))?;
    for entry in entries {
        write!(
            out,
            "| topicId: {} partition: {} baseOffset: {}",
            entry.topic_id, entry.partition, entry.base_offset,
        )?;
        let batch = match &entry.batch {
            EntryBatch::Here(batch) => batch,
            EntryBatch::Spilled(spilled) => {
                print_spilled(spilled, out)?;
                continue;
            }
        };
        write!(out, " size: {}", batch.len())?;
        match Entry::decode(batch) {
            Ok(batch) => {
                write!(out, " lastOffset: {}", batch.last_offset())?;
                if let Some(count) = batch.record_count() {
                    write!(out, " count: {count}")?;
                }
                writeln!(out, " isvalid: {}", batch.verify_checksum().is_ok())?;
            }
            Err(_) => writeln!(out, " isvalid: false")?,
        }
    }
    Ok(())
}

/// A batch whose records are in another file.
fn print_spilled(spilled: &SpilledEntry<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    if let Ok(header) = spilled.header() {
        write!(out, " size: {} lastOffset: {}", header.size_bytes(), header.last_offset())?;
        write!(out, " count: {}", header.record_count)?;
    }
    writeln!(out, " spill: {} spillPosition: {}", spilled.spill, spilled.position)?;
    Ok(())
}
