//! Letting go of the offsets of groups that nobody uses any more.
//!
//! | group | its offsets expire |
//! |---|---|
//! | without members, had some | `offsets.retention.minutes` after the last one left |
//! | never had members | each that long after it was committed |
//! | with members | those of topics that no member subscribes to, that long after the commit |
//! | of a broker's newer protocol | as one that had members |
//!
//! Only time counts during which the directory was open, in one piece: the count begins anew with
//! every open, on the monotonic clock. So whoever opens a directory after months finds all offsets,
//! a clock that is set forward deletes nothing, and a program that never runs for the whole time
//! keeps them for ever. An offset that carries its own time (Kafka's oldest clients set one) is
//! kept that long instead.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::changes::{Change, What};
use super::delete::forget_all;
use super::table::{Group, Metadata, Stored};
use super::{OffsetStore, OffsetsHost};
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::error::{ErrorKind, Result};
use crate::topic::{TopicName, TopicPartition};

/// So many groups are looked at and written together.
const GROUPS_AT_ONCE: usize = 500;

/// What the coordinator knows about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupActivity {
    /// It has no members.
    Empty,
    /// It has members, which subscribe to these topics.
    Active(BTreeSet<TopicName>),
}

impl OffsetStore {
    /// Takes back what expired; returns how many offsets.
    ///
    /// # Durability
    /// When it returns `Ok` they do not come back after power loss.
    ///
    /// # Errors
    /// Those of reading the log and of a durable append.
    pub(crate) fn expire(
        &self,
        host: &dyn OffsetsHost,
        activity: &dyn Fn(&str) -> GroupActivity,
    ) -> Result<u64> {
        let now = self.env.clock.monotonic();
        // Nothing that nobody asked for yet can be due before: then it need not be read either.
        let is_early = now.saturating_sub(self.opened) < self.options.retention;
        let is_read = self.complete.load(Ordering::Acquire);
        if host.offsets_topic().is_none() || (is_early && !is_read) {
            return Ok(0);
        }
        self.load(host)?;
        let names: Vec<Arc<str>> = self.table.read().groups.keys().cloned().collect();
        let mut expired = 0;
        for names in names.chunks(GROUPS_AT_ONCE) {
            expired += self.expire_groups(host, names, activity, now)?;
        }
        Ok(expired)
    }

    /// Takes back what expired of these groups, in one commit; if one of them changes meanwhile, of
    /// each half of them.
    fn expire_groups(
        &self,
        host: &dyn OffsetsHost,
        names: &[Arc<str>],
        activity: &dyn Fn(&str) -> GroupActivity,
        now: Duration,
    ) -> Result<u64> {
        let mut changes = Vec::new();
        let mut unchanged = Vec::new();
        for name in names {
            // Asked under no lock: the coordinator may want the table itself.
            let activity = activity(name);
            let table = self.table.read();
            let Some(group) = table.groups.get(name) else { continue };
            let due = self.due(group, name, &activity, now);
            if !due.is_empty() {
                // Also a commit that is queued in front of this makes a difference.
                unchanged.push((Arc::clone(name), group.version));
                changes.extend(due);
            }
        }
        if changes.is_empty() {
            return Ok(0);
        }
        let piece = self.first_piece(&changes);
        if piece < changes.len() && names.len() > 1 {
            return self.expire_halves(host, names, activity, now);
        }
        // One group may have more than fits into a commit: the rest is found to be due again.
        let is_rest = piece < changes.len();
        changes.truncate(piece);
        let count = changes.iter().filter(|c| matches!(c.what, What::Forget { .. })).count() as u64;
        let mut prepared = self.prepare(host, changes)?;
        prepared.effect.unchanged = unchanged;
        match self.write(host, prepared) {
            Err(error) if error.kind() == ErrorKind::Timeout => {
                self.expire_halves(host, names, activity, now)
            }
            Ok(()) if is_rest => Ok(count + self.expire_groups(host, names, activity, now)?),
            outcome => outcome.map(|()| count),
        }
    }

    /// A single group that is in use after all is looked at again the next time.
    fn expire_halves(
        &self,
        host: &dyn OffsetsHost,
        names: &[Arc<str>],
        activity: &dyn Fn(&str) -> GroupActivity,
        now: Duration,
    ) -> Result<u64> {
        if names.len() < 2 {
            return Ok(0);
        }
        let (left, right) = names.split_at(names.len() / 2);
        let expired = self.expire_groups(host, left, activity, now)?;
        Ok(expired + self.expire_groups(host, right, activity, now)?)
    }

    /// What is to be written about a group because it expired.
    fn due(
        &self,
        group: &Group,
        name: &Arc<str>,
        activity: &GroupActivity,
        now: Duration,
    ) -> Vec<Change> {
        let due = |at: &TopicPartition| {
            let Some(stored) = group.offsets.get(at) else { return false };
            let Some(since) = idle_since(group, stored, at, activity) else { return false };
            let kept = stored.retention.unwrap_or(self.options.retention);
            now.saturating_sub(since)
                >= if planted!("offsets_expire_early") { kept / 2 } else { kept }
        };
        let mut changes = forget_all(group, name, due);
        let nothing_left = changes.len() == group.offsets.len();
        let is_old = now.saturating_sub(group.idle_since) >= self.options.retention;
        if nothing_left && is_old && *activity == GroupActivity::Empty {
            let change = |what| Change { group: Arc::clone(name), what };
            let others = group.other_keys.iter().cloned();
            changes.extend(others.map(|key| change(What::ForgetOther { key })));
            if group.metadata != Metadata::None {
                changes.push(change(What::ForgetMetadata));
            }
        }
        changes
    }
}

/// Since when an offset is of no use; `None` while it is of use.
fn idle_since(
    group: &Group,
    stored: &Stored,
    at: &TopicPartition,
    activity: &GroupActivity,
) -> Option<Duration> {
    match (activity, &group.metadata) {
        (GroupActivity::Active(topics), _) if topics.contains(&at.topic) => None,
        (GroupActivity::Active(_), _) | (GroupActivity::Empty, Metadata::None) => {
            Some(stored.since)
        }
        // A group that had members. What was committed after the last one left counts, too.
        (GroupActivity::Empty, _) => Some(group.idle_since.max(stored.since)),
    }
}
