//! The batches of one partition on their way out: one that is open, and those that were closed
//! and wait to be handed to the sink in the order in which they were closed.
//!
//! A record is copied under the queue's lock; compressing and handing over happen outside of it.
//! Each thread encodes the batch that it closed; whichever finds the batch at the front encoded,
//! and nobody else handing over, hands over. So the order holds and nobody waits for a turn.
//!
//! Invariants: at most one thread hands over; `in_flight` counts the batches that were closed and
//! are not decided; the memory of a batch is taken before it is opened and given back when it is
//! decided. Lock order: the queue's, then those in [`Outlet`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Completion, Delivery, Placed, Stage};
use super::outlet::Outlet;
use super::settings::BatchRules;
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::message::Message;
use crate::config::acks::Acks;
use crate::env::sync::{Mutex, MutexGuard};
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, TimestampType};
use crate::partition::Partition;
use crate::partition::writer::Appended;
use crate::topic::TopicName;

/// The queue of one partition in one producer.
pub(super) struct PartitionQueue {
    outlet: Arc<Outlet>,
    topic: TopicName,
    number: i32,
    partition: Arc<Partition>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<OpenBatch>,
    /// Closed and not yet handed over, oldest first.
    closed: VecDeque<Slot>,
    /// The number of the slot at the front of `closed`, counted from the first batch.
    front: u64,
    /// A thread is handing over.
    handing_over: bool,
    in_flight: usize,
    /// The newest closed batch, while it is in flight.
    newest: Option<Arc<Completion>>,
    /// Bytes of records without a key since the topic's sticky partition came here.
    sticky_bytes: usize,
    /// Set when the producer is closed or the partition left the topic: no more records.
    shut: Option<Error>,
}

struct OpenBatch {
    builder: BatchBuilder,
    completion: Arc<Completion>,
    append_time: Option<i64>,
    count: u32,
    /// Taken from the producer's memory.
    reserved: usize,
}

/// A place in the order of handing over.
#[expect(clippy::large_enum_variant, reason = "nearly all are ready when they are looked at")]
enum Slot {
    /// The thread that closed the batch is encoding it.
    Encoding,
    Ready(Encoded),
}

struct Encoded {
    batch: Result<Vec<u8>>,
    ticket: Ticket,
}

/// A batch that was closed, until it has been encoded.
#[must_use = "a closed batch has to be encoded and handed over"]
pub(super) struct Closing {
    slot: u64,
    open: OpenBatch,
}

