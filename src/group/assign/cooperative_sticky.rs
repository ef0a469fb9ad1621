//! Kafka's `cooperative-sticky`: the target of `sticky` in two rounds. A partition that moves is
//! nobody's in the first; once its owner has let go of it, the group asks again.

use std::collections::BTreeMap;

use crate::group::assign::sticky::Target;
use crate::group::assign::{Assignor, MemberSubscription};
use crate::topic::{TopicName, TopicPartition};

/// Kafka's `cooperative-sticky`: decides like [`StickyAssignor`](crate::StickyAssignor), but
/// leaves out the partitions that somebody else still owns; they are given out when their owner
/// has let go of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        Target::new(topics, members)
            .lists(|ownership, partition, rank| !ownership.is_held_from(partition, rank))
    }
}
