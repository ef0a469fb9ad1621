//! Deciding who is to read what: the inputs of an assignor, its answer looked through, the target
//! put in place.
//!
//! Three steps, so that a program's own assignor runs under no lock: [`Membership::plan`] takes
//! the inputs, [`Plan::run`] asks the assignor, [`Membership::install`] puts the answer in place,
//! unless something changed meanwhile.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::MemberSubscription;
use crate::group::membership::join::NamedAssignor;
use crate::group::membership::{Member, MemberSlot, Membership};
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::topic::{TopicName, TopicPartition};

/// The inputs of an assignor at one moment.
pub(crate) struct Plan {
    assignor: NamedAssignor,
    topics: PartitionCounts,
    slots: Vec<MemberSlot>,
    members: Vec<MemberSubscription>,
}

/// A target, one list per member of the plan.
pub(crate) struct Planned(Plan, Result<Vec<Vec<TopicPartition>>>);

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    /// It is the target now; these members have something to do.
    Target(Vec<MemberSlot>),
    /// It was no target; the old one stays, and every member is to be told.
    Refused,
    /// Something changed meanwhile: plan again.
    Outdated,
}

impl Membership {
    /// Whether somebody should [`plan`](Self::plan).
    pub(crate) fn wants_plan(&self) -> bool {
        self.stale && !self.planning
    }

    /// The inputs of an assignor, if the target is stale and nobody computes one already.
    pub(crate) fn plan(&mut self, topics: &PartitionCounts) -> Option<Plan> {
        if !self.wants_plan() {
            return None;
        }
        self.stale = false;
        let assignor = self.elect()?;
        self.planning = true;
        self.topics = self.subscribed(topics);
        Some(Plan {
            assignor,
            topics: self.topics.clone(),
            slots: self.members.keys().copied().collect(),
            members: self.subscriptions(),
        })
    }

    /// The members as an assignor sees them.
    fn subscriptions(&self) -> Vec<MemberSubscription> {
        // Members mostly subscribe alike, and a pattern is matched against every topic.
        let mut resolved: Vec<(&Subscription, Vec<TopicName>)> = Vec::new();
        let subscription_of = |member| {
            let Member { member_id, instance_id, subscription, owned, .. }: &Member = member;
            let known = resolved.iter().position(|(known, _)| *known == subscription);
            let known = known.unwrap_or_else(|| {
                resolved.push((subscription, subscription.resolve(&self.topics)));
                resolved.len() - 1
            });
            let names = resolved[known].1.clone();
            let mut subscription = MemberSubscription::new(member_id.clone(), names);
            subscription.instance_id.clone_from(instance_id);
            if owned.is_empty() {
                return subscription;
            }
            // Whoever owns a partition is its only owner, in this generation.
            subscription.owned(owned.iter().cloned().collect(), self.generation)
        };
        self.members.values().map(subscription_of).collect()
    }

    /// Kafka's choice: of the assignors that all members support, each member votes for the one
    /// that it likes best. Among equals the one that was voted for first.
    fn elect(&self) -> Option<NamedAssignor> {
        let mut votes: Vec<(&NamedAssignor, usize)> = Vec::new();
        let is_common = |name: &str| self.members.values().all(|member| member.supports(name));
        for member in self.members.values() {
            let mut liked = member.assignors.iter();
            let Some(vote) = liked.find(|assignor| is_common(&assignor.name)) else { continue };
            match votes.iter_mut().find(|(assignor, _)| assignor.name == vote.name) {
                Some((_, count)) => *count += 1,
                None => votes.push((vote, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(assignor, _)| assignor.clone())
    }

    /// Puts an answer in place as the target of the next generation.
    pub(crate) fn install(&mut self, Planned(plan, answer): Planned) -> Installed {
        self.planning = false;
        if self.stale || !plan.slots.iter().eq(self.members.keys()) {
            self.stale = !self.members.is_empty();
            self.retired.push(plan.assignor);
            return Installed::Outdated;
        }
        let lists = match answer {
            Ok(lists) => lists,
            Err(error) => {
                self.retired.push(plan.assignor);
                for member in self.members.values_mut().filter(|member| !member.is_away()) {
                    member.refusal = Some(error.clone());
                }
                return Installed::Refused;
            }
        };
        self.generation = self.generation.saturating_add(1);
        self.retired.extend(self.assignor.replace(plan.assignor));
        self.target.clear();
        for ((slot, member), list) in self.members.iter_mut().zip(lists) {
            member.refusal = None;
            self.target.extend(list.iter().map(|partition| (partition.clone(), *slot)));
            member.target = list.into_iter().collect();
        }
        self.release_for_absent();
        let slots: Vec<MemberSlot> = self.members.keys().copied().collect();
        Installed::Target(slots.into_iter().filter(|slot| self.is_pending(*slot)).collect())
    }

    /// Lets go of what static members that are away own and should not. Nobody reads it, so nobody
    /// has to be asked.
    pub(super) fn release_for_absent(&mut self) -> Vec<MemberSlot> {
        let surplus = |member: &Member| -> Vec<TopicPartition> {
            member.owned.difference(&member.target).cloned().collect()
        };
        let away = self.members.iter().filter(|(_, member)| member.is_away());
        let surplus: Vec<_> = away.map(|(slot, member)| (*slot, surplus(member))).collect();
        surplus.iter().flat_map(|(slot, partitions)| self.release(*slot, partitions)).collect()
    }
}

impl Plan {
    /// Asks the assignor. It may be the program's own: what it says is looked through, and a panic
    /// of it is an error.
    pub(crate) fn run(self) -> Planned {
        let Plan { assignor, topics, members, .. } = &self;
        let name = &assignor.name;
        let asked = catch_unwind(AssertUnwindSafe(|| assignor.assignor.assign(topics, members)));
        let answer = asked.map_err(|_| nonsense(name, "panicked")).and_then(|lists| {
            self.check(&lists).map_err(|what| nonsense(name, &what)).map(|()| lists)
        });
        Planned(self, answer)
    }

    fn check(&self, lists: &[Vec<TopicPartition>]) -> Result<(), String> {
        let (given, wanted) = (lists.len(), self.members.len());
        if given != wanted {
            return Err(format!("answered with {given} lists for {wanted} members"));
        }
        let mut seen = BTreeSet::new();
        for (member, list) in self.members.iter().zip(lists) {
            // Names are looked up once per member, not once per partition.
            let subscribed: BTreeSet<_> = member.topics.iter().collect();
            for partition in list {
                let count = self.topics.get(&partition.topic).copied().unwrap_or(0);
                if !(0..count).contains(&partition.partition) {
                    return Err(format!("assigned {partition}, which does not exist"));
                }
                if !subscribed.contains(&partition.topic) {
                    let member = &member.member_id;
                    return Err(format!(
                        "assigned {partition} to {member}, which did not subscribe"
                    ));
                }
                if !seen.insert(partition) {
                    return Err(format!("assigned {partition} twice"));
                }
            }
        }
        Ok(())
    }
}

fn nonsense(assignor: &str, what: &str) -> Error {
    let message = format!(
        "the assignor {assignor} {what}: the members keep what they have until something changes"
    );
    Error::new(ErrorKind::InvalidInput, message)
}
