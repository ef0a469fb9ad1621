//! Committing positions by themselves: with Kafka's `enable.auto.commit`, at polls.
//!
//! What a poll commits is what earlier polls returned: a program that is done with all records
//! before it polls again loses none. A failed commit is an error of that poll; no record is lost,
//! and it is tried again when the interval is over.

use std::time::Duration;

use super::Consumer;
use super::assigned::Assigned;
use super::pending_commits::Offsets;
use crate::error::Result;
use crate::group::coordinator::presence::Standing;
use crate::group::member::GroupMember;
use crate::group::offset::OffsetAndMetadata;
use crate::topic::TopicPartition;

/// Positions that did not move are committed again so often: committed offsets that are in use
/// must not grow old enough to expire.
const RENEWAL_PERIOD: Duration = Duration::from_secs(30);

/// When to commit again.
pub(super) struct AutoCommit {
    interval: Duration,
    /// Unknown until the first poll.
    next_at: Option<Duration>,
    /// When to commit also what did not move.
    renewal_at: Option<Duration>,
}

impl AutoCommit {
    pub(super) fn every(interval: Duration) -> AutoCommit {
        AutoCommit { interval, next_at: None, renewal_at: None }
    }

    /// Whether it is time; then the next interval begins.
    fn is_due(&mut self, now: Duration) -> bool {
        let next = now.saturating_add(self.interval);
        match self.next_at {
            Some(at) if now >= at => {
                self.next_at = Some(next);
                true
            }
            Some(_) => false,
            None => {
                self.next_at = Some(next);
                self.renewal_at = Some(now.saturating_add(RENEWAL_PERIOD));
                false
            }
        }
    }

    /// Whether it is time to commit also what did not move; then the next period begins.
    fn is_renewal(&mut self, now: Duration) -> bool {
        let is_renewal = self.renewal_at.is_some_and(|at| now >= at);
        if is_renewal {
            self.renewal_at = Some(now.saturating_add(RENEWAL_PERIOD));
        }
        is_renewal
    }
}

impl Consumer {
    /// Commits if it is time to.
    pub(super) fn auto_commit_if_due(&mut self) -> Result<()> {
        let Some(auto_commit) = self.group.as_mut().and_then(|group| group.auto_commit.as_mut())
        else {
            return Ok(());
        };
        let now = self.clock.monotonic();
        match (auto_commit.is_due(now), auto_commit.is_renewal(now)) {
            (_, true) => self.auto_commit(|_| true),
            (true, false) => self.auto_commit_all(),
            (false, false) => Ok(()),
        }
    }

    /// When to commit next while a poll waits, if there will be something to commit.
    pub(super) fn auto_commit_at(&self) -> Option<Duration> {
        let auto_commit = self.group.as_ref()?.auto_commit.as_ref()?;
        match self.fetcher.assigned.iter().any(Assigned::is_uncommitted) {
            true => auto_commit.next_at,
            false if self.fetcher.assigned.is_empty() => None,
            false => auto_commit.renewal_at,
        }
    }

    /// Commits every position that is not committed, if that is done automatically.
    pub(super) fn auto_commit_all(&mut self) -> Result<()> {
        self.auto_commit(Assigned::is_uncommitted)
    }

    /// The same of some partitions.
    pub(super) fn auto_commit_of(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.auto_commit(|assigned| {
            assigned.is_uncommitted() && partitions.contains(assigned.name())
        })
    }

    fn auto_commit(&mut self, is_wanted: impl Fn(&Assigned) -> bool) -> Result<()> {
        let Some(group) = self.group.as_ref().filter(|group| group.auto_commit.is_some()) else {
            return Ok(());
        };
        // Whoever was put out or replaced has nothing to commit; the poll goes on to tell so.
        let standing = group.member.as_ref().map(GroupMember::standing);
        if standing.is_some_and(|standing| standing != Standing::Member) {
            return Ok(());
        }
        let wanted = self.fetcher.assigned.iter().filter(|assigned| is_wanted(assigned));
        let offsets: Offsets = wanted
            .filter_map(|assigned| {
                let offset = OffsetAndMetadata::new(assigned.position_to_commit()?);
                Some((assigned.name().clone(), offset))
            })
            .collect();
        self.commit_now(&offsets)
    }
}
