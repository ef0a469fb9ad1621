//! Kafka's `roundrobin`: all partitions are dealt out like cards, one member after the other.

use std::collections::BTreeMap;

use crate::group::assign::subscriptions::{static_members_first, subscribed_topics};
use crate::group::assign::{Assignor, MemberSubscription};
use crate::topic::{TopicName, TopicPartition};

/// Kafka's `roundrobin`: the partitions of all topics, in order, are dealt to the members in
/// turn; a member that did not subscribe to the topic is passed over.
///
/// With equal subscriptions no member has two partitions more than another. It does not look at
/// what members own: a change may move any partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        let mut assignment = vec![Vec::new(); members.len()];
        let order = static_members_first(members);
        let mut turn = 0;
        for topic in subscribed_topics(topics, members, &order) {
            for number in 0..topic.partition_count {
                // The first subscriber at or after the turn; past the end the circle closes.
                let next = topic.subscribers.partition_point(|&place| place < turn);
                let place = *topic.subscribers.get(next).unwrap_or(&topic.subscribers[0]);
                assignment[order[place]].push(TopicPartition::new(topic.name.clone(), number));
                turn = place + 1;
            }
        }
        assignment
    }
}
