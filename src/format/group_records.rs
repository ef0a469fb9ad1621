//! The records of `__consumer_offsets`: their keys, committed offsets and classic groups. The
//! values of the newer groups: `consumer_group_records`.
//!
//! A key starts with its kind as an `i16` and is never flexible; a value starts with its version
//! as an `i16`; a null value takes the key's record back.
//!
//! | record | versions read | written |
//! |---|---|---|
//! | OffsetCommit | 0 to 4 (4 is flexible) | 3, or 1 with an expire timestamp, as Kafka up to 4.0 |
//! | GroupMetadata | 0 to 4 (4 is flexible) | 3 |

use crate::format::FormatError;
use crate::format::compact::{FieldReader, FieldWriter};
use crate::topic::TopicId;

/// What a record of `__consumer_offsets` is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRecordKey {
    /// The offset that a group committed.
    OffsetCommit {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition's number.
        partition: i32,
    },
    /// The state of a classic group.
    GroupMetadata {
        /// The group.
        group: String,
    },
    /// Something about a newer group.
    Group {
        /// The kind of record, by Kafka's number.
        kind: i16,
        /// The group.
        group: String,
    },
    /// Something about a member of a newer group.
    Member {
        /// The kind of record, by Kafka's number.
        kind: i16,
        /// The group.
        group: String,
        /// The member, or for kind 16 the regular expression.
        member: String,
    },
    /// A kind that is not known: passed over.
    Unknown {
        /// Kafka's number.
        kind: i16,
    },
}

const KIND_OFFSET_COMMIT_OLD: i16 = 0;
const KIND_OFFSET_COMMIT: i16 = 1;
const KIND_GROUP_METADATA: i16 = 2;

/// Kafka's name of a kind of record.
pub fn record_name(kind: i16) -> Option<&'static str> {
    Some(match kind {
        0 | 1 => "OffsetCommit",
        2 => "GroupMetadata",
        3 => "ConsumerGroupMetadata",
        4 => "ConsumerGroupPartitionMetadata",
        5 => "ConsumerGroupMemberMetadata",
        6 => "ConsumerGroupTargetAssignmentMetadata",
        7 => "ConsumerGroupTargetAssignmentMember",
        8 => "ConsumerGroupCurrentMemberAssignment",
        9 => "ShareGroupPartitionMetadata",
        10 => "ShareGroupMemberMetadata",
        11 => "ShareGroupMetadata",
        12 => "ShareGroupTargetAssignmentMetadata",
        13 => "ShareGroupTargetAssignmentMember",
        14 => "ShareGroupCurrentMemberAssignment",
        15 => "ShareGroupStatePartitionMetadata",
        16 => "ConsumerGroupRegularExpression",
        17 => "StreamsGroupMetadata",
        19 => "StreamsGroupMemberMetadata",
        20 => "StreamsGroupTargetAssignmentMetadata",
        21 => "StreamsGroupTargetAssignmentMember",
        22 => "StreamsGroupCurrentMemberAssignment",
        23 => "StreamsGroupTopology",
        _ => return None,
    })
}

impl GroupRecordKey {
    /// Reads the key of a record.
    ///
    /// # Errors
    /// It is no key of its kind. A kind that is not known is [`GroupRecordKey::Unknown`].
    pub fn decode(key: &[u8]) -> Result<GroupRecordKey, FormatError> {
        let mut reader = FieldReader::new(key, 0, false);
        let kind = reader.i16("the kind of a group record")?;
        if record_name(kind).is_none() {
            return Ok(GroupRecordKey::Unknown { kind });
        }
        let group = reader.string("the name of a group")?.to_owned();
        let decoded = match kind {
            KIND_OFFSET_COMMIT_OLD | KIND_OFFSET_COMMIT => GroupRecordKey::OffsetCommit {
                group,
                topic: reader.string("the name of a topic")?.to_owned(),
                partition: reader.i32("the number of a partition")?,
            },
            KIND_GROUP_METADATA => GroupRecordKey::GroupMetadata { group },
            5 | 7 | 8 | 10 | 13 | 14 | 16 | 19 | 21 | 22 => {
                let member = reader.string("the id of a member")?.to_owned();
                GroupRecordKey::Member { kind, group, member }
            }
            _ => GroupRecordKey::Group { kind, group },
        };
        reader.finish()?;
        Ok(decoded)
    }

