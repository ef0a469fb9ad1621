//! Group commit: the first writer to arrive leads, takes what is queued, and commits it for all.
//!
//! Here is the queue, who leads, how much one group takes, and how its tickets are told. What is
//! done to a group is in `steps`.
//!
//! At any time one thread leads, or none does and nothing waits. Tickets are decided in the order
//! in which they were queued, and told in that order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::commit::Committer;
use crate::commit::journal::Journal;
use crate::commit::member::Member;
use crate::commit::spill::sync_spills;
use crate::commit::steps::interrupted;
use crate::commit::ticket::{
    Afterwards, Contents, Effect, Guard, OnOutcome, Outcome, Part, Ticket, Woken,
};
use crate::env::planted::{linger, planted};
use crate::env::sync::mpsc;
use crate::env::user_code;
use crate::format::journal_frame::{ENTRY_HEADER_BYTES, FRAME_HEADER_BYTES, padded};

/// A group takes queued tickets up to about this size, so that nobody waits for a huge frame.
const GROUP_BYTES: u64 = 8 << 20;

/// Tickets that wait for a leader, first come, first served.
#[derive(Default)]
pub(crate) struct Queue {
    pending: VecDeque<Arc<Ticket>>,
    leading: bool,
}

/// Decided tickets whose callbacks are still to be called, in order.
#[derive(Default)]
pub(crate) struct Completions {
    decided: VecDeque<Arc<Ticket>>,
    calling: bool,
}

impl Committer {
    /// Commits all of `parts` or none, durably. The buffers come back for reuse.
    ///
    /// # Durability
    /// When it returns `Ok`, every record survives power loss.
    ///
    /// # Errors
    /// `Poisoned` means that the outcome is unknown until the directory is opened anew; after any
    /// other error nothing was written.
    pub(crate) fn commit(&self, parts: Vec<Part>) -> Outcome {
        self.commit_with(parts, None)
    }

    /// As [`commit`](Self::commit), if the effect's condition holds; the effect is seen with the
    /// batches.
    ///
    /// # Durability
    /// As [`commit`](Self::commit).
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and what the condition answers.
    pub(crate) fn commit_with(&self, parts: Vec<Part>, effect: Option<Box<dyn Effect>>) -> Outcome {
        self.commit_contents(Contents::of(parts, effect))
    }

    /// As [`commit_with`](Self::commit_with), if all `guards` hold: they are asked under the locks
    /// of their partitions, behind the tickets that came first. Without parts they are asked all
    /// the same. What was appended to a guarded partition before is synced first, so that nothing
    /// durable rests on what a loss of power may take. A ticket whose batches were all sent before
    /// is not asked again.
    ///
    /// # Durability
    /// As [`commit`](Self::commit).
    ///
    /// # Errors
    /// As [`commit_with`](Self::commit_with); `Conflict`, with what was missed, if a guard does not
    /// hold.
    pub(crate) fn commit_guarded(
        &self,
        parts: Vec<Part>,
        guards: Vec<Guard>,
        effect: Option<Box<dyn Effect>>,
    ) -> Outcome {
        let guarded: Vec<_> = guards.iter().map(|guard| Arc::clone(&guard.partition)).collect();
        let (outcome, parts) = self.commit_contents(Contents { parts, guards, effect });
        let told = outcome.map_err(|error| {
            guarded.iter().fold(error, |error, partition| partition.tell_missed(error))
        });
        (told, parts)
    }

    fn commit_contents(&self, contents: Contents) -> Outcome {
        if let Err(error) = self.begin_write().and_then(|()| sync_spills(&contents.parts)) {
            return (Err(error), contents.parts);
        }
        self.wait_for(&Ticket::waited_for(contents))
    }

    /// Queues a ticket for the next group without waiting; the callback gets the outcome.
    #[cfg(test)]
    pub(crate) fn enqueue(&self, contents: Contents, on_outcome: OnOutcome) {
        self.enqueue_ticket(contents, on_outcome, None);
    }

