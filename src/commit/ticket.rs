//! One writer's place in the queue of a commit group.

use std::sync::Arc;

use crate::commit::spill::SpilledBatch;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicU8, Ordering};
use crate::env::sync::thread::{Thread, current};
use crate::error::room;
use crate::error::{Error, Result};
use crate::format::spill_file::SPILLED_ENTRY_BYTES;
use crate::partition::Partition;
use crate::partition::expect::Expect;
use crate::partition::writer::{Appended, Placed, Writer};

/// A batch and where it goes.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) partition: Arc<Partition>,
    pub(crate) batch: Payload,
}

/// Where a batch is until it is in the log.
#[derive(Debug)]
pub(crate) enum Payload {
    Memory(Vec<u8>),
    /// In the spill file of a large transaction.
    Spilled(SpilledBatch),
}

impl From<Vec<u8>> for Payload {
    fn from(batch: Vec<u8>) -> Payload {
        Payload::Memory(batch)
    }
}

impl Payload {
    /// The bytes of the batch in the log.
    pub(crate) fn len(&self) -> usize {
        match self {
            Payload::Memory(batch) => batch.len(),
            Payload::Spilled(spilled) => spilled.len(),
        }
    }

    /// The bytes of its entry in a frame, behind those that every entry has.
    fn frame_bytes(&self) -> usize {
        match self {
            Payload::Memory(batch) => batch.len(),
            Payload::Spilled(_) => SPILLED_ENTRY_BYTES,
        }
    }

    /// The batch as far as it is in memory: all of it, or its header.
    pub(super) fn head(&self) -> &[u8] {
        match self {
            Payload::Memory(batch) => batch,
            Payload::Spilled(spilled) => spilled.head(),
        }
    }

    /// Gives the batch its place and stamps its header. Of one that was spilled the header is
    /// enough, unless the partition remembers keys.
    ///
    /// # Errors
    /// See [`Writer::stage_head`]; those of reading the spill.
    pub(super) fn stage(&mut self, writer: &mut Writer<'_>) -> Result<Placed> {
        let size = self.len();
        match self {
            Payload::Memory(batch) => writer.stage_head(batch, size),
            Payload::Spilled(spilled) if writer.keeps_keys() => {
                let mut batch = Vec::new();
                room::exactly(&mut batch, size)
                    .map_err(|error| Error::io(error, "no memory for a spilled batch"))?;
                spilled.pieces(|_, piece| {
                    batch.extend_from_slice(piece);
                    Ok(())
                })?;
                let placed = writer.stage_head(&mut batch, size)?;
                let head = spilled.head_mut();
                head.copy_from_slice(&batch[..head.len()]);
                Ok(placed)
            }
            Payload::Spilled(spilled) => writer.stage_head(spilled.head_mut(), size),
        }
    }

    /// The buffer, for reuse.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        match self {
            Payload::Memory(batch) => batch,
            Payload::Spilled(_) => Vec::new(),
        }
    }
}

/// A condition of a ticket: what has to hold of a partition when the ticket gets its offsets there,
/// behind the tickets that came first. All conditions of a ticket hold, or nothing of it is written.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) partition: Arc<Partition>,
    pub(crate) expect: Expect,
}

impl Guard {
    /// A condition that can hold, with what asking it needs at hand: the locks are not held while
    /// an index is read.
    ///
    /// # Errors
    /// `InvalidInput` for an offset that no log ever has; those of reading an index.
    pub(crate) fn new(partition: &Arc<Partition>, expect: Expect) -> Result<Guard> {
        let id = partition.id();
        expect
            .validate()
            .map_err(|error| error.at_partition(id.topic().as_str(), id.partition()))?;
        if matches!(expect, Expect::Version { .. }) {
            partition.warm_keys()?;
        }
        Ok(Guard { partition: Arc::clone(partition), expect })
    }
}

/// What becomes of a ticket: where each part was written, and the buffers for reuse.
pub(crate) type Outcome = (Result<Vec<Appended>>, Vec<Part>);

/// Called once with the outcome, under no lock.
pub(crate) type OnOutcome = Box<dyn FnOnce(Outcome) + Send>;

/// What goes with the batches of a ticket: a condition of the commit, and something in memory that
/// is to be seen with its batches and not before.
///
/// Both are called by the leader under its lock, so that tickets are asked and shown in the order
/// of their frames, and no partition is cut off in between. They may take the locks of partitions
/// (only `check` may) or small ones of their own, and must not commit anything.
pub(crate) trait Effect: Send {
    /// Whether the ticket may be committed at all, now; asked before its offsets are assigned.
    ///
    /// # Errors
    /// The outcome of the ticket: nothing of it is written then.
    fn check(&mut self) -> Result<()>;

    /// Its batches are durable and being shown to readers at these offsets.
    fn publish(&mut self, appended: &[Appended]);
}

