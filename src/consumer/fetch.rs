//! One poll: hand out what is ready, fetch where nothing is, wait where there is nothing.
//!
//! Fairness: a poll starts behind the partition that the last one ended with. All fetches of one
//! round end at ends of one moment.

use std::sync::Arc;
use std::time::Duration;

use super::assigned::{Assigned, FetchRules};
use super::pool::Pool;
use super::records::Records;
use super::source::Source;
use crate::config::consumer::ConsumerConfig;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::partition::waiters::Wake;

/// What a consumer reads, and how.
pub(super) struct Fetcher {
    source: Arc<dyn Source>,
    env: Env,
    rules: FetchRules,
    fetch_bytes_max: usize,
    partition_bytes_max: usize,
    records_max: usize,
    pub(super) assigned: Vec<Assigned>,
    pub(super) pool: Arc<Pool>,
    /// The partition to start the next round with.
    next: usize,
    /// The ends of all assigned partitions, of one moment.
    ends: Vec<i64>,
    /// An error that is told by the next poll, because this one has records to return.
    error: Option<Error>,
    wake: Arc<Wake>,
}

impl Fetcher {
    pub(super) fn new(source: Arc<dyn Source>, env: Env, config: &ConsumerConfig) -> Fetcher {
        let bytes = |of: u32| usize::try_from(of).unwrap_or(usize::MAX).max(1);
        Fetcher {
            source,
            env,
            rules: FetchRules {
                reset: config.auto_offset_reset,
                isolation: config.isolation_level,
                check_crcs: config.check_crcs,
            },
            fetch_bytes_max: bytes(config.fetch_max_bytes),
            partition_bytes_max: bytes(config.max_partition_fetch_bytes),
            records_max: bytes(config.max_poll_records),
            assigned: Vec::new(),
            pool: Arc::default(),
            next: 0,
            ends: Vec::new(),
            error: None,
            wake: Wake::new(),
        }
    }

    pub(super) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    pub(super) fn rules(&self) -> FetchRules {
        self.rules
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

    pub(super) fn poll(&mut self, timeout: Duration) -> Result<Records> {
        let give_up_at = self.env.clock.monotonic().saturating_add(timeout);
        loop {
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let records = self.gather();
            if !records.is_empty() {
                return Ok(records);
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            let left = give_up_at.saturating_sub(self.env.clock.monotonic());
            if left.is_zero() {
                return Ok(records);
            }
            self.wait(left);
        }
    }

    /// One round over all partitions. Errors are noted.
    fn gather(&mut self) -> Records {
        let mut records = Records::new(Arc::clone(&self.pool));
        let mut quota = self.records_max;
        let mut ready: Option<usize> = None;
        let count = self.assigned.len();
        let start = self.next;
        for step in 0..count {
            let index = (start + step) % count;
            let mut fetched_at = None;
            while quota > 0 {
                let Some(assigned) = self.assigned.get_mut(index) else { break };
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
                let ready = ready.get_or_insert_with(|| self.prepare());
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

    /// Takes all ends at one moment; returns the bytes that are ready in all partitions.
    fn prepare(&mut self) -> usize {
        let Fetcher { source, assigned, ends, .. } = self;
        source.read_section(&mut || {
            ends.clear();
            ends.extend(assigned.iter().map(|assigned| assigned.partition().end_offset()));
        });
        assigned.iter().map(Assigned::ready_bytes).sum()
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
        let some = assigned.fetch(end, bytes_max, &self.rules, &self.pool)?;
        Ok(if some { assigned.ready_bytes() } else { 0 })
    }

    fn note(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// Waits until the end of one of the partitions moves, at most so long.
    fn wait(&mut self, at_most: Duration) {
        for assigned in &self.assigned {
            assigned.partition().waiters().register(&self.wake);
        }
        // Looked at after registering: what is published from now on wakes.
        let isolation = self.rules.isolation;
        let is_idle = |assigned: &Assigned| assigned.is_idle(isolation);
        if self.assigned.iter().all(is_idle) {
            self.wake.wait(at_most);
        }
        for assigned in &self.assigned {
            assigned.partition().waiters().deregister(&self.wake);
        }
        self.wake.take();
    }
}
