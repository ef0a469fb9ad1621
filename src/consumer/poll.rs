//! Polling: a round, and where it finds nothing, waiting until another may find something.
//!
//! A waiting consumer sleeps until something is published, its group changes, or the broker is
//! closed; it never looks in intervals. With `ottla.poll.spin.us` it looks without sleeping first,
//! and for a moment it does so anyway ([`Glance`]).

use std::time::Duration;

use super::Consumer;
use super::records::Records;
use crate::env::planted::{linger, planted};
use crate::env::sync::spin_loop;
use crate::error::{Error, ErrorKind, Result};
use crate::group::member::GroupMember;

/// How many looks a spinning poll takes between two at the clock.
const LOOKS_PER_CLOCK: u32 = 64;

/// How often a glance looks, at all partitions together: about three microseconds.
const GLANCE_LOOKS: usize = if cfg!(shuttle) { 0 } else { 128 };

/// After glances that found nothing, at most so many waits go without one.
const GLANCE_REST_MAX: u32 = 64;

/// A last glance before a thread is put to sleep. Waking it costs whoever publishes three
/// microseconds: much, where the next record follows within one. Where glances find nothing they
/// are left out, ever more of them.
#[derive(Debug, Default)]
pub(super) struct Glance {
    /// So many waits go without.
    rest: u32,
    /// And so many after the next one that finds nothing.
    next_rest: u32,
}

impl Glance {
    /// Looks for a moment, or not; true if there was something.
    fn look(&mut self, looks: usize, mut is_there: impl FnMut() -> bool) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        for _ in 0..looks {
            if is_there() {
                self.next_rest = 0;
                return true;
            }
            spin_loop();
        }
        self.next_rest = (self.next_rest * 2).clamp(1, GLANCE_REST_MAX);
        self.rest = self.next_rest;
        false
    }
}

impl Consumer {
    /// Returns the next records: at once if there are any, else as soon as some are published, or
    /// without any when `timeout` has passed. Those of one partition come in order, at most
    /// `max.poll.records` of all. With `fetch.min.bytes`, fewer bytes wait for more to come,
    /// though no longer than `fetch.max.wait.ms`.
    ///
    /// # Errors
    /// What reading says; the error names the partition, whose position is not moved. Records of
    /// other partitions are not lost: they come with this poll, and the error with the next, or
    /// with the next poll. [`ErrorKind::OffsetOutOfRange`] if a position does not exist and
    /// `auto.offset.reset` is none. [`ErrorKind::Closed`] when the broker is closed, also
    /// meanwhile.
    ///
    /// As a member of a group it first comes to what the group decided: see
    /// [`RebalanceListener`](super::listener::RebalanceListener).
    /// [`ErrorKind::Fenced`] if another member took this one's `group.instance.id`;
    /// [`ErrorKind::InvalidInput`] without a subscription or an assignment, within a listener, and
    /// for what the group's assignor did wrong.
    /// What an automatic commit says; no record is lost then, the next poll goes on.
    pub fn poll(&mut self, timeout: Duration) -> Result<Records> {
        self.poll_for(timeout, self.records_max)
    }

    /// As [`poll`](Consumer::poll), with another bound on the records.
    pub(super) fn poll_for(&mut self, timeout: Duration, records_max: usize) -> Result<Records> {
        self.begin_poll()?;
        let outcome = self.poll_until_given_up(timeout, records_max);
        self.end_poll();
        outcome
    }

    fn poll_until_given_up(&mut self, timeout: Duration, records_max: usize) -> Result<Records> {
        let mut give_up_at = None;
        loop {
            let records = self.round(records_max)?;
            if !records.is_empty() || self.wakeup.take() || timeout.is_zero() {
                return Ok(records);
            }
            let now = self.clock.monotonic();
            let give_up_at = *give_up_at.get_or_insert(now.saturating_add(timeout));
            if now >= give_up_at {
                return Ok(records);
            }
            self.wait(now, give_up_at);
        }
    }

    /// What there is now, without waiting.
    pub(super) fn round(&mut self, records_max: usize) -> Result<Records> {
        self.check_open()?;
        if self.group.is_some() {
            self.see_to_group()?;
        }
        let records = self.fetcher.round(records_max)?;
        self.counters.records += records.len() as u64;
        if planted!("committed_before_returned") {
            self.auto_commit_all()?;
        }
        Ok(records)
    }

