//! Tables: they hold what a plain map holds, whatever becomes of the log meanwhile.

#![allow(clippy::disallowed_methods, reason = "other threads write meanwhile")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{memory, options};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::config::acks::Acks;
use crate::config::topic::{CleanupPolicy, TopicConfig};
use crate::consumer::table::Table;
use crate::error::ErrorKind;
use crate::partition::compact::{LOG_BYTES_MAX, Round};

type Plain = BTreeMap<Vec<u8>, Vec<u8>>;

fn broker(partitions: i32) -> Broker {
    let broker = options().open_in(memory()).unwrap();
    let config = TopicConfig::new()
        .partitions(partitions)
        .cleanup_policy(CleanupPolicy::COMPACT)
        .set("internal.segment.bytes", "600")
        .and_then(|config| config.set("delete.retention.ms", "0"))
        .unwrap();
    broker.create_topic("users", config).unwrap();
    broker
}

/// Appends one record; `None` is a tombstone.
fn put(broker: &Broker, partition: i32, key: &str, value: Option<&str>) {
    let message = match value {
        Some(value) => Message::new(value),
        None => Message::tombstone(key),
    };
    broker
        .partition("users", partition)
        .unwrap()
        .append(&[message.key(key)], Acks::Leader)
        .unwrap();
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn contents(table: &Table) -> Plain {
    let all: Plain = table.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    assert_eq!(all.len(), table.len());
    for (key, value) in &all {
        assert_eq!(table.get(key), Some(&value[..]));
    }
    all
}

/// Rolls the partition and compacts all that it held.
fn compact(broker: &Broker, number: i32, rounds: i64) {
    let partition = Arc::clone(broker.partition("users", number).unwrap().partition());
    partition.lock().roll().unwrap();
    let committer = &broker.engine.committer;
    for round in 0..rounds {
        committer.begin_write().unwrap();
        committer.checkpoint().unwrap();
        let generation = partition.begin_round().unwrap();
        let round = Round {
            first_dirty: if round == 0 { 0 } else { partition.end_offset() },
            upper: partition.end_offset(),
            now_ms: i64::MAX / 2 + round,
            map_bytes: 1 << 20,
            log_bytes_max: LOG_BYTES_MAX,
        };
        let cleaned = partition.clean(&round, &mut |_| Ok(())).unwrap();
        committer.swap_in(&partition, cleaned, generation).unwrap();
    }
}

#[test]
fn a_table_has_the_newest_value_of_each_key_over_all_partitions() {
    let broker = broker(3);
    put(&broker, 0, "alice", Some("1"));
    put(&broker, 1, "bob", Some("2"));
    put(&broker, 2, "carol", Some("3"));
    put(&broker, 0, "alice", Some("4"));
    put(&broker, 1, "bob", None);
    let mut table = broker.table("users").unwrap();
    assert_eq!(text(&table, "alice").as_deref(), Some("4"));
    assert_eq!(text(&table, "bob"), None);
    assert_eq!((table.len(), table.topic()), (2, "users"));
    let offsets: Vec<i64> = table.offsets().into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(offsets, [2, 2, 1]);

    // It moves when it is asked to.
    put(&broker, 1, "bob", Some(""));
    assert!(!table.contains_key("bob"));
    assert_eq!(table.catch_up().unwrap(), 1);
    assert_eq!(text(&table, "bob").as_deref(), Some(""), "empty is not a tombstone");
    assert_eq!(table.catch_up().unwrap(), 0);

    // A topic that grows is followed.
    broker.add_partitions("users", 4).unwrap();
    put(&broker, 3, "dave", Some("5"));
    assert_eq!(table.catch_up().unwrap(), 1);
    assert_eq!(text(&table, "dave").as_deref(), Some("5"));
}

#[test]
fn a_table_of_a_deleted_topic_says_so_and_keeps_what_it_had() {
    let broker = broker(1);
    put(&broker, 0, "alice", Some("1"));
    let mut table = broker.table("users").unwrap();
    broker.delete_topic("users").unwrap();
    for _ in 0..2 {
        let error = table.poll(Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
    }
    broker.create_topic("users", TopicConfig::new()).unwrap();
    let error = table.catch_up().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition, "another topic of that name");
    assert_eq!(text(&table, "alice").as_deref(), Some("1"));
    assert_eq!(broker.table("nobody").unwrap_err().kind(), ErrorKind::UnknownTopicOrPartition);
    let mut fresh = broker.table("users").unwrap();
    broker.close().unwrap();
    assert_eq!(fresh.catch_up().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn what_was_cut_off_is_not_in_the_table_any_more() {
    let broker = broker(2);
    put(&broker, 1, "carol", Some("kept"));
    put(&broker, 0, "alice", Some("old"));
    put(&broker, 0, "alice", Some("new"));
    put(&broker, 0, "bob", Some("new"));
    let mut table = broker.table("users").unwrap();
    broker.partition("users", 0).unwrap().truncate_to(1).unwrap();
    put(&broker, 0, "dave", Some("after"));
    table.catch_up().unwrap();
    assert_eq!(text(&table, "alice").as_deref(), Some("old"));
    assert_eq!(text(&table, "bob"), None);
    assert_eq!(text(&table, "carol").as_deref(), Some("kept"));
    assert_eq!(text(&table, "dave").as_deref(), Some("after"));
}

#[test]
fn a_tombstone_that_compaction_took_away_unseen_still_counts() {
    let broker = broker(1);
    put(&broker, 0, "alice", Some("1"));
    put(&broker, 0, "bob", Some("1"));
    let mut table = broker.table("users").unwrap();
    put(&broker, 0, "alice", None);
    put(&broker, 0, "bob", Some("2"));
    // Its value goes in the first round, it goes itself in the second: the horizon is at once.
    compact(&broker, 0, 2);
    put(&broker, 0, "carol", Some("1"));
    assert_eq!(contents(&broker.table("users").unwrap()).len(), 2);
    table.catch_up().unwrap();
    assert_eq!(contents(&table), contents(&broker.table("users").unwrap()));
    assert_eq!(text(&table, "alice"), None);
}

#[test]
fn compaction_of_a_log_that_was_cut_is_noticed_too() {
    let broker = broker(1);
    (0..20).for_each(|number| put(&broker, 0, &format!("key {}", number.min(10)), Some("1")));
    compact(&broker, 0, 1);
    broker.partition("users", 0).unwrap().truncate_to(2).unwrap();
    // It holds what it held: no compaction came between.
    put(&broker, 0, "alice", Some("1"));
    let snapshot = broker.snapshot().unwrap();
    let read: crate::error::Result<Vec<_>> = snapshot.read("users", 0, 0).unwrap().collect();
    assert_eq!(read.unwrap().len(), 3);
    let mut table = broker.table("users").unwrap();
    put(&broker, 0, "alice", None);
    // Not as far as the one before the cut.
    compact(&broker, 0, 2);
    put(&broker, 0, "carol", Some("1"));
    table.catch_up().unwrap();
    assert_eq!(text(&table, "alice"), None);
    assert_eq!(contents(&table), contents(&broker.table("users").unwrap()));
}

#[test]
fn polling_waits_for_news() {
    let broker = broker(2);
    let mut table = broker.table("users").unwrap();
    assert_eq!(table.poll(Duration::from_millis(5)).unwrap(), 0);
    let writer = broker.clone();
    let started = Instant::now();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        put(&writer, 1, "alice", Some("1"));
    });
    assert_eq!(table.poll(Duration::from_secs(60)).unwrap(), 1);
    assert!(started.elapsed() < Duration::from_secs(30), "woken, not timed out");
    assert_eq!(text(&table, "alice").as_deref(), Some("1"));
    thread.join().unwrap();
}

#[test]
fn a_transaction_is_in_a_table_wholly_or_not_at_all() {
    let broker = broker(2);
    let mut table = broker.table("users").unwrap();
    let writer = broker.clone();
    let thread = std::thread::spawn(move || {
        for number in 0..300 {
            let value = number.to_string();
            let mut atomic = writer.atomic_append();
            atomic.add("users", 0, &[Message::new(&value).key("left")]).unwrap();
            atomic.add("users", 1, &[Message::new(&value).key("right")]).unwrap();
            atomic.commit().unwrap();
        }
    });
    while text(&table, "left").as_deref() != Some("299") {
        table.poll(Duration::from_secs(10)).unwrap();
        assert_eq!(table.get("left"), table.get("right"));
    }
    thread.join().unwrap();
}

#[test]
fn random_histories_leave_what_a_plain_map_holds() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("OTTLA_SEED={seed}");
    (seed..seed + 15).for_each(run);
}

