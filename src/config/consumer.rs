//! The settings of a consumer: plain data under Kafka's names, with Kafka's ranges and, but for
//! two, Kafka's defaults. Those that are Ottla's own start with `ottla.`.

use std::fmt;
use std::time::Duration;

use super::keys::{INT_MAX, Key, Keys, Refused, boolean, duration_key, integer, key};
use super::offset_reset::AutoOffsetReset;
use crate::error::{Error, ErrorKind, Result};

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
    /// A poll that finds fewer bytes than this waits for more, though no longer than
    /// `fetch.max.wait.ms`. Default: 1, which never waits for more. `fetch.min.bytes`
    pub fetch_min_bytes: u32,
    /// How long records wait for `fetch.min.bytes` to come together. Default: 500 ms.
    /// `fetch.max.wait.ms`
    pub fetch_max_wait: Duration,
    /// A poll that finds nothing looks again and again for so many microseconds before it puts its
    /// thread to sleep: waking up takes longer than most appends. Default: 0, at most one second.
    /// `ottla.poll.spin.us`
    pub poll_spin_us: u32,
    /// The group that shares the partitions of subscribed topics and keeps positions. Default:
    /// none. `group.id`
    pub group_id: Option<String>,
    /// The name by which the group knows this member again after it was closed. Default: none.
    /// `group.instance.id`
    pub group_instance_id: Option<String>,
    /// A name for the descriptions of groups. Default: empty. `client.id`
    pub client_id: String,
    /// How a group may share out partitions, the favourite first: `range`, `roundrobin`,
    /// `sticky`, `cooperative-sticky`, or Kafka's class names. Default: range,
    /// cooperative-sticky. `partition.assignment.strategy`
    pub partition_assignment_strategy: Vec<String>,
    /// A member that does not poll for so long is reported as stalled. Default: 5 minutes.
    /// `max.poll.interval.ms`
    pub max_poll_interval: Duration,
    /// Whether a stalled member also loses its partitions. Default: false.
    /// `ottla.max.poll.interval.evict`
    pub max_poll_interval_evict: bool,
    /// How long the partitions of a member with a `group.instance.id` are kept for it after it
    /// was closed. Default: 45 s. `session.timeout.ms`
    pub session_timeout: Duration,
    /// Whether positions are committed by themselves. Default: false. `enable.auto.commit`
    pub enable_auto_commit: bool,
    /// How often, if so. Default: 5 s. `auto.commit.interval.ms`
    pub auto_commit_interval: Duration,
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
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            poll_spin_us: 0,
            group_id: None,
            group_instance_id: None,
            client_id: String::new(),
            partition_assignment_strategy: vec!["range".into(), "cooperative-sticky".into()],
            max_poll_interval: Duration::from_secs(300),
            max_poll_interval_evict: false,
            session_timeout: Duration::from_secs(45),
            enable_auto_commit: false,
            auto_commit_interval: Duration::from_secs(5),
        }
    }
}

impl ConsumerConfig {
    /// Sets what Kafka calls `name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`]: an unknown name is answered with the nearest known one, a
    /// wrong value with what is allowed.
    pub fn set(mut self, name: &str, value: &str) -> Result<ConsumerConfig> {
        CONSUMER_KEYS.set(&mut self, name, value)?;
        Ok(self)
    }

