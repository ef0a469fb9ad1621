//! Committed offsets through a whole broker in memory.

use std::sync::Arc;
use std::time::Duration;

use super::{memory, options};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::group_admin::{OffsetReset, OffsetScope};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::{Clock, SimClock};
use crate::env::memory::MemoryVfs;
use crate::env::sync::Mutex;
use crate::env::vfs::OpenHow;
use crate::error::{ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::group::offsets::GroupActivity;
use crate::producer::record::Record;
use crate::topic::{TopicName, TopicPartition};

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), partition)
}

fn commit(broker: &Broker, group: &str, offset: i64) -> Result<()> {
    let offsets = [(at("orders", 0), OffsetAndMetadata::new(offset))];
    broker.engine.offsets.commit(&*broker.engine, group, None, &offsets)
}

fn committed(broker: &Broker, group: &str) -> Option<i64> {
    let found = broker.engine.offsets.committed(&*broker.engine, group, &at("orders", 0));
    found.unwrap().map(|committed| committed.offset)
}

fn generation(broker: &Broker, group: &str) -> i32 {
    broker.engine.offsets.generation(&*broker.engine, group).unwrap()
}

/// A broker with ten records in `orders`.
fn with_orders(env: &Env) -> Broker {
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    append(&broker, 10, Acks::All);
    broker
}

fn append(broker: &Broker, count: usize, acks: Acks) {
    let orders = broker.partition("orders", 0).unwrap();
    for _ in 0..count {
        orders.append(&[Message::new("one burger")], acks).unwrap();
    }
}

#[test]
fn what_was_committed_is_there_after_a_close_a_kill_and_an_open() {
    let env = memory();
    let broker = with_orders(&env);
    assert_eq!(committed(&broker, "kitchen"), None);
    let note =
        OffsetAndMetadata { leader_epoch: Some(0), ..OffsetAndMetadata::new(3).metadata("x") };
    let offsets = [(at("orders", 0), note.clone()), (at("orders", 1), 0.into())];
    broker.engine.offsets.commit(&*broker.engine, "kitchen", Some(4), &offsets).unwrap();
    commit(&broker, "office", 7).unwrap();
    commit(&broker, "office", 5).unwrap();
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), offsets);
    broker.close().unwrap();

    let broker = options().open_in(env.clone()).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), offsets);
    assert_eq!(generation(&broker, "kitchen"), 4);
    assert_eq!((committed(&broker, "office"), generation(&broker, "office")), (Some(5), 0));
    commit(&broker, "kitchen", 9).unwrap();
    broker.abandon();

    let broker = options().open_in(env).unwrap();
    assert!(!broker.recovery_report().clean);
    assert_eq!(committed(&broker, "kitchen"), Some(9));
    assert_eq!(committed(&broker, "office"), Some(5));
    let names = broker.engine.offsets.groups(&*broker.engine).unwrap();
    assert_eq!(names, ["kitchen", "office"]);
}

#[test]
fn what_cannot_be_committed_is_refused_and_changes_nothing() {
    let broker = with_orders(&memory());
    commit(&broker, "kitchen", 3).unwrap();
    let store = &broker.engine.offsets;
    let refused = |group: &str, at: TopicPartition, offset: OffsetAndMetadata| {
        let offsets = [(self::at("orders", 0), OffsetAndMetadata::new(6)), (at, offset)];
        store.commit(&*broker.engine, group, None, &offsets).unwrap_err().kind()
    };
    assert_eq!(refused("kitchen", at("orders", 1), 1.into()), ErrorKind::OffsetOutOfRange);
    assert_eq!(refused("kitchen", at("orders", 1), (-1).into()), ErrorKind::InvalidInput);
    let missing = ErrorKind::UnknownTopicOrPartition;
    assert_eq!(refused("kitchen", at("orders", 2), 0.into()), missing);
    assert_eq!(refused("kitchen", at("orders", -1), 0.into()), missing);
    assert_eq!(refused("kitchen", at("pears", 0), 0.into()), missing);
    let long = OffsetAndMetadata::new(0).metadata("x".repeat(4097));
    assert_eq!(refused("kitchen", at("orders", 1), long), ErrorKind::Limit);
    assert_eq!(refused("", at("orders", 1), 0.into()), ErrorKind::InvalidInput);
    let endless = "x".repeat(40_000);
    assert_eq!(refused(&endless, at("orders", 1), 0.into()), ErrorKind::InvalidInput);
    assert_eq!(committed(&broker, "kitchen"), Some(3));
    store.commit(&*broker.engine, "nobody", None, &[]).unwrap();
    assert_eq!(store.groups(&*broker.engine).unwrap(), ["kitchen"]);
}

