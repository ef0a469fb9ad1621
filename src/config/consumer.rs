//! The settings of a consumer: plain data under Kafka's names, with Kafka's ranges and, but for
//! two, Kafka's defaults.

use std::fmt;

use super::keys::{INT_MAX, Key, Keys, Refused, boolean, integer, key};
use crate::error::Result;

/// How a consumer reads.
///
/// Two defaults differ from Kafka's: `auto.offset.reset` is `earliest`, because an embedded log
/// is no stream that the program joined late; `enable.auto.commit` is `false`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerConfig {
    /// About how many bytes a poll reads from all partitions together. Default: 50 MiB.
    /// `fetch.max.bytes`
    pub fetch_max_bytes: u32,
    /// About how many bytes a poll reads from one partition; one batch is read however large it
    /// is. Default: 1 MiB. `max.partition.fetch.bytes`
    pub max_partition_fetch_bytes: u32,
    /// The most records that a poll returns. Default: 500, at least 1. `max.poll.records`
    pub max_poll_records: u32,
    /// Whether the checksum of every batch is verified. Default: true. `check.crcs`
    pub check_crcs: bool,
    /// Where reading starts if there is no position, or none that exists. Default: earliest.
    /// `auto.offset.reset`
    pub auto_offset_reset: AutoOffsetReset,
    /// Whether records of aborted and open transactions are returned. Default: read_uncommitted.
    /// `isolation.level`
    pub isolation_level: IsolationLevel,
    /// Whether positions are committed by themselves. Default: false. `enable.auto.commit`
    pub enable_auto_commit: bool,
}

impl Default for ConsumerConfig {
    fn default() -> ConsumerConfig {
        ConsumerConfig {
            fetch_max_bytes: 50 << 20,
            max_partition_fetch_bytes: 1 << 20,
            max_poll_records: 500,
            check_crcs: true,
            auto_offset_reset: AutoOffsetReset::Earliest,
            isolation_level: IsolationLevel::ReadUncommitted,
            enable_auto_commit: false,
        }
    }
}

impl ConsumerConfig {
    /// Sets what Kafka calls `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::error::ErrorKind::InvalidInput): an unknown name is
    /// answered with the nearest known one, a wrong value with what is allowed.
    pub fn set(mut self, name: &str, value: &str) -> Result<ConsumerConfig> {
        CONSUMER_KEYS.set(&mut self, name, value)?;
        Ok(self)
    }

    /// The value of what Kafka calls `name`, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        CONSUMER_KEYS.find(name).map(|key| (key.show)(self))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::error::ErrorKind::InvalidInput) for the first value that
    /// is out of range.
    pub fn validate(&self) -> Result<()> {
        CONSUMER_KEYS.validate(self)
    }
}

/// Where a consumer starts that has no position. Kafka's `auto.offset.reset`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the oldest record.
    Earliest,
    /// At the end: only what comes from now on.
    Latest,
    /// Nowhere: the poll fails.
    None,
}

impl fmt::Display for AutoOffsetReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AutoOffsetReset::Earliest => "earliest",
            AutoOffsetReset::Latest => "latest",
            AutoOffsetReset::None => "none",
        })
    }
}

/// What a consumer sees of transactions. Kafka's `isolation.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Everything.
    ReadUncommitted,
    /// Only what was committed.
    ReadCommitted,
}

impl fmt::Display for IsolationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IsolationLevel::ReadUncommitted => "read_uncommitted",
            IsolationLevel::ReadCommitted => "read_committed",
        })
    }
}

const CONSUMER_KEYS: Keys<ConsumerConfig> =
    Keys { noun: "consumer", accepted: ACCEPTED, refused: REFUSED };

