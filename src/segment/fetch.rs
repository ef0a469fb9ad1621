//! Reads whole batches from an offset on out of one segment.
//!
//! The walk goes over headers; a batch is looked at as a whole only if it is returned and its
//! checksum wanted. What a header says is not covered by a checksum as long as it is skipped, so
//! offsets must go on without a gap, or the batch before the gap must prove itself.

use std::sync::Arc;

use super::Segment;
use super::indexes::Indexes;
use super::offset_index::IndexHit;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader, MAGIC_AT, MAGIC_V2, PREFIX_LEN};

/// A first guess at the size of a batch, if nothing is known.
const BATCH_BYTES_GUESS: u64 = 1024;
/// Up to this distance it is cheaper to read over what is not wanted than to read twice.
const NEAR_BYTES_MAX: u64 = 64 * 1024;
/// Batches above this are checked before memory is allocated for them.
const TRUSTED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What to read out of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchRequest {
    pub(crate) from: i64,
    pub(crate) end: i64,
    pub(crate) bytes_max: usize,
    pub(crate) check: bool,
    /// Where the batch that holds `from`, or the first behind it, is thought to start.
    pub(crate) position: Option<u64>,
    pub(crate) interval_bytes: u64,
    /// The end that readers may see now; at or above `end`.
    pub(crate) published_end: i64,
    /// Below this offset compaction may have left holes.
    pub(crate) holes_below: i64,
}

/// What a segment has.
pub(crate) enum Fetch {
    Found(Fetched),
    /// All its batches lie below `from`: look into the next segment.
    Behind,
    /// The next batch lies at or behind `end`.
    Nothing,
}

/// Batches in the buffer.
pub(crate) struct Fetched {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    pub(crate) next_offset: i64,
    pub(crate) next_position: u64,
}

/// What the walk needs to know of an entry.
#[derive(Clone, Copy)]
struct Head {
    size: usize,
    base_offset: i64,
    last_offset: i64,
}

/// A walk over the entries of a segment.
struct Walk<'a> {
    segment: &'a Segment,
    request: &'a FetchRequest,
    buffer: &'a mut Vec<u8>,
    /// Bytes of the log that lie in the buffer: from `at` on, `filled` of them.
    at: u64,
    filled: usize,
    /// Readers look at nothing behind this.
    published: u64,
    /// The offset at which the next entry should start, if that is known.
    expected: Option<i64>,
    /// The position of the entry before the current one.
    previous: Option<u64>,
}

impl Segment {
    /// Reads batches from `request.from` on into `buffer`.
    ///
    /// # Errors
    /// Corrupt, with file and position, where the log does not make sense; those of the disk.
    pub(crate) fn fetch(&self, request: &FetchRequest, buffer: &mut Vec<u8>) -> Result<Fetch> {
        let published = self.published();
        let bytes_max = request.bytes_max as u64;
        self.recognise()?;
        if self.base_offset < request.holes_below {
            self.prove()?;
        }
        let (position, first, landmark) = match request.position {
            Some(position) if position <= published => {
                (position, bytes_max, Some(Landmark::Next(request.from)))
            }
            _ if request.from <= self.base_offset => (0, bytes_max, None),
            _ => {
                let hit = self.look_up(request)?;
                // Where batches are large, hopping from header to header costs less than reading
                // over what nobody wants.
                let distance = guess_distance(&hit, self.base_offset, request.from);
                let first = distance.map_or(0, |distance| bytes_max.saturating_add(distance));
                let landmark = hit.floor.map(|entry| {
                    Landmark::Last(self.base_offset + i64::from(entry.relative_offset))
                });
                (hit.position(), first, landmark)
            }
        };
        if position >= published {
            return self.at_end(request.from);
        }
        let mut walk = Walk {
            segment: self,
            request,
            buffer,
            at: position,
            filled: 0,
            published,
            expected: expected_at(position, landmark, self.base_offset),
            previous: None,
        };
        walk.read_at(position, first.max(BATCH_HEADER_LEN as u64))?;
        walk.run(position, landmark)
    }