#[test]
fn data_is_synced_before_an_offset_of_it_is_committed() {
    let broker = with_orders(&memory());
    let orders = broker.partition("orders", 0).unwrap();
    append(&broker, 5, Acks::Leader);
    assert!(orders.partition().is_synced_to(10));
    assert!(!orders.partition().is_synced_to(11));
    commit(&broker, "kitchen", 10).unwrap();
    assert!(!orders.partition().is_synced_to(11), "what is not committed is not synced for it");
    commit(&broker, "kitchen", 12).unwrap();
    assert!(orders.partition().is_synced_to(15));
    append(&broker, 1, Acks::Leader);
    assert!(orders.partition().is_synced_to(15) && !orders.partition().is_synced_to(16));
    append(&broker, 1, Acks::All);
    assert!(orders.partition().is_synced_to(17));
}

#[test]
fn a_topic_takes_its_offsets_with_it() {
    let env = memory();
    let broker = with_orders(&env);
    broker.create_topic("pears", TopicConfig::new()).unwrap();
    let pears = [(at("pears", 0), OffsetAndMetadata::new(0))];
    broker.engine.offsets.commit(&*broker.engine, "kitchen", None, &pears).unwrap();
    commit(&broker, "kitchen", 3).unwrap();
    commit(&broker, "office", 4).unwrap();
    broker.delete_topic("orders").unwrap();
    assert_eq!(committed(&broker, "kitchen"), None);
    assert_eq!(
        commit(&broker, "kitchen", 0).unwrap_err().kind(),
        ErrorKind::UnknownTopicOrPartition
    );
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), pears);
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_eq!(committed(&broker, "kitchen"), None);
    commit(&broker, "kitchen", 0).unwrap();
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(0), None));
    assert_eq!(broker.recovery_report().offsets_dropped, 0);
}

