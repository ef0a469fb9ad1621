//! A member of a group, as the consumer that owns it holds it.
//!
//! What a consumer does at every poll:
//!
//! ```text
//! if member.begin_poll() {                            // one load: something to reconcile
//!     let Revocations { lost, revoked } = member.revocations()?;
//!     // lost: forget them, tell the listener that they are lost
//!     // revoked: forget what was fetched, listener, commit
//!     member.release(&revoked);                       // others can take them now
//!     let taken = member.take()?;                     // mine from now on
//!     // positions from the committed offsets, listener
//! }                                                   // again, until !member.is_pending()
//! ... return what is there, else:
//! // register with the partitions
//! if member.begin_wait() { wake.wait(left); member.end_wait(); }   // again, unless time is over
//! member.end_poll(now);
//! ```
//!
//! Every error of `revocations`, `take` and the commits is one of: `Fenced` (ask
//! [`standing`](GroupMember::standing): an evicted member may join anew), `Closed`, and of
//! `revocations` also `InvalidInput`, once, for what the group's assignor did wrong; the member
//! keeps what it has then.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::commits::CommitUnderWay;
use crate::group::coordinator::live_group::{LiveGroup, State};
use crate::group::coordinator::presence::{Presence, Standing};
use crate::group::coordinator::staged::StagedOffsets;
use crate::group::coordinator::{Coordinator, GroupHost, OnCommitted};
use crate::group::membership::MemberSlot;
use crate::group::membership::reconcile::Revocations;
use crate::group::offset::OffsetAndMetadata;
use crate::group::subscription::Subscription;
use crate::topic::TopicPartition;

/// A member of a group. Dropping it is a close: a static member's place is kept for its session
/// timeout, another one leaves.
///
/// It is used by one thread at a time; what it shares with the others of its group is behind the
/// group's lock.
pub(crate) struct GroupMember {
    host: Arc<dyn GroupHost>,
    coordinator: Arc<Coordinator>,
    group: Arc<LiveGroup>,
    presence: Arc<Presence>,
    instance_id: Option<String>,
    /// It left, and dropping it does nothing more.
    left: bool,
}

impl GroupMember {
    pub(super) fn new(
        host: Arc<dyn GroupHost>,
        coordinator: Arc<Coordinator>,
        group: Arc<LiveGroup>,
        presence: Arc<Presence>,
        instance_id: Option<String>,
    ) -> GroupMember {
        GroupMember { host, coordinator, group, presence, instance_id, left: false }
    }

    /// Notes that it polls. True if there is something to reconcile; costs one atomic load.
    #[inline]
    pub(crate) fn begin_poll(&self) -> bool {
        self.presence.begin_poll()
    }

    /// Notes that the poll is over: from `now` on `max.poll.interval.ms` runs. A listener that is
    /// called in the middle of a poll may be put between an `end_poll` and a `begin_poll`, so that
    /// one which hangs is noticed, too.
    #[inline]
    pub(crate) fn end_poll(&self, now: Duration) {
        self.presence.end_poll(now);
        if self.presence.is_pending() {
            self.group.pass_on();
        }
    }

