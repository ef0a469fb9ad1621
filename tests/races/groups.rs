//! Consumer groups: members come, go, stall and commit; no partition has two owners, none is left
//! alone, and a commit is there before the next owner begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla::{
    Acks, Broker, Consumer, ConsumerBuilder, ErrorKind, GroupState, Message, RebalanceListener,
    Records, TopicConfig, TopicPartition,
};

use crate::schedules::check;
use crate::threads::{Note, scope, yield_now};
use crate::world::{FOREVER, TOPIC, World, options};

const PARTITIONS: i32 = 3;
const GROUP: &str = "kitchen";

/// Who reads what, as the listeners are told.
#[derive(Clone, Default)]
struct Owners(Arc<Note<BTreeMap<i32, usize>>>);

/// One member's view of it. Commits before it lets go.
struct Watching {
    owners: Owners,
    member: usize,
}

impl RebalanceListener for Watching {
    fn on_partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        if let Err(error) = consumer.commit() {
            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        }
        self.on_partitions_lost(consumer, partitions);
    }

    fn on_partitions_assigned(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        let mut owners = self.owners.0.lock().unwrap();
        for partition in partitions {
            let other = owners.insert(partition.partition, self.member);
            assert_eq!(other, None, "{partition} has two owners");
        }
    }

    fn on_partitions_lost(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        let mut owners = self.owners.0.lock().unwrap();
        for partition in partitions {
            let own = owners.remove(&partition.partition);
            assert_eq!(own, Some(self.member), "{partition} was another's");
        }
    }
}

fn broker(world: &World) -> Broker {
    let broker = world.open(options());
    broker.create_topic(TOPIC, TopicConfig::new().partitions(PARTITIONS)).unwrap();
    broker
}

fn append_to_all(broker: &Broker, text: &str) {
    for partition in 0..PARTITIONS {
        let partition = broker.partition(TOPIC, partition).unwrap();
        partition.append(&[Message::new(text)], Acks::Leader).unwrap();
    }
}

fn member(broker: &Broker, owners: &Owners, member: usize) -> ConsumerBuilder {
    let listener = Watching { owners: owners.clone(), member };
    broker.consumer().group(GROUP).subscribe([TOPIC]).listener(listener)
}

#[test]
fn members_that_wait_are_woken_to_share_the_partitions() {
    check(shared_out);
}

/// Three members wait in endless polls. When each has its partition, each gets a record. One goes,
/// then another: the others are woken to share what it had, and get the next records.
pub(crate) fn shared_out() {
    let world = World::new();
    let broker = broker(&world);
    let owners = Owners::default();
    let served = AtomicUsize::new(0);
    let all_are_served = |count| {
        while served.load(Ordering::Relaxed) < count {
            yield_now();
        }
    };
    scope(|scope| {
        for number in 0..3 {
            let (broker, owners, served) = (&broker, &owners, &served);
            scope.spawn(move || {
                let mut consumer = member(broker, owners, number).build().unwrap();
                for (stage, all) in [("3", 3), ("2", 5), ("1", 6)].iter().take(number + 1) {
                    let is_served = |records: &Records| {
                        records.iter().any(|record| record.value() == Some(stage.as_bytes()))
                    };
                    while !is_served(&consumer.poll(FOREVER).unwrap()) {}
                    served.fetch_add(1, Ordering::Relaxed);
                    all_are_served(*all);
                }
                consumer.close().unwrap();
            });
        }
        for members in [3, 2, 1] {
            while !is_shared_out(&broker, members) {
                yield_now();
            }
            append_to_all(&broker, &members.to_string());
        }
    });
    assert!(owners.0.lock().unwrap().is_empty());
    assert_eq!(broker.describe_group(GROUP).unwrap().state, GroupState::Empty);
}

fn is_shared_out(broker: &Broker, members: usize) -> bool {
    let Ok(group) = broker.describe_group(GROUP) else { return false };
    let read: usize = group.members.iter().map(|member| member.assignment.len()).sum();
    group.state == GroupState::Stable
        && group.members.len() == members
        && read == PARTITIONS as usize
}