#[test]
fn a_cut_sets_offsets_back_before_it_cuts() {
    let env = memory();
    let broker = with_orders(&env);
    commit(&broker, "kitchen", 9).unwrap();
    commit(&broker, "office", 2).unwrap();
    broker.partition("orders", 0).unwrap().truncate_to(4).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(4), Some(2)));
    append(&broker, 6, Acks::All);
    commit(&broker, "office", 10).unwrap();
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(4), Some(10)));
    let offsets = broker.partition("__consumer_offsets", 0).unwrap();
    assert_eq!(offsets.truncate_to(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let more = broker.add_partitions("__consumer_offsets", 2);
    assert_eq!(more.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn groups_and_offsets_are_deleted_for_good() {
    let env = memory();
    let broker = with_orders(&env);
    let (engine, store) = (&*broker.engine, &broker.engine.offsets);
    let both = [(at("orders", 0), OffsetAndMetadata::new(3)), (at("orders", 1), 0.into())];
    for group in ["kitchen", "office"] {
        store.commit(engine, group, Some(2), &both).unwrap();
    }
    let one = OffsetScope::Partitions(vec![at("orders", 1), at("pears", 0)]);
    broker.delete_offsets("office", &one).unwrap();
    assert_eq!(broker.committed_offsets("office").unwrap(), both[..1]);
    store.delete_group(engine, "kitchen").unwrap();
    for _ in 0..2 {
        let gone = store.delete_group(engine, "kitchen").unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::UnknownGroup);
    }
    assert_eq!(store.groups(engine).unwrap(), ["office"]);
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!(broker.engine.offsets.groups(&*broker.engine).unwrap(), ["office"]);
    assert_eq!((generation(&broker, "office"), generation(&broker, "kitchen")), (2, 0));
    assert_eq!(broker.committed_offsets("office").unwrap(), both[..1]);
}

/// The file that holds the records of `orders-0`.
const ORDERS_LOG: &str = "orders-0/00000000000000000000.log";

/// Makes the directory one that another program left, with the last records of `orders-0` gone.
fn lose_records(env: &Env, kept_parts: u64) {
    let file = env.vfs.open(ORDERS_LOG, OpenHow::Write).unwrap();
    let length = file.len().unwrap();
    file.set_len(length / 10 * kept_parts).unwrap();
    for name in ["ottla.control", ".kafka_cleanshutdown", "recovery-point-offset-checkpoint"] {
        env.vfs.remove_file(name).unwrap();
    }
}

#[test]
fn an_offset_behind_lost_records_is_set_to_the_end_and_reported() {
    let env = memory();
    let broker = with_orders(&env);
    commit(&broker, "kitchen", 9).unwrap();
    commit(&broker, "office", 3).unwrap();
    broker.close().unwrap();
    drop(broker);
    lose_records(&env, 6);

    // For reading only: the same is seen, and nothing is written.
    let reader = options().read_only(true).open_in(env.clone()).unwrap();
    assert_eq!((committed(&reader, "kitchen"), committed(&reader, "office")), (Some(6), Some(3)));
    assert_eq!(reader.recovery_report().offsets_clamped.len(), 1);
    assert_eq!(commit(&reader, "kitchen", 1).unwrap_err().kind(), ErrorKind::ReadOnly);
    reader.close().unwrap();
    drop(reader);

    let broker = options().open_in(env.clone()).unwrap();
    let report = broker.recovery_report();
    let [clamped] = &report.offsets_clamped[..] else { panic!("{report:?}") };
    assert_eq!((clamped.group.as_str(), clamped.committed, clamped.end), ("kitchen", 9, 6));
    assert!(report.to_string().contains("1 committed offsets set back to the end"), "{report}");
    // It stays so when there are as many records again.
    append(&broker, 6, Acks::All);
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(6), Some(3)));
    assert!(broker.recovery_report().offsets_clamped.is_empty());
}

#[test]
fn offsets_of_a_topic_that_another_program_deleted_are_dropped() {
    let env = memory();
    let broker = with_orders(&env);
    commit(&broker, "kitchen", 9).unwrap();
    // The topic goes without its offsets, as if the two had been two steps.
    let engine = &*broker.engine;
    engine.topics.remove("orders");
    let stale = options().open_in(memory()).unwrap();
    let found = stale.engine.offsets.load(engine);
    assert_eq!(found.unwrap().dropped, 1);
    assert!(stale.engine.offsets.groups(engine).unwrap().is_empty());
}

/// A broker on a clock that stands still, whose offsets are kept for an hour.
fn kept_for_an_hour(env: &Env) -> Broker {
    let options = options().offsets_retention(HOUR).offsets_retention_check_interval(HOUR / 60);
    options.open_in(env.clone()).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

fn on_a_clock() -> (Env, Arc<SimClock>) {
    let clock = Arc::new(SimClock::default());
    let vfs = Arc::new(MemoryVfs::new(clock.clone()));
    (Env { clock: clock.clone(), ..Env::over(vfs) }, clock)
}

#[test]
fn offsets_expire_by_the_time_during_which_the_directory_was_open() {
    let (env, clock) = on_a_clock();
    drop(with_orders(&env));
    let broker = kept_for_an_hour(&env);
    commit(&broker, "kitchen", 1).unwrap();
    clock.advance(HOUR - Duration::from_secs(1));
    commit(&broker, "office", 2).unwrap();
    broker.close().unwrap();
    drop(broker);

    clock.advance(HOUR * 1000);
    let broker = kept_for_an_hour(&env);
    clock.set_wall_ms(i64::MAX / 2);
    broker.tick().unwrap();
    assert_eq!(committed(&broker, "kitchen"), Some(1), "nobody used it, because nobody could");
    clock.advance(HOUR / 2);
    commit(&broker, "office", 3).unwrap();
    clock.advance(HOUR / 2);
    broker.tick().unwrap();
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (None, Some(3)));
    assert_eq!(broker.engine.offsets.groups(&*broker.engine).unwrap(), ["office"]);
    clock.advance(HOUR / 2);
    broker.tick().unwrap();
    assert_eq!(broker.engine.offsets.groups(&*broker.engine).unwrap(), [""; 0]);
    broker.abandon();
    let broker = kept_for_an_hour(&env);
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (None, None));
}

