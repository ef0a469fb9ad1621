//! Which topics there are, their ids, partitions and settings: the metadata log replayed into
//! memory.
//!
//! The log is the truth, this is its image. Each verb (`create`, `add_partitions`, `alter`,
//! `delete`, `producer_ids`) is pure: it checks a wish against the image and answers with the
//! values of the records to commit, as one batch; the image changes only when they are replayed.
//! Not here: files, settings' meaning (`config`), the partitions' data.
//!
//! The invariant: replaying the same records gives the same image, and a record that fails to
//! apply leaves it as it was.

pub(crate) mod add_partitions;
pub(crate) mod alter;
pub(crate) mod bootstrap;
pub(crate) mod create;
pub(crate) mod delete;
#[cfg(test)]
pub(crate) mod known_topics;
pub(crate) mod producer_ids;
pub(crate) mod replay;
#[cfg(test)]
mod tests;
pub(crate) mod topic_handle;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::meta_properties::DirectoryId;
use crate::format::metadata_records::{MetadataRecord, PartitionRecord};
use crate::topic::{TopicId, TopicName};

/// The feature whose level says which records the log may hold.
pub(crate) const METADATA_VERSION: &str = "metadata.version";
/// The first level of it at which partitions name their directories (3.7-IV2).
const METADATA_VERSION_OF_DIRECTORIES: i16 = 17;

/// The image of the metadata log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Catalog {
    topics: BTreeMap<TopicName, Arc<TopicEntry>>,
    names: HashMap<TopicId, TopicName>,
    removed: BTreeSet<TopicId>,
    features: BTreeMap<String, i16>,
    /// By broker id, or the empty name for all brokers.
    broker_configs: BTreeMap<String, BTreeMap<String, String>>,
    /// The newest epoch of each broker that ever joined.
    broker_epochs: BTreeMap<i32, i64>,
    voters: BTreeSet<i32>,
    next_producer_id: i64,
    next_offset: i64,
    leader_epoch: i32,
    passed_over: BTreeMap<u32, u64>,
    transaction: Option<replay::OpenTransaction>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicEntry {
    /// Its name.
    pub(crate) name: TopicName,
    /// Its id.
    pub(crate) id: TopicId,
    /// Its partitions by number. Complete between batches of the log.
    pub(crate) partitions: BTreeMap<i32, PartitionEntry>,
    /// The settings that were made explicitly, under Kafka's names.
    pub(crate) overrides: BTreeMap<String, String>,
}

impl TopicEntry {
    /// How many partitions it has.
    pub(crate) fn partition_count(&self) -> i32 {
        // A log that holds more than i32::MAX partitions of a topic fits on no disk.
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionEntry {
    /// The epoch of its leader: batches are stamped with at least this.
    pub(crate) leader_epoch: i32,
    /// Counts its changes.
    pub(crate) partition_epoch: i32,
    /// The node that leads it; -1 after the clean end of a broker.
    pub(crate) leader: i32,
    /// The nodes that hold it.
    pub(crate) replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub(crate) isr: Vec<i32>,
    /// The directories of the replicas, where the log names them.
    pub(crate) directories: Vec<DirectoryId>,
}

/// Which node and directory new partitions are put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The node's id, from `meta.properties`.
    pub(crate) node_id: i32,
    /// The directory's id, from `meta.properties`.
    pub(crate) directory_id: DirectoryId,
}

/// Asking the image.
impl Catalog {
    /// All topics, by name.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<TopicEntry>> {
        self.topics.values()
    }

    /// A topic by name.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`].
    pub(crate) fn topic(&self, name: &str) -> Result<&Arc<TopicEntry>> {
        // A text that is no legal name is the name of no topic.
        let found = TopicName::new(name).ok().and_then(|name| self.topics.get(&name));
        found.ok_or_else(|| {
            let shown: String = name.chars().take(60).collect();
            let message = format!("there is no topic {shown:?}");
            Error::new(ErrorKind::UnknownTopicOrPartition, message)
        })
    }

    /// Whether the log removes this topic.
    pub(crate) fn is_removed(&self, id: TopicId) -> bool {
        self.removed.contains(&id)
    }

    /// The ids of the topics that the log removes.
    pub(crate) fn removed(&self) -> &BTreeSet<TopicId> {
        &self.removed
    }

    /// The level of a feature; 0 when it is off.
    pub(crate) fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All features that are on.
    #[cfg(test)]
    pub(crate) fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// A setting that the log makes for this node, or for all.
    #[cfg(test)]
    pub(crate) fn broker_config(&self, node_id: i32, name: &str) -> Option<&str> {
        let of = |resource: &str| self.broker_configs.get(resource)?.get(name);
        of(&node_id.to_string()).or_else(|| of("")).map(String::as_str)
    }

    /// The newest epoch of this node as a broker, -1 if it never was one. A clean marker that
    /// repeats it tells a broker that nothing was lost since.
    pub(crate) fn broker_epoch(&self, node_id: i32) -> i64 {
        self.broker_epochs.get(&node_id).copied().unwrap_or(-1)
    }

    /// The nodes other than this one that the log counts on: as replicas or as voters. While there
    /// are any, the directory is a part of a cluster and must not be written to alone.
    pub(crate) fn other_nodes(&self, node_id: i32) -> BTreeSet<i32> {
        let partitions = self.topics.values().flat_map(|topic| topic.partitions.values());
        let replicas = partitions.flat_map(|partition| partition.replicas.iter());
        replicas.chain(&self.voters).copied().filter(|&node| node != node_id).collect()
    }

    /// The first producer id that nobody was given.
    pub(crate) fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// The offset after the last batch that was replayed.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The leader epoch of the last batch that was replayed: the one to go on with, 0 in an empty
    /// log.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// How many records of which kind were passed over because they are not read here.
    #[cfg(test)]
    pub(crate) fn passed_over(&self) -> &BTreeMap<u32, u64> {
        &self.passed_over
    }

    fn names_directories(&self) -> bool {
        self.feature_level(METADATA_VERSION) >= METADATA_VERSION_OF_DIRECTORIES
    }

    /// The record of a new partition that this node leads from the start.
    fn new_partition(&self, id: TopicId, partition: i32, place: Place) -> MetadataRecord {
        let directories = self.names_directories().then(|| vec![place.directory_id]);
        MetadataRecord::Partition(PartitionRecord {
            partition,
            topic_id: id,
            replicas: vec![place.node_id],
            isr: vec![place.node_id],
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader: place.node_id,
            leader_recovery_state: 0,
            leader_epoch: 0,
            partition_epoch: 0,
            directories,
            eligible_leader_replicas: None,
            last_known_elr: None,
        })
    }
}

/// Encodes the records of one batch.
///
/// # Errors
/// [`ErrorKind::Limit`]: a text is longer than its field.
fn encode_all(records: &[MetadataRecord]) -> Result<Vec<Vec<u8>>> {
    let values: Result<_, FormatError> = records.iter().map(MetadataRecord::encode).collect();
    values.map_err(FormatError::into_error)
}

/// The batch of these record values, ready to be appended to the metadata log.
///
/// # Errors
/// None that can happen with values that a verb returned.
pub(crate) fn batch_of(values: &[Vec<u8>], now_ms: i64) -> Result<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    for value in values {
        builder.push(now_ms, None, Some(value), &[])?;
    }
    builder.take()
}
