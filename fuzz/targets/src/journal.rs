//! The commit journal: single frames, and whole files as an open after a crash reads them.
//!
//! Whole files are written as the library writes them, then edited as the input says. What replay
//! brings must be a prefix of what was written, whole frames, byte for byte; it may also refuse.

use std::cell::RefCell;
use std::sync::Arc;

use ottla::doors::replay_journal;
use ottla::env::Env;
use ottla::env::memory::MemoryVfs;
use ottla::env::vfs::{OpenHow, Vfs, write_all_at};
use ottla::format::control_file::JournalPosition;
use ottla::format::file_names::journal_file;
use ottla::format::journal_frame::{
    BLOCK_BYTES, EntryBatch, FRAME_HEADER_BYTES, FileHeader, FrameBuilder, FrameHeader,
    decode_entries,
};
use ottla::format::spill_file::{SPILL_HEADER_BYTES, SpillHeader, SpillStart, SpilledEntry};
use ottla::topic::TopicId;

use crate::bytes::Input;
use crate::heap::within;
use crate::small_files::put_sum;

const TOPIC: TopicId = TopicId(*b"a topic's own id");

/// One frame, or a header of a file.
///
/// # Panics
/// If a frame that checks reaches beyond the bytes, or is written otherwise.
pub fn journal_frame(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 && bytes.len() >= FRAME_HEADER_BYTES {
        bytes[..4].copy_from_slice(b"OTJF");
        let length = (bytes.len() as u32).to_be_bytes();
        bytes[4..8].copy_from_slice(&length);
        put_sum(&mut bytes, 36, FRAME_HEADER_BYTES);
        let sum = ottla::format::checksum::crc32c(&bytes[..40]).to_be_bytes();
        bytes[40..44].copy_from_slice(&sum);
    }
    within(16 * bytes.len() + 8192, || {
        let _ = FileHeader::decode(&bytes).map(|header| {
            header.is_some_and(|header| {
                assert_eq!(header.encode()[..40], bytes[..40]);
                true
            })
        });
        let Some(header) = FrameHeader::decode(&bytes) else { return };
        let Some(payload) = header.payload(&bytes, 0) else { return };
        assert_eq!(payload.len() + FRAME_HEADER_BYTES, header.length as usize);
        let Ok(entries) = decode_entries(payload, header.entries) else { return };
        assert_eq!(entries.len(), header.entries as usize);
        let mut builder = FrameBuilder::default();
        builder.start();
        for entry in &entries {
            let (id, partition, offset) = (entry.topic_id, entry.partition, entry.base_offset);
            match &entry.batch {
                EntryBatch::Here(batch) => builder.push(id, partition, offset, batch),
                EntryBatch::Spilled(spilled) => {
                    builder.push_spilled(id, partition, offset, spilled);
                }
            }
        }
        let (written, _) = builder.finish(header.salt, header.lsn, header.synced_lsn, 0);
        assert_eq!(written[..header.length as usize], bytes[..header.length as usize]);
        assert_eq!(written.len() as u64, header.padded_length());
    });
}

/// The start of a spill file, and an entry that names a batch in one.
///
/// # Panics
/// If what was read is written otherwise.
pub fn spill(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 && bytes.len() >= SPILL_HEADER_BYTES {
        bytes[..8].copy_from_slice(b"OTTLASPL");
        let sum = ottla::format::checksum::crc32c(&bytes[..28]).to_be_bytes();
        bytes[28..32].copy_from_slice(&sum);
    }
    within(4096, || {
        if let Ok(SpillStart::Header(header)) = SpillHeader::decode(&bytes) {
            assert_eq!(header.encode()[..], bytes[..SPILL_HEADER_BYTES]);
        }
        if let Ok(entry) = SpilledEntry::decode(&bytes) {
            assert_eq!(entry.encode()[..], bytes[..]);
            entry.header().expect("its header was checked");
        }
    });
}

thread_local! {
    static ROOT: RefCell<Option<(Env, Arc<MemoryVfs>)>> = const { RefCell::new(None) };
}

/// A frame as it was written: where, and what it holds.
struct Written {
    lsn: u64,
    entries: Vec<(i32, i64, Vec<u8>)>,
}