#[test]
fn what_a_group_uses_does_not_expire() {
    let (env, clock) = on_a_clock();
    drop(with_orders(&env));
    let broker = kept_for_an_hour(&env);
    broker.create_topic("pears", TopicConfig::new()).unwrap();
    let engine = &*broker.engine;
    let both = [(at("orders", 0), OffsetAndMetadata::new(3)), (at("pears", 0), 0.into())];
    engine.offsets.commit(engine, "kitchen", Some(1), &both).unwrap();
    let subscribed = |_: &str| GroupActivity::Active([TopicName::new("orders").unwrap()].into());
    let empty = |_: &str| GroupActivity::Empty;

    clock.advance(HOUR * 2);
    assert_eq!(engine.offsets.expire(engine, &subscribed).unwrap(), 1);
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), both[..1]);
    // The last member leaves: from now on it counts.
    engine.offsets.note_empty("kitchen", 1);
    clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(engine.offsets.expire(engine, &empty).unwrap(), 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(engine.offsets.expire(engine, &empty).unwrap(), 1);
    assert_eq!(engine.offsets.info(engine, "kitchen").unwrap(), None, "nothing is left of it");
}

/// The commit and the expiry come into one frame: the expiry must see what is in front of it.
#[test]
fn an_offset_that_is_being_committed_does_not_expire() {
    let (env, clock) = on_a_clock();
    drop(with_orders(&env));
    let broker = kept_for_an_hour(&env);
    let engine = &*broker.engine;
    commit(&broker, "kitchen", 1).unwrap();
    commit(&broker, "office", 1).unwrap();
    clock.advance(HOUR * 2);
    let offsets = [(at("orders", 0), OffsetAndMetadata::new(5))];
    engine.offsets.commit_async(engine, "kitchen", None, &offsets, Box::new(|o| o.unwrap()));
    assert_eq!(engine.offsets.expire(engine, &|_| GroupActivity::Empty).unwrap(), 1);
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(5), None));
    broker.abandon();
    let broker = kept_for_an_hour(&env);
    assert_eq!((committed(&broker, "kitchen"), committed(&broker, "office")), (Some(5), None));
}

/// A group that commits all the time does not keep the others of its chunk.
#[test]
fn a_group_that_changes_meanwhile_does_not_hold_others_up() {
    let (env, clock) = on_a_clock();
    drop(with_orders(&env));
    let broker = kept_for_an_hour(&env);
    let engine = &*broker.engine;
    for number in 0..9 {
        commit(&broker, &format!("group {number}"), 1).unwrap();
    }
    let offsets = [(at("orders", 0), OffsetAndMetadata::new(2))];
    engine.offsets.commit(engine, "busy", Some(1), &offsets).unwrap();
    clock.advance(HOUR * 2);
    // It commits whenever somebody asks about another one behind it.
    let activity = |group: &str| {
        if group != "busy" {
            engine.offsets.commit(engine, "busy", Some(1), &offsets).unwrap();
        }
        GroupActivity::Empty
    };
    let expired = engine.offsets.expire(engine, &activity).unwrap();
    assert!((9..=10).contains(&expired), "{expired}");
    let left = engine.offsets.groups(engine).unwrap();
    assert!(left.is_empty() || left == ["busy"], "{left:?}");
}

