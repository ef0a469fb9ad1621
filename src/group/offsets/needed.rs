//! What groups still need of a partition: for retention and compaction, which wait for them.

use super::{OffsetStore, OffsetsHost};
use crate::error::Result;
use crate::topic::TopicPartition;

impl OffsetStore {
    /// The first offset of a partition that one of `groups` has not committed: 0 if one of them
    /// has committed nothing there, `i64::MAX` if there are no groups.
    ///
    /// # Errors
    /// As [`committed`](Self::committed): whoever deletes must not go on then.
    pub(crate) fn first_needed(
        &self,
        host: &dyn OffsetsHost,
        groups: &[String],
        at: &TopicPartition,
    ) -> Result<i64> {
        let mut first = i64::MAX;
        for group in groups {
            let committed = self.committed(host, group, at)?;
            first = first.min(committed.map_or(0, |committed| committed.offset));
        }
        Ok(first)
    }
}
