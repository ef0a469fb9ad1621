//! Everything as of one moment: where each partition ended, and where groups were.
//!
//! A snapshot copies nothing: it remembers ends, and reads what lies below them in the log. What
//! the log gives up meanwhile (retention, a cut, a deleted topic, compaction of what is newer) is
//! an error of the read, never a gap. The invariant: of every commit a snapshot has all or nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::assigned::{Assigned, FetchRules};
use super::pool::Pool;
use super::records::{OwnedRecord, Records};
use super::source::Source;
use crate::catalog::topic_handle::{TopicHandle, partition_of};
use crate::config::consumer::IsolationLevel;
use crate::config::offset_reset::AutoOffsetReset;
use crate::env::Env;
use crate::env::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::Partition;
use crate::topic::{TopicName, TopicPartition};

/// How much is read from the log at a time.
const FETCH_BYTES: usize = 1 << 20;

/// All partitions as of one moment. See [`Broker::snapshot`](crate::Broker::snapshot).
///
/// Every transaction that was committed before is in it as a whole, and of a later one there is
/// nothing, whatever the partitions and groups.
pub struct Snapshot {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    topics: BTreeMap<TopicName, TopicMoment>,
    groups: BTreeMap<String, GroupOffsets>,
}

/// What a group had committed.
pub(crate) type GroupOffsets = Vec<(TopicPartition, OffsetAndMetadata)>;

/// A topic at the moment.
pub(crate) struct TopicMoment {
    handle: Arc<TopicHandle>,
    /// By number.
    partitions: Vec<PartitionMoment>,
}

/// A partition at the moment.
#[derive(Clone, Copy, Debug)]
struct PartitionMoment {
    start: i64,
    end: i64,
    /// The partition's generation: it changes when the log is cut.
    generation: u32,
}

impl TopicMoment {
    /// The topic now; to be called within a section of the ends.
    pub(crate) fn now(handle: &Arc<TopicHandle>) -> TopicMoment {
        let partitions = handle.partitions.iter().map(|partition| PartitionMoment::now(partition));
        TopicMoment { partitions: partitions.collect(), handle: Arc::clone(handle) }
    }
}

impl PartitionMoment {
    fn now(partition: &Partition) -> PartitionMoment {
        loop {
            let generation = partition.generation();
            let (start, end) = (partition.log_start_offset(), partition.end_offset());
            // A cut in between would leave an end of before it with records of after it.
            if generation == partition.generation() {
                return PartitionMoment { start, end, generation };
            }
        }
    }
}

impl Snapshot {
    pub(crate) fn new(
        source: Arc<dyn Source>,
        env: &Env,
        topics: Vec<TopicMoment>,
        groups: BTreeMap<String, GroupOffsets>,
    ) -> Snapshot {
        let named = |topic: TopicMoment| (topic.handle.name.clone(), topic);
        let topics = topics.into_iter().map(named).collect();
        Snapshot { source, clock: Arc::clone(&env.clock), topics, groups }
    }

    /// All partitions, and where each ended.
    pub fn end_offsets(&self) -> Vec<(TopicPartition, i64)> {
        let ends = |(name, topic): (&TopicName, &TopicMoment)| {
            let name = name.clone();
            let ends: Vec<i64> = topic.partitions.iter().map(|moment| moment.end).collect();
            let named = move |(number, end)| (TopicPartition::new(name.clone(), number), end);
            (0..).zip(ends).map(named)
        };
        self.topics.iter().flat_map(ends).collect()
    }

    /// Where a partition ended: the offset behind its newest record.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] if there was no such partition.
    pub fn end_offset(&self, topic: &str, partition: i32) -> Result<i64> {
        self.find(topic, partition).map(|(_, moment)| moment.end)
    }

    /// Where a partition began: the offset of its oldest record.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] if there was no such partition.
    pub fn log_start_offset(&self, topic: &str, partition: i32) -> Result<i64> {
        self.find(topic, partition).map(|(_, moment)| moment.start)
    }

    /// What a group had committed of a partition; `None` if nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a group that the snapshot was taken without.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Result<Option<&OffsetAndMetadata>> {
        let Some(offsets) = self.groups.get(group) else {
            let message = format!(
                "the snapshot was taken without the group {group:?}: name it in \
                 snapshot_with_groups"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        };
        let is_it = |at: &TopicPartition| at.partition == partition && at.topic.as_str() == topic;
        Ok(offsets.iter().find(|(at, _)| is_it(at)).map(|(_, committed)| committed))
    }

    /// The records of a partition from an offset on up to where it ended. Those of transactions
    /// that another program aborted are left out.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] if there was no such partition, or its topic was
    /// deleted since; [`ErrorKind::OffsetOutOfRange`] for an offset that it did not have, and for
    /// one whose record was deleted since.
    pub fn read(&self, topic: &str, partition: i32, from: i64) -> Result<SnapshotReader> {
        let (log, moment) = self.find(topic, partition)?;
        let id = log.id();
        let name = TopicPartition::new(id.topic().clone(), id.partition());
        if !(moment.start..=moment.end).contains(&from) {
            let message = format!(
                "the snapshot has the offsets {} to {}, not {from}",
                moment.start, moment.end
            );
            let error = Error::new(ErrorKind::OffsetOutOfRange, message);
            return Err(error.at_partition(topic, partition));
        }
        let pool = Arc::<Pool>::default();
        let mut assigned = Assigned::new(name, Arc::clone(log));
        assigned.seek(from, &pool);
        let rules = FetchRules {
            clock: Arc::clone(&self.clock),
            reset: AutoOffsetReset::None,
            isolation: IsolationLevel::ReadCommitted,
            check_crcs: true,
            pass_deleted: false,
        };
        let source = Arc::clone(&self.source);
        let reader = SnapshotReader {
            assigned,
            moment,
            rules,
            pool,
            source,
            left: Vec::new().into_iter(),
            is_over: false,
        };
        reader.check(from)?;
        Ok(reader)
    }

