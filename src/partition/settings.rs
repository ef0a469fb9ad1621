//! The settings of a topic that the write path asks for with every batch, as plain numbers.

use crate::config::topic::TopicConfig;

/// Segments are rolled at this size even if the config allows more: what is staged while a group
/// commits still finds room below 2 GiB.
const ROLL_BYTES_MAX: u64 = (1 << 31) - (256 << 20);

/// A copy of the settings that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) segment_jitter_ms: i64,
    pub(crate) index_interval_bytes: u64,
    /// Entries that an offset index may have before the segment is rolled.
    pub(crate) offset_entries_max: usize,
    /// The same for a time index; one is left for the closing entry.
    pub(crate) time_entries_max: usize,
    pub(crate) batch_bytes_max: usize,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
    pub(crate) deletes: bool,
    /// Which records carry a key is remembered.
    pub(crate) key_index: bool,
    pub(crate) compacts: bool,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) max_compaction_lag_ms: i64,
    pub(crate) min_cleanable_dirty_ratio: f64,
}

impl Settings {
    pub(crate) fn of(config: &TopicConfig) -> Settings {
        let values = config.values();
        let index_bytes = values.segment_index_bytes as usize;
        Settings {
            segment_bytes: u64::from(values.segment_size_bytes()).min(ROLL_BYTES_MAX),
            segment_ms: values.segment_span_ms(),
            segment_jitter_ms: values.segment_jitter_ms.min(values.segment_ms),
            index_interval_bytes: u64::from(values.index_interval_bytes),
            offset_entries_max: index_bytes / 8,
            time_entries_max: (index_bytes / 12).saturating_sub(1),
            batch_bytes_max: values.max_message_bytes as usize,
            retention_ms: values.retention_ms,
            retention_bytes: values.retention_bytes,
            deletes: values.cleanup_policy.delete,
            key_index: values.key_index,
            compacts: values.cleanup_policy.compact,
            delete_retention_ms: values.delete_retention_ms,
            min_compaction_lag_ms: values.min_compaction_lag_ms,
            max_compaction_lag_ms: values.max_compaction_lag_ms,
            min_cleanable_dirty_ratio: values.min_cleanable_dirty_ratio,
        }
    }
}
