//! The engine on a directory in memory: what is written is there, also after a reopen.

mod attacks;
mod cleaner;
mod client_attacks;
mod compaction;
mod expect;
mod groups;
mod idempotence;
mod offsets;
mod retention_groups;
mod spills;
mod tables;
#[cfg(feature = "async")]
mod watching;

use std::sync::Arc;

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::verify::{VerifyOptions, verify_in};
use crate::config::acks::Acks;
use crate::config::broker::BrokerOptions;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::memory::MemoryVfs;
use crate::error::ErrorKind;

fn options() -> BrokerOptions {
    BrokerOptions::new().background(false).journal_file_bytes(64 << 10)
}

fn memory() -> Env {
    Env::over(Arc::new(MemoryVfs::default()))
}

fn values(broker: &Broker, topic: &str, partition: i32) -> Vec<String> {
    let handle = broker.partition(topic, partition).unwrap();
    let mut values = Vec::new();
    let mut buffer = Vec::new();
    let mut offset = handle.log_start_offset();
    while offset < handle.end_offset() {
        let (range, next) = handle.read(offset, 1 << 20, &mut buffer).unwrap();
        let mut rest = &buffer[range];
        while !rest.is_empty() {
            let entry = crate::batch::entry::Entry::decode_first(rest).unwrap();
            let mut scratch = Vec::new();
            for record in entry.records(&Default::default(), &mut scratch).unwrap() {
                let record = record.unwrap();
                values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            }
            rest = &rest[entry.bytes().len()..];
        }
        offset = next;
    }
    values
}

#[test]
fn what_is_appended_at_any_level_is_there_after_a_close_and_an_open() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    for (index, acks) in [Acks::All, Acks::Leader, Acks::None, Acks::All].into_iter().enumerate() {
        let value = format!("value {index}");
        let appended = orders.append(&[Message::new(&value)], acks).unwrap();
        assert_eq!(appended.base_offset, index as i64);
    }
    let expected = ["value 0", "value 1", "value 2", "value 3"];
    assert_eq!(values(&broker, "orders", 0), expected);
    broker.close().unwrap();
    assert_eq!(
        orders.append(&[Message::new("late")], Acks::All).unwrap_err().kind(),
        ErrorKind::Closed
    );
    drop(orders);

    let broker = options().open_in(env).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(values(&broker, "orders", 0), expected);
    assert_eq!(broker.partition("orders", 1).unwrap().end_offset(), 0);
}

#[test]
fn an_atomic_append_is_in_all_its_partitions_or_in_none() {
    let broker = options().open_in(memory()).unwrap();
    let config = TopicConfig::new().partitions(2).max_message_bytes(200);
    broker.create_topic("orders", config).unwrap();
    let mut both = broker.atomic_append();
    both.add("orders", 0, &[Message::new("a")]).unwrap();
    both.add("orders", 1, &[Message::new("b")]).unwrap();
    both.add("orders", 0, &[Message::new("c")]).unwrap();
    let written = both.commit().unwrap();
    assert_eq!(written.iter().map(|w| w.base_offset).collect::<Vec<_>>(), [0, 0, 1]);

    let large = "x".repeat(300);
    let mut refused = broker.atomic_append();
    refused.add("orders", 0, &[Message::new("d")]).unwrap();
    refused.add("orders", 1, &[Message::new(&large)]).unwrap();
    assert_eq!(refused.commit().unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(values(&broker, "orders", 0), ["a", "c"]);
    assert_eq!(values(&broker, "orders", 1), ["b"]);
}

#[test]
fn a_journal_that_is_full_is_checkpointed_and_recycled() {
    let env = memory();
    let broker = options().journal_file_bytes(4 << 10).open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    let value = "x".repeat(500);
    for _ in 0..200 {
        orders.append(&[Message::new(&value)], Acks::All).unwrap();
    }
    let journals = env.vfs.list("").unwrap();
    let journals = journals.iter().filter(|e| e.name.ends_with(".journal")).count();
    assert!((2..=4).contains(&journals), "{journals} journal files");
    assert_eq!(orders.end_offset(), 200);
}

#[test]
fn many_threads_commit_together() {
    let broker = options().open_in(memory()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(3)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let broker = &broker;
            scope.spawn(move || {
                let handle = broker.partition("orders", thread % 3).unwrap();
                for index in 0..200 {
                    let value = format!("{thread}:{index}");
                    let acks = if index % 3 == 0 { Acks::Leader } else { Acks::All };
                    handle.append(&[Message::new(&value)], acks).unwrap();
                }
            });
        }
    });
    let all: Vec<_> = (0..3).flat_map(|partition| values(&broker, "orders", partition)).collect();
    assert_eq!(all.len(), 1600);
    for thread in 0..8 {
        let prefix = format!("{thread}:");
        let of_thread = all.iter().filter_map(|value| value.strip_prefix(&prefix));
        let numbers: Vec<i32> = of_thread.map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    }
}