/// Two files of a journal, edited, and read back.
///
/// # Panics
/// If a frame comes back that was not written so, or in another order, or behind a missing one.
pub fn journal(data: &[u8]) {
    let mut input = Input::new(data);
    let salt = 77;
    let (mut files, written) = write_files(&mut input, salt);
    let mut edited = false;
    while !input.is_empty() {
        let file = &mut files[usize::from(input.u8() & 1)];
        edited = true;
        let at = input.below(file.len().max(1));
        match input.u8() % 5 {
            0 => file.truncate(at),
            1 => file.iter_mut().skip(at).take(BLOCK_BYTES).for_each(|byte| *byte = 0),
            2 => {
                // A block where another one belongs.
                let from = at / BLOCK_BYTES * BLOCK_BYTES;
                let to = input.below(file.len().max(1)) / BLOCK_BYTES * BLOCK_BYTES;
                if from + BLOCK_BYTES <= file.len() && to + BLOCK_BYTES <= file.len() {
                    file.copy_within(from..from + BLOCK_BYTES, to);
                }
            }
            _ => {
                let change = input.u8();
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= change;
                }
            }
        }
    }
    ROOT.with_borrow_mut(|root| {
        let (env, vfs) = root.get_or_insert_with(|| {
            let vfs = Arc::new(MemoryVfs::default());
            (Env::over(vfs.clone()), vfs)
        });
        for (number, bytes) in files.iter().enumerate() {
            let file = vfs.open(&journal_file(number as u64 + 1), OpenHow::CreateOrWrite);
            let file = file.expect("a file in memory");
            file.set_len(0).and_then(|()| write_all_at(&*file, bytes, 0)).expect("memory");
        }
        let size: usize = files.iter().map(Vec::len).sum();
        let start = JournalPosition { salt, file: 1, position: BLOCK_BYTES as u64, lsn: 1, crc: 0 };
        let replayed = within(8 * size + (64 << 10), || replay_journal(env, start));
        compare(&written, replayed, edited);
    });
}

fn write_files(input: &mut Input<'_>, salt: u64) -> ([Vec<u8>; 2], Vec<Written>) {
    let mut files = [Vec::new(), Vec::new()];
    let mut written: Vec<Written> = Vec::new();
    let (mut lsn, mut crc) = (1, 0);
    for (number, file) in files.iter_mut().enumerate() {
        let header = FileHeader { number: number as u64 + 1, salt, first_lsn: lsn };
        file.extend_from_slice(&header.encode());
        for _ in 0..input.u8() % 4 {
            let mut builder = FrameBuilder::default();
            builder.start();
            let mut entries = Vec::new();
            for _ in 0..1 + input.u8() % 3 {
                let (partition, offset) = (i32::from(input.u8() & 3), i64::from(input.u8()));
                let batch = input.piece();
                builder.push(TOPIC, partition, offset, batch);
                entries.push((partition, offset, batch.to_vec()));
            }
            // What is synced is known late or at once.
            let synced = lsn - 1 - u64::from(input.bool()).min(lsn - 1);
            let (bytes, sum) = builder.finish(salt, lsn, synced, crc);
            file.extend_from_slice(bytes);
            written.push(Written { lsn, entries });
            (lsn, crc) = (lsn + 1, sum);
        }
        file.resize(file.len() + BLOCK_BYTES * usize::from(input.u8() & 1), 0);
    }
    (files, written)
}

fn compare(
    written: &[Written],
    replayed: ottla::Result<Vec<Vec<ottla::doors::ReplayedEntry>>>,
    edited: bool,
) {
    let frames = match replayed {
        Ok(frames) => frames,
        Err(error) => {
            assert!(edited, "a whole journal is refused: {error}");
            return;
        }
    };
    assert!(frames.len() <= written.len(), "a frame that nobody wrote");
    assert!(edited || frames.len() == written.len(), "a frame was left out");
    for (frame, written) in frames.iter().zip(written) {
        let whole = written.entries.iter().map(|(p, o, bytes)| (*p, *o, Some(bytes.clone())));
        assert!(frame.iter().cloned().eq(whole), "frame {} holds something else", written.lsn);
    }
}