    /// The names of all settings of a consumer: [`get`](Self::get) has a value for each.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CONSUMER_KEYS.names()
    }

    /// The value of what Kafka calls `name`, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        CONSUMER_KEYS.find(name).map(|key| (key.show)(self))
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for the first value that is out of range.
    pub fn validate(&self) -> Result<()> {
        CONSUMER_KEYS.validate(self)?;
        if self.group_id.is_none() && self.enable_auto_commit {
            let message = "enable.auto.commit needs a group.id to commit for";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
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

/// A [`Key`] of an optional name; an empty one is none.
macro_rules! name_key {
    ($name:literal, $field:ident) => {
        Key {
            name: $name,
            put: |config, text| {
                config.$field = (!text.is_empty()).then(|| text.to_owned());
                Ok(())
            },
            show: |config| config.$field.clone().unwrap_or_default(),
        }
    };
}

const CONSUMER_KEYS: Keys<ConsumerConfig> =
    Keys { noun: "consumer", accepted: ACCEPTED, refused: REFUSED };

#[rustfmt::skip]
const ACCEPTED: &[Key<ConsumerConfig>] = &[
    key!("fetch.max.bytes", fetch_max_bytes, |text| integer(text, 0, INT_MAX)),
    key!("max.partition.fetch.bytes", max_partition_fetch_bytes, |text| integer(text, 0, INT_MAX)),
    key!("max.poll.records", max_poll_records, |text| integer(text, 1, INT_MAX)),
    key!("check.crcs", check_crcs, boolean),
    key!("auto.offset.reset", auto_offset_reset, AutoOffsetReset::parse),
    key!("isolation.level", isolation_level, isolation_level),
    key!("fetch.min.bytes", fetch_min_bytes, |text| integer(text, 0, INT_MAX)),
    duration_key!("fetch.max.wait.ms", fetch_max_wait, 0, u64::from(INT_MAX)),
    key!("ottla.poll.spin.us", poll_spin_us, |text| integer(text, 0, SPIN_US_MAX)),
    name_key!("group.id", group_id),
    name_key!("group.instance.id", group_instance_id),
    key!("client.id", client_id, |text: &str| Ok::<_, String>(text.to_owned())),
    Key {
        name: "partition.assignment.strategy",
        put: |config, text| {
            config.partition_assignment_strategy = assignment_strategy(text)?;
            Ok(())
        },
        show: |config| config.partition_assignment_strategy.join(","),
    },
    duration_key!("max.poll.interval.ms", max_poll_interval, 1, u64::from(INT_MAX)),
    key!("ottla.max.poll.interval.evict", max_poll_interval_evict, boolean),
    duration_key!("session.timeout.ms", session_timeout, 0, u64::from(INT_MAX)),
    key!("enable.auto.commit", enable_auto_commit, boolean),
    duration_key!("auto.commit.interval.ms", auto_commit_interval, 0, u64::from(INT_MAX)),
    Key { name: "group.protocol", put: group_protocol, show: |_| "classic".to_owned() },
    Key { name: "exclude.internal.topics", put: only_true, show: |_| "true".to_owned() },
];

const NO_NETWORK: &str = "there is no network between a consumer and its log";
const BYTES_ONLY: &str = "keys and values are bytes here; deserialize after polling";

#[rustfmt::skip]
const REFUSED: &[Refused] = &[
    Refused { name: "bootstrap.servers", why: "open a directory instead" },
    Refused { name: "key.deserializer", why: BYTES_ONLY },
    Refused { name: "value.deserializer", why: BYTES_ONLY },
    Refused { name: "group.remote.assignor", why: "name the assignor in partition.assignment.strategy" },
    Refused {
        name: "heartbeat.interval.ms",
        why: "members are handles in this process and need no heartbeat; see max.poll.interval.ms",
    },
    Refused { name: "allow.auto.create.topics", why: "create or ensure a topic explicitly" },
    Refused { name: "interceptor.classes", why: "look at the records after polling" },
    Refused { name: "default.api.timeout.ms", why: NO_NETWORK },
    Refused { name: "request.timeout.ms", why: NO_NETWORK },
    Refused { name: "metadata.max.age.ms", why: NO_NETWORK },
    Refused { name: "client.rack", why: NO_NETWORK },
];

/// More than a second of spinning is a mistake.
const SPIN_US_MAX: u32 = 1_000_000;

/// The assignors that have names, with the classes that Kafka knows them by.
const STRATEGIES: [(&str, &str); 4] = [
    ("range", "RangeAssignor"),
    ("roundrobin", "RoundRobinAssignor"),
    ("sticky", "StickyAssignor"),
    ("cooperative-sticky", "CooperativeStickyAssignor"),
];

/// The package of the classes.
const STRATEGY_PACKAGE: &str = "org.apache.kafka.clients.consumer.";

fn assignment_strategy(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for wanted in text.split(',').map(str::trim) {
        let class = wanted.strip_prefix(STRATEGY_PACKAGE);
        let known = STRATEGIES.iter().find(|(name, of)| *name == wanted || class == Some(*of));
        let Some((name, _)) = known else {
            return Err(
                "it must be one or more of range, roundrobin, sticky, cooperative-sticky, \
                        separated by commas (the builder takes assignors of your own)"
                    .to_owned(),
            );
        };
        if names.iter().any(|other| other == name) {
            return Err(format!("{name} is named twice"));
        }
        names.push((*name).to_owned());
    }
    Ok(names)
}

/// Both of Kafka's protocols come to the same within a process, where members reconcile one by
/// one and nothing is stopped for all.
fn group_protocol(_: &mut ConsumerConfig, text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "classic" | "consumer" => Ok(()),
        _ => Err("it must be classic or consumer, which are the same here".to_owned()),
    }
}

fn only_true(_: &mut ConsumerConfig, text: &str) -> Result<(), String> {
    match boolean(text)? {
        true => Ok(()),
        false => Err("it must be true, a pattern never matches internal topics".to_owned()),
    }
}

fn isolation_level(text: &str) -> Result<IsolationLevel, String> {
    match text.to_ascii_lowercase().as_str() {
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        _ => Err("it must be read_uncommitted or read_committed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_read_back() {
        let config = ConsumerConfig::default();
        config.validate().unwrap();
        let known = [
            ("fetch.max.bytes", "52428800"),
            ("max.partition.fetch.bytes", "1048576"),
            ("max.poll.records", "500"),
            ("check.crcs", "true"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "false"),
            ("auto.commit.interval.ms", "5000"),
            ("fetch.min.bytes", "1"),
            ("fetch.max.wait.ms", "500"),
            ("ottla.poll.spin.us", "0"),
            ("group.id", ""),
            ("group.instance.id", ""),
            ("client.id", ""),
            ("partition.assignment.strategy", "range,cooperative-sticky"),
            ("max.poll.interval.ms", "300000"),
            ("ottla.max.poll.interval.evict", "false"),
            ("session.timeout.ms", "45000"),
            ("group.protocol", "classic"),
            ("exclude.internal.topics", "true"),
        ];
        assert_eq!(ConsumerConfig::names().count(), known.len());
        assert!(ConsumerConfig::names().all(|name| known.iter().any(|(known, _)| *known == name)));
        for (name, value) in known {
            assert_eq!(config.get(name).as_deref(), Some(value), "{name}");
            assert_eq!(config.clone().set(name, value).unwrap(), config, "{name}");
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_a_reason() {
        for (name, value, part) in [
            ("max.poll.records", "0", "from 1 to 2147483647"),
            ("auto.offset.reset", "by_duration:1h", "by_duration:P1DT2H30M"),
            ("partition.assignment.strategy", "", "one or more of range"),
            ("partition.assignment.strategy", "range,range", "range is named twice"),
            ("partition.assignment.strategy", "org.acme.Mine", "one or more of range"),
            ("exclude.internal.topics", "false", "never matches internal topics"),
            ("group.protocol", "streams", "classic or consumer"),
            ("heartbeat.interval.ms", "3000", "need no heartbeat"),
            ("group.remote.assignor", "uniform", "partition.assignment.strategy"),
            ("ottla.poll.spin.us", "1000001", "from 0 to 1000000"),
            ("max.poll.record", "1", "\"max.poll.records\""),
        ] {
            let error = ConsumerConfig::default().set(name, value).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let none = ConsumerConfig { max_poll_records: 0, ..ConsumerConfig::default() };
        assert!(none.validate().is_err());
        let nobody = ConsumerConfig { enable_auto_commit: true, ..ConsumerConfig::default() };
        assert!(nobody.validate().unwrap_err().to_string().contains("group.id"));
    }

    #[test]
    fn assignors_are_known_by_their_classes_too() {
        let classes = "org.apache.kafka.clients.consumer.StickyAssignor, roundrobin";
        let config = ConsumerConfig::default();
        let config = config.set("partition.assignment.strategy", classes).unwrap();
        assert_eq!(config.partition_assignment_strategy, ["sticky", "roundrobin"]);
        assert_eq!(
            config.get("partition.assignment.strategy").as_deref(),
            Some("sticky,roundrobin")
        );
    }
}
