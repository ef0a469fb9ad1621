//! Doors into the floors for the fuzz targets (`fuzz/`): inner decoders that take plain bytes and
//! answer with plain values. Only with the feature `sim`, and no part of the interface: whatever
//! stands here may go with the next change.
//!
//! Nothing is decided here: each function hands its bytes to the code that reads files.

use std::io;
use std::sync::Arc;

use crate::batch::compression;
use crate::catalog::Catalog;
use crate::commit::replay::Replay;
use crate::config::compression::Compression;
use crate::env::Env;
use crate::env::memory::MemoryVfs;
use crate::env::vfs::{OpenHow, Vfs, write_all_at};
use crate::error::Result;
use crate::format::FormatError;
use crate::format::control_file::{JournalPosition, SegmentState};
use crate::format::index_entries::{AbortedTxn, OffsetIndexEntry, TimeIndexEntry};
use crate::format::journal_frame::EntryBatch;
use crate::segment::log_file::{DescriptorCache, Folder, LogFile};
use crate::segment::offset_index::OffsetIndex;
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::sparse_index::IndexBytes;
use crate::segment::time_index::TimeIndex;
use crate::segment::txn_index::TxnIndex;
use crate::segment::{empty_state, rebuild};

/// Compresses in the framing of a batch.
///
/// # Errors
/// A level that the codec does not have.
pub fn compress(codec: Compression, level: Option<i32>, plain: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    compression::compress(codec, level, plain, &mut packed)?;
    Ok(packed)
}

/// Decompresses what a batch holds into `out`, at most `bytes_max` of it.
///
/// # Errors
/// Corrupt, or over the limit.
pub fn decompress(
    codec: Compression,
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> std::result::Result<(), FormatError> {
    let limits = compression::DecodeLimits { decompressed_bytes_max: bytes_max };
    compression::decompress(codec, packed, &limits, out)
}

/// A folder in memory with a log in it, used again from run to run.
#[derive(Debug)]
pub struct ScannedLog {
    vfs: Arc<MemoryVfs>,
    log: Arc<LogFile>,
    length: u64,
}

/// A sound batch of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScannedBatch {
    /// Where it begins.
    pub position: u64,
    /// Its bytes.
    pub length: usize,
    /// Its first offset.
    pub base_offset: i64,
    /// Its last offset.
    pub last_offset: i64,
}

/// What a walk over a log found at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanEnd {
    /// The end of the file.
    End,
    /// No sound batch, at this position.
    Bad(u64, FormatError),
}

/// What a log says its segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuiltSegment {
    /// Where the sound batches end.
    pub end: u64,
    /// `.index`, `.timeindex`, `.txnindex`.
    pub indexes: [Vec<u8>; 3],
}

const FOLDER: &str = "log-0";

impl ScannedLog {
    /// A segment with this first offset that holds nothing.
    ///
    /// # Errors
    /// None that happen in memory.
    pub fn new(base_offset: i64) -> io::Result<ScannedLog> {
        let vfs = Arc::new(MemoryVfs::default());
        vfs.create_dir(FOLDER)?;
        let shared: Arc<dyn Vfs> = vfs.clone();
        let folder = Folder::new(shared, Arc::new(DescriptorCache::new(4)), FOLDER);
        let name = crate::format::file_names::log_file(base_offset);
        vfs.open(&format!("{FOLDER}/{name}"), OpenHow::CreateNew)?;
        let log = LogFile::new(Arc::new(folder), base_offset);
        Ok(ScannedLog { vfs, log, length: 0 })
    }

