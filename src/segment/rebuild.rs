//! Makes the indexes of a segment anew from its log.
//!
//! Not here: the index of aborted transactions of a segment in which one began earlier; that needs
//! the producers' state, which recovery has. The entries that are read here are the ones whose
//! transaction began in the same segment.

use std::io;
use std::sync::Arc;

use super::indexes::Indexes;
use super::log_file::LogFile;
use super::scan::{Scanned, Scanner};
use super::tally::{BatchFacts, Tally};
use crate::batch::entry::Entry;
use crate::format::control_file::SegmentState;

/// What a log says its indexes are.
pub(crate) struct Rebuilt {
    pub(crate) indexes: Indexes,
    /// Where the sound batches end.
    pub(crate) end: u64,
}

/// The indexes of the first `length` bytes of a log. They end where the log is damaged.
///
/// # Errors
/// Those of the disk.
pub(crate) fn from_log(
    log: &Arc<LogFile>,
    state: &SegmentState,
    length: u64,
    interval_bytes: u64,
) -> io::Result<Rebuilt> {
    let indexes = Indexes::growing();
    let mut tally = Tally::new(state.base_offset);
    let mut scanner = Scanner::new(log, 0, length);
    while let Scanned::Entry { entry, .. } = scanner.next()? {
        tally.add(&facts_of(&entry), interval_bytes, &indexes);
    }
    if state.sealed {
        tally.add_time_entry(&indexes);
    }
    Ok(Rebuilt { indexes, end: scanner.position() })
}

/// What counts about an entry.
pub(crate) fn facts_of<'a>(entry: &Entry<'a>) -> BatchFacts<'a> {
    let head = entry.bytes();
    BatchFacts {
        head,
        size: head.len() as u64,
        last_offset: entry.last_offset(),
        max_timestamp: entry.max_timestamp(),
    }
}
