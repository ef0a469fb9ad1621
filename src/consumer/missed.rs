//! What a conflict missed, as records that were read.

use super::records::OwnedRecord;
use crate::error::Result;
use crate::error::conflict::{Conflict, MissedRecord};
use crate::format::batch_header::TimestampType;
use crate::topic::{TopicName, TopicPartition};

impl Conflict {
    /// The records as reading them would have returned them.
    ///
    /// # Errors
    /// `InvalidInput` if `topic` was set to what is no name of a topic.
    pub fn to_records(&self) -> Result<Vec<OwnedRecord>> {
        let partition = TopicPartition::new(TopicName::new(&self.topic)?, self.partition);
        let read = |missed: &MissedRecord| OwnedRecord {
            partition: partition.clone(),
            offset: missed.offset,
            timestamp: missed.timestamp_ms,
            timestamp_type: match missed.is_append_time {
                true => TimestampType::LogAppendTime,
                false => TimestampType::CreateTime,
            },
            key: missed.key.clone(),
            value: missed.value.clone(),
            headers: missed.headers.clone(),
        };
        Ok(self.records.iter().map(read).collect())
    }
}
