//! Who owns what, judged from what the members claim.
//!
//! Claims come from the group, which knows of one owner at most, or from a program that calls an
//! assignor itself: then they may contradict each other, repeat themselves or name partitions that
//! do not exist. Of two claims the one of the later generation is right; of two claims of one
//! generation neither is.

use crate::group::assign::MemberSubscription;
use crate::group::assign::sticky::Partitions;

/// Owners by the indexes of partitions; members are named by rank.
pub(in crate::group::assign) struct Ownership {
    /// The owner whose claim is right.
    pub(super) owners: Vec<Option<usize>>,
    /// The latest owner of a generation before the latest of all.
    pub(super) former: Vec<Option<usize>>,
    claims: Vec<Claims>,
}

/// Who claims one partition.
#[derive(Clone, Copy, PartialEq)]
enum Claims {
    Nobody,
    One(usize),
    Several,
}

impl Ownership {
    pub(super) fn new(
        partitions: &Partitions<'_>,
        members: &[MemberSubscription],
        order: &[usize],
    ) -> Ownership {
        let latest = members.iter().map(|member| member.generation).max().unwrap_or(-1);
        let mut owners = vec![None; partitions.count];
        let mut former = vec![None; partitions.count];
        let mut claims = vec![Claims::Nobody; partitions.count];
        // The generation of the claim that was right so far, and of the former one.
        let mut generations = vec![i32::MIN; partitions.count];
        let mut former_generations = vec![i32::MIN; partitions.count];
        for (rank, &index) in order.iter().enumerate() {
            let member = &members[index];
            for owned in &member.owned {
                let Some(partition) = partitions.index_of(owned) else { continue };
                let again =
                    owners[partition] == Some(rank) || claims[partition] == Claims::One(rank);
                if again {
                    continue;
                }
                let first = claims[partition] == Claims::Nobody;
                claims[partition] = if first { Claims::One(rank) } else { Claims::Several };
                if first || member.generation > generations[partition] {
                    owners[partition] = Some(rank);
                    generations[partition] = member.generation;
                } else if member.generation == generations[partition] {
                    owners[partition] = None;
                }
                let is_former = member.generation < latest;
                if is_former && member.generation > former_generations[partition] {
                    former[partition] = Some(rank);
                    former_generations[partition] = member.generation;
                }
            }
        }
        Ownership { owners, former, claims }
    }

    /// Whether a partition must be let go of by somebody else before this member can have it.
    pub(in crate::group::assign) fn is_held_from(&self, partition: usize, rank: usize) -> bool {
        if self.owners[partition] == Some(rank) {
            return false;
        }
        match self.claims[partition] {
            Claims::Nobody => false,
            Claims::One(claimant) => claimant != rank,
            Claims::Several => true,
        }
    }
}
