//! The newest record of a key.

use super::read::owned;
use crate::batch::compression::DecodeLimits;
use crate::broker::Broker;
use crate::broker::topics::partition_of;
use crate::catalog::topic_handle::Topics;
use crate::consumer::records::OwnedRecord;
use crate::error::Result;
use crate::partition::Partition;
use crate::producer::partitioner::partition_of_key;
use crate::topic::TopicPartition;

impl Broker {
    /// The newest record of a key, in the partition that a producer chooses for it by itself;
    /// `None` if there is none, or if it is a tombstone.
    ///
    /// With a key index (`ottla.key.index=true`) this reads one batch. Without one it reads the
    /// whole partition: for more than a few lookups keep a table of it instead.
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("users", TopicConfig::new().key_index(true))?;
    /// let users = broker.stream("users", "john")?;
    /// users.append(&[Message::new("hungry"), Message::new("fed")], Acks::All)?;
    /// let latest = broker.latest("users", "john")?.expect("there are two");
    /// assert_eq!(latest.value.as_deref(), Some("fed".as_bytes()));
    /// users.append(&[Message::tombstone("john")], Acks::All)?;
    /// assert_eq!(broker.latest("users", "john")?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`, `Corrupt` and `Io`.
    pub fn latest(&self, topic: &str, key: impl AsRef<[u8]>) -> Result<Option<OwnedRecord>> {
        let key = key.as_ref();
        let handle = self.engine.topic(topic)?;
        if handle.config.values().key_index {
            let newest = self.stream(topic, key)?.read_backwards(..).next().transpose()?;
            return Ok(newest.filter(|record| record.value.is_some()));
        }
        let number = partition_of_key(key, handle.partitions.len());
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let partition = partition_of(&handle, number)?;
        let name = TopicPartition::new(handle.name.clone(), number);
        loop {
            let compacted_to = partition.compacted_to();
            let newest = newest_of_all(partition, &name, key)?;
            // Compaction may have taken away what the walk had not come to, a tombstone or a record
            // that is superseded behind the end of the walk: then it has seen an older one.
            if partition.compacted_to() == compacted_to {
                return Ok(newest);
            }
        }
    }
}

/// Reads the whole partition for the newest record of a key.
fn newest_of_all(
    partition: &Partition,
    name: &TopicPartition,
    key: &[u8],
) -> Result<Option<OwnedRecord>> {
    let (mut newest, mut scratch) = (None, Vec::new());
    let start = partition.log_start_offset();
    partition.walk(|entry| {
        if entry.is_control() || (entry.is_transactional() && partition.is_aborted(entry)?) {
            return Ok(());
        }
        for record in entry.records(&DecodeLimits::default(), &mut scratch)? {
            let record = record?;
            if record.key == Some(key) && record.offset >= start {
                newest = record.value.is_some().then(|| owned(name, &record));
            }
        }
        Ok(())
    })?;
    Ok(newest)
}
