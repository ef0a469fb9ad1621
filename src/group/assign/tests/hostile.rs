//! Groups that no coordinator would show to an assignor, but a program might.

use super::{assignors, check_is_valid, member, partition, topics};
use crate::group::assign::{Assignor, MemberSubscription, StickyAssignor, by_name};

#[test]
fn a_group_of_nobody_gets_nothing() {
    for assignor in assignors() {
        assert!(assignor.assign(&topics(&[("t", 3)]), &[]).is_empty());
        assert!(assignor.assign(&topics(&[]), &[]).is_empty());
    }
}

#[test]
fn topics_without_partitions_are_passed_over() {
    let members = [member("a", &["t", "minus", "missing"]), member("b", &[])];
    for assignor in assignors() {
        for counts in [&[("t", 0), ("minus", -3)][..], &[]] {
            assert_eq!(assignor.assign(&topics(counts), &members), [[], []]);
        }
    }
}

#[test]
fn a_topic_that_is_named_twice_counts_once() {
    let members = [member("a", &["t", "u", "t"]), member("b", &["u", "t"])];
    let topics = topics(&[("t", 3), ("u", 2)]);
    for assignor in assignors() {
        let assignment = assignor.assign(&topics, &members);
        check_is_valid(&topics, &members, &assignment, false);
        assert_ne!(assignment[0].len(), 5);
    }
}

#[test]
fn members_of_one_name_are_members_each() {
    let members = [member("a", &["t"]).instance_id("one"), member("a", &["t"]).instance_id("one")];
    let topics = topics(&[("t", 4)]);
    for assignor in assignors() {
        let assignment = assignor.assign(&topics, &members);
        check_is_valid(&topics, &members, &assignment, false);
        assert_eq!([assignment[0].len(), assignment[1].len()], [2, 2]);
    }
}

#[test]
fn claims_of_what_is_not_there_count_for_nothing() {
    let claims = ["t-7", "u-0", "t-0", "t-0", "missing-1"].map(partition);
    let mut negative = partition("t-1");
    negative.partition = i32::MIN;
    let claims: Vec<_> = claims.into_iter().chain([negative]).collect();
    for other in [member("b", &["t"]), member("b", &["t", "u"])] {
        let members = [member("a", &["t"]).owned(claims.clone(), 4), other];
        let topics = topics(&[("t", 2), ("u", 1)]);
        for assignor in assignors() {
            // u-0 is claimed by somebody who did not subscribe to it.
            let withholds = assignor.name() == "cooperative-sticky";
            check_is_valid(&topics, &members, &assignor.assign(&topics, &members), withholds);
        }
        assert!(StickyAssignor.assign(&topics, &members)[0].contains(&partition("t-0")));
    }
}

fn claimants(generations: [i32; 2]) -> [MemberSubscription; 3] {
    let claims = vec![partition("t-0"), partition("t-1")];
    [
        member("a", &["t"]),
        member("b", &["t"]).owned(claims.clone(), generations[0]),
        member("c", &["t"]).owned(claims, generations[1]),
    ]
}

#[test]
fn of_two_claims_the_later_generation_is_right() {
    let topics = topics(&[("t", 6)]);
    for (generations, right) in [([5, 6], 2), ([6, 5], 1)] {
        let assignment = StickyAssignor.assign(&topics, &claimants(generations));
        assert_eq!(assignment[right], [partition("t-0"), partition("t-1")]);
    }
}

#[test]
fn of_two_claims_of_one_generation_neither_is_right() {
    let topics = topics(&[("t", 6)]);
    let members = claimants([6, 6]);
    let assignment = StickyAssignor.assign(&topics, &members);
    assert_eq!(assignment[0], [partition("t-0"), partition("t-3")]);
    // Until both have let go nobody gets them.
    let cooperative = by_name("cooperative-sticky").expect("a known assignor");
    let assignment = cooperative.assign(&topics, &members);
    assert_eq!(assignment[0], [partition("t-3")]);
    assert!(!assignment.concat().contains(&partition("t-1")));
}

#[test]
fn assignors_are_known_by_kafkas_names() {
    for (name, class) in [
        ("range", "RangeAssignor"),
        ("roundrobin", "RoundRobinAssignor"),
        ("sticky", "StickyAssignor"),
        ("cooperative-sticky", "CooperativeStickyAssignor"),
    ] {
        let class = format!("org.apache.kafka.clients.consumer.{class}");
        for known in [name, &class] {
            assert_eq!(by_name(known).expect("a known assignor").name(), name);
        }
    }
    assert!(by_name("uniform").is_none());
}
