//! Laws that hold for every group, over random ones. Every member of a random group may own
//! anything that one group's members can own at once: each partition has one owner or none.

use std::collections::{BTreeMap, BTreeSet};

use super::{assignors, check_is_valid, settled, topic};
use crate::env::sim::seed;
use crate::group::assign::{
    Assignor, CooperativeStickyAssignor, MemberSubscription, RangeAssignor, StickyAssignor,
};
use crate::topic::{TopicName, TopicPartition};

const GROUPS: usize = 2_000;

type Topics = BTreeMap<TopicName, i32>;

fn for_random_groups(mut check: impl FnMut(&mut fastrand::Rng, &Topics, &[MemberSubscription])) {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..GROUPS {
        let topics = random_topics(&mut random);
        let members = random_members(&mut random, &topics);
        check(&mut random, &topics, &members);
    }
}

fn random_topics(random: &mut fastrand::Rng) -> Topics {
    let most = if random.u8(..) < 20 { 60 } else { 8 };
    (0..random.usize(..5))
        .map(|number| (topic(&format!("t{number}")), random.i32(0..most)))
        .collect()
}

fn random_members(random: &mut fastrand::Rng, topics: &Topics) -> Vec<MemberSubscription> {
    let names: Vec<TopicName> = topics.keys().cloned().chain([topic("missing")]).collect();
    let equal = random.bool().then(|| some_of(random, &names));
    let mut free: Vec<TopicPartition> = topics
        .iter()
        .flat_map(|(name, &count)| {
            (0..count).map(|number| TopicPartition::new(name.clone(), number))
        })
        .collect();
    random.shuffle(&mut free);
    let mut numbers: Vec<u32> = (0..random.u32(0..12)).collect();
    random.shuffle(&mut numbers);
    let members = numbers.into_iter().map(|number| {
        let subscribed = equal.clone().unwrap_or_else(|| some_of(random, &names));
        let mut member = MemberSubscription::new(format!("member-{number}"), subscribed);
        if random.u8(..) < 60 {
            member = member.instance_id(format!("instance-{}", random.u8(..5)));
        }
        let owned = free.split_off(free.len() - random.usize(..=free.len().min(9)));
        member.owned(owned, random.i32(-1..5))
    });
    members.collect()
}

fn some_of(random: &mut fastrand::Rng, names: &[TopicName]) -> Vec<TopicName> {
    let mut some: Vec<TopicName> = names.iter().filter(|_| random.u8(..) < 170).cloned().collect();
    random.shuffle(&mut some);
    some
}

fn has_equal_subscriptions(members: &[MemberSubscription]) -> bool {
    let sets: BTreeSet<BTreeSet<&TopicName>> =
        members.iter().map(|member| member.topics.iter().collect()).collect();
    sets.len() <= 1
}

fn sizes(assignment: &[Vec<TopicPartition>]) -> Vec<usize> {
    assignment.iter().map(Vec::len).collect()
}

fn kept(members: &[MemberSubscription], assignment: &[Vec<TopicPartition>]) -> usize {
    let owners = members.iter().zip(assignment);
    owners.map(|(member, list)| list.iter().filter(|p| member.owned.contains(p)).count()).sum()
}

#[test]
fn every_partition_has_one_owner_who_subscribed() {
    for_random_groups(|_, topics, members| {
        for assignor in assignors() {
            let assignment = assignor.assign(topics, members);
            let withholds = assignor.name() == "cooperative-sticky";
            check_is_valid(topics, members, &assignment, withholds);
            assert_eq!(assignor.assign(topics, members), assignment, "decides alike");
        }
    });
}

#[test]
fn the_order_in_which_members_are_named_does_not_matter() {
    for_random_groups(|random, topics, members| {
        // Two static members of one name are told apart by nothing else.
        let by_id = |members: &[MemberSubscription], lists: Vec<Vec<TopicPartition>>| {
            let ids = members.iter().map(|member| member.member_id.clone());
            ids.zip(lists).collect::<BTreeMap<_, _>>()
        };
        let unique: Vec<MemberSubscription> = members
            .iter()
            .cloned()
            .map(|member| MemberSubscription { instance_id: None, ..member })
            .collect();
        let mut shuffled = unique.clone();
        random.shuffle(&mut shuffled);
        for assignor in assignors() {
            assert_eq!(
                by_id(&unique, assignor.assign(topics, &unique)),
                by_id(&shuffled, assignor.assign(topics, &shuffled)),
            );
        }
    });
}

#[test]
fn equal_subscriptions_are_balanced_to_one() {
    for_random_groups(|_, topics, members| {
        if !has_equal_subscriptions(members) {
            return;
        }
        for assignor in assignors() {
            let sizes = sizes(&assignor.assign(topics, members));
            let (least, most) =
                (sizes.iter().min().unwrap_or(&0), sizes.iter().max().unwrap_or(&0));
            match assignor.name() {
                "range" => assert!(most - least <= topics.len(), "{sizes:?}"),
                // What it withholds, it withholds from those who have too few.
                "cooperative-sticky" => {
                    let total: usize = StickyAssignor.assign(topics, members).concat().len();
                    assert!(*most <= total.div_ceil(members.len().max(1)), "{sizes:?}");
                }
                _ => assert!(most - least <= 1, "{sizes:?}"),
            }
        }
    });
}

