//! Compaction against a plain list of what was appended: of each key the newest record stays, in its
//! place, byte for byte, whatever batches, rolls, codecs, cuts, reopenings and passing time the
//! input asks for. The table over the topic shows the same as a map.
//!
//! Tombstones may go once their time is over, and not before. Transactions of other programs are in
//! the models beside the code.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla::env::Env;
use ottla::env::clock::{Clock, SimClock};
use ottla::env::memory::MemoryVfs;
use ottla::env::random::SeededRandom;
use ottla::{Acks, Broker, BrokerOptions, Message, TopicConfig};
use ottla_simulation::reader::read_all;

use crate::bytes::Input;

const TOPIC: &str = "t";
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// `delete.retention.ms`.
const RETENTION_MS: i64 = 1000;

/// A record as it was appended.
#[derive(Clone, Debug)]
struct Appended {
    offset: i64,
    key: usize,
    /// `None` is a tombstone.
    value: Option<Vec<u8>>,
}

struct Model {
    all: Vec<Appended>,
    start: i64,
    /// Where the last compaction began, and when.
    compacted: Option<(i64, i64)>,
}

impl Model {
    /// The newest record of each key below an offset.
    fn newest(&self, below: i64) -> BTreeMap<usize, &Appended> {
        let of_key = |record: &'_ &Appended| record.offset < below;
        self.all.iter().filter(of_key).map(|record| (record.key, record)).collect()
    }
}

/// # Panics
/// With the law that broke.
pub fn compaction(data: &[u8]) {
    let mut input = Input::new(data);
    let clock = Arc::new(SimClock::default());
    let vfs = Arc::new(MemoryVfs::new(clock.clone()));
    let env = Env { vfs, clock: clock.clone(), random: Arc::new(SeededRandom::new(1)) };
    let mut broker = open(&env);
    broker.create_topic(TOPIC, config(&mut input)).expect("a topic");
    let mut model = Model { all: Vec::new(), start: 0, compacted: None };
    let mut steps = 0;
    while !input.is_empty() && steps < 40 {
        steps += 1;
        match input.u8() % 12 {
            0..=6 => append(&broker, &mut input, &mut model),
            7..=8 => compact(&broker, &clock, &mut model),
            9 => clock.advance(Duration::from_millis(u64::from(input.u16()))),
            10 => delete_records(&broker, &mut input, &mut model),
            _ => {
                if input.bool() {
                    broker.close().expect("a close");
                    drop(broker);
                } else {
                    broker.abandon();
                }
                broker = open(&env);
            }
        }
    }
    hold(&broker, &clock, &model);
    compact(&broker, &clock, &mut model);
    hold(&broker, &clock, &model);
    broker.abandon();
}

fn open(env: &Env) -> Broker {
    let options = BrokerOptions::new()
        .background(false)
        .journal_file_bytes(4096)
        .journal_files(2)
        .offsets_topic_partitions(1);
    options.open_in(env.clone()).unwrap_or_else(|error| panic!("open: it does not open: {error}"))
}

fn config(input: &mut Input<'_>) -> TopicConfig {
    let retention = RETENTION_MS.to_string();
    let settings = [
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("internal.segment.bytes", input.choose(&["200", "500", "2000"])),
        ("index.interval.bytes", "100"),
        ("delete.retention.ms", &retention),
    ];
    let config = TopicConfig::new().partitions(1).key_index(input.bool());
    settings.into_iter().fold(config, |config, (name, value)| {
        config.set(name, value).unwrap_or_else(|error| panic!("{name}: {error}"))
    })
}

fn append(broker: &Broker, input: &mut Input<'_>, model: &mut Model) {
    let partition = broker.partition(TOPIC, 0).expect("the partition");
    let count = 1 + input.below(4);
    let mut batch = Vec::new();
    for offset in (partition.end_offset()..).take(count) {
        let (key, flags) = (input.below(KEYS.len()), input.u8());
        let value = format!("{offset:06}|{}", "v".repeat(usize::from(flags >> 2)));
        let value = (flags & 3 > 0).then(|| value.into_bytes());
        batch.push(Appended { offset, key, value });
    }
    let messages: Vec<_> = batch
        .iter()
        .map(|record| match &record.value {
            Some(value) => Message::new(value).key(KEYS[record.key]),
            None => Message::tombstone(KEYS[record.key]),
        })
        .collect();
    let acks = input.choose(&[Acks::All, Acks::Leader]);
    let appended = partition.append(&messages, acks).expect("an append");
    assert_eq!(appended.base_offset, batch[0].offset, "offsets: a gap");
    model.all.extend(batch);
}

fn compact(broker: &Broker, clock: &SimClock, model: &mut Model) {
    let end = broker.partition(TOPIC, 0).expect("the partition").end_offset();
    broker.compact_now(TOPIC).unwrap_or_else(|error| panic!("compaction: it fails: {error}"));
    model.compacted = Some((end, clock.wall_ms()));
    hold(broker, clock, model);
}

fn delete_records(broker: &Broker, input: &mut Input<'_>, model: &mut Model) {
    let partition = broker.partition(TOPIC, 0).expect("the partition");
    let (start, end) = (partition.log_start_offset(), partition.end_offset());
    let offset = start + (end - start) * i64::from(input.u8()) / 255;
    model.start = partition.delete_records(offset).expect("a cut at the start");
    model.all.retain(|record| record.offset >= model.start);
}

fn hold(broker: &Broker, clock: &SimClock, model: &Model) {
    let seen = read_all(broker).unwrap_or_else(|broken| panic!("read: {broken}"));
    let partition = &seen[0].partitions[0];
    let originals: BTreeMap<i64, &Appended> =
        model.all.iter().map(|record| (record.offset, record)).collect();
    for (offset, bytes) in &partition.records {
        let Some(original) = originals.get(offset) else {
            panic!("nothing invented: nobody appended {offset}");
        };
        assert_eq!(original.value.as_deref().unwrap_or(b""), bytes, "nothing invented: {offset}");
    }
    let there = |offset: &i64| partition.records.iter().any(|(other, _)| other == offset);
    let (upper, _) = model.compacted.unwrap_or((0, 0));
    let newest = model.newest(upper);
    for record in &model.all {
        let is_newest = newest.get(&record.key).is_some_and(|other| other.offset == record.offset);
        let may_go = record.offset < upper && (!is_newest || record.value.is_none());
        let must_go = record.offset < upper && !is_newest;
        assert!(may_go || there(&record.offset), "newest: {record:?} is gone");
        assert!(!must_go || !there(&record.offset), "superseded: {record:?} is still there");
    }
    let tombstones = newest.values().filter(|record| record.value.is_none());
    let gone = tombstones.filter(|record| !there(&record.offset)).count();
    // None goes before anybody could have read it: the clock began to run when it was found.
    let ran = clock.wall_ms() - SimClock::default().wall_ms();
    assert!(gone == 0 || ran >= RETENTION_MS, "tombstones: {gone} went after {ran} ms");
    let table = broker.table(TOPIC).unwrap_or_else(|error| panic!("table: {error}"));
    let all = model.newest(i64::MAX);
    for (number, key) in KEYS.iter().enumerate() {
        let expected = all.get(&number).and_then(|record| record.value.as_deref());
        assert_eq!(table.get(key), expected, "table: of {key}");
    }
}
