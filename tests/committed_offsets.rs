//! Committed offsets over whole directories: a broker's are found and used, Ottla's own go on.

#![allow(clippy::disallowed_methods, reason = "copies a fixture from outside the library")]
#![allow(clippy::unwrap_used, reason = "a test panics where something is wrong")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ottla::{Broker, OffsetReset, OffsetScope, TopicName, TopicPartition};

/// A copy of the directory that a Kafka broker left after a clean shutdown.
fn copy_of_a_broker() -> tempfile::TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real-broker-kdata");
    let copy = tempfile::tempdir().unwrap();
    for folder in fs::read_dir(&fixture).unwrap() {
        let from = folder.unwrap().path();
        let to = copy.path().join(from.file_name().unwrap());
        if !from.is_dir() {
            fs::copy(&from, to).unwrap();
            continue;
        }
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(&from).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
    copy
}

/// What `expected.json` says that groups committed: group, partition, offset, epoch, metadata.
fn expected() -> Vec<(String, TopicPartition, i64, i64, String)> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/expected.json")).unwrap();
    let facts = all["real-broker-kdata"]["committed_offsets"].as_array().unwrap();
    let facts = facts.iter().map(|fact| {
        let text = |field: &str| fact[field].as_str().unwrap().to_owned();
        let number = |field: &str| fact[field].as_i64().unwrap();
        let topic = TopicName::new(&text("topic")).unwrap();
        let at = TopicPartition::new(topic, i32::try_from(number("partition")).unwrap());
        (text("group"), at, number("offset"), number("leader_epoch"), text("metadata"))
    });
    facts.collect()
}

fn check(broker: &Broker) {
    let mut groups = BTreeSet::new();
    for (group, at, offset, epoch, metadata) in expected() {
        let committed = broker.committed_offsets(&group).unwrap();
        let [(found, committed)] = &committed[..] else { panic!("{group}: {committed:?}") };
        assert_eq!((found, committed.offset), (&at, offset), "{group}");
        assert_eq!(committed.leader_epoch.map(i64::from), Some(epoch), "{group}");
        assert_eq!(committed.metadata, metadata, "{group}");
        groups.insert(group);
    }
    assert_eq!(groups.len(), 18);
}

#[test]
fn what_groups_committed_to_a_kafka_broker_is_found_and_used() {
    let copy = copy_of_a_broker();
    let reader = Broker::options().read_only(true).open(copy.path()).unwrap();
    check(&reader);
    reader.close().unwrap();
    drop(reader);

    let broker = Broker::open(copy.path()).unwrap();
    let report = broker.recovery_report();
    assert!(report.foreign && report.offsets_clamped.is_empty(), "{report}");
    assert_eq!((report.offsets_dropped, report.offset_records_skipped), (0, 0));
    check(&broker);
    // Each of the 50 partitions goes on.
    for (group, at, ..) in expected() {
        let only = OffsetScope::Partitions(vec![at]);
        broker.reset_offsets(&group, &only, OffsetReset::Offset(1), false).unwrap();
    }
    broker.close().unwrap();
    drop(broker);

    let broker = Broker::open(copy.path()).unwrap();
    assert!(broker.recovery_report().clean);
    for (group, at, _, _, _) in expected() {
        let committed = broker.committed_offsets(&group).unwrap();
        let committed: Vec<_> = committed.iter().map(|(at, c)| (at, c.offset)).collect();
        let offset = broker.partition(at.topic.as_str(), 0).unwrap().end_offset().min(1);
        assert_eq!(committed, [(&at, offset)], "{group}");
    }
    let offsets = broker.describe_topic("__consumer_offsets").unwrap();
    assert_eq!(offsets.partitions.len(), 50, "the count that the directory had");
}
