//! What a poll returns: records that borrow from the bytes as they were fetched.
//!
//! All records were checked before: iterating cannot fail, allocates nothing and copies nothing.

use std::fmt;
use std::sync::Arc;

use super::piece::Slot;
use super::pool::Pool;
use crate::format::batch_header::TimestampType;
use crate::format::record::{Header, Headers};
use crate::topic::TopicPartition;

/// The records of one poll, in runs of one partition each. Owns their bytes; dropping it gives
/// the buffers back to the consumer.
#[derive(Debug)]
pub struct Records {
    runs: Vec<Run>,
    count: usize,
    pool: Arc<Pool>,
}

/// Some records of one partition that follow one another.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) partition: Arc<TopicPartition>,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) slots: Arc<Vec<Slot>>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Run {
    pub(super) fn len(&self) -> usize {
        self.to.saturating_sub(self.from)
    }

    fn slots(&self) -> &[Slot] {
        self.slots.get(self.from..self.to).unwrap_or_default()
    }

    fn iter(&self) -> RunIter<'_> {
        RunIter { partition: &self.partition, bytes: &self.bytes, slots: self.slots().iter() }
    }
}

impl Records {
    pub(super) fn new(pool: Arc<Pool>) -> Records {
        Records { runs: Vec::new(), count: 0, pool }
    }

    pub(super) fn push(&mut self, run: Run) {
        self.count += run.len();
        self.runs.push(run);
    }

    /// The partition of the newest run.
    pub(super) fn last_partition(&self) -> Option<&TopicPartition> {
        self.runs.last().map(|run| &*run.partition)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none: the poll's time was up.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All records; those of one partition in the order of their offsets.
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter { runs: self.runs.iter(), current: None, left: self.count }
    }

    /// The partitions that records came from, each once.
    pub fn partitions(&self) -> Vec<&TopicPartition> {
        let mut partitions: Vec<&TopicPartition> = Vec::new();
        for run in &self.runs {
            if !partitions.contains(&&*run.partition) {
                partitions.push(&run.partition);
            }
        }
        partitions
    }

    /// The records in runs of one partition each; a partition may have several. For a loop over all
    /// that does something once a run instead of once a record.
    pub fn runs(
        &self,
    ) -> impl Iterator<Item = (&TopicPartition, impl ExactSizeIterator<Item = ConsumerRecord<'_>>)>
    {
        self.runs.iter().map(|run| (&*run.partition, run.iter()))
    }

    /// The records of one partition, in the order of their offsets.
    pub fn of_partition<'a>(
        &'a self,
        topic: &str,
        partition: i32,
    ) -> impl Iterator<Item = ConsumerRecord<'a>> + use<'a> {
        let runs: Vec<&Run> = self
            .runs
            .iter()
            .filter(|run| {
                run.partition.partition == partition && run.partition.topic.as_str() == topic
            })
            .collect();
        runs.into_iter().flat_map(Run::iter)
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        for run in self.runs.drain(..) {
            self.pool.keep_bytes(run.bytes);
            self.pool.keep_slots(run.slots);
        }
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = ConsumerRecord<'a>;
    type IntoIter = RecordsIter<'a>;

    fn into_iter(self) -> RecordsIter<'a> {
        self.iter()
    }
}

/// An iterator over [`Records`].
#[derive(Clone, Debug)]
pub struct RecordsIter<'a> {
    runs: std::slice::Iter<'a, Run>,
    current: Option<RunIter<'a>>,
    left: usize,
}

#[derive(Clone, Debug)]
struct RunIter<'a> {
    partition: &'a TopicPartition,
    bytes: &'a [u8],
    slots: std::slice::Iter<'a, Slot>,
}

impl<'a> Iterator for RunIter<'a> {
    type Item = ConsumerRecord<'a>;

    #[inline]
    fn next(&mut self) -> Option<ConsumerRecord<'a>> {
        let slot = self.slots.next()?;
        Some(ConsumerRecord { partition: self.partition, bytes: self.bytes, slot })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.slots.size_hint()
    }
}

impl ExactSizeIterator for RunIter<'_> {}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = ConsumerRecord<'a>;

    #[inline]
    fn next(&mut self) -> Option<ConsumerRecord<'a>> {
        loop {
            if let Some(record) = self.current.as_mut().and_then(RunIter::next) {
                self.left = self.left.saturating_sub(1);
                return Some(record);
            }
            self.current = Some(self.runs.next()?.iter());
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for RecordsIter<'_> {}

impl std::iter::FusedIterator for RecordsIter<'_> {}

/// A record that was read. Borrowed from the [`Records`] that it came with.
#[derive(Clone, Copy)]
pub struct ConsumerRecord<'a> {
    partition: &'a TopicPartition,
    bytes: &'a [u8],
    slot: &'a Slot,
}

impl<'a> ConsumerRecord<'a> {
    /// The topic.
    pub fn topic(&self) -> &'a str {
        self.partition.topic.as_str()
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.partition.partition
    }

    /// Topic and partition.
    #[inline]
    pub fn topic_partition(&self) -> &'a TopicPartition {
        self.partition
    }

    /// The offset.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.slot.offset
    }

    /// Milliseconds since 1970; -1 for none.
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.slot.timestamp
    }

    /// Whose clock the timestamp is of.
    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        self.slot.timestamp_type()
    }

    /// The key; `None` is not the same as an empty one.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.field(self.slot.key_at, self.slot.key_len)
    }

    /// The value; `None` for a tombstone, which is not the same as an empty one.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.field(self.slot.value_at, self.slot.value_len)
    }

    /// Whether the record has no value: in a compacted topic it deletes its key.
    pub fn is_tombstone(&self) -> bool {
        self.slot.value_len < 0
    }

    /// How many headers there are, without looking at them.
    #[inline]
    pub fn header_count(&self) -> usize {
        self.slot.header_count()
    }

    /// The headers, in order.
    pub fn headers(&self) -> Headers<'a> {
        let count = self.slot.header_count();
        if count == 0 {
            return Headers::NONE;
        }
        let bytes = self.bytes.get(self.slot.headers_at as usize..).unwrap_or_default();
        Headers::of_checked(bytes, count)
    }

    /// A copy that owns its bytes.
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord {
            partition: self.partition.clone(),
            offset: self.offset(),
            timestamp: self.timestamp(),
            timestamp_type: self.timestamp_type(),
            key: self.key().map(<[u8]>::to_vec),
            value: self.value().map(<[u8]>::to_vec),
            headers: self
                .headers()
                .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }

    #[inline]
    fn field(&self, at: u32, len: i32) -> Option<&'a [u8]> {
        let len = usize::try_from(len).ok()?;
        let at = at as usize;
        Some(self.bytes.get(at..at + len).unwrap_or_default())
    }
}

impl fmt::Debug for ConsumerRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerRecord")
            .field("partition", self.partition)
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .field("key", &self.key().map(String::from_utf8_lossy))
            .field("value", &self.value().map(String::from_utf8_lossy))
            .field("headers", &self.headers().collect::<Vec<Header<'_>>>())
            .finish()
    }
}

/// A record that was read and owns its bytes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Topic and partition.
    pub partition: TopicPartition,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// Whose clock the timestamp is of.
    pub timestamp_type: TimestampType,
    /// The key; `None` is not the same as an empty one.
    pub key: Option<Vec<u8>>,
    /// The value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}
