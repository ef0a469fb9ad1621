//! Coming to what the group wants: letting go of partitions, taking others.
//!
//! ```text
//! 1. what was lost    -> forgotten, on_partitions_lost
//! 2. what is revoked  -> committed if that is automatic, on_partitions_revoked, forgotten,
//!                        released: from here on another member may take it
//! 3. what is free     -> taken, positions from the committed offsets, on_partitions_assigned
//! ```
//!
//! Kept partitions keep their positions and what was fetched. Nothing here waits for another
//! member: what is not free yet is taken by a later poll, which is woken for it. An error never
//! stops a step that others wait for; it is told when all is done.

use std::collections::BTreeSet;

use super::Consumer;
use super::assigned::Assigned;
use super::listener::Event;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::presence::Standing;
use crate::group::membership::reconcile::Revocations;
use crate::topic::TopicPartition;

impl Consumer {
    /// One pass of the steps.
    ///
    /// # Errors
    /// Fenced for good if another member took this one's place; what the group's assignor did
    /// wrong; what committing and looking up committed offsets say.
    #[cold]
    pub(super) fn reconcile(&mut self) -> Result<()> {
        self.join_again()?;
        let result = match self.reconcile_member() {
            Err(error) if error.kind() == ErrorKind::Fenced => self.fenced(error),
            other => other,
        };
        // What is told first; the other is told by a later pass.
        result?;
        let deferred = self.group.as_mut().and_then(|group| group.deferred.take());
        deferred.map_or(Ok(()), Err)
    }

    fn join_again(&mut self) -> Result<()> {
        let Some(group) = &mut self.group else { return Ok(()) };
        let was_member = group.member.is_some();
        group.ensure_joined()?;
        if !was_member {
            self.resume_poll();
        }
        Ok(())
    }

    fn reconcile_member(&mut self) -> Result<()> {
        let member = self.group.as_ref().and_then(|group| group.member.as_ref());
        let Some(member) = member else { return self.find_positions() };
        if !member.is_pending() {
            return self.find_positions();
        }
        let Revocations { lost, revoked } = member.revocations()?;
        if !lost.is_empty() {
            self.forget(&lost);
            self.tell(Event::Lost, &lost).pass_on()?;
        }
        if !revoked.is_empty() {
            self.revoke(&revoked)?;
        }
        let member = self.group.as_ref().and_then(|group| group.member.as_ref());
        let taken = member.map_or(Ok(Vec::new()), |member| member.take())?;
        if taken.is_empty() { self.find_positions() } else { self.adopt(&taken) }
    }

    fn revoke(&mut self, revoked: &[TopicPartition]) -> Result<()> {
        let committed = self.auto_commit_of(revoked);
        if let (true, Some(member)) = (planted!("released_before_listener"), self.member()) {
            member.release(revoked);
        }
        let told = self.tell(Event::Revoked, revoked);
        if !told.is_replaced() {
            self.forget(revoked);
            self.counters.rebalances += 1;
            if let Some(group) = &mut self.group {
                if let Some(member) = &group.member {
                    member.release(revoked);
                }
                // The partitions are gone either way; the group reads what was not committed anew.
                group.deferred = group.deferred.take().or(committed.err());
            }
        }
        told.pass_on()
    }

    fn adopt(&mut self, taken: &[TopicPartition]) -> Result<()> {
        let mut assigned = std::mem::take(&mut self.fetcher.assigned);
        for partition in taken {
            // A topic that was deleted since is lost with the next pass.
            if let Ok(mut new) = self.open(partition) {
                new.await_committed();
                assigned.push(new);
            }
        }
        assigned.sort_by(|a, b| a.name().cmp(b.name()));
        self.fetcher.replace_assigned(assigned);
        self.counters.rebalances += 1;
        if let Some(group) = &mut self.group {
            group.awaits_committed = true;
        }
        let found = self.find_positions();
        self.tell(Event::Assigned, taken).pass_on()?;
        found
    }

    /// Lets the partitions that do not know where to go on go on where the group was. Done again
    /// by the next poll if it fails.
    pub(super) fn find_positions(&mut self) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        if !group.awaits_committed {
            return Ok(());
        }
        let awaits = |assigned: &&mut Assigned| assigned.awaits_committed();
        let partitions: Vec<_> = self.fetcher.assigned.iter_mut().filter(awaits).collect();
        let names: Vec<_> = partitions.iter().map(|assigned| assigned.name().clone()).collect();
        let groups = &group.groups;
        let committed = groups.coordinator.committed(&*groups.host, &group.id, &names)?;
        for (assigned, committed) in partitions.into_iter().zip(committed) {
            assigned.start_at(committed.map(|committed| committed.offset));
        }
        if let Some(group) = &mut self.group {
            group.awaits_committed = false;
        }
        Ok(())
    }

    /// The member is none any more: it was put out, and joins anew; or it was replaced.
    fn fenced(&mut self, error: Error) -> Result<()> {
        let Some(group) = &mut self.group else { return Err(error) };
        let standing = group.member.as_ref().map(|member| member.standing());
        if standing == Some(Standing::Replaced) {
            group.fenced = Some(error.clone());
        }
        group.member = None;
        group.awaits_committed = false;
        let lost = self.assignment();
        self.fetcher.replace_assigned(Vec::new());
        self.counters.rebalances += 1;
        self.tell(Event::Lost, &lost).pass_on()?;
        match standing {
            Some(Standing::Replaced) => Err(error),
            _ => self.join_again(),
        }
    }

    /// Reads these partitions no more; what was fetched of them is dropped.
    fn forget(&mut self, partitions: &[TopicPartition]) {
        let gone: BTreeSet<_> = partitions.iter().collect();
        let mut assigned = std::mem::take(&mut self.fetcher.assigned);
        assigned.retain(|assigned| !gone.contains(assigned.name()));
        self.fetcher.replace_assigned(assigned);
    }
}
