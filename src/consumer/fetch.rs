//! One round of a poll: hand out what is ready, and fetch where nothing is.
//!
//! Fairness: a round starts behind the partition that the last one ended with. All fetches of one
//! round end at ends of one moment. Not here: waiting (`poll.rs`).

use std::sync::Arc;
use std::time::Duration;

use super::assigned::{Assigned, FetchRules};
use super::pool::Pool;
use super::records::Records;
use super::source::Source;
use crate::config::consumer::ConsumerConfig;
use crate::env::Env;
use crate::error::{Error, Result};

/// What a consumer reads, and how.
pub(super) struct Fetcher {
    source: Arc<dyn Source>,
    rules: FetchRules,
    fetch_bytes_max: usize,
    partition_bytes_max: usize,
    /// Kafka's `fetch.min.bytes` and `fetch.max.wait.ms`.
    fetch_bytes_min: u64,
    wait_max: Duration,
    may_hold: bool,
    /// Since when fewer bytes than `fetch_bytes_min` are there.
    held_since: Option<Duration>,
    pub(super) assigned: Vec<Assigned>,
    pub(super) pool: Arc<Pool>,
    /// The partition to start the next round with.
    next: usize,
    /// The ends of all assigned partitions, of one moment.
    ends: Vec<i64>,
    /// An error that is told by the next poll, because this one has records to return.
    error: Option<Error>,
    /// The bytes of all batches that were fetched.
    pub(super) fetched_bytes: u64,
}

/// What is known once per round, when the first partition has nothing left.
#[derive(Clone, Copy)]
enum Round {
    /// So many bytes are ready in all partitions.
    Ready(usize),
    /// Too few bytes are there to fetch them already.
    Held,
}

impl Fetcher {
    pub(super) fn new(source: Arc<dyn Source>, env: &Env, config: &ConsumerConfig) -> Fetcher {
        let bytes = |of: u32| usize::try_from(of).unwrap_or(usize::MAX).max(1);
        Fetcher {
            source,
            rules: FetchRules {
                clock: Arc::clone(&env.clock),
                reset: config.auto_offset_reset,
                isolation: config.isolation_level,
                check_crcs: config.check_crcs,
                pass_deleted: false,
            },
            fetch_bytes_max: bytes(config.fetch_max_bytes),
            partition_bytes_max: bytes(config.max_partition_fetch_bytes),
            fetch_bytes_min: u64::from(config.fetch_min_bytes),
            wait_max: config.fetch_max_wait,
            may_hold: true,
            held_since: None,
            assigned: Vec::new(),
            pool: Arc::default(),
            next: 0,
            ends: Vec::new(),
            error: None,
            fetched_bytes: 0,
        }
    }

    pub(super) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    pub(super) fn rules(&self) -> &FetchRules {
        &self.rules
    }

    /// Whether few bytes may wait for more.
    #[cfg(feature = "async")]
    pub(super) fn may_hold(&mut self, may_hold: bool) {
        self.may_hold = may_hold;
        if !may_hold {
            self.held_since = None;
        }
    }

    /// Whether partitions that were deleted are no error.
    pub(super) fn pass_deleted(&mut self, pass: bool) {
        self.rules.pass_deleted = pass;
    }

    /// Reads these partitions from now on.
    pub(super) fn replace_assigned(&mut self, assigned: Vec<Assigned>) {
        self.assigned = assigned;
        self.next = 0;
        self.error = None;
    }

    /// Forgets an error that was not told yet: a position changed.
    pub(super) fn forget_error(&mut self) {
        self.error = None;
    }

