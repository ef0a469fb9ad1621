//! The records of the metadata log applied to the image, one after the other.
//!
//! | record | what happens | refused if |
//! |---|---|---|
//! | topic | a topic without partitions | its name or id is there already |
//! | partition | it is added, or replaced | its topic is not there |
//! | partition change | what it names is replaced | the partition is not there |
//! | config | a setting is set or taken back | it is a topic's and that is not there |
//! | remove topic | the topic goes, its id is remembered | it is not there |
//! | begin, end, abort of a transaction | what lies between counts at the end, or never | out of turn |
//! | any other | counted | |
//!
//! Control batches carry no records of the catalog; of them only the voters are noted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::catalog::{Catalog, PartitionEntry, TopicEntry, encode_all};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::control_record::ControlType;
use crate::format::metadata_records::{
    ConfigRecord, LEADER_NOT_CHANGED, MetadataRecord, PartitionChangeRecord, PartitionRecord,
    RESOURCE_BROKER, RESOURCE_TOPIC, TopicRecord,
};
use crate::format::raft_control::{
    KraftVoters, LeaderChange, SnapshotFooter, SnapshotHeader, Voter,
};
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicId, TopicName};

/// A transaction of the metadata log whose end has not come yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenTransaction {
    records: Vec<(i64, MetadataRecord)>,
}

/// Replaying.
impl Catalog {
    /// An image of nothing.
    pub(crate) fn new() -> Catalog {
        Catalog::default()
    }

    /// Replays whole batches of the metadata log, front to back. Those below
    /// [`next_offset`](Self::next_offset) are passed over: a snapshot contained them.
    ///
    /// # Errors
    /// The first batch or record that cannot be read or applied, with its offset; what lies before
    /// it was replayed.
    pub(crate) fn replay(&mut self, batches: &[u8]) -> Result<()> {
        let mut scratch = Vec::new();
        for_each_entry(batches, |entry| {
            if entry.last_offset() < self.next_offset {
                return Ok(());
            }
            self.replay_entry(entry, &mut scratch)
        })
    }

    /// The image that a metadata snapshot holds: the whole content of a `.checkpoint` file whose
    /// name says that it reaches to `end_offset` in `epoch`.
    ///
    /// # Errors
    /// The snapshot is not whole, or a record cannot be read or applied.
    pub(crate) fn from_snapshot(content: &[u8], end_offset: i64, epoch: i32) -> Result<Catalog> {
        let mut catalog = Catalog::new();
        let mut scratch = Vec::new();
        let mut controls = Vec::new();
        for_each_entry(content, |entry| {
            if controls.last() == Some(&ControlType::SnapshotFooter) {
                return Err(refused(entry.base_offset(), "a batch follows the snapshot's footer"));
            }
            if let Some(control) = entry.control_type().map_err(|e| at(entry.base_offset(), e))? {
                controls.push(control);
            } else if controls.is_empty() {
                return Err(refused(entry.base_offset(), "the snapshot has no header"));
            }
            catalog.replay_entry(entry, &mut scratch)
        })?;
        let whole = controls.first() == Some(&ControlType::SnapshotHeader)
            && controls.last() == Some(&ControlType::SnapshotFooter);
        if !whole {
            return Err(refused(catalog.next_offset, "the snapshot lacks its header or footer"));
        }
        if catalog.transaction.is_some() {
            return Err(refused(catalog.next_offset, "the snapshot ends within a transaction"));
        }
        catalog.next_offset = end_offset;
        catalog.leader_epoch = epoch;
        Ok(catalog)
    }

    /// Checks what only the end of the log can show.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`]: the partitions of a topic are not numbered 0, 1, 2 ...
    pub(crate) fn check_complete(&self) -> Result<()> {
        for topic in self.topics() {
            let numbers = topic.partitions.keys().copied();
            let gap = numbers.zip(0i32..).find(|(found, expected)| found != expected);
            if topic.partitions.is_empty() || gap.is_some() {
                let missing = gap.map_or(0, |(_, expected)| expected);
                let what = format!("topic {} has no partition {missing}", topic.name);
                return Err(refused(self.next_offset, &what));
            }
        }
        Ok(())
    }

    /// The records to commit before any other: the end of a transaction that a controller began and
    /// did not end. Empty nearly always.
    ///
    /// # Errors
    /// None that can happen with these records.
    pub(crate) fn mending_records(&self) -> Result<Vec<Vec<u8>>> {
        match self.transaction {
            None => Ok(Vec::new()),
            Some(_) => {
                let reason = Some("its writer ended before it did".to_owned());
                encode_all(&[MetadataRecord::AbortTransaction { reason }])
            }
        }
    }

