//! A log directory that Ottla writes for the peers: several topics, every codec, small segments,
//! headers and nulls, deletions, compaction, and what every partition must hold afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use ottla::config::compression::Compression;
use ottla::{Acks, Broker, CleanupPolicy, Message, TopicConfig};

use crate::lines::record_line;

const START: i64 = 1_700_000_000_000;

/// What the partitions must hold, by the name of their folder.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) partitions: BTreeMap<String, Log>,
}

/// What one partition must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) start: i64,
    pub(crate) records: Vec<Written>,
}

/// A record that was written; its offset is that of the ack.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

impl Log {
    /// The offset behind the last record.
    pub(crate) fn end(&self) -> i64 {
        self.records.last().map_or(self.start, |record| record.offset + 1)
    }

    /// The records from the log start on.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Written> {
        self.records.iter().filter(|record| record.offset >= self.start)
    }

    /// The lines that every peer prints for the records from the log start on.
    pub(crate) fn lines(&self) -> String {
        self.visible().map(Written::line).collect()
    }
}

impl Written {
    fn line(&self) -> String {
        let headers: Vec<(Vec<u8>, Option<Vec<u8>>)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.clone().map(String::into_bytes)))
            .collect();
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        record_line(self.offset, self.timestamp, key, value, &headers)
    }
}

/// Writes the directory and closes it.
pub(crate) fn write(directory: &Path) -> Expected {
    let mut expected = Expected::default();
    let broker = Broker::open(directory).expect("a new directory opens");
    for codec in Compression::ALL {
        let topic = format!("c.{}", codec.name());
        broker
            .create_topic(&topic, small_segments().partitions(2).compression(codec))
            .expect("a topic");
        for number in 0..2 {
            fill(&broker, &mut expected, &topic, number, 60);
        }
    }
    broker.create_topic("empty", TopicConfig::new().partitions(3)).expect("a topic");
    for number in 0..3 {
        expected.partitions.insert(format!("empty-{number}"), Log::default());
    }
    broker.create_topic("gone", TopicConfig::new().partitions(1)).expect("a topic");
    fill(&broker, &mut Expected::default(), "gone", 0, 5);
    broker.delete_topic("gone").expect("the topic is deleted");
    broker.alter_topic("c.none", &[("retention.ms", Some("-1"))]).expect("the topic is altered");
    broker.add_partitions("empty", 4).expect("partitions are added");
    expected.partitions.insert("empty-3".to_owned(), Log::default());
    write_together(&broker, &mut expected);
    cut(&broker, &mut expected, "c.lz4", 1);
    compact(&broker, &mut expected);
    broker.close().expect("the directory closes");
    expected
}

fn small_segments() -> TopicConfig {
    TopicConfig::new()
        .set("internal.segment.bytes", "20000")
        .and_then(|config| config.set("index.interval.bytes", "600"))
        .expect("these settings are Kafka's")
}

/// Appends batches of several sizes under both ack levels.
pub(crate) fn fill(
    broker: &Broker,
    expected: &mut Expected,
    topic: &str,
    number: i32,
    batches: u32,
) {
    let partition = broker.partition(topic, number).expect("the partition");
    let log = expected.partitions.entry(format!("{topic}-{number}")).or_default();
    let mut random =
        fastrand::Rng::with_seed(u64::from(batches) + u64::from(number.unsigned_abs()));
    for batch in 0..batches {
        let count = if batch % 10 == 9 { 80 } else { random.i64(1..8) };
        let base = partition.end_offset();
        let records: Vec<Written> =
            (base..base + count).map(|offset| record(topic, offset, &mut random)).collect();
        let messages: Vec<Message<'_>> = records.iter().map(message).collect();
        let acks = if batch % 3 == 0 { Acks::All } else { Acks::Leader };
        let appended = partition.append(&messages, acks).expect("an append");
        assert_eq!((appended.base_offset, appended.last_offset), (base, base + count - 1));
        log.records.extend(records);
    }
}

