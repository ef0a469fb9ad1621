//! The settings of a producer: plain data under Kafka's names, with Kafka's defaults and ranges.

use std::time::Duration;

use super::acks::Acks;
use super::compression::Compression;
use super::keys::{INT_MAX, Key, Keys, LONG_MAX, Refused, boolean, duration_key, integer, key};
use crate::error::{Error, ErrorKind, Result};

/// How a producer gathers records and sends them.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerConfig {
    /// How safe a record must be before it is acknowledged. Default: all. `acks`
    pub acks: Acks,
    /// How long a batch waits for more records, unless somebody waits for one of its deliveries.
    /// With 0 only while an earlier batch of the partition is under way. Default: 5 ms. `linger.ms`
    pub linger: Duration,
    /// A batch is sent when it has this size. Bytes. Default: 16384. `batch.size`
    pub batch_size: u32,
    /// How much memory the records may take that are not yet written. Bytes. Default: 32 MiB.
    /// `buffer.memory`
    pub buffer_memory: u64,
    /// How long a send waits for memory. Default: 60 s. `max.block.ms`
    pub max_block: Duration,
    /// The largest record. Bytes. Default: 1 MiB. `max.request.size`
    pub max_request_size: u32,
    /// How long after a send its outcome is known. Default: 120 s. `delivery.timeout.ms`
    pub delivery_timeout: Duration,
    /// The codec of batches. Default: none. `compression.type`
    pub compression: Compression,
    /// -1 (the codec's own) or 1..9. Default: -1. `compression.gzip.level`
    pub compression_gzip_level: i32,
    /// Default: 9, bounds 1..17. `compression.lz4.level`
    pub compression_lz4_level: i32,
    /// Default: 3, bounds -131072..22. `compression.zstd.level`
    pub compression_zstd_level: i32,
    /// Whether keys are left out of account when a partition is chosen. Default: false.
    /// `partitioner.ignore.keys`
    pub partitioner_ignore_keys: bool,
    /// Whether batches are numbered, so that the partition refuses one that comes out of order.
    /// Default: false (Kafka: true), because nothing is sent twice within a process, and the
    /// numbers cost a little. Needs `acks=all`. `enable.idempotence`
    pub enable_idempotence: bool,
    /// How long a transaction may be open before it is aborted; of a transactional producer.
    /// Default: 60 s. `transaction.timeout.ms`
    pub transaction_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> ProducerConfig {
        ProducerConfig {
            acks: Acks::All,
            linger: Duration::from_millis(5),
            batch_size: 16384,
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            max_request_size: 1 << 20,
            delivery_timeout: Duration::from_secs(120),
            compression: Compression::None,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            partitioner_ignore_keys: false,
            enable_idempotence: false,
            transaction_timeout: Duration::from_secs(60),
        }
    }
}

impl ProducerConfig {
    /// Sets what Kafka calls `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: an unknown name is answered with the nearest known one, a
    /// wrong value with what is allowed.
    pub fn set(mut self, name: &str, value: &str) -> Result<ProducerConfig> {
        PRODUCER_KEYS.set(&mut self, name, value)?;
        Ok(self)
    }

