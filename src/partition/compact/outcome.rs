//! What a round of compaction did, in numbers: plain data for reports.

/// What one round of compaction did to one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactionOutcome {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset that the round began to collect keys at: all below was cleaned before.
    pub first_dirty: i64,
    /// All records below this offset are cleaned now.
    pub cleaned_to: i64,
    /// How many different keys there were from `first_dirty` to `cleaned_to`.
    pub keys: u64,
    /// Segments that were looked at.
    pub segments_before: u64,
    /// Segments that they became; some may have stayed as they were.
    pub segments_after: u64,
    /// Bytes of the logs that were looked at.
    pub bytes_before: u64,
    /// Bytes of the logs that they became.
    pub bytes_after: u64,
    /// Records in them, markers of transactions not counted.
    pub records_before: u64,
    /// Records that stayed.
    pub records_after: u64,
    /// Records that went because they have no key; a compacted topic has no use for them.
    pub keyless_removed: u64,
    /// Tombstones that went because their time was over.
    pub tombstones_removed: u64,
}

impl CompactionOutcome {
    /// How many bytes the logs lost; 0 if they grew.
    pub fn bytes_removed(&self) -> u64 {
        self.bytes_before.saturating_sub(self.bytes_after)
    }
}
