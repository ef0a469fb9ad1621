//! Streams: the records of one key of a topic, read in order and appended to under a condition,
//! without reading the partition.
//!
//! The topic keeps an index of its keys (`ottla.key.index=true`). Reading is in `read.rs`,
//! conditional appends in `append.rs`, the newest record of a key in `latest.rs`.

pub(crate) mod append;
pub(crate) mod latest;
pub(crate) mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::broker::Broker;
use crate::broker::partition_handle::PartitionHandle;
use crate::catalog::topic_handle::Topics;
use crate::error::Result;
use crate::producer::partitioner::{check_key_index, partition_of_stream};
use crate::topic::TopicPartition;

/// The records of one key, in the order in which they were appended. Made by [`Broker::stream`].
/// Cheap to clone, usable from any thread.
///
/// Its version is the offset of its newest record. Whoever has read a stream up to some version,
/// and appends on the condition that it is still that, has overlooked nothing: of several who do so
/// at the same time one succeeds, the others learn what they have missed.
///
/// ```
/// use ottla::{Acks, Broker, Message, TopicConfig};
///
/// # fn main() -> ottla::Result<()> {
/// let broker = Broker::in_memory()?;
/// broker.create_topic("accounts", TopicConfig::new().partitions(4).key_index(true))?;
///
/// let account = broker.stream("accounts", "alice")?;
/// assert_eq!(account.version()?, None);
/// let opened = account.expect_version(None).append(&[Message::new("opened")], Acks::All)?;
/// let paid_in = account.append(&[Message::new("+100")], Acks::All)?;
///
/// // Somebody who has not heard of the last one.
/// let late = account.expect_version(opened.last_offset).append(&[Message::new("-1")], Acks::All);
/// let error = late.unwrap_err();
/// let conflict = error.conflict().expect("it is one");
/// assert_eq!(conflict.actual, Some(paid_in.last_offset));
/// assert_eq!(conflict.records[0].value.as_deref(), Some("+100".as_bytes()));
///
/// let history: ottla::Result<Vec<_>> = account.read(..).collect();
/// assert_eq!(history?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Stream {
    handle: PartitionHandle,
    key: Arc<[u8]>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({}, {:?})", self.handle.name(), String::from_utf8_lossy(&self.key))
    }
}

impl Broker {
    /// The stream of a key, in the partition that a producer chooses for it by itself.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidInput` if the topic has no key index: create it with
    /// [`TopicConfig::key_index`](crate::TopicConfig::key_index), or alter `ottla.key.index`.
    pub fn stream(&self, topic: &str, key: impl AsRef<[u8]>) -> Result<Stream> {
        let key = key.as_ref();
        let handle = self.engine.topic(topic)?;
        let partition = partition_of_stream(&handle, key)?.id().partition();
        self.stream_in(topic, partition, key)
    }

    /// The stream of a key in a partition of one's choice.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub fn stream_in(&self, topic: &str, partition: i32, key: impl AsRef<[u8]>) -> Result<Stream> {
        check_key_index(&*self.engine.topic(topic)?)?;
        let handle = self.partition(topic, partition)?;
        Ok(Stream { handle, key: Arc::from(key.as_ref()) })
    }
}

impl Stream {
    /// Topic and partition.
    pub fn partition(&self) -> TopicPartition {
        self.handle.name()
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The offset of the newest record; `None` if there is none, or none is left.
    ///
    /// A tombstone is a record like any other, until compaction removes it.
    ///
    /// # Errors
    /// `Corrupt` for a damaged partition; `Io`; `InvalidInput` if the topic keeps no key index any
    /// more; `UnknownTopicOrPartition` if it was deleted.
    pub fn version(&self) -> Result<Option<i64>> {
        self.handle.partition().key_version(&self.key)
    }
}
