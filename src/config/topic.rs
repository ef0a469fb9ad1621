//! The settings of a topic under Kafka's names, with Kafka's ranges and defaults.
//!
//! Two kinds of values live here: what was set explicitly (the overrides, which the catalog
//! stores as text) and the effective value of every setting (plain fields for the engine). The
//! second always follows from the first. The table of names is in `topic_keys.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::compression::{Compression, TopicCompression};
use super::timestamp_type::TimestampType;
use super::topic_keys::TOPIC_KEYS;
use crate::error::{Error, ErrorKind, Result};

/// The most partitions that a topic can have: their numbers have at most five digits.
pub const TOPIC_PARTITIONS_MAX: i32 = 100_000;

/// The settings of a topic.
///
/// They have Kafka's names, ranges and defaults, but for one difference: a topic that Ottla
/// creates keeps its records for ever (`retention.ms` is -1, and the catalog says so), because
/// the directory may hold the only copy. Resetting `retention.ms` brings Kafka's default of seven
/// days.
///
/// ```
/// use std::time::Duration;
/// use ottla::config::topic::TopicConfig;
///
/// let config = TopicConfig::new()
///     .partitions(4)
///     .retention(Duration::from_secs(3600))
///     .set("segment.bytes", "16777216")?;
/// assert_eq!(config.get("retention.ms").as_deref(), Some("3600000"));
/// # Ok::<(), ottla::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// The number of partitions to create, if it was said.
    partition_count: Option<i32>,
    /// What was set explicitly, under its dotted name; also names that are not understood.
    overrides: BTreeMap<String, String>,
    /// The first typed value that was out of range; reported by `validate`.
    refused: Option<Refusal>,
    /// The effective values.
    values: TopicValues,
}

/// The effective value of every setting of a topic.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct TopicValues {
    /// How old records leave. Default: delete.
    pub cleanup_policy: CleanupPolicy,
    /// The codec of batches on the disk. Default: as the producer sent them.
    pub compression: TopicCompression,
    /// Default: -1 (the codec's own), bounds 1..9.
    pub compression_gzip_level: i32,
    /// Default: 9, bounds 1..17.
    pub compression_lz4_level: i32,
    /// Default: 3, bounds -131072..22.
    pub compression_zstd_level: i32,
    /// A segment is rolled before it grows beyond this. Bytes. Default: 1 GiB, at least 1 MiB.
    pub segment_bytes: u32,
    /// Stands in for `segment_bytes` if set; for tests, which want small segments. At least 14.
    pub internal_segment_bytes: Option<u32>,
    /// A segment is rolled when its records span more than this. Default: 7 days.
    pub segment_ms: i64,
    /// At most so much is randomly taken off `segment_ms`. Default: 0.
    pub segment_jitter_ms: i64,
    /// The most bytes of an index file. Default: 10 MiB, at least 4.
    pub segment_index_bytes: u32,
    /// An index entry is added every so many bytes. Default: 4096.
    pub index_interval_bytes: u32,
    /// Whether new segments are filled with zeros. Accepted; Ottla reserves space instead.
    pub preallocate: bool,
    /// Records older than this leave; -1: never. Default: Kafka's 7 days, -1 if Ottla creates.
    pub retention_ms: i64,
    /// Segments leave while the partition is larger than this; negative: never. Default: -1.
    pub retention_bytes: i64,
    /// How long a tombstone stays after compaction met it. Default: 1 day.
    pub delete_retention_ms: i64,
    /// Records younger than this are not compacted. Default: 0.
    pub min_compaction_lag_ms: i64,
    /// Records older than this are to be compacted. Default: no bound, at least 1.
    pub max_compaction_lag_ms: i64,
    /// The share of uncompacted bytes that makes compaction worth it. Default: 0.5.
    pub min_cleanable_dirty_ratio: f64,
    /// How long a deleted file stays. Accepted; Ottla removes it with its last reader.
    pub file_delete_delay_ms: i64,
    /// Sync after so many records. Accepted; `acks` says what is synced. Default: no bound.
    pub flush_messages: i64,
    /// Sync after so long. Accepted; `acks` says what is synced. Default: no bound.
    pub flush_ms: i64,
    /// The largest batch, header included, as stored. Bytes. Default: 1048588.
    pub max_message_bytes: u32,
    /// Whose time a record bears. Default: the producer's.
    pub message_timestamp_type: TimestampType,
    /// A timestamp that lies further in the past is refused. Default: no bound.
    pub message_timestamp_before_max_ms: i64,
    /// A timestamp that lies further in the future is refused. Default: 1 hour.
    pub message_timestamp_after_max_ms: i64,
    /// Accepted; matters only with replicas. Default: 1.
    pub min_insync_replicas: i32,
    /// Accepted; matters only with replicas. Default: false.
    pub unclean_leader_election_enable: bool,
    /// Accepted; matters only with replicas.
    pub leader_replication_throttled_replicas: String,
    /// Accepted; matters only with replicas.
    pub follower_replication_throttled_replicas: String,
    /// Must be false: there is no remote storage. Default: false.
    pub remote_storage_enable: bool,
    /// Accepted; matters only with remote storage.
    pub remote_log_copy_disable: bool,
    /// Accepted; matters only with remote storage.
    pub remote_log_delete_on_disable: bool,
    /// Accepted; matters only with remote storage. Default: -2 (as `retention.ms`).
    pub local_retention_ms: i64,
    /// Accepted; matters only with remote storage. Default: -2 (as `retention.bytes`).
    pub local_retention_bytes: i64,
    /// Whether the offsets of each key's records are kept, for streams. Default: false.
    pub key_index: bool,
    /// Groups that are waited for: retention deletes nothing that one of them has not committed.
    /// Default: none.
    pub retention_groups: Vec<String>,
    /// Records that those groups hold back take at most so many bytes of a partition; -1: no
    /// bound. Default: -1.
    pub retention_groups_max_bytes: i64,
}

