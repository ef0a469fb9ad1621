//! What Kafka's own assignors decided, member for member. `assignors.json` holds groups of many
//! kinds; `assignors_random.json` random ones: different subscriptions, static members, members
//! that own too much or what they do not subscribe to, members of an older generation.
//!
//! Who keeps one partition more than others depends in Kafka on the order of a hash map; the ids
//! in the random vectors are such that it is their own order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{member, partition, topic};
use crate::group::assign::{MemberSubscription, by_name};
use crate::topic::TopicPartition;

#[derive(Deserialize)]
struct Vector {
    assignor: String,
    scenario: String,
    partitions: BTreeMap<String, i32>,
    subscriptions: BTreeMap<String, Vec<String>>,
    /// The `group.instance.id` of static members.
    #[serde(default)]
    instances: BTreeMap<String, String>,
    owned: Option<BTreeMap<String, Vec<String>>>,
    generation: i32,
    /// Members that own something of another generation.
    #[serde(default)]
    generations: BTreeMap<String, i32>,
    result: BTreeMap<String, Vec<String>>,
}

impl Vector {
    fn members(&self) -> Vec<MemberSubscription> {
        let owned = self.owned.clone().unwrap_or_default();
        self.subscriptions
            .iter()
            .map(|(id, subscribed)| {
                let names: Vec<&str> = subscribed.iter().map(String::as_str).collect();
                let owned = owned.get(id).into_iter().flatten().map(|text| partition(text));
                let generation = self.generations.get(id).copied().unwrap_or(self.generation);
                let member = member(id, &names).owned(owned.collect(), generation);
                MemberSubscription { instance_id: self.instances.get(id).cloned(), ..member }
            })
            .collect()
    }

    fn check(&self) {
        let topics = self.partitions.iter().map(|(name, &count)| (topic(name), count)).collect();
        let assignor = by_name(&self.assignor).expect("a known assignor");
        let assignment = assignor.assign(&topics, &self.members());
        for ((id, expected), list) in self.result.iter().zip(&assignment) {
            let expected: BTreeSet<TopicPartition> =
                expected.iter().map(|text| partition(text)).collect();
            let found: BTreeSet<TopicPartition> = list.iter().cloned().collect();
            assert_eq!(found, expected, "{id} in {} {}", self.assignor, self.scenario);
        }
    }
}

fn check_all(text: &str, expected_count: usize) {
    let vectors: Vec<Vector> = serde_json::from_str(text).expect("the vectors are JSON");
    assert_eq!(vectors.len(), expected_count);
    for vector in &vectors {
        assert!(vector.subscriptions.keys().eq(vector.result.keys()), "{}", vector.scenario);
        vector.check();
    }
}

#[test]
fn every_vector_comes_out_as_in_kafka() {
    check_all(include_str!("../../../../tests/vectors/assignors.json"), 58);
}

#[test]
fn every_random_vector_comes_out_as_in_kafka() {
    check_all(include_str!("../../../../tests/vectors/assignors_random.json"), 160);
}
