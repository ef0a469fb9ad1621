//! The records of one key in order, forwards or backwards, as the indexes name them.
//!
//! Memory is bounded: in the active segment records are chained backwards, so going forwards
//! begins with one walk over the chain that leaves marks, few of them however long it is, and
//! goes from mark to mark.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::Partition;
use super::super::segments::Segments;
use super::Wanted;
use crate::error::Result;
use crate::format::key_index::KeyedRecord;
use crate::segment::Segment;
use crate::segment::key_index::SegmentKeys;
use crate::segment::key_index::growing::{GrowingKeys, Link};
use crate::segment::key_index::sealed::SealedKeys;

/// Records that are looked up at once. Tests have few, so that their streams are long.
const CHUNK: usize = if cfg!(test) { 3 } else { 256 };
/// Marks on a chain, at most; when there are more, every second one goes.
const MARKS_MAX: usize = if cfg!(test) { 4 } else { 1024 };

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forwards,
    Backwards,
}

/// Where a record of the key is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: i64,
    pub(crate) position: u32,
}

/// Walks over the records of a key in `from..end`.
#[derive(Debug)]
pub(crate) struct KeyCursor {
    key: Arc<[u8]>,
    direction: Direction,
    /// What is left.
    from: i64,
    end: i64,
    segments: Arc<Segments>,
    /// The segment that is being walked over.
    current: Option<Walk>,
    chunk: VecDeque<KeyedRecord>,
}

#[derive(Debug)]
struct Walk {
    segment: Arc<Segment>,
    keys: Arc<SegmentKeys>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    /// Numbers of records in the file.
    Sealed(std::ops::Range<u32>),
    /// Where to begin walking back, the last one first.
    Marks(Vec<Link>),
    /// Where to go on walking back.
    Chain(Option<Link>),
}

impl KeyCursor {
    pub(crate) fn new(
        partition: &Partition,
        key: &Arc<[u8]>,
        direction: Direction,
        from: i64,
        end: i64,
    ) -> KeyCursor {
        // Before the end: what is missing in these segments is superseded by what they have below
        // it.
        let segments = partition.segments.load_full();
        KeyCursor {
            key: Arc::clone(key),
            direction,
            from: from.max(partition.log_start_offset()),
            end: end.min(partition.end_offset()),
            segments,
            current: None,
            chunk: VecDeque::new(),
        }
    }

    /// What is left.
    pub(super) fn range(&self) -> (i64, i64) {
        (self.from, self.end)
    }

    /// Begins again in the same segments with what is left, whatever came into their place since.
    pub(super) fn begin_again(&mut self, from: i64, end: i64) {
        (self.from, self.end) = (from, end);
        self.current = None;
        self.chunk.clear();
    }

    /// The next record.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk, where an index has to be read first.
    pub(crate) fn next(&mut self, partition: &Partition) -> Result<Option<Place>> {
        while self.chunk.is_empty() {
            if self.current.is_none() && !self.enter(partition)? {
                return Ok(None);
            }
            if self.chunk.is_empty() {
                self.fill();
            }
        }
        let (Some(record), Some(walk)) = (self.chunk.pop_front(), &self.current) else {
            return Ok(None);
        };
        let segment = Arc::clone(&walk.segment);
        let offset = segment.base_offset.saturating_add(i64::from(record.relative_offset));
        match self.direction {
            Direction::Forwards => self.from = offset.saturating_add(1),
            Direction::Backwards => self.end = offset,
        }
        Ok(Some(Place { segment, offset, position: record.position }))
    }

    /// The part of the segment that is left, in relative offsets.
    fn part_of(&self, segment: &Segment) -> (u64, u64) {
        let relative =
            |offset: i64| u64::try_from(offset.saturating_sub(segment.base_offset)).unwrap_or(0);
        (relative(self.from), relative(self.end))
    }

    /// Enters the segment where what is left begins (or ends, when going backwards).
    fn enter(&mut self, partition: &Partition) -> Result<bool> {
        if self.from >= self.end {
            return Ok(false);
        }
        partition.check_key_readable()?;
        let index = match self.direction {
            Direction::Forwards => self.segments.floor(self.from),
            Direction::Backwards => self.segments.floor(self.end - 1),
        };
        let segment = self.segments.get(index).filter(|found| found.base_offset < self.end);
        let Some(segment) = segment.cloned() else { return Ok(false) };
        let keys = partition.keys_of(&segment)?;
        let wanted = Wanted::new(&self.key);
        let hash = wanted.hash(keys.secret());
        let (from, end) = self.part_of(&segment);
        let rest = match (&*keys, self.direction) {
            (SegmentKeys::Sealed(sealed), _) => {
                let all = sealed.find(hash);
                let first = all.start + sealed.count_below(&all, from);
                Rest::Sealed(first..all.start + sealed.count_below(&all, end))
            }
            (SegmentKeys::Growing(keys), Direction::Forwards) => {
                Rest::Marks(marks_of(keys, keys.chain(hash, end), from, &mut self.chunk))
            }
            (SegmentKeys::Growing(keys), Direction::Backwards) => {
                Rest::Chain(keys.chain(hash, end))
            }
        };
        self.current = Some(Walk { segment, keys, rest });
        Ok(true)
    }

