//! The fate of a sent record: pending, then its place in the log or the error, for ever.
//!
//! The records of one batch share one [`Completion`]; a [`Delivery`] is a reference to it and the
//! record's place in the batch, so that sending allocates nothing per record. Stages only go
//! forward: open, closing, submitted, done.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::queue::PartitionQueue;
use crate::config::acks::Acks;
use crate::env::sync::atomic::{AtomicU8, Ordering};
use crate::env::sync::{Condvar, Mutex};
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// The offset of a record that nobody asked to be acknowledged (`acks=0`).
pub const OFFSET_UNKNOWN: i64 = -1;

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The record's offset; -1 with `acks=0`, which does not wait for one.
    pub offset: i64,
    /// The record's timestamp: as sent, or the time of the append if the topic says so.
    pub timestamp: i64,
}

/// A record that was sent and whose fate can be waited for. Dropping it changes nothing.
#[must_use = "a record that was not waited for may still fail"]
pub struct Delivery {
    completion: Arc<Completion>,
    timestamp: i64,
    index: u32,
}

// One per record: a reference, a timestamp, and the place in the batch.
const _: () = assert!(std::mem::size_of::<Delivery>() == 24);

impl Delivery {
    pub(super) fn new(completion: Arc<Completion>, timestamp: i64, index: u32) -> Delivery {
        Delivery { completion, timestamp, index }
    }

    /// Waits until the record has reached the producer's `acks` level, or has failed.
    ///
    /// Whoever waits is in a hurry: the record's batch is closed, whatever `linger.ms` says, and
    /// committed on this thread unless another one is about to. With `acks=0` it returns at once.
    ///
    /// # Durability
    /// `Ok` means what the producer's `acks` says: written to the operating system (1), or synced
    /// (all).
    ///
    /// # Errors
    /// Whatever befell the batch; [`Poisoned`](crate::error::ErrorKind::Poisoned) when a sync
    /// failed and the outcome is unknown.
    pub fn wait(self) -> Result<RecordMetadata> {
        if self.acks() == Acks::None {
            return Ok(self.metadata(None));
        }
        self.completion.queue().drive(&self.completion);
        let placed = self.completion.wait_until_done()?;
        Ok(self.metadata(Some(placed)))
    }

    /// The record's fate if it is decided. Never waits.
    pub fn outcome(&self) -> Option<Result<RecordMetadata>> {
        if self.acks() == Acks::None {
            return Some(Ok(self.metadata(None)));
        }
        let decided = self.completion.outcome()?;
        Some(decided.clone().map(|placed| self.metadata(Some(placed))))
    }

    /// Whether the record's fate is decided. Never waits.
    pub fn is_done(&self) -> bool {
        self.acks() == Acks::None || self.completion.stage() == Stage::Done
    }

    fn acks(&self) -> Acks {
        self.completion.queue().acks()
    }

    fn metadata(&self, placed: Option<Placed>) -> RecordMetadata {
        let queue = self.completion.queue();
        let append_time = placed.and_then(|placed| placed.append_time);
        RecordMetadata {
            topic: queue.topic().clone(),
            partition: queue.number(),
            offset: placed.map_or(OFFSET_UNKNOWN, |placed| {
                placed.base_offset.saturating_add(i64::from(self.index))
            }),
            timestamp: append_time.unwrap_or(self.timestamp),
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", self.completion.queue().topic())
            .field("partition", &self.completion.queue().number())
            .field("outcome", &self.outcome())
            .finish()
    }
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Records are still added.
    Open,
    /// Being compressed and summed, or waiting for its turn.
    Closing,
    /// The sink has it.
    Submitted,
    /// Decided.
    Done,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// The offset of its first record.
    pub(super) base_offset: i64,
    /// The timestamp of all its records, if that is the time of the append.
    pub(super) append_time: Option<i64>,
}

/// The fate of a batch, shared by the deliveries of its records.
pub(super) struct Completion {
    queue: Arc<PartitionQueue>,
    stage: AtomicU8,
    outcome: OnceLock<Result<Placed>>,
    /// When waiting for the outcome ends, on the monotonic clock (`delivery.timeout.ms`).
    give_up_at: Duration,
    /// Held while the stage changes, so that nobody falls asleep between looking and waiting.
    /// (The place for the wakers and callbacks of a later day.)
    changing: Mutex<()>,
    changed: Condvar,
}

impl Completion {
    pub(super) fn new(queue: Arc<PartitionQueue>, give_up_at: Duration) -> Completion {
        Completion {
            queue,
            give_up_at,
            stage: AtomicU8::new(Stage::Open as u8),
            outcome: OnceLock::new(),
            changing: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn queue(&self) -> &Arc<PartitionQueue> {
        &self.queue
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Closing,
            2 => Stage::Submitted,
            _ => Stage::Done,
        }
    }

    /// Goes forward to `stage` and wakes whoever waits for it.
    pub(super) fn advance(&self, stage: Stage) {
        let changing = self.changing.lock();
        // The sink may have decided a batch before it returned from taking it.
        if self.stage() < stage {
            self.stage.store(stage as u8, Ordering::Release);
        }
        drop(changing);
        self.changed.notify_all();
    }

    /// Decides the batch. Only the first decision counts.
    pub(super) fn decide(&self, outcome: Result<Placed>) {
        if self.outcome.set(outcome).is_ok() {
            self.advance(Stage::Done);
        }
    }

    /// Waits until the batch has left `stage`. When `delivery.timeout.ms` is over, the batch is
    /// decided: its outcome is unknown.
    pub(super) fn wait_while(&self, stage: Stage) {
        let mut changing = self.changing.lock();
        while self.stage() <= stage {
            let now = self.queue.monotonic();
            if now >= self.give_up_at {
                drop(changing);
                self.decide(Err(self.timed_out()));
                return;
            }
            self.changed.wait_for(&mut changing, self.give_up_at - now);
        }
    }

    fn timed_out(&self) -> Error {
        let message = "delivery.timeout.ms is over; whether the record was written is unknown";
        Error::new(ErrorKind::Timeout, message)
            .at_partition(self.queue.topic().as_str(), self.queue.number())
    }

    /// Waits for the decision.
    pub(super) fn wait_until_done(&self) -> Result<Placed> {
        self.wait_while(Stage::Submitted);
        // It is set before the stage says so.
        self.outcome.wait().clone()
    }

    /// The decision, if there is one.
    pub(super) fn outcome(&self) -> Option<&Result<Placed>> {
        self.outcome.get()
    }
}