    fn find(&self, topic: &str, partition: i32) -> Result<(&Arc<Partition>, PartitionMoment)> {
        let name = TopicName::new(topic)?;
        let Some(moment) = self.topics.get(&name) else {
            let message = "there was no such topic when the snapshot was taken";
            let error = Error::new(ErrorKind::UnknownTopicOrPartition, message);
            return Err(error.at_partition(topic, partition));
        };
        let log = partition_of(&moment.handle, partition)?;
        let at = usize::try_from(partition).ok().and_then(|index| moment.partitions.get(index));
        let at = at.copied().unwrap_or(PartitionMoment { start: 0, end: 0, generation: 0 });
        Ok((log, at))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        f.debug_struct("Snapshot").field("partitions", &partitions).finish_non_exhaustive()
    }
}

/// Reads a partition up to where a [`Snapshot`] says that it ended: record by record as an
/// iterator, or without a copy of each by [`next_records`](SnapshotReader::next_records). Ends
/// after the first error.
pub struct SnapshotReader {
    assigned: Assigned,
    moment: PartitionMoment,
    rules: FetchRules,
    pool: Arc<Pool>,
    source: Arc<dyn Source>,
    /// What the iterator has not returned of the records that were read.
    left: std::vec::IntoIter<OwnedRecord>,
    is_over: bool,
}

impl SnapshotReader {
    /// The next records, about a megabyte of them; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::OffsetOutOfRange`] if records that the snapshot has are not there any more:
    /// deleted by retention, cut off, or compacted together with newer ones;
    /// [`ErrorKind::UnknownTopicOrPartition`] if the topic was deleted; `Closed`; `Corrupt` and `Io`
    /// from reading.
    pub fn next_records(&mut self) -> Result<Option<Records>> {
        if self.is_over {
            return Ok(None);
        }
        let next = self.read_on();
        self.is_over = !matches!(next, Ok(Some(_)));
        next
    }

    fn read_on(&mut self) -> Result<Option<Records>> {
        let end = self.moment.end;
        loop {
            let at = self.assigned.known_position().unwrap_or(end);
            if let Some(run) = self.assigned.take(usize::MAX, &self.pool)? {
                let mut records = Records::new(Arc::clone(&self.pool));
                records.push(run);
                return Ok(Some(records));
            }
            // What was fetched may have had no record to be returned.
            let from = self.assigned.known_position().unwrap_or(end);
            if from >= end {
                return Ok(None);
            }
            self.check(from)?;
            let fetched = self.assigned.fetch(end, FETCH_BYTES, &self.rules, &self.pool);
            // What was read may be of after a cut, or of after a compaction.
            self.check(from)?;
            if fetched? == 0 && self.assigned.known_position() == Some(at) {
                return Ok(None);
            }
        }
    }

    /// Whether everything from `from` on is still there as it was.
    fn check(&self, from: i64) -> Result<()> {
        let log = self.assigned.partition();
        let PartitionMoment { end, generation, .. } = self.moment;
        let gone = |kind, message: String| {
            let id = log.id();
            let error = Error::new(kind, message);
            Err(error.at_partition(id.topic().as_str(), id.partition()))
        };
        if self.source.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        if log.is_deleted() {
            let message = "the topic was deleted since the snapshot was taken".to_owned();
            return gone(ErrorKind::UnknownTopicOrPartition, message);
        }
        let out_of_range = ErrorKind::OffsetOutOfRange;
        if let Some(cut) = log.cut_since(generation).filter(|cut| *cut < end) {
            let message = format!(
                "the log was cut off at the offset {cut} since the snapshot was taken, which \
                 ends at {end}"
            );
            return gone(out_of_range, message);
        }
        let start = log.log_start_offset();
        if from < start.min(end) {
            let message = format!(
                "the records from {from} to {start} were deleted since the snapshot was taken"
            );
            return gone(out_of_range, message);
        }
        let compacted = log.compacted_to();
        if compacted > end {
            let message = format!(
                "the log was compacted up to the offset {compacted} since the snapshot was taken, \
                 which ends at {end}: records may be missing for newer ones of their keys"
            );
            return gone(out_of_range, message);
        }
        Ok(())
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<OwnedRecord>;

    fn next(&mut self) -> Option<Result<OwnedRecord>> {
        loop {
            if let Some(record) = self.left.next() {
                return Some(Ok(record));
            }
            match self.next_records() {
                Ok(Some(records)) => {
                    let owned: Vec<_> = records.iter().map(|record| record.to_owned()).collect();
                    self.left = owned.into_iter();
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::iter::FusedIterator for SnapshotReader {}

impl fmt::Debug for SnapshotReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition = self.assigned.name();
        f.debug_struct("SnapshotReader").field("partition", partition).finish_non_exhaustive()
    }
}