    /// Takes the next records of the segment, or leaves it if there are none.
    fn fill(&mut self) {
        let Some(walk) = &self.current else { return };
        let (from, _) = self.part_of(&walk.segment);
        let base_offset = walk.segment.base_offset;
        let Some(walk) = &mut self.current else { return };
        match (&mut walk.rest, &*walk.keys) {
            (Rest::Sealed(range), SegmentKeys::Sealed(keys)) => {
                take_sealed(keys, range, self.direction, &mut self.chunk);
            }
            (Rest::Marks(marks), SegmentKeys::Growing(keys)) => {
                if let Some(mark) = marks.pop() {
                    let found = &mut self.chunk;
                    walk_down(keys, mark, from, usize::MAX, &mut |record| found.push_front(record));
                }
            }
            (Rest::Chain(next), SegmentKeys::Growing(keys)) => {
                if let Some(link) = *next {
                    let found = &mut self.chunk;
                    *next =
                        walk_down(keys, link, from, CHUNK, &mut |record| found.push_back(record));
                }
            }
            _ => {}
        }
        if self.chunk.is_empty() && walk.rest.is_empty() {
            self.leave(base_offset);
        }
    }

    fn leave(&mut self, base_offset: i64) {
        self.current = None;
        match self.direction {
            Direction::Backwards => self.end = self.end.min(base_offset),
            Direction::Forwards => {
                let behind = self.segments.floor(base_offset) + 1;
                let next = self.segments.get(behind).map_or(self.end, |next| next.base_offset);
                self.from = self.from.max(next);
            }
        }
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        match self {
            Rest::Sealed(range) => range.is_empty(),
            Rest::Marks(marks) => marks.is_empty(),
            Rest::Chain(next) => next.is_none(),
        }
    }
}

fn take_sealed(
    keys: &SealedKeys,
    range: &mut std::ops::Range<u32>,
    direction: Direction,
    chunk: &mut VecDeque<KeyedRecord>,
) {
    let numbers = std::iter::from_fn(|| match direction {
        Direction::Forwards => range.next(),
        Direction::Backwards => range.next_back(),
    });
    chunk.extend(numbers.take(CHUNK).filter_map(|number| keys.record(number)));
}

/// Walks down a chain to the relative offset `from`, over `count` records at most; returns where
/// to go on.
fn walk_down(
    keys: &GrowingKeys,
    link: Link,
    from: u64,
    count: usize,
    visit: &mut dyn FnMut(KeyedRecord),
) -> Option<Link> {
    let (mut next, mut left, mut arrived) = (Some(link), count, false);
    while let Some(link) = next.filter(|_| left > 0 && !arrived) {
        next = keys.walk(link, &mut |_, record| {
            arrived = u64::from(record.relative_offset) < from;
            if arrived || left == 0 {
                return false;
            }
            left -= 1;
            visit(record);
            true
        });
    }
    next.filter(|_| !arrived)
}

/// Marks on the chain down to the relative offset `from`, the newest record first. If the records
/// are few they are put into `chunk` right away, and there are no marks.
fn marks_of(
    keys: &GrowingKeys,
    newest: Option<Link>,
    from: u64,
    chunk: &mut VecDeque<KeyedRecord>,
) -> Vec<Link> {
    let (mut marks, mut stride, mut since) = (Vec::new(), CHUNK, CHUNK);
    let (mut next, mut arrived) = (newest, false);
    while let Some(link) = next.filter(|_| !arrived) {
        next = keys.walk(link, &mut |link, record| {
            arrived = u64::from(record.relative_offset) < from;
            if arrived {
                return false;
            }
            if since == stride {
                since = 0;
                marks.push(link);
                if marks.len() == MARKS_MAX {
                    thin_out(&mut marks);
                    stride *= 2;
                }
            }
            since += 1;
            if marks.len() == 1 && chunk.len() < CHUNK {
                chunk.push_front(record);
            }
            true
        });
    }
    if marks.len() <= 1 {
        marks.clear();
    } else {
        chunk.clear();
    }
    marks
}

/// Every second mark goes.
fn thin_out(marks: &mut Vec<Link>) {
    let mut keep = false;
    marks.retain(|_| {
        keep = !keep;
        keep
    });
}
