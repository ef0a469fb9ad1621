//! The two records about a partition: that it exists, and what about it changed.
//!
//! Version 1 adds the directories of the replicas, version 2 the eligible leader replicas.

use crate::format::FormatError;
use crate::format::compact::{FieldReader, FieldWriter};
use crate::format::meta_properties::DirectoryId;
use crate::topic::TopicId;

/// The newest version of both records that is read here.
pub(super) const VERSION_MAX: u32 = 2;

/// The partition has no leader.
pub const NO_LEADER: i32 = -1;
/// In a change: the leader stays.
pub const LEADER_NOT_CHANGED: i32 = -2;

/// A partition exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    /// The partition's number.
    pub partition: i32,
    /// The id of its topic.
    pub topic_id: TopicId,
    /// The nodes that hold it, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
    /// The nodes that will hold it no more.
    pub removing_replicas: Vec<i32>,
    /// The nodes that will hold it.
    pub adding_replicas: Vec<i32>,
    /// The node that leads, or [`NO_LEADER`].
    pub leader: i32,
    /// 1 while it recovers from an unclean election, else 0.
    pub leader_recovery_state: i8,
    /// The epoch of the leader.
    pub leader_epoch: i32,
    /// Counts the changes of the partition.
    pub partition_epoch: i32,
    /// The directory that holds each replica; `None` before version 1.
    pub directories: Option<Vec<DirectoryId>>,
    /// Replicas that were in sync and hold all that was committed.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last leader when nobody is eligible.
    pub last_known_elr: Option<Vec<i32>>,
}

impl PartitionRecord {
    /// The lowest version that can say what this record says.
    pub(super) fn version(&self) -> u32 {
        if self.eligible_leader_replicas.is_some() || self.last_known_elr.is_some() {
            2
        } else {
            u32::from(self.directories.is_some())
        }
    }