    fn replay_entry(&mut self, entry: &Entry<'_>, scratch: &mut Vec<u8>) -> Result<()> {
        let base_offset = entry.base_offset();
        if base_offset != self.next_offset {
            // A log that starts above 0 needs the snapshot of what was below.
            let what = format!("it should have offset {}", self.next_offset);
            return Err(refused(base_offset, &what));
        }
        let records = entry.records(&DecodeLimits::default(), scratch);
        for record in records.map_err(|error| at(base_offset, error))? {
            let record = record.map_err(|error| at(base_offset, error))?;
            let value = record.value.unwrap_or_default();
            if entry.is_control() {
                // A control batch of the metadata log may hold several records.
                ControlType::decode_key(record.key.unwrap_or_default())
                    .and_then(|control| self.note_control(control, value))
                    .map_err(|error| at(record.offset, error))?;
            } else {
                self.apply(record.offset, value)?;
            }
        }
        self.next_offset = entry.last_offset() + 1;
        self.leader_epoch = self.leader_epoch.max(entry.leader_epoch());
        Ok(())
    }

    fn note_control(&mut self, control: ControlType, value: &[u8]) -> Result<(), FormatError> {
        let voters: Vec<Voter> = match control {
            ControlType::LeaderChange => LeaderChange::decode(value)?.voters,
            ControlType::KraftVoters => KraftVoters::decode(value)?.voters,
            ControlType::SnapshotHeader => return SnapshotHeader::decode(value).map(drop),
            ControlType::SnapshotFooter => return SnapshotFooter::decode(value).map(drop),
            _ => return Ok(()),
        };
        self.voters = voters.iter().map(|voter| voter.node_id).collect::<BTreeSet<_>>();
        Ok(())
    }

    /// Applies the record with this value that stands at `offset`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] or [`ErrorKind::Unsupported`], naming the offset; the image is as it
    /// was.
    pub(crate) fn apply(&mut self, offset: i64, value: &[u8]) -> Result<()> {
        let record = MetadataRecord::decode(value).map_err(|error| at(offset, error))?;
        match (record, &mut self.transaction) {
            (MetadataRecord::BeginTransaction { .. }, Some(_)) => {
                Err(refused(offset, "a transaction begins within another"))
            }
            (MetadataRecord::BeginTransaction { .. }, None) => {
                self.transaction = Some(OpenTransaction { records: Vec::new() });
                Ok(())
            }
            (MetadataRecord::EndTransaction, Some(_)) => self.end_transaction(),
            (MetadataRecord::AbortTransaction { .. }, Some(_)) => {
                self.transaction = None;
                Ok(())
            }
            (MetadataRecord::EndTransaction | MetadataRecord::AbortTransaction { .. }, None) => {
                Err(refused(offset, "a transaction ends that did not begin"))
            }
            (record, Some(open)) => {
                open.records.push((offset, record));
                Ok(())
            }
            (record, None) => self.apply_record(offset, record),
        }
    }

    /// Applies what the transaction held; all of it or, if a record is refused, nothing.
    fn end_transaction(&mut self) -> Result<()> {
        let mut changed = self.clone();
        let open = changed.transaction.take();
        for (offset, record) in open.into_iter().flat_map(|open| open.records) {
            changed.apply_record(offset, record)?;
        }
        *self = changed;
        Ok(())
    }

    fn apply_record(&mut self, offset: i64, record: MetadataRecord) -> Result<()> {
        match record {
            MetadataRecord::Topic(record) => self.apply_topic(offset, &record),
            MetadataRecord::Partition(record) => self.apply_partition(offset, record),
            MetadataRecord::PartitionChange(record) => self.apply_change(offset, record),
            MetadataRecord::Config(record) => self.apply_config(offset, record),
            MetadataRecord::RemoveTopic { topic_id } => {
                let topic = self.topic_mut(offset, topic_id)?.name.clone();
                self.topics.remove(&topic);
                self.names.remove(&topic_id);
                self.removed.insert(topic_id);
                Ok(())
            }
            MetadataRecord::FeatureLevel(record) => {
                if record.level < 0 {
                    let what = format!("feature {:?} has level {}", record.name, record.level);
                    return Err(refused(offset, &what));
                }
                self.features.insert(record.name, record.level);
                self.features.retain(|_, level| *level > 0);
                Ok(())
            }
            MetadataRecord::ProducerIds(record) => {
                if record.next_producer_id < self.next_producer_id {
                    let what = format!(
                        "the next producer id goes back from {} to {}",
                        self.next_producer_id, record.next_producer_id
                    );
                    return Err(refused(offset, &what));
                }
                self.next_producer_id = record.next_producer_id;
                Ok(())
            }
            MetadataRecord::RegisterBroker(record) => {
                self.broker_epochs.insert(record.broker_id, record.broker_epoch);
                Ok(())
            }
            MetadataRecord::Unknown { api_key, .. } => {
                *self.passed_over.entry(api_key).or_default() += 1;
                Ok(())
            }
            MetadataRecord::NoOp
            | MetadataRecord::BeginTransaction { .. }
            | MetadataRecord::EndTransaction
            | MetadataRecord::AbortTransaction { .. } => Ok(()),
        }
    }