fn record(topic: &str, offset: i64, random: &mut fastrand::Rng) -> Written {
    let filler: String = (0..random.usize(0..150)).map(|_| random.alphanumeric()).collect();
    let headers = match offset % 6 {
        0 => vec![("h".to_owned(), Some(format!("v{offset}"))), ("h".to_owned(), None)],
        1 => vec![("empty".to_owned(), Some(String::new()))],
        _ => Vec::new(),
    };
    Written {
        offset,
        timestamp: START + offset,
        key: (offset % 4 != 0).then(|| format!("key{}", offset % 11)),
        value: (offset % 9 != 5).then(|| format!("{topic} at {offset}: {filler}")),
        headers,
    }
}

fn message(record: &Written) -> Message<'_> {
    let key = record.key.as_deref().map(str::as_bytes);
    let value = record.value.as_deref().map(str::as_bytes);
    let mut message = Message::from_parts(key, value).timestamp(record.timestamp);
    for (name, value) in &record.headers {
        message = match value {
            Some(value) => message.header(name, value),
            None => message.null_header(name),
        };
    }
    message
}

/// One atomic append to every partition of two topics.
fn write_together(broker: &Broker, expected: &mut Expected) {
    let mut random = fastrand::Rng::with_seed(3);
    let mut append = broker.atomic_append();
    let mut written = Vec::new();
    for topic in ["c.none", "c.zstd"] {
        for number in 0..2 {
            let base = broker.partition(topic, number).expect("the partition").end_offset();
            written.push((topic, number, record(topic, base, &mut random)));
        }
    }
    for (topic, number, record) in &written {
        append.add(topic, *number, &[message(record)]).expect("it fits");
    }
    let appended = append.commit().expect("an atomic append");
    for ((topic, number, record), appended) in written.into_iter().zip(appended) {
        assert_eq!(appended.base_offset, record.offset);
        expected.partitions.entry(format!("{topic}-{number}")).or_default().records.push(record);
    }
}

/// A topic that is compacted twice, with more behind that was not.
fn compact(broker: &Broker, expected: &mut Expected) {
    let config = small_segments().cleanup_policy(CleanupPolicy::COMPACT);
    let config = config.compression(Compression::Zstd);
    broker.create_topic("compacted", config.partitions(1)).expect("a topic");
    let partition = broker.partition("compacted", 0).expect("the partition");
    let mut log = Log::default();
    for round in 0..3 {
        let mut random = fastrand::Rng::with_seed(round);
        for _ in 0..150 {
            let base = partition.end_offset();
            let offsets = base..base + random.i64(1..6);
            let keyed = |offset| {
                // Some keys come again and again, some never.
                let key = if offset % 7 == 0 { offset } else { offset % 40 };
                let record = record("compacted", offset, &mut random);
                Written { key: Some(format!("key{key}")), ..record }
            };
            let records: Vec<Written> = offsets.map(keyed).collect();
            let messages: Vec<Message<'_>> = records.iter().map(message).collect();
            partition.append(&messages, Acks::Leader).expect("an append");
            log.records.extend(records);
        }
        if round < 2 {
            broker.compact_now("compacted").expect("the topic is compacted");
            let newest: BTreeMap<_, _> =
                log.records.iter().map(|record| (record.key.clone(), record.offset)).collect();
            log.records.retain(|record| newest[&record.key] == record.offset);
        }
    }
    expected.partitions.insert("compacted-0".to_owned(), log);
}

/// Deletes the first half of a partition's records.
fn cut(broker: &Broker, expected: &mut Expected, topic: &str, number: i32) {
    let partition = broker.partition(topic, number).expect("the partition");
    let log = expected.partitions.entry(format!("{topic}-{number}")).or_default();
    log.start = partition.end_offset() / 2;
    partition.delete_records(log.start).expect("records are deleted");
}