    /// The key of a record.
    ///
    /// # Errors
    /// A name is longer than its field allows, or the kind is not known.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut writer = FieldWriter::new(false);
        match self {
            GroupRecordKey::OffsetCommit { group, topic, partition } => {
                writer.i16(KIND_OFFSET_COMMIT);
                writer.string(group, "the name of a group")?;
                writer.string(topic, "the name of a topic")?;
                writer.i32(*partition);
            }
            GroupRecordKey::GroupMetadata { group } => {
                writer.i16(KIND_GROUP_METADATA);
                writer.string(group, "the name of a group")?;
            }
            GroupRecordKey::Group { kind, group } => {
                writer.i16(*kind);
                writer.string(group, "the name of a group")?;
            }
            GroupRecordKey::Member { kind, group, member } => {
                writer.i16(*kind);
                writer.string(group, "the name of a group")?;
                writer.string(member, "the id of a member")?;
            }
            GroupRecordKey::Unknown { kind } => {
                let what = format!("group records of kind {kind} are not written here");
                return Err(FormatError::unsupported(what, 0));
            }
        }
        Ok(writer.into_bytes())
    }
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The leader epoch of the last record that was read, -1 when unknown.
    pub leader_epoch: i32,
    /// What the committer added.
    pub metadata: String,
    /// When it was committed.
    pub commit_timestamp: i64,
    /// When it expires, -1 for the broker's rule.
    pub expire_timestamp: i64,
    /// The id of the topic, which newer brokers add.
    pub topic_id: Option<TopicId>,
}

impl OffsetCommitValue {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<OffsetCommitValue, FormatError> {
        let mut reader = FieldReader::new(value, 0, false);
        let version = read_version(&mut reader, 4, "an offset commit")?;
        reader.set_flexible(version >= 4);
        let offset = reader.i64("the committed offset")?;
        let leader_epoch = if version >= 3 { reader.i32("the leader epoch")? } else { -1 };
        let metadata = reader.string("the metadata of an offset")?.to_owned();
        let commit_timestamp = reader.i64("the time of the commit")?;
        let expire_timestamp =
            if version == 1 { reader.i64("the time when it expires")? } else { -1 };
        let mut topic_id = None;
        reader.tagged_fields(|tag, field| {
            if tag == 0 {
                topic_id = Some(TopicId(field.uuid("the id of a topic")?));
            }
            Ok(())
        })?;
        reader.finish()?;
        if offset < 0 {
            return Err(FormatError::corrupt(format!("the committed offset is {offset}"), 2));
        }
        Ok(OffsetCommitValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp,
            expire_timestamp,
            topic_id,
        })
    }

    /// The value of a record: version 3, or 1 if it has an expire timestamp. The id of the topic
    /// has no place in either.
    ///
    /// # Errors
    /// The metadata is longer than its field allows.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut writer = FieldWriter::new(false);
        let expires = self.expire_timestamp != -1;
        writer.i16(if expires { 1 } else { 3 });
        writer.i64(self.offset);
        if !expires {
            writer.i32(self.leader_epoch);
        }
        writer.string(&self.metadata, "the metadata of an offset")?;
        writer.i64(self.commit_timestamp);
        if expires {
            writer.i64(self.expire_timestamp);
        }
        Ok(writer.into_bytes())
    }
}

