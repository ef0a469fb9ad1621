//! Reading batches from an offset on, for any number of readers at once.
//!
//! A reader goes from the offset to a segment (an immutable list), to a position (its remembered
//! one, or the sparse index) and walks over batch headers to the batch that it wants. One read
//! call of the file usually does it all. No lock, and nothing beyond the published end.
//!
//! Neither index nor remembered position is trusted: what lies there must fit the offsets. Holes
//! between batches are normal, they come from compaction.

use super::Partition;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::fetch::{Fetch, FetchRequest, Fetched};

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadRequest {
    /// The offset to begin with: the batch that holds it comes first.
    pub(crate) from: i64,
    /// A published end that the caller took; nothing at or behind it is returned.
    pub(crate) end: i64,
    /// Return no more than this, but always a whole batch if there is one.
    pub(crate) bytes_max: usize,
    /// Verify the checksum of each batch that is returned.
    pub(crate) check: bool,
}

/// Where a reader stands. Keep it, pass it back, and reading on needs no index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadPosition {
    /// The offset that this is the position of.
    offset: i64,
    /// The serial number of the segment that it lies in: after a compaction another segment has
    /// the same base offset, and this position is another place in it.
    segment: u64,
    /// One more than the position, so that the default is none.
    position_after: u64,
    generation: u32,
}

/// What was read: `buffer[start..start + bytes]` are whole batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadOutcome {
    /// Where they start in the buffer; what lies around them there is of no interest.
    pub(crate) start: usize,
    /// Their bytes; 0 if there is nothing from `from` to `end`.
    pub(crate) bytes: usize,
    /// Where to read on.
    pub(crate) next_offset: i64,
}

impl Partition {
    /// Reads whole batches, beginning with the one that holds `request.from`, into `buffer`, which
    /// only ever grows.
    ///
    /// # Errors
    /// Out of range below the log start or above the end; corrupt, with file and position, where
    /// the log is damaged (what lies elsewhere stays readable); the errors of the disk.
    pub(crate) fn read(
        &self,
        request: &ReadRequest,
        position: &mut ReadPosition,
        buffer: &mut Vec<u8>,
    ) -> Result<ReadOutcome> {
        self.shared.check_held()?;
        self.check_not_deleted()?;
        let end = request.end.min(self.end_offset());
        if request.from < self.log_start_offset() || request.from > self.end_offset() {
            return Err(self.out_of_range(request.from));
        }
        if request.from >= end {
            return Ok(ReadOutcome { start: 0, bytes: 0, next_offset: request.from });
        }
        let generation = self.generation.load(Ordering::Acquire);
        let mut segments = self.segments.load();
        let mut index = segments.floor(request.from);
        let mut start = position.for_offset(request.from, generation);
        while let Some(segment) = segments.get(index) {
            if segment.base_offset >= end {
                break;
            }
            let known = start.take().filter(|(serial, _)| *serial == segment.serial);
            let fetch = FetchRequest {
                from: request.from,
                end,
                bytes_max: request.bytes_max,
                check: request.check,
                position: known.map(|(_, position)| position),
                interval_bytes: self.interval_bytes(),
                published_end: self.end_offset(),
                holes_below: self.holes_below,
            };
            let fetched = match segment.fetch(&fetch, buffer) {
                // Compaction put another one in its place, and no descriptor was left to keep it.
                Err(_) if segment.log.has_lost_name() => {
                    segments = self.segments.load();
                    index = segments.floor(request.from);
                    continue;
                }
                fetched => fetched.map_err(|error| self.name(error))?,
            };
            match fetched {
                Fetch::Found(Fetched { start, bytes, next_offset, next_position }) => {
                    *position = ReadPosition {
                        offset: next_offset,
                        segment: segment.serial,
                        position_after: next_position + 1,
                        generation,
                    };
                    return Ok(ReadOutcome { start, bytes, next_offset });
                }
                Fetch::Behind => index += 1,
                Fetch::Nothing => break,
            }
        }
        // Truncation may have moved the end meanwhile; what was asked for is then gone.
        if request.from > self.end_offset() {
            return Err(self.out_of_range(request.from));
        }
        Ok(ReadOutcome { start: 0, bytes: 0, next_offset: end })
    }

    /// About how many bytes lie from the offset `from` to the published end, and no fewer: exact
    /// if `position` is that of the offset, else up to an index interval more.
    ///
    /// # Errors
    /// Those of the disk, where an index has to be read first.
    pub(crate) fn bytes_from(&self, from: i64, position: &ReadPosition) -> Result<u64> {
        let generation = self.generation.load(Ordering::Acquire);
        let segments = self.segments.load();
        let Some(behind) = segments.as_slice().get(segments.floor(from)..) else { return Ok(0) };
        let Some(first) = behind.first() else { return Ok(0) };
        let start = match position.for_offset(from, generation) {
            Some((segment, at)) if segment == first.serial => at,
            _ => {
                let relative = from.saturating_sub(first.base_offset);
                let relative =
                    u32::try_from(relative).unwrap_or(if relative < 0 { 0 } else { u32::MAX });
                let indexes = first.indexes(self.interval_bytes());
                indexes.map_err(|error| self.name(error))?.offset.lookup(relative).position()
            }
        };
        let bytes: u64 = behind.iter().map(|segment| segment.published()).sum();
        Ok(bytes.saturating_sub(start))
    }

    #[cold]
    fn out_of_range(&self, offset: i64) -> Error {
        let (start, end) = (self.log_start_offset(), self.end_offset());
        let message = format!("the offset {offset} is out of range: there are {start} to {end}");
        self.name(Error::new(ErrorKind::OffsetOutOfRange, message))
    }
}

impl ReadPosition {
    /// The segment and the position in it, if this is the position of `offset`.
    fn for_offset(&self, offset: i64, generation: u32) -> Option<(u64, u64)> {
        if self.offset != offset || self.generation != generation {
            return None;
        }
        Some((self.segment, self.position_after.checked_sub(1)?))
    }
}