    fn see_to_group(&mut self) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        if group.pending.has_done() {
            self.call_back_commits();
        }
        self.auto_commit_if_due()?;
        match &self.group {
            Some(group) if group.has_work() => self.reconcile(),
            _ => Ok(()),
        }
    }

    /// Tells the group that the member polls.
    pub(super) fn begin_poll(&mut self) -> Result<()> {
        self.check_not_in_listener("poll")?;
        self.check_reads_something()?;
        self.counters.polls += 1;
        self.stop_waking();
        self.is_polling = true;
        self.resume_poll();
        Ok(())
    }

    fn check_reads_something(&self) -> Result<()> {
        let subscribes = self.group.as_ref().is_some_and(|group| group.subscription.is_some());
        if subscribes || !self.fetcher.assigned.is_empty() {
            return Ok(());
        }
        let message = "the consumer reads nothing: subscribe to topics or assign partitions first";
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    pub(super) fn end_poll(&mut self) {
        self.pause_poll();
        self.is_polling = false;
    }

    /// What follows is the program's own time, also if it happens within a poll: one that hangs
    /// there is noticed.
    pub(super) fn pause_poll(&self) {
        if let (true, Some(member)) = (self.is_polling, self.member()) {
            member.end_poll(self.clock.monotonic());
        }
    }

    pub(super) fn resume_poll(&self) {
        if let (true, Some(member)) = (self.is_polling, self.member()) {
            member.begin_poll();
        }
    }

    pub(super) fn member(&self) -> Option<&GroupMember> {
        self.group.as_ref()?.member.as_ref()
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.fetcher.source().is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        Ok(())
    }

    /// Waits until a round may find something, at most until `give_up_at`.
    fn wait(&mut self, now: Duration, give_up_at: Duration) {
        let sooner = [self.fetcher.held_until(), self.auto_commit_at()];
        let wake_at = sooner.into_iter().flatten().fold(give_up_at, Duration::min);
        if !self.glance() && !self.spin(now, wake_at) {
            let looked_first = planted!("looked_before_registering").then(|| self.may_return());
            if looked_first.is_some() {
                linger();
            }
            self.register();
            // Looked at after registering: whatever happens from now on wakes.
            if !looked_first.unwrap_or_else(|| self.may_return()) && self.begin_wait() {
                self.wake.wait(wake_at.saturating_sub(self.clock.monotonic()));
                self.end_wait();
            }
            self.deregister();
        }
        let blocked = self.clock.monotonic().saturating_sub(now);
        self.counters.time_blocked = self.counters.time_blocked.saturating_add(blocked);
    }

    fn glance(&mut self) -> bool {
        let mut glance = std::mem::take(&mut self.glance);
        let looks = GLANCE_LOOKS / self.fetcher.assigned.len().max(1);
        let found = glance.look(looks, || self.may_return());
        self.glance = glance;
        found
    }

    /// Looks again and again for a while, if the settings say so; true if that helped.
    fn spin(&self, now: Duration, wake_at: Duration) -> bool {
        if self.spin.is_zero() {
            return false;
        }
        let until = now.saturating_add(self.spin).min(wake_at);
        while self.clock.monotonic() < until {
            for _ in 0..LOOKS_PER_CLOCK {
                if self.may_return() {
                    return true;
                }
                spin_loop();
            }
        }
        until >= wake_at
    }

    /// Whether a poll would not go on waiting.
    pub(super) fn may_return(&self) -> bool {
        self.has_news() || self.wakeup.is_called()
    }

    /// Whether a round may find something that the last one did not.
    pub(super) fn has_news(&self) -> bool {
        self.fetcher.has_news()
            || self.group.as_ref().is_some_and(|group| group.has_news())
            || self.fetcher.source().is_closed()
    }

    /// Tells the group that its wakes are waited for; false if there is something to see to.
    pub(super) fn begin_wait(&self) -> bool {
        self.member().is_none_or(GroupMember::begin_wait)
    }

    pub(super) fn end_wait(&self) {
        if let Some(member) = self.member() {
            member.end_wait();
        }
    }

    /// From now on, whatever is news wakes, once.
    pub(super) fn register(&self) {
        self.fetcher.source().closing().register(&self.wake);
        for assigned in self.fetcher.assigned.iter().filter(|assigned| !assigned.is_paused()) {
            assigned.partition().waiters().register(&self.wake);
        }
    }

    /// Takes back what [`wake_when_ready`](Consumer::wake_when_ready) registered.
    pub(super) fn stop_waking(&mut self) {
        if std::mem::take(&mut self.is_watched) {
            self.end_wait();
            self.deregister();
            if let Some(member) = self.member() {
                member.presence().end_watch(self.clock.monotonic());
            }
        }
    }

    pub(super) fn deregister(&self) {
        self.fetcher.source().closing().deregister(&self.wake);
        for assigned in &self.fetcher.assigned {
            assigned.partition().waiters().deregister(&self.wake);
        }
        self.wake.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glances_that_find_nothing_become_rare() {
        let mut glance = Glance::default();
        let mut looked = 0;
        for _ in 0..1000 {
            let mut looks = 0;
            assert!(!glance.look(3, || {
                looks += 1;
                false
            }));
            looked += usize::from(looks > 0);
        }
        assert!((10..30).contains(&looked), "{looked}");
        while !glance.look(3, || true) {}
        assert!(glance.look(3, || true), "one that finds something is followed by another");
    }
}
