//! The cleaner as programs meet it: on demand, in the background, by ticks, within its budget; what
//! ends it, what marks a partition, and what a reopen finds.

#![allow(clippy::disallowed_methods, reason = "waits for the cleaner, which looks at a real clock")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::options;
use crate::batch::entry::Entry;
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::compact::CompactionOptions;
use crate::broker::verify::{VerifyOptions, verify_in};
use crate::config::acks::Acks;
use crate::config::topic::{CleanupPolicy, TopicConfig};
use crate::env::Env;
use crate::env::sim::SimEnv;
use crate::env::vfs::{OpenHow, read_up_to};
use crate::error::ErrorKind;
use crate::topic::{TopicName, TopicPartition};

const TOPIC: &str = "prices";

fn config() -> TopicConfig {
    let config = TopicConfig::new().cleanup_policy(CleanupPolicy::COMPACT);
    config.set("internal.segment.bytes", "2000").unwrap()
}

/// Appends `count` records over `keys` keys.
fn fill(broker: &Broker, count: usize, keys: usize) {
    let handle = broker.partition(TOPIC, 0).unwrap();
    for index in 0..count {
        let (key, value) = (format!("key {}", index % keys), format!("{index:0100}"));
        handle.append(&[Message::new(&value).key(&key)], Acks::Leader).unwrap();
    }
}

/// Every record: offset, key and value.
fn records(broker: &Broker, topic: &str) -> Vec<(i64, String, String)> {
    let handle = broker.partition(topic, 0).unwrap();
    let (mut buffer, mut found) = (Vec::new(), Vec::new());
    let mut offset = handle.log_start_offset();
    while offset < handle.end_offset() {
        let (range, next) = handle.read(offset, 5_000, &mut buffer).unwrap();
        let mut rest = &buffer[range];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).unwrap();
            let mut scratch = Vec::new();
            for record in entry.records(&Default::default(), &mut scratch).unwrap() {
                let record = record.unwrap();
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                };
                found.push((record.offset, text(record.key), text(record.value)));
            }
            rest = &rest[entry.bytes().len()..];
        }
        offset = next;
    }
    found
}

/// The newest value of each key.
fn newest(broker: &Broker) -> BTreeMap<String, String> {
    records(broker, TOPIC).into_iter().map(|(_, key, value)| (key, value)).collect()
}

fn content(env: &Env, path: &str) -> String {
    let file = env.vfs.open(path, OpenHow::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    read_up_to(&*file, &mut bytes, 0).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn of_each_key_the_newest_stays_also_after_a_reopen() {
    let env = super::memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 500, 7);
    let before = newest(&broker);
    let rounds = broker.compact_now(TOPIC).unwrap();
    assert_eq!(rounds.iter().map(|round| round.records_after).sum::<u64>(), 7);
    let after = records(&broker, TOPIC);
    assert_eq!(
        after.iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(),
        Vec::from_iter(493..500)
    );
    assert_eq!(newest(&broker), before);
    let description = broker.describe_topic(TOPIC).unwrap().partitions.remove(0);
    assert_eq!((description.end_offset, description.cleaned_to_offset), (500, 500));
    assert!(description.size_bytes < 4_000, "{}", description.size_bytes);
    broker.close().unwrap();
    assert_eq!(content(&env, "cleaner-offset-checkpoint"), format!("0\n1\n{TOPIC} 0 500\n"));
    assert!(verify_in(&env, &VerifyOptions::new()).unwrap().is_sound());

    let broker = options().open_in(env.clone()).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(records(&broker, TOPIC), after);
    assert_eq!(broker.describe_topic(TOPIC).unwrap().partitions[0].cleaned_to_offset, 500);
    fill(&broker, 20, 7);
    broker.compact_now(TOPIC).unwrap();
    assert_eq!(newest(&broker).len(), 7);
    assert_eq!(records(&broker, TOPIC).len(), 7);
    broker.close().unwrap();

    // As another program's: what the cleaner did is in Kafka's own checkpoint.
    env.vfs.remove_file("ottla.control").unwrap();
    let broker = options().open_in(env).unwrap();
    assert!(broker.recovery_report().foreign);
    assert_eq!(broker.describe_topic(TOPIC).unwrap().partitions[0].cleaned_to_offset, 520);
    assert_eq!(records(&broker, TOPIC).len(), 7);
}

#[test]
fn what_cannot_be_compacted_says_why() {
    let env = super::memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    assert_eq!(broker.compact_now("orders").unwrap_err().kind(), ErrorKind::InvalidInput);
    let unknown = broker.compact_now("nothing").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownTopicOrPartition);
    assert!(broker.compact_now(TOPIC).unwrap().is_empty(), "there is nothing in it");
    broker.close().unwrap();
    assert_eq!(broker.compact_now(TOPIC).unwrap_err().kind(), ErrorKind::Closed);
    let broker = options().read_only(true).open_in(env).unwrap();
    assert_eq!(broker.compact_now(TOPIC).unwrap_err().kind(), ErrorKind::ReadOnly);
}

