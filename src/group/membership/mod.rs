//! One group's members as a pure state machine: who is there, who should read which partition
//! (the target), who does (the owners).
//!
//! It knows no lock, no clock and no thread. Every change marks the target as stale; whoever looks
//! next has it computed ([`rebalance`]). Then each member reconciles by itself ([`reconcile`]): it
//! lets go of what is not its target any more, and takes what is and has no owner.
//!
//! The invariants: a partition has at most one owner; nobody's step waits for another member's;
//! the generation only grows. Once every member has reconciled until nothing is pending, each
//! owns its target and the target is the assignor's answer to exactly these members.

pub(crate) mod join;
mod leave;
pub(crate) mod rebalance;
pub(crate) mod reconcile;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::group::membership::join::NamedAssignor;
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::topic::TopicPartition;

/// A member's place among the members, in the order in which they joined. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberSlot(u64);

/// Where a group stands. Kafka's states of its newer protocol.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It has no members, only committed offsets.
    Empty,
    /// Something changed, and who is to read what has not been decided yet: the next poll of any
    /// member does that.
    Assigning,
    /// It was decided, and some member still has to let go of partitions or to take them.
    Reconciling,
    /// Every member reads what it should.
    Stable,
}

impl std::fmt::Display for GroupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GroupState::Empty => "Empty",
            GroupState::Assigning => "Assigning",
            GroupState::Reconciling => "Reconciling",
            GroupState::Stable => "Stable",
        })
    }
}

/// The members of one group.
pub(crate) struct Membership {
    generation: i32,
    members: BTreeMap<MemberSlot, Member>,
    next_slot: u64,
    owners: BTreeMap<TopicPartition, Owner>,
    /// The number of the next taking of a partition.
    next_taking: u64,
    /// Who is to own which partition.
    target: BTreeMap<TopicPartition, MemberSlot>,
    /// The existing topics that somebody subscribed to, as they were when the target was planned.
    topics: PartitionCounts,
    /// What the target was computed by.
    assignor: Option<NamedAssignor>,
    /// Assignors that nobody here needs any more; see [`take_retired`](Self::take_retired).
    retired: Vec<NamedAssignor>,
    /// Something changed since the target was planned.
    stale: bool,
    /// A target is being computed.
    planning: bool,
    /// While somebody outside of the group writes its offsets, nobody takes a partition.
    holds: usize,
}

/// One member.
pub(crate) struct Member {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) subscription: Subscription,
    assignors: Vec<NamedAssignor>,
    session_timeout: Duration,
    owned: BTreeSet<TopicPartition>,
    target: BTreeSet<TopicPartition>,
    /// Taken away without asking: the topic is gone.
    lost: BTreeSet<TopicPartition>,
    /// What the assignor did wrong, until the member was told.
    refusal: Option<Error>,
    /// Since when a static member is away.
    away_since: Option<Duration>,
}

/// Who may write the offset of a partition.
struct Owner {
    slot: MemberSlot,
    /// The number of this taking: another one if the partition was lost and taken again.
    taking: u64,
    /// Commits of its offset that were begun and not ended.
    commits: usize,
    /// The owner let go of it: it is free when the last commit has ended.
    released: bool,
}

impl Membership {
    /// A group without members that has come to `generation`.
    pub(crate) fn new(generation: i32) -> Membership {
        Membership {
            generation,
            members: BTreeMap::new(),
            next_slot: 0,
            owners: BTreeMap::new(),
            next_taking: 0,
            target: BTreeMap::new(),
            topics: BTreeMap::new(),
            assignor: None,
            retired: Vec::new(),
            stale: false,
            planning: false,
            holds: 0,
        }
    }

    /// A member wants to read something else.
    pub(crate) fn resubscribe(&mut self, slot: MemberSlot, subscription: Subscription) {
        if let Some(member) = self.members.get_mut(&slot)
            && member.subscription != subscription
        {
            member.subscription = subscription;
            self.stale = true;
        }
    }

    /// Somebody outside of the group is about to write its offsets; refused while it has members,
    /// or a member that left has not ended a commit.
    /// Until [`unhold`](Self::unhold) nobody takes a partition.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotEmpty`].
    pub(crate) fn hold(&mut self) -> Result<()> {
        if self.members.is_empty() && self.owners.is_empty() {
            self.holds += 1;
            return Ok(());
        }
        if self.members.is_empty() {
            // It would land behind what is about to be written.
            let message = "a commit of a member that left is under way: try again";
            return Err(Error::new(ErrorKind::GroupNotEmpty, message));
        }
        let count = self.members.len();
        let message = format!("the group has {count} active members: close them first");
        Err(Error::new(ErrorKind::GroupNotEmpty, message))
    }

    /// The write is done. Returns who has something to do now.
    pub(crate) fn unhold(&mut self) -> Vec<MemberSlot> {
        self.holds = self.holds.saturating_sub(1);
        if self.holds == 0 { self.members.keys().copied().collect() } else { Vec::new() }
    }

    /// How many times it was decided anew who reads what.
    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    /// The members, by the time at which they joined.
    pub(crate) fn members(&self) -> impl Iterator<Item = (MemberSlot, &Member)> {
        self.members.iter().map(|(slot, member)| (*slot, member))
    }

    pub(crate) fn member(&self, slot: MemberSlot) -> Option<&Member> {
        self.members.get(&slot)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The name of what the members were last assigned by.
    pub(crate) fn assignor_name(&self) -> Option<&str> {
        self.assignor.as_ref().map(|assignor| &*assignor.name)
    }

    /// Assignors that were let go of. They may be a program's own, and are to be dropped where no
    /// lock is held.
    pub(crate) fn take_retired(&mut self) -> Vec<NamedAssignor> {
        std::mem::take(&mut self.retired)
    }

    /// The existing topics that members subscribed to, when that was last looked at.
    pub(crate) fn topics(&self) -> &PartitionCounts {
        &self.topics
    }

    /// Who owns a partition.
    #[cfg(test)]
    pub(crate) fn owner_of(&self, partition: &TopicPartition) -> Option<MemberSlot> {
        self.owners.get(partition).filter(|owner| !owner.released).map(|owner| owner.slot)
    }

    /// Where the group stands.
    pub(crate) fn state(&self) -> GroupState {
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.stale || self.planning {
            GroupState::Assigning
        } else if self.members.values().any(Member::is_reconciling) {
            GroupState::Reconciling
        } else {
            GroupState::Stable
        }
    }
}

impl Member {
    /// The partitions that it owns.
    pub(crate) fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    /// Whether it is a static one whose place is only kept.
    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    fn away_until(&self) -> Option<Duration> {
        self.away_since.map(|since| since.saturating_add(self.session_timeout))
    }

    fn is_reconciling(&self) -> bool {
        !self.is_away() && self.owned != self.target
    }

    fn supports(&self, assignor: &str) -> bool {
        self.assignors.iter().any(|own| *own.name == *assignor)
    }
}