    #[inline]
    fn look_up(&self, request: &FetchRequest) -> Result<IndexHit> {
        let relative = u32::try_from(request.from - self.base_offset).unwrap_or(u32::MAX);
        let loaded = self.loaded_indexes();
        if let Some(indexes) = &*loaded {
            return Ok(indexes.offset.lookup(relative));
        }
        let indexes: Arc<Indexes> = self.indexes(request.interval_bytes)?;
        Ok(indexes.offset.lookup(relative))
    }

    /// The walk came to the end of the log without meeting `from`.
    fn at_end(&self, from: i64) -> Result<Fetch> {
        if let Some(damage) = self.damage()
            && !planted!("end_of_a_cut_log_believed")
        {
            return Err(damage.clone());
        }
        let state = self.state();
        if state.sealed && from < state.next_offset {
            let message = format!(
                "the log ends before the offset {from}, but reached to {}",
                state.next_offset
            );
            return Err(self.corrupt(message, self.published()));
        }
        Ok(Fetch::Behind)
    }

    fn corrupt(&self, message: String, position: u64) -> Error {
        Error::new(ErrorKind::Corrupt, message).at_file(self.describe()).at_position(position)
    }

    fn corrupt_batch(&self, error: FormatError, position: u64) -> Error {
        error.into_error().at_file(self.describe()).at_position(position)
    }
}

/// What must be true of the first entry of a walk, or the way there was wrong.
#[derive(Clone, Copy)]
enum Landmark {
    /// An index entry: the entry ends with this offset.
    Last(i64),
    /// A remembered position: the entry is the first that does not lie below this offset.
    Next(i64),
}

/// The offset at which the first entry of a walk should start, where that is known.
fn expected_at(position: u64, landmark: Option<Landmark>, base_offset: i64) -> Option<i64> {
    match landmark {
        _ if position == 0 => Some(base_offset),
        Some(Landmark::Next(next)) => Some(next),
        _ => None,
    }
}

/// How far behind the position of an index entry the batch of an offset ends, if batches are all
/// alike: then one read gets it, whatever `bytes_max` is. A wrong guess costs a second read.
/// `None` if the next index entry is far away, which a large batch in between must be the cause of.
fn guess_distance(hit: &IndexHit, base_offset: i64, from: i64) -> Option<u64> {
    let (offset, position) = hit
        .floor
        .map_or((0, 0), |entry| (i64::from(entry.relative_offset), u64::from(entry.position)));
    let Some(next) = hit.next else { return Some(BATCH_BYTES_GUESS) };
    let bytes = u64::from(next.position).saturating_sub(position);
    if bytes > NEAR_BYTES_MAX {
        return None;
    }
    let offsets = i64::from(next.relative_offset).saturating_sub(offset).max(1).cast_unsigned();
    let wanted = (from - base_offset).saturating_sub(offset).max(0).cast_unsigned() + 1;
    Some(bytes.saturating_mul(wanted.min(offsets)) / offsets)
}

