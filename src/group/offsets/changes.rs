//! What is to be written about groups: the records, in batches for the partitions they belong to,
//! and the effect that the table sees once they are durable.
//!
//! Everything that is written to `__consumer_offsets` goes through here. The invariant: a commit
//! goes into a frame only if, under the leader's lock, the partition reaches to the offset and is
//! synced up to it, and the topic is not being deleted. Cutting a partition off needs the same
//! lock, so nothing can come in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::catalog::topic_handle::TopicHandle;
use crate::commit::ticket::{Effect, Part};
use crate::env::planted::{linger, planted};
use crate::env::sync::RwLock;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::group_records::{GroupMetadataValue, GroupRecordKey, OffsetCommitValue};
use crate::format::hash::partition_of_group;
use crate::group::offset::OffsetAndMetadata;
use crate::group::offsets::table::{Metadata, Stored, Table};
use crate::partition::Partition;
use crate::partition::writer::Appended;
use crate::topic::TopicPartition;

/// A batch is closed when it has about this many bytes, or as many as the topic allows.
const BATCH_BYTES: usize = 512 << 10;

/// What a group's type of protocol is called when consumers are its members.
const CONSUMER: &str = "consumer";

/// One record to be written.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) group: Arc<str>,
    pub(super) what: What,
}

/// What the record says.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The group goes on from here; only if the partition reaches so far.
    Commit { at: TopicPartition, partition: Arc<Partition>, committed: OffsetAndMetadata },
    /// The group has no offset there; only if the newest record is the one at `record_offset`.
    Forget { at: TopicPartition, record_offset: i64 },
    /// The group has no members, and this is its generation.
    Empty { generation: i32 },
    /// There is nothing to be said about the group itself.
    ForgetMetadata,
    /// A record of a newer broker is taken back.
    ForgetOther { key: Vec<u8> },
}

impl Change {
    /// What its record takes, at most.
    pub(super) fn bytes_max(&self) -> usize {
        let rest = match &self.what {
            What::Commit { at, committed, .. } => {
                at.topic.as_str().len() + committed.metadata.len()
            }
            What::Forget { at, .. } => at.topic.as_str().len(),
            What::ForgetOther { key } => key.len(),
            What::Empty { .. } | What::ForgetMetadata => CONSUMER.len(),
        };
        self.group.len() + rest + RECORD_OVERHEAD
    }
}

/// Batches and what goes with them: one ticket.
pub(super) struct Prepared {
    pub(super) parts: Vec<Part>,
    pub(super) effect: Box<Written>,
}

/// The effect of changes that are durable.
pub(super) struct Written {
    table: Arc<RwLock<Table>>,
    /// By part, in the order of its records.
    changes: Vec<Vec<Change>>,
    now_ms: i64,
    now: Duration,
    /// Groups that must not have changed since.
    pub(super) unchanged: Vec<(Arc<str>, u64)>,
}

/// The moment of a change, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) wall_ms: i64,
    pub(super) monotonic: Duration,
}

/// Builds the batches for `changes`, which keep their order within a group.
///
/// # Errors
/// `Limit` for a text that is longer than its field.
pub(super) fn prepare(
    table: &Arc<RwLock<Table>>,
    topic: &TopicHandle,
    builder: &mut BatchBuilder,
    changes: Vec<Change>,
    now: Now,
) -> Result<Prepared> {
    let mut parts = Vec::new();
    let mut by_part = Vec::new();
    let bytes_max = topic.config.values().max_message_bytes as usize;
    for (number, changes) in by_partition(topic, changes) {
        let partition = topic.partitions.get(number).ok_or_else(no_partition)?;
        builder.start(&BatchOptions::default());
        let mut in_batch: Vec<Change> = Vec::new();
        for change in changes {
            let (key, value) = encode(&change.what, &change.group, now.wall_ms)
                .map_err(FormatError::into_error)?;
            let more = key.len() + value.as_ref().map_or(0, Vec::len) + RECORD_OVERHEAD;
            if !in_batch.is_empty() && builder.len_bytes() + more > BATCH_BYTES.min(bytes_max) {
                parts
                    .push(Part { partition: Arc::clone(partition), batch: builder.take()?.into() });
                by_part.push(std::mem::take(&mut in_batch));
            }
            builder.push(now.wall_ms, Some(&key), value.as_deref(), &[])?;
            in_batch.push(change);
        }
        parts.push(Part { partition: Arc::clone(partition), batch: builder.take()?.into() });
        by_part.push(in_batch);
    }
    let table = Arc::clone(table);
    let (now_ms, now) = (now.wall_ms, now.monotonic);
    let effect = Written { table, changes: by_part, now_ms, now, unchanged: Vec::new() };
    Ok(Prepared { parts, effect: Box::new(effect) })
}

