//! Group commit: the first writer to arrive leads, takes what is queued, and commits it for all.
//!
//! The steps of one group, and what a stop in each of them leaves:
//!
//! 1. Under the locks of its partitions each batch is given its offsets and its space. *If we stop
//!    here* nothing was written but reserved space and perhaps an empty rolled segment.
//! 2. One frame with all batches is written to the journal. *If we stop here* the frame may or may
//!    not be replayed: nobody was told anything.
//! 3. The journal is synced: the commit point. *If we stop here* replay applies the frame.
//! 4. The batches are written to their segments. *If we stop here* replay applies the frame.
//! 5. The new ends are published together, the waiters are told in the order of their frames.
//!
//! A failure in 1 or 2 is undone and fails only its tickets. A failure in 3 poisons the broker: the
//! outcome is unknown, and no second sync could tell it. A failure in 4 poisons, too, but the
//! commit is durable and is reported so; opening the directory anew applies it.
//!
//! A batch that its producer sent before is in no frame. It shares the fate of the first one: if that
//! is older than the group it is durable when step 1 is done, else it is in this very frame.
//!
//! From 1 to 5 the partitions stay locked, so that no other append can take an offset which the
//! journal has promised to these.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::commit::Committer;
use crate::commit::journal::{Journal, Room};
use crate::commit::ticket::{Afterwards, Effect, OnOutcome, Outcome, Part, Ticket, Woken};
use crate::env::planted::planted;
use crate::env::poison::Poison;
use crate::env::sync::atomic::Ordering;
use crate::env::sync::mpsc;
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::format::journal_frame::{ENTRY_HEADER_BYTES, FRAME_HEADER_BYTES, padded};
use crate::partition::Partition;
use crate::partition::writer::{Appended, Placed, Writer};

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

