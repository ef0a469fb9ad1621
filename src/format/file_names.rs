//! Every name that the directory can hold, each with its sentence: what it is called, and how a
//! name that was found is told apart from all others.
//!
//! Not here: what is in those files, and whether they exist. The invariant: a parser accepts exactly
//! what the matching builder (or a Kafka broker) writes, so that `parse(build(x)) == x` and a name
//! that only looks similar is never taken for ours.

use crate::topic::TopicName;

/// The lock of the directory; empty in Kafka's hands, the holder's pid in ours.
pub const LOCK: &str = ".lock";
/// Exists when the directory was closed cleanly. See `clean_shutdown`.
pub const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Names the cluster, the node and the directory. See `meta_properties`.
pub const META_PROPERTIES: &str = "meta.properties";
/// Per partition the offset below which everything is synced.
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// Per partition the first offset that readers may see, where it lies above the first segment.
pub const LOG_START_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// Per partition the high watermark.
pub const REPLICATION_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Per compacted partition the first offset that was not cleaned yet.
pub const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
/// In a partition's folder: at which offset each leader epoch started.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
/// In a partition's folder: the id of its topic.
pub const PARTITION_METADATA: &str = "partition.metadata";
/// The records that a KRaft controller starts an empty metadata log with.
pub const BOOTSTRAP_CHECKPOINT: &str = "bootstrap.checkpoint";
/// In the folder of the metadata log: the vote and the epoch of its Raft node.
pub const QUORUM_STATE: &str = "quorum-state";
/// Kafka's cache of the indexes of tiered segments; a folder that holds no partition.
pub const REMOTE_LOG_INDEX_CACHE: &str = "remote-log-index-cache";
/// Our control file: recovery points, lengths and sums of segments.
pub const OTTLA_CONTROL: &str = "ottla.control";
/// An empty folder that exists while the directory is not cleanly closed: no broker starts on it.
pub const OTTLA_OPEN: &str = "ottla.open";
/// A file that will be removed shortly.
pub const DELETED_SUFFIX: &str = ".deleted";
/// Output of compaction that is being written; worthless after a crash.
pub const CLEANED_SUFFIX: &str = ".cleaned";
/// Complete output of compaction that is being swapped in; must be kept after a crash.
pub const SWAP_SUFFIX: &str = ".swap";

/// The longest name of a file or folder, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;
const UNIQUE_ID_DIGITS: usize = 32;
const DELETE_DIR_SUFFIX: &str = "-delete";
const FUTURE_DIR_SUFFIX: &str = "-future";
const STRAY_DIR_SUFFIX: &str = "-stray";
const METADATA_SNAPSHOT_SUFFIX: &str = ".checkpoint";
const JOURNAL_PREFIX: &str = "ottla-";
const JOURNAL_SUFFIX: &str = ".journal";
const QUARANTINE_SUFFIX: &str = ".quarantine";
const SPILL_SUFFIX: &str = ".spill";

/// What a file of a partition holds, told by its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suffix {
    /// `.log`: record batches.
    Log,
    /// `.index`: offset to position.
    Index,
    /// `.timeindex`: timestamp to offset.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TxnIndex,
    /// `.snapshot`: producer state below the offset in the name.
    Snapshot,
    /// `.keyindex`: which records carry a key; ours, a broker passes over it.
    KeyIndex,
}

impl Suffix {
    /// All suffixes, the log first.
    pub const ALL: [Suffix; 6] = [
        Suffix::Log,
        Suffix::Index,
        Suffix::TimeIndex,
        Suffix::TxnIndex,
        Suffix::KeyIndex,
        Suffix::Snapshot,
    ];

    /// Those that belong to a segment and go with it, the log first.
    pub const OF_SEGMENT: [Suffix; 5] =
        [Suffix::Log, Suffix::Index, Suffix::TimeIndex, Suffix::TxnIndex, Suffix::KeyIndex];

    /// The suffix with its dot.
    pub fn as_str(self) -> &'static str {
        match self {
            Suffix::Log => ".log",
            Suffix::Index => ".index",
            Suffix::TimeIndex => ".timeindex",
            Suffix::TxnIndex => ".txnindex",
            Suffix::Snapshot => ".snapshot",
            Suffix::KeyIndex => ".keyindex",
        }
    }

    /// The name of the file of this kind with that base offset.
    pub fn file(self, base_offset: i64) -> String {
        let suffix = self.as_str();
        let Ok(mut rest) = u64::try_from(base_offset) else {
            return format!("{base_offset:0OFFSET_DIGITS$}{suffix}");
        };
        // Opening a directory asks for a few of these per segment: digit by digit is several times
        // as fast as a format.
        let mut digits = [b'0'; OFFSET_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
        }
        let mut name = String::with_capacity(OFFSET_DIGITS + suffix.len());
        name.push_str(str::from_utf8(&digits).unwrap_or_default());
        name.push_str(suffix);
        name
    }
}