/// What a record needs beside its key and its value, at most.
const RECORD_OVERHEAD: usize = 80;

/// The changes by the number of the partition that their group belongs to.
fn by_partition(topic: &TopicHandle, changes: Vec<Change>) -> BTreeMap<usize, Vec<Change>> {
    let mut by_partition: BTreeMap<usize, Vec<Change>> = BTreeMap::new();
    for change in changes {
        by_partition.entry(number_of(topic, &change.group)).or_default().push(change);
    }
    by_partition
}

/// The number of the partition that keeps the offsets of a group.
pub(super) fn number_of(topic: &TopicHandle, group: &str) -> usize {
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    usize::try_from(partition_of_group(group, count)).unwrap_or(0)
}

fn no_partition() -> Error {
    Error::new(
        ErrorKind::UnknownTopicOrPartition,
        "the topic of committed offsets has no partition",
    )
}

/// Key and value of a record; without a value it takes back what the key stands for.
fn encode(
    what: &What,
    group: &str,
    now_ms: i64,
) -> Result<(Vec<u8>, Option<Vec<u8>>), FormatError> {
    let offset_key = |at: &TopicPartition| {
        let (topic, partition) = (at.topic.as_str().to_owned(), at.partition);
        GroupRecordKey::OffsetCommit { group: group.to_owned(), topic, partition }.encode()
    };
    let group_key = || GroupRecordKey::GroupMetadata { group: group.to_owned() }.encode();
    Ok(match what {
        What::Commit { at, committed, .. } => {
            let value = OffsetCommitValue {
                offset: committed.offset,
                leader_epoch: committed.leader_epoch.unwrap_or(-1),
                metadata: committed.metadata.clone(),
                commit_timestamp: now_ms,
                expire_timestamp: -1,
                topic_id: None,
            };
            (offset_key(at)?, Some(value.encode()?))
        }
        What::Forget { at, .. } => (offset_key(at)?, None),
        What::Empty { generation } => {
            let value = GroupMetadataValue {
                protocol_type: CONSUMER.to_owned(),
                generation: *generation,
                protocol: None,
                leader: None,
                current_state_timestamp: now_ms,
                members: Vec::new(),
            };
            (group_key()?, Some(value.encode()?))
        }
        What::ForgetMetadata => (group_key()?, None),
        What::ForgetOther { key } => (key.clone(), None),
    })
}

impl Written {
    /// Syncs the partitions up to the offsets that are to be committed, outside of the leader's
    /// lock: there it only remains to be asked.
    ///
    /// # Errors
    /// A failed sync poisons the broker.
    pub(super) fn sync_data(&self) -> Result<()> {
        self.changes.iter().flatten().try_for_each(|change| match &change.what {
            What::Commit { partition, committed, .. } => sync(partition, committed.offset),
            _ => Ok(()),
        })
    }