#[test]
fn no_single_move_would_balance_sticky_better() {
    for_random_groups(|_, topics, members| {
        let assignment = StickyAssignor.assign(topics, members);
        let sizes = sizes(&assignment);
        for (list, size) in assignment.iter().zip(&sizes) {
            for partition in list {
                for (other, other_size) in members.iter().zip(&sizes) {
                    let could = other.topics.contains(&partition.topic);
                    assert!(!could || *size <= other_size + 1, "{partition} could move: {sizes:?}");
                }
            }
        }
    });
}

#[test]
fn a_second_round_changes_nothing() {
    for_random_groups(|_, topics, members| {
        let assignment = StickyAssignor.assign(topics, members);
        let settled = settled(members, &assignment, 5);
        assert_eq!(StickyAssignor.assign(topics, &settled), assignment);
        assert_eq!(CooperativeStickyAssignor.assign(topics, &settled), assignment);
    });
}

#[test]
fn sticky_moves_no_more_than_equal_shares_need() {
    for_random_groups(|_, topics, members| {
        if !has_equal_subscriptions(members) || members.is_empty() {
            return;
        }
        let assignment = StickyAssignor.assign(topics, members);
        let total = assignment.concat().len();
        let (share, mut above) = (total / members.len(), total % members.len());
        // The most that can stay where it is: a share for everybody, and the places above it for
        // those who own more.
        let mut most = 0;
        for member in members {
            let of_topic = |p: &&TopicPartition| member.topics.contains(&p.topic);
            let owned = member.owned.iter().filter(of_topic).count();
            let extra = usize::from(owned > share && above > 0);
            above -= extra;
            most += owned.min(share + extra);
        }
        assert_eq!(kept(members, &assignment), most);
    });
}

#[test]
fn a_member_that_leaves_moves_only_its_own_partitions() {
    for_random_groups(|random, topics, members| {
        if !has_equal_subscriptions(members) || members.is_empty() {
            return;
        }
        let before = StickyAssignor.assign(topics, members);
        let mut staying = settled(members, &before, 5);
        staying.remove(random.usize(..staying.len()));
        let after = StickyAssignor.assign(topics, &staying);
        for (member, list) in staying.iter().zip(&after) {
            assert!(member.owned.iter().all(|partition| list.contains(partition)));
        }
    });
}

#[test]
fn a_member_that_joins_takes_only_what_it_gets() {
    for_random_groups(|_, topics, members| {
        if !has_equal_subscriptions(members) || members.is_empty() {
            return;
        }
        let before = StickyAssignor.assign(topics, members);
        let mut joined = settled(members, &before, 5);
        joined.push(MemberSubscription::new("newcomer", members[0].topics.clone()));
        let after = StickyAssignor.assign(topics, &joined);
        let moved = before.concat().len() - kept(&joined, &after);
        assert_eq!(moved, after[members.len()].len());
    });
}

#[test]
fn cooperative_sticky_arrives_where_sticky_does_without_a_partition_in_two_hands() {
    for_random_groups(|_, topics, members| {
        let first = CooperativeStickyAssignor.assign(topics, members);
        for (index, list) in first.iter().enumerate() {
            for partition in list {
                let others = members.iter().enumerate().filter(|&(other, _)| other != index);
                let elsewhere = others.filter(|(_, member)| member.owned.contains(partition));
                assert_eq!(elsewhere.count(), 0, "{partition} is still owned");
            }
        }
        // With equal subscriptions the second round ends it; else what is given out late may shift
        // the balance again, but not for long.
        let mut rounds_left = if has_equal_subscriptions(members) { 1 } else { 10 };
        let mut assignment = first;
        loop {
            let settled = settled(members, &assignment, 5);
            let next = CooperativeStickyAssignor.assign(topics, &settled);
            if next == assignment {
                break;
            }
            assert!(rounds_left > 0, "still moving");
            rounds_left -= 1;
            assignment = next;
        }
        check_is_valid(topics, members, &assignment, false);
    });
}

#[test]
fn range_keeps_topics_of_one_kind_together() {
    for_random_groups(|_, topics, members| {
        let assignment = RangeAssignor.assign(topics, members);
        let who_subscribed = |name: &TopicName| -> Vec<bool> {
            members.iter().map(|member| member.topics.contains(name)).collect()
        };
        for (left, left_count) in topics {
            for (right, right_count) in topics {
                if left_count != right_count || who_subscribed(left) != who_subscribed(right) {
                    continue;
                }
                for list in &assignment {
                    let numbers = |name: &TopicName| {
                        let of_topic = list.iter().filter(move |p| p.topic == *name);
                        of_topic.map(|p| p.partition).collect::<Vec<i32>>()
                    };
                    assert_eq!(numbers(left), numbers(right));
                }
            }
        }
    });
}