/// One history; panics where the table differs.
fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let broker = broker(2);
    let mut table = broker.table("users").unwrap();
    // Per partition, what was appended, by offset.
    let mut logs: [Vec<(String, Option<String>)>; 2] = Default::default();
    let mut compacted = [0; 2];
    for step in 0..120 {
        let number = random.usize(..2);
        let partition = i32::try_from(number).unwrap();
        match random.u8(0..20) {
            0 => {
                let end = logs[number].len();
                // What was compacted cannot be brought back by a cut.
                let keep = random.usize(compacted[number]..=end);
                let handle = broker.partition("users", partition).unwrap();
                handle.truncate_to(i64::try_from(keep).unwrap()).unwrap();
                logs[number].truncate(keep);
            }
            1 if !logs[number].is_empty() => {
                compact(&broker, partition, random.i64(1..3));
                compacted[number] = logs[number].len();
            }
            2 | 3 => {
                table.catch_up().unwrap();
                check(&table, &logs, step);
            }
            _ => {
                let key = format!("{number} {}", random.u8(0..12));
                let value = (random.u8(0..4) > 0).then(|| format!("value {step}"));
                put(&broker, partition, &key, value.as_deref());
                logs[number].push((key, value));
            }
        }
    }
    table.catch_up().unwrap();
    check(&table, &logs, 120);
}

/// Sees the histories find bugs: each planted one is woken in turn.
#[cfg(plant)]
#[test]
fn planted_bugs_of_tables_are_found() {
    for bug in ["table_ahead_of_compaction", "table_behind_a_cut"] {
        crate::env::planted::wake(bug);
        let found = (1..200).find(|&seed| std::panic::catch_unwind(|| run(seed)).is_err());
        crate::env::planted::wake("");
        println!("{bug}: found by history {found:?}");
        assert!(found.is_some(), "{bug}");
    }
}

fn check(table: &Table, logs: &[Vec<(String, Option<String>)>; 2], step: usize) {
    let mut expected = Plain::new();
    for (key, value) in logs.iter().flatten() {
        match value {
            Some(value) => drop(expected.insert(key.clone().into(), value.clone().into())),
            None => drop(expected.remove(key.as_bytes())),
        }
    }
    assert_eq!(contents(table), expected, "step {step}");
}
