//! Compaction: of each key only the newest record is kept.
//!
//! A round goes over the sealed segments below some offset. First the newest offset of each key
//! of the part that was not cleaned before is collected (`offset_map.rs`); then all segments from
//! the start of the log on are read again, and what is not superseded is written into `.cleaned`
//! files (`clean.rs`), one for a group of neighbours (`grouping.rs`). Not here: how those take the
//! place of their sources, and when a round begins. The invariant: a round changes nothing that
//! anybody reads; offsets, their order, and the last batch of the round stay.

pub(crate) mod choose;
pub(crate) mod clean;
mod collect;
mod filter;
mod grouping;
mod offset_map;
pub(crate) mod outcome;
pub(crate) mod output;
mod source;
pub(crate) mod swap;
#[cfg(test)]
mod thinned;
mod transactions;

use std::sync::Arc;

use crate::format::control_file::SegmentState;
use crate::segment::Segment;
use outcome::CompactionOutcome;

/// What one round is to do. The offsets come from choosing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// Where the part begins that was not cleaned before.
    pub(crate) first_dirty: i64,
    /// The base offset of the first segment that is left alone; all below are sealed, below the
    /// recovery point, and hold no record of an open transaction.
    pub(crate) upper: i64,
    /// The time that horizons are compared with and counted from.
    pub(crate) now_ms: i64,
    /// How much memory the map of keys may take.
    pub(crate) map_bytes: u64,
    /// No new segment gets larger, whatever its sources grow to: [`LOG_BYTES_MAX`], or less.
    pub(crate) log_bytes_max: u64,
}

/// Positions in an index are signed 32-bit numbers.
pub(crate) const LOG_BYTES_MAX: u64 = i32::MAX as u64;

/// A new segment. Its files lie in the partition's folder under their names with `.cleaned`
/// behind them: whole, closed and synced; their names are not. There is a `.txnindex` only if the
/// state says that it has bytes.
#[derive(Debug)]
pub(crate) struct CleanedSegment {
    /// As that of a sealed segment.
    pub(crate) state: SegmentState,
    /// The neighbours whose place it takes. Where they did not fit into one, the first new segment
    /// names them all and those behind it name none.
    pub(crate) sources: Vec<Arc<Segment>>,
}

/// What a round came to.
#[derive(Debug)]
pub(crate) struct Cleaned {
    /// In ascending order. Segments that no source names stay as they are.
    pub(crate) segments: Vec<CleanedSegment>,
    /// Where the next round finds the first records that were not cleaned.
    pub(crate) cleaned_to: i64,
    pub(crate) stats: CompactionOutcome,
}

/// Told how many bytes were read or written since the last call; waits if that was too fast. An
/// error stops the round.
pub(crate) type Pace<'a> = &'a mut dyn FnMut(u64) -> crate::error::Result<()>;

#[cfg(test)]
mod model;