#[test]
fn the_thread_compacts_by_itself() {
    let env = super::memory();
    let options = options().background(true).cleaner_backoff(Duration::from_millis(5));
    let broker = options.open_in(env).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 300, 3);
    let started = Instant::now();
    while broker.partition(TOPIC, 0).unwrap().size_bytes() > 5_000 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was compacted");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(newest(&broker).len(), 3);
    broker.close().unwrap();
}

#[test]
fn without_a_thread_a_tick_compacts_one_partition() {
    let env = super::memory();
    let options = || options().cleaner_backoff(Duration::from_millis(1));
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic(TOPIC, config().partitions(2)).unwrap();
    for partition in 0..2 {
        let handle = broker.partition(TOPIC, partition).unwrap();
        for _ in 0..100 {
            handle.append(&[Message::new(&[7; 100]).key("k")], Acks::Leader).unwrap();
        }
    }
    let cleaned = |broker: &Broker| {
        let partitions = broker.describe_topic(TOPIC).unwrap().partitions;
        partitions.iter().filter(|partition| partition.cleaned_to_offset > 0).count()
    };
    for expected in 1..=2 {
        std::thread::sleep(Duration::from_millis(2));
        broker.tick().unwrap();
        assert_eq!(cleaned(&broker), expected);
    }
    broker.close().unwrap();
    let broker = options().cleaner_enable(false).open_in(env).unwrap();
    fill(&broker, 100, 1);
    std::thread::sleep(Duration::from_millis(2));
    broker.tick().unwrap();
    assert!(broker.partition(TOPIC, 0).unwrap().size_bytes() > 5_000, "it was switched off");
}

#[test]
fn a_round_keeps_to_its_budget_and_a_close_does_not_wait_for_it() {
    let env = super::memory();
    // All of it would take more than an hour.
    let broker = options().cleaner_io_bytes_per_second_max(10).open_in(env.clone()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 300, 3);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| broker.compact_now(TOPIC));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!compacting.is_finished());
        fill(&broker, 10, 3);
        broker.close().unwrap();
        assert_eq!(compacting.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    });
    assert!(started.elapsed() < Duration::from_secs(30));
    let names = env.vfs.list(&format!("{TOPIC}-0")).unwrap();
    assert!(names.iter().all(|entry| !entry.name.ends_with(".cleaned")), "{names:?}");
    let broker = options().open_in(env).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(broker.partition(TOPIC, 0).unwrap().end_offset(), 310);
    assert_eq!(records(&broker, TOPIC).len(), 310);
}