/// What the suffix after the suffix says about a file of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leftover {
    /// `.deleted`: to be removed.
    Deleted,
    /// `.cleaned`: unfinished output of compaction.
    Cleaned,
    /// `.swap`: finished output of compaction, not yet in its place.
    Swap,
}

/// The record batches from `base_offset` on: `%020d.log`.
pub fn log_file(base_offset: i64) -> String {
    Suffix::Log.file(base_offset)
}

/// The offset index of a segment: `%020d.index`.
pub fn index_file(base_offset: i64) -> String {
    Suffix::Index.file(base_offset)
}

/// The time index of a segment: `%020d.timeindex`.
pub fn time_index_file(base_offset: i64) -> String {
    Suffix::TimeIndex.file(base_offset)
}

/// The aborted transactions of a segment: `%020d.txnindex`.
pub fn txn_index_file(base_offset: i64) -> String {
    Suffix::TxnIndex.file(base_offset)
}

/// The producers' state below `offset`: `%020d.snapshot`.
pub fn snapshot_file(offset: i64) -> String {
    Suffix::Snapshot.file(offset)
}

/// Parses the name of a live file of a partition.
pub fn parse_base_offset(name: &str) -> Option<(i64, Suffix)> {
    let (digits, rest) = split_digits(name, OFFSET_DIGITS)?;
    let suffix = Suffix::ALL.into_iter().find(|suffix| suffix.as_str() == rest)?;
    Some((digits.parse().ok()?, suffix))
}

/// Parses the name of a file that compaction or deletion left behind, such as `...0.log.swap`.
pub fn parse_leftover(name: &str) -> Option<(i64, Suffix, Leftover)> {
    let states = [
        (DELETED_SUFFIX, Leftover::Deleted),
        (CLEANED_SUFFIX, Leftover::Cleaned),
        (SWAP_SUFFIX, Leftover::Swap),
    ];
    states.into_iter().find_map(|(suffix, state)| {
        let (base_offset, kind) = parse_base_offset(name.strip_suffix(suffix)?)?;
        Some((base_offset, kind, state))
    })
}

/// A snapshot of the metadata log up to `end_offset` of `epoch`: `%020d-%010d.checkpoint`.
pub fn metadata_snapshot_file(end_offset: i64, epoch: i32) -> String {
    format!("{end_offset:0OFFSET_DIGITS$}-{epoch:0EPOCH_DIGITS$}{METADATA_SNAPSHOT_SUFFIX}")
}

/// Parses the name of a metadata snapshot into its end offset and epoch.
pub fn parse_metadata_snapshot(name: &str) -> Option<(i64, i32)> {
    let (offset, rest) = split_digits(name, OFFSET_DIGITS)?;
    let (epoch, rest) = split_digits(rest.strip_prefix('-')?, EPOCH_DIGITS)?;
    if rest != METADATA_SNAPSHOT_SUFFIX {
        return None;
    }
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

/// A journal file: `ottla-%020d.journal`.
pub fn journal_file(number: u64) -> String {
    format!("{JOURNAL_PREFIX}{number:0OFFSET_DIGITS$}{JOURNAL_SUFFIX}")
}

/// Parses the name of a journal file.
pub fn parse_journal_file(name: &str) -> Option<u64> {
    parse_numbered(name, JOURNAL_SUFFIX)
}

/// A file that holds bytes which recovery cut off: `ottla-%020d.quarantine`.
pub fn quarantine_file(number: u64) -> String {
    format!("{JOURNAL_PREFIX}{number:0OFFSET_DIGITS$}{QUARANTINE_SUFFIX}")
}

/// Parses the name of a quarantine file.
pub fn parse_quarantine_file(name: &str) -> Option<u64> {
    parse_numbered(name, QUARANTINE_SUFFIX)
}

/// Batches of a large transaction that is not committed or not checkpointed:
/// `ottla-%020d.spill`.
pub fn spill_file(number: u64) -> String {
    format!("{JOURNAL_PREFIX}{number:0OFFSET_DIGITS$}{SPILL_SUFFIX}")
}

/// Parses the name of a spill file.
pub fn parse_spill_file(name: &str) -> Option<u64> {
    parse_numbered(name, SPILL_SUFFIX)
}

fn parse_numbered(name: &str, suffix: &str) -> Option<u64> {
    let (digits, rest) = split_digits(name.strip_prefix(JOURNAL_PREFIX)?, OFFSET_DIGITS)?;
    if rest == suffix { digits.parse().ok() } else { None }
}

/// Splits off exactly `count` leading ASCII digits; `None` if there are fewer or more.
fn split_digits(text: &str, count: usize) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if end == count { text.split_at_checked(count) } else { None }
}