    /// Queues `parts` for the next group without waiting, and wakes nobody: see to it by
    /// [`nudge`](Self::nudge) or [`work`](Self::work). The callback gets the outcome, and must not
    /// wait for other callbacks. `afterwards` is called after a callback that is called later
    /// than this returns; it may wait for anything: the place for the code of users.
    pub(crate) fn enqueue_then(
        &self,
        parts: Vec<Part>,
        on_outcome: OnOutcome,
        afterwards: Afterwards,
    ) {
        self.enqueue_ticket(Contents::of(parts, None), on_outcome, Some(afterwards));
    }

    /// Wakes the maintenance thread, if there is one, to commit what no thread waits for.
    pub(crate) fn nudge(&self) {
        if self.has_queued() {
            self.wake_background();
        }
    }

    /// Commits what was queued before, or waits until another thread has; callbacks may then still
    /// be on their way.
    pub(crate) fn work(&self) {
        let _ = self.wait_for(&Ticket::waited_for(Contents::default()));
    }

    /// Queues `parts` with an effect; the callback gets the outcome, and must not wait for other
    /// callbacks.
    pub(crate) fn enqueue_with(
        &self,
        parts: Vec<Part>,
        effect: Option<Box<dyn Effect>>,
        on_outcome: OnOutcome,
    ) {
        self.enqueue_ticket(Contents::of(parts, effect), on_outcome, None);
        self.wake_background();
    }

    fn enqueue_ticket(
        &self,
        contents: Contents,
        on_outcome: OnOutcome,
        afterwards: Option<Afterwards>,
    ) {
        if let Err(error) = self.begin_write().and_then(|()| sync_spills(&contents.parts)) {
            on_outcome((Err(error), contents.parts));
            return;
        }
        let ticket = Ticket::called_back(contents, on_outcome, afterwards);
        self.queue.lock().pending.push_back(ticket);
        // The broker was abandoned just now, and nobody else comes by any more.
        if self.is_finished() {
            self.decide_queued();
        }
    }

    /// Decides what is queued, and tells. After the end of the committer all of it is refused.
    pub(super) fn decide_queued(&self) {
        let _ = self.wait_for(&Ticket::waited_for(Contents::default()));
    }

    /// Returns when no group is being committed whose conditions were asked before the call: all
    /// its effects are there.
    pub(crate) fn pass_leader(&self) {
        drop(self.leader.lock());
    }

    /// Returns when everything that was queued before is decided and told.
    pub(crate) fn settle(&self) {
        let (told, all_told) = mpsc::sync_channel(1);
        let marker = Ticket::called_back(
            Contents::default(),
            Box::new(move |_| {
                let _ = told.send(());
            }),
            None,
        );
        self.queue.lock().pending.push_back(marker);
        let _ = self.wait_for(&Ticket::waited_for(Contents::default()));
        let _ = all_told.recv();
    }