#[test]
fn a_closed_directory_tells_the_last_generation_of_a_group_without_members() {
    let env = memory();
    let broker = with_orders(&env);
    let engine = &*broker.engine;
    let offsets = [(at("orders", 0), OffsetAndMetadata::new(3))];
    engine.offsets.commit(engine, "kitchen", Some(3), &offsets).unwrap();
    let end = |broker: &Broker| broker.partition("__consumer_offsets", 0).unwrap().end_offset();
    assert_eq!(end(&broker), 2, "the group's own record, and the offset");
    engine.offsets.commit(engine, "kitchen", Some(3), &offsets).unwrap();
    assert_eq!(end(&broker), 3, "the generation is told once");
    engine.offsets.note_empty("kitchen", 5);
    engine.offsets.note_empty("nobody", 5);
    assert_eq!((end(&broker), generation(&broker, "kitchen")), (3, 5));
    broker.close().unwrap();

    let broker = options().open_in(env).unwrap();
    assert_eq!((end(&broker), generation(&broker, "kitchen")), (4, 5));
    let info = broker.engine.offsets.info(&*broker.engine, "kitchen").unwrap().unwrap();
    assert_eq!(info.protocol_type, "consumer");
}

#[test]
fn commits_that_nobody_waits_for_are_made_in_their_order() {
    let broker = with_orders(&memory());
    let told = Arc::new(Mutex::new(Vec::new()));
    let engine = &*broker.engine;
    for offset in [4, 2, 99, 7] {
        let told = Arc::clone(&told);
        let on_done = Box::new(move |outcome: Result<()>| {
            told.lock().push((offset, outcome.map_err(|error| error.kind())));
        });
        let offsets = [(at("orders", 0), OffsetAndMetadata::new(offset))];
        engine.offsets.commit_async(engine, "kitchen", None, &offsets, on_done);
    }
    assert_eq!(committed(&broker, "kitchen"), None, "nothing is shown before it is durable");
    broker.tick().unwrap();
    assert_eq!(committed(&broker, "kitchen"), Some(7));
    let refused = Err(ErrorKind::OffsetOutOfRange);
    assert_eq!(*told.lock(), [(4, Ok(())), (2, Ok(())), (99, refused), (7, Ok(()))]);
}

#[test]
fn many_commit_at_once_from_the_first_one_on() {
    let env = memory();
    let broker = with_orders(&env);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let broker = &broker;
            scope.spawn(move || {
                for offset in 0..=10 {
                    commit(broker, &format!("own {thread}"), offset).unwrap();
                    commit(broker, "shared", offset).unwrap();
                    assert_eq!(committed(broker, &format!("own {thread}")), Some(offset));
                }
            });
        }
        let broker = &broker;
        scope.spawn(move || {
            for _ in 0..20 {
                let _ = broker.engine.offsets.delete_group(&*broker.engine, "shared");
                append(broker, 1, Acks::Leader);
            }
        });
    });
    let expected: Vec<_> =
        (0..8).map(|thread| committed(&broker, &format!("own {thread}"))).collect();
    let shared = committed(&broker, "shared");
    broker.abandon();
    let broker = options().open_in(env).unwrap();
    let found: Vec<_> = (0..8).map(|thread| committed(&broker, &format!("own {thread}"))).collect();
    assert_eq!((expected, shared), (found, committed(&broker, "shared")));
    assert_eq!(committed(&broker, "own 3"), Some(10));
}