/// How old records leave a topic. Kafka's `cleanup.policy`: any of `delete` and `compact`.
///
/// A topic that is compacted wants keys: a record without one is refused, or, if it was written
/// before the topic was compacted, or by another program, goes with the first compaction. See [`Broker::compact_now`](crate::Broker::compact_now).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted by age and size.
    pub delete: bool,
    /// Of each key only the newest record is kept.
    pub compact: bool,
}

impl CleanupPolicy {
    /// Old segments are deleted by age and size.
    pub const DELETE: CleanupPolicy = CleanupPolicy { delete: true, compact: false };
    /// Of each key only the newest record is kept.
    pub const COMPACT: CleanupPolicy = CleanupPolicy { delete: false, compact: true };
    /// Both.
    pub const COMPACT_DELETE: CleanupPolicy = CleanupPolicy { delete: true, compact: true };
    /// Everything is kept.
    pub const NONE: CleanupPolicy = CleanupPolicy { delete: false, compact: false };

    pub(super) fn parse(text: &str) -> Result<CleanupPolicy, String> {
        let mut policy = CleanupPolicy::NONE;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part {
                "delete" => policy.delete = true,
                "compact" => policy.compact = true,
                _ => return Err("it must be delete, compact or compact,delete".to_owned()),
            }
        }
        Ok(policy)
    }
}

impl fmt::Display for CleanupPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.compact, self.delete) {
            (true, true) => "compact,delete",
            (true, false) => "compact",
            (false, true) => "delete",
            (false, false) => "",
        })
    }
}

impl From<Compression> for TopicCompression {
    fn from(codec: Compression) -> TopicCompression {
        match codec {
            Compression::None => TopicCompression::Uncompressed,
            codec => TopicCompression::Codec(codec),
        }
    }
}

/// A refused typed value, kept until `validate`. Compared by its text.
#[derive(Clone, Debug)]
struct Refusal(Error);

impl PartialEq for Refusal {
    fn eq(&self, other: &Refusal) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig::new()
    }
}

/// Making a config.
impl TopicConfig {
    /// The settings of a new topic: Kafka's defaults, and records are kept for ever.
    pub fn new() -> TopicConfig {
        TopicConfig::kafka_defaults().put("retention.ms", -1)
    }

    /// Kafka's defaults without any override: what holds for a topic that says nothing.
    pub fn kafka_defaults() -> TopicConfig {
        TopicConfig {
            partition_count: None,
            overrides: BTreeMap::new(),
            refused: None,
            values: TopicValues::default(),
        }
    }

