//! Administration of what groups committed: to show it, to set it to other offsets, to delete it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::topics::partition_of;
use crate::broker::{Broker, Engine};
use crate::catalog::topic_handle::Topics;
use crate::error::{Error, ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::Partition;
use crate::topic::{TopicName, TopicPartition};

/// Where the offsets of a group are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetReset {
    /// The first offset that can be read.
    Earliest,
    /// The end.
    Latest,
    /// This offset; the nearest that there is if it is out of range.
    Offset(i64),
    /// The first record whose timestamp is this or later; the end if there is none. Milliseconds
    /// since 1970.
    Timestamp(i64),
    /// The first record that is not older than this.
    Duration(Duration),
    /// So many records on, or back if negative; within what there is.
    ShiftBy(i64),
    /// Where the group is, or the end if it committed nothing: what is out of range is set right.
    Current,
}

/// Which partitions are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetScope {
    /// Those that the group committed offsets for.
    Committed,
    /// All partitions of these topics.
    Topics(Vec<TopicName>),
    /// These.
    Partitions(Vec<TopicPartition>),
}

/// What a reset does with one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetChange {
    /// The partition.
    pub partition: TopicPartition,
    /// What was committed before.
    pub before: Option<i64>,
    /// What is committed now, or would be.
    pub after: i64,
}

impl Broker {
    /// The offsets that a group committed, by topic and partition; none for a group that does not
    /// exist.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading them, the first time.
    pub fn committed_offsets(
        &self,
        group: &str,
    ) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
        self.engine.offsets.all_of(&*self.engine, group)
    }

    /// Sets the offsets of a group; with `dry_run` it only tells what it would do.
    ///
    /// ```
    /// use ottla::{Broker, OffsetReset, OffsetScope, TopicConfig, TopicName};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new().partitions(2))?;
    /// let orders = OffsetScope::Topics(vec![TopicName::new("orders")?]);
    /// let changes = broker.reset_offsets("kitchen", &orders, OffsetReset::Earliest, false)?;
    /// assert_eq!(changes.len(), 2);
    /// assert_eq!(broker.committed_offsets("kitchen")?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// As a commit: when it returns `Ok` the offsets survive power loss, all or none.
    ///
    /// # Errors
    /// `GroupNotEmpty` while the group has members; `UnknownTopicOrPartition`; `InvalidInput` for a
    /// shift where nothing was committed. Nothing was changed then.
    pub fn reset_offsets(
        &self,
        group: &str,
        scope: &OffsetScope,
        to: OffsetReset,
        dry_run: bool,
    ) -> Result<Vec<OffsetChange>> {
        self.engine.reset_offsets(group, scope, to, dry_run)
    }

    /// Deletes offsets of a group.
    ///
    /// # Durability
    /// When it returns `Ok` the offsets do not come back after power loss.
    ///
    /// # Errors
    /// `UnknownGroup`; `GroupNotEmpty` while the group has members.
    pub fn delete_offsets(&self, group: &str, scope: &OffsetScope) -> Result<()> {
        let engine = &self.engine;
        let _hold = engine.groups.hold_empty(&**engine, group)?;
        let chosen = |at: &TopicPartition| match scope {
            OffsetScope::Committed => true,
            OffsetScope::Topics(topics) => topics.contains(&at.topic),
            OffsetScope::Partitions(partitions) => partitions.contains(at),
        };
        engine.offsets.delete_offsets(&**engine, group, &chosen)
    }
}

impl Engine {
    fn reset_offsets(
        &self,
        group: &str,
        scope: &OffsetScope,
        to: OffsetReset,
        dry_run: bool,
    ) -> Result<Vec<OffsetChange>> {
        let _hold = self.groups.hold_empty(self, group)?;
        let mut changes = Vec::new();
        let mut committed = Vec::new();
        for (at, partition) in self.partitions_in(group, scope)? {
            let before = self.offsets.committed(self, group, &at)?.map(|known| known.offset);
            let after = self.reset_target(&partition, &at, before, to)?;
            committed.push((at.clone(), OffsetAndMetadata::new(after)));
            changes.push(OffsetChange { partition: at, before, after });
        }
        if !dry_run {
            self.offsets.commit(self, group, None, &committed)?;
        }
        Ok(changes)
    }

    /// The partitions of a scope, each once, in order.
    fn partitions_in(
        &self,
        group: &str,
        scope: &OffsetScope,
    ) -> Result<Vec<(TopicPartition, Arc<Partition>)>> {
        let mut names = BTreeSet::new();
        match scope {
            OffsetScope::Committed => {
                names.extend(self.offsets.all_of(self, group)?.into_iter().map(|(at, _)| at));
            }
            OffsetScope::Partitions(partitions) => names.extend(partitions.iter().cloned()),
            OffsetScope::Topics(topics) => {
                for topic in topics {
                    let numbers = self.topic(topic.as_str())?.partitions.len();
                    let numbers = 0..i32::try_from(numbers).unwrap_or(i32::MAX);
                    names.extend(numbers.map(|number| TopicPartition::new(topic.clone(), number)));
                }
            }
        }
        let found = names.into_iter().map(|at| {
            let topic = self.topic(at.topic.as_str())?;
            let partition = Arc::clone(partition_of(&topic, at.partition)?);
            Ok((at, partition))
        });
        found.collect()
    }

    fn reset_target(
        &self,
        partition: &Partition,
        at: &TopicPartition,
        before: Option<i64>,
        to: OffsetReset,
    ) -> Result<i64> {
        let (start, end) = (partition.log_start_offset(), partition.end_offset());
        let at_or_after = |timestamp: i64| {
            let found = partition.offset_for_timestamp(timestamp, end)?;
            Ok::<_, Error>(found.map_or(end, |(offset, _)| offset))
        };
        let wanted = match to {
            OffsetReset::Earliest => start,
            OffsetReset::Latest => end,
            OffsetReset::Offset(offset) => offset,
            OffsetReset::Timestamp(timestamp) => at_or_after(timestamp)?,
            OffsetReset::Duration(age) => {
                let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                at_or_after(self.env.clock.wall_ms().saturating_sub(age_ms))?
            }
            OffsetReset::ShiftBy(by) => match before {
                Some(before) => before.saturating_add(by),
                None => {
                    let message = "the group committed nothing here that could be shifted; leave this \
                                   partition out";
                    let error = Error::new(ErrorKind::InvalidInput, message);
                    return Err(error.at_partition(at.topic.as_str(), at.partition));
                }
            },
            OffsetReset::Current => before.unwrap_or(end),
        };
        Ok(wanted.clamp(start, end))
    }
}
