//! Offsets that groups commit: what is seen of them survives, and none lies beyond the end.

use std::time::Duration;

use ottla::{
    Acks, Broker, Error, ErrorKind, Message, OffsetReset, OffsetScope, TopicConfig, TopicName,
    TopicPartition,
};

use crate::schedules::check;
use crate::threads::scope;
use crate::world::{TOPIC, World, options};

const GROUPS: [&str; 2] = ["kitchen", "office"];

fn orders() -> TopicPartition {
    TopicPartition::new(TopicName::new(TOPIC).unwrap(), 0)
}

/// Puts a group to the end of the first partition.
fn commit(broker: &Broker, group: &str) -> Result<i64, Error> {
    let only = OffsetScope::Partitions(vec![orders()]);
    let changes = broker.reset_offsets(group, &only, OffsetReset::Latest, false)?;
    Ok(changes[0].after)
}

/// Where a group is.
fn committed(broker: &Broker, group: &str) -> Option<i64> {
    let committed = broker.committed_offsets(group).unwrap();
    committed.iter().find(|(at, _)| *at == orders()).map(|(_, committed)| committed.offset)
}

/// Opens a directory, in which no offset may lie where there is nothing.
fn open_sound(world: &World) -> Broker {
    let broker = world.open(options());
    hold_the_law(&broker);
    let report = broker.recovery_report();
    assert!(report.offsets_clamped.is_empty(), "{report:?}");
    assert_eq!(report.offsets_dropped, 0);
    broker
}

fn hold_the_law(broker: &Broker) {
    let end = broker.partition(TOPIC, 0).map_or(-1, |partition| partition.end_offset());
    for group in GROUPS {
        let offset = committed(broker, group);
        assert!(offset.is_none_or(|offset| offset <= end), "{group}: {offset:?} of {end}");
    }
}

#[test]
fn what_is_seen_of_a_commit_survives() {
    check(seen_survives);
}

/// Two writers, of which each commits what it wrote with `acks=1`, from the first commit of the
/// directory on; somebody looks, and the power is lost.
pub(crate) fn seen_survives() {
    let world = World::new();
    let broker = world.broker();
    let (seen, lost) = scope(|scope| {
        for group in GROUPS {
            let broker = &broker;
            scope.spawn(move || {
                let partition = broker.partition(TOPIC, 0).unwrap();
                for _ in 0..2 {
                    partition.append(&[Message::new("one burger")], Acks::Leader).unwrap();
                    let offset = commit(broker, group).unwrap();
                    assert_eq!(committed(broker, group), Some(offset));
                }
            });
        }
        let plug =
            scope.spawn(|| (GROUPS.map(|group| committed(&broker, group)), world.power_loss()));
        plug.join().unwrap()
    });
    let ends = GROUPS.map(|group| committed(&broker, group));
    let killed = world.kill();
    broker.abandon();
    let broker = open_sound(&killed);
    assert_eq!(GROUPS.map(|group| committed(&broker, group)), ends);
    let broker = open_sound(&lost);
    for (group, seen) in GROUPS.into_iter().zip(seen) {
        assert!(committed(&broker, group) >= seen, "{group} was seen at {seen:?}");
    }
}

#[test]
fn no_commit_slips_behind_a_cut() {
    check(beside_a_cut);
}

/// Somebody writes and commits to the end, somebody cuts the end off.
pub(crate) fn beside_a_cut() {
    let world = World::new();
    let broker = world.broker();
    let partition = broker.partition(TOPIC, 0).unwrap();
    for _ in 0..2 {
        partition.append(&[Message::new("one burger")], Acks::All).unwrap();
    }
    let lost = scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2 {
                partition.append(&[Message::new("one more")], Acks::Leader).unwrap();
                expect(commit(&broker, GROUPS[0]), &[ErrorKind::OffsetOutOfRange]);
            }
        });
        scope.spawn(|| expect(commit(&broker, GROUPS[1]), &[ErrorKind::OffsetOutOfRange]));
        scope.spawn(|| partition.truncate_to(1).unwrap());
        scope.spawn(|| world.power_loss()).join().unwrap()
    });
    hold_the_law(&broker);
    let killed = world.kill();
    broker.abandon();
    open_sound(&killed);
    open_sound(&lost);
}

#[test]
fn no_commit_outlives_its_topic() {
    check(beside_a_deletion);
}

/// Somebody commits, somebody deletes the topic and makes it anew.
pub(crate) fn beside_a_deletion() {
    let world = World::new();
    let broker = world.broker();
    let partition = broker.partition(TOPIC, 0).unwrap();
    partition.append(&[Message::new("one burger")], Acks::All).unwrap();
    let lost = scope(|scope| {
        for group in GROUPS {
            let broker = &broker;
            scope.spawn(move || {
                for _ in 0..2 {
                    expect(commit(broker, group), &GONE);
                }
            });
        }
        scope.spawn(|| {
            broker.delete_topic(TOPIC).unwrap();
            broker.create_topic(TOPIC, TopicConfig::new()).unwrap();
        });
        scope.spawn(|| world.power_loss()).join().unwrap()
    });
    hold_the_law(&broker);
    let killed = world.kill();
    broker.abandon();
    open_sound(&killed);
    open_sound(&lost);
}

#[test]
fn members_that_commit_at_once_share_a_first_commit() {
    check(first_commits);
}

/// Everybody finds no topic of offsets, and makes it.
pub(crate) fn first_commits() {
    let world = World::new();
    let broker = world.broker();
    let one = [("orders", 0)];
    scope(|scope| {
        for group in GROUPS {
            let broker = &broker;
            scope.spawn(move || {
                let mut consumer = broker.consumer().group(group).assign(one).build().unwrap();
                consumer.poll(Duration::ZERO).unwrap();
                consumer.commit().unwrap();
                assert_eq!(committed(broker, group), Some(0));
            });
        }
        scope.spawn(|| GROUPS.map(|group| committed(&broker, group)));
    });
    assert_eq!(GROUPS.map(|group| committed(&broker, group)), [Some(0); 2]);
}

/// Why a commit beside a deletion is refused: the topic is gone, or another one is there already,
/// which does not reach so far.
const GONE: [ErrorKind; 2] = [ErrorKind::UnknownTopicOrPartition, ErrorKind::OffsetOutOfRange];

/// It worked, or was refused for one of the reasons that there may be.
fn expect(outcome: Result<i64, Error>, reasons: &[ErrorKind]) {
    if let Err(error) = outcome {
        assert!(reasons.contains(&error.kind()), "{error:?}");
    }
}
