//! From a timestamp to an offset, by Kafka's rules.
//!
//! The answer is by position in the log: the first record from the log start on whose timestamp
//! is at or above the wanted one. Timestamps may go back and forth; a later, smaller one is not
//! found. Indexes only say where to begin.

use std::sync::Arc;

use super::Partition;
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::segment::offset_index::IndexHit;
use crate::segment::scan::{Scanned, Scanner};

/// An offset and the timestamp of the record there.
pub(crate) type OffsetAndTimestamp = (i64, i64);

impl Partition {
    /// The first record below `end` whose timestamp is at or above `timestamp`.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk.
    pub(crate) fn offset_for_timestamp(
        &self,
        timestamp: i64,
        end: i64,
    ) -> Result<Option<OffsetAndTimestamp>> {
        let end = end.min(self.end_offset());
        let start = self.log_start_offset();
        let segments = self.segments.load();
        for segment in segments.as_slice() {
            if segment.base_offset >= end {
                break;
            }
            if segment.max_timestamp().0 < timestamp {
                continue;
            }
            let relative = self.time_floor(segment, timestamp)?;
            let from = start.max(segment.base_offset.saturating_add(relative));
            let wanted = |at: i64| at >= timestamp;
            if let Some(found) = self.first_record(segment, from, start, end, &wanted)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record below `end` that carries the largest timestamp.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk.
    pub(crate) fn offset_of_max_timestamp(&self, end: i64) -> Result<Option<OffsetAndTimestamp>> {
        let end = end.min(self.end_offset());
        let start = self.log_start_offset();
        let segments = self.segments.load();
        let mut largest: Option<(i64, i64, &Arc<Segment>)> = None;
        for segment in segments.as_slice() {
            let (timestamp, offset) = segment.max_timestamp();
            if timestamp >= 0 && largest.is_none_or(|(other, ..)| timestamp > other) {
                largest = Some((timestamp, offset, segment));
            }
        }
        let Some((timestamp, offset, segment)) = largest else { return Ok(None) };
        let wanted = |at: i64| at >= timestamp;
        // The offset is the last of the batch that carries the timestamp.
        match self.first_record(segment, offset, start, end, &wanted)? {
            // The record is gone, and a batch that compaction emptied still names its time.
            None => self.largest_by_reading(segments.as_slice(), start, end),
            found => Ok(found),
        }
    }

    /// The same without believing any header: reads all there is, each step for a larger timestamp
    /// than the one before.
    fn largest_by_reading(
        &self,
        segments: &[Arc<Segment>],
        start: i64,
        end: i64,
    ) -> Result<Option<OffsetAndTimestamp>> {
        let mut largest: Option<OffsetAndTimestamp> = None;
        for segment in segments {
            loop {
                let above = largest.map_or(i64::MIN, |(_, timestamp)| timestamp);
                let wanted = |at: i64| at > above;
                let from = largest.map_or(start, |(offset, _)| offset.saturating_add(1));
                let from = from.max(segment.base_offset);
                match self.first_record(segment, from, start, end, &wanted)? {
                    None => break,
                    found => largest = found,
                }
            }
        }
        Ok(largest)
    }

    /// A relative offset at or below that of the first record with the timestamp.
    fn time_floor(&self, segment: &Arc<Segment>, timestamp: i64) -> Result<i64> {
        let indexes = segment.indexes(self.interval_bytes()).map_err(|error| self.name(error))?;
        // All records up to the entry's offset have at most its timestamp; equal ones may lie
        // before, so the entry must be below.
        let floor = indexes.time.lookup(timestamp.saturating_sub(1));
        Ok(floor.map_or(0, |entry| i64::from(entry.relative_offset)))
    }

    /// The first record of a segment at or behind the batch that holds `from`, in `start..end`,
    /// whose timestamp is wanted.
    fn first_record(
        &self,
        segment: &Arc<Segment>,
        from: i64,
        start: i64,
        end: i64,
        wanted: &dyn Fn(i64) -> bool,
    ) -> Result<Option<OffsetAndTimestamp>> {
        segment.recognise().map_err(|error| self.name(error))?;
        if segment.base_offset < self.holes_below {
            segment.prove().map_err(|error| self.name(error))?;
        }
        let indexes = segment.indexes(self.interval_bytes()).map_err(|error| self.name(error))?;
        let relative = u32::try_from(from.saturating_sub(segment.base_offset)).unwrap_or(u32::MAX);
        let hit = indexes.offset.lookup(relative);
        let position = hit.position();
        let mut order = Order::new(segment, &hit);
        let mut scanner = Scanner::new(&segment.log, position, segment.published());
        let mut scratch = Vec::new();
        loop {
            let scanned = scanner.next().map_err(|error| {
                let what = "cannot read the log";
                self.name(Error::io(error, what).at_file(segment.describe()))
            })?;
            match scanned {
                // What was wanted may lie in what is lost.
                Scanned::End => return segment.damage().cloned().map_or(Ok(None), Err),
                Scanned::Bad { position, error } => {
                    let error = error.into_error().at_file(segment.describe());
                    return Err(self.name(error.at_position(position)));
                }
                Scanned::Entry { position, entry } => {
                    order.check(segment, &entry, position).map_err(|error| self.name(error))?;
                    if entry.base_offset() >= end {
                        return Ok(None);
                    }
                    if entry.last_offset() < start || !may_hold(&entry, wanted) {
                        continue;
                    }
                    let found = find_in(&entry, start, end, wanted, &mut scratch);
                    let found = found.map_err(|error| {
                        let error = error.into_error().at_file(segment.describe());
                        self.name(error.at_position(position))
                    })?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
        }
    }
}

/// Where the next batch of a walk must begin or, behind an index entry, end: what it says of its
/// offset is under no checksum of its own.
struct Order {
    next: i64,
    landmark: Option<i64>,
}

impl Order {
    fn new(segment: &Segment, hit: &IndexHit) -> Order {
        let landmark = hit.floor.map(|entry| i64::from(entry.relative_offset));
        let landmark = landmark.map(|relative| segment.base_offset.saturating_add(relative));
        Order { next: segment.base_offset, landmark }
    }

    /// Where there is a hole, the whole segment must be as it was written.
    fn check(&mut self, segment: &Segment, entry: &Entry<'_>, position: u64) -> Result<()> {
        if planted!("times_of_any_batch") {
            return Ok(());
        }
        let (first, last) = (entry.base_offset(), entry.last_offset());
        let landmark = self.landmark.take();
        let fits = landmark.is_none_or(|landmark| landmark == last) && first >= self.next;
        if !fits {
            let message = format!("the batch with the offsets {first} to {last} lies elsewhere");
            let error = Error::new(ErrorKind::Corrupt, message).at_file(segment.describe());
            return Err(error.at_position(position));
        }
        if landmark.is_none() && first > self.next {
            segment.prove()?;
        }
        self.next = last.saturating_add(1);
        Ok(())
    }
}

/// Whether a batch can hold a wanted record, by its header. Markers are no records.
fn may_hold(entry: &Entry<'_>, wanted: &dyn Fn(i64) -> bool) -> bool {
    // A compressed legacy message of magic 0 has no timestamp at all.
    !entry.is_control() && wanted(entry.max_timestamp())
}

fn find_in(
    entry: &Entry<'_>,
    start: i64,
    end: i64,
    wanted: &dyn Fn(i64) -> bool,
    scratch: &mut Vec<u8>,
) -> Result<Option<OffsetAndTimestamp>, crate::format::FormatError> {
    for record in entry.records(&DecodeLimits::default(), scratch)? {
        let record = record?;
        if (start..end).contains(&record.offset) && wanted(record.timestamp) {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}
