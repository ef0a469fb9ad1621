//! The consumer: assigned partitions, a position in each, and polls that return what comes next.
//!
//! The handle is thin, each verb has its file. A poll hands out what was fetched before, fetches
//! where nothing is left, and waits, without looking in intervals, where there is nothing to
//! fetch. Whole batches are fetched and checked; records borrow from them.

mod assign;
mod assigned;
pub(crate) mod builder;
mod fetch;
mod isolation;
pub(crate) mod iterate;
pub(crate) mod lookup;
pub(crate) mod metrics;
pub(crate) mod named;
mod pause;
mod piece;
mod poll;
mod pool;
pub(crate) mod records;
mod seek;
pub(crate) mod source;
#[cfg(feature = "async")]
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fetch::Fetcher;
use metrics::ConsumerMetrics;
use source::Source;

use crate::config::consumer::ConsumerConfig;
use crate::env::Env;
use crate::env::clock::Clock;
use crate::partition::waiters::Wake;
use crate::topic::TopicPartition;

/// Reads partitions. See [`ConsumerBuilder`](builder::ConsumerBuilder).
pub struct Consumer {
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    records_max: usize,
    spin: Duration,
    wake: Arc<Wake>,
    counters: ConsumerMetrics,
}

impl Consumer {
    pub(crate) fn new(source: Arc<dyn Source>, env: &Env, config: &ConsumerConfig) -> Consumer {
        Consumer {
            fetcher: Fetcher::new(source, env, config),
            clock: Arc::clone(&env.clock),
            records_max: usize::try_from(config.max_poll_records).unwrap_or(usize::MAX),
            spin: Duration::from_micros(u64::from(config.poll_spin_us)),
            wake: Wake::new(),
            counters: ConsumerMetrics::default(),
        }
    }

    /// The partitions that are read.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.fetcher.assigned.iter().map(|assigned| assigned.name().clone()).collect()
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("assignment", &self.assignment()).finish()
    }
}
