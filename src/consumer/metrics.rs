//! Counters of one consumer: kept per poll, not per record, and read by nobody else's thread.

use std::time::Duration;

use super::Consumer;

/// What a consumer has done since it was made. See [`Consumer::metrics`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerMetrics {
    /// Records that were returned.
    pub records: u64,
    /// Bytes of the batches that were fetched, as they lie in the log.
    pub bytes: u64,
    /// Polls.
    pub polls: u64,
    /// How often partitions came or went because the group decided so.
    pub rebalances: u64,
    /// Commits of offsets that succeeded.
    pub commits: u64,
    /// How long polls waited for something to read.
    pub time_blocked: Duration,
}

impl Consumer {
    /// What the consumer has done so far.
    pub fn metrics(&self) -> ConsumerMetrics {
        ConsumerMetrics { bytes: self.fetcher.fetched_bytes, ..self.counters }
    }
}