#[test]
fn every_record_is_read_once_while_members_come_and_go() {
    check(read_once);
}

/// Three members poll a few times each, and commit before they let go of anything; a fourth reads
/// the rest. No record is missing, none is read twice.
pub(crate) fn read_once() {
    let world = World::new();
    let broker = broker(&world);
    for round in ["one", "two"] {
        append_to_all(&broker, round);
    }
    let owners = Owners::default();
    let seen = Note::new(BTreeSet::new());
    let read = |consumer: &mut Consumer| {
        let records = consumer.poll(Duration::ZERO).unwrap();
        for record in &records {
            let place = (record.partition(), record.offset());
            assert!(seen.lock().unwrap().insert(place), "{place:?} was read twice");
        }
        records.len()
    };
    scope(|scope| {
        for number in 0..3 {
            let (broker, owners, read) = (&broker, &owners, &read);
            scope.spawn(move || {
                let builder = member(broker, owners, number).max_poll_records(1);
                let mut consumer = builder.build().unwrap();
                for _ in 0..3 {
                    read(&mut consumer);
                }
                consumer.close().unwrap();
            });
        }
    });
    let mut last = member(&broker, &owners, 3).build().unwrap();
    while read(&mut last) > 0 {}
    assert_eq!(seen.lock().unwrap().len(), 2 * PARTITIONS as usize);
}

#[test]
fn a_close_wakes_every_member() {
    check(closed_over_members);
}

/// Two members wait, a third comes, while the broker is closed.
pub(crate) fn closed_over_members() {
    let world = World::new();
    let broker = broker(&world);
    append_to_all(&broker, "one burger");
    let owners = Owners::default();
    scope(|scope| {
        for number in 0..3 {
            let (broker, owners) = (&broker, &owners);
            scope.spawn(move || {
                let Ok(mut consumer) = member(broker, owners, number).build() else { return };
                loop {
                    match consumer.poll(FOREVER) {
                        Ok(records) => assert!(!records.is_empty()),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                            return;
                        }
                    }
                }
            });
        }
        broker.close().unwrap();
    });
    let again = world.open(options());
    assert!(again.recovery_report().clean, "{:?}", again.recovery_report());
}

#[test]
fn an_evicted_member_commits_nothing_behind_the_next_owner() {
    check(evicted);
}

/// A member that stalls is put out while it commits; the next owner begins where the commits that
/// were acked end.
pub(crate) fn evicted() {
    let world = World::new();
    let broker = broker(&world);
    append_to_all(&broker, "one burger");
    let committed = Note::new(BTreeMap::new());
    scope(|scope| {
        let mut stuck = broker
            .consumer()
            .group(GROUP)
            .subscribe([TOPIC])
            .max_poll_interval(Duration::from_millis(1))
            .set("ottla.max.poll.interval.evict", "true")
            .build()
            .unwrap();
        while stuck.poll(Duration::ZERO).unwrap().is_empty() {}
        scope.spawn({
            let committed = &committed;
            move || {
                for partition in 0..PARTITIONS {
                    match stuck.commit_offsets([((TOPIC, partition), 1)]) {
                        Ok(()) => drop(committed.lock().unwrap().insert(partition, 1)),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{error}"),
                    }
                }
            }
        });
        scope.spawn(|| {
            let mut next = broker.consumer().group(GROUP).subscribe([TOPIC]).build().unwrap();
            while next.assignment().len() < PARTITIONS as usize {
                broker.tick().unwrap();
                yield_now();
                for record in &next.poll(Duration::ZERO).unwrap() {
                    let acked = committed.lock().unwrap().get(&record.partition()).copied();
                    assert!(record.offset() >= acked.unwrap_or(0), "a committed record came again");
                }
            }
            // Nothing is committed behind its back from now on.
            let before = committed_offsets(&next);
            yield_now();
            assert_eq!(committed_offsets(&next), before);
        });
    });
}