/// A record to be pushed, with what was found out about it on the way.
pub(super) struct Push<'a> {
    pub(super) message: &'a Message<'a>,
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
        PartitionQueue { outlet, topic, number, partition, state: Mutex::default() }
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

    /// Adds a record to the open batch; closes that first if it is full.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`], [`ErrorKind::Closed`], or what building the batch says.
    pub(super) fn push(self: &Arc<Self>, rules: &BatchRules, push: &Push<'_>) -> Result<Pushed> {
        let mut state = self.state.lock();
        loop {
            if let Some(error) = &state.shut {
                return Err(error.clone());
            }
            let fits = state.open.as_ref().map(|open| open.fits(push.bytes, rules));
            if push.sticky && self.is_enough(&mut state, push.bytes, fits == Some(true)) {
                return Ok(Pushed::Enough);
            }
            match fits {
                Some(true) => return self.add(state, push).map(Pushed::Sent),
                Some(false) => {
                    let closing = self.close_open(&mut state);
                    drop(state);
                    self.dispatch(closing);
                }
                None => {
                    // The memory is waited for outside of the lock, so that others can go on.
                    drop(state);
                    let reserved = rules.batch_bytes_max.max(push.bytes + BATCH_HEADER_LEN);
                    self.outlet.take_memory(reserved, push.may_wait)?;
                    state = self.state.lock();
                    if state.open.is_some() || state.shut.is_some() {
                        self.outlet.memory.give_back(reserved);
                    } else {
                        self.open_batch(&mut state, rules, reserved);
                    }
                    continue;
                }
            }
            state = self.state.lock();
        }
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

    fn open_batch(self: &Arc<Self>, state: &mut State, rules: &BatchRules, reserved: usize) {
        let give_up_at = self.monotonic().saturating_add(self.outlet.settings.delivery_timeout);
        let completion = Arc::new(Completion::new(Arc::clone(self), give_up_at));
        let by_append = rules.timestamp_type == TimestampType::LogAppendTime;
        let now_ms = self.outlet.env.clock.wall_ms();
        let mut builder = self.outlet.builder();
        builder.start(&BatchOptions {
            compression: rules.compression,
            level: rules.level,
            timestamp_type: rules.timestamp_type,
            now_ms,
            ..BatchOptions::default()
        });
        if !self.outlet.settings.linger.is_zero() {
            self.outlet.linger(&completion);
        }
        state.open = Some(OpenBatch {
            builder,
            completion,
            append_time: by_append.then_some(now_ms),
            count: 0,
            reserved,
        });
    }

    /// Copies the record into the open batch.
    fn add(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        push: &Push<'_>,
    ) -> Result<Delivery> {
        let Some(open) = &mut state.open else {
            return Err(Error::new(ErrorKind::Closed, "the producer's batch is gone"));
        };
        let message = push.message;
        open.builder.push(
            push.timestamp,
            message.key_bytes(),
            message.value_bytes(),
            message.headers(),
        )?;
        let delivery = Delivery::new(Arc::clone(&open.completion), push.timestamp, open.count);
        open.count += 1;
        if push.sticky {
            state.sticky_bytes = state.sticky_bytes.saturating_add(push.bytes);
        }
        // Without linger a batch waits only for the one before it.
        if self.outlet.settings.linger.is_zero() && state.in_flight == 0 {
            let closing = self.close_open(&mut state);
            drop(state);
            self.dispatch(closing);
        }
        Ok(delivery)
    }

    /// Takes the open batch out and gives it its place in the order. There must be one.
    fn close_open(&self, state: &mut State) -> Option<Closing> {
        let open = state.open.take()?;
        open.completion.advance(Stage::Closing);
        let slot = state.front + state.closed.len() as u64;
        state.closed.push_back(Slot::Encoding);
        state.in_flight += 1;
        state.newest = Some(Arc::clone(&open.completion));
        Some(Closing { slot, open })
    }

    /// Encodes a closed batch, and hands over what is ready. Called under no lock.
    fn dispatch(self: &Arc<Self>, closing: Option<Closing>) {
        let Some(closing) = closing else { return };
        let slot = closing.slot;
        let encoded = self.encode(closing.open);
        let mut state = self.state.lock();
        // A slot leaves the deque only when it is ready, so this one is still in it.
        let index = usize::try_from(slot - state.front).unwrap_or(usize::MAX);
        if let Some(place) = state.closed.get_mut(index) {
            *place = Slot::Ready(encoded);
        }
        self.hand_over(state);
    }

    fn encode(&self, mut open: OpenBatch) -> Encoded {
        let batch = open.builder.take();
        let ticket = Ticket {
            completion: open.completion,
            append_time: open.append_time,
            reserved: open.reserved,
            builder: open.builder,
            redeemed: false,
        };
        Encoded { batch, ticket }
    }

    /// Hands over the batches at the front that are ready, unless another thread is doing so.
    fn hand_over<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) {
        if state.handing_over {
            return;
        }
        state.handing_over = true;
        while let Some(Slot::Ready(_)) = state.closed.front() {
            let Some(Slot::Ready(encoded)) = state.closed.pop_front() else { break };
            state.front += 1;
            drop(state);
            self.submit(encoded);
            state = self.state.lock();
        }
        state.handing_over = false;
    }

    fn submit(self: &Arc<Self>, encoded: Encoded) {
        let Encoded { batch, ticket } = encoded;
        match batch {
            Ok(batch) => {
                let completion = Arc::clone(&ticket.completion);
                let on_done = Box::new(move |result, buffer| ticket.redeem(result, buffer));
                self.outlet.sink.submit(&self.partition, batch, self.acks(), on_done);
                completion.advance(Stage::Submitted);
            }
            Err(error) => ticket.redeem(Err(error), Vec::new()),
        }
    }

    /// Counts a batch out that is being decided. Without linger the next one goes out then.
    fn retire(&self) -> Option<Closing> {
        let mut state = self.state.lock();
        state.in_flight -= 1;
        if state.in_flight > 0 {
            return None;
        }
        state.newest = None;
        if self.outlet.settings.linger.is_zero() { self.close_open(&mut state) } else { None }
    }

    /// Closes the batch of `completion` if it is the open one. Called under no lock.
    pub(super) fn close_if_open(self: &Arc<Self>, completion: &Arc<Completion>) {
        let mut state = self.state.lock();
        let is_open =
            state.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.completion, completion));
        let closing = if is_open { self.close_open(&mut state) } else { None };
        drop(state);
        self.dispatch(closing);
    }

    /// Closes the open batch and returns the newest one that is in flight, if any.
    pub(super) fn flush(self: &Arc<Self>) -> Option<Arc<Completion>> {
        let mut state = self.state.lock();
        let closing = self.close_open(&mut state);
        let newest = state.newest.clone();
        drop(state);
        self.dispatch(closing);
        newest
    }

    /// Takes no more records: every later push fails with `error`.
    pub(super) fn shut(&self, error: Error) {
        self.state.lock().shut = Some(error);
    }

    /// Brings the batch of `completion` to its decision, on this thread where need be.
    pub(super) fn drive(self: &Arc<Self>, completion: &Arc<Completion>) {
        loop {
            match completion.stage() {
                Stage::Done => return,
                Stage::Submitted => {
                    self.outlet.sink.settle();
                    // The sink has decided it by now, or another thread is about to say so.
                    completion.wait_while(Stage::Submitted);
                }
                Stage::Closing => completion.wait_while(Stage::Closing),
                Stage::Open => {
                    // Whoever waits is in a hurry; `linger.ms` is for records that nobody waits
                    // for. Records that come while an earlier batch is under way share the next one.
                    let earlier = self.state.lock().newest.clone();
                    match earlier.filter(|earlier| earlier.stage() != Stage::Done) {
                        Some(earlier) if !Arc::ptr_eq(&earlier, completion) => self.drive(&earlier),
                        _ => self.close_if_open(completion),
                    }
                }
            }
        }
    }
}

