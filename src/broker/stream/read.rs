//! Reading a stream, forwards and backwards.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::Stream;
use crate::batch::records::RecordView;
use crate::consumer::records::OwnedRecord;
use crate::error::Result;
use crate::partition::Partition;
use crate::partition::keys::cursor::Direction;
use crate::partition::keys::records::KeyRecords;
use crate::topic::TopicPartition;

/// The records of a stream, one after the other. After an error there are no more.
///
/// Holds what one batch has of the stream, and no lock. Records that are appended after it was
/// made are not in it.
#[derive(Debug)]
pub struct StreamRecords {
    partition: Arc<Partition>,
    name: TopicPartition,
    records: KeyRecords,
    direction: Direction,
    ready: VecDeque<OwnedRecord>,
    ended: bool,
}

impl Stream {
    /// The stream's records with these offsets, the oldest first.
    ///
    /// What was deleted, or compacted away, is passed over: the first record may have a higher
    /// offset than asked for.
    pub fn read(&self, offsets: impl RangeBounds<i64>) -> StreamRecords {
        self.records(&offsets, Direction::Forwards)
    }

    /// The stream's records with these offsets, the newest first.
    pub fn read_backwards(&self, offsets: impl RangeBounds<i64>) -> StreamRecords {
        self.records(&offsets, Direction::Backwards)
    }

    fn records(&self, offsets: &impl RangeBounds<i64>, direction: Direction) -> StreamRecords {
        let from = match offsets.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match offsets.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => i64::MAX,
        };
        let partition = self.handle.partition();
        StreamRecords {
            records: KeyRecords::new(partition, &self.key, direction, from, end),
            partition: Arc::clone(partition),
            name: self.partition(),
            direction,
            ready: VecDeque::new(),
            ended: false,
        }
    }
}

impl StreamRecords {
    fn read_on(&mut self) -> Result<bool> {
        let (ready, name, direction) = (&mut self.ready, &self.name, self.direction);
        self.records.next_batch(&self.partition, &mut |record| {
            let record = owned(name, record);
            match direction {
                Direction::Forwards => ready.push_back(record),
                Direction::Backwards => ready.push_front(record),
            }
        })
    }
}

impl Iterator for StreamRecords {
    type Item = Result<OwnedRecord>;

    fn next(&mut self) -> Option<Result<OwnedRecord>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            match self.read_on() {
                Ok(true) => {}
                Ok(false) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    self.ready.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl std::iter::FusedIterator for StreamRecords {}

/// A copy of a record.
pub(super) fn owned(name: &TopicPartition, record: &RecordView<'_>) -> OwnedRecord {
    let headers = record.headers.clone();
    OwnedRecord {
        partition: name.clone(),
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type: record.timestamp_type,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}
