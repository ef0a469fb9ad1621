//! Offsets that are to be committed later, with something else: whose they are is noted when they
//! are staged, and asked again when they are committed.
//!
//! A member's offsets count only if it did not lose the partition in between, even if it has it
//! again: somebody else may have read on and committed meanwhile. The invariant: from
//! [`begin`](StagedOffsets::begin) until what it returned is dropped, nobody else writes these
//! offsets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::commit::ticket::Part;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::commits::{CommitUnderWay, EmptyHold};
use crate::group::coordinator::live_group::LiveGroup;
use crate::group::coordinator::{Coordinator, GroupHost};
use crate::group::membership::MemberSlot;
use crate::group::offset::OffsetAndMetadata;
use crate::group::offsets::PreparedOffsets;
use crate::topic::{TopicId, TopicPartition};

/// Offsets of one group, and on whose behalf they are to be committed.
pub(crate) struct StagedOffsets {
    group: String,
    member: Option<(Arc<LiveGroup>, MemberSlot)>,
    offsets: BTreeMap<TopicPartition, StagedOffset>,
}

struct StagedOffset {
    committed: OffsetAndMetadata,
    /// The number under which its partition was taken; 0 without a member.
    taking: u64,
    /// Without a member: another topic of that name is not meant. A member loses what it owns of a
    /// topic that is deleted.
    topic_id: Option<TopicId>,
}

/// A commit that was begun. Dropping it says that its outcome is known.
pub(crate) enum BegunCommit {
    /// Of a member.
    Member(CommitUnderWay),
    /// Of a group that has none.
    Empty {
        /// Keeps members from taking partitions.
        _hold: EmptyHold,
    },
}

impl StagedOffsets {
    /// Offsets that a member is to commit.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it does not own one of
    /// the partitions; [`ErrorKind::Fenced`] if it is no member.
    pub(crate) fn of_member(
        group: &Arc<LiveGroup>,
        slot: MemberSlot,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) -> Result<StagedOffsets> {
        let partitions = offsets.iter().map(|(partition, _)| partition);
        let takings = group.with(|state| state.membership.takings(slot, partitions))?;
        let staged = offsets.into_iter().zip(takings).map(|((partition, committed), taking)| {
            (partition, StagedOffset { committed, taking, topic_id: None })
        });
        Ok(StagedOffsets {
            group: group.name().to_owned(),
            member: Some((Arc::clone(group), slot)),
            offsets: staged.collect(),
        })
    }

    /// Takes in what is staged later on the same behalf; gives it back if it is on another one.
    pub(crate) fn absorb(&mut self, later: StagedOffsets) -> Option<StagedOffsets> {
        let slot_of = |staged: &StagedOffsets| staged.member.as_ref().map(|(_, slot)| *slot);
        if self.group != later.group || slot_of(self) != slot_of(&later) {
            return Some(later);
        }
        for (partition, newer) in later.offsets {
            match self.offsets.entry(partition) {
                Entry::Vacant(place) => drop(place.insert(newer)),
                Entry::Occupied(mut known) if known.get().taking == newer.taking => {
                    known.insert(newer);
                }
                // It was lost in between: what was read before must not be committed, and the
                // number that is over sees to it.
                Entry::Occupied(_) => {}
            }
        }
        None
    }

    /// Whether there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// About how many bytes they take.
    pub(crate) fn size_bytes(&self) -> usize {
        self.offsets.values().map(|staged| 128 + staged.committed.metadata.len()).sum()
    }

    /// Begins the commit: nobody else writes these offsets from here on.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`] for a member that lost one of the
    /// partitions; [`ErrorKind::GroupNotEmpty`] without a
    /// member, while the group has some; [`ErrorKind::Closed`].
    pub(crate) fn begin(
        &self,
        coordinator: &Coordinator,
        host: &dyn GroupHost,
    ) -> Result<BegunCommit> {
        coordinator.check_open()?;
        match &self.member {
            Some((group, slot)) => {
                let takings = self.offsets.iter().map(|(at, staged)| (at, staged.taking));
                CommitUnderWay::begin_as_taken(group, *slot, takings).map(BegunCommit::Member)
            }
            None => {
                let hold = coordinator.hold_empty(host, &self.group)?;
                Ok(BegunCommit::Empty { _hold: hold })
            }
        }
    }

    /// Makes the batches of a commit that was begun, and syncs the data below the offsets.
    ///
    /// # Errors
    /// What any commit of offsets says.
    pub(crate) fn prepare(
        &self,
        coordinator: &Coordinator,
        host: &dyn GroupHost,
        begun: &BegunCommit,
    ) -> Result<PreparedOffsets> {
        let generation = match begun {
            BegunCommit::Member(under_way) => Some(under_way.generation()),
            BegunCommit::Empty { .. } => None,
        };
        let copy =
            |(at, staged): (&TopicPartition, &StagedOffset)| (at.clone(), staged.committed.clone());
        let offsets: Vec<_> = self.offsets.iter().map(copy).collect();
        let prepared = coordinator.store.prepare_within(host, &self.group, generation, &offsets)?;
        // Asked behind it: a topic that goes from here on is asked for by the leader.
        self.offsets.iter().try_for_each(|(at, staged)| staged.check_topic(host, at))?;
        Ok(prepared)
    }
}

impl StagedOffset {
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] if the topic is another one by now.
    fn check_topic(&self, host: &dyn GroupHost, at: &TopicPartition) -> Result<()> {
        let Some(id) = self.topic_id else { return Ok(()) };
        if host.topic(at.topic.as_str())?.id == id {
            return Ok(());
        }
        let message = "the topic was deleted since the offset was staged: another one has its name";
        let error = Error::new(ErrorKind::UnknownTopicOrPartition, message);
        Err(error.at_partition(at.topic.as_str(), at.partition))
    }
}

impl Coordinator {
    /// Offsets of a group that are to be committed with something else, from outside of the group,
    /// which has no members then.
    ///
    /// # Errors
    /// What no commit of them could get over: a name that cannot be, a negative offset, a long
    /// note, no such partition.
    pub(crate) fn stage_offsets(
        &self,
        host: &dyn GroupHost,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<StagedOffsets> {
        self.check_open()?;
        self.store.check_offsets(host, group, offsets)?;
        let mut staged = BTreeMap::new();
        for (at, committed) in offsets {
            let topic_id = Some(host.topic(at.topic.as_str())?.id);
            let committed = committed.clone();
            staged.insert(at.clone(), StagedOffset { committed, taking: 0, topic_id });
        }
        Ok(StagedOffsets { group: group.to_owned(), member: None, offsets: staged })
    }

    /// Takes the buffers of a commit back.
    pub(crate) fn recycle_offsets(&self, parts: Vec<Part>) {
        self.store.recycle(parts);
    }
}
