//! Kafka's `sticky`: as balanced as can be, and of those targets one that moves little.
//!
//! There are two ways, as in Kafka: where all members subscribed to the same topics, quotas tell
//! who keeps what (`constrained`); else partitions are moved one by one until no move improves the
//! balance (`general`). Both work on small numbers: partitions are numbered through over all
//! topics, by topic name and number, and members by the order of their ids, their rank.
//!
//! Kafka goes through members in the order of a Java hash map where it decides who keeps one
//! partition more than others; here it is the order of member ids.

mod constrained;
mod general;
mod ownership;

use std::collections::BTreeMap;

use crate::group::assign::sticky::constrained::constrained;
use crate::group::assign::sticky::general::general;
use crate::group::assign::sticky::ownership::Ownership;
use crate::group::assign::subscriptions::{
    SubscribedTopic, all_equal, by_member_id, position, subscribed_topics,
};
use crate::group::assign::{Assignor, MemberSubscription};
use crate::topic::{TopicName, TopicPartition};

/// Kafka's `sticky`: balanced, and a member keeps what it owns as far as the balance allows.
///
/// With equal subscriptions no member has two partitions more than another, and a partition moves
/// only if its owner is gone or has too many. With different ones no single move would improve
/// the balance.
#[derive(Clone, Copy, Debug, Default)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &str {
        "sticky"
    }

    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        Target::new(topics, members).lists(|_, _, _| true)
    }
}

/// The partitions of all subscribed topics, numbered through by topic name and number.
pub(super) struct Partitions<'a> {
    topics: Vec<SubscribedTopic<'a>>,
    /// For each topic the index of its partition 0.
    starts: Vec<usize>,
    count: usize,
}

impl<'a> Partitions<'a> {
    fn new(topics: Vec<SubscribedTopic<'a>>) -> Partitions<'a> {
        let mut count = 0usize;
        let starts = topics
            .iter()
            .map(|topic| {
                let start = count;
                count += (0..topic.partition_count).len();
                start
            })
            .collect();
        Partitions { topics, starts, count }
    }

    /// The index of a partition, unless it is none of a subscribed topic.
    fn index_of(&self, partition: &TopicPartition) -> Option<usize> {
        let topic = position(&self.topics, &partition.topic)?;
        let number = usize::try_from(partition.partition).ok()?;
        self.of_topic(topic).nth(number)
    }

    /// The indexes of a topic's partitions.
    fn of_topic(&self, topic: usize) -> std::ops::Range<usize> {
        self.starts[topic]..self.starts.get(topic + 1).copied().unwrap_or(self.count)
    }
}

/// The outcome of the sticky algorithm, and what it went out from.
pub(super) struct Target<'a> {
    partitions: Partitions<'a>,
    /// From ranks to the caller's indexes of members.
    order: Vec<usize>,
    ownership: Ownership,
    /// The rank of the member that shall have each partition.
    assigned: Vec<usize>,
}

impl<'a> Target<'a> {
    pub(super) fn new(
        topics: &'a BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Target<'a> {
        let order = by_member_id(members);
        let partitions = Partitions::new(subscribed_topics(topics, members, &order));
        let ownership = Ownership::new(&partitions, members, &order);
        let assigned = if all_equal(members) {
            constrained(&partitions, &ownership, members.len())
        } else {
            general(&partitions, &ownership, members.len())
        };
        Target { partitions, order, ownership, assigned }
    }

    /// One list for each member, in the caller's order, of those partitions that `keep` lets
    /// pass; it sees the ownership, the partition's index and the rank of its member.
    pub(super) fn lists(
        self,
        keep: impl Fn(&Ownership, usize, usize) -> bool,
    ) -> Vec<Vec<TopicPartition>> {
        let mut lists = vec![Vec::new(); self.order.len()];
        for (index, topic) in self.partitions.topics.iter().enumerate() {
            for (number, partition) in (0..).zip(self.partitions.of_topic(index)) {
                let rank = self.assigned[partition];
                if keep(&self.ownership, partition, rank) {
                    let name = topic.name.clone();
                    lists[self.order[rank]].push(TopicPartition::new(name, number));
                }
            }
        }
        lists
    }
}