    /// The settings that a catalog holds, over Kafka's defaults.
    ///
    /// Never fails: a name or value that this library does not know is kept as it is, so that the
    /// program that does know finds it again. While there is such a *value*, the topic is neither
    /// retained nor compacted; see [`not_understood`](Self::not_understood).
    pub fn from_overrides<N, V>(overrides: impl IntoIterator<Item = (N, V)>) -> TopicConfig
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut config = TopicConfig::kafka_defaults();
        config.overrides =
            overrides.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        config.derive_values();
        config
    }

    /// Sets what Kafka calls `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: an unknown name is answered with the nearest known one, a
    /// wrong value with what is allowed.
    pub fn set(mut self, name: &str, value: &str) -> Result<TopicConfig> {
        let key = TOPIC_KEYS.set(&mut self.values, name, value)?;
        self.overrides.insert(key.name.to_owned(), value.trim().to_owned());
        Ok(self)
    }

    /// Takes back what was set explicitly, so that Kafka's default holds.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that is neither known nor set.
    pub fn reset(mut self, name: &str) -> Result<TopicConfig> {
        if self.overrides.remove(name).is_none() && TOPIC_KEYS.find(name).is_none() {
            // Answers an unknown name with the nearest one.
            TOPIC_KEYS.set(&mut self.values, name, "")?;
        }
        self.derive_values();
        Ok(self)
    }

    /// The number of partitions that the topic is created with. Default: 1, bounds 1..100000.
    #[must_use]
    pub fn partitions(mut self, count: i32) -> TopicConfig {
        if !(1..=TOPIC_PARTITIONS_MAX).contains(&count) {
            let message =
                format!("a topic cannot have {count} partitions: 1 to {TOPIC_PARTITIONS_MAX}");
            self.refuse(Error::new(ErrorKind::InvalidInput, message));
        }
        self.partition_count = Some(count);
        self
    }

    /// `cleanup.policy`: how old records leave. Default: [`CleanupPolicy::DELETE`].
    #[must_use]
    pub fn cleanup_policy(self, policy: CleanupPolicy) -> TopicConfig {
        self.put("cleanup.policy", policy)
    }

    /// `compression.type`: the codec of batches on the disk. Default: as the producer sent them.
    #[must_use]
    pub fn compression(self, compression: impl Into<TopicCompression>) -> TopicConfig {
        self.put("compression.type", compression.into())
    }

    /// `retention.ms`: records older than this leave. Default: never.
    #[must_use]
    pub fn retention(self, age: Duration) -> TopicConfig {
        self.put("retention.ms", milliseconds(age))
    }

    /// `retention.ms` is -1: no record leaves because of its age. The default of a new topic.
    #[must_use]
    pub fn retention_forever(self) -> TopicConfig {
        self.put("retention.ms", -1)
    }

    /// `retention.bytes`: the oldest segments leave while a partition is larger than this; -1
    /// for no bound, the default.
    #[must_use]
    pub fn retention_bytes(self, bytes: i64) -> TopicConfig {
        self.put("retention.bytes", bytes)
    }

    /// `segment.bytes`: a segment is rolled before it grows beyond this. Default: 1 GiB, bounds
    /// 1 MiB to 2 GiB - 1.
    #[must_use]
    pub fn segment_bytes(self, bytes: u32) -> TopicConfig {
        self.put("segment.bytes", bytes)
    }

    /// `segment.ms`: a segment is rolled when its records span more than this. Default: 7 days,
    /// at least 1 ms.
    #[must_use]
    pub fn segment_age(self, age: Duration) -> TopicConfig {
        self.put("segment.ms", milliseconds(age))
    }

    /// `ottla.key.index`: keeps the offsets of each key's records, so that one key is read without
    /// scanning its partition, and its newest version is known. Default: false.
    #[must_use]
    pub fn key_index(self, key_index: bool) -> TopicConfig {
        self.put("ottla.key.index", key_index)
    }

    /// `ottla.retention.groups`: retention deletes nothing that one of these groups has not
    /// committed. Default: none.
    #[must_use]
    pub fn retention_groups<'a>(self, groups: impl IntoIterator<Item = &'a str>) -> TopicConfig {
        let names: Vec<&str> = groups.into_iter().collect();
        match names.iter().find(|name| name.trim().is_empty() || name.contains(',')) {
            None => self.put("ottla.retention.groups", names.join(",")),
            Some(name) => {
                let message = format!("{name:?} cannot stand in ottla.retention.groups");
                let mut config = self;
                config.refuse(Error::new(ErrorKind::InvalidInput, message));
                config
            }
        }
    }

    /// `ottla.retention.groups.max.bytes`: what those groups hold back takes at most so many bytes
    /// of a partition; -1 for no bound, the default.
    #[must_use]
    pub fn retention_groups_max_bytes(self, bytes: i64) -> TopicConfig {
        self.put("ottla.retention.groups.max.bytes", bytes)
    }

    /// `max.message.bytes`: the largest batch as stored, with its header. Default: 1048588.
    #[must_use]
    pub fn max_message_bytes(self, bytes: u32) -> TopicConfig {
        self.put("max.message.bytes", bytes)
    }

    /// `message.timestamp.type`: whose time records bear. Default: the producer's.
    #[must_use]
    pub fn message_timestamp_type(self, of: TimestampType) -> TopicConfig {
        self.put("message.timestamp.type", of)
    }

    /// Sets a typed value; one that is out of range is reported by `validate`.
    fn put(mut self, name: &str, value: impl fmt::Display) -> TopicConfig {
        match self.clone().set(name, &value.to_string()) {
            Ok(changed) => changed,
            Err(error) => {
                self.refuse(error);
                self
            }
        }
    }

    fn refuse(&mut self, error: Error) {
        if self.refused.is_none() {
            self.refused = Some(Refusal(error));
        }
    }

    /// Brings the values in line with the overrides.
    fn derive_values(&mut self) {
        let mut values = TopicValues::default();
        let mut all_understood = true;
        for (name, value) in &self.overrides {
            if TOPIC_KEYS.find(name).is_some() {
                all_understood &= TOPIC_KEYS.set(&mut values, name, value).is_ok();
            }
        }
        if !all_understood {
            values.cleanup_policy = CleanupPolicy::NONE;
        }
        self.values = values;
    }
}