impl OpenBatch {
    /// Whether a record of at most `bytes` joins the batch. The first one always does.
    fn fits(&self, bytes: usize, rules: &BatchRules) -> bool {
        self.count == 0
            || (self.builder.len_bytes().saturating_add(bytes) <= rules.batch_bytes_max
                && self.count < u32::MAX)
    }
}

/// The claim of a closed batch to be decided. Dropped without a decision, it fails the batch, so
/// that nobody waits for ever.
struct Ticket {
    completion: Arc<Completion>,
    append_time: Option<i64>,
    reserved: usize,
    /// Gets the batch's buffer back.
    builder: BatchBuilder,
    redeemed: bool,
}

impl Ticket {
    fn redeem(mut self, result: Result<Appended>, buffer: Vec<u8>) {
        self.builder.recycle(buffer);
        self.settle(result);
    }

    fn settle(&mut self, result: Result<Appended>) {
        if std::mem::replace(&mut self.redeemed, true) {
            return;
        }
        let queue = self.completion.queue();
        let append_time = self.append_time;
        queue.outlet.keep(std::mem::take(&mut self.builder));
        queue.outlet.memory.give_back(self.reserved);
        // Counted out first: whoever wakes up by the decision finds the queue without this batch.
        let next = queue.retire();
        self.completion.decide(
            result
                .map(|appended| Placed { base_offset: appended.base_offset, append_time })
                .map_err(|error| error.at_partition(queue.topic.as_str(), queue.number)),
        );
        queue.dispatch(next);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let message = "the batch was dropped on its way; whether it was written is unknown";
        self.settle(Err(Error::new(ErrorKind::Poisoned, message)));
    }
}
