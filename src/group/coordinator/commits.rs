//! Committing offsets: of a member, for what it owns; from outside, while there are no members.
//!
//! A member's commit is begun under the group's lock, where it is checked that the partitions are
//! its own, and ended when its outcome is known. In between the partitions stay out of others'
//! hands, even if the member lets go of them, is evicted or replaced: whatever it was about to
//! write is in the log before a new owner can take them. Nobody waits for that; the new owner
//! finds the partition free a little later.

use std::sync::Arc;

use crate::env::planted::planted;
use crate::error::Result;
use crate::group::coordinator::live_group::LiveGroup;
use crate::group::coordinator::{Coordinator, GroupHost, OnCommitted};
use crate::group::membership::MemberSlot;
use crate::group::offset::OffsetAndMetadata;
use crate::group::offsets::OffsetsHost;
use crate::topic::TopicPartition;

/// A commit that was begun. Dropping it says that its outcome is known.
pub(crate) struct CommitUnderWay {
    group: Arc<LiveGroup>,
    slot: MemberSlot,
    partitions: Vec<TopicPartition>,
    generation: i32,
}

impl CommitUnderWay {
    /// Begins a commit of offsets of these partitions.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::error::ErrorKind::InvalidInput) if the member does not own
    /// one of them; [`ErrorKind::Fenced`](crate::error::ErrorKind::Fenced) if it is none.
    pub(crate) fn begin(
        group: &Arc<LiveGroup>,
        slot: MemberSlot,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<CommitUnderWay> {
        let partitions = offsets.iter().map(|(partition, _)| partition);
        let generation =
            group.with(|state| state.membership.begin_commit(slot, partitions.clone()))?;
        Ok(CommitUnderWay {
            group: Arc::clone(group),
            slot,
            partitions: partitions.cloned().collect(),
            generation,
        })
    }

    /// Begins a commit of offsets of partitions that the member took under these numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Fenced`](crate::error::ErrorKind::Fenced) if it lost one of them since.
    pub(super) fn begin_as_taken<'a>(
        group: &Arc<LiveGroup>,
        slot: MemberSlot,
        takings: impl Iterator<Item = (&'a TopicPartition, u64)> + Clone,
    ) -> Result<CommitUnderWay> {
        let begin = takings.clone();
        let generation = group.with(|state| state.membership.begin_commit_as_taken(slot, begin))?;
        Ok(CommitUnderWay {
            group: Arc::clone(group),
            slot,
            partitions: takings.map(|(partition, _)| partition.clone()).collect(),
            generation,
        })
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }
}

impl Drop for CommitUnderWay {
    fn drop(&mut self) {
        self.group.with(|state| {
            let affected = state.membership.end_commit(self.slot, self.partitions.iter());
            state.tell(&affected);
            state.call_somebody();
        });
    }
}

impl Coordinator {
    /// Carries out a member's commit.
    pub(crate) fn commit(
        &self,
        host: &dyn GroupHost,
        under_way: &CommitUnderWay,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let generation = Some(under_way.generation);
        self.store.commit(host, under_way.group.name(), generation, offsets)
    }

    /// The same without waiting.
    pub(crate) fn commit_async(
        &self,
        host: &dyn GroupHost,
        under_way: CommitUnderWay,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        on_done: OnCommitted,
    ) {
        let group = under_way.group.name().to_owned();
        let generation = Some(under_way.generation);
        let on_done: OnCommitted = if planted!("acked_when_queued") {
            on_done(Ok(()));
            Box::new(|_| drop(under_way))
        } else {
            Box::new(move |outcome| {
                drop(under_way);
                on_done(outcome);
            })
        };
        self.store.commit_async(host, &group, generation, offsets, on_done);
    }

    /// Commits offsets of a group that has no members, for a consumer that assigns itself.
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets survive power loss.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotEmpty`] while the group has members; [`ErrorKind::Closed`]; what the
    /// commit says.
    pub(crate) fn commit_standalone(
        &self,
        host: &dyn GroupHost,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let _hold = self.hold_empty(host, group)?;
        self.store.commit(host, group, None, offsets)
    }

    /// The same without waiting; `on_done` gets the outcome.
    pub(crate) fn commit_standalone_async(
        &self,
        host: &dyn GroupHost,
        group: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        on_done: OnCommitted,
    ) {
        let hold = match self.hold_empty(host, group) {
            Ok(hold) => hold,
            Err(error) => return on_done(Err(error)),
        };
        let on_done = Box::new(move |outcome| {
            drop(hold);
            on_done(outcome);
        });
        self.store.commit_async(host, group, None, offsets, on_done);
    }

    /// What a group committed, in the order of `partitions`.
    ///
    /// # Errors
    /// What reading says.
    pub(crate) fn committed(
        &self,
        host: &dyn GroupHost,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<OffsetAndMetadata>>> {
        let committed = |partition| self.store.committed(host, group, partition);
        partitions.iter().map(committed).collect()
    }

    /// While the returned value lives, members that join the group take no partition: its offsets
    /// may be changed from outside.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotEmpty`] if it has members; [`ErrorKind::Closed`].
    pub(crate) fn hold_empty(&self, host: &dyn OffsetsHost, group: &str) -> Result<EmptyHold> {
        let group = self.group(host, group)?;
        let hold = || group.with(|state| state.membership.hold());
        let is_empty = || group.with(|state| state.membership.is_empty());
        match hold() {
            Err(_) if is_empty() => {
                // What a member that left did not wait for may only have to be carried out.
                host.committer().settle();
                hold()?;
            }
            held => held?,
        }
        Ok(EmptyHold(group))
    }
}

/// See [`Coordinator::hold_empty`].
pub(crate) struct EmptyHold(Arc<LiveGroup>);

impl Drop for EmptyHold {
    fn drop(&mut self) {
        self.0.with(|state| {
            let affected = state.membership.unhold();
            state.tell(&affected);
        });
    }
}
