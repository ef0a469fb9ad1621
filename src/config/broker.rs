//! The settings of an open directory: plain data. Opening with them is the broker's.

use std::time::Duration;

use super::keys::{
    INT_MAX, Key, Keys, LONG_MAX, Refused, boolean, duration_key, integer, key, minutes_key,
};
use super::topic::TOPIC_PARTITIONS_MAX;
use crate::error::Result;

/// The fewest logs that may be open at a time.
pub(crate) const DESCRIPTORS_MIN: u32 = 16;

/// The most journal files.
const JOURNAL_FILES_MAX: u32 = 64;

/// How a directory is opened.
///
/// Settings have Kafka's names where Kafka has them, and names that start with `ottla.` else.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerOptions {
    /// Opens for reading only: writes nothing, and works on a directory without write permission.
    /// Default: false. `ottla.read.only`
    pub read_only: bool,
    /// Opens a directory for writing although its replicas or voters are not this node alone, or
    /// although its journal holds batches that a damaged partition cannot take: those are set
    /// aside then.
    /// Default: false. `ottla.adopt`
    pub adopt: bool,
    /// Whether a maintenance thread runs; without it `tick` is the caller's duty. Default: true.
    /// `ottla.background`
    pub background: bool,
    /// The length of one journal file. Bytes. Default: 16 MiB, bounds 4 KiB to 2 GiB - 1.
    /// `ottla.journal.file.bytes`
    pub journal_file_bytes: u32,
    /// How many journal files there may be; committers wait for a checkpoint when all are full.
    /// Default: 4, bounds 2 to 64. `ottla.journal.files`
    pub journal_files: u32,
    /// The most bytes that one commit may have, over all its partitions. Default: 64 MiB, bounds
    /// 64 KiB to 1 GiB. `ottla.commit.max.bytes`
    pub commit_bytes_max: u32,
    /// A checkpoint is made at least this often while there is something to sync. Default: 60 s.
    /// `log.flush.offset.checkpoint.interval.ms`
    pub checkpoint_interval: Duration,
    /// How often retention looks for segments to delete. Default: 5 min, at least 1 ms.
    /// `log.retention.check.interval.ms`
    pub retention_check_interval: Duration,
    /// How many logs may be open at a time; never more than half of the descriptors that the process
    /// may have. Default: 512, at least 16. `ottla.descriptors.max`
    pub descriptors_max: u32,
    /// How many bytes the quarantine files may hold together; the oldest leave first. Default:
    /// 256 MiB. `ottla.quarantine.bytes.max`
    pub quarantine_bytes_max: u64,
    /// How many bytes written with `acks=1` a partition may hold unsynced: the writer that meets
    /// the bound syncs them, the maintenance thread begins at a quarter of it. Default: 256 MiB,
    /// at least 64 KiB. `ottla.unsynced.bytes.max`
    pub unsynced_bytes_max: u64,
    /// How many partitions a topic is created with that does not say. Default: 1.
    /// `num.partitions`
    pub num_partitions: i32,
    /// How many partitions the topic of committed offsets is created with. Default: 1 (Kafka: 50).
    /// `offsets.topic.num.partitions`
    pub offsets_topic_partitions: i32,
    /// The length of a segment of the topic of committed offsets, when it is created. Bytes.
    /// Default: 100 MiB. `offsets.topic.segment.bytes`
    pub offsets_topic_segment_bytes: u32,
    /// How long the offsets of a group without members are kept; only time counts during which
    /// the directory is open, in one piece. Default: 7 days. `offsets.retention.minutes`
    pub offsets_retention: Duration,
    /// How often it is looked for expired offsets. Default: 10 min.
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval: Duration,
    /// The longest note that may be committed beside an offset. Bytes. Default: 4096.
    /// `offset.metadata.max.bytes`
    pub offset_metadata_bytes_max: u32,
    /// How long a partition remembers an idempotent producer after its last batch, as long as the
    /// directory is open: time while it is closed does not count. Default: 1 day,
    /// at least 1 ms. `producer.id.expiration.ms`
    pub producer_expiration: Duration,
    /// How often the partitions look for producers to forget. Default: 10 min, at least 1 ms.
    /// `producer.id.expiration.check.interval.ms`
    pub producer_expiration_check_interval: Duration,
    /// What one transaction keeps in memory; beyond that it is spilled to a file. Bytes. Default:
    /// 16 MiB, bounds 4 KiB to 1 GiB. `ottla.transaction.buffer.bytes`
    pub transaction_buffer_bytes: u32,
    /// The most bytes that one transaction may have, over all its partitions. Default: 128 MiB,
    /// bounds 64 KiB to 192 MiB. `ottla.transaction.max.bytes`
    pub transaction_bytes_max: u32,
    /// The longest time after which a transaction may ask to be aborted. Default: 15 min.
    /// `transaction.max.timeout.ms`
    pub transaction_timeout_max: Duration,
    /// What the indexes of keys of sealed segments may take in memory. Bytes. Default: 64 MiB.
    /// `ottla.key.index.cache.bytes`
    pub key_index_cache_bytes: u64,
    /// Whether topics are compacted in the background. Default: true. `log.cleaner.enable`
    pub cleaner_enable: bool,
    /// The memory in which compaction notes the newest offset of each key: 24 bytes a key. Bytes.
    /// Default: 128 MiB, at least 1 MiB. `log.cleaner.dedupe.buffer.size`
    pub cleaner_dedupe_buffer_bytes: u64,
    /// How many bytes compaction reads and writes in a second, at most. Default: no bound.
    /// `log.cleaner.io.max.bytes.per.second`
    pub cleaner_io_bytes_per_second_max: u64,
    /// How long compaction rests when there is nothing to do. Default: 15 s, at least 1 ms.
    /// `log.cleaner.backoff.ms`
    pub cleaner_backoff: Duration,
}

