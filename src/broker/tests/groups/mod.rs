//! Groups around a broker in memory: what members are told, by whom they are woken, what is
//! committed, what a tick and a close do. The members here are bare: no consumer around them.

mod hammer;
mod time;

use std::sync::Arc;
use std::time::Duration;

use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::tests::{memory, options};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::clock::SimClock;
use crate::env::memory::MemoryVfs;
use crate::env::random::SeededRandom;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::{Assignor, CooperativeStickyAssignor, MemberSubscription};
use crate::group::assign::{RangeAssignor, StickyAssignor};
use crate::group::coordinator::Join;
use crate::group::coordinator::presence::Standing;
use crate::group::member::GroupMember;
use crate::group::membership::GroupState;
use crate::group::offset::OffsetAndMetadata;
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::partition::waiters::Wake;
use crate::topic::{TopicName, TopicPartition};

/// What a member asks for, unless a test wants something else.
fn wants(group: &str, topic: &str) -> Join {
    Join {
        group: group.to_owned(),
        instance_id: None,
        client_id: "cook".to_owned(),
        subscription: Subscription::topics([topic]).unwrap(),
        assignors: vec![Arc::new(RangeAssignor)],
        max_poll_interval: Duration::from_secs(300),
        evict: false,
        session_timeout: Duration::from_secs(45),
        wake: Wake::new(),
        on_stall: None,
    }
}

fn static_one(instance_id: &str) -> Join {
    Join { instance_id: Some(instance_id.to_owned()), ..wants("kitchen", "orders") }
}

fn join(broker: &Broker, join: Join) -> GroupMember {
    broker.engine.groups.join(broker.engine.clone(), join).unwrap()
}

/// One poll without records: everything that there is to reconcile.
fn poll(member: &GroupMember, now: Duration) -> Result<Vec<TopicPartition>> {
    let mut taken = Vec::new();
    if member.begin_poll() {
        while member.is_pending() {
            let revocations = member.revocations()?;
            member.release(&revocations.revoked);
            taken.extend(member.take()?);
        }
    }
    member.end_poll(now);
    Ok(taken)
}

fn orders(numbers: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    let name = TopicName::new("orders").unwrap();
    numbers.into_iter().map(|number| TopicPartition::new(name.clone(), number)).collect()
}

fn at(partition: i32, offset: i64) -> (TopicPartition, OffsetAndMetadata) {
    (orders([partition]).remove(0), OffsetAndMetadata::new(offset))
}

fn broker_with_orders(env: Env, partitions: i32) -> Broker {
    let broker = options().open_in(env).unwrap();
    broker.create_topic("orders", TopicConfig::new().partitions(partitions)).unwrap();
    broker
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}

const NOW: Duration = Duration::ZERO;

#[test]
fn members_share_partitions_and_a_leaving_ones_go_to_the_others() {
    let broker = broker_with_orders(memory(), 4);
    let first = join(&broker, wants("kitchen", "orders"));
    assert_eq!(poll(&first, NOW).unwrap(), orders(0..4));
    let second = join(&broker, wants("kitchen", "orders"));
    let stranger = join(&broker, wants("bar", "orders"));
    assert_eq!(poll(&stranger, NOW).unwrap(), orders(0..4), "groups are independent");
    assert_eq!(poll(&second, NOW).unwrap(), []);
    assert_eq!(poll(&first, NOW).unwrap(), []);
    assert_eq!(first.owned().len(), 2);
    assert_eq!(poll(&second, NOW).unwrap().len(), 2);
    assert_eq!((first.generation(), second.generation()), (2, 2));
    first.leave();
    assert_eq!(poll(&second, NOW).unwrap().len(), 2);
    drop(second);
    assert_eq!(kind(broker.describe_group("kitchen")), ErrorKind::UnknownGroup);
}

