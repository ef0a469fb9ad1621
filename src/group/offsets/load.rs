//! Reading the log into the table: each partition once, when a group of it is first asked for, or
//! all of them after an end that was not clean.
//!
//! What the log says is then held against what there is: the offset of a topic that is gone is
//! taken back, one beyond the end of its partition is set to the end. Neither happens after a clean
//! end: a topic and its offsets are deleted in one frame, and data is synced before an offset of
//! it. Both are durable before anybody can write to the partition: an offset beyond the end that
//! is only overlooked would, some records later, silently pass over them.

use std::sync::Arc;

use super::changes::{Change, What, number_of};
use super::replay::Replay;
use super::table::Table;
use super::{OffsetStore, OffsetsHost};
use crate::catalog::topic_handle::TopicHandle;
use crate::env::sync::atomic::Ordering;
use crate::env::user_code;
use crate::error::{Error, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::Partition;
use crate::topic::TopicPartition;

/// What reading the log found.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadReport {
    /// Offsets that lay beyond the end of their partition.
    pub(crate) clamped: Vec<ClampedOffset>,
    /// Offsets of topics and partitions that are not there any more.
    pub(crate) dropped: u64,
    /// Records that were not understood.
    pub(crate) skipped: u64,
    /// Partitions of the log that cannot be read, and why.
    pub(crate) unreadable: Vec<(TopicPartition, Error)>,
    /// Why what was found could not be put right on the disk.
    pub(crate) not_written: Option<Error>,
}

/// A committed offset that lay beyond the end of its partition, after damage, and was set to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClampedOffset {
    /// The group that committed it.
    pub group: String,
    /// The partition.
    pub partition: TopicPartition,
    /// What was committed.
    pub committed: i64,
    /// The end of the partition, where the group goes on.
    pub end: i64,
}

impl OffsetStore {
    /// Reads what was not read yet of the whole log.
    ///
    /// # Errors
    /// `Corrupt` where the log is damaged, and those of the disk; what was read stays.
    pub(crate) fn load(&self, host: &dyn OffsetsHost) -> Result<LoadReport> {
        let report = self.load_each(host);
        if let Some((_, error)) = report.unreadable.first() {
            return Err(error.clone());
        }
        report.not_written.clone().map_or(Ok(report), Err)
    }

    /// As [`load`](Self::load), and what is damaged is passed over: its groups cannot commit.
    ///
    /// # Errors
    /// If what was found could not be put right on the disk.
    pub(super) fn load_readable(&self, host: &dyn OffsetsHost) -> Result<()> {
        self.load_each(host).not_written.map_or(Ok(()), Err)
    }

    /// As [`load`](Self::load), for an open that goes on whatever it finds.
    pub(crate) fn load_each(&self, host: &dyn OffsetsHost) -> LoadReport {
        let mut report = LoadReport::default();
        if self.complete.load(Ordering::Acquire) {
            return report;
        }
        let _not_now = user_code::not_now();
        let _one_at_a_time = self.loading.lock();
        let Some(topic) = host.offsets_topic() else { return report };
        for number in 0..topic.partitions.len() {
            if let Err(error) = self.load_partition(host, &topic, number, &mut report) {
                report.unreadable.push((super::name_of(&topic.name, number_i32(number)), error));
            }
        }
        report
    }

    /// Reads the partition that keeps the offsets of a group, unless it was read.
    pub(super) fn ensure(&self, host: &dyn OffsetsHost, group: &str) -> Result<()> {
        if self.complete.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(topic) = host.offsets_topic() else { return Ok(()) };
        let number = number_of(&topic, group);
        if self.loaded.read().get(number).copied().unwrap_or(false) {
            return Ok(());
        }
        let _not_now = user_code::not_now();
        let _one_at_a_time = self.loading.lock();
        let mut report = LoadReport::default();
        self.load_partition(host, &topic, number, &mut report)?;
        report.not_written.map_or(Ok(()), Err)
    }

    /// Reads one partition; `loading` is locked.
    fn load_partition(
        &self,
        host: &dyn OffsetsHost,
        topic: &TopicHandle,
        number: usize,
        report: &mut LoadReport,
    ) -> Result<()> {
        if self.loaded.read().get(number).copied().unwrap_or(false) {
            return Ok(());
        }
        let Some(partition) = topic.partitions.get(number) else { return Ok(()) };
        // What is sound of a damaged log may say where a group was, and not where it is.
        if let Some(damage) = partition.damage() {
            return Err(damage.clone());
        }
        let is_ours = |group: &str| number_of(topic, group) == number;
        let replayed = Replay::new(self.opened, &is_ours).read(partition)?;
        report.skipped += replayed.skipped;
        let mut found = replayed.table;
        let is_writable = host.check_writable().is_ok();
        let changes = hold_against_topics(host, &mut found, is_writable, report);
        self.table.write().groups.extend(found.groups);
        if !changes.is_empty()
            && let Err(error) = self.write_changes(host, changes)
        {
            // As if it had not been read: nobody sees what is not durable.
            self.table.write().groups.retain(|group, _| !is_ours(group));
            report.not_written.get_or_insert(error);
            return Ok(());
        }
        let mut loaded = self.loaded.write();
        let count = topic.partitions.len().max(loaded.len());
        loaded.resize(count, false);
        if let Some(loaded) = loaded.get_mut(number) {
            *loaded = true;
        }
        if loaded.iter().all(|&loaded| loaded) {
            self.complete.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// What has to be written so that the offsets fit to the topics that there are. If nothing can be
/// written, they are changed in memory.
fn hold_against_topics(
    host: &dyn OffsetsHost,
    table: &mut Table,
    is_writable: bool,
    report: &mut LoadReport,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (name, group) in &mut table.groups {
        let change = |what| Change { group: Arc::clone(name), what };
        group.offsets.retain(|at, stored| {
            let Some(partition) = partition_of(host, at, stored.topic_id) else {
                report.dropped += 1;
                let (at, record_offset) = (at.clone(), stored.record_offset);
                changes.push(change(What::Forget { at, record_offset }));
                return is_writable;
            };
            let (offset, end) = (stored.committed.offset, partition.end_offset());
            if offset > end {
                let (group, partition_name) = (name.to_string(), at.clone());
                report.clamped.push(ClampedOffset {
                    group,
                    partition: partition_name,
                    committed: offset,
                    end,
                });
                let note = stored.committed.metadata.clone();
                let committed = OffsetAndMetadata::new(end).metadata(note);
                // What is damaged may still be mended: then the offset counts again.
                if is_writable && partition.damage().is_none() {
                    changes.push(change(What::Commit { at: at.clone(), partition, committed }));
                } else {
                    stored.committed = committed;
                }
            }
            true
        });
    }
    if !is_writable {
        changes.clear();
    }
    changes
}

/// The partition that an offset is of, if it is still there.
fn partition_of(
    host: &dyn OffsetsHost,
    at: &TopicPartition,
    topic_id: Option<crate::topic::TopicId>,
) -> Option<Arc<Partition>> {
    let topic = host.topic(at.topic.as_str()).ok()?;
    if topic_id.is_some_and(|id| id != topic.id) {
        return None;
    }
    topic.partitions.get(usize::try_from(at.partition).ok()?).cloned()
}

fn number_i32(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
