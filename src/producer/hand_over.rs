//! From a closed batch to the sink: encoded by the thread that closed it, handed over in the order
//! in which the batches were closed.
//!
//! Whichever thread finds the batch at the front encoded, and nobody else handing over, hands
//! over. So the order holds and nobody waits for a turn. The invariant: at most one thread hands
//! over at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::completion::{Completion, Stage};
use super::metrics::BatchFacts;
use super::queue::{OpenBatch, PartitionQueue, State};
use super::sink::Afterwards;
use super::ticket::{InFlight, Ticket};
use crate::batch::split::{BatchPiece, split};
use crate::config::compression::Compression;
use crate::env::sync::MutexGuard;
use crate::error::Result;

/// The batches of a queue that were closed and not yet handed over, oldest first.
#[derive(Default)]
pub(super) struct Order {
    slots: VecDeque<Slot>,
    /// The number of the slot at the front, counted from the first batch.
    front: u64,
    /// A thread is handing over.
    handing_over: bool,
}

/// A place in the order of handing over.
#[expect(clippy::large_enum_variant, reason = "nearly all are ready when they are looked at")]
enum Slot {
    /// The thread that closed the batch is encoding it.
    Encoding,
    Ready(Encoded),
    /// The batch was too large: its pieces go one after the other.
    Split(Vec<Encoded>),
}

struct Encoded {
    batch: Result<Vec<u8>>,
    ticket: Ticket,
}

/// A batch that was closed, until it has been encoded.
#[must_use = "a closed batch has to be encoded and handed over"]
pub(super) struct Closing {
    pub(super) place: u64,
    pub(super) open: OpenBatch,
}

impl Order {
    /// A new place, behind all others.
    pub(super) fn next_place(&mut self) -> u64 {
        let place = self.front + self.slots.len() as u64;
        self.slots.push_back(Slot::Encoding);
        place
    }

    fn fill(&mut self, place: u64, slot: Slot) {
        // A slot leaves the deque only when it is ready, so this one is still in it.
        let index = usize::try_from(place - self.front).unwrap_or(usize::MAX);
        if let Some(waiting) = self.slots.get_mut(index) {
            *waiting = slot;
        }
    }

    /// The slot at the front, if it is ready.
    fn pop_ready(&mut self) -> Option<Slot> {
        if let Slot::Encoding = self.slots.front()? {
            return None;
        }
        self.front += 1;
        self.slots.pop_front()
    }
}

impl PartitionQueue {
    /// Encodes a closed batch, and hands over what is ready. Called under no lock.
    pub(super) fn dispatch(self: &Arc<Self>, closing: Option<Closing>) {
        let Some(closing) = closing else { return };
        let (slot, facts) = self.encode(closing.open);
        let mut state = self.state.lock();
        if let Some(facts) = facts {
            state.ratio.observe(facts.plain_bytes, facts.encoded_bytes);
            if facts.is_split {
                state.ratio.start_again();
            }
        }
        state.order.fill(closing.place, slot);
        self.hand_over(state);
    }

    /// The batch ready to be handed over, and, if it was compressed, what can be learnt of it.
    fn encode(&self, mut open: OpenBatch) -> (Slot, Option<BatchFacts>) {
        let bytes_max = self.message_bytes_max();
        let mut facts = BatchFacts {
            records: open.count,
            plain_bytes: open.builder.len_bytes(),
            encoded_bytes: 0,
            queue_time: self.monotonic().saturating_sub(open.completion.opened_at()),
            is_split: false,
        };
        let mut batch = open.builder.take();
        let mut pieces = Vec::new();
        if let Ok(whole) = &mut batch {
            facts.encoded_bytes = whole.len();
            if whole.len() > bytes_max && open.count > 1 {
                match split(std::mem::take(whole), &open.options, bytes_max) {
                    Ok(parts) => pieces = parts,
                    Err(error) => batch = Err(error),
                }
            }
        }
        facts.is_split = !pieces.is_empty();
        let learnt =
            (open.options.compression != Compression::None && batch.is_ok()).then_some(facts);
        let in_flight = InFlight {
            completion: open.completion,
            append_time: open.append_time,
            stamp: open.options.producer,
            reserved: open.reserved,
            facts,
        };
        if pieces.is_empty() {
            let ticket = Ticket::whole(in_flight, open.builder);
            return (Slot::Ready(Encoded { batch, ticket }), learnt);
        }
        self.outlet().keep(open.builder);
        (Slot::Split(encoded_pieces(in_flight, pieces)), learnt)
    }

    /// Hands over the batches at the front that are ready, unless another thread is doing so.
    fn hand_over<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) {
        if state.order.handing_over {
            return;
        }
        state.order.handing_over = true;
        while let Some(slot) = state.order.pop_ready() {
            drop(state);
            match slot {
                Slot::Encoding => {}
                Slot::Ready(encoded) => submitted(self.submit(encoded)),
                Slot::Split(pieces) => {
                    // Only when the sink has all of them is the batch submitted.
                    let last = pieces.into_iter().map(|piece| self.submit(piece)).last();
                    submitted(last.flatten());
                }
            }
            state = self.state.lock();
        }
        state.order.handing_over = false;
    }

    /// Gives a buffer to the sink; returns the batch that it belongs to.
    fn submit(self: &Arc<Self>, encoded: Encoded) -> Option<Arc<Completion>> {
        let Encoded { batch, ticket } = encoded;
        let completion = ticket.completion();
        match batch {
            Ok(batch) => {
                let outlet = self.outlet();
                let on_done = Box::new(move |result, buffer| ticket.redeem(result, buffer));
                let afterwards: Arc<dyn Afterwards> = outlet.notices.clone();
                outlet.sink.submit(self.partition(), batch, self.acks(), on_done, afterwards);
            }
            Err(error) => ticket.redeem(Err(error), Vec::new()),
        }
        completion
    }
}

fn submitted(completion: Option<Arc<Completion>>) {
    if let Some(completion) = completion {
        completion.advance(Stage::Submitted);
    }
}

fn encoded_pieces(mut in_flight: InFlight, pieces: Vec<BatchPiece>) -> Vec<Encoded> {
    in_flight.facts.encoded_bytes = pieces.iter().map(|piece| piece.batch.len()).sum();
    let first_indexes = pieces.iter().map(|piece| piece.first_index).collect();
    let tickets = Ticket::pieces(in_flight, first_indexes);
    let encoded = |(piece, ticket): (BatchPiece, _)| Encoded { batch: Ok(piece.batch), ticket };
    pieces.into_iter().zip(tickets).map(encoded).collect()
}
