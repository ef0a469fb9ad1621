//! The steps of one commit group, and what a stop in each of them leaves:
//!
//! 1. Under the locks of its partitions each ticket is asked for its conditions, and each batch is
//!    given its offsets and its space. *If we stop here* nothing was written but reserved space and perhaps an empty rolled segment.
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
//! A condition counts what is staged as appended. If it fails by that, and then the group fails, it
//! did not fail: its ticket hears what the group hears.
//!
//! From 1 to 5 the partitions stay locked, so that no other append can take an offset which the
//! journal has promised to these.

use std::sync::Arc;

use crate::commit::Committer;
use crate::commit::journal::{Journal, Room};
use crate::commit::member::{Member, order_of};
use crate::commit::spill::Spill;
use crate::commit::ticket::Payload;
use crate::env::planted::{linger, planted};
use crate::env::poison::Poison;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::journal_frame::{ENTRY_HEADER_BYTES, FRAME_HEADER_BYTES};
use crate::partition::Partition;
use crate::partition::writer::{Placed, Writer};

/// So many bytes of committed batches may lie in spill files before a checkpoint is made on the
/// spot; a quarter of it asks for one.
const SPILLS_BYTES_MAX: u64 = 512 << 20;

impl Committer {
    /// Steps 1 to 5 for the members of one group. An error is that of every member which has none of
    /// its own.
    pub(super) fn commit_members(
        &self,
        journal: &mut Journal,
        members: &mut [Member<'_>],
    ) -> Result<()> {
        self.poison.check()?;
        if members.iter().all(Member::is_empty) {
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
        if planted!("condition_asked_early") {
            members.iter_mut().for_each(Member::ask_early);
            linger();
        }
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
            if members.iter().any(Member::has_effect) {
                self.ends.publish(|| members.iter_mut().for_each(Member::publish));
            }
            return Ok(());
        }

        // 2. One frame. If its write fails, it was erased; what was staged is taken back.
        build_frame(journal, partitions, members);
        let lsn = journal.position().lsn;
        self.spills.name_in(lsn, staged_spills(members));
        let frame = match journal.write() {
            Ok(frame) => frame,
            Err(error) => {
                unstage_all(writers, members);
                match error.kind() {
                    ErrorKind::Poisoned => self.poison.set(&error),
                    _ => self.spills.unname(lsn),
                }
                return Err(error);
            }
        };

        if planted!("shown_before_sync") {
            writers.iter_mut().for_each(Writer::publish);
        }

        // 3. The commit point. Nothing is taken back from here on.
        journal.sync(&frame).map_err(|error| self.unknown_outcome(&error))?;

        if planted!("published_before_applied") {
            writers.iter_mut().for_each(Writer::publish);
        }

        // 4. Into the segments. The commit is durable, whatever happens here.
        let mut applied = Ok(());
        for member in members.iter() {
            for (part, (writer, placed)) in member.parts.iter().zip(&member.placed) {
                let writer = &mut writers[*writer];
                applied = applied.and_then(|()| apply(writer, placed, &part.batch));
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
        if !planted!("poison_forgotten") {
            self.poison.set(&poisoned);
        }
        poisoned
    }

    /// Room for a frame of these members; a full journal is checkpointed on the spot.
    fn make_room(&self, journal: &mut Journal, members: &mut [Member<'_>]) -> Result<()> {
        self.refuse_oversized(journal, members);
        if members.iter().all(|member| member.parts.is_empty()) {
            return Ok(());
        }
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
        // Logs with unsynced bytes keep their descriptors.
        let mut parts = members.iter().flat_map(|member| &member.parts);
        if parts.next().is_some_and(|part| part.partition.take_crowded()) {
            self.checkpoint_now(journal.position())?;
        }
        self.bound_spills(journal)
    }

    /// Spill files that only wait for a checkpoint are bounded, as the journal is.
    fn bound_spills(&self, journal: &Journal) -> Result<()> {
        let kept_bytes = self.spills.kept_bytes();
        if kept_bytes > SPILLS_BYTES_MAX {
            self.checkpoint_now(journal.position())?;
        } else if kept_bytes > SPILLS_BYTES_MAX / 4 {
            self.want_checkpoint();
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
fn frame_bytes(members: &[Member<'_>]) -> u64 {
    let alive = members.iter().filter(|member| member.failure.is_none());
    alive.fold(FRAME_HEADER_BYTES as u64, |bytes, member| {
        bytes + member.ticket.bytes + (member.ticket.parts * ENTRY_HEADER_BYTES) as u64
    })
}

/// The partitions of a group in the order of their ids, which is the order of their locks.
fn distinct_partitions(members: &[Member<'_>]) -> Vec<Arc<Partition>> {
    let alive = members.iter().filter(|member| member.failure.is_none());
    let mut partitions: Vec<_> = alive.flat_map(Member::partitions).map(Arc::clone).collect();
    partitions.sort_by_key(|partition| order_of(partition));
    partitions.dedup_by_key(|partition| order_of(partition));
    partitions
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
                let (topic, partition, base) = (id.topic_id(), id.partition(), staged.base_offset);
                match &part.batch {
                    Payload::Memory(batch) => frame.push(topic, partition, base, batch),
                    Payload::Spilled(spilled) => {
                        frame.push_spilled(topic, partition, base, &spilled.entry());
                    }
                }
            }
        }
    }
}

/// The spill files that the frame will name.
fn staged_spills(members: &[Member<'_>]) -> Vec<Arc<Spill>> {
    let mut spills: Vec<Arc<Spill>> = Vec::new();
    for member in members.iter().filter(|member| member.has_staged()) {
        for part in &member.parts {
            if let Payload::Spilled(spilled) = &part.batch
                && !spills.last().is_some_and(|last| Arc::ptr_eq(last, spilled.spill()))
            {
                spills.push(Arc::clone(spilled.spill()));
            }
        }
    }
    spills
}

/// Step 4 for one batch.
fn apply(writer: &mut Writer<'_>, placed: &Placed, batch: &Payload) -> Result<()> {
    match batch {
        Payload::Memory(batch) => writer.apply(placed, batch),
        Payload::Spilled(spilled) => {
            spilled.pieces(|at, piece| writer.apply_piece(placed, at, piece))
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

pub(super) fn interrupted() -> Error {
    let message =
        "a panic interrupted a commit; its outcome is unknown until the directory is opened anew";
    Error::new(ErrorKind::Poisoned, message)
}
