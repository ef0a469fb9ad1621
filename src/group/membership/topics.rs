//! What becomes of a group when topics come, grow and go.

use std::collections::BTreeSet;

use crate::env::planted::planted;
use crate::group::membership::{MemberSlot, Membership};
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::topic::{TopicName, TopicPartition};

impl Membership {
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
}
