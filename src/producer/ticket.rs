//! The claim of a closed batch to be decided, whole or in pieces.
//!
//! A ticket goes with every buffer that is handed to the sink. The invariant: a batch is decided
//! exactly once, when the last of its tickets is redeemed or dropped; a dropped one fails, so that
//! nobody waits for ever.

use std::sync::Arc;

use super::completion::{Completion, Outcome, Piece, Placed};
use super::metrics::BatchFacts;
use super::numbering::Decided;
use crate::batch::builder::{BatchBuilder, BatchProducer};
use crate::env::sync::Mutex;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::writer::Appended;

/// A closed batch that is not decided yet.
pub(super) struct InFlight {
    pub(super) completion: Arc<Completion>,
    pub(super) append_time: Option<i64>,
    /// How it was numbered.
    pub(super) stamp: Option<BatchProducer>,
    /// Taken from the producer's memory.
    pub(super) reserved: usize,
    pub(super) facts: BatchFacts,
}

/// The claim of one buffer.
pub(super) struct Ticket {
    claim: Option<Claim>,
    /// Gets the buffer back.
    builder: BatchBuilder,
}

enum Claim {
    Whole(InFlight),
    Piece(Arc<Mutex<Pieces>>, usize),
}

/// The pieces of a batch that was split, until all of them are decided.
struct Pieces {
    in_flight: Option<InFlight>,
    first_indexes: Vec<u32>,
    placed: Vec<Option<Result<Placed>>>,
}

impl Ticket {
    /// The ticket of a batch that goes in one buffer.
    pub(super) fn whole(in_flight: InFlight, builder: BatchBuilder) -> Ticket {
        Ticket { claim: Some(Claim::Whole(in_flight)), builder }
    }

    /// The tickets of a batch whose pieces start with the records of these indexes.
    pub(super) fn pieces(in_flight: InFlight, first_indexes: Vec<u32>) -> Vec<Ticket> {
        let count = first_indexes.len();
        let placed = vec![None; count];
        let pieces = Pieces { in_flight: Some(in_flight), first_indexes, placed };
        let pieces = Arc::new(Mutex::new(pieces));
        let ticket = |number| Ticket {
            claim: Some(Claim::Piece(Arc::clone(&pieces), number)),
            builder: BatchBuilder::default(),
        };
        (0..count).map(ticket).collect()
    }

    /// The batch that the ticket belongs to.
    pub(super) fn completion(&self) -> Option<Arc<Completion>> {
        match self.claim.as_ref()? {
            Claim::Whole(in_flight) => Some(Arc::clone(&in_flight.completion)),
            Claim::Piece(pieces, _) => {
                pieces.lock().in_flight.as_ref().map(|batch| Arc::clone(&batch.completion))
            }
        }
    }

    /// The buffer was written, or was not. Users are told by the next delivery of the notices.
    pub(super) fn redeem(mut self, result: Result<Appended>, buffer: Vec<u8>) {
        self.builder.recycle(buffer);
        self.settle(result);
    }

    fn settle(&mut self, result: Result<Appended>) {
        match self.claim.take() {
            None => {}
            Some(Claim::Whole(in_flight)) => {
                in_flight.completion.queue().outlet().keep(std::mem::take(&mut self.builder));
                let placed = in_flight.placed(result);
                in_flight.finish(Outcome::Whole(placed));
            }
            Some(Claim::Piece(pieces, number)) => {
                if let Some((in_flight, outcome)) = Pieces::settle(&pieces, number, result) {
                    in_flight.finish(outcome);
                }
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let message = "the batch was dropped on its way; whether it was written is unknown";
        self.settle(Err(Error::new(ErrorKind::Poisoned, message)));
    }
}

impl Pieces {
    /// Notes the fate of one piece; that of the batch if it was the last.
    fn settle(
        pieces: &Mutex<Pieces>,
        number: usize,
        result: Result<Appended>,
    ) -> Option<(InFlight, Outcome)> {
        let mut pieces = pieces.lock();
        let placed = pieces.in_flight.as_ref()?.placed(result);
        *pieces.placed.get_mut(number)? = Some(placed);
        if pieces.placed.iter().any(Option::is_none) {
            return None;
        }
        let in_flight = pieces.in_flight.take()?;
        let placed = std::mem::take(&mut pieces.placed).into_iter().flatten();
        let piece = |(first_index, placed): (&u32, _)| Piece { first_index: *first_index, placed };
        let outcome = Outcome::Split(pieces.first_indexes.iter().zip(placed).map(piece).collect());
        Some((in_flight, outcome))
    }
}

impl InFlight {
    fn placed(&self, result: Result<Appended>) -> Result<Placed> {
        let queue = self.completion.queue();
        result
            .map(|appended| Placed {
                base_offset: appended.base_offset,
                append_time: self.append_time,
            })
            .map_err(|error| error.at_partition(queue.topic().as_str(), queue.number()))
    }

    /// Decides the batch; without linger the next one of the queue goes out then.
    fn finish(self, outcome: Outcome) {
        let queue = self.completion.queue();
        let outlet = queue.outlet();
        outlet.memory.give_back(self.reserved);
        outlet.counters.decided(&self.facts, outcome.failed_count(self.facts.records));
        // Counted out first: whoever wakes up by the decision finds the queue without this batch.
        let decided = self.stamp.map(|stamp| Decided {
            stamp,
            written: outcome.written_count(self.facts.records),
            failure: outcome.of_batch().err().map(|error| error.kind()),
        });
        let next = queue.retire(decided);
        self.completion.decide(outcome);
        if next.is_some() {
            queue.dispatch(next);
            outlet.sink.nudge();
        }
    }
}