impl Default for BrokerOptions {
    fn default() -> BrokerOptions {
        BrokerOptions {
            read_only: false,
            adopt: false,
            background: true,
            journal_file_bytes: 16 << 20,
            journal_files: 4,
            commit_bytes_max: 64 << 20,
            checkpoint_interval: Duration::from_secs(60),
            retention_check_interval: Duration::from_secs(300),
            descriptors_max: 512,
            quarantine_bytes_max: 256 << 20,
            unsynced_bytes_max: 256 << 20,
            num_partitions: 1,
            offsets_topic_partitions: 1,
            offsets_topic_segment_bytes: 100 << 20,
            offsets_retention: Duration::from_secs(7 * 24 * 60 * 60),
            offsets_retention_check_interval: Duration::from_secs(600),
            offset_metadata_bytes_max: 4096,
            producer_expiration: Duration::from_secs(24 * 60 * 60),
            producer_expiration_check_interval: Duration::from_secs(10 * 60),
            transaction_buffer_bytes: 16 << 20,
            transaction_bytes_max: 128 << 20,
            transaction_timeout_max: Duration::from_secs(15 * 60),
            key_index_cache_bytes: 64 << 20,
            cleaner_enable: true,
            cleaner_dedupe_buffer_bytes: 128 << 20,
            cleaner_io_bytes_per_second_max: LONG_MAX,
            cleaner_backoff: Duration::from_secs(15),
        }
    }
}

/// Setting. Values are checked when the directory is opened.
impl BrokerOptions {
    /// The defaults.
    pub fn new() -> BrokerOptions {
        BrokerOptions::default()
    }

    /// Opens for reading only: writes nothing.
    #[must_use]
    pub fn read_only(self, read_only: bool) -> BrokerOptions {
        BrokerOptions { read_only, ..self }
    }

    /// Opens a directory for writing although it belongs to a cluster of several nodes.
    #[must_use]
    pub fn adopt(self, adopt: bool) -> BrokerOptions {
        BrokerOptions { adopt, ..self }
    }

    /// Whether a maintenance thread runs; without it `tick` is the caller's duty.
    #[must_use]
    pub fn background(self, background: bool) -> BrokerOptions {
        BrokerOptions { background, ..self }
    }

    /// The length of one journal file, in bytes.
    #[must_use]
    pub fn journal_file_bytes(self, journal_file_bytes: u32) -> BrokerOptions {
        BrokerOptions { journal_file_bytes, ..self }
    }

    /// How many journal files there may be.
    #[must_use]
    pub fn journal_files(self, journal_files: u32) -> BrokerOptions {
        BrokerOptions { journal_files, ..self }
    }

    /// The most bytes that one commit may have.
    #[must_use]
    pub fn commit_bytes_max(self, commit_bytes_max: u32) -> BrokerOptions {
        BrokerOptions { commit_bytes_max, ..self }
    }

