//! The fate of a batch, shared by the deliveries of its records: pending, then its place in the
//! log or the error, for ever.
//!
//! Stages only go forward: open, closing, submitted, done. The invariant: whoever registers a
//! waker or a callback is told exactly once, be it before the decision or after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::notices::{Callback, Due};
use super::queue::PartitionQueue;
use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::{AtomicU8, Ordering};
use crate::env::sync::{Condvar, Mutex, OnceLock};
use crate::error::{Error, ErrorKind, Result};

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

/// What became of a batch, or of the pieces that it was split into.
#[derive(Debug)]
pub(super) enum Outcome {
    Whole(Result<Placed>),
    /// In the order of their records; none for a batch that was closed without a record.
    Split(Vec<Piece>),
}

/// What became of a piece of a batch.
#[derive(Debug)]
pub(super) struct Piece {
    /// The index in the batch of the piece's first record.
    pub(super) first_index: u32,
    pub(super) placed: Result<Placed>,
}

impl Outcome {
    /// The place of the record with this index in the batch.
    pub(super) fn of_record(&self, index: u32) -> Result<Placed> {
        let (first_index, placed) = match self {
            Outcome::Whole(placed) => (0, placed),
            Outcome::Split(pieces) => {
                let behind = pieces.partition_point(|piece| piece.first_index <= index);
                match pieces.get(behind.saturating_sub(1)) {
                    Some(piece) => (piece.first_index, &piece.placed),
                    None => return Err(Error::new(ErrorKind::Poisoned, "the batch has no pieces")),
                }
            }
        };
        placed.clone().map(|placed| Placed {
            base_offset: placed.base_offset.saturating_add(i64::from(index - first_index)),
            ..placed
        })
    }

    /// How many of the batch's records failed.
    pub(super) fn failed_count(&self, record_count: u32) -> u32 {
        match self {
            Outcome::Whole(placed) => {
                if placed.is_err() {
                    record_count
                } else {
                    0
                }
            }
            Outcome::Split(pieces) => {
                let mut failed = 0;
                let mut end = record_count;
                for piece in pieces.iter().rev() {
                    if piece.placed.is_err() {
                        failed += end.saturating_sub(piece.first_index);
                    }
                    end = piece.first_index;
                }
                failed
            }
        }
    }

    /// How many of the batch's records were written in front of the first one that failed.
    pub(super) fn written_count(&self, record_count: u32) -> u32 {
        match self {
            Outcome::Whole(Ok(_)) => record_count,
            Outcome::Whole(Err(_)) => 0,
            Outcome::Split(pieces) => {
                let failed = pieces.iter().find(|piece| piece.placed.is_err());
                failed.map_or(record_count, |piece| piece.first_index)
            }
        }
    }

    /// The first error of the batch.
    pub(super) fn of_batch(&self) -> Result<()> {
        match self {
            Outcome::Whole(placed) => placed.clone().map(drop),
            Outcome::Split(pieces) => {
                let failed = pieces.iter().find_map(|piece| piece.placed.as_ref().err());
                failed.map_or(Ok(()), |error| Err(error.clone()))
            }
        }
    }
}

/// The fate of a batch.
pub(super) struct Completion {
    queue: Arc<PartitionQueue>,
    stage: AtomicU8,
    outcome: OnceLock<Outcome>,
    /// When the batch was opened, on the monotonic clock.
    opened_at: Duration,
    /// When waiting for the outcome ends (`delivery.timeout.ms`).
    give_up_at: Duration,
    /// Held while the stage changes, so that nobody falls asleep between looking and waiting.
    watchers: Mutex<Watchers>,
    /// For those who wait for a stage.
    changed: Condvar,
    /// For those who let another thread drive.
    sleepers: Condvar,
}

/// Who wants to be told of the decision.
#[derive(Default)]
struct Watchers {
    /// By the index of the record whose delivery is awaited.
    wakers: BTreeMap<u32, Waker>,
    callbacks: Vec<Watching>,
    /// One of those who sleep is to drive the batches of the queue.
    is_driver_wanted: bool,
}

struct Watching {
    index: u32,
    timestamp: i64,
    callback: Callback,
}

impl Completion {
    pub(super) fn new(
        queue: Arc<PartitionQueue>,
        opened_at: Duration,
        give_up_at: Duration,
    ) -> Completion {
        Completion {
            queue,
            opened_at,
            give_up_at,
            stage: AtomicU8::new(Stage::Open as u8),
            outcome: OnceLock::new(),
            watchers: Mutex::default(),
            changed: Condvar::new(),
            sleepers: Condvar::new(),
        }
    }

    pub(super) fn queue(&self) -> &Arc<PartitionQueue> {
        &self.queue
    }

    pub(super) fn opened_at(&self) -> Duration {
        self.opened_at
    }

    pub(super) fn give_up_at(&self) -> Duration {
        self.give_up_at
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
        let watchers = self.watchers.lock();
        // The sink may have decided a batch before it returned from taking it.
        if self.stage() < stage {
            self.stage.store(stage as u8, Ordering::Release);
        }
        drop(watchers);
        self.changed.notify_all();
    }

