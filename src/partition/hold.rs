//! What others still need of a partition: how much of what is due to leave stays for them.
//!
//! Not here: who they are. The invariant: no segment with an offset that is needed goes, unless
//! what is kept would take more than its bound; then the oldest go, and it is said.

use std::sync::Arc;

use super::Partition;
use crate::env::sync::atomic::Ordering;
use crate::error::Result;
use crate::segment::Segment;

/// What retention has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Records at or above this offset are needed.
    pub(crate) needed_from: i64,
    /// Segments that are kept only for this take no more than so many bytes.
    pub(crate) bytes_max: u64,
}

/// How many of the oldest segments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Released {
    pub(super) segments: usize,
    /// Some of them go although they are needed.
    pub(super) needed_too: bool,
}

/// What is due to leave and stays, because somebody needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whole segments.
    pub(crate) bytes: u64,
    /// The offsets in them.
    pub(crate) records: i64,
}

impl Hold {
    /// Nobody needs anything.
    pub(crate) const NONE: Hold = Hold { needed_from: i64::MAX, bytes_max: u64::MAX };

    /// How many of the `due` oldest segments of a log that ends at `end` may go.
    pub(super) fn release(&self, segments: &[Arc<Segment>], due: usize, end: i64) -> Released {
        let is_free = |index: &usize| end_of(segments, *index, end) <= self.needed_from;
        let mut count = (0..due).take_while(is_free).count();
        let mut kept: u64 = segments[count..due].iter().map(|segment| segment.published()).sum();
        let mut needed_too = false;
        while kept > self.bytes_max && count < due {
            kept -= segments[count].published();
            count += 1;
            needed_too = true;
        }
        Released { segments: count, needed_too }
    }
}

/// Where a segment ends: where the next one begins.
fn end_of(segments: &[Arc<Segment>], index: usize, end: i64) -> i64 {
    segments.get(index + 1).map_or(end, |next| next.base_offset)
}

impl Partition {
    /// What would leave now, but for somebody who needs the records from `needed_from` on.
    ///
    /// # Errors
    /// Those of the disk, when the age of a segment has to be asked for.
    pub(crate) fn held(&self, needed_from: i64, now_ms: i64) -> Result<Held> {
        let writer = self.lock();
        let segments = self.segments.load_full();
        let segments = segments.as_slice();
        let due = self.count_due(&writer, segments, now_ms)?;
        let end = writer.state.next_offset;
        let hold = Hold { needed_from, ..Hold::NONE };
        let free = hold.release(segments, due, end).segments;
        let Some(first) = segments.get(free).filter(|_| free < due) else {
            return Ok(Held::default());
        };
        let bytes = segments[free..due].iter().map(|segment| segment.published()).sum();
        let from = first.base_offset.max(self.log_start_offset());
        Ok(Held { bytes, records: end_of(segments, due - 1, end).saturating_sub(from).max(0) })
    }

    /// Up to where records went in this session although somebody needed them.
    pub(crate) fn released_to(&self) -> i64 {
        self.released_to.load(Ordering::Acquire)
    }

    pub(crate) fn note_released(&self, log_start: i64) {
        self.released_to.fetch_max(log_start, Ordering::AcqRel);
    }
}
