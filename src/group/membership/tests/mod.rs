//! The members of a group, step by step.

mod histories;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::group::assign::{Assignor, RangeAssignor};
use crate::group::membership::join::{NamedAssignor, NewMember};
use crate::group::membership::rebalance::Installed;
use crate::group::membership::{GroupState, Member, MemberSlot, Membership};
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::topic::{TopicName, TopicPartition};

const SESSION: Duration = Duration::from_secs(45);

fn name(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn topics(counts: &[(&str, i32)]) -> PartitionCounts {
    counts.iter().map(|(topic, count)| (name(topic), *count)).collect()
}

fn orders(numbers: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    numbers.into_iter().map(|number| TopicPartition::new(name("orders"), number)).collect()
}

fn range() -> Vec<Arc<dyn Assignor>> {
    vec![Arc::new(RangeAssignor)]
}

fn new_member(id: &str, assignors: Vec<Arc<dyn Assignor>>) -> NewMember {
    NewMember {
        member_id: id.to_owned(),
        instance_id: None,
        client_id: "test".to_owned(),
        subscription: Subscription::topics(["orders"]).unwrap(),
        assignors: assignors.into_iter().map(NamedAssignor::new).collect(),
        session_timeout: SESSION,
    }
}

fn join(members: &mut Membership, id: &str) -> MemberSlot {
    members.join(new_member(id, range())).unwrap().slot
}

fn static_member(id: &str, instance: &str) -> NewMember {
    NewMember { instance_id: Some(instance.to_owned()), ..new_member(id, range()) }
}

fn look(members: &mut Membership, topics: &PartitionCounts) -> Option<Installed> {
    let planned = members.plan(topics)?.run();
    Some(members.install(planned))
}

/// Lets a member do all that it has to do.
fn reconcile(members: &mut Membership, slot: MemberSlot) {
    let revoked = members.revocations(slot).unwrap().revoked;
    members.release(slot, &revoked);
    members.take(slot);
}

fn owned(members: &Membership, slot: MemberSlot) -> Vec<TopicPartition> {
    members.member(slot).unwrap().owned().iter().cloned().collect()
}

#[test]
fn a_second_member_gets_its_half_when_the_first_lets_go() {
    let (mut members, topics) = (Membership::new(0), topics(&[("orders", 4), ("other", 3)]));
    let first = join(&mut members, "a");
    assert_eq!(members.state(), GroupState::Assigning);
    assert_eq!(look(&mut members, &topics), Some(Installed::Target(vec![first])));
    reconcile(&mut members, first);
    assert_eq!((members.state(), members.generation()), (GroupState::Stable, 1));
    let second = join(&mut members, "b");
    look(&mut members, &topics);
    assert!(members.take(second).is_empty(), "the first has them still");
    assert_eq!(members.revocations(first).unwrap().revoked, orders(2..4));
    assert!(!members.is_pending(second));
    assert_eq!(members.release(first, &orders(2..4)), [second]);
    assert!(members.is_pending(second));
    assert_eq!(members.take(second), orders(2..4));
    assert_eq!(owned(&members, first), orders(0..2));
    assert_eq!((members.state(), members.generation()), (GroupState::Stable, 2));
    members.remove(first);
    look(&mut members, &topics);
    assert_eq!(members.take(second), orders(0..2));
    assert!(members.remove(second).is_empty());
    assert_eq!((members.state(), members.generation()), (GroupState::Empty, 4));
}

#[test]
fn a_static_members_place_is_kept_and_taken_over() {
    let (mut members, topics) = (Membership::new(0), topics(&[("orders", 2)]));
    let old = members.join(static_member("a-1", "a")).unwrap().slot;
    look(&mut members, &topics);
    reconcile(&mut members, old);
    members.go_away(old, Duration::ZERO);
    assert_eq!(look(&mut members, &topics), None, "nothing changed");
    assert_eq!(members.next_expiry(), Some(SESSION));
    let joined = members.join(static_member("a-2", "a")).unwrap();
    assert!(joined.took_over && joined.fenced.is_none());
    assert_eq!((look(&mut members, &topics), members.generation()), (None, 1));
    assert_eq!(members.take(joined.slot), orders(0..2));
    let newer = members.join(static_member("a-3", "a")).unwrap();
    assert_eq!(newer.fenced, Some(joined.slot));
    let refused = members.begin_commit(joined.slot, orders(0..1).iter()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Fenced);
    assert_eq!(members.take(newer.slot), orders(0..2));
    members.go_away(newer.slot, Duration::ZERO);
    assert_eq!(members.expire_away(SESSION - Duration::from_nanos(1)).0, 0);
    assert_eq!(members.expire_away(SESSION).0, 1);
    assert!(members.is_empty());
}

/// A member was put out in the middle of a commit, and its group's offsets were reset: the commit
/// landed behind the reset, which had been acked.
#[test]
fn nobody_writes_from_outside_while_a_commit_of_a_member_that_left_is_under_way() {
    let (mut members, topics) = (Membership::new(0), topics(&[("orders", 1)]));
    let only = join(&mut members, "a");
    look(&mut members, &topics);
    reconcile(&mut members, only);
    members.begin_commit(only, orders([0]).iter()).unwrap();
    members.remove(only);
    assert_eq!(members.hold().unwrap_err().kind(), ErrorKind::GroupNotEmpty);
    members.end_commit(only, orders([0]).iter());
    members.hold().unwrap();
}