#[test]
fn a_member_commits_what_it_owns_and_nothing_else() {
    let env = memory();
    let broker = broker_with_orders(env.clone(), 2);
    let member = join(&broker, wants("kitchen", "orders"));
    assert_eq!(kind(member.commit(&[at(0, 0)])), ErrorKind::InvalidInput);
    poll(&member, NOW).unwrap();
    member.commit(&[at(0, 0), at(1, 0)]).unwrap();
    let (told, outcome) = std::sync::mpsc::channel();
    let on_done = Box::new(move |outcome| told.send(outcome).unwrap());
    member.commit_async(&[at(1, 0)], on_done);
    broker.tick().unwrap();
    outcome.recv().unwrap().unwrap();
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), [at(0, 0), at(1, 0)]);
    assert_eq!(kind(member.commit(&[at(0, 9)])), ErrorKind::OffsetOutOfRange);
    let groups = &broker.engine.groups;
    let standalone = groups.commit_standalone(&**broker.engine, "kitchen", &[at(0, 0)]);
    assert_eq!(kind(standalone), ErrorKind::GroupNotEmpty);
    drop(member);
    groups.commit_standalone(&**broker.engine, "kitchen", &[at(0, 0)]).unwrap();
    let generation = broker.describe_group("kitchen").unwrap().generation;
    assert_eq!(generation, 2, "one with a member, one without");
    broker.close().unwrap();

    let broker = options().open_in(env).unwrap();
    let member = join(&broker, wants("kitchen", "orders"));
    poll(&member, NOW).unwrap();
    assert_eq!(member.generation(), generation + 1, "it only grows");
    assert_eq!(broker.committed_offsets("kitchen").unwrap(), [at(0, 0), at(1, 0)]);
}

#[test]
fn a_deleted_topic_is_lost_and_a_new_one_is_found() {
    let broker = broker_with_orders(memory(), 2);
    let pattern = Subscription::pattern("orders.*").unwrap();
    let member = join(&broker, Join { subscription: pattern, ..wants("kitchen", "orders") });
    let early = join(&broker, wants("early", "payments"));
    poll(&member, NOW).unwrap();
    assert_eq!(poll(&early, NOW).unwrap(), [], "its topic may come later");
    broker.create_topic("other", TopicConfig::new()).unwrap();
    assert!(!member.begin_poll(), "that is nothing to it");
    broker.create_topic("orders-eu", TopicConfig::new()).unwrap();
    assert_eq!(poll(&member, NOW).unwrap().len(), 1);
    broker.add_partitions("orders", 3).unwrap();
    assert_eq!(poll(&member, NOW).unwrap(), orders(2..3));
    broker.create_topic("payments", TopicConfig::new()).unwrap();
    assert_eq!(poll(&early, NOW).unwrap().len(), 1);
    broker.delete_topic("orders").unwrap();
    assert!(member.begin_poll());
    let revocations = member.revocations().unwrap();
    assert_eq!((revocations.lost, revocations.revoked), (orders(0..3), orders([])));
    assert_eq!(kind(member.commit(&[at(0, 0)])), ErrorKind::InvalidInput);
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    assert_eq!(poll(&member, NOW).unwrap(), orders(0..1));
}

/// Answers as it is told to.
struct Moody(AtomicBool);

impl Assignor for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn assign(
        &self,
        topics: &PartitionCounts,
        members: &[MemberSubscription],
    ) -> Vec<Vec<TopicPartition>> {
        if self.0.load(Ordering::SeqCst) {
            return Vec::new();
        }
        RangeAssignor.assign(topics, members)
    }
}

#[test]
fn nonsense_of_an_assignor_is_told_once_to_each_and_changes_nothing() {
    let broker = broker_with_orders(memory(), 2);
    let moody = Arc::new(Moody(false.into()));
    let with_moody = || {
        let assignors: Vec<Arc<dyn Assignor>> = vec![Arc::clone(&moody) as _];
        Join { assignors, ..wants("kitchen", "orders") }
    };
    let first = join(&broker, with_moody());
    poll(&first, NOW).unwrap();
    moody.0.store(true, Ordering::SeqCst);
    let second = join(&broker, with_moody());
    for member in [&first, &second] {
        let error: Error = poll(member, NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("moody"), "{error}");
        assert_eq!(poll(member, NOW).unwrap(), []);
    }
    assert_eq!(first.owned(), orders(0..2));
    first.commit(&[at(0, 0)]).unwrap();
    let odd = Join { assignors: vec![Arc::new(StickyAssignor)], ..wants("kitchen", "orders") };
    let refused = broker.engine.groups.join(broker.engine.clone(), odd);
    assert!(refused.is_err_and(|error| error.to_string().contains("moody")));
    moody.0.store(false, Ordering::SeqCst);
    second.leave();
    let third = join(&broker, with_moody());
    poll(&first, NOW).unwrap();
    assert_eq!(poll(&third, NOW).unwrap().len(), 1);
}

