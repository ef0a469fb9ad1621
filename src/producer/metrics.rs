//! What a producer has done so far, counted once per batch.

use std::time::Duration;

use crate::env::sync::Mutex;

/// What a producer has done so far: [`Producer::metrics`](super::Producer::metrics).
///
/// Everything is counted per batch, when its fate is decided, so that counting costs a send
/// nothing. The names in brackets are those of Kafka's metrics.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProducerMetrics {
    /// Records that reached the `acks` level. [record-send-total]
    pub records: u64,
    /// Batches that reached the `acks` level.
    pub batches: u64,
    /// The bytes of those batches before compression.
    pub bytes_before_compression: u64,
    /// The bytes of those batches as they were written. [byte-total]
    pub bytes_after_compression: u64,
    /// Records that failed. [record-error-total]
    pub records_failed: u64,
    /// Batches that failed, wholly or in part.
    pub batches_failed: u64,
    /// Batches that were larger than `max.message.bytes` and sent in pieces. [batch-split-total]
    pub batches_split: u64,
    /// How long batches were open or waited to be handed to the log, summed up.
    pub queue_time: Duration,
    /// The longest time of those. [record-queue-time-max]
    pub queue_time_max: Duration,
    /// Sends that waited for memory.
    pub sends_waited: u64,
    /// How long they waited, summed up. [bufferpool-wait-time-total]
    pub wait_time: Duration,
    /// Sends that got no memory. [buffer-exhausted-total]
    pub sends_refused: u64,
    /// Threads that wait for memory now. [waiting-threads]
    pub waiting_threads: usize,
    /// Batches that are open or on their way now. [requests-in-flight]
    pub batches_in_flight: usize,
    /// The memory that these hold; `buffer.memory` is its bound.
    pub bytes_in_flight: usize,
    /// `batch.size`, which [`batch_fill`](ProducerMetrics::batch_fill) refers to.
    pub batch_size: usize,
}

impl ProducerMetrics {
    /// Records in a batch, on average. 0 before the first. [records-per-request-avg]
    pub fn records_per_batch(&self) -> f64 {
        ratio(self.records as f64, self.batches as f64)
    }

    /// The bytes of a batch before compression as part of `batch.size`, on average: 1 is full. A
    /// record that is larger than a batch counts for more. 0 before the first batch.
    pub fn batch_fill(&self) -> f64 {
        let full = self.batches as f64 * self.batch_size as f64;
        ratio(self.bytes_before_compression as f64, full)
    }

    /// Bytes after compression per byte before: below 1 if it helps. 0 before the first batch.
    /// [compression-rate-avg]
    pub fn compression_ratio(&self) -> f64 {
        ratio(self.bytes_after_compression as f64, self.bytes_before_compression as f64)
    }

    /// How long a batch was open or waited to be handed to the log, on average.
    /// [record-queue-time-avg]
    pub fn queue_time_average(&self) -> Duration {
        let batches = self.batches.saturating_add(self.batches_failed);
        let nanos = self.queue_time.as_nanos() / u128::from(batches.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// What is counted of one batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchFacts {
    pub(super) records: u32,
    /// The size before compression.
    pub(super) plain_bytes: usize,
    /// The size as it was written; that of all pieces together.
    pub(super) encoded_bytes: usize,
    /// From the opening until it was handed over.
    pub(super) queue_time: Duration,
    /// It was sent in more than one piece.
    pub(super) is_split: bool,
}

/// The counters behind the metrics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    totals: ProducerMetrics,
    opened: u64,
    closed: u64,
}

impl Counters {
    pub(super) fn opened(&self) {
        self.state.lock().opened += 1;
    }

    /// A batch was opened for nothing.
    pub(super) fn discarded(&self) {
        self.state.lock().closed += 1;
    }

    /// Counts a batch that is decided, of which so many records failed.
    pub(super) fn decided(&self, batch: &BatchFacts, failed: u32) {
        let mut state = self.state.lock();
        state.closed += 1;
        let totals = &mut state.totals;
        if failed == 0 {
            totals.batches += 1;
            totals.bytes_before_compression += batch.plain_bytes as u64;
            totals.bytes_after_compression += batch.encoded_bytes as u64;
        } else {
            totals.batches_failed += 1;
        }
        totals.records += u64::from(batch.records.saturating_sub(failed));
        totals.records_failed += u64::from(failed);
        totals.batches_split += u64::from(batch.is_split);
        totals.queue_time = totals.queue_time.saturating_add(batch.queue_time);
        totals.queue_time_max = totals.queue_time_max.max(batch.queue_time);
    }

    /// Counts a send that waited for memory, and whether it got some.
    pub(super) fn waited(&self, time: Duration) {
        let mut state = self.state.lock();
        state.totals.sends_waited += 1;
        state.totals.wait_time = state.totals.wait_time.saturating_add(time);
    }

    pub(super) fn refused(&self) {
        self.state.lock().totals.sends_refused += 1;
    }

    /// The totals so far; what is under way now is for others to say.
    pub(super) fn totals(&self) -> ProducerMetrics {
        let state = self.state.lock();
        let in_flight = state.opened.saturating_sub(state.closed);
        ProducerMetrics {
            batches_in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
            ..state.totals.clone()
        }
    }
}
