//! The open batch of one partition: records go in, and it is closed when it is full, has lingered
//! long enough, or somebody is in a hurry.
//!
//! A record is copied under the queue's lock; compressing and handing over happen outside of it
//! (`hand_over.rs`). Invariants: `in_flight` counts the batches that were closed and are not
//! decided; the memory of a batch is taken before it is opened and given back when it is decided.
//! Lock order: the queue's, then those in [`Outlet`].

use std::sync::Arc;
use std::time::Duration;

use super::completion::{Completion, Outcome, Placed, Stage};
use super::delivery::{Delivery, RecordMetadata};
use super::drive::Drivers;
use super::hand_over::{Closing, Order};
use super::numbering::{Decided, Numbering};
use super::outlet::Outlet;
use super::ratio::CompressionRatio;
use super::settings::BatchRules;
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::message::Message;
use crate::config::acks::Acks;
use crate::env::sync::atomic::{AtomicUsize, Ordering};
use crate::env::sync::{Mutex, MutexGuard, OnceLock};
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, TimestampType};
use crate::partition::Partition;
use crate::topic::TopicName;

/// The queue of one partition in one producer.
pub(super) struct PartitionQueue {
    outlet: Arc<Outlet>,
    topic: TopicName,
    number: i32,
    partition: Arc<Partition>,
    /// `max.message.bytes` of the topic, as far as is known: a larger batch is split.
    message_bytes_max: AtomicUsize,
    /// The partition was told of the producer, if its batches are numbered.
    introduced: OnceLock<()>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    open: Option<OpenBatch>,
    pub(super) order: Order,
    pub(super) in_flight: usize,
    /// The newest closed batch, while it is in flight.
    pub(super) newest: Option<Arc<Completion>>,
    /// Bytes of records without a key since the topic's sticky partition came here.
    sticky_bytes: usize,
    /// Somebody awaits a record of the open batch: it goes out once no other is in flight.
    pub(super) is_awaited: bool,
    pub(super) drivers: Drivers,
    pub(super) ratio: CompressionRatio,
    /// The sequence numbers of an idempotent producer.
    numbering: Option<Numbering>,
    /// Set when the producer is closed or the partition left the topic: no more records.
    shut: Option<Error>,
}

/// A batch that takes records.
pub(super) struct OpenBatch {
    pub(super) builder: BatchBuilder,
    pub(super) options: BatchOptions,
    pub(super) completion: Arc<Completion>,
    /// The time of the opening.
    opened_ms: i64,
    pub(super) append_time: Option<i64>,
    pub(super) count: u32,
    /// A record that would make it larger than this, before compression, closes it first.
    bytes_max: usize,
    /// Taken from the producer's memory.
    pub(super) reserved: usize,
}

/// A record to be pushed, with what was found out about it on the way.
pub(super) struct Push<'a> {
    pub(super) message: &'a Message<'a>,
    /// The message's own timestamp, or else the time of the call, which may lag a little.
    pub(super) timestamp: i64,
    /// The most bytes that the record takes.
    pub(super) bytes: usize,
    /// The record has no key and could go to another partition as well.
    pub(super) sticky: bool,
    /// Whether to wait when the memory is full.
    pub(super) may_wait: bool,
}

/// What became of a push.
pub(super) enum Pushed {
    /// The record is in a batch.
    Sent(Delivery),
    /// Enough went to this partition: a record without a key is to choose another one now.
    Enough,
}

impl PartitionQueue {
    pub(super) fn new(
        outlet: Arc<Outlet>,
        topic: TopicName,
        number: i32,
        partition: Arc<Partition>,
    ) -> PartitionQueue {
        let message_bytes_max = AtomicUsize::new(usize::MAX);
        let numbering = outlet.identity.map(Numbering::new);
        let state = Mutex::new(State { numbering, ..State::default() });
        let introduced = OnceLock::new();
        PartitionQueue { outlet, topic, number, partition, message_bytes_max, introduced, state }
    }