#[test]
fn opening_and_closing_without_a_write_changes_nothing() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    broker.partition("orders", 0).unwrap().append(&[Message::new("a")], Acks::All).unwrap();
    broker.close().unwrap();
    let before = snapshot(&env, "");
    options().open_in(env.clone()).unwrap().close().unwrap();
    assert_eq!(snapshot(&env, ""), before);
}

fn snapshot(env: &Env, directory: &str) -> Vec<(String, Vec<u8>)> {
    use crate::env::vfs::{FileKind, OpenHow, read_up_to};
    let mut files = Vec::new();
    for entry in env.vfs.list(directory).unwrap() {
        let path = if directory.is_empty() {
            entry.name.clone()
        } else {
            format!("{directory}/{}", entry.name)
        };
        match entry.kind {
            FileKind::Directory => files.extend(snapshot(env, &path)),
            _ => {
                let file = env.vfs.open(&path, OpenHow::Read).unwrap();
                let mut bytes = vec![0; file.len().unwrap() as usize];
                read_up_to(&*file, &mut bytes, 0).unwrap();
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn topics_are_created_altered_extended_and_deleted() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let again = broker.create_topic("orders", TopicConfig::new()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::TopicExists);
    broker.ensure_topic("orders", TopicConfig::new()).unwrap();
    broker.alter_topic("orders", &[("retention.ms", Some("60000"))]).unwrap();
    broker.add_partitions("orders", 3).unwrap();
    broker.create_topic("gone", TopicConfig::new()).unwrap();
    let gone = broker.partition("gone", 0).unwrap();
    gone.append(&[Message::new("a")], Acks::All).unwrap();
    broker.delete_topic("gone").unwrap();
    let late = gone.append(&[Message::new("b")], Acks::Leader).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::UnknownTopicOrPartition);
    let late = gone.append(&[Message::new("b")], Acks::All).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::UnknownTopicOrPartition);
    drop(gone);
    broker.close().unwrap();

    let broker = options().open_in(env).unwrap();
    let topics = broker.list_topics();
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].partitions.len(), 3);
    assert_eq!(topics[0].config["retention.ms"], "60000");
    assert_eq!(broker.partition("gone", 0).unwrap_err().kind(), ErrorKind::UnknownTopicOrPartition);
}

#[test]
fn what_was_cut_does_not_come_back_and_its_offsets_are_used_again() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    for index in 0..10 {
        let acks = if index % 2 == 0 { Acks::All } else { Acks::Leader };
        orders.append(&[Message::new(&index.to_string())], acks).unwrap();
    }
    orders.truncate_to(4).unwrap();
    assert_eq!(orders.end_offset(), 4);
    assert_eq!(orders.append(&[Message::new("new")], Acks::All).unwrap().base_offset, 4);
    assert_eq!(orders.truncate_to(9).unwrap_err().kind(), ErrorKind::OffsetOutOfRange);
    drop(orders);
    broker.abandon();
}

#[test]
fn deleted_records_are_gone_and_the_rest_stays() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    let config = TopicConfig::new().set("internal.segment.bytes", "300").unwrap();
    broker.create_topic("orders", config).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    for index in 0..20 {
        orders.append(&[Message::new(&index.to_string())], Acks::All).unwrap();
    }
    let before = orders.size_bytes();
    orders.delete_records(12).unwrap();
    assert_eq!(orders.log_start_offset(), 12);
    assert!(orders.size_bytes() < before);
    let mut buffer = Vec::new();
    assert_eq!(orders.read(11, 100, &mut buffer).unwrap_err().kind(), ErrorKind::OffsetOutOfRange);
    assert_eq!(orders.delete_records(21).unwrap_err().kind(), ErrorKind::OffsetOutOfRange);
    assert_eq!(orders.delete_records(-1).unwrap(), 20);
    assert_eq!(orders.append(&[Message::new("next")], Acks::All).unwrap().base_offset, 20);
    drop(orders);
    broker.close().unwrap();
    let broker = options().open_in(env).unwrap();
    assert_eq!(broker.partition("orders", 0).unwrap().log_start_offset(), 20);
    assert_eq!(values(&broker, "orders", 0), ["next"]);
}

#[test]
fn what_was_acked_is_there_after_a_kill() {
    let env = memory();
    for round in 0..5 {
        let broker = options().journal_file_bytes(4 << 10).open_in(env.clone()).unwrap();
        if round > 0 {
            assert!(!broker.recovery_report().clean);
            assert!(broker.recovery_report().damaged.is_empty(), "{:?}", broker.recovery_report());
        }
        let config =
            TopicConfig::new().partitions(2).set("internal.segment.bytes", "1000").unwrap();
        broker.ensure_topic("orders", config).unwrap();
        let expected: Vec<String> = (0..round * 20).map(|index| index.to_string()).collect();
        assert_eq!(values(&broker, "orders", 0), expected);
        let orders = broker.partition("orders", 0).unwrap();
        for index in round * 20..(round + 1) * 20 {
            let acks = if index % 3 == 0 { Acks::Leader } else { Acks::All };
            orders.append(&[Message::new(&index.to_string())], acks).unwrap();
        }
        drop(orders);
        broker.abandon();
    }
    options().open_in(env.clone()).unwrap().close().unwrap();
    assert!(options().open_in(env).unwrap().recovery_report().clean);
}