    /// The first condition that does not hold. If all do, the groups count as changed from here
    /// on: tickets behind this one in the same frame are asked before it is seen.
    fn ask(&self) -> Result<()> {
        let mut table = self.table.write();
        for (name, version) in &self.unchanged {
            if table.groups.get(name).map_or(0, |group| group.version) != *version {
                return Err(changed(name));
            }
        }
        for change in self.changes.iter().flatten() {
            match &change.what {
                What::Commit { at, partition, committed } => {
                    let limit = table.cutting.get(at).copied().unwrap_or(i64::MAX);
                    check_commit(&table, partition, committed.offset, limit)?;
                }
                What::Forget { at, record_offset } => {
                    let stored = table.groups.get(&change.group).and_then(|g| g.offsets.get(at));
                    if stored.is_none_or(|stored| stored.record_offset != *record_offset) {
                        return Err(changed(&change.group));
                    }
                }
                What::Empty { .. } | What::ForgetMetadata | What::ForgetOther { .. } => {}
            }
        }
        for change in self.changes.iter().flatten() {
            table.note_change(&change.group);
        }
        Ok(())
    }
}

/// For a planted bug.
impl Written {
    fn show_early(&self) {
        let mut table = self.table.write();
        for Change { group, what } in self.changes.iter().flatten() {
            let What::Commit { at, committed, .. } = what else { continue };
            let found = table.groups.get_mut(group).and_then(|group| group.offsets.get_mut(at));
            if let Some(stored) = found {
                stored.committed = committed.clone();
            }
        }
    }
}

impl Effect for Written {
    fn check(&mut self) -> Result<()> {
        self.ask()?;
        if planted!("offset_shown_before_sync") {
            self.show_early();
            linger();
        }
        // Nearly always done already; a partition that was cut off and written to anew meanwhile
        // may have lost its sync.
        self.sync_data()
    }

    fn publish(&mut self, appended: &[Appended]) {
        let mut table = self.table.write();
        for (changes, appended) in self.changes.iter_mut().zip(appended) {
            for (record_offset, change) in (appended.base_offset..).zip(changes.drain(..)) {
                apply(&mut table, change, record_offset, self.now_ms, self.now);
            }
        }
    }
}

fn apply(table: &mut Table, change: Change, record_offset: i64, now_ms: i64, now: Duration) {
    let Change { group, what } = change;
    match what {
        What::Commit { at, partition, committed } => {
            let stored = Stored {
                committed,
                commit_ms: now_ms,
                retention: None,
                topic_id: Some(partition.id().topic_id()),
                record_offset,
                since: now,
            };
            table.store(&group, &at, stored);
        }
        What::Forget { at, .. } => table.forget(&group, &at, record_offset),
        What::Empty { generation } => {
            let metadata = Metadata::Classic { protocol_type: CONSUMER.to_owned(), generation };
            table.group(&group, now).set_metadata(metadata, record_offset);
            table.owed.remove(&group);
        }
        What::ForgetMetadata => {
            if let Some(found) = table.groups.get_mut(&group) {
                found.set_metadata(Metadata::None, record_offset);
            }
            table.drop_if_empty(&group);
        }
        What::ForgetOther { key } => {
            if let Some(found) = table.groups.get_mut(&group) {
                found.other_keys.remove(&key);
            }
            table.drop_if_empty(&group);
        }
    }
}

fn check_commit(table: &Table, partition: &Partition, offset: i64, limit: i64) -> Result<()> {
    let id = partition.id();
    let named = |error: Error| error.at_partition(id.topic().as_str(), id.partition());
    if partition.is_deleted() || table.deleting.contains(&id.topic_id()) {
        let kind = ErrorKind::UnknownTopicOrPartition;
        return Err(named(Error::new(kind, "the topic was deleted")));
    }
    let end = partition.end_offset().min(limit);
    if offset > end {
        let message = format!("the offset {offset} cannot be committed: the log ends at {end}");
        return Err(named(Error::new(ErrorKind::OffsetOutOfRange, message)));
    }
    Ok(())
}

fn sync(partition: &Partition, offset: i64) -> Result<()> {
    // What a damaged partition holds came from an earlier session, and was synced by opening it.
    if partition.damage().is_some() || planted!("offset_before_its_data") {
        return Ok(());
    }
    partition.sync_to(offset)
}

/// Not an error for users: whoever looked at the group looks again.
#[cold]
fn changed(group: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("the offsets of the group {group:?} changed meanwhile"))
}