    /// How often a checkpoint is made while there is something to sync.
    #[must_use]
    pub fn checkpoint_interval(self, checkpoint_interval: Duration) -> BrokerOptions {
        BrokerOptions { checkpoint_interval, ..self }
    }

    /// How often retention looks for segments to delete.
    #[must_use]
    pub fn retention_check_interval(self, retention_check_interval: Duration) -> BrokerOptions {
        BrokerOptions { retention_check_interval, ..self }
    }

    /// How many files may be open at a time.
    #[must_use]
    pub fn descriptors_max(self, descriptors_max: u32) -> BrokerOptions {
        BrokerOptions { descriptors_max, ..self }
    }

    /// How many bytes the quarantine files may hold together.
    #[must_use]
    pub fn quarantine_bytes_max(self, quarantine_bytes_max: u64) -> BrokerOptions {
        BrokerOptions { quarantine_bytes_max, ..self }
    }

    /// How many bytes written with `acks=1` a partition may hold unsynced.
    #[must_use]
    pub fn unsynced_bytes_max(self, unsynced_bytes_max: u64) -> BrokerOptions {
        BrokerOptions { unsynced_bytes_max, ..self }
    }

    /// How many partitions a topic is created with that does not say.
    #[must_use]
    pub fn num_partitions(self, num_partitions: i32) -> BrokerOptions {
        BrokerOptions { num_partitions, ..self }
    }

    /// How many partitions the topic of committed offsets is created with.
    #[must_use]
    pub fn offsets_topic_partitions(self, offsets_topic_partitions: i32) -> BrokerOptions {
        BrokerOptions { offsets_topic_partitions, ..self }
    }

    /// How long the offsets of a group without members are kept.
    #[must_use]
    pub fn offsets_retention(self, offsets_retention: Duration) -> BrokerOptions {
        BrokerOptions { offsets_retention, ..self }
    }

    /// How often it is looked for expired offsets.
    #[must_use]
    pub fn offsets_retention_check_interval(
        self,
        offsets_retention_check_interval: Duration,
    ) -> BrokerOptions {
        BrokerOptions { offsets_retention_check_interval, ..self }
    }

    /// The longest note that may be committed beside an offset, in bytes.
    #[must_use]
    pub fn offset_metadata_bytes_max(self, offset_metadata_bytes_max: u32) -> BrokerOptions {
        BrokerOptions { offset_metadata_bytes_max, ..self }
    }

    /// How long a partition remembers an idempotent producer after its last batch.
    #[must_use]
    pub fn producer_expiration(self, producer_expiration: Duration) -> BrokerOptions {
        BrokerOptions { producer_expiration, ..self }
    }

    /// How often the partitions look for producers to forget.
    #[must_use]
    pub fn producer_expiration_check_interval(self, interval: Duration) -> BrokerOptions {
        BrokerOptions { producer_expiration_check_interval: interval, ..self }
    }

    /// What one transaction keeps in memory before it is spilled to a file, in bytes.
    #[must_use]
    pub fn transaction_buffer_bytes(self, transaction_buffer_bytes: u32) -> BrokerOptions {
        BrokerOptions { transaction_buffer_bytes, ..self }
    }

    /// The most bytes that one transaction may have.
    #[must_use]
    pub fn transaction_bytes_max(self, transaction_bytes_max: u32) -> BrokerOptions {
        BrokerOptions { transaction_bytes_max, ..self }
    }

    /// The longest time after which a transaction may ask to be aborted.
    #[must_use]
    pub fn transaction_timeout_max(self, transaction_timeout_max: Duration) -> BrokerOptions {
        BrokerOptions { transaction_timeout_max, ..self }
    }

    /// What the indexes of keys of sealed segments may take in memory, in bytes.
    #[must_use]
    pub fn key_index_cache_bytes(self, key_index_cache_bytes: u64) -> BrokerOptions {
        BrokerOptions { key_index_cache_bytes, ..self }
    }

    /// Whether topics are compacted in the background.
    #[must_use]
    pub fn cleaner_enable(self, cleaner_enable: bool) -> BrokerOptions {
        BrokerOptions { cleaner_enable, ..self }
    }