#[test]
fn a_read_only_broker_shows_what_recovery_would_and_writes_nothing() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    orders.append(&[Message::new("a")], Acks::All).unwrap();
    orders.append(&[Message::new("b")], Acks::Leader).unwrap();
    drop(orders);
    broker.abandon();
    let before = snapshot(&env, "");
    let reader = options().read_only(true).open_in(env.clone()).unwrap();
    assert_eq!(values(&reader, "orders", 0), ["a", "b"]);
    let refused = reader.partition("orders", 0).unwrap().append(&[Message::new("c")], Acks::All);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ReadOnly);
    reader.close().unwrap();
    assert_eq!(snapshot(&env, ""), before);
    let report = verify_in(&env, &VerifyOptions::new()).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// A crash in the middle of making the directory left the catalog's folder without
/// `meta.properties`, and no later open could find the way out.
#[test]
fn a_directory_whose_making_was_interrupted_is_made_again() {
    use crate::env::sim::{Explorer, SimEnv, seed};

    let seed = seed();
    let world = SimEnv::new(seed);
    let broker = options().journal_file_bytes(4096).open_in(world.env()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    broker.close().unwrap();
    let explorer = Explorer { power_losses: 12, nested: 1, ..Explorer::new(seed) };
    let explored = explorer.run(&world.disk.recording(), |crash| {
        let options = options().journal_file_bytes(4096);
        let broker = options.open_in(crash.env()).map_err(|error| format!("{error:?}"))?;
        crash.recovery_ends_here();
        broker.ensure_topic("orders", TopicConfig::new()).map_err(|error| format!("{error:?}"))?;
        broker.close().map_err(|error| format!("{error:?}"))
    });
    let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explored.executed > 100);
}

/// A checkpoint that had noted a partition wrote its epochs into the folder while a deletion
/// removed it, and failed.
#[test]
fn topics_are_deleted_while_checkpoints_run() {
    // On a disk, whose slowness makes room for the race.
    let directory = tempfile::tempdir().unwrap();
    let broker = options().open(directory.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let broker = &broker;
            scope.spawn(move || {
                for round in 0..30 {
                    let topic = format!("fleeting-{thread}-{round}");
                    broker.create_topic(&topic, TopicConfig::new()).unwrap();
                    let handle = broker.partition(&topic, 0).unwrap();
                    handle.append(&[Message::new("a")], Acks::Leader).unwrap();
                    broker.delete_topic(&topic).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                broker.checkpoint().unwrap();
                broker.run_retention().unwrap();
            }
        });
    });
    broker.close().unwrap();
}

/// A newcomer opened a folder of photographs: each `name-N` became a topic, and deleting the topic
/// deleted the photographs.
#[test]
fn a_strangers_folder_is_never_taken_for_a_partition() {
    use crate::env::vfs::{OpenHow, write_all_at};

    let env = memory();
    env.vfs.create_dir("photos-2024").unwrap();
    let photo = env.vfs.open("photos-2024/a.jpg", OpenHow::CreateNew).unwrap();
    write_all_at(&*photo, b"photo", 0).unwrap();
    let before = snapshot(&env, "");
    let refused = options().open_in(env.clone()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("photos-2024"), "{refused}");
    let after = snapshot(&env, "").into_iter().filter(|(name, _)| name != ".lock");
    assert_eq!(after.collect::<Vec<_>>(), before);
}

#[test]
fn an_altered_setting_holds_at_once_for_handles_that_were_there() {
    let broker = options().open_in(memory()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let mut orders = broker.partition("orders", 0).unwrap().appender(Acks::Leader);
    orders.append(&[Message::new("no key")]).unwrap();
    broker.alter_topic("orders", &[("cleanup.policy", Some("compact"))]).unwrap();
    let refused = orders.append(&[Message::new("no key")]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    orders.append(&[Message::new("a").key("k")]).unwrap();
    let producer = broker.producer().build().unwrap();
    let record = crate::producer::record::Record::new("orders", "no key");
    assert_eq!(producer.send(record).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn verify_names_a_control_file_that_is_damaged_or_gone() {
    use crate::env::vfs::{OpenHow, write_all_at};

    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    broker.partition("orders", 0).unwrap().append(&[Message::new("a")], Acks::All).unwrap();
    broker.close().unwrap();
    drop(broker);
    let verified = || verify_in(&env, &VerifyOptions::new()).unwrap();
    assert!(verified().is_sound(), "{:?}", verified());
    let control = env.vfs.open("ottla.control", OpenHow::Write).unwrap();
    write_all_at(&*control, b"X", 0).unwrap();
    assert_eq!(verified().all_errors().count(), 1, "{:?}", verified());
    env.vfs.remove_file("ottla.control").unwrap();
    assert_eq!(verified().all_errors().count(), 1, "{:?}", verified());
    let broker = options().open_in(env.clone()).unwrap();
    assert_eq!(values(&broker, "orders", 0), ["a"]);
}