    /// Whether there is something to reconcile.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.presence.is_pending()
    }

    /// Says that it is going to wait for its wake; false if there is something to reconcile
    /// instead. Call it after registering elsewhere and before waiting.
    #[must_use]
    pub(crate) fn begin_wait(&self) -> bool {
        self.presence.begin_wait()
    }

    /// Says that it does not wait any more.
    pub(crate) fn end_wait(&self) {
        self.presence.end_wait();
    }

    /// What it is to let go of. Decides who reads what, if that is stale.
    ///
    /// # Errors
    /// See the head of this file.
    pub(crate) fn revocations(&self) -> Result<Revocations> {
        self.check()?;
        self.group.look(&*self.host);
        self.reconcile(|state, slot| state.membership.revocations(slot))?
    }

    /// It has let go of these: others may take them from now on.
    pub(crate) fn release(&self, partitions: &[TopicPartition]) {
        let slot = self.presence.slot();
        self.group.with(|state| {
            let affected = state.membership.release(slot, partitions);
            state.tell(&affected);
            state.refresh(slot);
        });
    }

    /// Takes what is its to read and free; what is returned is newly its own.
    ///
    /// # Errors
    /// See the head of this file.
    pub(crate) fn take(&self) -> Result<Vec<TopicPartition>> {
        self.check()?;
        self.group.look(&*self.host);
        self.reconcile(|state, slot| state.membership.take(slot))
    }

    /// Wants to read something else from now on.
    ///
    /// # Errors
    /// `Fenced`, `Closed`.
    pub(crate) fn resubscribe(&self, subscription: Subscription) -> Result<()> {
        self.check()?;
        self.reconcile(|state, slot| state.membership.resubscribe(slot, subscription))
    }

    /// Leaves the group at once, also a static member. What it owns is free for others.
    pub(crate) fn leave(mut self) {
        self.left = true;
        let slot = self.presence.slot();
        let last = self.group.remove(slot, |state| state.membership.remove(slot));
        self.coordinator.note_empty(self.group.name(), last);
    }

    /// Commits offsets of partitions that it owns.
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets survive power loss.
    ///
    /// # Errors
    /// `Fenced`, `Closed`; `InvalidInput` for a partition that it does not own; what the commit
    /// says.
    pub(crate) fn commit(&self, offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Result<()> {
        let under_way = self.begin_commit(offsets)?;
        self.coordinator.commit(&*self.host, &under_way, offsets)
    }

    /// The same without waiting; `on_done` gets the outcome, on whichever thread commits, under no
    /// lock.
    ///
    /// # Durability
    /// As [`commit`](Self::commit), when `on_done` gets `Ok`.
    pub(crate) fn commit_async(
        &self,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
        on_done: OnCommitted,
    ) {
        match self.begin_commit(offsets) {
            Ok(under_way) => {
                self.coordinator.commit_async(&*self.host, under_way, offsets, on_done);
            }
            Err(error) => on_done(Err(error)),
        }
    }

    /// Notes offsets of partitions that it owns, to be committed later with something else.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(crate) fn stage_offsets(
        &self,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    ) -> Result<StagedOffsets> {
        self.check()?;
        StagedOffsets::of_member(&self.group, self.presence.slot(), offsets)
    }

    fn begin_commit(
        &self,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<CommitUnderWay> {
        self.check()?;
        CommitUnderWay::begin(&self.group, self.presence.slot(), offsets)
    }

    /// How many times it was decided anew who reads what.
    pub(crate) fn generation(&self) -> i32 {
        self.group.with(|state| state.membership.generation())
    }

    /// The partitions that it owns.
    #[cfg(test)]
    pub(crate) fn owned(&self) -> Vec<TopicPartition> {
        let slot = self.presence.slot();
        let owned = |state: &mut State| {
            let member = state.membership.member(slot)?;
            Some(member.owned().iter().cloned().collect())
        };
        self.group.with(owned).unwrap_or_default()
    }

    pub(crate) fn group(&self) -> &str {
        self.group.name()
    }

    pub(crate) fn member_id(&self) -> &str {
        self.presence.member_id()
    }

    pub(crate) fn instance_id(&self) -> Option<&str> {
        self.instance_id.as_deref()
    }

    /// What it and its group tell each other without a lock.
    pub(crate) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Whether the handle still stands for a member.
    pub(crate) fn standing(&self) -> Standing {
        self.presence.standing()
    }

    /// # Errors
    /// `Fenced`, `Closed`.
    fn check(&self) -> Result<()> {
        self.coordinator.check_open()?;
        let (id, group) = (self.member_id(), self.group());
        let message = match self.standing() {
            Standing::Member => return Ok(()),
            Standing::Evicted => format!(
                "the member {id} was put out of the group {group}: it did not poll for longer \
                 than max.poll.interval.ms"
            ),
            Standing::Replaced => {
                let instance_id = self.instance_id().unwrap_or_default();
                format!(
                    "the member {id} was replaced in the group {group}: another member uses the \
                     group.instance.id {instance_id} now"
                )
            }
        };
        Err(Error::new(ErrorKind::Fenced, message))
    }

    /// A step of this member, under the group's lock; its mark says afterwards what is left.
    fn reconcile<T>(&self, step: impl FnOnce(&mut State, MemberSlot) -> T) -> Result<T> {
        let slot = self.presence.slot();
        let outcome = self.group.with(|state| {
            // It may have been put out since it was looked at.
            state.membership.member(slot)?;
            let outcome = step(state, slot);
            state.tell(&[]);
            state.refresh(slot);
            Some(outcome)
        });
        match outcome {
            Some(outcome) => Ok(outcome),
            None => self.check().and_then(|()| {
                Err(Error::new(ErrorKind::Fenced, "the member is not in its group any more"))
            }),
        }
    }
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let slot = self.presence.slot();
        let now = self.coordinator.now();
        let last = self.group.remove(slot, |state| state.membership.go_away(slot, now));
        self.coordinator.note_empty(self.group.name(), last);
    }
}
