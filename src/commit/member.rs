//! A ticket while its group is being committed: staging its batches, taking them back, and its
//! outcome.
//!
//! A member that failed has nothing staged.

use std::sync::Arc;

use crate::commit::ticket::{Contents, Effect, Guard, Part, Ticket};
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::partition::writer::{Appended, Placed, Writer};

/// A ticket while its group is being committed.
pub(super) struct Member<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) parts: Vec<Part>,
    pub(super) guards: Vec<Guard>,
    pub(super) effect: Option<Box<dyn Effect>>,
    /// Where each part goes, or lies already; empty if the ticket failed.
    pub(super) placed: Vec<(usize, Placed)>,
    pub(super) failure: Option<Error>,
    /// The failure is a condition that batches of this very group stood against.
    fails_by_group: bool,
}

impl<'a> Member<'a> {
    pub(super) fn of(ticket: &'a Ticket) -> Member<'a> {
        let Contents { parts, guards, effect } = ticket.take_contents();
        let (placed, failure) = (Vec::new(), None);
        Member { ticket, parts, guards, effect, placed, failure, fails_by_group: false }
    }

    /// Whether there is nothing to do for it: it waits for others.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.guards.is_empty() && self.effect.is_none()
    }

    /// The partitions whose locks it needs.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        let of_parts = self.parts.iter().map(|part| &part.partition);
        of_parts.chain(self.guards.iter().map(|guard| &guard.partition))
    }

    /// The whole group failed. What stood against a condition only because of this group stands
    /// against it no more.
    pub(super) fn fail_with_group(&mut self, error: &Error) {
        if self.fails_by_group {
            self.failure = None;
        }
        self.failure.get_or_insert_with(|| error.clone());
    }

    /// Shows what goes with the batches.
    pub(super) fn publish(&mut self) {
        if let Some(effect) = self.effect.as_mut().filter(|_| self.failure.is_none()) {
            effect.publish(&places(&self.placed));
        }
    }

    /// Asks the conditions; the first that does not hold is the failure.
    fn ask(
        &mut self,
        partitions: &[Arc<Partition>],
        writers: &mut [Writer<'_>],
        ready: &[Result<()>],
    ) {
        for guard in &self.guards {
            let index = writer_of(partitions, &guard.partition);
            let writer = &mut writers[index];
            let asked = ready[index].clone().and_then(|()| writer.check_expected(&guard.expect));
            let Err(error) = asked else { continue };
            let by_group = error.kind() == ErrorKind::Conflict && writer.has_staged();
            if error.kind() == ErrorKind::Conflict && self.was_sent_before(partitions, writers) {
                return;
            }
            self.fails_by_group = by_group;
            self.failure = Some(error);
            return;
        }
    }

    /// Whether every batch is in the log already, so that the conditions held when it got there.
    #[cold]
    fn was_sent_before(&self, partitions: &[Arc<Partition>], writers: &mut [Writer<'_>]) -> bool {
        let is_there = |part: &Part| {
            let writer = &mut writers[writer_of(partitions, &part.partition)];
            writer.was_sent_before(part.batch.head()).is_ok_and(|before| before)
        };
        !self.parts.is_empty() && self.parts.iter().all(is_there)
    }

    /// Stages every part, or none of them and notes why.
    pub(super) fn stage(
        &mut self,
        partitions: &[Arc<Partition>],
        writers: &mut [Writer<'_>],
        ready: &[Result<()>],
    ) {
        if self.failure.is_none() && !planted!("condition_asked_early") {
            self.ask(partitions, writers, ready);
        }
        if self.failure.is_some() {
            return;
        }
        for part in &mut self.parts {
            let writer = writer_of(partitions, &part.partition);
            let placed = match &ready[writer] {
                Ok(()) => part.batch.stage(&mut writers[writer]),
                Err(error) => Err(error.clone()),
            };
            match placed {
                Ok(placed) => self.placed.push((writer, placed)),
                Err(error) => {
                    self.unstage(writers);
                    self.failure = Some(error);
                    return;
                }
            }
        }
    }

    /// Takes back what was staged, the last first.
    pub(super) fn unstage(&mut self, writers: &mut [Writer<'_>]) {
        while let Some((writer, placed)) = self.placed.pop() {
            writers[writer].unstage(placed);
        }
    }

    /// Whether something is to be seen with it.
    pub(super) fn has_effect(&self) -> bool {
        self.failure.is_none() && self.effect.is_some()
    }

    /// For a planted bug: the conditions, before the partitions are locked.
    pub(super) fn ask_early(&mut self) {
        for guard in &self.guards {
            let asked = guard.partition.lock().check_expected(&guard.expect);
            if let Err(error) = asked {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Whether anything of it has to be written.
    pub(super) fn has_staged(&self) -> bool {
        self.placed.iter().any(|(_, placed)| matches!(placed, Placed::Staged(_)))
    }

    pub(super) fn decide(self) {
        let outcome = match self.failure {
            Some(error) => Err(error),
            None => Ok(places(&self.placed)),
        };
        self.ticket.decide(outcome, self.parts);
    }
}

fn places(placed: &[(usize, Placed)]) -> Vec<Appended> {
    placed.iter().map(|(_, placed)| placed.appended()).collect()
}

/// The order of the locks of partitions.
pub(super) fn order_of(partition: &Partition) -> (crate::topic::TopicId, i32) {
    (partition.id().topic_id(), partition.id().partition())
}

fn writer_of(partitions: &[Arc<Partition>], partition: &Partition) -> usize {
    partitions
        .binary_search_by_key(&order_of(partition), |other| order_of(other))
        .expect("every partition of the group was locked")
}