#[test]
fn the_two_rounds_of_cooperative_sticky_come_to_rest_without_another_change() {
    let broker = broker_with_orders(memory(), 6);
    let cooperative = || {
        let assignors: Vec<Arc<dyn Assignor>> = vec![Arc::new(CooperativeStickyAssignor)];
        Join { assignors, ..wants("kitchen", "orders") }
    };
    let first = join(&broker, cooperative());
    poll(&first, NOW).unwrap();
    let second = join(&broker, cooperative());
    assert_eq!(poll(&second, NOW).unwrap(), []);
    // Lets go, and decides the second round itself.
    poll(&first, NOW).unwrap();
    assert_eq!(first.generation(), 3);
    assert_eq!(poll(&second, NOW).unwrap().len(), 3);
    let described = broker.describe_group("kitchen").unwrap();
    assert_eq!(described.state, GroupState::Stable);
    assert_eq!(described.assignor.as_deref(), Some("cooperative-sticky"));
}

#[test]
fn a_stale_target_calls_one_of_those_who_wait_and_a_join_nobody() {
    let broker = broker_with_orders(memory(), 2);
    let wakes = [Wake::new(), Wake::new()];
    let waiting = |wake: &Arc<Wake>| {
        let wants = Join { wake: Arc::clone(wake), ..wants("kitchen", "orders") };
        join(&broker, wants)
    };
    let members = wakes.each_ref().map(waiting);
    let woken = || wakes.each_ref().map(|wake| wake.wait(NOW));
    for member in members.iter().chain(&members) {
        poll(member, NOW).unwrap();
    }
    woken();
    assert!(members.iter().all(GroupMember::begin_wait));
    let third = join(&broker, wants("kitchen", "orders"));
    assert_eq!(woken(), [false, false], "it decides at its own first poll");
    poll(&third, NOW).unwrap();
    third.leave();
    woken();
    for member in &members {
        member.end_wait();
        poll(member, NOW).unwrap();
    }
    woken();
    assert!(members.iter().all(GroupMember::begin_wait));
    broker.add_partitions("orders", 4).unwrap();
    assert_eq!(woken(), [true, false], "one is enough to decide");
    // Its time was over just then, and it returns without a look.
    members[0].end_wait();
    members[0].end_poll(NOW);
    assert_eq!(woken(), [false, true]);
}

