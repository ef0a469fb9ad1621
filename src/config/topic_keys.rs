//! The table of topic settings: Kafka's dotted names, their ranges and defaults.
//!
//! Settings of Ottla's own begin with `ottla.`; a broker that reads the catalog ignores them.

use super::compression::TopicCompression;
use super::keys::{INT_MAX, Key, Keys, Refused, boolean, fraction, integer, key};
use super::timestamp_type::TimestampType;
use super::topic::{CleanupPolicy, TopicValues};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for TopicValues {
    fn default() -> TopicValues {
        TopicValues {
            cleanup_policy: CleanupPolicy::DELETE,
            compression: TopicCompression::Producer,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            segment_bytes: 1 << 30,
            internal_segment_bytes: None,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            preallocate: false,
            retention_ms: 7 * DAY_MS,
            retention_bytes: -1,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            max_message_bytes: (1 << 20) + 12,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 60 * 60 * 1000,
            min_insync_replicas: 1,
            unclean_leader_election_enable: false,
            leader_replication_throttled_replicas: String::new(),
            follower_replication_throttled_replicas: String::new(),
            remote_storage_enable: false,
            remote_log_copy_disable: false,
            remote_log_delete_on_disable: false,
            local_retention_ms: -2,
            local_retention_bytes: -2,
            key_index: false,
            retention_groups: Vec::new(),
            retention_groups_max_bytes: -1,
        }
    }
}

pub(super) const TOPIC_KEYS: Keys<TopicValues> =
    Keys { noun: "topic", accepted: ACCEPTED, refused: REFUSED };

#[rustfmt::skip]
const ACCEPTED: &[Key<TopicValues>] = &[
    key!("cleanup.policy", cleanup_policy, CleanupPolicy::parse),
    key!("compression.type", compression, compression),
    key!("compression.gzip.level", compression_gzip_level, gzip_level),
    key!("compression.lz4.level", compression_lz4_level, |text| integer(text, 1, 17)),
    key!("compression.zstd.level", compression_zstd_level, |text| integer(text, -131_072, 22)),
    key!("segment.bytes", segment_bytes, |text| integer(text, 1 << 20, INT_MAX)),
    Key {
        name: "internal.segment.bytes",
        put: |values, text| {
            values.internal_segment_bytes = match text {
                "" => None,
                _ => Some(integer(text, 14, INT_MAX)?),
            };
            Ok(())
        },
        show: |values| values.internal_segment_bytes.map(|n| n.to_string()).unwrap_or_default(),
    },
    key!("segment.ms", segment_ms, |text| integer(text, 1, i64::MAX)),
    key!("segment.jitter.ms", segment_jitter_ms, |text| integer(text, 0, i64::MAX)),
    key!("segment.index.bytes", segment_index_bytes, |text| integer(text, 4, INT_MAX)),
    key!("index.interval.bytes", index_interval_bytes, |text| integer(text, 0, INT_MAX)),
    key!("preallocate", preallocate, boolean),
    key!("retention.ms", retention_ms, |text| integer(text, -1, i64::MAX)),
    key!("retention.bytes", retention_bytes, |text| integer(text, i64::MIN, i64::MAX)),
    key!("delete.retention.ms", delete_retention_ms, |text| integer(text, 0, i64::MAX)),
    key!("min.compaction.lag.ms", min_compaction_lag_ms, |text| integer(text, 0, i64::MAX)),
    key!("max.compaction.lag.ms", max_compaction_lag_ms, |text| integer(text, 1, i64::MAX)),
    key!("min.cleanable.dirty.ratio", min_cleanable_dirty_ratio, |text| fraction(text, 0.0, 1.0)),
    key!("file.delete.delay.ms", file_delete_delay_ms, |text| integer(text, 0, i64::MAX)),
    key!("flush.messages", flush_messages, |text| integer(text, 1, i64::MAX)),
    key!("flush.ms", flush_ms, |text| integer(text, 0, i64::MAX)),
    key!("max.message.bytes", max_message_bytes, |text| integer(text, 0, INT_MAX)),
    key!("message.timestamp.type", message_timestamp_type, timestamp_type),
    key!("message.timestamp.before.max.ms", message_timestamp_before_max_ms, |text| integer(text, 0, i64::MAX)),
    key!("message.timestamp.after.max.ms", message_timestamp_after_max_ms, |text| integer(text, 0, i64::MAX)),
    key!("min.insync.replicas", min_insync_replicas, |text| integer(text, 1, i32::MAX)),
    key!("unclean.leader.election.enable", unclean_leader_election_enable, boolean),
    key!("leader.replication.throttled.replicas", leader_replication_throttled_replicas, text),
    key!("follower.replication.throttled.replicas", follower_replication_throttled_replicas, text),
    key!("remote.storage.enable", remote_storage_enable, boolean),
    key!("remote.log.copy.disable", remote_log_copy_disable, boolean),
    key!("remote.log.delete.on.disable", remote_log_delete_on_disable, boolean),
    key!("local.retention.ms", local_retention_ms, |text| integer(text, -2, i64::MAX)),
    key!("local.retention.bytes", local_retention_bytes, |text| integer(text, -2, i64::MAX)),
    key!("ottla.key.index", key_index, boolean),
    Key {
        name: "ottla.retention.groups",
        put: |values, text| {
            values.retention_groups = groups(text)?;
            Ok(())
        },
        show: |values| values.retention_groups.join(","),
    },
    key!("ottla.retention.groups.max.bytes", retention_groups_max_bytes, |text| integer(text, -1, i64::MAX)),
];

const REFUSED: &[Refused] = &[
    Refused {
        name: "message.format.version",
        why: "Kafka 4.0 removed it; leave it out, batches always have the current format",
    },
    Refused {
        name: "message.downconversion.enable",
        why: "Kafka 4.0 removed it; leave it out, nothing is converted down",
    },
    Refused {
        name: "message.timestamp.difference.max.ms",
        why: "Kafka 4.0 removed it; use message.timestamp.before.max.ms and \
              message.timestamp.after.max.ms",
    },
];

fn compression(text: &str) -> Result<TopicCompression, String> {
    TopicCompression::parse(text)
        .ok_or_else(|| "it must be producer, uncompressed, gzip, snappy, lz4 or zstd".to_owned())
}

fn gzip_level(text: &str) -> Result<i32, String> {
    integer(text, -1, 9)
        .ok()
        .filter(|level| *level != 0)
        .ok_or_else(|| "it must be a whole number from 1 to 9, or -1".to_owned())
}

fn timestamp_type(text: &str) -> Result<TimestampType, String> {
    TimestampType::parse(text).ok_or_else(|| "it must be CreateTime or LogAppendTime".to_owned())
}

/// Names of groups, separated by commas; none for an empty text.
fn groups(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err("it must be names of groups, separated by commas".to_owned());
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[expect(clippy::unnecessary_wraps, reason = "it stands among parsers that can fail")]
fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}
