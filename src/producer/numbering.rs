//! The sequence numbers of one partition's batches, in a producer with `enable.idempotence`.
//!
//! A batch is numbered when it is closed, and the partition takes it only behind the one before. So
//! when a batch fails, those that were numbered behind it are refused, too: no record overtakes
//! one that was sent before it. What is closed later begins a new epoch at 0; it gets there after
//! them, for the order of the batches is kept. Once nothing is under way any more, the numbers go
//! on behind the last batch that was written, because nothing else ever was. The invariant:
//! `settled` is what the partition knows of this producer, as soon as nothing is under way.

use crate::batch::builder::BatchProducer;
use crate::error::ErrorKind;
use crate::producer::identity::{EPOCH_MAX, ProducerIdentity};

/// What the next batch is numbered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    next: BatchProducer,
    /// Behind the last batch that was written.
    settled: BatchProducer,
}

impl Numbering {
    pub(super) fn new(identity: ProducerIdentity) -> Numbering {
        let next = identity.stamp(0);
        Numbering { next, settled: next }
    }

    /// Numbers a batch of `count` records that is being closed.
    pub(super) fn number(&mut self, count: u32) -> BatchProducer {
        let stamp = self.next;
        self.next = behind(stamp, count);
        stamp
    }

    /// A batch was decided, and `in_flight` others are under way.
    pub(super) fn decided(&mut self, batch: Decided, in_flight: usize) {
        let Decided { stamp, written, failure } = batch;
        // The partition should have taken it, and has another memory: its log was cut, say.
        let is_forgotten =
            failure == Some(ErrorKind::OutOfOrderSequence) && stamp == self.settled && written == 0;
        if written > 0 {
            self.settled = behind(stamp, written);
        }
        if failure.is_none() {
            return;
        }
        if in_flight == 0 && !is_forgotten {
            self.next = self.settled;
        } else if stamp.epoch == self.next.epoch && stamp.epoch < EPOCH_MAX {
            self.next = BatchProducer { epoch: stamp.epoch + 1, base_sequence: 0, ..stamp };
        }
        if is_forgotten {
            self.settled = BatchProducer { base_sequence: 0, ..self.next };
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) stamp: BatchProducer,
    /// How many of its records are in the log: the first ones.
    pub(super) written: u32,
    /// Why the others are not, if there are others.
    pub(super) failure: Option<ErrorKind>,
}

fn behind(stamp: BatchProducer, records: u32) -> BatchProducer {
    let base_sequence = ProducerIdentity::sequence_after(stamp.base_sequence, records as usize);
    BatchProducer { base_sequence, ..stamp }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };

    fn stamp(epoch: i16, base_sequence: i32) -> BatchProducer {
        BatchProducer { id: 7, epoch, base_sequence }
    }

    fn written(stamp: BatchProducer, written: u32) -> Decided {
        Decided { stamp, written, failure: None }
    }

    fn failed(stamp: BatchProducer, written: u32) -> Decided {
        Decided { stamp, written, failure: Some(ErrorKind::NoSpace) }
    }

    #[test]
    fn what_fails_alone_gives_its_numbers_back() {
        let mut numbering = Numbering::new(IDENTITY);
        assert_eq!(numbering.number(3), stamp(0, 0));
        numbering.decided(written(stamp(0, 0), 3), 0);
        assert_eq!(numbering.number(2), stamp(0, 3));
        numbering.decided(failed(stamp(0, 3), 0), 0);
        assert_eq!(numbering.number(5), stamp(0, 3));
    }

    #[test]
    fn what_follows_a_failure_that_others_wait_behind_begins_a_new_epoch() {
        let mut numbering = Numbering::new(IDENTITY);
        let batches = [numbering.number(1), numbering.number(1), numbering.number(1)];
        numbering.decided(written(batches[0], 1), 2);
        numbering.decided(failed(batches[1], 0), 1);
        let next = numbering.number(4);
        assert_eq!(next, stamp(1, 0));
        // Refused, because the one before is missing: that begins no further epoch.
        numbering.decided(failed(batches[2], 0), 1);
        assert_eq!(numbering.number(1), stamp(1, 4));
        numbering.decided(written(next, 4), 1);
        // And if that fails as well, the numbers go on behind what is there.
        numbering.decided(failed(stamp(1, 4), 0), 0);
        assert_eq!(numbering.number(1), stamp(1, 4));
    }

    #[test]
    fn when_all_of_it_failed_the_old_epoch_goes_on() {
        let mut numbering = Numbering::new(IDENTITY);
        let first = numbering.number(2);
        numbering.decided(written(first, 2), 0);
        let batches = [numbering.number(1), numbering.number(1)];
        numbering.decided(failed(batches[0], 0), 1);
        numbering.decided(failed(batches[1], 0), 0);
        assert_eq!(numbering.number(1), stamp(0, 2));
    }

    #[test]
    fn a_batch_that_was_split_counts_as_far_as_it_was_written() {
        let mut numbering = Numbering::new(IDENTITY);
        let batch = numbering.number(8);
        numbering.decided(failed(batch, 6), 0);
        assert_eq!(numbering.number(1), stamp(0, 6));
    }

    #[test]
    fn the_last_epoch_is_not_left() {
        let mut numbering = Numbering::new(ProducerIdentity { epoch: EPOCH_MAX, ..IDENTITY });
        let batches = [numbering.number(1), numbering.number(1)];
        numbering.decided(failed(batches[0], 0), 1);
        assert_eq!(numbering.number(1), stamp(EPOCH_MAX, 2));
        numbering.decided(failed(batches[1], 0), 1);
        numbering.decided(failed(stamp(EPOCH_MAX, 2), 0), 0);
        assert_eq!(numbering.number(1), stamp(EPOCH_MAX, 0));
    }

    #[test]
    fn a_partition_that_has_forgotten_is_told_a_new_epoch() {
        let mut numbering = Numbering::new(IDENTITY);
        let first = numbering.number(5);
        numbering.decided(written(first, 5), 0);
        let refused =
            |stamp| Decided { failure: Some(ErrorKind::OutOfOrderSequence), ..failed(stamp, 0) };
        let batches = [numbering.number(1), numbering.number(1)];
        numbering.decided(refused(batches[0]), 1);
        assert_eq!(numbering.number(1), stamp(1, 0));
        numbering.decided(refused(batches[1]), 1);
        numbering.decided(failed(stamp(1, 0), 0), 0);
        assert_eq!(numbering.number(1), stamp(1, 0));
        // Alone as well.
        numbering.decided(refused(stamp(1, 0)), 0);
        assert_eq!(numbering.number(1), stamp(2, 0));
    }
}