    /// The memory in which compaction notes the newest offset of each key, in bytes.
    #[must_use]
    pub fn cleaner_dedupe_buffer_bytes(self, bytes: u64) -> BrokerOptions {
        BrokerOptions { cleaner_dedupe_buffer_bytes: bytes, ..self }
    }

    /// How many bytes compaction reads and writes in a second, at most.
    #[must_use]
    pub fn cleaner_io_bytes_per_second_max(self, bytes: u64) -> BrokerOptions {
        BrokerOptions { cleaner_io_bytes_per_second_max: bytes, ..self }
    }

    /// How long compaction rests when there is nothing to do.
    #[must_use]
    pub fn cleaner_backoff(self, cleaner_backoff: Duration) -> BrokerOptions {
        BrokerOptions { cleaner_backoff, ..self }
    }

    /// Sets what is called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::error::ErrorKind::InvalidInput): an unknown name is
    /// answered with the nearest known one, a wrong value with what is allowed.
    pub fn set(mut self, name: &str, value: &str) -> Result<BrokerOptions> {
        BROKER_KEYS.set(&mut self, name, value)?;
        Ok(self)
    }

    /// The names of all settings of a broker: [`get`](Self::get) has a value for each.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BROKER_KEYS.names()
    }

    /// The value of what is called `name`, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        BROKER_KEYS.find(name).map(|key| (key.show)(self))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::error::ErrorKind::InvalidInput) for the first value that
    /// is out of range.
    pub fn validate(&self) -> Result<()> {
        BROKER_KEYS.validate(self)
    }
}

const BROKER_KEYS: Keys<BrokerOptions> =
    Keys { noun: "broker", accepted: ACCEPTED, refused: REFUSED };

#[rustfmt::skip]
const ACCEPTED: &[Key<BrokerOptions>] = &[
    key!("ottla.read.only", read_only, boolean),
    key!("ottla.adopt", adopt, boolean),
    key!("ottla.background", background, boolean),
    key!("ottla.journal.file.bytes", journal_file_bytes, |text| integer(text, 1 << 12, INT_MAX)),
    key!("ottla.journal.files", journal_files, |text| integer(text, 2, JOURNAL_FILES_MAX)),
    key!("ottla.commit.max.bytes", commit_bytes_max, |text| integer(text, 1 << 16, 1 << 30)),
    duration_key!("log.flush.offset.checkpoint.interval.ms", checkpoint_interval, 0, LONG_MAX),
    duration_key!("log.retention.check.interval.ms", retention_check_interval, 1, LONG_MAX),
    key!("ottla.descriptors.max", descriptors_max, |text| integer(text, 16, INT_MAX)),
    key!("ottla.quarantine.bytes.max", quarantine_bytes_max, |text| integer(text, 0, LONG_MAX)),
    key!("ottla.unsynced.bytes.max", unsynced_bytes_max, |text| integer(text, 1 << 16, LONG_MAX)),
    key!("num.partitions", num_partitions, |text| integer(text, 1, TOPIC_PARTITIONS_MAX)),
    key!("offsets.topic.num.partitions", offsets_topic_partitions, |text| integer(text, 1, TOPIC_PARTITIONS_MAX)),
    key!("offsets.topic.segment.bytes", offsets_topic_segment_bytes, |text| integer(text, 1 << 20, INT_MAX)),
    minutes_key!("offsets.retention.minutes", offsets_retention, 1, INT_MAX.into()),
    duration_key!("offsets.retention.check.interval.ms", offsets_retention_check_interval, 1, LONG_MAX),
    key!("offset.metadata.max.bytes", offset_metadata_bytes_max, |text| integer(text, 0, METADATA_BYTES_MAX)),
    duration_key!("producer.id.expiration.ms", producer_expiration, 1, LONG_MAX),
    duration_key!("producer.id.expiration.check.interval.ms", producer_expiration_check_interval, 1, LONG_MAX),
    key!("ottla.transaction.buffer.bytes", transaction_buffer_bytes, |text| integer(text, 1 << 12, 1 << 30)),
    key!("ottla.transaction.max.bytes", transaction_bytes_max, |text| integer(text, 1 << 16, TRANSACTION_BYTES_MAX)),
    duration_key!("transaction.max.timeout.ms", transaction_timeout_max, 1, LONG_MAX),
    key!("ottla.key.index.cache.bytes", key_index_cache_bytes, |text| integer(text, 0, LONG_MAX)),
    key!("log.cleaner.enable", cleaner_enable, boolean),
    key!("log.cleaner.dedupe.buffer.size", cleaner_dedupe_buffer_bytes, |text| integer(text, 1 << 20, LONG_MAX)),
    key!("log.cleaner.io.max.bytes.per.second", cleaner_io_bytes_per_second_max, |text| integer(text, 1, LONG_MAX)),
    duration_key!("log.cleaner.backoff.ms", cleaner_backoff, 1, LONG_MAX),
];

