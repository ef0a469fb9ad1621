//! The sticky algorithm for equal subscriptions, in one pass.
//!
//! With P partitions and C members everybody gets at least `P / C`, the minimum, and `P % C`
//! members one more.
//!
//! 1. Everybody, in order, keeps what it owns: all of it if that is less than the minimum; one
//!    more than the minimum if it has that much and there are such places left; else the minimum.
//! 2. What is nobody's now is dealt out, by topic and number: in turns to those below the minimum,
//!    then one each to those that have exactly the minimum, as long as there are any left.

use std::collections::VecDeque;

use crate::group::assign::sticky::Partitions;
use crate::group::assign::sticky::ownership::Ownership;

/// The rank of the member that shall have each partition.
pub(super) fn constrained(
    partitions: &Partitions<'_>,
    ownership: &Ownership,
    member_count: usize,
) -> Vec<usize> {
    if member_count == 0 || partitions.count == 0 {
        return Vec::new();
    }
    let Kept { mut assigned, mut sizes, mut below_minimum, mut at_minimum } =
        keep_owned(partitions, ownership, member_count);
    let minimum = partitions.count / member_count;
    let mut free = (0..partitions.count).filter(|&partition| assigned[partition].is_none());
    let mut dealt: Vec<(usize, usize)> = Vec::new();
    while !below_minimum.is_empty() {
        let mut still_below = Vec::with_capacity(below_minimum.len());
        for rank in below_minimum {
            let partition = free.next().expect("the minimum of all is no more than there is");
            dealt.push((partition, rank));
            sizes[rank] += 1;
            if sizes[rank] == minimum {
                at_minimum.push_back(rank);
            } else {
                still_below.push(rank);
            }
        }
        below_minimum = still_below;
    }
    for partition in free {
        let rank = at_minimum.pop_front().expect("there is a place for each of the rest");
        dealt.push((partition, rank));
    }
    for (partition, rank) in dealt {
        assigned[partition] = Some(rank);
    }
    assigned.into_iter().flatten().collect()
}

/// What step 1 leaves.
struct Kept {
    assigned: Vec<Option<usize>>,
    /// How many partitions each member kept.
    sizes: Vec<usize>,
    /// Ascending.
    below_minimum: Vec<usize>,
    /// Members that may get one more, ascending.
    at_minimum: VecDeque<usize>,
}

fn keep_owned(partitions: &Partitions<'_>, ownership: &Ownership, member_count: usize) -> Kept {
    let minimum = partitions.count / member_count;
    let mut places_above = partitions.count % member_count;
    let mut assigned = vec![None; partitions.count];
    let mut sizes = vec![0; member_count];
    let mut below_minimum = Vec::new();
    let mut at_minimum = VecDeque::new();
    for (rank, owned) in owned_lists(partitions, ownership, member_count).iter().enumerate() {
        let kept = if owned.len() < minimum {
            below_minimum.push(rank);
            owned.len()
        } else if owned.len() > minimum && places_above > 0 {
            places_above -= 1;
            minimum + 1
        } else {
            at_minimum.push_back(rank);
            minimum
        };
        sizes[rank] = kept;
        for &partition in &owned[..kept] {
            assigned[partition] = Some(rank);
        }
    }
    if places_above == 0 {
        at_minimum.clear();
    }
    Kept { assigned, sizes, below_minimum, at_minimum }
}

/// What each member owns, in the order in which it keeps them: by number, then by topic.
fn owned_lists(
    partitions: &Partitions<'_>,
    ownership: &Ownership,
    member_count: usize,
) -> Vec<Vec<usize>> {
    let mut keyed: Vec<Vec<(usize, usize)>> = vec![Vec::new(); member_count];
    for topic in 0..partitions.topics.len() {
        for (number, partition) in partitions.of_topic(topic).enumerate() {
            if let Some(rank) = ownership.owners[partition] {
                keyed[rank].push((number, partition));
            }
        }
    }
    let in_order = |mut list: Vec<(usize, usize)>| {
        list.sort_unstable();
        list.into_iter().map(|(_, partition)| partition).collect()
    };
    keyed.into_iter().map(in_order).collect()
}