    /// The next records, at most so many; none if there are none now.
    ///
    /// # Errors
    /// The first of an earlier round that had records to return, else the first of this one.
    pub(super) fn round(&mut self, records_max: usize) -> Result<Records> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let records = self.gather(records_max);
        match self.error.take() {
            Some(error) if records.is_empty() => Err(error),
            error => {
                self.error = error;
                Ok(records)
            }
        }
    }

    /// One round over all partitions. Errors are noted.
    fn gather(&mut self, records_max: usize) -> Records {
        let mut records = Records::new(Arc::clone(&self.pool));
        let mut quota = records_max;
        let mut round: Option<Round> = None;
        let count = self.assigned.len();
        let start = self.next;
        for step in 0..count {
            let index = (start + step) % count;
            let mut fetched_at = None;
            while quota > 0 {
                let Some(assigned) = self.assigned.get_mut(index) else { break };
                if assigned.is_passed_by() {
                    break;
                }
                match assigned.take(quota, &self.pool) {
                    Ok(Some(run)) => {
                        quota -= run.len();
                        records.push(run);
                        self.next = (index + 1) % count;
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.note(error);
                        break;
                    }
                }
                // One fetch per round, or more while they bring nothing but what is passed over.
                let is_served = records.last_partition() == Some(assigned.name());
                let at = assigned.known_position();
                if fetched_at.is_some() && (is_served || fetched_at == Some(at)) {
                    break;
                }
                fetched_at = Some(at);
                // Counted and looked up once per round, and only if something has to be fetched.
                let Round::Ready(ready) = round.get_or_insert_with(|| self.prepare()) else {
                    break;
                };
                match self.fetch(index, *ready) {
                    Ok(0) => break,
                    Ok(bytes) => *ready = ready.saturating_add(bytes),
                    Err(error) => {
                        self.note(error);
                        break;
                    }
                }
            }
        }
        records
    }

    /// Takes all ends at one moment; counts the bytes that are ready in all partitions.
    fn prepare(&mut self) -> Round {
        if self.may_hold && self.fetch_bytes_min > 1 && self.hold_back() {
            return Round::Held;
        }
        self.held_since = None;
        let Fetcher { source, assigned, ends, .. } = self;
        source.read_section(&mut || {
            ends.clear();
            ends.extend(assigned.iter().map(|assigned| assigned.partition().end_offset()));
        });
        Round::Ready(assigned.iter().map(Assigned::ready_bytes).sum())
    }

    /// Whether to wait for more bytes. Notes since when.
    fn hold_back(&mut self) -> bool {
        match self.waiting_bytes() {
            Ok(0) => false,
            Ok(bytes) if bytes < self.fetch_bytes_min => {
                let now = self.rules.clock.monotonic();
                let since = *self.held_since.get_or_insert(now);
                now.saturating_sub(since) < self.wait_max
            }
            // The fetch will say what is wrong.
            Ok(_) | Err(_) => false,
        }
    }

    /// About how many bytes could be fetched from partitions that have none ready.
    fn waiting_bytes(&self) -> Result<u64> {
        let mut sum: u64 = 0;
        for assigned in self.assigned.iter().filter(|assigned| assigned.ready_bytes() == 0) {
            sum = sum.saturating_add(assigned.waiting_bytes(&self.rules)?);
        }
        Ok(sum)
    }

    /// Whether a round would find something.
    pub(super) fn has_news(&self) -> bool {
        if self.error.is_some() {
            return true;
        }
        if self.held_since.is_some() {
            return !self.waiting_bytes().is_ok_and(|bytes| bytes < self.fetch_bytes_min);
        }
        !self.assigned.iter().all(|assigned| assigned.is_idle(&self.rules))
    }

    /// When bytes that wait for others are fetched whatever their number.
    pub(super) fn held_until(&self) -> Option<Duration> {
        self.held_since.map(|since| since.saturating_add(self.wait_max))
    }

    /// Fetches from one partition, within the bounds that all share. Returns the bytes.
    fn fetch(&mut self, index: usize, ready_bytes: usize) -> Result<usize> {
        let left = self.fetch_bytes_max.saturating_sub(ready_bytes);
        let (Some(assigned), Some(&end)) = (self.assigned.get_mut(index), self.ends.get(index))
        else {
            return Ok(0);
        };
        // The first partition gets its batch whatever its size.
        if left == 0 && ready_bytes > 0 {
            return Ok(0);
        }
        let bytes_max = left.min(self.partition_bytes_max);
        let bytes = match assigned.fetch(end, bytes_max, &self.rules, &self.pool) {
            Err(_) if self.rules.pass_deleted && assigned.partition().is_deleted() => 0,
            fetched => fetched?,
        };
        self.fetched_bytes = self.fetched_bytes.saturating_add(bytes as u64);
        Ok(bytes)
    }

    fn note(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }
}