    /// Replaces what the log holds.
    ///
    /// # Errors
    /// None that happen in memory.
    pub fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.vfs.open(&format!("{FOLDER}/{}", self.log.name()), OpenHow::Write)?;
        file.set_len(0)?;
        write_all_at(&*file, bytes, 0)?;
        self.length = bytes.len() as u64;
        Ok(())
    }

    /// The walk of recovery: each sound batch, and what stands behind the last one.
    ///
    /// # Errors
    /// None that happen in memory.
    pub fn scan(&self) -> io::Result<(Vec<ScannedBatch>, ScanEnd)> {
        let mut scanner = Scanner::new(&self.log, 0, self.length);
        let mut found = Vec::new();
        loop {
            match scanner.next()? {
                Scanned::End => return Ok((found, ScanEnd::End)),
                Scanned::Bad { position, error } => {
                    return Ok((found, ScanEnd::Bad(position, error)));
                }
                Scanned::Entry { position, entry } => {
                    found.push(ScannedBatch {
                        position,
                        length: entry.bytes().len(),
                        base_offset: entry.base_offset(),
                        last_offset: entry.last_offset(),
                    });
                }
            }
        }
    }

    /// The indexes, made anew.
    ///
    /// # Errors
    /// None that happen in memory.
    pub fn rebuild(&self, base_offset: i64, interval_bytes: u64) -> io::Result<RebuiltSegment> {
        let state = SegmentState { sealed: true, ..empty_state(base_offset) };
        let rebuilt = rebuild::from_log(&self.log, &state, self.length, interval_bytes)?;
        let indexes = rebuilt.indexes.encode().map(|(_, bytes)| bytes);
        Ok(RebuiltSegment { end: rebuilt.end, indexes })
    }
}

/// Looks an offset up in the bytes of a sealed `.index`: the entry at or before it, and the next.
pub fn look_up_offset(
    bytes: &[u8],
    relative_offset: u32,
) -> (Option<OffsetIndexEntry>, Option<OffsetIndexEntry>) {
    let hit = OffsetIndex::Sealed(IndexBytes::Memory(bytes.into())).lookup(relative_offset);
    (hit.floor, hit.next)
}

/// Looks a timestamp up in the bytes of a sealed `.timeindex`.
pub fn look_up_time(bytes: &[u8], timestamp: i64) -> Option<TimeIndexEntry> {
    TimeIndex::Sealed(IndexBytes::Memory(bytes.into())).lookup(timestamp)
}

/// The aborted transactions in the bytes of a `.txnindex` that touch `from..end`, and what is
/// written for the whole file.
///
/// # Errors
/// Corrupt.
pub fn look_up_aborted(
    bytes: &[u8],
    from: i64,
    end: i64,
) -> std::result::Result<(Vec<AbortedTxn>, Vec<u8>), FormatError> {
    let index = TxnIndex::decode(bytes)?;
    let mut found = Vec::new();
    index.collect(from, end, &mut found);
    Ok((found, index.encode_from(0)))
}

/// An entry of a journal frame: partition, first offset, and the batch if it lies in the journal.
pub type ReplayedEntry = (i32, i64, Option<Vec<u8>>);

/// Reads the journal files in the root of a directory as the open after a crash does: the entries
/// of each frame that is to be applied.
///
/// # Errors
/// Corrupt where a frame that had been synced is missing, or one that checks holds nonsense.
pub fn replay_journal(env: &Env, start: JournalPosition) -> Result<Vec<Vec<ReplayedEntry>>> {
    let replay = Replay::read(env, start)?;
    let frames = replay.frames()?.into_iter().map(|frame| {
        let entries = frame.into_iter().map(|entry| {
            let here = match entry.batch {
                EntryBatch::Here(bytes) => Some(bytes.to_vec()),
                EntryBatch::Spilled(_) => None,
            };
            (entry.partition, entry.base_offset, here)
        });
        entries.collect()
    });
    Ok(frames.collect())
}

/// Replays a metadata log: the names of the topics and how many partitions each has.
///
/// # Errors
/// Corrupt or unsupported, naming the offset.
pub fn replay_catalog(batches: &[u8]) -> Result<Vec<(String, usize)>> {
    let mut catalog = Catalog::new();
    catalog.replay(batches)?;
    catalog.check_complete()?;
    catalog.mending_records()?;
    Ok(catalog.topics().map(|topic| (topic.name.to_string(), topic.partitions.len())).collect())
}