/// Called after the outcome was told, when the calling thread holds nothing of the commit any
/// more: what it does may wait for other commits and their outcomes.
pub(crate) type Afterwards = Box<dyn FnOnce() + Send>;

const WAITING: u8 = 0;
const LEADING: u8 = 1;
const DONE: u8 = 2;

/// What a waiting thread is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// To lead the next group.
    ToLead,
    /// The outcome is there.
    Done,
}

/// What is committed together, and under which conditions.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) parts: Vec<Part>,
    pub(crate) guards: Vec<Guard>,
    pub(crate) effect: Option<Box<dyn Effect>>,
}

impl Contents {
    pub(crate) fn of(parts: Vec<Part>, effect: Option<Box<dyn Effect>>) -> Contents {
        Contents { parts, guards: Vec::new(), effect }
    }
}

/// Some batches that are committed together, or not at all.
pub(crate) struct Ticket {
    /// How many bytes the batches take in a frame; fixed.
    pub(crate) bytes: u64,
    /// How many batches there are; fixed.
    pub(crate) parts: usize,
    inside: Mutex<Inside>,
    state: AtomicU8,
    waiter: Option<Thread>,
}

struct Inside {
    contents: Contents,
    outcome: Option<Result<Vec<Appended>>>,
    on_outcome: Option<OnOutcome>,
    afterwards: Option<Afterwards>,
}

impl Ticket {
    /// A ticket for which the calling thread will wait.
    pub(crate) fn waited_for(contents: Contents) -> Arc<Ticket> {
        Ticket::new(contents, Some(current()), None, None)
    }

    /// A ticket whose outcome goes to a callback.
    pub(crate) fn called_back(
        contents: Contents,
        on_outcome: OnOutcome,
        afterwards: Option<Afterwards>,
    ) -> Arc<Ticket> {
        Ticket::new(contents, None, Some(on_outcome), afterwards)
    }

    fn new(
        contents: Contents,
        waiter: Option<Thread>,
        on_outcome: Option<OnOutcome>,
        afterwards: Option<Afterwards>,
    ) -> Arc<Ticket> {
        Arc::new(Ticket {
            bytes: contents.parts.iter().map(|part| part.batch.frame_bytes() as u64).sum(),
            parts: contents.parts.len(),
            inside: Mutex::new(Inside { contents, outcome: None, on_outcome, afterwards }),
            state: AtomicU8::new(WAITING),
            waiter,
        })
    }

    /// Whether a thread waits, which could lead.
    pub(crate) fn can_lead(&self) -> bool {
        self.waiter.is_some()
    }

    /// The leader takes the batches to write them, and what goes with them.
    pub(crate) fn take_contents(&self) -> Contents {
        std::mem::take(&mut self.inside.lock().contents)
    }

    /// The leader notes the outcome and gives the buffers back. Nobody is told yet.
    pub(crate) fn decide(&self, outcome: Result<Vec<Appended>>, parts: Vec<Part>) {
        let mut inside = self.inside.lock();
        inside.outcome = Some(outcome);
        inside.contents.parts = parts;
    }

    /// Whether the outcome is noted.
    pub(crate) fn is_decided(&self) -> bool {
        self.inside.lock().outcome.is_some()
    }

    /// Wakes the waiting thread to lead.
    pub(crate) fn hand_leadership(&self) {
        self.wake(LEADING);
    }

    /// Tells the waiting thread that the outcome is there; `false` if there is none and the
    /// callback is to be called.
    pub(crate) fn tell_waiter(&self) -> bool {
        if self.waiter.is_none() {
            return false;
        }
        self.wake(DONE);
        true
    }

    /// Calls the callback, if there is one; returns what is to be called when the calling thread
    /// has let go of everything.
    pub(crate) fn call_back(&self) -> Option<Afterwards> {
        let (on_outcome, afterwards) = {
            let mut inside = self.inside.lock();
            (inside.on_outcome.take(), inside.afterwards.take())
        };
        if let Some(on_outcome) = on_outcome {
            on_outcome(self.take_outcome());
        }
        afterwards
    }

    fn wake(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        if let Some(waiter) = &self.waiter {
            waiter.unpark();
        }
    }

    /// Blocks the thread that made the ticket until it is told something. At once for a ticket
    /// whose outcome goes to a callback: nobody would wake it.
    pub(crate) fn wait(&self) -> Woken {
        loop {
            match (self.state.load(Ordering::Acquire), &self.waiter) {
                (LEADING, _) => return Woken::ToLead,
                (DONE, _) | (_, None) => return Woken::Done,
                (_, Some(waiter)) => waiter.park(),
            }
        }
    }

    /// The outcome, once it was noted.
    pub(crate) fn take_outcome(&self) -> Outcome {
        let mut inside = self.inside.lock();
        let lost =
            || Err(Error::new(crate::error::ErrorKind::Poisoned, "the commit was abandoned"));
        let outcome = inside.outcome.take().unwrap_or_else(lost);
        (outcome, std::mem::take(&mut inside.contents.parts))
    }
}
