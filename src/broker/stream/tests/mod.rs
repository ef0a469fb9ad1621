//! Streams: what they promise one by one, against a model over random histories (`model.rs`), and
//! under many threads (`counters.rs`).

mod counters;
mod model;

use std::sync::Arc;

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::stream::Stream;
use crate::commit::ticket::{Contents, Guard, Part};
use crate::config::acks::Acks;
use crate::config::broker::BrokerOptions;
use crate::config::compression::Compression;
use crate::config::topic::TopicConfig;
use crate::consumer::records::OwnedRecord;
use crate::env::Env;
use crate::env::memory::MemoryVfs;
use crate::env::sim::{Call, Effect, Fault, SimEnv};
use crate::env::sync::mpsc;
use crate::error::conflict::{Conflict, Expected, ExpectedVersion};
use crate::error::{Error, ErrorKind, Result};
use crate::partition::expect::Expect;
use crate::partition::writer::Appended;

const LEVELS: [Acks; 3] = [Acks::All, Acks::Leader, Acks::None];

fn options() -> BrokerOptions {
    BrokerOptions::new().background(false).journal_file_bytes(64 << 10)
}

fn memory() -> Env {
    Env::over(Arc::new(MemoryVfs::default()))
}

fn with_accounts(env: &Env) -> Broker {
    let broker = options().open_in(env.clone()).unwrap();
    let config = TopicConfig::new().set("internal.segment.bytes", "400").unwrap();
    broker.ensure_topic("accounts", config.key_index(true)).unwrap();
    broker
}

fn text(value: &Option<Vec<u8>>) -> String {
    String::from_utf8(value.clone().unwrap_or_default()).unwrap()
}

fn seen(records: impl Iterator<Item = Result<OwnedRecord>>) -> Vec<(i64, String)> {
    records.map(|record| record.map(|r| (r.offset, text(&r.value))).unwrap()).collect()
}

fn conflict_of(error: &Error) -> &Conflict {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    error.conflict().unwrap()
}

fn missed(conflict: &Conflict) -> Vec<(i64, String)> {
    conflict.records.iter().map(|record| (record.offset, text(&record.value))).collect()
}

#[test]
fn an_append_succeeds_at_the_expected_version_only_and_tells_what_was_missed() {
    for acks in LEVELS {
        let broker = with_accounts(&memory());
        let alice = broker.stream("accounts", "alice").unwrap();
        let bob = broker.stream("accounts", "bob").unwrap();
        let expecting = |stream: &Stream, version: ExpectedVersion, value: &str| {
            stream.expect_version(version).append(&[Message::new(value).timestamp(7)], acks)
        };
        assert_eq!(alice.version().unwrap(), None);
        expecting(&alice, ExpectedVersion::NoStream, "a0").unwrap();
        expecting(&bob, ExpectedVersion::NoStream, "b1").unwrap();
        expecting(&alice, ExpectedVersion::At(0), "a2").unwrap();
        bob.append(&[Message::new("b3"), Message::new("b4").key("bob")], acks).unwrap();
        assert_eq!((alice.version().unwrap(), bob.version().unwrap()), (Some(2), Some(4)));

        let error = expecting(&bob, ExpectedVersion::At(1), "late").unwrap_err();
        let conflict = conflict_of(&error);
        assert_eq!((conflict.topic.as_str(), conflict.actual), ("accounts", Some(4)));
        let expected = Expected::Version { key: b"bob".into(), version: ExpectedVersion::At(1) };
        assert_eq!(conflict.expected, expected);
        assert_eq!(missed(conflict), [(3, "b3".to_owned()), (4, "b4".to_owned())]);
        assert!(conflict.is_complete);
        let told = "the newest record of the key \"bob\" has the offset 4, expected was the offset \
                    1 (partition accounts-0)";
        assert_eq!(error.to_string(), told);

        let error = expecting(&alice, ExpectedVersion::NoStream, "late").unwrap_err();
        assert_eq!(missed(conflict_of(&error)), [(0, "a0".to_owned()), (2, "a2".to_owned())]);
        let carol = broker.stream("accounts", "carol").unwrap();
        let error = expecting(&carol, ExpectedVersion::At(3), "early").unwrap_err();
        assert_eq!((conflict_of(&error).actual, missed(conflict_of(&error))), (None, vec![]));
        let error = expecting(&carol, ExpectedVersion::At(-1), "never").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        expecting(&carol, ExpectedVersion::Any, "c5").unwrap();
        expecting(&carol, ExpectedVersion::Any, "c6").unwrap();
        assert_eq!(seen(carol.read(..)), [(5, "c5".to_owned()), (6, "c6".to_owned())]);
    }
}

