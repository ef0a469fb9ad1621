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

pub(crate) mod rebalance;
pub(crate) mod reconcile;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::Assignor;
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::topic::{TopicName, TopicPartition};

/// A member's place among the members, in the order in which they joined. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberSlot(u64);

/// Who wants to join.
pub(crate) struct NewMember {
    pub(crate) member_id: String,
    /// The lasting name of a static member.
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) subscription: Subscription,
    /// What it may be assigned by, the best first.
    pub(crate) assignors: Vec<NamedAssignor>,
    /// How long its place is kept while it is away, if it is a static one.
    pub(crate) session_timeout: Duration,
}

/// An assignor whose name was asked for once, so that no code of a program runs where the members
/// are changed.
#[derive(Clone)]
pub(crate) struct NamedAssignor {
    name: Arc<str>,
    assignor: Arc<dyn Assignor>,
}

impl NamedAssignor {
    pub(crate) fn new(assignor: Arc<dyn Assignor>) -> NamedAssignor {
        NamedAssignor { name: Arc::from(assignor.name()), assignor }
    }
}

/// What a join did.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) slot: MemberSlot,
    /// The living member of the same instance id, which is none any more.
    pub(crate) fenced: Option<MemberSlot>,
    /// Whether it got the place of an earlier member of its instance id.
    pub(crate) took_over: bool,
    /// Who has something to do now.
    pub(crate) affected: Vec<MemberSlot>,
}

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
            target: BTreeMap::new(),
            topics: BTreeMap::new(),
            assignor: None,
            retired: Vec::new(),
            stale: false,
            planning: false,
            holds: 0,
        }
    }

    /// Adds a member. One whose instance id is known takes over that place: the target stays, and
    /// so does the generation, unless it subscribes to something else.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if no assignor is supported by all members.
    pub(crate) fn join(&mut self, new: NewMember) -> Result<Joined> {
        let same =
            |member: &Member| new.instance_id.is_some() && member.instance_id == new.instance_id;
        let earlier = self.members.iter().find(|(_, member)| same(member)).map(|(slot, _)| *slot);
        self.check_assignors(&new, earlier)?;
        let slot = MemberSlot(self.next_slot);
        self.next_slot += 1;
        let mut joined = Joined { slot, fenced: None, took_over: false, affected: Vec::new() };
        let mut member = Member {
            member_id: new.member_id,
            instance_id: new.instance_id,
            client_id: new.client_id,
            subscription: new.subscription,
            assignors: new.assignors,
            session_timeout: new.session_timeout,
            owned: BTreeSet::new(),
            target: BTreeSet::new(),
            lost: BTreeSet::new(),
            refusal: None,
            away_since: None,
        };
        match earlier.and_then(|earlier| self.members.remove(&earlier).map(|old| (earlier, old))) {
            None => self.stale = true,
            Some((earlier, old)) => {
                joined.took_over = true;
                joined.fenced = old.away_since.is_none().then_some(earlier);
                self.stale |= old.subscription != member.subscription;
                self.retired.extend(old.assignors);
                member.target = old.target;
                for partition in &member.target {
                    self.target.insert(partition.clone(), slot);
                }
                self.members.insert(slot, member);
                joined.affected = self.free_all(earlier, old.owned);
                return Ok(joined);
            }
        }
        self.members.insert(slot, member);
        Ok(joined)
    }

    fn check_assignors(&self, new: &NewMember, replaced: Option<MemberSlot>) -> Result<()> {
        let others: Vec<&Member> = self
            .members
            .iter()
            .filter(|(slot, _)| Some(**slot) != replaced)
            .map(|(_, member)| member)
            .collect();
        let supported = |name: &str| others.iter().all(|member| member.supports(name));
        if new.assignors.iter().any(|assignor| supported(&assignor.name)) {
            return Ok(());
        }
        let names = |assignors: &[NamedAssignor]| {
            let names: Vec<&str> = assignors.iter().map(|assignor| &*assignor.name).collect();
            names.join(", ")
        };
        let message = match others.first() {
            None => "a member needs at least one assignor".to_owned(),
            Some(other) => format!(
                "no assignor is supported by all members: this one has {}, {} has {}",
                names(&new.assignors),
                other.member_id,
                names(&other.assignors),
            ),
        };
        Err(Error::new(ErrorKind::InvalidInput, message))
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

    /// Topics came, went or grew. Says whether that matters to the group.
    pub(crate) fn topics_changed(&mut self, topics: &PartitionCounts) -> bool {
        let matters = !self.members.is_empty() && self.subscribed(topics) != self.topics;
        let matters = matters && !planted!("growth_unnoticed");
        self.stale |= matters;
        matters
    }

    /// A topic was deleted, and its partitions with it. Returns who has something to do now.
    pub(crate) fn topic_deleted(&mut self, topic: &TopicName) -> Vec<MemberSlot> {
        let is_of = |partition: &TopicPartition| partition.topic == *topic;
        self.target.retain(|partition, _| !is_of(partition));
        let mut affected = Vec::new();
        for (slot, member) in &mut self.members {
            member.target.retain(|partition| !is_of(partition));
            let owned = std::mem::take(&mut member.owned);
            let (lost, kept): (BTreeSet<_>, BTreeSet<_>) = owned.into_iter().partition(is_of);
            member.owned = kept;
            if member.away_since.is_none() && !lost.is_empty() {
                member.lost.extend(lost);
                affected.push(*slot);
            }
        }
        for (_, owner) in self.owners.iter_mut().filter(|(partition, _)| is_of(partition)) {
            owner.released = true;
        }
        self.owners.retain(|partition, owner| !is_of(partition) || owner.commits > 0);
        self.stale |= self.topics.remove(topic).is_some();
        affected
    }

    /// The topics that somebody subscribed to.
    pub(crate) fn subscribed(&self, topics: &PartitionCounts) -> PartitionCounts {
        let mut subscriptions: Vec<&Subscription> = Vec::new();
        for member in self.members.values() {
            if !subscriptions.contains(&&member.subscription) {
                subscriptions.push(&member.subscription);
            }
        }
        let wanted = |topic: &TopicName| subscriptions.iter().any(|wants| wants.includes(topic));
        topics
            .iter()
            .filter(|(topic, _)| wanted(topic))
            .map(|(topic, count)| (topic.clone(), *count))
            .collect()
    }

    /// Somebody outside of the group is about to write its offsets; refused while it has members.
    /// Until [`unhold`](Self::unhold) nobody takes a partition.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotEmpty`].
    pub(crate) fn hold(&mut self) -> Result<()> {
        if self.members.is_empty() {
            self.holds += 1;
            return Ok(());
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