    /// Whether tickets are queued that no thread waits for.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.lock().pending.is_empty()
    }

    fn wait_for(&self, ticket: &Arc<Ticket>) -> Outcome {
        let lead = {
            let mut queue = self.queue.lock();
            queue.pending.push_back(Arc::clone(ticket));
            !std::mem::replace(&mut queue.leading, true)
        };
        if lead || ticket.wait() == Woken::ToLead {
            self.lead(ticket);
        }
        ticket.take_outcome()
    }

    /// Commits group after group until `own` is decided and another thread leads, or nothing waits.
    fn lead(&self, own: &Arc<Ticket>) {
        self.lead_groups(own);
        self.call_back();
    }

    fn lead_groups(&self, own: &Arc<Ticket>) {
        let _not_now = user_code::not_now();
        let mut journal = self.leader.lock();
        loop {
            let group = self.next_group(journal.frame_bytes_max());
            self.commit_group(&mut journal, &group);
            let handed = own.is_decided() && self.hand_over();
            self.tell(group, own);
            if handed {
                return;
            }
        }
    }

    /// What is queued, as far as it fits into one frame.
    fn next_group(&self, frame_bytes_max: u64) -> Vec<Arc<Ticket>> {
        let limit = GROUP_BYTES.min(frame_bytes_max);
        let mut queue = self.queue.lock();
        let mut group = Vec::new();
        let mut bytes = FRAME_HEADER_BYTES as u64;
        while let Some(next) = queue.pending.front() {
            bytes += next.bytes + (next.parts * ENTRY_HEADER_BYTES) as u64;
            if !group.is_empty() && padded(bytes) > limit {
                break;
            }
            group.extend(queue.pending.pop_front());
        }
        group
    }

    /// Gives the leadership to a thread that waits, or lays it down if nothing is queued; `false`
    /// if only tickets without a thread are queued, which the caller goes on to commit.
    fn hand_over(&self) -> bool {
        let mut queue = self.queue.lock();
        if queue.pending.is_empty() {
            if planted!("leadership_laid_down_late") {
                drop(queue);
                linger();
                queue = self.queue.lock();
            }
            queue.leading = false;
            return true;
        }
        match queue.pending.iter().find(|ticket| ticket.can_lead()) {
            Some(next) => {
                next.hand_leadership();
                true
            }
            None => false,
        }
    }

    /// Wakes the waiting threads of a decided group and queues the callbacks of the others.
    fn tell(&self, group: Vec<Arc<Ticket>>, own: &Arc<Ticket>) {
        let mut with_callback = Vec::new();
        if planted!("failed_group_not_told") && self.poison.check().is_err() {
            return;
        }
        for ticket in group {
            if !Arc::ptr_eq(&ticket, own) && !ticket.tell_waiter() {
                with_callback.push(ticket);
            }
        }
        if !with_callback.is_empty() {
            self.completions.lock().decided.extend(with_callback);
        }
    }

    /// Calls the callbacks of decided tickets, one thread at a time, in order, under no lock. One
    /// that panics passes its panic on when the others were called.
    fn call_back(&self) {
        loop {
            let ticket = {
                let mut completions = self.completions.lock();
                if completions.calling {
                    return;
                }
                let Some(ticket) = completions.decided.pop_front() else { return };
                completions.calling = true;
                ticket
            };
            let not_now = user_code::not_now();
            let called = catch_unwind(AssertUnwindSafe(|| ticket.call_back()));
            self.completions.lock().calling = false;
            drop(not_now);
            match called {
                Ok(None) => {}
                // The thread may hold a lock of its own, the catalog's for instance.
                Ok(Some(afterwards)) => user_code::run(afterwards),
                Err(panic) => {
                    // Whoever came meanwhile has left its callbacks to this thread.
                    self.call_back();
                    resume_unwind(panic);
                }
            }
        }
    }

    /// Steps 1 to 5 for one group. Every ticket of it is decided afterwards.
    fn commit_group(&self, journal: &mut Journal, group: &[Arc<Ticket>]) {
        let panicking = PanicGuard { committer: self, group };
        let mut members: Vec<Member<'_>> = group.iter().map(|ticket| Member::of(ticket)).collect();
        if let Err(error) = self.commit_members(journal, &mut members) {
            for member in &mut members {
                member.fail_with_group(&error);
            }
        }
        for member in members {
            member.decide();
        }
        std::mem::forget(panicking);
    }
}

/// A leader that panics leaves a journal and segments that nobody can vouch for: poison, and tell
/// everybody who waits.
struct PanicGuard<'a> {
    committer: &'a Committer,
    group: &'a [Arc<Ticket>],
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        let error = interrupted();
        self.committer.poison.set(&error);
        if planted!("panic_tells_nobody") {
            return;
        }
        let queued = {
            let mut queue = self.committer.queue.lock();
            queue.leading = false;
            std::mem::take(&mut queue.pending)
        };
        for ticket in self.group.iter().chain(&queued) {
            if !ticket.is_decided() {
                ticket.decide(Err(error.clone()), Vec::new());
            }
            if !ticket.tell_waiter() {
                // The leader's lock is still held: what is to come afterwards is left to a tick.
                drop(ticket.call_back());
            }
        }
    }
}