/// The state of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// `consumer`, or empty for a group that only commits offsets.
    pub protocol_type: String,
    /// Counts the rebalances.
    pub generation: i32,
    /// The assignor that was chosen.
    pub protocol: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    /// Since when the group is in its state, -1 when unknown.
    pub current_state_timestamp: i64,
    /// The members.
    pub members: Vec<GroupMember>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// Its name that outlives a restart.
    pub group_instance_id: Option<String>,
    /// The id of the client.
    pub client_id: String,
    /// Where the client runs.
    pub client_host: String,
    /// How long a rebalance may take, -1 when unknown.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// What it subscribed to: see `consumer_protocol`.
    pub subscription: Vec<u8>,
    /// What it was assigned: see `consumer_protocol`.
    pub assignment: Vec<u8>,
}

impl GroupMetadataValue {
    /// Reads the value of a record.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(value: &[u8]) -> Result<GroupMetadataValue, FormatError> {
        let mut reader = FieldReader::new(value, 0, false);
        let version = read_version(&mut reader, 4, "the metadata of a group")?;
        reader.set_flexible(version >= 4);
        let decoded = GroupMetadataValue {
            protocol_type: reader.string("the type of a protocol")?.to_owned(),
            generation: reader.i32("the generation of a group")?,
            protocol: reader.nullable_string("the name of a protocol")?.map(str::to_owned),
            leader: reader.nullable_string("the leader of a group")?.map(str::to_owned),
            current_state_timestamp: match version {
                0 | 1 => -1,
                _ => reader.i64("since when the state is")?,
            },
            members: reader.array("the members", |reader| GroupMember::decode(reader, version))?,
        };
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(decoded)
    }

    /// The value of a record, version 3.
    ///
    /// # Errors
    /// A text is longer than its field allows.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut writer = FieldWriter::new(false);
        writer.i16(3);
        writer.string(&self.protocol_type, "the type of a protocol")?;
        writer.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref(), "the name of a protocol")?;
        writer.nullable_string(self.leader.as_deref(), "the leader of a group")?;
        writer.i64(self.current_state_timestamp);
        writer.array(&self.members, "the members", |writer, member| member.encode(writer))?;
        Ok(writer.into_bytes())
    }
}

impl GroupMember {
    fn decode(reader: &mut FieldReader<'_>, version: i16) -> Result<GroupMember, FormatError> {
        let member = GroupMember {
            member_id: reader.string("the id of a member")?.to_owned(),
            group_instance_id: match version {
                0..=2 => None,
                _ => reader.nullable_string("the instance id of a member")?.map(str::to_owned),
            },
            client_id: reader.string("the id of a client")?.to_owned(),
            client_host: reader.string("the host of a client")?.to_owned(),
            rebalance_timeout_ms: match version {
                0 => -1,
                _ => reader.i32("the rebalance timeout")?,
            },
            session_timeout_ms: reader.i32("the session timeout")?,
            subscription: reader.bytes("the subscription of a member")?.to_vec(),
            assignment: reader.bytes("the assignment of a member")?.to_vec(),
        };
        reader.end_of_struct()?;
        Ok(member)
    }

    fn encode(&self, writer: &mut FieldWriter) -> Result<(), FormatError> {
        writer.string(&self.member_id, "the id of a member")?;
        let instance = self.group_instance_id.as_deref();
        writer.nullable_string(instance, "the instance id of a member")?;
        writer.string(&self.client_id, "the id of a client")?;
        writer.string(&self.client_host, "the host of a client")?;
        writer.i32(self.rebalance_timeout_ms);
        writer.i32(self.session_timeout_ms);
        writer.bytes(&self.subscription, "the subscription of a member")?;
        writer.bytes(&self.assignment, "the assignment of a member")
    }
}

/// Reads the version that a coordinator's value starts with.
pub(super) fn read_version(
    reader: &mut FieldReader<'_>,
    version_max: i16,
    what: &str,
) -> Result<i16, FormatError> {
    match reader.i16("the version of a value")? {
        version if (0..=version_max).contains(&version) => Ok(version),
        version if version < 0 => {
            Err(FormatError::corrupt(format!("{what} has version {version}"), 0))
        }
        version => {
            let what = format!("{what} has version {version}, the newest known is {version_max}");
            Err(FormatError::unsupported(what, 0))
        }
    }
}