impl Walk<'_> {
    fn run(&mut self, position: u64, landmark: Option<Landmark>) -> Result<Fetch> {
        let mut position = position;
        let mut landmark = landmark;
        // Ahead of the batch that is wanted.
        let head = loop {
            if position >= self.published {
                return self.segment.at_end(self.request.from);
            }
            let head = self.head_at(position)?;
            self.check_landmark(landmark.take(), &head, position)?;
            self.check_order(&head, position)?;
            if head.last_offset >= self.request.from {
                break head;
            }
            self.expected = Some(head.last_offset + 1);
            self.previous = Some(position);
            position += head.size as u64;
        };
        if head.base_offset >= self.request.end {
            return Ok(Fetch::Nothing);
        }
        self.collect(position, head)
    }

    /// Takes the batch at `position`, however large, and as many behind it as are in the buffer
    /// and allowed.
    fn collect(&mut self, position: u64, first: Head) -> Result<Fetch> {
        if first.size > TRUSTED_BYTES_MAX && !self.is_buffered(position, first.size) {
            self.check_large(position, first.size)?;
        }
        self.need(position, first.size)?;
        let start = (position - self.at) as usize;
        let (mut bytes, mut head) = (0, first);
        loop {
            if self.request.check
                && !planted!("checksums_not_looked_at")
                && let Err(error) = self.verify(start + bytes, head.size)
            {
                // What lies before the damage is returned; the damage is met by the next read.
                return match bytes {
                    0 => Err(error),
                    _ => Ok(Fetch::Found(self.found_up_to(position, start, bytes))),
                };
            }
            bytes += head.size;
            self.expected = Some(head.last_offset + 1);
            let next_position = position + bytes as u64;
            self.previous = Some(next_position - head.size as u64);
            let found = self.found_up_to(position, start, bytes);
            let left = self.filled - (start + bytes);
            if next_position >= self.published || left < BATCH_HEADER_LEN {
                return Ok(Fetch::Found(found));
            }
            // Damage behind what was found is met when the reader gets there.
            let Ok(next) = self.head_at(next_position) else { return Ok(Fetch::Found(found)) };
            let fits = next.size <= left && bytes + next.size <= self.request.bytes_max;
            if !fits || next.base_offset >= self.request.end {
                return Ok(Fetch::Found(found));
            }
            if self.check_order(&next, next_position).is_err() {
                return Ok(Fetch::Found(found));
            }
            head = next;
        }
    }

    fn found_up_to(&self, position: u64, start: usize, bytes: usize) -> Fetched {
        let next_offset = self.expected.unwrap_or(self.request.from);
        Fetched { start, bytes, next_offset, next_position: position + bytes as u64 }
    }

    fn verify(&self, start: usize, size: usize) -> Result<()> {
        let bytes = &self.buffer[start..start + size];
        let verified = Entry::decode(bytes).and_then(|entry| entry.verify_checksum());
        verified.map_err(|error| self.segment.corrupt_batch(error, self.at + start as u64))
    }

    /// The header of the entry at `position`.
    fn head_at(&mut self, position: u64) -> Result<Head> {
        let remaining = self.published - position;
        let wanted = remaining.min(BATCH_HEADER_LEN as u64) as usize;
        if !self.is_buffered(position, wanted) {
            let length = (self.request.bytes_max as u64).max(BATCH_BYTES_GUESS);
            self.read_at(position, length)?;
        }
        let start = (position - self.at) as usize;
        let there = &self.buffer[start..self.filled.min(start + BATCH_HEADER_LEN)];
        let head = head_of(there).map_err(|error| self.segment.corrupt_batch(error, position))?;
        if head.size as u64 > remaining {
            let message =
                format!("a batch of {} bytes reaches beyond the {remaining} left", head.size);
            return Err(self.segment.corrupt(message, position));
        }
        Ok(head)
    }

    fn is_buffered(&self, position: u64, length: usize) -> bool {
        position >= self.at && position + length as u64 <= self.at + self.filled as u64
    }

    /// Has the whole entry at `position` in the buffer; what is there already is not read again.
    fn need(&mut self, position: u64, size: usize) -> Result<()> {
        if self.is_buffered(position, size) {
            return Ok(());
        }
        let start = (position - self.at) as usize;
        let there = self.filled.saturating_sub(start);
        self.buffer.copy_within(start..start + there, 0);
        let wanted = (self.request.bytes_max as u64).max(size as u64);
        let wanted = usize::try_from(wanted.min(self.published - position)).unwrap_or(usize::MAX);
        if self.buffer.len() < wanted {
            let resized = room::resize(self.buffer, wanted);
            resized.map_err(|error| self.cannot_read(error, position))?;
        }
        let rest = &mut self.buffer[there..wanted];
        let read = self.segment.log.read_up_to(rest, position + there as u64);
        self.filled = there + read.map_err(|error| self.cannot_read(error, position))?;
        self.at = position;
        if self.filled < size {
            let message = format!("the log ends within a batch of {size} bytes");
            return Err(self.segment.corrupt(message, position));
        }
        Ok(())
    }

    fn cannot_read(&self, error: std::io::Error, position: u64) -> Error {
        Error::io(error, "cannot read the log")
            .at_file(self.segment.describe())
            .at_position(position)
    }

    /// Replaces the buffer by up to `length` bytes from `position` on.
    fn read_at(&mut self, position: u64, length: u64) -> Result<()> {
        let length = usize::try_from(length.min(self.published - position)).unwrap_or(usize::MAX);
        if self.buffer.len() < length {
            let resized = room::resize(self.buffer, length);
            resized.map_err(|error| self.cannot_read(error, position))?;
        }
        let log = &self.segment.log;
        let read = log
            .read_up_to(&mut self.buffer[..length], position)
            .map_err(|error| self.cannot_read(error, position))?;
        self.at = position;
        self.filled = read;
        Ok(())
    }

    fn check_landmark(&self, landmark: Option<Landmark>, head: &Head, position: u64) -> Result<()> {
        let fits = match landmark {
            None => true,
            Some(Landmark::Last(last)) => head.last_offset == last,
            Some(Landmark::Next(next)) => head.last_offset >= next,
        };
        if fits {
            return Ok(());
        }
        let message = format!(
            "the batch with the offsets {} to {} is not the one that the index names",
            head.base_offset, head.last_offset
        );
        Err(self.segment.corrupt(message, position))
    }

    /// Offsets go up. Where they leave a gap, the header before it must be right: nothing else
    /// tells a hole from a damaged header, whose checksum nobody looked at while skipping it.
    fn check_order(&mut self, head: &Head, position: u64) -> Result<()> {
        let expected = self.expected.unwrap_or(self.segment.base_offset);
        if head.base_offset < expected {
            let message = format!(
                "the batch starts at the offset {}, the one before ends at {}",
                head.base_offset,
                expected - 1
            );
            return Err(self.segment.corrupt(message, position));
        }
        if self.expected.is_some_and(|expected| head.base_offset > expected) {
            self.check_gap(head, position)?;
        }
        Ok(())
    }

    #[cold]
    fn check_gap(&mut self, head: &Head, position: u64) -> Result<()> {
        let bytes_of = |position: u64, size: usize| -> Result<Vec<u8>> {
            let mut bytes = room::zeros(size).map_err(|error| self.cannot_read(error, position))?;
            let read = self
                .segment
                .log
                .read_up_to(&mut bytes, position)
                .map_err(|error| self.cannot_read(error, position))?;
            bytes.truncate(read);
            Ok(bytes)
        };
        if let Some(previous) = self.previous {
            let size = (position - previous) as usize;
            if size <= TRUSTED_BYTES_MAX {
                Entry::decode(&bytes_of(previous, size)?)
                    .and_then(|entry| entry.verify_checksum())
                    .map_err(|error| self.segment.corrupt_batch(error, previous))?;
            }
        }
        // The base offset is under no checksum. If it were damaged, the entry behind would
        // most likely not follow this one.
        let next = position + head.size as u64;
        let after = if next < self.published {
            let length = (self.published - next).min(BATCH_HEADER_LEN as u64) as usize;
            head_of(&bytes_of(next, length)?)
                .map_err(|error| self.segment.corrupt_batch(error, next))?
                .base_offset
        } else {
            let state = self.segment.state();
            if state.sealed { state.next_offset } else { self.request.published_end }
        };
        if after <= head.last_offset {
            let message = format!(
                "the batch with the offsets {} to {} does not fit before {after}",
                head.base_offset, head.last_offset
            );
            return Err(self.segment.corrupt(message, position));
        }
        self.segment.prove()
    }

    /// Proves a very large batch before memory is taken for it.
    #[cold]
    fn check_large(&self, position: u64, size: usize) -> Result<()> {
        let end = position + size as u64;
        let sound = super::scan::is_sound(&self.segment.log, position, end)
            .map_err(|error| self.cannot_read(error, position))?;
        if sound {
            return Ok(());
        }
        let message = format!("the checksum of a batch of {size} bytes does not match");
        Err(self.segment.corrupt(message, position))
    }
}

#[inline]
fn head_of(bytes: &[u8]) -> Result<Head, FormatError> {
    let size = Entry::size_of(bytes)?;
    if bytes[MAGIC_AT].cast_signed() == MAGIC_V2 {
        let header = BatchHeader::decode(bytes)?;
        let last_offset = header.last_offset();
        return Ok(Head { size, base_offset: header.base_offset, last_offset });
    }
    // A legacy message names its last offset only, which goes up as well.
    let Some(prefix) = bytes.first_chunk::<PREFIX_LEN>() else {
        return Err(FormatError::truncated("the start of a batch", bytes.len()));
    };
    let [a, b, c, d, e, f, g, h, ..] = *prefix;
    let offset = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    if offset < 0 || offset == i64::MAX {
        return Err(FormatError::corrupt(format!("the offset is {offset}"), 0));
    }
    Ok(Head { size, base_offset: offset, last_offset: offset })
}
