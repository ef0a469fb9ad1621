//! Committed offsets in memory, until they are kept in the log.

use std::collections::BTreeMap;

use crate::env::sync::Mutex;
use crate::error::Result;
use crate::group::offset::OffsetAndMetadata;
use crate::topic::TopicPartition;

#[derive(Debug, Default)]
pub(super) struct MemoryOffsets(Mutex<BTreeMap<(String, TopicPartition), OffsetAndMetadata>>);

impl MemoryOffsets {
    pub(super) fn commit(
        &self,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let mut committed = self.0.lock();
        for (partition, offset) in offsets {
            committed.insert((group.to_owned(), partition.clone()), offset.clone());
        }
        Ok(())
    }

    pub(super) fn committed(
        &self,
        group: &str,
        partition: &TopicPartition,
    ) -> Option<OffsetAndMetadata> {
        self.0.lock().get(&(group.to_owned(), partition.clone())).cloned()
    }
}