#[test]
fn a_message_of_another_key_and_a_topic_without_an_index_are_refused() {
    let broker = with_accounts(&memory());
    let alice = broker.stream("accounts", "alice").unwrap();
    let error = alice.append(&[Message::new("x").key("bob")], Acks::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(alice.append(&[], Acks::All).unwrap_err().kind(), ErrorKind::InvalidInput);

    broker.create_topic("plain", TopicConfig::new()).unwrap();
    let error = broker.stream("plain", "alice").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("ottla.key.index"), "{error}");
    let mut appender = broker.partition("plain", 0).unwrap().appender(Acks::Leader);
    let error = appender.expect_version("k", None).append(&[Message::new("x")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let unknown = broker.stream("nowhere", "alice").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownTopicOrPartition);
    let out_of_range = broker.stream_in("accounts", 1, "alice").unwrap_err();
    assert_eq!(out_of_range.kind(), ErrorKind::UnknownTopicOrPartition);
}

#[test]
fn an_atomic_append_asks_all_its_streams() {
    let broker = with_accounts(&memory());
    let alice = broker.stream("accounts", "alice").unwrap();
    let bob = broker.stream("accounts", "bob").unwrap();
    let transfer = |of_alice: Option<i64>, of_bob: Option<i64>| {
        let mut both = broker.atomic_append();
        both.expect_version("accounts", "alice", of_alice)?;
        both.expect_version("accounts", "bob", of_bob)?;
        both.add("accounts", 0, &[Message::new("-1").key("alice")])?;
        both.add("accounts", 0, &[Message::new("+1").key("bob")])?;
        both.commit()
    };
    transfer(None, None).unwrap();
    transfer(Some(0), Some(1)).unwrap();
    assert_eq!(conflict_of(&transfer(Some(2), Some(1)).unwrap_err()).actual, Some(3));
    assert_eq!(conflict_of(&transfer(Some(0), Some(3)).unwrap_err()).actual, Some(2));
    assert_eq!((alice.version().unwrap(), bob.version().unwrap()), (Some(2), Some(3)));
}

#[test]
fn a_clean_close_leaves_a_file_that_the_next_session_takes() {
    let env = memory();
    let broker = with_accounts(&env);
    let alice = broker.stream("accounts", "alice").unwrap();
    for at in 0..20 {
        alice
            .append(&[Message::new(&format!("value {at} {}", "x".repeat(60)))], Acks::All)
            .unwrap();
    }
    broker.close().unwrap();
    drop((alice, broker));
    let names = |suffix: &str| {
        let listed = env.vfs.list("accounts-0").unwrap();
        listed.iter().filter(|entry| entry.name.ends_with(suffix)).count()
    };
    assert!(names(".log") > 3);
    assert_eq!(names(".keyindex"), names(".log"));
    let broker = with_accounts(&env);
    let alice = broker.stream("accounts", "alice").unwrap();
    assert_eq!(alice.version().unwrap(), Some(19));
    assert_eq!(seen(alice.read(..)).len(), 20);
    let backwards = seen(alice.read_backwards(5..=15));
    assert_eq!(
        backwards.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        (5..=15).rev().collect::<Vec<_>>()
    );
}

#[test]
fn a_stream_is_found_in_a_directory_that_is_open_for_reading() {
    let env = memory();
    let broker = with_accounts(&env);
    for at in 0..20 {
        let key = ["alice", "bob"][at % 2];
        let stream = broker.stream("accounts", key).unwrap();
        stream.append(&[Message::new(&format!("{at} {}", "x".repeat(80)))], Acks::Leader).unwrap();
    }
    broker.close().unwrap();
    drop(broker);
    for entry in env.vfs.list("accounts-0").unwrap() {
        if entry.name.ends_with(".keyindex") {
            env.vfs.remove_file(&format!("accounts-0/{}", entry.name)).unwrap();
        }
    }
    let broker = options().read_only(true).open_in(env).unwrap();
    let alice = broker.stream("accounts", "alice").unwrap();
    assert_eq!(alice.version().unwrap(), Some(18));
    assert_eq!(seen(alice.read(..)).len(), 10);
    let refused = alice.append(&[Message::new("x")], Acks::All).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnly);
}

