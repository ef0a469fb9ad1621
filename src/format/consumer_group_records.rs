//! The values of `__consumer_offsets` that belong to the newer consumer groups, where the broker
//! assigns. Read only: to be shown, and to be told apart from damage.

use crate::format::FormatError;
use crate::format::compact::FieldReader;
use crate::format::group_records::read_version;
use crate::topic::TopicId;

/// The value of a record about a newer consumer group, by the kind in its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerGroupValue {
    /// Kind 3: the group exists.
    Metadata {
        /// Counts the changes of the group.
        epoch: i32,
    },
    /// Kind 4: the partitions of the topics that the group reads.
    PartitionMetadata {
        /// Topic id, name and number of partitions.
        topics: Vec<(TopicId, String, i32)>,
    },
    /// Kind 5: what a member said about itself.
    MemberMetadata(MemberMetadata),
    /// Kind 6: the epoch of the assignment that is aimed at.
    TargetAssignmentMetadata {
        /// The epoch.
        assignment_epoch: i32,
    },
    /// Kind 7: what a member is to be assigned.
    TargetAssignmentMember {
        /// The partitions.
        partitions: Vec<TopicPartitions>,
    },
    /// Kind 8: what a member is assigned.
    CurrentMemberAssignment {
        /// The member's epoch.
        member_epoch: i32,
        /// The one before.
        previous_member_epoch: i32,
        /// 0 stable, 1 revoking, 2 waiting for others, 127 unknown.
        state: i8,
        /// What it has.
        assigned: Vec<TopicPartitions>,
        /// What it is to give back.
        pending_revocation: Vec<TopicPartitions>,
    },
    /// Kind 16: the topics that a regular expression matched.
    RegularExpression {
        /// The topics.
        topics: Vec<String>,
    },
}

/// What a member said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Its name that outlives a restart.
    pub instance_id: Option<String>,
    /// Where it stands.
    pub rack_id: Option<String>,
    /// The id of the client.
    pub client_id: String,
    /// Where the client runs.
    pub client_host: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// The expression for more topics.
    pub topic_regex: Option<String>,
    /// How long it may take to give partitions back.
    pub rebalance_timeout_ms: i32,
    /// The assignor it wishes for.
    pub server_assignor: Option<String>,
}

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic_id: TopicId,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
}

impl ConsumerGroupValue {
    /// Reads the value of a record whose key says `kind`; `None` if the kind is not read here.
    ///
    /// # Errors
    /// The version is unknown, or it is no such message.
    pub fn decode(kind: i16, value: &[u8]) -> Result<Option<ConsumerGroupValue>, FormatError> {
        if !matches!(kind, 3..=8 | 16) {
            return Ok(None);
        }
        let mut reader = FieldReader::new(value, 0, true);
        read_version(&mut reader, 0, "the record of a consumer group")?;
        let decoded = decode_message(kind, &mut reader)?;
        reader.end_of_struct()?;
        reader.finish()?;
        Ok(Some(decoded))
    }
}

fn decode_message(
    kind: i16,
    reader: &mut FieldReader<'_>,
) -> Result<ConsumerGroupValue, FormatError> {
    Ok(match kind {
        3 => ConsumerGroupValue::Metadata { epoch: reader.i32("the epoch of a group")? },
        4 => ConsumerGroupValue::PartitionMetadata {
            topics: reader.array("the topics", partition_metadata)?,
        },
        5 => ConsumerGroupValue::MemberMetadata(MemberMetadata {
            instance_id: text(reader.nullable_string("the instance id of a member")?),
            rack_id: text(reader.nullable_string("the rack of a member")?),
            client_id: reader.string("the id of a client")?.to_owned(),
            client_host: reader.string("the host of a client")?.to_owned(),
            topics: topic_names(reader)?,
            topic_regex: text(reader.nullable_string("the expression for topics")?),
            rebalance_timeout_ms: reader.i32("the rebalance timeout")?,
            server_assignor: text(reader.nullable_string("the assignor")?),
        }),
        6 => ConsumerGroupValue::TargetAssignmentMetadata {
            assignment_epoch: reader.i32("the epoch of an assignment")?,
        },
        7 => ConsumerGroupValue::TargetAssignmentMember { partitions: topic_partitions(reader)? },
        8 => ConsumerGroupValue::CurrentMemberAssignment {
            member_epoch: reader.i32("the epoch of a member")?,
            previous_member_epoch: reader.i32("the previous epoch of a member")?,
            state: reader.i8("the state of a member")?,
            assigned: topic_partitions(reader)?,
            pending_revocation: topic_partitions(reader)?,
        },
        _ => {
            let topics = topic_names(reader)?;
            reader.i64("the version of the metadata")?;
            reader.i64("when the topics were matched")?;
            ConsumerGroupValue::RegularExpression { topics }
        }
    })
}

fn text(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

fn topic_names(reader: &mut FieldReader<'_>) -> Result<Vec<String>, FormatError> {
    reader.array("the topics", |reader| Ok(reader.string("the name of a topic")?.to_owned()))
}

fn topic_partitions(reader: &mut FieldReader<'_>) -> Result<Vec<TopicPartitions>, FormatError> {
    reader.array("the partitions of topics", |reader| {
        let topic_id = TopicId(reader.uuid("the id of a topic")?);
        let partitions = reader.i32_array("the partitions")?;
        reader.end_of_struct()?;
        Ok(TopicPartitions { topic_id, partitions })
    })
}

fn partition_metadata(reader: &mut FieldReader<'_>) -> Result<(TopicId, String, i32), FormatError> {
    let topic_id = TopicId(reader.uuid("the id of a topic")?);
    let name = reader.string("the name of a topic")?.to_owned();
    let partition_count = reader.i32("the number of partitions")?;
    reader.array("the partitions", |reader| {
        reader.i32("the number of a partition")?;
        reader.array("the racks", |reader| reader.string("a rack").map(drop))?;
        reader.end_of_struct()
    })?;
    reader.end_of_struct()?;
    Ok((topic_id, name, partition_count))
}
