//! Kafka's `range`: topic by topic, each subscriber gets one run of neighbouring partitions.
//!
//! Topics with the same subscribers and the same number of partitions are cut alike, so that
//! partition 3 of one and partition 3 of the other meet in one member: what joins need.

use std::collections::BTreeMap;

use crate::group::assign::subscriptions::{static_members_first, subscribed_topics};
use crate::group::assign::{Assignor, MemberSubscription};
use crate::topic::{TopicName, TopicPartition};

/// Kafka's `range`, its default: each topic is cut into one run of partitions per subscriber, the
/// first ones a partition longer where it does not divide evenly.
///
/// With many topics of few partitions the first members get the most; the other assignors do not
/// have that.
#[derive(Clone, Copy, Debug, Default)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        let mut assignment = vec![Vec::new(); members.len()];
        let order = static_members_first(members);
        for topic in subscribed_topics(topics, members, &order) {
            let mut numbers = 0..topic.partition_count;
            for (rank, &place) in topic.subscribers.iter().enumerate() {
                // Of the subscribers that are left, the first takes its share, rounded up.
                let share = numbers.len().div_ceil(topic.subscribers.len() - rank);
                let run = numbers.by_ref().take(share);
                let partitions = run.map(|number| TopicPartition::new(topic.name.clone(), number));
                assignment[order[place]].extend(partitions);
            }
        }
        assignment
    }
}