/// What the name of a folder in the root says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedDir {
    /// `orders-2`: a partition.
    Partition {
        /// The topic.
        topic: TopicName,
        /// The partition's number.
        partition: i32,
    },
    /// `orders-2.<32 hex>-delete`: a partition of a deleted topic, to be removed.
    Delete {
        /// The topic, or the first part of its name where the whole name did not fit.
        topic: TopicName,
        /// The partition's number.
        partition: i32,
    },
    /// `orders-2.<32 hex>-future`: a copy that a broker was moving between its directories.
    Future {
        /// The topic.
        topic: TopicName,
        /// The partition's number.
        partition: i32,
    },
    /// `orders-2.<32 hex>-stray`: found by a broker whose catalog does not name it.
    Stray {
        /// The topic, or the first part of its name where the whole name did not fit.
        topic: TopicName,
        /// The partition's number.
        partition: i32,
    },
    /// No folder of a partition.
    NotOne,
}

/// The folder of a partition: `orders-2`.
pub fn partition_dir(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// The folder of a partition that will be removed. The topic is cut where the name gets too long.
pub fn delete_dir(topic: &str, partition: i32, unique_id: u128) -> String {
    renamed_dir(topic, partition, unique_id, DELETE_DIR_SUFFIX)
}

/// The folder of a partition that no catalog names. The topic is cut where the name gets too long.
pub fn stray_dir(topic: &str, partition: i32, unique_id: u128) -> String {
    renamed_dir(topic, partition, unique_id, STRAY_DIR_SUFFIX)
}

fn renamed_dir(topic: &str, partition: i32, unique_id: u128, suffix: &str) -> String {
    let tail = format!("-{partition}.{unique_id:0UNIQUE_ID_DIGITS$x}{suffix}");
    let mut kept = topic.len().min(NAME_BYTES_MAX.saturating_sub(tail.len()));
    while !topic.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{tail}", &topic[..kept])
}

/// Says what a folder of the root is.
pub fn parse_partition_dir(name: &str) -> ParsedDir {
    if let Some((topic, partition)) = parse_topic_partition(name) {
        return ParsedDir::Partition { topic, partition };
    }
    let renamed = |suffix: &str| {
        let (partition, unique_id) = name.strip_suffix(suffix)?.rsplit_once('.')?;
        let is_id = unique_id.len() == UNIQUE_ID_DIGITS
            && unique_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { parse_topic_partition(partition) } else { None }
    };
    if let Some((topic, partition)) = renamed(DELETE_DIR_SUFFIX) {
        ParsedDir::Delete { topic, partition }
    } else if let Some((topic, partition)) = renamed(FUTURE_DIR_SUFFIX) {
        ParsedDir::Future { topic, partition }
    } else if let Some((topic, partition)) = renamed(STRAY_DIR_SUFFIX) {
        ParsedDir::Stray { topic, partition }
    } else {
        ParsedDir::NotOne
    }
}

/// Splits `orders-2` at its last dash. A number that is not written as we would write it (`007`,
/// `+7`) is refused: two folders must never mean one partition.
fn parse_topic_partition(name: &str) -> Option<(TopicName, i32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let partition: i32 = digits.parse().ok()?;
    if partition < 0 || partition.to_string() != digits {
        return None;
    }
    Some((TopicName::new(topic).ok()?, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName {
        TopicName::new(name).unwrap()
    }

    #[test]
    fn files_of_a_partition_parse_back() {
        assert_eq!(log_file(0), "00000000000000000000.log");
        assert_eq!(txn_index_file(i64::MAX), "09223372036854775807.txnindex");
        for offset in [0, 138, i64::from(i32::MAX) + 1, i64::MAX] {
            for suffix in Suffix::ALL {
                let name = suffix.file(offset);
                assert_eq!(parse_base_offset(&name), Some((offset, suffix)));
                for (more, state) in [
                    (DELETED_SUFFIX, Leftover::Deleted),
                    (CLEANED_SUFFIX, Leftover::Cleaned),
                    (SWAP_SUFFIX, Leftover::Swap),
                ] {
                    let name = format!("{name}{more}");
                    assert_eq!(parse_leftover(&name), Some((offset, suffix, state)));
                    assert_eq!(parse_base_offset(&name), None);
                }
            }
        }
    }

    #[test]
    fn similar_names_are_not_ours() {
        for name in [
            "",
            "0.log",
            "0000000000000000000.log",
            "000000000000000000000.log",
            "-0000000000000000001.log",
            "+0000000000000000001.log",
            "99999999999999999999.log",
            "09223372036854775808.log",
            "00000000000000000000",
            "00000000000000000000.",
            "00000000000000000000.logs",
            "00000000000000000000.log.tmp",
            "0000000000000000000\u{663}.log",
        ] {
            assert_eq!(parse_base_offset(name), None, "{name}");
            assert_eq!(parse_leftover(name), None, "{name}");
        }
        assert_eq!(parse_leftover("00000000000000000000.log"), None);
    }

    #[test]
    fn journals_quarantine_and_metadata_snapshots_parse_back() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(parse_journal_file(&journal_file(number)), Some(number));
            assert_eq!(parse_quarantine_file(&quarantine_file(number)), Some(number));
            assert_eq!(parse_journal_file(&quarantine_file(number)), None);
            assert_eq!(parse_spill_file(&spill_file(number)), Some(number));
            assert_eq!(parse_spill_file(&journal_file(number)), None);
        }
        assert_eq!(journal_file(7), "ottla-00000000000000000007.journal");
        assert_eq!(parse_journal_file("ottla-7.journal"), None);
        assert_eq!(parse_journal_file("ottla-99999999999999999999.journal"), None);
        let name = metadata_snapshot_file(436, 3);
        assert_eq!(name, "00000000000000000436-0000000003.checkpoint");
        assert_eq!(parse_metadata_snapshot(&name), Some((436, 3)));
        assert_eq!(parse_metadata_snapshot(&format!("{name}.part")), None);
        assert_eq!(parse_metadata_snapshot("00000000000000000436-9999999999.checkpoint"), None);
    }

    #[test]
    fn folders_parse_back() {
        let id = 0x0123_4567_89ab_cdef_u128;
        let (a, long) = ("a.b-c_1", "x".repeat(249));
        for name in [a, &long] {
            let parsed = parse_partition_dir(&partition_dir(name, i32::MAX));
            assert_eq!(parsed, ParsedDir::Partition { topic: topic(name), partition: i32::MAX });
        }
        let deleted = delete_dir(a, 3, id);
        assert_eq!(deleted, "a.b-c_1-3.00000000000000000123456789abcdef-delete");
        let expected = ParsedDir::Delete { topic: topic(a), partition: 3 };
        assert_eq!(parse_partition_dir(&deleted), expected);
        let stray = stray_dir(&long, 12345, id);
        assert_eq!(stray.len(), NAME_BYTES_MAX);
        let cut = topic(&long[..255 - "-12345.".len() - 32 - "-stray".len()]);
        let expected = ParsedDir::Stray { topic: cut, partition: 12345 };
        assert_eq!(parse_partition_dir(&stray), expected);
        let future = "t-0.00000000000000000123456789abcdef-future";
        let expected = ParsedDir::Future { topic: topic("t"), partition: 0 };
        assert_eq!(parse_partition_dir(future), expected);
    }

    #[test]
    fn other_folders_are_not_partitions() {
        for name in [
            "",
            "-",
            "-0",
            "orders",
            "orders-",
            "orders-x",
            "orders-007",
            "orders-+7",
            "orders-2147483648",
            ".-1",
            "a b-1",
            "t-0.0123-delete",
            "t-0.00000000000000000123456789abcdeg-delete",
            "t-0.00000000000000000123456789abcdef-deleted",
            OTTLA_OPEN,
            REMOTE_LOG_INDEX_CACHE,
        ] {
            assert_eq!(parse_partition_dir(name), ParsedDir::NotOne, "{name}");
        }
    }
}
