//! Whether a batch of an idempotent producer is appended, was appended before, or is refused.
//!
//! Only what a client appends is judged. Batches that are in a log, or in the journal, are
//! believed. The invariant: the judgement changes nothing; a batch is taken in only with the
//! verdict that it follows.
//!
//! | the batch, compared with what is known of its producer | verdict |
//! |---|---|
//! | of the same epoch, with the first and last sequence of one of the last five | it is there |
//! | of an epoch below the newest, or below a fence | `Fenced` |
//! | of a newer epoch, beginning at 0 | appended |
//! | of a newer epoch, beginning elsewhere | `OutOfOrderSequence` |
//! | nothing is known, and the partition held a record before | appended |
//! | nothing is known, and the partition never held a record: beginning at 0 | appended |
//! | the same, beginning elsewhere: an earlier batch is missing | `OutOfOrderSequence` |
//! | of the same epoch, beginning behind the last sequence (behind the largest comes 0) | appended |
//! | of the same epoch, beginning elsewhere | `OutOfOrderSequence` |
//!
//! The order of the rows counts: a batch that is there is no error, even if its epoch is over.

use std::collections::hash_map::Entry as Slot;

use super::recent::StoredBatch;
use super::{ProducerState, ProducerUndo, Producers};
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BatchHeader, NO_PRODUCER_EPOCH, advance_sequence};

/// What the verdict depends on beside the producer's own state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// The partition never held a record.
    pub(crate) never_held_a_record: bool,
    /// Epochs below this are over, though no batch of a newer one may have come yet.
    pub(crate) epoch_min: i16,
    /// The time of the session.
    pub(crate) now_ms: i64,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It follows, and was taken in; this takes it back.
    Append(ProducerUndo),
    /// It was appended before: these are its offsets.
    Present(StoredBatch),
}

impl Producers {
    /// Judges a batch of a client, and takes it in at `base_offset` if it is to be appended.
    ///
    /// # Errors
    /// `Fenced`, `OutOfOrderSequence`, or `InvalidInput` for a stamp that no batch can have.
    pub(crate) fn admit(
        &mut self,
        header: &BatchHeader,
        base_offset: i64,
        circumstances: &Circumstances,
    ) -> Result<Admission> {
        let slot = self.states.entry(header.producer_id);
        let known = match &slot {
            Slot::Occupied(known) => Some(known.get()),
            Slot::Vacant(_) => None,
        };
        if let Some(present) = judge(known, header, circumstances)? {
            return Ok(Admission::Present(present));
        }
        let before = known.cloned();
        let state = match slot {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(free) => {
                free.insert(ProducerState::new(header.producer_id, header.producer_epoch))
            }
        };
        let was_open = state.entry.current_txn_first_offset;
        state.take_in(header, base_offset, circumstances.now_ms);
        let open = state.entry.current_txn_first_offset;
        if open != was_open {
            self.open.insert((open, header.producer_id));
        }
        Ok(Admission::Append(ProducerUndo::new(header.producer_id, before)))
    }

    /// The judgement alone: the batch that is there already, or `None` if it is to be appended.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(crate) fn judge(
        &self,
        header: &BatchHeader,
        circumstances: &Circumstances,
    ) -> Result<Option<StoredBatch>> {
        judge(self.states.get(&header.producer_id), header, circumstances)
    }
}

fn judge(
    known: Option<&ProducerState>,
    header: &BatchHeader,
    circumstances: &Circumstances,
) -> Result<Option<StoredBatch>> {
    let (epoch, first) = (header.producer_epoch, header.base_sequence);
    if epoch < 0 || first < 0 {
        return Err(impossible(header));
    }
    let known_epoch = known.map_or(NO_PRODUCER_EPOCH, |known| known.entry.producer_epoch);
    if let Some(known) = known.filter(|_| known_epoch == epoch)
        && let Some(present) = known.recent.find(first, header.last_sequence())
    {
        return Ok(Some(*present));
    }
    if epoch < known_epoch.max(circumstances.epoch_min) {
        return Err(fenced(header, known_epoch.max(circumstances.epoch_min)));
    }
    let Some(known) = known.filter(|_| known_epoch != NO_PRODUCER_EPOCH) else {
        return match circumstances.never_held_a_record && first != 0 {
            true => Err(out_of_order(header, 0)),
            false => Ok(None),
        };
    };
    let is_in_transaction = known.entry.current_txn_first_offset >= 0;
    if is_in_transaction && !header.is_transactional() {
        return Err(in_transaction(header));
    }
    let expected = if epoch > known_epoch { 0 } else { next_sequence(known.entry.last_sequence) };
    if first == expected { Ok(None) } else { Err(out_of_order(header, expected)) }
}

/// The sequence that follows `last`; 0 follows none.
fn next_sequence(last: i32) -> i32 {
    if last < 0 { 0 } else { advance_sequence(last, 1) }
}

#[cold]
fn impossible(header: &BatchHeader) -> Error {
    let message = format!(
        "a batch of producer {} has the epoch {} and begins at the sequence {}; neither may be \
         negative",
        header.producer_id, header.producer_epoch, header.base_sequence
    );
    Error::new(ErrorKind::InvalidInput, message)
}

#[cold]
fn fenced(header: &BatchHeader, newest: i16) -> Error {
    let message = format!(
        "the epoch {} of producer {} is over, the newest is {newest}: another took its place",
        header.producer_epoch, header.producer_id
    );
    Error::new(ErrorKind::Fenced, message)
}

#[cold]
fn out_of_order(header: &BatchHeader, expected: i32) -> Error {
    let message = format!(
        "the batch of producer {} in epoch {} begins at the sequence {}, expected is {expected}",
        header.producer_id, header.producer_epoch, header.base_sequence
    );
    Error::new(ErrorKind::OutOfOrderSequence, message)
}

#[cold]
fn in_transaction(header: &BatchHeader) -> Error {
    let message = format!(
        "producer {} has an open transaction here, and the batch is in none",
        header.producer_id
    );
    Error::new(ErrorKind::InvalidInput, message)
}