#[test]
fn a_damaged_segment_marks_the_partition_until_the_next_opening() {
    let env = super::memory();
    let options = || options().cleaner_backoff(Duration::from_millis(1));
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 100, 3);
    let log = format!("{TOPIC}-0/00000000000000000000.log");
    let file = env.vfs.open(&log, OpenHow::Write).unwrap();
    file.write_at(b"rotten", 700).unwrap();
    let before = env.vfs.list(&format!("{TOPIC}-0")).unwrap().len();
    let error = broker.compact_now(TOPIC).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let mark = || broker.describe_topic(TOPIC).unwrap().partitions.remove(0).compaction_error;
    assert!(mark().unwrap().contains("00000000000000000000.log"), "{:?}", mark());
    std::thread::sleep(Duration::from_millis(2));
    broker.tick().unwrap();
    // A snapshot and a log more, of the segment that was begun for it.
    assert!(env.vfs.list(&format!("{TOPIC}-0")).unwrap().len() <= before + 4);
    fill(&broker, 1, 1);
    broker.close().unwrap();
    let broker = options().open_in(env).unwrap();
    assert_eq!(broker.describe_topic(TOPIC).unwrap().partitions[0].compaction_error, None);
}

#[test]
fn a_full_disk_costs_nothing_and_the_cleaner_goes_on_when_there_is_room() {
    let world = SimEnv::new(1);
    let broker = options().open_in(world.env()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 200, 90);
    broker.checkpoint().unwrap();
    broker.partition(TOPIC, 0).unwrap().partition().lock().roll().unwrap();
    let before = records(&broker, TOPIC);
    let mut failures = 0;
    for bytes in (0..).step_by(150) {
        world.disk.limit_space(bytes);
        let compacted = broker.compact_now(TOPIC);
        world.disk.heal();
        let Err(error) = compacted else { break };
        failures += 1;
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{bytes} bytes: {error}");
        assert_eq!(records(&broker, TOPIC), before, "{bytes} bytes");
        let partition = broker.describe_topic(TOPIC).unwrap().partitions.remove(0);
        assert_eq!(partition.compaction_error, None, "{bytes} bytes");
        let listing = world.disk.listing();
        assert!(!listing.contains(".cleaned") && !listing.contains(".swap"), "{listing}");
    }
    assert!(failures > 3, "{failures}");
    assert_eq!(records(&broker, TOPIC).len(), 90);
    broker.close().unwrap();
    assert!(verify_in(&world.env(), &VerifyOptions::new()).unwrap().is_sound());
}

#[test]
fn a_topic_may_go_while_it_is_compacted() {
    let broker = options().cleaner_io_bytes_per_second_max(200_000).open_in(super::memory());
    let broker = Arc::new(broker.unwrap());
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 1_000, 3);
    let other = Arc::clone(&broker);
    let compacting = std::thread::spawn(move || other.compact_now(TOPIC));
    std::thread::sleep(Duration::from_millis(20));
    broker.delete_topic(TOPIC).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 30, 3);
    if let Err(error) = compacting.join().unwrap() {
        assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition, "{error}");
    }
    assert_eq!(records(&broker, TOPIC).len(), 30);
    broker.close().unwrap();
}

#[test]
fn versions_of_streams_are_those_from_before() {
    let broker = options().open_in(super::memory()).unwrap();
    broker.create_topic(TOPIC, config().set("ottla.key.index", "true").unwrap()).unwrap();
    fill(&broker, 200, 7);
    let versions = |broker: &Broker| {
        let version = |key| broker.stream(TOPIC, format!("key {key}")).unwrap().version().unwrap();
        (0..8).map(version).collect::<Vec<_>>()
    };
    let before = versions(&broker);
    assert_eq!(before.iter().flatten().count(), 7);
    for _ in 0..2 {
        broker.compact_now(TOPIC).unwrap();
        assert_eq!(versions(&broker), before);
    }
    let stream = broker.stream(TOPIC, "key 3").unwrap();
    let message = [Message::new("the newest")];
    let old = stream.expect_version(3).append(&message, Acks::All).unwrap_err();
    assert_eq!(old.kind(), ErrorKind::Conflict);
    stream.expect_version(before[3].unwrap()).append(&message, Acks::All).unwrap();
    assert_eq!(stream.version().unwrap(), Some(200));
    broker.compact_now(TOPIC).unwrap();
    assert_eq!(stream.version().unwrap(), Some(200));
    assert_eq!(newest(&broker).len(), 7);
}

