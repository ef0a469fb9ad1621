//! Which partition: the topic with its id, the number, and the name of the folder.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::format::file_names::partition_dir;
use crate::topic::{TopicId, TopicName};

/// A partition's identity. Cheap to clone; ordered by topic id and number, which is the order in
/// which several partitions are locked.
#[derive(Clone, Debug)]
pub(crate) struct PartitionId(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    topic: TopicName,
    partition: i32,
    topic_id: TopicId,
    directory: Box<str>,
}

impl PartitionId {
    pub(crate) fn new(topic: TopicName, partition: i32, topic_id: TopicId) -> PartitionId {
        let directory = partition_dir(topic.as_str(), partition).into();
        PartitionId(Arc::new(Inner { topic, partition, topic_id, directory }))
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.0.topic
    }

    pub(crate) fn partition(&self) -> i32 {
        self.0.partition
    }

    pub(crate) fn topic_id(&self) -> TopicId {
        self.0.topic_id
    }

    /// The name of the folder in the root.
    pub(crate) fn directory(&self) -> &str {
        &self.0.directory
    }

    fn key(&self) -> (TopicId, i32) {
        (self.0.topic_id, self.0.partition)
    }
}

impl PartialEq for PartitionId {
    fn eq(&self, other: &PartitionId) -> bool {
        self.key() == other.key()
    }
}

impl Eq for PartitionId {}

impl PartialOrd for PartitionId {
    fn partial_cmp(&self, other: &PartitionId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PartitionId {
    fn cmp(&self, other: &PartitionId) -> Ordering {
        self.key().cmp(&other.key())
    }
}
