//! The sticky algorithm for different subscriptions: step by step towards balance.
//!
//! 1. Everybody keeps what it owns and still subscribes to.
//! 2. What is free goes, topic by topic, to the subscriber with the fewest partitions; topics with
//!    few subscribers first, because they leave no choice.
//! 3. Partitions are moved, each time from its member to one that has at least two fewer: to its
//!    former owner or else to the subscriber with the fewest; over and over, until none moves.
//!    Those of step 2 come first, unless somebody has to give up a partition anyway.
//! 4. Of one topic no partitions are moved to and fro between two members: if one went from A to
//!    B, and another should go from B to A, then the first goes back instead.
//!
//! Every move lessens the sum of the squares of the members' sizes, so it comes to an end. Kafka
//! also makes moves of rule 4 that do not, then compares the balance before and after, and may
//! drop all moves; here such a move is not made, and there is nothing to compare.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use crate::group::assign::sticky::Partitions;
use crate::group::assign::sticky::ownership::Ownership;

/// The rank of the member that shall have each partition.
pub(super) fn general(
    partitions: &Partitions<'_>,
    ownership: &Ownership,
    member_count: usize,
) -> Vec<usize> {
    let mut topics: Vec<usize> = (0..partitions.topics.len()).collect();
    topics.sort_by_key(|&topic| partitions.topics[topic].subscribers.len());
    let mut balance = Balance {
        partitions,
        former: &ownership.former,
        assigned: vec![usize::MAX; partitions.count],
        sizes: vec![0; member_count],
        origins: HashMap::new(),
        movements: HashMap::new(),
    };
    let must_revoke = balance.keep_owned(ownership);
    let free: Vec<(usize, Vec<usize>)> =
        topics.iter().map(|&topic| (topic, balance.assign_free(topic))).collect();
    if !must_revoke {
        balance.reassign(&free);
    }
    let all: Vec<(usize, Vec<usize>)> =
        topics.iter().map(|&topic| (topic, partitions.of_topic(topic).collect())).collect();
    balance.reassign(&all);
    balance.assigned
}

/// A move between two members, within a topic.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Movement {
    topic: usize,
    from: usize,
    to: usize,
}

struct Balance<'a> {
    partitions: &'a Partitions<'a>,
    former: &'a [Option<usize>],
    /// The rank of each partition's member.
    assigned: Vec<usize>,
    /// How many partitions each member has.
    sizes: Vec<usize>,
    /// Where the partitions that moved came from.
    origins: HashMap<usize, usize>,
    /// The partitions that moved, by what movement.
    movements: HashMap<Movement, BTreeSet<usize>>,
}

impl Balance<'_> {
    /// Step 1. Whether somebody owns what it no longer subscribes to.
    fn keep_owned(&mut self, ownership: &Ownership) -> bool {
        let mut must_revoke = false;
        for topic in 0..self.partitions.topics.len() {
            for partition in self.partitions.of_topic(topic) {
                match ownership.owners[partition] {
                    Some(rank) if self.is_subscribed(rank, topic) => {
                        self.assigned[partition] = rank;
                        self.sizes[rank] += 1;
                    }
                    Some(_) => must_revoke = true,
                    None => {}
                }
            }
        }
        must_revoke
    }

    fn is_subscribed(&self, rank: usize, topic: usize) -> bool {
        self.partitions.topics[topic].subscribers.binary_search(&rank).is_ok()
    }

    /// Step 2 for one topic. The partitions that were free.
    fn assign_free(&mut self, topic: usize) -> Vec<usize> {
        let free: Vec<usize> = self
            .partitions
            .of_topic(topic)
            .filter(|&partition| self.assigned[partition] == usize::MAX)
            .collect();
        let subscribers = self.partitions.topics[topic].subscribers.iter();
        let mut queue: BinaryHeap<Reverse<(usize, usize)>> =
            subscribers.map(|&rank| Reverse((self.sizes[rank], rank))).collect();
        for &partition in &free {
            let mut fewest = queue.peek_mut().expect("a subscribed topic has a subscriber");
            fewest.0.0 += 1;
            let Reverse((size, rank)) = *fewest;
            self.assigned[partition] = rank;
            self.sizes[rank] = size;
        }
        free
    }

    /// Step 3 over these partitions, which come by topic.
    fn reassign(&mut self, candidates: &[(usize, Vec<usize>)]) {
        let mut moved = true;
        while moved {
            moved = false;
            for (topic, partitions) in candidates {
                moved |= self.reassign_topic(*topic, partitions);
            }
        }
    }

    fn reassign_topic(&mut self, topic: usize, partitions: &[usize]) -> bool {
        let mut moved = false;
        let mut fewest = self.fewest(topic);
        for &partition in partitions {
            let member = self.assigned[partition];
            let former = self.former[partition]
                .filter(|&rank| self.improves(member, rank) && self.is_subscribed(rank, topic));
            let Some(to) = former.or(Some(fewest).filter(|&rank| self.improves(member, rank)))
            else {
                continue;
            };
            let partition = self.partition_to_move(topic, partition, to);
            self.move_partition(topic, partition, to);
            fewest = self.fewest(topic);
            moved = true;
        }
        moved
    }

    /// The subscriber of a topic that has the fewest partitions.
    fn fewest(&self, topic: usize) -> usize {
        let subscribers = self.partitions.topics[topic].subscribers.iter().copied();
        subscribers
            .min_by_key(|&rank| self.sizes[rank])
            .expect("a subscribed topic has a subscriber")
    }

    /// Whether a move between these two makes the balance better.
    fn improves(&self, from: usize, to: usize) -> bool {
        self.sizes[from] > self.sizes[to] + 1
    }

    /// Step 4: the partition itself, or one that came the opposite way and can go back.
    fn partition_to_move(&self, topic: usize, partition: usize, to: usize) -> usize {
        let member = self.assigned[partition];
        let origin = self.origins.get(&partition).copied().unwrap_or(member);
        let opposite = Movement { topic, from: to, to: origin };
        let came = self.movements.get(&opposite).and_then(BTreeSet::first);
        came.copied().filter(|&other| self.improves(self.assigned[other], to)).unwrap_or(partition)
    }

    fn move_partition(&mut self, topic: usize, partition: usize, to: usize) {
        let from = std::mem::replace(&mut self.assigned[partition], to);
        self.sizes[from] -= 1;
        self.sizes[to] += 1;
        let origin = self.origins.remove(&partition);
        if let Some(origin) = origin {
            let before = Movement { topic, from: origin, to: from };
            if let Some(partitions) = self.movements.get_mut(&before) {
                partitions.remove(&partition);
            }
        }
        let origin = origin.unwrap_or(from);
        if origin != to {
            self.origins.insert(partition, origin);
            let movement = Movement { topic, from: origin, to };
            self.movements.entry(movement).or_default().insert(partition);
        }
    }
}