#[rustfmt::skip]
const ACCEPTED: &[Key<ConsumerConfig>] = &[
    key!("fetch.max.bytes", fetch_max_bytes, |text| integer(text, 0, INT_MAX)),
    key!("max.partition.fetch.bytes", max_partition_fetch_bytes, |text| integer(text, 0, INT_MAX)),
    key!("max.poll.records", max_poll_records, |text| integer(text, 1, INT_MAX)),
    key!("check.crcs", check_crcs, boolean),
    key!("auto.offset.reset", auto_offset_reset, auto_offset_reset),
    key!("isolation.level", isolation_level, isolation_level),
    key!("enable.auto.commit", enable_auto_commit, never_yet),
];

const NO_GROUPS: &str = "there are no consumer groups yet; assign partitions instead";
const NO_NETWORK: &str = "there is no network between a consumer and its log";
const BY_POLL: &str = "a poll returns as soon as there is a record, or when its timeout passed";
const BYTES_ONLY: &str = "keys and values are bytes here; deserialize after polling";

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { name: "bootstrap.servers", why: "open a directory instead" },
    Refused { name: "key.deserializer", why: BYTES_ONLY },
    Refused { name: "value.deserializer", why: BYTES_ONLY },
    Refused { name: "fetch.min.bytes", why: BY_POLL },
    Refused { name: "fetch.max.wait.ms", why: BY_POLL },
    Refused { name: "group.id", why: NO_GROUPS },
    Refused { name: "group.instance.id", why: NO_GROUPS },
    Refused { name: "group.protocol", why: NO_GROUPS },
    Refused { name: "group.remote.assignor", why: NO_GROUPS },
    Refused { name: "auto.commit.interval.ms", why: NO_GROUPS },
    Refused { name: "session.timeout.ms", why: NO_GROUPS },
    Refused { name: "heartbeat.interval.ms", why: NO_GROUPS },
    Refused { name: "max.poll.interval.ms", why: NO_GROUPS },
    Refused { name: "partition.assignment.strategy", why: NO_GROUPS },
    Refused { name: "exclude.internal.topics", why: NO_GROUPS },
    Refused { name: "allow.auto.create.topics", why: "create or ensure a topic explicitly" },
    Refused { name: "default.api.timeout.ms", why: NO_NETWORK },
    Refused { name: "request.timeout.ms", why: NO_NETWORK },
    Refused { name: "metadata.max.age.ms", why: NO_NETWORK },
    Refused { name: "client.rack", why: NO_NETWORK },
];

fn auto_offset_reset(text: &str) -> Result<AutoOffsetReset, String> {
    match text {
        "earliest" => Ok(AutoOffsetReset::Earliest),
        "latest" => Ok(AutoOffsetReset::Latest),
        "none" => Ok(AutoOffsetReset::None),
        _ => Err("it must be earliest, latest or none".to_owned()),
    }
}

fn isolation_level(text: &str) -> Result<IsolationLevel, String> {
    match text {
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        _ => Err("it must be read_uncommitted or read_committed".to_owned()),
    }
}

fn never_yet(text: &str) -> Result<bool, String> {
    if boolean(text)? {
        return Err("it must be false, there are no consumer groups yet".to_owned());
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_read_back() {
        let config = ConsumerConfig::default();
        config.validate().unwrap();
        for (name, value) in [
            ("fetch.max.bytes", "52428800"),
            ("max.partition.fetch.bytes", "1048576"),
            ("max.poll.records", "500"),
            ("check.crcs", "true"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "false"),
        ] {
            assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
            assert_eq!(config.clone().set(name, value).unwrap(), config, "{name}");
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_a_reason() {
        for (name, value, part) in [
            ("max.poll.records", "0", "from 1 to 2147483647"),
            ("auto.offset.reset", "by_duration:PT1H", "earliest, latest or none"),
            ("enable.auto.commit", "true", "no consumer groups yet"),
            ("group.id", "kitchen", "no consumer groups yet"),
            ("max.poll.record", "1", "\"max.poll.records\""),
        ] {
            let error = ConsumerConfig::default().set(name, value).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let none = ConsumerConfig { max_poll_records: 0, ..ConsumerConfig::default() };
        assert!(none.validate().is_err());
    }
}
