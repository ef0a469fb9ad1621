//! What is known of a round from outside, and the laws that must hold of it.
//!
//! | law | meaning |
//! |---|---|
//! | acked is there | every record is where its ack said; a durable one also after a loss of power |
//! | once | no record is in the log twice, none that was aborted is |
//! | one order | who was acked before another began comes before it (linearizable per partition) |
//! | seen stays | what a reader saw is what the log holds there |
//! | together | what was written to both partitions is in both or in none |
//! | exactly once | the group has passed on each record below its offset once, and no other |
//! | latest | compaction keeps the newest of each key |
//! | counted | no update on condition is lost |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ottla::Broker;

use crate::mixture::{COUNTERS, DONE, GROUP, LATEST, number};
use crate::threads::Note;
use crate::world::log_of;

/// What an ack promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Leader,
    All,
}

#[derive(Clone, Debug)]
struct Ack {
    text: String,
    level: Level,
    began: u64,
    ended: u64,
}

#[derive(Clone, Debug, Default)]
struct Known {
    acks: BTreeMap<(i32, i64), Ack>,
    seen: BTreeMap<(i32, i64), Vec<u8>>,
    latest: [Option<u64>; 2],
    counted: u64,
}

/// Shared by the threads of a round.
#[derive(Debug, Default)]
pub(crate) struct Model {
    clock: AtomicU64,
    known: Note<Known>,
}

impl Model {
    /// A moment; later ones are larger.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn acked(&self, partition: i32, offset: i64, text: &str, level: Level, began: u64) {
        let ack = Ack { text: text.to_owned(), level, began, ended: self.now() };
        let before = self.known.lock().unwrap().acks.insert((partition, offset), ack);
        assert!(before.is_none(), "the offset {offset} of {partition} was given twice");
    }

    pub(crate) fn seen(&self, partition: i32, offset: i64, value: &[u8]) {
        self.known.lock().unwrap().seen.insert((partition, offset), value.to_vec());
    }

    pub(crate) fn latest(&self, key: u64, step: u64) {
        self.known.lock().unwrap().latest[key as usize] = Some(step);
    }

    pub(crate) fn counted(&self) {
        self.known.lock().unwrap().counted += 1;
    }

    /// What was known at this moment.
    pub(crate) fn until_now(&self) -> Model {
        Model {
            clock: AtomicU64::new(self.clock.load(Ordering::SeqCst)),
            known: Note::new(self.known.lock().unwrap().clone()),
        }
    }

    /// What survives any loss of power.
    pub(crate) fn survived_in(&self, broker: &Broker) {
        let known = self.known.lock().unwrap();
        let logs = [0, 1].map(|partition| log_of(broker, partition));
        for (&(partition, offset), ack) in &known.acks {
            let there = logs[partition as usize].get(offset as usize);
            assert!(
                ack.level != Level::All || there == Some(&ack.text),
                "acked is there: {partition}@{offset} is {there:?}, not {ack:?}"
            );
        }
        laws_of_the_logs(broker, &logs, &known);
    }

    /// What holds while nothing was lost.
    pub(crate) fn holds_in(&self, broker: &Broker) {
        let known = self.known.lock().unwrap();
        let logs = [0, 1].map(|partition| log_of(broker, partition));
        for (&(partition, offset), ack) in &known.acks {
            let there = logs[partition as usize].get(offset as usize);
            assert!(
                there == Some(&ack.text),
                "acked is there: {partition}@{offset} is {there:?}, not {ack:?}"
            );
        }
        for (&(partition, offset), value) in &known.seen {
            let there = logs[partition as usize].get(offset as usize);
            let there = there.map(|text| text.as_bytes());
            assert!(there == Some(value), "seen stays: {partition}@{offset} was {value:?}");
        }
        one_order(&known);
        laws_of_the_logs(broker, &logs, &known);
    }
}

/// No record lies behind one that was asked for only after it was acked.
fn one_order(known: &Known) {
    for partition in 0..2 {
        let mut earliest = u64::MAX;
        for (at, ack) in known.acks.range((partition, 0)..=(partition, i64::MAX)).rev() {
            assert!(earliest > ack.began, "one order: {at:?} {ack:?} lies before an older one");
            earliest = earliest.min(ack.ended);
        }
    }
}

fn laws_of_the_logs(broker: &Broker, logs: &[Vec<String>; 2], known: &Known) {
    let mut times = BTreeMap::<&str, usize>::new();
    for text in logs.iter().flatten() {
        *times.entry(text).or_default() += 1;
        assert!(!text.starts_with("aborted"), "once: {text} was aborted");
    }
    for (text, times) in &times {
        let both = if text.starts_with('t') { 2 } else { 1 };
        assert!(*times == both, "once, together: {text} is there {times} times");
    }
    exactly_once(broker, logs);
    let newest = newest_of_each_key(broker);
    for (key, acked) in known.latest.iter().enumerate() {
        let there = newest.get(key.to_string().as_bytes());
        assert!(there >= acked.as_ref(), "latest: {there:?} of key {key}, {acked:?} was acked");
    }
    let counter = broker.stream(COUNTERS, "one").unwrap();
    let counts: Vec<u64> =
        counter.read(..).map(|record| number(record.unwrap().value.as_deref())).collect();
    assert!(counts.iter().copied().eq(1..=counts.len() as u64), "counted: {counts:?}");
    assert!(counts.len() as u64 >= known.counted, "counted: {} of {}", counts.len(), known.counted);
}

/// What the group has passed on is what lies below its offsets.
fn exactly_once(broker: &Broker, logs: &[Vec<String>; 2]) {
    let committed = broker.committed_offsets(GROUP).unwrap_or_default();
    let mut expected: Vec<String> = Vec::new();
    for (at, committed) in &committed {
        let log = &logs[at.partition as usize];
        let below = log.get(..committed.offset as usize);
        expected.extend_from_slice(below.expect("exactly once: an offset beyond the end"));
    }
    let mut done = values(broker, DONE);
    expected.sort();
    done.sort();
    assert!(done == expected, "exactly once: {done:?} passed on, {expected:?} committed");
}

fn values(broker: &Broker, topic: &str) -> Vec<String> {
    records(broker, topic).into_iter().map(|(_, value)| value).collect()
}

fn newest_of_each_key(broker: &Broker) -> BTreeMap<Vec<u8>, u64> {
    let records = records(broker, LATEST);
    records.into_iter().map(|(key, value)| (key, value.parse().unwrap())).collect()
}

/// Keys and values of the one partition of a topic.
fn records(broker: &Broker, topic: &str) -> Vec<(Vec<u8>, String)> {
    let mut consumer = broker.consumer().assign([(topic, 0)]).build().unwrap();
    let mut found = Vec::new();
    loop {
        let records = consumer.poll(Duration::ZERO).unwrap();
        if records.is_empty() {
            return found;
        }
        for record in &records {
            let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
            found.push((record.key().unwrap_or_default().to_vec(), value));
        }
    }
}
