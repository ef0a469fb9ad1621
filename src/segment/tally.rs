//! What a segment adds up to, batch by batch, and which batches get index entries: the one place
//! of Kafka's rule, used by appending, by recovery and by rebuilding alike.
//!
//! A batch gets an entry in the offset index if more than `index.interval.bytes` were appended
//! since the batch with the last entry (that one included); the first batch never does. With it,
//! and once when the segment is sealed or closed, the time index gets the largest timestamp so
//! far, if that is larger than in its last entry.

use crate::format::checksum::crc32c_append;
use crate::format::index_entries::{OffsetIndexEntry, TimeIndexEntry};

use super::empty_state;
use super::indexes::Indexes;
use crate::format::control_file::SegmentState;

/// The bytes at the start of an entry that its own CRC leaves out, and that CRC.
pub(crate) const SUMMED_BYTES: usize = 21;

/// What counts about one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchFacts<'a> {
    /// The first bytes of the batch, at least [`SUMMED_BYTES`].
    pub(crate) head: &'a [u8],
    pub(crate) size: u64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
}

/// The sums of a segment up to some batch. Cheap to copy: an append that fails puts the copy back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) base_offset: i64,
    /// The bytes so far: the position of the next batch.
    pub(crate) position: u64,
    /// The offset after the last batch.
    pub(crate) next_offset: i64,
    pub(crate) log_sum: u32,
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_offset: i64,
    pub(crate) first_timestamp: i64,
    bytes_since_entry: u64,
    last_time_entry: i64,
    /// Entries in each index.
    pub(crate) offset_entries: usize,
    pub(crate) time_entries: usize,
}

/// No entry of the time index is at or below this: -1 is the time of no timestamp.
const NO_TIME_ENTRY: i64 = -1;

impl Tally {
    pub(crate) fn new(base_offset: i64) -> Tally {
        Tally::of_state(&empty_state(base_offset), &Indexes::growing())
    }

    /// Goes on where `state` and its indexes end.
    pub(crate) fn of_state(state: &SegmentState, indexes: &Indexes) -> Tally {
        let offset_entries = indexes.offset.len();
        let last = offset_entries.checked_sub(1).and_then(|index| indexes.offset.get(index));
        let last_position = last.map_or(0, |entry| u64::from(entry.position));
        Tally {
            base_offset: state.base_offset,
            position: state.log_bytes,
            next_offset: state.next_offset,
            log_sum: state.log_sum,
            max_timestamp: state.max_timestamp,
            max_timestamp_offset: state.max_timestamp_offset,
            first_timestamp: state.first_timestamp,
            bytes_since_entry: state.log_bytes.saturating_sub(last_position),
            last_time_entry: indexes.time.last().map_or(NO_TIME_ENTRY, |entry| entry.timestamp),
            offset_entries,
            time_entries: indexes.time.len(),
        }
    }

    /// Puts what is known of the log into `state`.
    pub(crate) fn describe_in(&self, state: &mut SegmentState) {
        state.next_offset = self.next_offset;
        state.log_bytes = self.position;
        state.log_sum = self.log_sum;
        state.max_timestamp = self.max_timestamp;
        state.max_timestamp_offset = self.max_timestamp_offset;
        state.first_timestamp = self.first_timestamp;
    }

    /// Adds a batch that lies at the end, and its index entries.
    #[inline]
    pub(crate) fn add(&mut self, batch: &BatchFacts<'_>, interval_bytes: u64, indexes: &Indexes) {
        if self.position == 0 {
            self.first_timestamp = batch.max_timestamp;
        }
        if batch.max_timestamp > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.max_timestamp_offset = batch.last_offset;
            indexes.note_max_timestamp(batch.max_timestamp, batch.last_offset);
        }
        if self.bytes_since_entry > interval_bytes {
            self.add_entries(batch, indexes);
        }
        self.bytes_since_entry += batch.size;
        self.log_sum = crc32c_append(self.log_sum, &batch.head[..SUMMED_BYTES]);
        self.position += batch.size;
        self.next_offset = batch.last_offset + 1;
    }

    fn add_entries(&mut self, batch: &BatchFacts<'_>, indexes: &Indexes) {
        // What does not fit is not indexed: lookups then start further ahead.
        if let (Some(relative_offset), Ok(position)) =
            (self.relative(batch.last_offset), i32::try_from(self.position))
        {
            let position = position.cast_unsigned();
            if indexes.offset.push(OffsetIndexEntry { relative_offset, position }) {
                self.offset_entries += 1;
                self.bytes_since_entry = 0;
            }
        }
        self.add_time_entry(indexes);
    }

    /// The entry that closes the time index, unless its last one says the same already.
    pub(crate) fn add_time_entry(&mut self, indexes: &Indexes) {
        if self.max_timestamp > self.last_time_entry
            && let Some(relative_offset) = self.relative(self.max_timestamp_offset)
        {
            indexes.time.push(TimeIndexEntry { timestamp: self.max_timestamp, relative_offset });
            self.last_time_entry = self.max_timestamp;
            self.time_entries += 1;
        }
    }

    fn relative(&self, offset: i64) -> Option<u32> {
        let relative = i32::try_from(offset.checked_sub(self.base_offset)?).ok()?;
        u32::try_from(relative).ok()
    }

    /// Takes back what was added to the indexes since this tally.
    pub(crate) fn restore(&self, indexes: &Indexes) {
        indexes.offset.truncate(self.offset_entries);
        indexes.time.truncate(self.time_entries);
        indexes.note_max_timestamp(self.max_timestamp, self.max_timestamp_offset);
    }
}