    pub(super) fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }

    pub(super) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(super) fn number(&self) -> i32 {
        self.number
    }

    pub(super) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    pub(super) fn acks(&self) -> Acks {
        self.outlet.settings.acks
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.outlet.env.clock.monotonic()
    }

    /// Batches that are larger than this are split.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max.load(Ordering::Relaxed)
    }

    /// The topic's limit is this from now on.
    pub(super) fn set_message_bytes_max(&self, bytes_max: usize) {
        self.message_bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Where a record of this timestamp went.
    pub(super) fn metadata(&self, placed: Placed, timestamp: i64) -> RecordMetadata {
        RecordMetadata {
            topic: self.topic.clone(),
            partition: self.number,
            offset: placed.base_offset,
            timestamp: placed.append_time.unwrap_or(timestamp),
        }
    }

    /// Adds a record to the open batch; closes that first if it is full.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`], [`ErrorKind::Closed`], or what building the batch says.
    #[inline(always)]
    pub(super) fn push(self: &Arc<Self>, rules: &BatchRules, push: &Push<'_>) -> Result<Pushed> {
        let mut state = self.state.lock();
        // Nearly every record joins the open batch.
        let fits = state.open.as_ref().is_some_and(|open| open.fits(push.bytes));
        if fits && state.shut.is_none() {
            if push.sticky && self.is_enough(&mut state, push.bytes, true) {
                return Ok(Pushed::Enough);
            }
            return self.add(state, push).map(Pushed::Sent);
        }
        drop(state);
        self.push_anyhow(rules, push)
    }

    /// As [`push`](Self::push), for records that are not like most.
    #[inline(never)]
    pub(super) fn push_anyhow(
        self: &Arc<Self>,
        rules: &BatchRules,
        push: &Push<'_>,
    ) -> Result<Pushed> {
        let mut state = self.state.lock();
        loop {
            if let Some(error) = &state.shut {
                return Err(error.clone());
            }
            let fits = state.open.as_ref().map(|open| open.fits(push.bytes));
            if push.sticky && self.is_enough(&mut state, push.bytes, fits == Some(true)) {
                return Ok(Pushed::Enough);
            }
            match fits {
                Some(true) => return self.add(state, push).map(Pushed::Sent),
                Some(false) => {
                    let closing = self.close_open(&mut state);
                    drop(state);
                    self.send_off(closing);
                }
                None => {
                    // The memory is waited for outside of the lock, so that others can go on.
                    let bytes_max = rules.plain_bytes_max(state.ratio);
                    drop(state);
                    self.open_with_memory(rules, push, bytes_max)?;
                }
            }
            state = self.state.lock();
        }
    }

    /// Tells the partition of an idempotent producer before the first batch of it, so that the
    /// second one is refused if the first one fails.
    fn introduce(&self) -> Result<()> {
        if let Some(identity) = self.outlet.identity.filter(|_| self.introduced.get().is_none()) {
            self.partition.introduce_producer(identity.id, identity.epoch)?;
            let _ = self.introduced.set(());
        }
        Ok(())
    }

    /// Takes memory and opens a batch, unless another thread has done so or it is too late.
    fn open_with_memory(
        self: &Arc<Self>,
        rules: &BatchRules,
        push: &Push<'_>,
        bytes_max: usize,
    ) -> Result<()> {
        let reserved = bytes_max.max(push.bytes + BATCH_HEADER_LEN);
        self.introduce()?;
        self.outlet.take_memory(reserved, push.may_wait)?;
        let mut state = self.state.lock();
        if state.open.is_some() || state.shut.is_some() {
            drop(state);
            self.outlet.memory.give_back(reserved);
        } else {
            state.open = Some(self.open_batch(rules, bytes_max, reserved));
        }
        Ok(())
    }

    /// Whether a record without a key should go elsewhere: about a batch of bytes went here and
    /// the open batch would have to be closed for it, or twice as many went here anyhow.
    fn is_enough(&self, state: &mut State, bytes: usize, fits: bool) -> bool {
        let batch_size = self.outlet.settings.batch_size;
        let sent = state.sticky_bytes;
        let enough = sent > 0
            && sent.saturating_add(bytes) > batch_size
            && (!fits || sent >= 2usize.saturating_mul(batch_size));
        if enough {
            state.sticky_bytes = 0;
        }
        enough
    }

    fn open_batch(
        self: &Arc<Self>,
        rules: &BatchRules,
        bytes_max: usize,
        reserved: usize,
    ) -> OpenBatch {
        let now = self.monotonic();
        let give_up_at = now.saturating_add(self.outlet.settings.delivery_timeout);
        let completion = Arc::new(Completion::new(Arc::clone(self), now, give_up_at));
        let by_append = rules.timestamp_type == TimestampType::LogAppendTime;
        let now_ms = self.outlet.env.clock.wall_ms();
        let mut builder = self.outlet.builder();
        let options = BatchOptions {
            compression: rules.compression,
            level: rules.level,
            timestamp_type: rules.timestamp_type,
            now_ms,
            ..BatchOptions::default()
        };
        builder.start(&options);
        self.outlet.opened(&completion, now);
        OpenBatch {
            builder,
            options,
            completion,
            opened_ms: now_ms,
            append_time: by_append.then_some(now_ms),
            count: 0,
            bytes_max,
            reserved,
        }
    }

    /// Copies the record into the open batch.
    #[inline(always)]
    fn add(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        push: &Push<'_>,
    ) -> Result<Delivery> {
        let Some(open) = &mut state.open else {
            return Err(Error::new(ErrorKind::Closed, "the producer's batch is gone"));
        };
        let message = push.message;
        // The clock that lags must not show a time before the batch was there.
        let is_own = message.timestamp_ms().is_some();
        let timestamp = if is_own { push.timestamp } else { push.timestamp.max(open.opened_ms) };
        open.builder.push(
            timestamp,
            message.key_bytes(),
            message.value_bytes(),
            message.headers(),
        )?;
        let delivery = Delivery::new(Arc::clone(&open.completion), timestamp, open.count);
        open.count += 1;
        if push.sticky {
            state.sticky_bytes = state.sticky_bytes.saturating_add(push.bytes);
        }
        // Without linger a batch waits only for the one before it.
        if self.outlet.settings.linger.is_zero() && state.in_flight == 0 {
            let closing = self.close_open(&mut state);
            drop(state);
            self.send_off(closing);
        }
        Ok(delivery)
    }

    /// Takes the open batch out, if there is one, and gives it its place in the order.
    pub(super) fn close_open(&self, state: &mut State) -> Option<Closing> {
        let mut open = state.open.take()?;
        state.is_awaited = false;
        if open.count == 0 {
            self.discard(open);
            return None;
        }
        open.completion.advance(Stage::Closing);
        open.options.producer = state.numbering.as_mut().map(|numbers| numbers.number(open.count));
        open.builder.set_producer(open.options.producer);
        state.in_flight += 1;
        state.newest = Some(Arc::clone(&open.completion));
        Some(Closing { place: state.order.next_place(), open })
    }

    /// Undoes the opening of a batch whose first record was refused, or has not come yet.
    #[cold]
    fn discard(&self, open: OpenBatch) {
        self.outlet.keep(open.builder);
        self.outlet.memory.give_back(open.reserved);
        self.outlet.counters.discarded();
        // Nobody has a delivery of it; a flush that waits for it has nothing to complain about.
        open.completion.decide(Outcome::Split(Vec::new()));
    }

    /// Sends a closed batch on its way, and tells whoever can be told. Called under no lock and
    /// from within no commit.
    #[inline(never)]
    pub(super) fn send_off(self: &Arc<Self>, closing: Option<Closing>) {
        if closing.is_some() {
            self.dispatch(closing);
            self.outlet.sink.nudge();
            self.outlet.notices.deliver();
        }
    }

    /// Counts a batch out that is being decided; what became of it is told if it was numbered.
    /// Without linger the next one goes out then.
    pub(super) fn retire(&self, decided: Option<Decided>) -> Option<Closing> {
        let mut state = self.state.lock();
        state.in_flight -= 1;
        let in_flight = state.in_flight;
        if let (Some(numbering), Some(decided)) = (&mut state.numbering, decided) {
            numbering.decided(decided, in_flight);
        }
        if state.in_flight > 0 {
            return None;
        }
        state.newest = None;
        let is_wanted = self.outlet.settings.linger.is_zero() || state.is_awaited;
        if is_wanted { self.close_open(&mut state) } else { None }
    }

    /// Closes the batch of `completion` if it is the open one. Called under no lock. Who calls it
    /// looks after the sink.
    pub(super) fn close_if_open(self: &Arc<Self>, completion: &Arc<Completion>) {
        let mut state = self.state.lock();
        let closing = if state.is_open(completion) { self.close_open(&mut state) } else { None };
        drop(state);
        self.dispatch(closing);
    }

    /// Closes the open batch. Called under no lock. Who calls it looks after the sink.
    pub(super) fn flush(self: &Arc<Self>) {
        let closing = self.close_open(&mut self.state.lock());
        self.dispatch(closing);
    }

    /// Takes no more records: every later push fails with `error`.
    pub(super) fn shut(&self, error: Error) {
        self.state.lock().shut = Some(error);
    }
}

impl State {
    pub(super) fn is_open(&self, completion: &Arc<Completion>) -> bool {
        self.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.completion, completion))
    }
}

impl OpenBatch {
    /// Whether a record of at most `bytes` joins the batch. The first one always does.
    #[inline]
    fn fits(&self, bytes: usize) -> bool {
        self.count == 0
            || (self.builder.len_bytes().saturating_add(bytes) <= self.bytes_max
                && self.count < u32::MAX)
    }
}
