//! The four assignors: Kafka's own results for given groups (`vectors`), laws over random groups
//! (`laws`), and what is no group at all (`hostile`).

mod hostile;
mod laws;
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::group::assign::{Assignor, MemberSubscription, by_name};
use crate::topic::{TopicName, TopicPartition};

const NAMES: [&str; 4] = ["range", "roundrobin", "sticky", "cooperative-sticky"];

fn assignors() -> Vec<Arc<dyn Assignor>> {
    NAMES.iter().map(|name| by_name(name).expect("a known assignor")).collect()
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a legal name")
}

fn topics(counts: &[(&str, i32)]) -> BTreeMap<TopicName, i32> {
    counts.iter().map(|&(name, count)| (topic(name), count)).collect()
}

/// A partition as it is printed: `orders-2`.
fn partition(text: &str) -> TopicPartition {
    let (name, number) = text.rsplit_once('-').expect("topic-number");
    TopicPartition::new(topic(name), number.parse().expect("a number"))
}

fn member(id: &str, subscribed: &[&str]) -> MemberSubscription {
    MemberSubscription::new(id, subscribed.iter().map(|name| topic(name)).collect())
}

/// What must hold whoever decides: each partition of a subscribed topic has one owner, who
/// subscribed to the topic. With `may_withhold` a partition may have none.
fn check_is_valid(
    topics: &BTreeMap<TopicName, i32>,
    members: &[MemberSubscription],
    assignment: &[Vec<TopicPartition>],
    may_withhold: bool,
) {
    assert_eq!(assignment.len(), members.len());
    let mut given = BTreeSet::new();
    for (member, list) in members.iter().zip(assignment) {
        for partition in list {
            let count = topics.get(&partition.topic).copied().unwrap_or(0);
            assert!((0..count).contains(&partition.partition), "{partition} does not exist");
            assert!(member.topics.contains(&partition.topic), "{partition} is not subscribed");
            assert!(given.insert(partition.clone()), "{partition} was given twice");
        }
    }
    if may_withhold {
        return;
    }
    for (name, &count) in topics {
        if members.iter().any(|member| member.topics.contains(name)) {
            for number in 0..count {
                let partition = TopicPartition::new(name.clone(), number);
                assert!(given.contains(&partition), "{partition} was forgotten");
            }
        }
    }
}

/// The same members, who now own what was assigned to them.
fn settled(
    members: &[MemberSubscription],
    assignment: &[Vec<TopicPartition>],
    generation: i32,
) -> Vec<MemberSubscription> {
    let owners = members.iter().cloned().zip(assignment);
    owners.map(|(member, list)| member.owned(list.clone(), generation)).collect()
}
