//! How far a group has come in one partition.

/// The offset that a group goes on from in a partition, with a note of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the record before it, if that is known.
    pub leader_epoch: Option<i32>,
    /// Whatever the program wants to find again beside the offset; at most
    /// `offset.metadata.max.bytes`. Default: empty.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset without a note.
    pub fn new(offset: i64) -> OffsetAndMetadata {
        OffsetAndMetadata { offset, leader_epoch: None, metadata: String::new() }
    }

    /// Adds a note.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> OffsetAndMetadata {
        self.metadata = metadata.into();
        self
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> OffsetAndMetadata {
        OffsetAndMetadata::new(offset)
    }
}
