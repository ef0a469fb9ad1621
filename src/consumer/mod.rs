//! The consumer: assigned partitions, a position in each, and polls that return what comes next.
//!
//! The handle is thin, each verb has its file. A poll hands out what was fetched before, fetches
//! where nothing is left, and waits, without looking in intervals, where there is nothing to
//! fetch. Whole batches are fetched and checked; records borrow from them. A member of a group
//! lets go of partitions and takes others within its polls.

mod assign;
mod assigned;
mod auto_commit;
pub(crate) mod builder;
mod close;
pub(crate) mod commit;
mod fetch;
pub(crate) mod group;
mod isolation;
pub(crate) mod iterate;
pub(crate) mod listener;
pub(crate) mod lookup;
pub(crate) mod metrics;
mod missed;
pub(crate) mod named;
mod pause;
mod pending_commits;
mod piece;
mod poll;
mod pool;
mod reconcile;
pub(crate) mod records;
mod seek;
pub(crate) mod snapshot;
pub(crate) mod source;
#[cfg(feature = "async")]
pub(crate) mod stream;
mod subscribe;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod wakeup;
#[cfg(feature = "async")]
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fetch::Fetcher;
use group::{Group, GroupExtras, Groups};
use listener::{ListenerCell, RebalanceListener};
use metrics::ConsumerMetrics;
use poll::Glance;
use source::Source;
use wakeup::ConsumerWakeup;

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
    glance: Glance,
    wake: Arc<Wake>,
    /// With a `group.id`.
    group: Option<Group>,
    /// Also what a consumer is known by.
    listener: Arc<ListenerCell>,
    /// Lets a poll return early.
    wakeup: ConsumerWakeup,
    /// Between the begin and the end of a poll.
    is_polling: bool,
    /// Registered without being in a poll.
    is_watched: bool,
    is_closed: bool,
    counters: ConsumerMetrics,
}

/// What a consumer is made of.
struct Parts {
    source: Arc<dyn Source>,
    env: Env,
    groups: Option<Groups>,
    extras: GroupExtras,
    listener: Option<Box<dyn RebalanceListener>>,
}

impl Consumer {
    fn new(parts: Parts, config: &ConsumerConfig) -> Consumer {
        let wake = Wake::new();
        let groups = parts.groups;
        Consumer {
            fetcher: Fetcher::new(parts.source, &parts.env, config),
            group: groups.and_then(|groups| Group::of(config, groups, parts.extras, &wake)),
            listener: ListenerCell::of(parts.listener),
            wakeup: ConsumerWakeup::of(&wake),
            is_polling: false,
            is_watched: false,
            is_closed: false,
            clock: Arc::clone(&parts.env.clock),
            records_max: usize::try_from(config.max_poll_records).unwrap_or(usize::MAX),
            spin: Duration::from_micros(u64::from(config.poll_spin_us)),
            glance: Glance::default(),
            wake,
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