    /// The names of all settings of a producer: [`get`](Self::get) has a value for each.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRODUCER_KEYS.names()
    }

    /// The value of what Kafka calls `name`, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        PRODUCER_KEYS.find(name).map(|key| (key.show)(self))
    }

    /// The level of the chosen codec, if it has levels.
    pub fn compression_level(&self) -> Option<i32> {
        match self.compression {
            Compression::None | Compression::Snappy => None,
            Compression::Gzip => Some(self.compression_gzip_level),
            Compression::Lz4 => Some(self.compression_lz4_level),
            Compression::Zstd => Some(self.compression_zstd_level),
        }
    }

    /// Checks every value, and what they say together.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for the first value that is out of range.
    pub fn validate(&self) -> Result<()> {
        PRODUCER_KEYS.validate(self)?;
        if self.delivery_timeout < self.linger {
            let message = format!(
                "delivery.timeout.ms ({}) is below linger.ms ({})",
                self.delivery_timeout.as_millis(),
                self.linger.as_millis()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if self.enable_idempotence && self.acks != Acks::All {
            let message = format!("enable.idempotence needs acks=all, and acks is {}", self.acks);
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }
}

const PRODUCER_KEYS: Keys<ProducerConfig> =
    Keys { noun: "producer", accepted: ACCEPTED, refused: REFUSED };

#[rustfmt::skip]
const ACCEPTED: &[Key<ProducerConfig>] = &[
    key!("acks", acks, acks),
    duration_key!("linger.ms", linger, 0, LONG_MAX),
    key!("batch.size", batch_size, |text| integer(text, 0, INT_MAX)),
    key!("buffer.memory", buffer_memory, |text| integer(text, 0, LONG_MAX)),
    duration_key!("max.block.ms", max_block, 0, LONG_MAX),
    key!("max.request.size", max_request_size, |text| integer(text, 0, INT_MAX)),
    duration_key!("delivery.timeout.ms", delivery_timeout, 0, u64::from(INT_MAX)),
    key!("compression.type", compression, compression),
    key!("compression.gzip.level", compression_gzip_level, |text| level(Compression::Gzip, text)),
    key!("compression.lz4.level", compression_lz4_level, |text| level(Compression::Lz4, text)),
    key!("compression.zstd.level", compression_zstd_level, |text| level(Compression::Zstd, text)),
    key!("partitioner.ignore.keys", partitioner_ignore_keys, boolean),
    key!("enable.idempotence", enable_idempotence, boolean),
    duration_key!("transaction.timeout.ms", transaction_timeout, 1, u64::from(INT_MAX)),
];

const NO_NETWORK: &str = "there is no network between a producer and its log, nothing to retry";
const OTHER_BUILDER: &str = "a transactional producer has it: the builder's `transactional_id` makes one in Rust, \
     ottla_transactional_producer_new in C, transactional_producer in Python";
const BYTES_ONLY: &str = "keys and values are bytes here; serialize before sending";

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { name: "bootstrap.servers", why: "open a directory instead" },
    Refused { name: "key.serializer", why: BYTES_ONLY },
    Refused { name: "value.serializer", why: BYTES_ONLY },
    Refused { name: "retries", why: NO_NETWORK },
    Refused { name: "max.in.flight.requests.per.connection", why: NO_NETWORK },
    Refused { name: "request.timeout.ms", why: NO_NETWORK },
    Refused { name: "retry.backoff.ms", why: NO_NETWORK },
    Refused { name: "retry.backoff.max.ms", why: NO_NETWORK },
    Refused { name: "metadata.max.age.ms", why: NO_NETWORK },
    Refused { name: "metadata.max.idle.ms", why: NO_NETWORK },
    Refused { name: "transactional.id", why: OTHER_BUILDER },
    Refused { name: "partitioner.class", why: "give the builder a `partitioner` instead" },
    Refused { name: "partitioner.adaptive.partitioning.enable", why: "all partitions are equally near" },
    Refused { name: "partitioner.availability.timeout.ms", why: "all partitions are available" },
];

fn acks(text: &str) -> Result<Acks, String> {
    text.parse().map_err(|_| "it must be 0, 1 or all".to_owned())
}

fn compression(text: &str) -> Result<Compression, String> {
    Compression::parse(text).ok_or_else(|| "it must be none, gzip, snappy, lz4 or zstd".to_owned())
}

fn level(codec: Compression, text: &str) -> Result<i32, String> {
    let level = integer(text, i32::MIN, i32::MAX).ok().filter(|level| codec.is_level_valid(*level));
    level.ok_or_else(|| match codec.level_range() {
        Some(range) if codec == Compression::Gzip => {
            format!("it must be a whole number from 1 to {}, or -1", range.end())
        }
        Some(range) => {
            format!("it must be a whole number from {} to {}", range.start(), range.end())
        }
        None => format!("{codec} has no levels"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_kafkas_and_read_back() {
        let config = ProducerConfig::default();
        config.validate().unwrap();
        let known = [
            ("acks", "all"),
            ("linger.ms", "5"),
            ("batch.size", "16384"),
            ("buffer.memory", "33554432"),
            ("max.block.ms", "60000"),
            ("max.request.size", "1048576"),
            ("delivery.timeout.ms", "120000"),
            ("compression.type", "none"),
            ("compression.gzip.level", "-1"),
            ("compression.lz4.level", "9"),
            ("compression.zstd.level", "3"),
            ("partitioner.ignore.keys", "false"),
            ("enable.idempotence", "false"),
            ("transaction.timeout.ms", "60000"),
        ];
        assert!(ProducerConfig::names().eq(known.iter().map(|(name, _)| *name)));
        for (name, value) in known {
            assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
            assert_eq!(config.clone().set(name, value).unwrap(), config, "{name}");
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_a_reason() {
        for (name, value, part) in [
            ("acks", "2", "0, 1 or all"),
            ("linger.ms", "-1", "from 0 to 9223372036854775807"),
            ("compression.type", "producer", "none, gzip"),
            ("compression.gzip.level", "0", "from 1 to 9, or -1"),
            ("compression.lz4.level", "18", "from 1 to 17"),
            ("linger", "1", "\"linger.ms\""),
            ("transactional.id", "x", "`transactional_id`"),
        ] {
            let error = ProducerConfig::default().set(name, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_delivery_cannot_time_out_while_its_batch_lingers() {
        let slow = ProducerConfig { linger: Duration::from_secs(200), ..ProducerConfig::default() };
        let error = slow.validate().unwrap_err();
        assert!(error.to_string().contains("delivery.timeout.ms (120000)"), "{error}");
    }
}