    /// Decides the batch; only the first decision counts. Those who gave wakers and callbacks are
    /// told by the next delivery of the notices.
    pub(super) fn decide(&self, outcome: Outcome) {
        let mut watchers = self.watchers.lock();
        if self.outcome.set(outcome).is_err() {
            return;
        }
        self.stage.store(Stage::Done as u8, Ordering::Release);
        let Watchers { wakers, callbacks, .. } = std::mem::take(&mut *watchers);
        if !wakers.is_empty() || !callbacks.is_empty() {
            let due = callbacks.into_iter().map(|watching| self.due(watching));
            self.queue.outlet().notices.add(wakers.into_values(), due);
        }
        drop(watchers);
        self.changed.notify_all();
        self.sleepers.notify_all();
    }

    fn due(&self, watching: Watching) -> Due {
        let Watching { index, timestamp, callback } = watching;
        let outcome = self.outcome().map(|outcome| outcome.of_record(index));
        let placed = outcome.unwrap_or_else(|| Err(self.timed_out()));
        Due { callback, outcome: placed.map(|placed| self.queue.metadata(placed, timestamp)) }
    }

    /// Has `waker` woken at the decision, in place of the one that this record had before;
    /// `false` if it is there.
    pub(super) fn watch(&self, index: u32, waker: &Waker) -> bool {
        let mut watchers = self.watchers.lock();
        if self.stage() == Stage::Done {
            return false;
        }
        let is_known = |known: &Waker| known.will_wake(waker);
        if !watchers.wakers.get(&index).is_some_and(is_known) {
            let before = watchers.wakers.insert(index, waker.clone());
            drop(watchers);
            // Outside of the lock: the last handle of a task may go with it.
            drop(before);
        }
        true
    }

    /// Forgets the waker of a record.
    pub(super) fn unwatch(&self, index: u32) {
        let waker = self.watchers.lock().wakers.remove(&index);
        // Outside of the lock: the last handle of a task may go with it.
        drop(waker);
    }

    /// Has `callback` called once the batch is decided: by the next delivery of the notices.
    pub(super) fn call(&self, index: u32, timestamp: i64, callback: Callback) {
        let looked_first = planted!("looked_before_the_lock").then(|| self.stage());
        if looked_first.is_some() {
            linger();
        }
        let mut watchers = self.watchers.lock();
        let watching = Watching { index, timestamp, callback };
        if looked_first.unwrap_or_else(|| self.stage()) == Stage::Done {
            // Under the lock, so that those who registered before the decision come first.
            self.queue.outlet().notices.add(None, [self.due(watching)]);
        } else {
            watchers.callbacks.push(watching);
        }
    }

    /// Waits for the decision until `until`, on the monotonic clock; whether it came.
    pub(super) fn wait_until(&self, until: Duration) -> bool {
        let mut watchers = self.watchers.lock();
        while self.stage() != Stage::Done {
            let now = self.queue.monotonic();
            if now >= until {
                return false;
            }
            self.changed.wait_for(&mut watchers, until - now);
        }
        true
    }

    /// Sleeps until the batch is decided, or a driver is wanted, or for `at_most`; `false` if that
    /// is over.
    pub(super) fn sleep(&self, at_most: Duration) -> bool {
        let mut watchers = self.watchers.lock();
        let give_up_at = self.queue.monotonic().saturating_add(at_most).min(self.give_up_at);
        while self.stage() != Stage::Done && !std::mem::take(&mut watchers.is_driver_wanted) {
            let now = self.queue.monotonic();
            if now >= give_up_at
                || self.sleepers.wait_for(&mut watchers, give_up_at - now).timed_out()
            {
                return false;
            }
        }
        true
    }

    /// Wakes one of those who sleep, to drive.
    pub(super) fn call_driver(&self) {
        self.watchers.lock().is_driver_wanted = true;
        self.sleepers.notify_one();
    }

    /// Gives up this batch, and first those that were opened before, so that callbacks keep their
    /// order.
    fn expire(&self, now: Duration) {
        self.queue.outlet().expire(now);
        self.time_out();
    }

    /// Waits until the batch has left `stage`. When `delivery.timeout.ms` is over, the batch is
    /// decided: its outcome is unknown.
    pub(super) fn wait_while(&self, stage: Stage) {
        let mut watchers = self.watchers.lock();
        while self.stage() <= stage {
            let now = self.queue.monotonic();
            if now >= self.give_up_at {
                drop(watchers);
                return self.expire(now);
            }
            self.changed.wait_for(&mut watchers, self.give_up_at - now);
        }
    }

    /// Decides that the outcome is not waited for any longer.
    pub(super) fn time_out(&self) {
        self.decide(Outcome::Whole(Err(self.timed_out())));
    }

    fn timed_out(&self) -> Error {
        let message = "delivery.timeout.ms is over; whether the record was written is unknown";
        Error::new(ErrorKind::Timeout, message)
            .at_partition(self.queue.topic().as_str(), self.queue.number())
    }

    /// Waits for the decision.
    pub(super) fn wait_until_done(&self) -> &Outcome {
        self.wait_while(Stage::Submitted);
        // It is set before the stage says so.
        self.outcome.wait()
    }

    /// The decision, if there is one.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }
}