#[test]
fn a_newer_member_of_an_instance_id_replaces_the_older_for_ever() {
    let broker = broker_with_orders(memory(), 2);
    let old = join(&broker, static_one("left-hand"));
    poll(&old, NOW).unwrap();
    let new = join(&broker, static_one("left-hand"));
    assert_eq!(old.standing(), Standing::Replaced);
    assert!(old.begin_poll());
    let error = old.revocations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert!(error.to_string().contains("left-hand"), "{error}");
    assert_eq!(kind(old.commit(&[at(0, 0)])), ErrorKind::Fenced);
    assert_eq!(kind(old.take()), ErrorKind::Fenced);
    old.release(&orders(0..2));
    drop(old);
    assert_eq!(poll(&new, NOW).unwrap(), orders(0..2));
    assert_eq!(new.generation(), 1, "without a rebalance");
    assert!(new.member_id().starts_with("left-hand-"));
    assert_eq!(new.member_id().len(), "left-hand-".len() + 36);
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let broker = broker_with_orders(memory(), 2);
    let messages = [Message::new("one burger")];
    broker.partition("orders", 1).unwrap().append(&messages, Acks::All).unwrap();
    let member = join(&broker, wants("kitchen", "orders"));
    let state = |broker: &Broker| broker.describe_group("kitchen").unwrap().state;
    assert_eq!(state(&broker), GroupState::Assigning);
    poll(&member, NOW).unwrap();
    member.commit(&[at(1, 0)]).unwrap();
    broker.engine.groups.commit_standalone(&**broker.engine, "audit", &[at(1, 1)]).unwrap();
    let listed = broker.list_groups().unwrap();
    let listed: Vec<_> =
        listed.iter().map(|g| (g.name.as_str(), g.state, g.member_count)).collect();
    assert_eq!(listed, [("audit", GroupState::Empty, 0), ("kitchen", GroupState::Stable, 1)]);
    let kitchen = broker.describe_group("kitchen").unwrap();
    assert_eq!(kitchen.members[0].assignment, orders(0..2));
    assert_eq!(kitchen.counters.rebalances, 1);
    let [untouched, touched] = &kitchen.partitions[..] else { panic!("two partitions") };
    assert_eq!((untouched.lag, touched.lag), (None, Some(1)));
    assert_eq!((touched.log_start_offset, touched.end_offset), (Some(0), Some(1)));
    assert_eq!(touched.member_id.as_deref(), Some(member.member_id()));
    assert_eq!(kind(broker.delete_group("kitchen")), ErrorKind::GroupNotEmpty);
    drop(member);
    assert_eq!(state(&broker), GroupState::Empty);
    assert_eq!(broker.describe_groups().unwrap().len(), 2);
    broker.delete_group("kitchen").unwrap();
    assert_eq!(kind(broker.delete_group("kitchen")), ErrorKind::UnknownGroup);
    assert_eq!(kind(broker.describe_group("kitchen")), ErrorKind::UnknownGroup);
}

#[test]
fn a_closed_broker_says_so_to_every_member() {
    let broker = broker_with_orders(memory(), 2);
    let member = join(&broker, wants("kitchen", "orders"));
    poll(&member, NOW).unwrap();
    assert!(member.begin_wait());
    broker.close().unwrap();
    assert!(member.is_pending());
    assert_eq!(kind(member.revocations()), ErrorKind::Closed);
    assert!(member.is_pending(), "it stays told");
    assert_eq!(kind(member.take()), ErrorKind::Closed);
    assert_eq!(kind(member.commit(&[at(0, 0)])), ErrorKind::Closed);
    let refused = broker.engine.groups.join(broker.engine.clone(), wants("kitchen", "orders"));
    assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Closed));
    member.release(&orders(0..1));
    drop(member);
}

#[test]
fn a_read_only_broker_shows_committed_offsets() {
    let env = memory();
    let broker = broker_with_orders(env.clone(), 1);
    broker.engine.groups.commit_standalone(&**broker.engine, "audit", &[at(0, 0)]).unwrap();
    broker.close().unwrap();
    let broker = options().read_only(true).open_in(env).unwrap();
    assert_eq!(broker.list_groups().unwrap()[0].name, "audit");
    assert_eq!(broker.describe_group("audit").unwrap().partitions[0].lag, Some(0));
    assert_eq!(kind(broker.delete_group("audit")), ErrorKind::ReadOnly);
    let member = join(&broker, wants("audit", "orders"));
    assert_eq!(poll(&member, NOW).unwrap(), orders(0..1), "reading is fine");
    assert_eq!(kind(member.commit(&[at(0, 0)])), ErrorKind::ReadOnly);
}

#[test]
fn under_a_seed_member_ids_are_the_same_every_time() {
    let id = || {
        let env = Env {
            vfs: Arc::new(MemoryVfs::default()),
            clock: Arc::new(SimClock::default()),
            random: Arc::new(SeededRandom::new(7)),
        };
        let broker = broker_with_orders(env, 1);
        join(&broker, wants("kitchen", "orders")).member_id().to_owned()
    };
    let first = id();
    assert_eq!(first, id());
    assert_eq!(&first[.."cook-".len()], "cook-");
    assert_eq!(&first["cook-".len() + 14..][..1], "4", "{first}: version 4 of a UUID");
}
