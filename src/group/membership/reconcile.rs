//! Coming to the target: letting go, taking, and the commits that say who may do so when.
//!
//! A commit is begun while its partitions are owned, and ended when its outcome is known. A
//! partition that its owner let go of is free only when no commit of its offset is under way: so
//! an old owner's commit never lands behind a new owner's.

use std::collections::BTreeSet;

use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::group::membership::{MemberSlot, Membership, Owner};
use crate::topic::TopicPartition;

/// What a member is to let go of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revocations {
    /// Gone already, without being asked: the topics were deleted. Nothing of them can be
    /// committed, and they need no release.
    pub(crate) lost: Vec<TopicPartition>,
    /// Still owned, until they are released.
    pub(crate) revoked: Vec<TopicPartition>,
}

impl Membership {
    /// Whether a member has something to do at its next poll.
    pub(crate) fn is_pending(&self, slot: MemberSlot) -> bool {
        let Some(member) = self.members.get(&slot) else { return false };
        let can_take = |partition| self.holds == 0 && !self.owners.contains_key(partition);
        !member.is_away()
            && (member.refusal.is_some()
                || !member.lost.is_empty()
                || !member.owned.is_subset(&member.target)
                || member.target.iter().any(can_take))
    }

    /// What a member is to let go of now.
    ///
    /// # Errors
    /// What the assignor did wrong, once per member.
    pub(crate) fn revocations(&mut self, slot: MemberSlot) -> Result<Revocations> {
        let Some(member) = self.members.get_mut(&slot) else { return Ok(Revocations::default()) };
        if let Some(refusal) = member.refusal.take() {
            return Err(refusal);
        }
        Ok(Revocations {
            lost: std::mem::take(&mut member.lost).into_iter().collect(),
            revoked: member.owned.difference(&member.target).cloned().collect(),
        })
    }

    /// A member has let go of partitions; those that it does not own are passed over. Returns who
    /// has something to do now.
    pub(crate) fn release(
        &mut self,
        slot: MemberSlot,
        partitions: &[TopicPartition],
    ) -> Vec<MemberSlot> {
        let Some(member) = self.members.get_mut(&slot) else { return Vec::new() };
        let owned = &mut member.owned;
        let released: BTreeSet<_> =
            partitions.iter().filter_map(|partition| owned.take(partition)).collect();
        self.free_all(slot, released)
    }

    pub(super) fn free_all(
        &mut self,
        slot: MemberSlot,
        partitions: BTreeSet<TopicPartition>,
    ) -> Vec<MemberSlot> {
        let mut affected = BTreeSet::new();
        for partition in partitions {
            let Some(owner) = self.owners.get_mut(&partition) else { continue };
            debug_assert!(owner.slot == slot, "only its owner lets go of a partition");
            owner.released = true;
            if owner.commits == 0 || planted!("freed_under_a_commit") {
                affected.extend(self.free(&partition));
            }
        }
        affected.into_iter().collect()
    }

    /// A partition has no owner any more. Returns who may take it. One that nobody may take was
    /// held back by the assignor until its owner let go, and it is asked again.
    fn free(&mut self, partition: &TopicPartition) -> Option<MemberSlot> {
        self.owners.remove(partition);
        let next = self.target.get(partition).copied();
        self.stale |= next.is_none() && self.topics.contains_key(&partition.topic);
        next
    }

    /// Gives a member what is its target and free, and returns it.
    pub(crate) fn take(&mut self, slot: MemberSlot) -> Vec<TopicPartition> {
        let Membership { members, owners, holds, next_taking, .. } = self;
        let Some(member) = members.get_mut(&slot) else { return Vec::new() };
        if *holds > 0 || member.is_away() {
            return Vec::new();
        }
        // A topic may have been made anew: first the member is told what it has lost.
        let is_free = |partition: &&TopicPartition| {
            let is_owned = owners.contains_key(*partition) && !planted!("taken_from_its_owner");
            !is_owned && !member.lost.contains(*partition)
        };
        let taken: Vec<TopicPartition> = member.target.iter().filter(is_free).cloned().collect();
        for partition in &taken {
            let owner = Owner { slot, taking: *next_taking, commits: 0, released: false };
            *next_taking += 1;
            owners.insert(partition.clone(), owner);
            member.owned.insert(partition.clone());
        }
        taken
    }

    /// A member begins to commit offsets of these partitions. Returns the generation.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it does not own one of them; [`ErrorKind::Fenced`] if it is
    /// no member.
    pub(crate) fn begin_commit<'a>(
        &mut self,
        slot: MemberSlot,
        partitions: impl Iterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<i32> {
        self.check_owns(slot, partitions.clone())?;
        for partition in partitions {
            if let Some(owner) = self.owners.get_mut(partition) {
                owner.commits += 1;
            }
        }
        Ok(self.generation)
    }

    /// # Errors
    /// As [`begin_commit`](Self::begin_commit).
    fn check_owns<'a>(
        &self,
        slot: MemberSlot,
        mut partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<()> {
        let generation = self.generation;
        let Some(member) = self.members.get(&slot) else {
            let message = "the member is not in its group any more";
            return Err(Error::new(ErrorKind::Fenced, message));
        };
        let is_foreign = |wanted: &&TopicPartition| !member.owned.contains(*wanted);
        if let Some(foreign) = partitions.find(is_foreign)
            && !planted!("commit_not_fenced")
        {
            let message = format!(
                "cannot commit an offset of {foreign}: in generation {generation} it is not \
                 assigned to the member {}",
                member.member_id
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    /// The numbers under which a member took these partitions, for a commit later on.
    ///
    /// # Errors
    /// As [`begin_commit`](Self::begin_commit).
    pub(crate) fn takings<'a>(
        &self,
        slot: MemberSlot,
        partitions: impl Iterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<Vec<u64>> {
        self.check_owns(slot, partitions.clone())?;
        let taking = |partition| self.owners.get(partition).map_or(u64::MAX, |owner| owner.taking);
        Ok(partitions.map(taking).collect())
    }

    /// As [`begin_commit`](Self::begin_commit), of partitions that the member must not have lost
    /// since it took them under these numbers, even if it has them again.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`].
    pub(crate) fn begin_commit_as_taken<'a>(
        &mut self,
        slot: MemberSlot,
        takings: impl Iterator<Item = (&'a TopicPartition, u64)> + Clone,
    ) -> Result<i32> {
        let is_lost = |(partition, taking): &(&TopicPartition, u64)| {
            let owner = self.owners.get(*partition);
            !owner.is_some_and(|o| o.slot == slot && o.taking == *taking && !o.released)
        };
        if let Some((lost, _)) = takings.clone().find(is_lost)
            && !planted!("stale_generation_committed")
        {
            let message = format!(
                "cannot commit an offset of {lost}: the member has lost it since, the generation \
                 is {} now",
                self.generation
            );
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        self.begin_commit(slot, takings.map(|(partition, _)| partition))
    }

    /// The outcome of a commit is known, whatever became of the member. Returns who has something
    /// to do now.
    pub(crate) fn end_commit<'a>(
        &mut self,
        slot: MemberSlot,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Vec<MemberSlot> {
        let mut affected = BTreeSet::new();
        for partition in partitions {
            let Some(owner) = self.owners.get_mut(partition) else { continue };
            if owner.slot != slot {
                continue;
            }
            owner.commits = owner.commits.saturating_sub(1);
            if owner.released && owner.commits == 0 {
                affected.extend(self.free(partition));
            }
        }
        affected.into_iter().collect()
    }
}