fn committed_offsets(consumer: &Consumer) -> Vec<Option<i64>> {
    let committed = |partition| consumer.committed(TOPIC, partition).unwrap();
    (0..PARTITIONS).map(|partition| committed(partition).map(|at| at.offset)).collect()
}

#[test]
fn commits_without_waiting_are_told_in_order_and_survive() {
    check(commits_without_waiting);
}

/// Two consumers commit without waiting beside writers; the power is lost at some moment.
pub(crate) fn commits_without_waiting() {
    let world = World::new();
    let broker = broker(&world);
    append_to_all(&broker, "one burger");
    append_to_all(&broker, "two burgers");
    let told = Arc::new(Note::new(BTreeMap::new()));
    let (before, lost) = scope(|scope| {
        for number in 0..2 {
            let (broker, told) = (&broker, &told);
            scope.spawn(move || {
                let group = format!("{GROUP}-{number}");
                let builder = broker.consumer().group(group.clone()).subscribe([TOPIC]);
                let mut consumer = builder.max_poll_records(1).build().unwrap();
                consumer.poll(Duration::ZERO).unwrap();
                for offset in [1, 2] {
                    let (told, group) = (Arc::clone(told), group.clone());
                    let note = move |_: &[_], outcome: ottla::Result<()>| {
                        outcome.unwrap();
                        let before = told.lock().unwrap().insert(group, offset);
                        assert!(before.unwrap_or(0) < offset, "told out of order");
                    };
                    consumer.commit_offsets_async([((TOPIC, number), offset)], note).unwrap();
                }
                consumer.poll(Duration::ZERO).unwrap();
                consumer.close().unwrap();
            });
        }
        scope.spawn(|| append_to_all(&broker, "three burgers"));
        scope.spawn(|| broker.tick().unwrap());
        let plug = scope.spawn(|| {
            let before = told.lock().unwrap().clone();
            (before, world.power_loss())
        });
        plug.join().unwrap()
    });
    assert_eq!(told.lock().unwrap().values().copied().collect::<Vec<_>>(), [2, 2]);
    let again = lost.open(options());
    for (group, offset) in before {
        let number: i32 = group[group.len() - 1..].parse().unwrap();
        let consumer = again.consumer().group(&*group).build().unwrap();
        let found = consumer.committed(TOPIC, number).unwrap().map_or(0, |at| at.offset);
        assert!(found >= offset, "the commit of {offset} by {group} was lost: {found}");
    }
}

#[test]
fn a_replaced_static_member_commits_nothing_more() {
    check(replaced);
}

/// A member commits again and again while another one takes its place by its instance id: what
/// the second one commits is the last word.
pub(crate) fn replaced() {
    let world = World::new();
    let broker = broker(&world);
    append_to_all(&broker, "one burger");
    append_to_all(&broker, "two burgers");
    let build = || {
        let builder = broker.consumer().group(GROUP).subscribe([TOPIC]);
        builder.group_instance_id("stove").max_poll_records(1).build().unwrap()
    };
    let mut first = build();
    while first.assignment().len() < PARTITIONS as usize {
        first.poll(Duration::ZERO).unwrap();
    }
    scope(|scope| {
        scope.spawn(move || {
            for partition in 0..PARTITIONS {
                if let Err(error) = first.commit_offsets([((TOPIC, partition), 1)]) {
                    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
                }
            }
            if let Err(error) = first.close() {
                assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
            }
        });
        scope.spawn(|| {
            let mut second = build();
            while second.assignment().len() < PARTITIONS as usize {
                yield_now();
                second.poll(Duration::ZERO).unwrap();
            }
            let all = (0..PARTITIONS).map(|partition| ((TOPIC, partition), 2));
            second.commit_offsets(all).unwrap();
        });
    });
    let consumer = broker.consumer().group(GROUP).build().unwrap();
    assert_eq!(committed_offsets(&consumer), [Some(2); PARTITIONS as usize]);
}