/// A name that no group can have stayed in memory when its offsets were reset.
#[test]
fn a_reset_refuses_names_that_cannot_be() {
    let broker = Broker::in_memory().unwrap();
    for name in ["", &"x".repeat(1 << 20)] {
        let reset =
            broker.reset_offsets(name, &OffsetScope::Committed, OffsetReset::Earliest, false);
        assert_eq!(reset.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn offsets_are_reset_to_what_is_asked_for() {
    let (env, clock) = on_a_clock();
    let broker = options().open_in(env).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(2)).unwrap();
    let start_ms = clock.wall_ms();
    for _ in 0..10 {
        append(&broker, 1, Acks::All);
        clock.advance(Duration::from_secs(1));
    }
    broker.partition("orders", 0).unwrap().delete_records(2).unwrap();
    let only = OffsetScope::Partitions(vec![at("orders", 0)]);
    let reset = |to| broker.reset_offsets("kitchen", &only, to, false).map(|c| c[0].after);
    assert_eq!(reset(OffsetReset::ShiftBy(1)).unwrap_err().kind(), ErrorKind::InvalidInput);
    for (to, expected) in [
        (OffsetReset::Current, 10),
        (OffsetReset::Earliest, 2),
        (OffsetReset::ShiftBy(5), 7),
        (OffsetReset::Current, 7),
        (OffsetReset::ShiftBy(-100), 2),
        (OffsetReset::Latest, 10),
        (OffsetReset::Offset(4), 4),
        (OffsetReset::Offset(-1), 2),
        (OffsetReset::Offset(11), 10),
        (OffsetReset::Timestamp(start_ms + 5_500), 6),
        (OffsetReset::Timestamp(i64::MAX), 10),
        (OffsetReset::Duration(Duration::from_millis(2_500)), 8),
        (OffsetReset::Duration(Duration::MAX), 2),
    ] {
        assert_eq!(reset(to).unwrap(), expected, "{to:?}");
        assert_eq!(committed(&broker, "kitchen"), Some(expected), "{to:?}");
    }
    let all = OffsetScope::Topics(vec![TopicName::new("orders").unwrap()]);
    let planned = broker.reset_offsets("kitchen", &all, OffsetReset::Latest, true).unwrap();
    assert_eq!(
        planned.iter().map(|c| (c.before, c.after)).collect::<Vec<_>>(),
        [(Some(2), 10), (None, 0)]
    );
    assert_eq!(committed(&broker, "kitchen"), Some(2), "a dry run changes nothing");
    let committed = OffsetScope::Committed;
    assert_eq!(
        broker.reset_offsets("kitchen", &committed, OffsetReset::Latest, true).unwrap().len(),
        1
    );
    let none = OffsetScope::Topics(vec![TopicName::new("pears").unwrap()]);
    let unknown = broker.reset_offsets("kitchen", &none, OffsetReset::Latest, true).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownTopicOrPartition);
}

#[test]
fn the_topic_of_offsets_stays_compacted() {
    let broker = with_orders(&memory());
    let made = broker.create_topic("__consumer_offsets", TopicConfig::new()).map(drop);
    commit(&broker, "kitchen", 1).unwrap();
    let alter = |name, value| broker.alter_topic("__consumer_offsets", &[(name, Some(value))]);
    let policy = alter("cleanup.policy", "compact,delete");
    for refusal in [made, policy, alter("cleanup.policy", "delete")] {
        assert_eq!(refusal.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    alter("segment.bytes", "2097152").unwrap();
    let deleted = broker.partition("__consumer_offsets", 0).unwrap().delete_records(-1);
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(committed(&broker, "kitchen"), Some(1));
}

#[test]
fn programs_do_not_write_to_the_topic_of_offsets() {
    let broker = with_orders(&memory());
    commit(&broker, "kitchen", 1).unwrap();
    let message = Message::new("forged").key("forged");
    let refusals = [
        broker
            .partition("__consumer_offsets", 0)
            .and_then(|offsets| offsets.append(std::slice::from_ref(&message), Acks::All))
            .map(drop),
        broker.atomic_append().add("__consumer_offsets", 0, &[message]),
        broker
            .producer()
            .build()
            .and_then(|producer| producer.send(Record::new("__consumer_offsets", "x").key("x")))
            .map(drop),
        broker
            .transaction()
            .and_then(|mut all| all.send(Record::new("__consumer_offsets", "x").key("x"))),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("programs do not write to it"), "{error}");
    }
}
