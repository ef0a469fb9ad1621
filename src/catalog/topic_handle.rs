//! A topic as the clients hold it: its open partitions and its settings at one moment.
//!
//! Not the catalog's own record of the topic. A handle never changes: when a topic is altered,
//! grows or goes, whoever implements [`Topics`] puts another handle in its place.

use std::sync::Arc;

use crate::config::topic::TopicConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::topic::{TopicId, TopicName};

/// An open topic. Immutable; shared by all who read and write it.
pub(crate) struct TopicHandle {
    /// The topic's name.
    pub(crate) name: TopicName,
    /// The topic's id: another one after the topic was deleted and made anew.
    pub(crate) id: TopicId,
    /// All partitions, by number.
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// The settings in force.
    pub(crate) config: Arc<TopicConfig>,
}

/// Finds open topics by name. Implemented by whoever keeps them.
pub(crate) trait Topics: Send + Sync {
    /// The topic of this name as it is now.
    ///
    /// # Errors
    /// [`UnknownTopicOrPartition`](crate::error::ErrorKind::UnknownTopicOrPartition) when there is none.
    fn topic(&self, name: &str) -> Result<Arc<TopicHandle>>;

    /// A number that changes whenever any handle was replaced, after the new one can be found.
    /// Asked for every record that is sent: no more than one atomic load.
    fn version(&self) -> u64;
}

/// A partition of a topic.
///
/// # Errors
/// `UnknownTopicOrPartition` with the number of partitions that there are.
pub(crate) fn partition_of(topic: &TopicHandle, partition: i32) -> Result<&Arc<Partition>> {
    usize::try_from(partition).ok().and_then(|index| topic.partitions.get(index)).ok_or_else(|| {
        let count = topic.partitions.len();
        let message =
            format!("topic {} has {count} partitions, not number {partition}", topic.name);
        Error::new(ErrorKind::UnknownTopicOrPartition, message)
    })
}
