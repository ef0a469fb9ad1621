//! One partition of `__consumer_offsets`, read from its start to its end: what the newest records
//! say.
//!
//! Offsets that were committed in a transaction wait for its marker. What is no record of this
//! topic (bytes that do not decode, kinds that nobody knows, groups that belong to another
//! partition) is passed over and counted: the log may come from anywhere. Memory is taken for the
//! newest value of each key, and for one piece of the log at a time. The invariant: later wins by
//! the offset of the record, also where a marker decides late.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::table::{Metadata, Stored, Table};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::batch::records::RecordView;
use crate::error::Result;
use crate::format::consumer_group_records::ConsumerGroupValue;
use crate::format::control_record::ControlType;
use crate::format::group_records::{GroupMetadataValue, GroupRecordKey, OffsetCommitValue};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::Partition;
use crate::topic::{TopicName, TopicPartition};

/// Kafka's number of the record that says that a newer group exists.
const KIND_CONSUMER_GROUP: i16 = 3;

/// What is being read.
pub(super) struct Replay<'a> {
    /// Whether a group belongs to this partition.
    is_ours: &'a dyn Fn(&str) -> bool,
    /// The moment from which everything counts as touched.
    now: Duration,
    table: Table,
    /// Offsets of open transactions, by producer id.
    pending: HashMap<i64, Pending>,
    /// While transactions are open: where offsets were taken back.
    taken_back: HashMap<(Arc<str>, TopicPartition), i64>,
    /// Records that say nothing to us.
    skipped: u64,
}

/// The offsets of an open transaction.
type Pending = HashMap<(Arc<str>, TopicPartition), Stored>;