    pub(super) fn decode(
        reader: &mut FieldReader<'_>,
        version: u32,
    ) -> Result<PartitionRecord, FormatError> {
        let mut record = PartitionRecord {
            partition: reader.i32("the number of a partition")?,
            topic_id: TopicId(reader.uuid("the id of a topic")?),
            replicas: reader.i32_array("the replicas")?,
            isr: reader.i32_array("the replicas in sync")?,
            removing_replicas: reader.i32_array("the replicas to remove")?,
            adding_replicas: reader.i32_array("the replicas to add")?,
            leader: reader.i32("the leader")?,
            leader_recovery_state: 0,
            leader_epoch: reader.i32("the leader epoch")?,
            partition_epoch: reader.i32("the partition epoch")?,
            directories: None,
            eligible_leader_replicas: None,
            last_known_elr: None,
        };
        if version >= 1 {
            record.directories = Some(reader.array("the directories", directory)?);
        }
        reader.tagged_fields(|tag, field| {
            match tag {
                0 => record.leader_recovery_state = field.i8("the recovery state")?,
                1 => record.eligible_leader_replicas = nodes(field, "the eligible replicas")?,
                2 => record.last_known_elr = nodes(field, "the last known leader")?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    pub(super) fn encode(&self, writer: &mut FieldWriter) -> Result<(), FormatError> {
        writer.i32(self.partition);
        writer.uuid(self.topic_id.0);
        writer.i32_array(&self.replicas, "the replicas")?;
        writer.i32_array(&self.isr, "the replicas in sync")?;
        writer.i32_array(&self.removing_replicas, "the replicas to remove")?;
        writer.i32_array(&self.adding_replicas, "the replicas to add")?;
        writer.i32(self.leader);
        writer.i32(self.leader_epoch);
        writer.i32(self.partition_epoch);
        if self.version() >= 1 {
            let directories = self.directories.as_deref().unwrap_or_default();
            write_directories(writer, directories)?;
        }
        let mut tagged = TaggedFields::default();
        if self.leader_recovery_state != 0 {
            tagged.i8(0, self.leader_recovery_state);
        }
        tagged.nodes(1, self.eligible_leader_replicas.as_deref())?;
        tagged.nodes(2, self.last_known_elr.as_deref())?;
        writer.tagged_fields(&tagged.0)
    }
}

/// What about a partition changed; `None` is what stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionChangeRecord {
    /// The partition's number.
    pub partition: i32,
    /// The id of its topic.
    pub topic_id: TopicId,
    /// The replicas in sync.
    pub isr: Option<Vec<i32>>,
    /// The leader, [`NO_LEADER`] or [`LEADER_NOT_CHANGED`].
    pub leader: i32,
    /// The nodes that hold it.
    pub replicas: Option<Vec<i32>>,
    /// The nodes that will hold it no more.
    pub removing_replicas: Option<Vec<i32>>,
    /// The nodes that will hold it.
    pub adding_replicas: Option<Vec<i32>>,
    /// -1 if it stayed, else as in [`PartitionRecord`].
    pub leader_recovery_state: i8,
    /// Replicas that were in sync and hold all that was committed.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last leader when nobody is eligible.
    pub last_known_elr: Option<Vec<i32>>,
    /// The directory that holds each replica.
    pub directories: Option<Vec<DirectoryId>>,
}

impl PartitionChangeRecord {
    /// A change that changes nothing yet.
    pub fn new(topic_id: TopicId, partition: i32) -> PartitionChangeRecord {
        PartitionChangeRecord {
            partition,
            topic_id,
            isr: None,
            leader: LEADER_NOT_CHANGED,
            replicas: None,
            removing_replicas: None,
            adding_replicas: None,
            leader_recovery_state: -1,
            eligible_leader_replicas: None,
            last_known_elr: None,
            directories: None,
        }
    }

    /// 1, as Kafka writes it since it knows directories, or 2 if that is needed.
    pub(super) fn version(&self) -> u32 {
        let needs_2 = self.eligible_leader_replicas.is_some() || self.last_known_elr.is_some();
        if needs_2 { 2 } else { 1 }
    }

    pub(super) fn decode(
        reader: &mut FieldReader<'_>,
    ) -> Result<PartitionChangeRecord, FormatError> {
        let partition = reader.i32("the number of a partition")?;
        let topic_id = TopicId(reader.uuid("the id of a topic")?);
        let mut record = PartitionChangeRecord::new(topic_id, partition);
        reader.tagged_fields(|tag, field| {
            match tag {
                0 => record.isr = nodes(field, "the replicas in sync")?,
                1 => record.leader = field.i32("the leader")?,
                2 => record.replicas = nodes(field, "the replicas")?,
                3 => record.removing_replicas = nodes(field, "the replicas to remove")?,
                4 => record.adding_replicas = nodes(field, "the replicas to add")?,
                5 => record.leader_recovery_state = field.i8("the recovery state")?,
                6 => record.eligible_leader_replicas = nodes(field, "the eligible replicas")?,
                7 => record.last_known_elr = nodes(field, "the last known leader")?,
                8 => record.directories = field.nullable_array("the directories", directory)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }

    pub(super) fn encode(&self, writer: &mut FieldWriter) -> Result<(), FormatError> {
        writer.i32(self.partition);
        writer.uuid(self.topic_id.0);
        let mut tagged = TaggedFields::default();
        tagged.nodes(0, self.isr.as_deref())?;
        if self.leader != LEADER_NOT_CHANGED {
            tagged.0.push((1, self.leader.to_be_bytes().to_vec()));
        }
        tagged.nodes(2, self.replicas.as_deref())?;
        tagged.nodes(3, self.removing_replicas.as_deref())?;
        tagged.nodes(4, self.adding_replicas.as_deref())?;
        if self.leader_recovery_state != -1 {
            tagged.i8(5, self.leader_recovery_state);
        }
        tagged.nodes(6, self.eligible_leader_replicas.as_deref())?;
        tagged.nodes(7, self.last_known_elr.as_deref())?;
        if let Some(directories) = &self.directories {
            let mut payload = FieldWriter::new(true);
            write_directories(&mut payload, directories)?;
            tagged.0.push((8, payload.into_bytes()));
        }
        writer.tagged_fields(&tagged.0)
    }
}

fn directory(reader: &mut FieldReader<'_>) -> Result<DirectoryId, FormatError> {
    reader.uuid("the id of a directory").map(DirectoryId)
}

fn write_directories(
    writer: &mut FieldWriter,
    directories: &[DirectoryId],
) -> Result<(), FormatError> {
    writer.array(directories, "the directories", |writer, directory| {
        writer.uuid(directory.0);
        Ok(())
    })
}

fn nodes(
    reader: &mut FieldReader<'_>,
    field: &'static str,
) -> Result<Option<Vec<i32>>, FormatError> {
    reader.nullable_array(field, |reader| reader.i32(field))
}

/// Tagged fields as they are collected; only those that are not at their default.
#[derive(Default)]
struct TaggedFields(Vec<(u32, Vec<u8>)>);

impl TaggedFields {
    fn i8(&mut self, tag: u32, value: i8) {
        self.0.push((tag, value.to_be_bytes().to_vec()));
    }

    fn nodes(&mut self, tag: u32, nodes: Option<&[i32]>) -> Result<(), FormatError> {
        if let Some(nodes) = nodes {
            let mut payload = FieldWriter::new(true);
            payload.i32_array(nodes, "a list of nodes")?;
            self.0.push((tag, payload.into_bytes()));
        }
        Ok(())
    }
}