/// A segment is rolled early enough that so much can still be staged for it.
const TRANSACTION_BYTES_MAX: u32 = 192 << 20;

/// The longest note that the format of a committed offset can hold.
const METADATA_BYTES_MAX: u32 = i16::MAX as u32;

const NO_DIRECTORY: &str = "the directory is an argument of open";
const BY_TOPIC: &str = "set it per topic (without the leading log.)";
const AT_ONCE: &str = "members in one process are rebalanced at once";
const IN_MEMORY: &str = "transactional ids are known while the directory is open, and not kept";
const NO_NETWORK: &str = "there is no network between the program and its log";

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { name: "log.dir", why: NO_DIRECTORY },
    Refused { name: "log.dirs", why: NO_DIRECTORY },
    Refused { name: "log.cleanup.policy", why: BY_TOPIC },
    Refused { name: "log.retention.ms", why: BY_TOPIC },
    Refused { name: "log.retention.bytes", why: BY_TOPIC },
    Refused { name: "log.segment.bytes", why: BY_TOPIC },
    Refused { name: "log.retention.minutes", why: "set retention.ms per topic" },
    Refused { name: "log.retention.hours", why: "set retention.ms per topic" },
    Refused { name: "log.roll.ms", why: "set segment.ms per topic" },
    Refused { name: "log.roll.hours", why: "set segment.ms per topic" },
    Refused { name: "message.max.bytes", why: "set max.message.bytes per topic" },
    Refused { name: "compression.type", why: "set it per topic" },
    Refused { name: "offsets.topic.compression.codec", why: "committed offsets are not compressed" },
    Refused { name: "offsets.topic.replication.factor", why: "there is one copy, in this directory" },
    Refused { name: "group.initial.rebalance.delay.ms", why: AT_ONCE },
    Refused { name: "transactional.id.expiration.ms", why: IN_MEMORY },
    Refused { name: "log.cleaner.threads", why: "there is one cleaner thread" },
    Refused { name: "listeners", why: NO_NETWORK },
    Refused { name: "advertised.listeners", why: NO_NETWORK },
    Refused { name: "num.network.threads", why: NO_NETWORK },
    Refused { name: "num.io.threads", why: NO_NETWORK },
    Refused { name: "default.replication.factor", why: "there is one copy, in this directory" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_read_back() {
        BrokerOptions::new().validate().unwrap();
        for name in BrokerOptions::names() {
            let options = BrokerOptions::new();
            let shown = options.get(name).unwrap();
            assert_eq!(options.clone().set(name, &shown).unwrap(), options, "{name}");
        }
        assert_eq!(BrokerOptions::names().count(), ACCEPTED.len());
    }

    #[test]
    fn names_and_methods_reach_the_same_fields() {
        let by_name = BrokerOptions::new()
            .set("ottla.background", "false")
            .and_then(|options| options.set("log.retention.check.interval.ms", "1500"))
            .and_then(|options| options.set("ottla.journal.file.bytes", "65536"))
            .unwrap();
        let by_method = BrokerOptions::new()
            .background(false)
            .retention_check_interval(Duration::from_millis(1500))
            .journal_file_bytes(65536);
        assert_eq!(by_name, by_method);
    }

    #[test]
    fn wrong_settings_are_refused_with_a_reason() {
        for (name, value, part) in [
            ("ottla.journal.files", "1", "from 2 to 64"),
            ("ottla.jurnal.files", "2", "\"ottla.journal.files\""),
            ("log.dirs", "data", "argument of open"),
            ("log.retention.ms", "1", "per topic"),
        ] {
            let error = BrokerOptions::new().set(name, value).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = BrokerOptions::new().journal_files(1000).validate().unwrap_err();
        assert!(error.to_string().contains("ottla.journal.files"), "{error}");
    }
}
