//! How long a rebalance thinks: every assignor over groups of a hundred members, with equal and
//! with different subscriptions, from nothing and after a change. `cargo bench --bench assign`.

#![allow(unreachable_pub, missing_docs, reason = "a benchmark exports nothing")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ottla::{
    Assignor, CooperativeStickyAssignor, MemberSubscription, RangeAssignor, RoundRobinAssignor,
    StickyAssignor, TopicName, TopicPartition,
};

const MEMBERS: usize = 100;

type Topics = BTreeMap<TopicName, i32>;

/// A group before and after its assignor was asked.
struct Group {
    topics: Topics,
    members: Vec<MemberSubscription>,
}

impl Group {
    /// Member `m` subscribes to topic `t` where `subscribes(m, t)` says so.
    fn new(
        topic_count: usize,
        partitions: i32,
        subscribes: impl Fn(usize, usize) -> bool,
    ) -> Group {
        let names: Vec<TopicName> = (0..topic_count)
            .map(|number| TopicName::new(&format!("topic-{number:05}")).expect("a legal name"))
            .collect();
        let members = (0..MEMBERS).map(|member| {
            let topics = (0..topic_count).filter(|&topic| subscribes(member, topic));
            let id = format!("consumer-{member:03}");
            MemberSubscription::new(id, topics.map(|topic| names[topic].clone()).collect())
        });
        let members = members.collect();
        Group { topics: names.into_iter().map(|name| (name, partitions)).collect(), members }
    }

    /// The group after the first members got everything, as if the others had just joined.
    fn with_owners(mut self, owner_count: usize) -> Group {
        let owned = StickyAssignor.assign(&self.topics, &self.members[..owner_count]);
        for (member, list) in self.members.iter_mut().zip(owned) {
            *member = member.clone().owned(list, 1);
        }
        self
    }

    fn assign(&self, assignor: &dyn Assignor) -> Vec<Vec<TopicPartition>> {
        assignor.assign(black_box(&self.topics), black_box(&self.members))
    }
}

fn assignors(criterion: &mut Criterion) {
    let equal = |_, _| true;
    // Every member leaves out another third of the topics.
    let different = |member: usize, topic: usize| !(member + topic).is_multiple_of(3);
    // Neighbours share a topic: load can only be passed on from hand to hand.
    let chain = |member: usize, topic: usize| member == topic || member == topic + 1;
    let groups = [
        ("1k equal", Group::new(10, 100, equal)),
        ("1k equal, many topics", Group::new(1_000, 1, equal)),
        ("1k equal, one joins", Group::new(10, 100, equal).with_owners(MEMBERS - 1)),
        ("1k different", Group::new(10, 100, different)),
        ("1k different, many topics", Group::new(1_000, 1, different)),
        ("1k different, one joins", Group::new(10, 100, different).with_owners(MEMBERS - 1)),
        ("1k different, all but three join", Group::new(10, 100, different).with_owners(3)),
        ("1k chain", Group::new(99, 10, chain)),
        ("1k chain, half join", Group::new(99, 10, chain).with_owners(MEMBERS / 2)),
        ("10k equal", Group::new(100, 100, equal)),
        ("10k equal, one joins", Group::new(100, 100, equal).with_owners(MEMBERS - 1)),
        ("10k different, all but three join", Group::new(100, 100, different).with_owners(3)),
    ];
    let assignors: [&dyn Assignor; 4] =
        [&RangeAssignor, &RoundRobinAssignor, &StickyAssignor, &CooperativeStickyAssignor];
    for (name, group) in &groups {
        let mut benches = criterion.benchmark_group(*name);
        for assignor in assignors {
            benches.bench_function(assignor.name(), |bencher| {
                bencher.iter(|| group.assign(assignor));
            });
        }
        benches.finish();
    }
}

criterion_group!(benches, assignors);
criterion_main!(benches);
