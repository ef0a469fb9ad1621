//! Compaction that a program asks for.

use std::fmt;
use std::sync::Arc;

use crate::broker::topics::unknown_topic;
use crate::broker::{Broker, Engine};
use crate::catalog::topic_handle::TopicHandle;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::partition::compact::outcome::CompactionOutcome;

/// How [`Broker::compact_now_with`] works.
#[derive(Default)]
pub struct CompactionOptions {
    progress: Option<Box<dyn Fn(u64, u64) + Send + Sync>>,
}

impl fmt::Debug for CompactionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompactionOptions").finish_non_exhaustive()
    }
}

impl CompactionOptions {
    /// The defaults.
    pub fn new() -> CompactionOptions {
        CompactionOptions::default()
    }

    /// Calls `progress` with the bytes read and written so far, and about how many there will be.
    #[must_use]
    pub fn on_progress(
        self,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> CompactionOptions {
        CompactionOptions { progress: Some(Box::new(progress)) }
    }
}

impl Broker {
    /// Compacts a topic now: of each key only the newest record stays, in what was written before
    /// the call. What `min.compaction.lag.ms` protects stays, and what belongs to an open
    /// transaction; how much there is to gain does not matter. Returns when it is done, with one
    /// outcome for each round.
    ///
    /// Topics with `cleanup.policy=compact` are compacted in the background, too, as
    /// `log.cleaner.*` and the settings of the topic say.
    ///
    /// # Durability
    /// What went does not come back after power loss, and nothing else is lost.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` for a topic that is not compacted; `Corrupt` where
    /// a partition is damaged, which is then left as it is; `NoSpace`: there has to be room for the
    /// new segments beside the old ones. The other partitions are still compacted.
    ///
    /// ```
    /// use ottla::{Acks, Broker, CleanupPolicy, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// let config = TopicConfig::new().cleanup_policy(CleanupPolicy::COMPACT);
    /// broker.create_topic("prices", config)?;
    /// let prices = broker.partition("prices", 0)?;
    /// for price in ["8", "9", "12"] {
    ///     prices.append(&[Message::new(price).key("burger")], Acks::All)?;
    /// }
    /// let outcomes = broker.compact_now("prices")?;
    /// assert_eq!(outcomes.iter().map(|round| round.records_after).sum::<u64>(), 1);
    /// assert_eq!(prices.end_offset(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact_now(&self, topic: &str) -> Result<Vec<CompactionOutcome>> {
        self.compact_now_with(topic, &CompactionOptions::new())
    }

    /// [`compact_now`](Self::compact_now) with options.
    ///
    /// # Durability
    /// As [`compact_now`](Self::compact_now).
    ///
    /// # Errors
    /// As [`compact_now`](Self::compact_now).
    pub fn compact_now_with(
        &self,
        topic: &str,
        options: &CompactionOptions,
    ) -> Result<Vec<CompactionOutcome>> {
        self.engine.compact_topic(topic, options)
    }
}

impl Engine {
    fn compact_topic(
        &self,
        name: &str,
        options: &CompactionOptions,
    ) -> Result<Vec<CompactionOutcome>> {
        self.check_writable()?;
        let topic = self.topics.get(name).ok_or_else(|| unknown_topic(name))?;
        if !topic.config.values().cleanup_policy.compact {
            let message =
                format!("topic {name} is not compacted: alter it to cleanup.policy=compact");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        self.committer.begin_write()?;
        let _turn = self.cleaner.take_turn()?;
        let mut shown = Shown { done: 0, total: 0, options };
        let mut outcomes = Vec::new();
        let mut failure = Ok(());
        for partition in &topic.partitions {
            match self.compact_partition(&topic, partition, &mut shown) {
                Ok(mut rounds) => outcomes.append(&mut rounds),
                Err(_) if partition.is_deleted() => return Err(unknown_topic(name)),
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        failure.map(|()| outcomes)
    }

    /// All of a partition that may be compacted, in as many rounds as that takes.
    fn compact_partition(
        &self,
        topic: &TopicHandle,
        partition: &Arc<Partition>,
        shown: &mut Shown<'_>,
    ) -> Result<Vec<CompactionOutcome>> {
        if let Some(damage) = partition.damage() {
            return Err(damage.clone());
        }
        let end = partition.end_offset();
        let mut outcomes: Vec<CompactionOutcome> = Vec::new();
        if partition.log_start_offset() == end {
            return Ok(outcomes);
        }
        // What was written so far is sealed: only sealed segments are compacted.
        partition.lock().roll()?;
        loop {
            let Some(choice) = self.choose_round(topic, partition)? else { return Ok(outcomes) };
            // The first one goes over what is clean, too: tombstones may have had their time.
            let is_over = |last: &CompactionOutcome| {
                choice.first_dirty >= choice.upper.min(end) || last.cleaned_to <= last.first_dirty
            };
            if outcomes.last().is_some_and(is_over) {
                return Ok(outcomes);
            }
            // Once to collect keys, once to filter, and what is written.
            shown.expect(2 * choice.cleanable_bytes + choice.clean_bytes);
            match self.run_round(partition, &choice, &mut |bytes| shown.add(bytes))? {
                Some(outcome) => outcomes.push(outcome),
                // It was cut, or lost its start: what is left is looked at anew.
                None if partition.is_deleted() => return Ok(outcomes),
                None => {}
            }
        }
    }
}

/// What is shown of the progress.
struct Shown<'a> {
    done: u64,
    total: u64,
    options: &'a CompactionOptions,
}

impl Shown<'_> {
    fn expect(&mut self, bytes: u64) {
        self.total = self.done.saturating_add(bytes);
    }

    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if let Some(progress) = &self.options.progress {
            progress(self.done, self.total.max(self.done));
        }
    }
}
