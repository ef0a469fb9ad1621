//! Deleting what retention gives up, and what it leaves for the groups that are waited for.
//!
//! `ottla.retention.groups` names groups of a topic: nothing that one of them has not committed is
//! deleted because of its age or size, up to `ottla.retention.groups.max.bytes` for each partition.
//! An order to delete records goes ahead. The invariant: what cannot be asked (the offsets cannot
//! be read) is not deleted.

use std::sync::Arc;

use crate::broker::{Broker, Engine};
use crate::catalog::topic_handle::TopicHandle;
use crate::env::planted::planted;
use crate::error::Result;
use crate::partition::Partition;
use crate::partition::hold::Hold;
use crate::topic::TopicPartition;

/// What retention deleted in one partition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetentionOutcome {
    /// The partition.
    pub partition: TopicPartition,
    /// The new log start offset.
    pub log_start_offset: i64,
    /// How many segments went.
    pub segments: usize,
    /// How many bytes of records went.
    pub bytes: u64,
    /// Whether some of it went although a group of `ottla.retention.groups` had not committed it:
    /// `ottla.retention.groups.max.bytes` was reached.
    pub over_cap: bool,
}

/// How far a group that retention waits for has come in a partition, and what is kept for it; see
/// [`Broker::retention_report`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionHold {
    /// The partition.
    pub partition: TopicPartition,
    /// The group, as `ottla.retention.groups` names it.
    pub group: String,
    /// What it committed; a group that has committed nothing needs everything.
    pub committed: Option<i64>,
    /// The first offset that can be read.
    pub log_start_offset: i64,
    /// The offset behind the newest record.
    pub end_offset: i64,
    /// The bytes of segments that retention would delete now, but for this group.
    pub held_bytes: u64,
    /// The offsets in those segments.
    pub held_records: i64,
    /// Whether `ottla.retention.groups.max.bytes` let records go that this group had not
    /// committed, since the directory was opened, or will when retention looks again.
    pub over_cap: bool,
}

impl Broker {
    /// Deletes what `retention.ms` and `retention.bytes` of the topics give up, and what lies
    /// below a log start offset, now. What the groups of `ottla.retention.groups` have not
    /// committed stays, up to `ottla.retention.groups.max.bytes`.
    ///
    /// # Errors
    /// The first failure; the other partitions are still looked at.
    pub fn run_retention(&self) -> Result<Vec<RetentionOutcome>> {
        self.engine.check_writable()?;
        self.engine.run_retention()
    }

    /// What retention leaves for the groups that it waits for: a row for each partition and group
    /// of the topics that name some in `ottla.retention.groups`.
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// let config = TopicConfig::new().retention_bytes(0).retention_groups(["kitchen"]);
    /// broker.create_topic("orders", config)?;
    /// broker.partition("orders", 0)?.append(&[Message::new("one burger")], Acks::All)?;
    /// assert!(broker.run_retention()?.is_empty()); // the kitchen has not seen it
    /// let report = broker.retention_report()?;
    /// assert_eq!(report[0].group, "kitchen");
    /// assert_eq!((report[0].committed, report[0].held_records), (None, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading the committed offsets and the age of segments.
    pub fn retention_report(&self) -> Result<Vec<RetentionHold>> {
        let mut report = Vec::new();
        for topic in self.engine.topics.all() {
            for partition in &topic.partitions {
                for group in &topic.config.values().retention_groups {
                    match self.engine.held_for(group, &topic, partition) {
                        // Deleted since the list was taken.
                        Err(_) if partition.is_deleted() => {}
                        outcome => report.push(outcome?),
                    }
                }
            }
        }
        Ok(report)
    }
}

impl Engine {
    pub(crate) fn run_retention(&self) -> Result<Vec<RetentionOutcome>> {
        if self.clock_jumped() {
            return Ok(Vec::new());
        }
        // Only what lies below the durable recovery point may go.
        self.committer.checkpoint()?;
        let now_ms = self.env.clock.wall_ms();
        let mut outcomes = Vec::new();
        let mut failure = Ok(());
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                match self.retain(&topic, partition, now_ms) {
                    Ok(outcome) => outcomes.extend(outcome),
                    // Deleted since the list was taken: there is nothing left to retain.
                    Err(_) if partition.is_deleted() => {}
                    Err(error) => failure = failure.and(Err(error)),
                }
            }
        }
        failure.map(|()| outcomes)
    }

    fn retain(
        &self,
        topic: &TopicHandle,
        partition: &Arc<Partition>,
        now_ms: i64,
    ) -> Result<Option<RetentionOutcome>> {
        let hold = match planted!("groups_not_waited_for") {
            true => Hold { needed_from: i64::MAX, bytes_max: 0 },
            false => self.hold_of(topic, partition)?,
        };
        let mut over_cap = false;
        let plan = || {
            let plan = partition.retention_plan(now_ms, &hold)?;
            over_cap = plan.as_ref().is_some_and(|plan| plan.needed_too);
            Ok(plan.map(|plan| plan.state))
        };
        // A reader that is still in a segment finishes.
        let carry_out = |log_start_offset| {
            partition.delete_below(log_start_offset).map(|deleted| (log_start_offset, deleted))
        };
        let moved = self.committer.move_log_start(partition, plan, carry_out)?;
        if let (true, Some((log_start, _))) = (over_cap, &moved) {
            partition.note_released(*log_start);
        }
        Ok(moved.map(|(log_start_offset, deleted)| RetentionOutcome {
            partition: name_of(partition),
            log_start_offset,
            segments: deleted.segments,
            bytes: deleted.bytes,
            over_cap,
        }))
    }

    /// The first offset of a partition that the groups of `ottla.retention.groups` still need;
    /// `i64::MAX` if its topic names none. Nothing at or above it may be deleted or compacted.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading the committed offsets.
    pub(crate) fn first_needed(&self, topic: &TopicHandle, partition: &Partition) -> Result<i64> {
        let groups = &topic.config.values().retention_groups;
        if groups.is_empty() {
            return Ok(i64::MAX);
        }
        self.offsets.first_needed(self, groups, &name_of(partition))
    }

    fn hold_of(&self, topic: &TopicHandle, partition: &Partition) -> Result<Hold> {
        let needed_from = self.first_needed(topic, partition)?;
        Ok(Hold { needed_from, bytes_max: bytes_max(topic) })
    }

    fn held_for(
        &self,
        group: &str,
        topic: &TopicHandle,
        partition: &Partition,
    ) -> Result<RetentionHold> {
        let name = name_of(partition);
        let committed = self.offsets.committed(self, group, &name)?;
        let committed = committed.map(|committed| committed.offset);
        let needed_from = committed.unwrap_or(0);
        let held = partition.held(needed_from, self.env.clock.wall_ms())?;
        Ok(RetentionHold {
            group: group.to_owned(),
            committed,
            log_start_offset: partition.log_start_offset(),
            end_offset: partition.end_offset(),
            held_bytes: held.bytes,
            held_records: held.records,
            over_cap: partition.released_to() > needed_from || held.bytes > bytes_max(topic),
            partition: name,
        })
    }
}

/// The bound on what the groups of a topic hold back; -1 is none.
fn bytes_max(topic: &TopicHandle) -> u64 {
    u64::try_from(topic.config.values().retention_groups_max_bytes).unwrap_or(u64::MAX)
}

fn name_of(partition: &Partition) -> TopicPartition {
    let id = partition.id();
    TopicPartition::new(id.topic().clone(), id.partition())
}