/// Asking a config.
impl TopicConfig {
    /// The effective value of every setting, typed.
    pub fn values(&self) -> &TopicValues {
        &self.values
    }

    /// The number of partitions that the topic is to be created with, if it was said.
    pub fn partition_count(&self) -> Option<i32> {
        self.partition_count
    }

    /// The names of all settings of a topic: [`get`](Self::get) has a value for each.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TOPIC_KEYS.names()
    }

    /// The effective value of what Kafka calls `name`, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        match TOPIC_KEYS.find(name) {
            Some(key) => Some((key.show)(&self.values)),
            None => self.overrides.get(name).cloned(),
        }
    }

    /// What was set explicitly, by name.
    pub fn overrides(&self) -> impl Iterator<Item = (&str, &str)> {
        self.overrides.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The overrides whose name or value this library does not know, by name.
    pub fn not_understood(&self) -> impl Iterator<Item = (&str, &str)> {
        self.overrides().filter(|(name, value)| {
            let mut scratch = TopicValues::default();
            TOPIC_KEYS.set(&mut scratch, name, value).is_err()
        })
    }

    /// Checks what a single setting cannot show. Called before a topic is created or altered.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for the first typed value that was out of range, and for
    /// settings that contradict each other.
    pub fn validate(&self) -> Result<()> {
        if let Some(Refusal(error)) = &self.refused {
            return Err(error.clone());
        }
        let values = &self.values;
        let contradiction = if values.min_compaction_lag_ms > values.max_compaction_lag_ms {
            format!(
                "min.compaction.lag.ms ({}) is above max.compaction.lag.ms ({})",
                values.min_compaction_lag_ms, values.max_compaction_lag_ms
            )
        } else if values.remote_storage_enable {
            "remote.storage.enable cannot be true: there is no remote storage".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, contradiction))
    }
}

impl TopicValues {
    /// The size beyond which a segment does not grow. Kafka's `segmentSize()`.
    pub fn segment_size_bytes(&self) -> u32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }

    /// The span of time that a segment may cover: a compacted topic rolls early enough for
    /// `max.compaction.lag.ms`.
    pub fn segment_span_ms(&self) -> i64 {
        if self.cleanup_policy.compact {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "topic_tests.rs"]
mod tests;