#[test]
fn a_stream_of_records_that_compress_well_is_found_in_a_sealed_segment() {
    let broker = options().open_in(memory()).unwrap();
    let config = TopicConfig::new().compression(Compression::Gzip).key_index(true);
    broker.ensure_topic("accounts", config).unwrap();
    let alice = broker.stream("accounts", "alice").unwrap();
    alice.append(&vec![Message::new("+1"); 2_000], Acks::Leader).unwrap();
    let partition = Arc::clone(alice.handle.partition());
    // Two bytes for a record, or less.
    assert!(partition.size_bytes() < 4_000, "{}", partition.size_bytes());
    partition.lock().roll().unwrap();
    assert_eq!(alice.version().unwrap(), Some(1_999));
    assert_eq!(seen(alice.read(..)).len(), 2_000);
    alice.expect_version(1_999).append(&[Message::new("-1")], Acks::All).unwrap();
}

#[test]
fn a_long_stream_is_read_from_anywhere_while_it_grows() {
    let broker = options().open_in(memory()).unwrap();
    broker.create_topic("accounts", TopicConfig::new().key_index(true)).unwrap();
    let alice = broker.stream("accounts", "alice").unwrap();
    let bob = broker.stream("accounts", "bob").unwrap();
    let mut expected = Vec::new();
    for at in 0..200 {
        let stream = if at % 3 == 0 { &bob } else { &alice };
        let offset = stream.append(&[Message::new(&at.to_string())], Acks::Leader).unwrap();
        if at % 3 != 0 {
            expected.push((offset.base_offset, at.to_string()));
        }
    }
    for from in (0..200).step_by(7) {
        let behind: Vec<_> = expected.iter().filter(|(at, _)| *at >= from).cloned().collect();
        let mut records = alice.read(from..);
        let first: Vec<_> = seen(records.by_ref().take(5));
        // What comes later is not in it.
        alice.append(&[Message::new("later")], Acks::Leader).unwrap();
        assert_eq!([first, seen(records)].concat(), behind.as_slice());
        let mut before: Vec<_> = expected.iter().filter(|(at, _)| *at < from).cloned().collect();
        before.reverse();
        assert_eq!(seen(alice.read_backwards(..from)), before);
        expected.push((alice.version().unwrap().unwrap(), "later".to_owned()));
    }
}

/// What another session wrote was taken for damage, or for records of this one.
#[test]
fn handles_that_outlived_the_close_read_nothing() {
    let env = memory();
    let first = with_accounts(&env);
    let account = first.stream("accounts", "ada").unwrap();
    for _ in 0..20 {
        account.append(&[Message::new("old")], Acks::All).unwrap();
    }
    let begun = account.read(..);
    let partition = account.partition();
    let handle = first.partition(partition.topic.as_str(), partition.partition).unwrap();
    first.close().unwrap();
    let second = options().open_in(env).unwrap();
    let log = second.partition(partition.topic.as_str(), partition.partition).unwrap();
    log.truncate_to(0).unwrap();
    log.append(&[Message::new("new").key("ada")], Acks::All).unwrap();

    let answers = [
        account.version().map(drop),
        account.read(..).collect::<Result<Vec<_>>>().map(drop),
        begun.collect::<Result<Vec<_>>>().map(drop),
        first.latest("accounts", "ada").map(drop),
        handle.read(0, 100, &mut Vec::new()).map(drop),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Closed);
    }
    assert_eq!(second.stream("accounts", "ada").unwrap().version().unwrap(), Some(0));
}

