//! Members that are stuck: found by the tick, reported once per stall, put out only if asked to.

use std::sync::Arc;
use std::time::Duration;

use crate::topic::TopicPartition;

/// Is called with every stall of a member, on the thread that ticks, under no lock.
pub(crate) type OnStall = Arc<dyn Fn(&StalledMember) + Send + Sync>;

/// A member of a group that has not polled for longer than its `max.poll.interval.ms`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StalledMember {
    /// Its group.
    pub group: String,
    /// Its id.
    pub member_id: String,
    /// Its lasting name, if it is a static member.
    pub instance_id: Option<String>,
    /// The name of the program's part that it belongs to.
    pub client_id: String,
    /// How long ago its last poll ended.
    pub since_poll: Duration,
    /// The partitions that nobody reads meanwhile.
    pub partitions: Vec<TopicPartition>,
    /// Whether it was put out of the group, so that others read these partitions.
    pub evicted: bool,
}
