//! A ticket while its group is being committed: staging its batches, taking them back, and its
//! outcome.
//!
//! A member that failed has nothing staged.

use std::sync::Arc;

use crate::commit::ticket::{Effect, Part, Ticket};
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::partition::writer::{Appended, Placed, Writer};

/// A ticket while its group is being committed.
pub(super) struct Member<'a> {
    pub(super) ticket: &'a Ticket,
    pub(super) parts: Vec<Part>,
    pub(super) effect: Option<Box<dyn Effect>>,
    /// Where each part goes, or lies already; empty if the ticket failed.
    pub(super) placed: Vec<(usize, Placed)>,
    pub(super) failure: Option<Error>,
}

impl<'a> Member<'a> {
    pub(super) fn of(ticket: &'a Ticket) -> Member<'a> {
        let (parts, effect) = ticket.take_parts();
        Member { ticket, parts, effect, placed: Vec::new(), failure: None }
    }

    /// Shows what goes with the batches.
    pub(super) fn publish(&mut self) {
        if let Some(effect) = self.effect.as_mut().filter(|_| self.failure.is_none()) {
            effect.publish(&places(&self.placed));
        }
    }

    /// Stages every part, or none of them and notes why.
    pub(super) fn stage(
        &mut self,
        partitions: &[Arc<Partition>],
        writers: &mut [Writer<'_>],
        ready: &[Result<()>],
    ) {
        if self.failure.is_some() {
            return;
        }
        for part in &mut self.parts {
            let writer = writer_of(partitions, &part.partition);
            let placed = match &ready[writer] {
                Ok(()) => writers[writer].stage(&mut part.batch),
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
