//! Who an idempotent producer is, and how its records are numbered.

use crate::batch::builder::BatchProducer;
use crate::format::batch_header::advance_sequence;

/// The newest epoch that an id can have; Kafka leaves the largest number free, too.
pub(crate) const EPOCH_MAX: i16 = i16::MAX - 1;

/// Who an idempotent producer is: by its id and epoch, and by the sequence numbers of its records,
/// a partition knows a batch that is sent again, and stores it once.
///
/// An id is handed out once per directory, by
/// [`Broker::new_producer_identity`](crate::Broker::new_producer_identity). A program that wants to
/// send something again after its own death keeps the identity where it keeps its other notes.
/// Records are numbered per partition, from 0 on in each epoch; see
/// [`PartitionHandle::append_idempotent`](crate::PartitionHandle::append_idempotent).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerIdentity {
    /// The id.
    pub id: i64,
    /// Which of those that used this id one after the other: a later one fences the earlier ones.
    pub epoch: i16,
}

impl ProducerIdentity {
    /// An identity that was noted down.
    pub fn new(id: i64, epoch: i16) -> ProducerIdentity {
        ProducerIdentity { id, epoch }
    }

    /// The sequence number that follows `records` records of which the first has
    /// `base_sequence`: behind the largest, 2147483647, comes 0.
    ///
    /// ```
    /// use ottla::ProducerIdentity;
    ///
    /// assert_eq!(ProducerIdentity::sequence_after(7, 3), 10);
    /// assert_eq!(ProducerIdentity::sequence_after(i32::MAX, 2), 1);
    /// ```
    #[must_use]
    pub fn sequence_after(base_sequence: i32, records: usize) -> i32 {
        // Sequences count modulo 2^31, so only the low bits of the count matter.
        advance_sequence(base_sequence, (records & 0x7fff_ffff) as i32)
    }

    pub(crate) fn stamp(self, base_sequence: i32) -> BatchProducer {
        BatchProducer { id: self.id, epoch: self.epoch, base_sequence }
    }
}

/// What a partition knows of an idempotent producer.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its id and its newest epoch.
    pub identity: ProducerIdentity,
    /// The sequence number of its last record; `None` if it has none in this epoch.
    pub last_sequence: Option<i32>,
    /// The offset of its last record; `None` if it has none in this epoch.
    pub last_offset: Option<i64>,
    /// The largest timestamp of its last batch.
    pub last_timestamp_ms: i64,
}
