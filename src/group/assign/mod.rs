//! Who of a group reads which partition: the interface of an assignor, and Kafka's four.
//!
//! An assignor is a pure function from topics, members and what they own to a target. It knows no
//! group, no lock and no clock; when the target is carried out is the group's affair. The same
//! input always gives the same target.

mod cooperative_sticky;
mod range;
mod round_robin;
mod sticky;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::group::assign::cooperative_sticky::CooperativeStickyAssignor;
pub use crate::group::assign::range::RangeAssignor;
pub use crate::group::assign::round_robin::RoundRobinAssignor;
pub use crate::group::assign::sticky::StickyAssignor;
use crate::topic::{TopicName, TopicPartition};

/// Decides which member of a consumer group reads which partition.
///
/// A group asks its assignor whenever members, subscriptions or topics change. Callers may assume
/// that nothing but the arguments matters. `assign` is called under no lock, on the thread of
/// whichever member noticed the change first; the others go on with the old target meanwhile. Its
/// answer is thrown away, and it is asked again, if something changed before it was there. Several
/// groups may ask one assignor at the same time.
///
/// # Examples
///
/// All partitions go to the member whose id comes first; the others stand by.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use ottla::{Assignor, MemberSubscription, TopicName, TopicPartition};
///
/// struct OneLeader;
///
/// impl Assignor for OneLeader {
///     fn name(&self) -> &str {
///         "one-leader"
///     }
///
///     fn assign(
///         &self,
///         topics: &BTreeMap<TopicName, i32>,
///         members: &[MemberSubscription],
///     ) -> Vec<Vec<TopicPartition>> {
///         let mut assignment = vec![Vec::new(); members.len()];
///         for (topic, &count) in topics {
///             let leader = (0..members.len())
///                 .filter(|&index| members[index].topics.contains(topic))
///                 .min_by_key(|&index| &members[index].member_id);
///             if let Some(leader) = leader {
///                 let partitions = (0..count).map(|number| TopicPartition::new(topic.clone(), number));
///                 assignment[leader].extend(partitions);
///             }
///         }
///         assignment
///     }
/// }
///
/// # fn main() -> ottla::Result<()> {
/// let orders = TopicName::new("orders")?;
/// let topics = BTreeMap::from([(orders.clone(), 3)]);
/// let members = [
///     MemberSubscription::new("worker-b", vec![orders.clone()]),
///     MemberSubscription::new("worker-a", vec![orders]),
/// ];
/// let assignment = OneLeader.assign(&topics, &members);
/// assert!(assignment[0].is_empty());
/// assert_eq!(assignment[1].len(), 3);
/// # Ok(())
/// # }
/// ```
pub trait Assignor: Send + Sync {
    /// The name under which members agree on an assignor, such as `range`. Two assignors of one
    /// name must decide alike.
    fn name(&self) -> &str;

    /// The target of every member, in the order of `members`.
    ///
    /// `topics` holds the existing topics and how many partitions each has. A target that gives a
    /// partition to two members, a partition that does not exist, or a topic to a member that did
    /// not subscribe to it, is refused by the group, whose old target stays; so is one with
    /// another number of lists. A partition that is in no list is read by nobody; if a member
    /// owns it now, the group asks again once that member has let go of it.
    fn assign(
        &self,
        topics: &BTreeMap<TopicName, i32>,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>>;
}

/// A member of a group, as an assignor sees it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSubscription {
    /// The member's id, unique within its group.
    pub member_id: String,
    /// The lasting name of a static member: its `group.instance.id`.
    pub instance_id: Option<String>,
    /// The topics it subscribed to, patterns resolved. A topic need not exist.
    pub topics: Vec<TopicName>,
    /// The partitions it owns at the moment.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it came to own them; -1 if it never had any.
    pub generation: i32,
}

impl MemberSubscription {
    /// A member that owns nothing yet.
    pub fn new(member_id: impl Into<String>, topics: Vec<TopicName>) -> MemberSubscription {
        MemberSubscription {
            member_id: member_id.into(),
            instance_id: None,
            topics,
            owned: Vec::new(),
            generation: -1,
        }
    }

    /// Makes it a static member.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> MemberSubscription {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// Lets it own partitions since a generation.
    #[must_use]
    pub fn owned(mut self, partitions: Vec<TopicPartition>, generation: i32) -> MemberSubscription {
        self.owned = partitions;
        self.generation = generation;
        self
    }
}

/// Kafka's assignor of this name, which may be the name of Kafka's class.
pub(crate) fn by_name(name: &str) -> Option<Arc<dyn Assignor>> {
    let short = name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name);
    match short {
        "range" | "RangeAssignor" => Some(Arc::new(RangeAssignor)),
        "roundrobin" | "RoundRobinAssignor" => Some(Arc::new(RoundRobinAssignor)),
        "sticky" | "StickyAssignor" => Some(Arc::new(StickyAssignor)),
        "cooperative-sticky" | "CooperativeStickyAssignor" => {
            Some(Arc::new(CooperativeStickyAssignor))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