#[test]
fn the_largest_timestamp_is_found_also_when_its_record_is_gone() {
    let broker = options().open_in(super::memory()).unwrap();
    // Each record has a segment of its own, whose last batch stays when it has no record any more.
    let config = config().set("internal.segment.bytes", "300").unwrap();
    broker.create_topic(TOPIC, config).unwrap();
    let handle = broker.partition(TOPIC, 0).unwrap();
    let value = [7; 250];
    for (key, timestamp) in [("a", 9_000), ("b", 8_000), ("a", 20), ("b", 50), ("a", 30)] {
        handle.append(&[Message::new(&value).key(key).timestamp(timestamp)], Acks::All).unwrap();
    }
    assert_eq!(handle.offset_of_max_timestamp().unwrap(), Some((0, 9_000)));
    broker.compact_now(TOPIC).unwrap();
    assert_eq!(handle.offset_of_max_timestamp().unwrap(), Some((3, 50)));
    assert_eq!(handle.offset_for_timestamp(31).unwrap(), Some((3, 50)));
    assert_eq!(handle.offset_for_timestamp(51).unwrap(), None);
}

#[test]
fn a_topic_that_is_also_deleted_from_loses_what_is_old() {
    let broker = options().open_in(super::memory()).unwrap();
    let config = config().cleanup_policy(CleanupPolicy::COMPACT_DELETE).retention_bytes(0);
    broker.create_topic(TOPIC, config).unwrap();
    fill(&broker, 100, 3);
    broker.compact_now(TOPIC).unwrap();
    fill(&broker, 1, 1);
    broker.run_retention().unwrap();
    let partition = broker.describe_topic(TOPIC).unwrap().partitions.remove(0);
    assert!(partition.log_start_offset >= 100, "{partition:?}");
    fill(&broker, 100, 3);
    broker.compact_now(TOPIC).unwrap();
    assert_eq!(newest(&broker).len(), 3);
    broker.close().unwrap();
}

#[test]
fn a_topic_that_is_no_longer_compacted_keeps_what_a_round_was_about_to_drop() {
    let broker = Arc::new(options().open_in(super::memory()).unwrap());
    broker.create_topic(TOPIC, config()).unwrap();
    fill(&broker, 200, 3);
    let before = records(&broker, TOPIC);
    let other = Arc::downgrade(&broker);
    let alter = move |_, _| {
        let changes = [("cleanup.policy", Some("delete"))];
        other.upgrade().unwrap().alter_topic(TOPIC, &changes).unwrap();
    };
    let options = CompactionOptions::new().on_progress(alter);
    assert_eq!(broker.compact_now_with(TOPIC, &options).unwrap(), []);
    assert_eq!(records(&broker, TOPIC), before);
    broker.close().unwrap();
}

#[test]
fn a_log_that_was_cut_in_a_hole_is_sound_and_compacted_on() {
    let env = super::memory();
    for cut in (20..60).step_by(3) {
        let broker = options().open_in(env.clone()).unwrap();
        broker.create_topic(TOPIC, config()).unwrap();
        fill(&broker, 40, 17);
        // Of these only the last of a segment stays, and holes lie between them.
        fill(&broker, 20, 1);
        broker.compact_now(TOPIC).unwrap();
        let handle = broker.partition(TOPIC, 0).unwrap();
        assert_eq!(handle.truncate_to(cut).unwrap(), cut);
        let left = newest(&broker);
        broker.compact_now(TOPIC).unwrap();
        assert_eq!(newest(&broker), left, "cut at {cut}");
        broker.close().unwrap();
        assert!(verify_in(&env, &VerifyOptions::new()).unwrap().is_sound(), "cut at {cut}");
        let broker = options().open_in(env.clone()).unwrap();
        fill(&broker, 10, 5);
        broker.compact_now(TOPIC).unwrap();
        broker.delete_topic(TOPIC).unwrap();
        broker.close().unwrap();
    }
}