/// What was read.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) table: Table,
    pub(super) skipped: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(now: Duration, is_ours: &'a dyn Fn(&str) -> bool) -> Replay<'a> {
        Replay {
            is_ours,
            now,
            table: Table::default(),
            pending: HashMap::new(),
            taken_back: HashMap::new(),
            skipped: 0,
        }
    }

    /// Reads the whole partition.
    ///
    /// # Errors
    /// `Corrupt` for a damaged batch, with its place; those of the disk.
    pub(super) fn read(mut self, partition: &Partition) -> Result<Replayed> {
        let mut scratch = Vec::new();
        partition.walk(|entry| {
            self.entry(entry, &mut scratch);
            Ok(())
        })?;
        Ok(self.finish())
    }

    /// What was read so far. Transactions that are still open are as if they had been aborted.
    pub(super) fn finish(self) -> Replayed {
        let mut table = self.table;
        let empty: Vec<_> = table.groups.keys().cloned().collect();
        empty.iter().for_each(|group| table.drop_if_empty(group));
        Replayed { table, skipped: self.skipped }
    }

    /// Takes one batch, whose checksum holds.
    pub(super) fn entry(&mut self, entry: &Entry<'_>, scratch: &mut Vec<u8>) {
        if entry.is_control() {
            return self.marker(entry);
        }
        let transaction = entry.producer().filter(|_| entry.is_transactional()).map(|p| p.id);
        let records = match entry.records(&DecodeLimits::default(), scratch) {
            Ok(records) => records,
            Err(_) => return self.skipped += entry.record_count().unwrap_or(1).max(1) as u64,
        };
        for record in records {
            // What follows a record that does not decode is lost with it.
            let Ok(record) = record else { return self.skipped += 1 };
            if self.record(&record, transaction).is_none() {
                self.skipped += 1;
            }
        }
    }

    /// Decides a transaction.
    fn marker(&mut self, entry: &Entry<'_>) {
        let Some(producer) = entry.producer() else { return };
        let decided = match entry.control_type() {
            Ok(Some(ControlType::Commit)) => self.pending.remove(&producer.id),
            Ok(Some(ControlType::Abort)) => {
                self.pending.remove(&producer.id);
                None
            }
            _ => return,
        };
        for ((group, at), stored) in decided.into_iter().flatten() {
            let key = (group, at);
            let gone = self.taken_back.get(&key).is_some_and(|&back| back > stored.record_offset);
            if !gone {
                self.table.store(&key.0, &key.1, stored);
            }
        }
        if self.pending.is_empty() {
            self.taken_back.clear();
        }
    }

    /// Takes one record; `None` if it says nothing that is understood.
    fn record(&mut self, record: &RecordView<'_>, transaction: Option<i64>) -> Option<()> {
        let bytes = record.key?;
        let key = GroupRecordKey::decode(bytes).ok()?;
        let group = group_of(&key).filter(|group| !group.is_empty() && (self.is_ours)(group))?;
        let group: Arc<str> = Arc::from(group);
        match key {
            GroupRecordKey::OffsetCommit { topic, partition, .. } => {
                let at = TopicPartition::new(TopicName::new(&topic).ok()?, partition);
                if partition < 0 {
                    return None;
                }
                self.offset(group, at, record, transaction)
            }
            GroupRecordKey::GroupMetadata { .. } => self.metadata(&group, record),
            GroupRecordKey::Group { kind, .. } | GroupRecordKey::Member { kind, .. } => {
                self.newer_group(&group, kind, bytes, record)
            }
            GroupRecordKey::Unknown { .. } => None,
        }
    }

    fn offset(
        &mut self,
        group: Arc<str>,
        at: TopicPartition,
        record: &RecordView<'_>,
        transaction: Option<i64>,
    ) -> Option<()> {
        let Some(value) = record.value else {
            if !self.pending.is_empty() {
                self.taken_back.insert((Arc::clone(&group), at.clone()), record.offset);
            }
            self.table.forget(&group, &at, record.offset);
            return Some(());
        };
        let stored = stored_of(&OffsetCommitValue::decode(value).ok()?, record.offset, self.now);
        match transaction {
            None => self.table.store(&group, &at, stored),
            Some(producer_id) => {
                self.pending.entry(producer_id).or_default().insert((group, at), stored);
            }
        }
        Some(())
    }

    fn metadata(&mut self, group: &Arc<str>, record: &RecordView<'_>) -> Option<()> {
        let metadata = match record.value {
            None => Metadata::None,
            Some(value) => {
                let value = GroupMetadataValue::decode(value).ok()?;
                let generation = value.generation.max(0);
                Metadata::Classic { protocol_type: value.protocol_type, generation }
            }
        };
        self.table.group(group, self.now).set_metadata(metadata, record.offset);
        Some(())
    }

    /// A record of a group whose assignments a newer broker made: only its epoch is of use, and
    /// that there is something to take back when the group is deleted.
    fn newer_group(
        &mut self,
        group: &Arc<str>,
        kind: i16,
        key: &[u8],
        record: &RecordView<'_>,
    ) -> Option<()> {
        // Shared and stream groups are none of ours.
        if !matches!(kind, 3..=8 | 16) {
            return None;
        }
        let epoch = match record.value {
            None => None,
            Some(value) => match ConsumerGroupValue::decode(kind, value).ok()?? {
                ConsumerGroupValue::Metadata { epoch } => Some(epoch.max(0)),
                _ => None,
            },
        };
        let now = self.now;
        let found = self.table.group(group, now);
        match record.value {
            None => drop(found.other_keys.remove(key)),
            Some(_) => drop(found.other_keys.insert(key.to_vec())),
        }
        if kind == KIND_CONSUMER_GROUP {
            let metadata = epoch.map_or(Metadata::None, |epoch| Metadata::Consumer { epoch });
            found.set_metadata(metadata, record.offset);
        }
        Some(())
    }
}

fn group_of(key: &GroupRecordKey) -> Option<&str> {
    match key {
        GroupRecordKey::OffsetCommit { group, .. }
        | GroupRecordKey::GroupMetadata { group }
        | GroupRecordKey::Group { group, .. }
        | GroupRecordKey::Member { group, .. } => Some(group),
        GroupRecordKey::Unknown { .. } => None,
    }
}

fn stored_of(value: &OffsetCommitValue, record_offset: i64, now: Duration) -> Stored {
    let kept_ms = value.expire_timestamp.saturating_sub(value.commit_timestamp);
    let kept = u64::try_from(kept_ms).map_or(Duration::ZERO, Duration::from_millis);
    Stored {
        committed: OffsetAndMetadata {
            offset: value.offset,
            leader_epoch: (value.leader_epoch >= 0).then_some(value.leader_epoch),
            metadata: value.metadata.clone(),
        },
        commit_ms: value.commit_timestamp,
        retention: (value.expire_timestamp >= 0).then_some(kept),
        topic_id: value.topic_id.filter(|id| id.is_usable()),
        record_offset,
        since: now,
    }
}
