//! The last batches of one producer, by which a batch that comes again is recognized.
//!
//! Kafka keeps five, because that is how many a client of its may have in flight. All of them are
//! of one epoch; whoever changes the epoch clears them.

use crate::format::batch_header::advance_sequence;

/// How many batches of a producer are remembered.
pub(crate) const RECENT_BATCHES: usize = 5;

/// A batch that is in the log, or staged to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    /// The last offset less the base offset, which is also how many sequences it spans, less one.
    pub(crate) offset_delta: i32,
}

impl StoredBatch {
    pub(crate) fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        advance_sequence(self.last_sequence, -self.offset_delta)
    }
}

/// Up to five batches, the oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecentBatches {
    batches: [StoredBatch; RECENT_BATCHES],
    count: u8,
}

impl RecentBatches {
    /// Takes in the newest; the oldest leaves if there are too many.
    pub(crate) fn push(&mut self, batch: StoredBatch) {
        let mut count = usize::from(self.count);
        if count == RECENT_BATCHES {
            self.batches.copy_within(1.., 0);
            count -= 1;
        }
        self.batches[count] = batch;
        self.count = count as u8 + 1;
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// The batch of exactly these sequences.
    pub(crate) fn find(&self, first_sequence: i32, last_sequence: i32) -> Option<&StoredBatch> {
        self.as_slice().iter().rev().find(|batch| {
            batch.last_sequence == last_sequence && batch.first_sequence() == first_sequence
        })
    }

    pub(crate) fn as_slice(&self) -> &[StoredBatch] {
        &self.batches[..usize::from(self.count)]
    }
}
