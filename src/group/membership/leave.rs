//! Going out of a group: at once, or with a place that is kept for a while.

use std::time::Duration;

use crate::env::planted::planted;
use crate::group::membership::{Member, MemberSlot, Membership};

impl Membership {
    /// Takes a member out, whether it left or was evicted. Its partitions are free at once, but for
    /// those with a commit that has not ended. Returns who has something to do now.
    pub(crate) fn remove(&mut self, slot: MemberSlot) -> Vec<MemberSlot> {
        let Some(member) = self.members.remove(&slot) else { return Vec::new() };
        for partition in &member.target {
            self.target.remove(partition);
        }
        self.stale = true;
        self.retired.extend(member.assignors);
        let affected = self.free_all(slot, member.owned);
        if self.members.is_empty() {
            // Nobody is there to be assigned anything.
            self.generation = self.generation.saturating_add(1);
            self.stale = false;
            self.topics.clear();
            self.retired.extend(self.assignor.take());
        }
        affected
    }

    /// A static member goes, and its place is kept; another one leaves.
    pub(crate) fn go_away(&mut self, slot: MemberSlot, now: Duration) -> Vec<MemberSlot> {
        match self.members.get_mut(&slot) {
            Some(member) if member.instance_id.is_some() => {
                member.away_since = Some(now);
                member.lost.clear();
                member.refusal = None;
                self.release_for_absent()
            }
            _ => self.remove(slot),
        }
    }

    /// Takes out the static members that have been away for too long. Returns how many, and who has
    /// something to do now.
    pub(crate) fn expire_away(&mut self, now: Duration) -> (usize, Vec<MemberSlot>) {
        let is_over = |member: &Member| {
            member.away_until().is_some_and(|until| until <= now) && !planted!("absent_for_ever")
        };
        let over: Vec<MemberSlot> =
            self.members.iter().filter(|(_, m)| is_over(m)).map(|(slot, _)| *slot).collect();
        let affected = over.iter().flat_map(|slot| self.remove(*slot)).collect();
        (over.len(), affected)
    }

    /// When the first place that is kept for a static member is given up.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.members.values().filter_map(Member::away_until).min()
    }
}