/// A ticket while its group is being committed.
struct Member<'a> {
    ticket: &'a Ticket,
    parts: Vec<Part>,
    effect: Option<Box<dyn Effect>>,
    /// Where each part goes, or lies already; empty if the ticket failed.
    placed: Vec<(usize, Placed)>,
    failure: Option<Error>,
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
        if let Err(error) = self.begin_write() {
            return (Err(error), parts);
        }
        self.wait_for(&Ticket::waited_for(parts, effect))
    }

    /// Queues `parts` for the next group without waiting; the callback gets the outcome.
    #[cfg(test)]
    pub(crate) fn enqueue(&self, parts: Vec<Part>, on_outcome: OnOutcome) {
        self.enqueue_with(parts, None, on_outcome);
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
        self.enqueue_ticket(parts, None, on_outcome, Some(afterwards));
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
        let _ = self.wait_for(&Ticket::waited_for(Vec::new(), None));
    }

    /// Queues `parts` with an effect; the callback gets the outcome, and must not wait for other
    /// callbacks.
    pub(crate) fn enqueue_with(
        &self,
        parts: Vec<Part>,
        effect: Option<Box<dyn Effect>>,
        on_outcome: OnOutcome,
    ) {
        self.enqueue_ticket(parts, effect, on_outcome, None);
        self.wake_background();
    }

    fn enqueue_ticket(
        &self,
        parts: Vec<Part>,
        effect: Option<Box<dyn Effect>>,
        on_outcome: OnOutcome,
        afterwards: Option<Afterwards>,
    ) {
        if let Err(error) = self.begin_write() {
            on_outcome((Err(error), parts));
            return;
        }
        let ticket = Ticket::called_back(parts, effect, on_outcome, afterwards);
        self.queue.lock().pending.push_back(ticket);
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
            Vec::new(),
            None,
            Box::new(move |_| {
                let _ = told.send(());
            }),
            None,
        );
        self.queue.lock().pending.push_back(marker);
        let _ = self.wait_for(&Ticket::waited_for(Vec::new(), None));
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
                member.failure.get_or_insert_with(|| error.clone());
            }
        }
        for member in members {
            member.decide();
        }
        std::mem::forget(panicking);
    }

    fn commit_members(&self, journal: &mut Journal, members: &mut [Member<'_>]) -> Result<()> {
        self.poison.check()?;
        if members.iter().all(|member| member.parts.is_empty()) {
            return Ok(());
        }
        self.refuse_if_finished()?;
        // What a ticket asks for holds from here on: what could break it needs the leader's lock.
        for member in members.iter_mut() {
            member.failure = member.effect.as_mut().and_then(|effect| effect.check().err());
        }
        self.make_room(journal, members).inspect_err(|error| {
            if error.kind() == ErrorKind::Poisoned {
                self.poison.set(error);
            }
        })?;
        let partitions = distinct_partitions(members);
        let mut writers: Vec<Writer<'_>> = partitions.iter().map(|p| p.lock()).collect();
        // A panic must poison before the partitions are unlocked: what is staged is half there.
        let panicking = PoisonOnPanic(&self.poison);
        let outcome = self.commit_locked(journal, members, &partitions, &mut writers);
        std::mem::forget(panicking);
        outcome
    }

    /// The steps themselves, while the partitions are locked.
    fn commit_locked(
        &self,
        journal: &mut Journal,
        members: &mut [Member<'_>],
        partitions: &[Arc<Partition>],
        writers: &mut [Writer<'_>],
    ) -> Result<()> {
        // 1. Offsets and space, ticket by ticket: one that fails leaves no trace of itself.
        let ready: Vec<Result<()>> = writers.iter_mut().map(make_ready).collect();
        for member in members.iter_mut() {
            member.stage(partitions, writers, &ready);
        }
        // What was there before this group is durable: committed, or synced by `make_ready`.
        if !members.iter().any(Member::has_staged) {
            return Ok(());
        }

        // 2. One frame. If its write fails, it was erased; what was staged is taken back.
        build_frame(journal, partitions, members);
        let frame = match journal.write() {
            Ok(frame) => frame,
            Err(error) => {
                unstage_all(writers, members);
                if error.kind() == ErrorKind::Poisoned {
                    self.poison.set(&error);
                }
                return Err(error);
            }
        };

        // 3. The commit point. Nothing is taken back from here on.
        journal.sync(&frame).map_err(|error| self.unknown_outcome(&error))?;

        if planted!("published_before_applied") {
            writers.iter_mut().for_each(Writer::publish);
        }

        // 4. Into the segments. The commit is durable, whatever happens here.
        let mut applied = Ok(());
        for member in members.iter() {
            for (part, (writer, placed)) in member.parts.iter().zip(&member.placed) {
                applied = applied.and_then(|()| writers[*writer].apply(placed, &part.batch));
            }
        }
        if let Err(error) = applied {
            self.poison.set(&error);
            return Ok(());
        }

        // 5. All ends at once.
        self.ends.publish(|| {
            for writer in writers {
                writer.publish();
            }
            members.iter_mut().for_each(Member::publish);
        });
        *self.applied.lock() = journal.position();
        Ok(())
    }

    fn unknown_outcome(&self, error: &Error) -> Error {
        let message = format!(
            "{error}; whether these records are committed is unknown until the directory is \
             opened anew"
        );
        let poisoned = Error::new(ErrorKind::Poisoned, message);
        self.poison.set(&poisoned);
        poisoned
    }

    /// Room for a frame of these members; a full journal is checkpointed on the spot.
    fn make_room(&self, journal: &mut Journal, members: &mut [Member<'_>]) -> Result<()> {
        self.refuse_oversized(journal, members);
        let bytes = frame_bytes(members);
        let file = journal.position().file;
        if journal.make_room(bytes)? == Room::NeedsCheckpoint {
            self.checkpoint_now(journal.position())?;
            if journal.make_room(bytes)? == Room::NeedsCheckpoint {
                let message = "the commit journal has no room although it was checkpointed";
                return Err(Error::new(ErrorKind::NoSpace, message));
            }
        }
        if journal.position().file != file {
            self.checkpoint_wanted.store(true, Ordering::Release);
            self.wake_background();
        }
        Ok(())
    }

    /// A ticket that no frame can hold fails alone, not its whole group.
    fn refuse_oversized(&self, journal: &Journal, members: &mut [Member<'_>]) {
        let limit = journal.frame_bytes_max();
        for member in members {
            let bytes = frame_bytes(std::slice::from_ref(member));
            if bytes > limit {
                let message = format!(
                    "a commit of {bytes} bytes exceeds ottla.commit.max.bytes, which is {limit}"
                );
                member.failure = Some(Error::new(ErrorKind::Limit, message));
            }
        }
    }
}

impl<'a> Member<'a> {
    fn of(ticket: &'a Ticket) -> Member<'a> {
        let (parts, effect) = ticket.take_parts();
        Member { ticket, parts, effect, placed: Vec::new(), failure: None }
    }

    /// Shows what goes with the batches.
    fn publish(&mut self) {
        if let Some(effect) = self.effect.as_mut().filter(|_| self.failure.is_none()) {
            effect.publish(&places(&self.placed));
        }
    }

    /// Stages every part, or none of them and notes why.
    fn stage(
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
    fn unstage(&mut self, writers: &mut [Writer<'_>]) {
        while let Some((writer, placed)) = self.placed.pop() {
            writers[writer].unstage(placed);
        }
    }

    /// Whether anything of it has to be written.
    fn has_staged(&self) -> bool {
        self.placed.iter().any(|(_, placed)| matches!(placed, Placed::Staged(_)))
    }

    fn decide(self) {
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

fn frame_bytes(members: &[Member<'_>]) -> u64 {
    let alive = members.iter().filter(|member| member.failure.is_none());
    alive.fold(FRAME_HEADER_BYTES as u64, |bytes, member| {
        bytes + member.ticket.bytes + (member.ticket.parts * ENTRY_HEADER_BYTES) as u64
    })
}

/// The partitions of a group in the order of their ids, which is the order of their locks.
fn distinct_partitions(members: &[Member<'_>]) -> Vec<Arc<Partition>> {
    let parts = members.iter().filter(|m| m.failure.is_none()).flat_map(|m| &m.parts);
    let mut partitions: Vec<_> = parts.map(|part| Arc::clone(&part.partition)).collect();
    partitions.sort_by_key(|partition| order_of(partition));
    partitions.dedup_by_key(|partition| order_of(partition));
    partitions
}

fn order_of(partition: &Partition) -> (crate::topic::TopicId, i32) {
    (partition.id().topic_id(), partition.id().partition())
}

fn writer_of(partitions: &[Arc<Partition>], partition: &Partition) -> usize {
    partitions
        .binary_search_by_key(&order_of(partition), |other| order_of(other))
        .expect("every partition of the group was locked")
}

/// What must hold before a batch of a partition may enter the journal: bytes in front of it that
/// only the page cache has would leave a hole after a power loss, so they are synced now.
fn make_ready(writer: &mut Writer<'_>) -> Result<()> {
    writer.check_writable()?;
    if writer.has_unsynced_tail() && !planted!("tail_not_synced_before_frame") {
        writer.sync_tail()?;
    }
    Ok(())
}

fn build_frame(journal: &mut Journal, partitions: &[Arc<Partition>], members: &[Member<'_>]) {
    let frame = journal.frame();
    frame.start();
    for member in members {
        for (part, (writer, placed)) in member.parts.iter().zip(&member.placed) {
            if let Placed::Staged(staged) = placed {
                let id = partitions[*writer].id();
                frame.push(id.topic_id(), id.partition(), staged.base_offset, &part.batch);
            }
        }
    }
}

fn unstage_all(writers: &mut [Writer<'_>], members: &mut [Member<'_>]) {
    for member in members.iter_mut().rev() {
        member.unstage(writers);
    }
}

/// Poisons when it is dropped, that is, when a panic passes by: else it is forgotten.
struct PoisonOnPanic<'a>(&'a Poison);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        self.0.set(&interrupted());
    }
}

fn interrupted() -> Error {
    let message =
        "a panic interrupted a commit; its outcome is unknown until the directory is opened anew";
    Error::new(ErrorKind::Poisoned, message)
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