    fn apply_topic(&mut self, offset: i64, record: &TopicRecord) -> Result<()> {
        let name =
            TopicName::new(&record.name).map_err(|error| refused(offset, &error.to_string()))?;
        if self.topics.contains_key(&name) {
            return Err(refused(offset, &format!("topic {name} is created a second time")));
        }
        if self.names.contains_key(&record.topic_id) || record.topic_id == TopicId::ZERO {
            let what = format!("topic {name} has the id {}, which is taken", record.topic_id);
            return Err(refused(offset, &what));
        }
        let topic = TopicEntry {
            name: name.clone(),
            id: record.topic_id,
            partitions: BTreeMap::new(),
            overrides: BTreeMap::new(),
        };
        self.names.insert(record.topic_id, name.clone());
        self.topics.insert(name, Arc::new(topic));
        Ok(())
    }

    fn apply_partition(&mut self, offset: i64, record: PartitionRecord) -> Result<()> {
        let topic = self.topic_mut(offset, record.topic_id)?;
        if record.partition < 0 || record.leader_epoch < 0 || record.partition_epoch < 0 {
            let what = format!(
                "partition {}-{} has leader epoch {} and partition epoch {}",
                topic.name, record.partition, record.leader_epoch, record.partition_epoch
            );
            return Err(refused(offset, &what));
        }
        let entry = PartitionEntry {
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader: record.leader,
            replicas: record.replicas,
            isr: record.isr,
            directories: record.directories.unwrap_or_default(),
        };
        topic.partitions.insert(record.partition, entry);
        Ok(())
    }

    fn apply_change(&mut self, offset: i64, record: PartitionChangeRecord) -> Result<()> {
        let topic = self.topic_mut(offset, record.topic_id)?;
        let Some(partition) = topic.partitions.get_mut(&record.partition) else {
            let what =
                format!("partition {}-{} changes and is not there", topic.name, record.partition);
            return Err(refused(offset, &what));
        };
        // Each change of the leader, even to none, is a new epoch.
        let leads_anew = record.leader != LEADER_NOT_CHANGED;
        let leader_epoch = partition.leader_epoch.checked_add(i32::from(leads_anew));
        let partition_epoch = partition.partition_epoch.checked_add(1);
        let (Some(leader_epoch), Some(partition_epoch)) = (leader_epoch, partition_epoch) else {
            return Err(refused(offset, "an epoch is beyond 32 bits"));
        };
        partition.leader_epoch = leader_epoch;
        partition.partition_epoch = partition_epoch;
        if leads_anew {
            partition.leader = record.leader;
        }
        if let Some(isr) = record.isr {
            partition.isr = isr;
        }
        if let Some(replicas) = record.replicas {
            partition.replicas = replicas;
        }
        if let Some(directories) = record.directories {
            partition.directories = directories;
        }
        Ok(())
    }

    fn apply_config(&mut self, offset: i64, record: ConfigRecord) -> Result<()> {
        let settings = match record.resource_type {
            RESOURCE_TOPIC => {
                let name = TopicName::new(&record.resource_name).ok();
                match name.and_then(|name| self.topics.get_mut(&name)) {
                    Some(topic) => &mut Arc::make_mut(topic).overrides,
                    None => {
                        let shown: String = record.resource_name.chars().take(60).collect();
                        let what = format!("a setting of topic {shown:?}, which is not there");
                        return Err(refused(offset, &what));
                    }
                }
            }
            RESOURCE_BROKER => self.broker_configs.entry(record.resource_name).or_default(),
            // Of groups, clients and what may come: nothing of the log depends on them.
            _ => return Ok(()),
        };
        match record.value {
            Some(value) => settings.insert(record.name, value),
            None => settings.remove(&record.name),
        };
        Ok(())
    }

    fn topic_mut(&mut self, offset: i64, id: TopicId) -> Result<&mut TopicEntry> {
        let found = self.names.get(&id).and_then(|name| self.topics.get_mut(name));
        match found {
            Some(topic) => Ok(Arc::make_mut(topic)),
            None => Err(refused(offset, &format!("there is no topic with id {id}"))),
        }
    }
}

/// Calls `visit` with each entry of `batches`, its checksum verified.
fn for_each_entry(batches: &[u8], mut visit: impl FnMut(&Entry<'_>) -> Result<()>) -> Result<()> {
    let mut position = 0;
    while position < batches.len() {
        let rest = batches.get(position..).unwrap_or_default();
        let entry = Entry::decode_first(rest).and_then(|entry| {
            entry.verify_checksum()?;
            Ok(entry)
        });
        let entry = entry.map_err(|error| {
            let message = format!("the metadata log has a damaged batch: {}", error.what);
            let kind = error.into_error().kind();
            Error::new(kind, message)
                .at_position(position as u64)
                .at_partition(CLUSTER_METADATA_TOPIC, 0)
        })?;
        visit(&entry)?;
        position += entry.bytes().len();
    }
    Ok(())
}

fn at(offset: i64, error: FormatError) -> Error {
    let message = format!("the metadata record at offset {offset} cannot be read: {}", error.what);
    Error::new(error.into_error().kind(), message).at_partition(CLUSTER_METADATA_TOPIC, 0)
}

fn refused(offset: i64, what: &str) -> Error {
    let message = format!("the metadata record at offset {offset} contradicts the log: {what}");
    Error::new(ErrorKind::Corrupt, message).at_partition(CLUSTER_METADATA_TOPIC, 0)
}