/// More partitions would part a key from its stream, and let two writers pass each other by.
#[test]
fn a_topic_with_streams_gets_no_more_partitions() {
    let broker = with_accounts(&memory());
    let error = broker.add_partitions("accounts", 9).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("ottla.key.index=false first"), "{error}");
    broker.alter_topic("accounts", &[("ottla.key.index", Some("false"))]).unwrap();
    broker.add_partitions("accounts", 9).unwrap();
}

/// Commits as one group a batch for the stream per value, each on condition that it has no record;
/// how many succeeded.
fn all_expect_no_stream(broker: &Broker, stream: &Stream, values: &[&str]) -> usize {
    let (told, outcomes) = mpsc::channel();
    for value in values {
        let partition = Arc::clone(stream.handle.partition());
        let batch = stream.handle.build_batch(&[Message::new(value).key(stream.key())]).unwrap();
        let expect = Expect::Version { key: stream.key().into(), version: None.into() };
        let ticket = Contents {
            guards: vec![Guard { partition: Arc::clone(&partition), expect }],
            parts: vec![Part { partition, batch: batch.into() }],
            effect: None,
        };
        let told = told.clone();
        let on_outcome = Box::new(move |(outcome, _)| told.send(outcome).unwrap());
        broker.engine.committer.enqueue(ticket, on_outcome);
    }
    broker.engine.committer.settle();
    let outcomes: Vec<Result<Vec<Appended>>> = outcomes.try_iter().collect();
    assert_eq!(outcomes.len(), values.len());
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[test]
fn of_those_in_one_group_one_succeeds() {
    let broker = with_accounts(&memory());
    let alice = broker.stream("accounts", "alice").unwrap();
    assert_eq!(all_expect_no_stream(&broker, &alice, &["a", "b", "c"]), 1);
    assert_eq!(seen(alice.read(..)), [(0, "a".to_owned())]);
}

#[test]
fn a_group_that_fails_leaves_nothing_in_the_index() {
    let sim = SimEnv::new(3);
    let broker = with_accounts(&sim.env());
    let alice = broker.stream("accounts", "alice").unwrap();
    broker.stream("accounts", "bob").unwrap().append(&[Message::new("b")], Acks::All).unwrap();
    let full = Fault::new(Effect::Errno(28)).on(Call::WriteAt).at_path(".journal");
    sim.disk.plan(full);
    assert_eq!(all_expect_no_stream(&broker, &alice, &["a", "b"]), 0);
    sim.disk.heal();
    assert_eq!(alice.version().unwrap(), None);
    assert_eq!(all_expect_no_stream(&broker, &alice, &["c", "d"]), 1);
    assert_eq!(seen(alice.read(..)), [(1, "c".to_owned())]);
}

/// A million keys cost nothing before somebody asks for one.
#[test]
fn opening_touches_no_file_of_the_index() {
    let sim = SimEnv::new(4);
    for crash in [false, true] {
        let broker = with_accounts(&sim.env());
        let alice = broker.stream("accounts", "alice").unwrap();
        for _ in 0..20 {
            alice.append(&[Message::new(&"x".repeat(60))], Acks::All).unwrap();
        }
        let sim = match crash {
            true => sim.with_disk(sim.disk.after_kill()),
            false => sim.clone(),
        };
        broker.close().unwrap();
        drop((alice, broker));
        sim.disk.plan(Fault::new(Effect::Errno(5)).at_path(".keyindex").from_then_on());
        let broker = options().open_in(sim.env()).unwrap();
        assert_eq!(sim.disk.faults_met(), 0);
        let alice = broker.stream("accounts", "alice").unwrap();
        assert_eq!(alice.version().unwrap_err().kind(), ErrorKind::Io, "the fault is there");
        sim.disk.heal();
        let count = if crash { 40 } else { 20 };
        assert_eq!(alice.version().unwrap(), Some(count - 1));
    }
}