#[test]
fn a_tombstone_in_a_log_that_was_cut_takes_its_value_along() {
    let env = super::memory();
    let broker = options().open_in(env.clone()).unwrap();
    let config = config().set("delete.retention.ms", "0").unwrap();
    broker.create_topic(TOPIC, config).unwrap();
    fill(&broker, 60, 40);
    broker.compact_now(TOPIC).unwrap();
    let handle = broker.partition(TOPIC, 0).unwrap();
    handle.truncate_to(50).unwrap();
    assert!(newest(&broker).contains_key("key 25"));
    handle.append(&[Message::tombstone("key 25")], Acks::All).unwrap();
    fill(&broker, 3, 3);
    // Before a checkpoint: the control file is that of the cut.
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert!(broker.recovery_report().damaged.is_empty());
    for _ in 0..4 {
        fill(&broker, 1, 1);
        broker.compact_now(TOPIC).unwrap();
    }
    assert!(!newest(&broker).contains_key("key 25"), "{:?}", newest(&broker));
    broker.close().unwrap();
}

/// How many commits the next test makes; a million take two or three minutes.
fn commits() -> i64 {
    std::env::var("OTTLA_COMMITS").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000)
}

#[test]
fn offsets_of_groups_survive_many_compactions_and_their_topic_stays_small() {
    let env = super::memory();
    let options = || options().cleaner_backoff(Duration::from_millis(1));
    let mut broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    let end = orders.append(&vec![Message::new("one burger"); 1_000], Acks::All).unwrap();
    let commit = |broker: &Broker, group: &str, offset: i64| {
        let offsets = [(TopicPartition::new(TopicName::new("orders").unwrap(), 0), offset.into())];
        broker.engine.offsets.commit(&*broker.engine, group, None, &offsets).unwrap();
    };
    commit(&broker, "first", 3);
    let changes = [("internal.segment.bytes", Some("20000"))];
    broker.alter_topic("__consumer_offsets", &changes).unwrap();
    let mut largest = 0;
    for number in 0..commits() {
        let offset = number % end.last_offset;
        commit(&broker, ["kitchen", "office", "bar"][number as usize % 3], offset);
        if number % 300 == 299 {
            std::thread::sleep(Duration::from_millis(2));
            broker.tick().unwrap();
            largest = largest.max(broker.partition("__consumer_offsets", 0).unwrap().size_bytes());
        }
        if number % 1_500 == 1_499 {
            broker.close().unwrap();
            broker = options().open_in(env.clone()).unwrap();
        }
        if number % 2_000 == 1_999 {
            // As if the process had died: the offsets are read anew at once.
            broker.abandon();
            broker = options().open_in(env.clone()).unwrap();
            assert!(broker.recovery_report().damaged.is_empty());
        }
        if number % 100 == 99 {
            let found = broker.committed_offsets("first").unwrap();
            assert_eq!(found[0].1.offset, 3, "after {number} commits");
            for (group, before) in ["kitchen", "office", "bar"].into_iter().zip(0..3) {
                let last = number - (number - before) % 3;
                let found = broker.committed_offsets(group).unwrap()[0].1.offset;
                assert_eq!(found, last % end.last_offset, "{group} after {number} commits");
            }
        }
    }
    // What was committed between two looks of the cleaner, and the segment that grows.
    assert!(largest < 200_000, "{largest}");
    broker.compact_now("__consumer_offsets").unwrap();
    assert!(broker.partition("__consumer_offsets", 0).unwrap().size_bytes() < 2_000);
    broker.close().unwrap();
    assert!(verify_in(&env, &VerifyOptions::new()).unwrap().is_sound());
}
