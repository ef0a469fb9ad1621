//! Deleting a topic: the record that does it. Its partitions and settings go with it.

use crate::catalog::{Catalog, encode_all};
use crate::error::Result;
use crate::format::metadata_records::MetadataRecord;

impl Catalog {
    /// The values of the records that delete the topic: one batch.
    ///
    /// # Errors
    /// [`UnknownTopicOrPartition`](crate::error::ErrorKind::UnknownTopicOrPartition).
    pub(crate) fn delete_topic(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let topic_id = self.topic(name)?.id;
        encode_all(&[MetadataRecord::RemoveTopic { topic_id }])
    }
}
