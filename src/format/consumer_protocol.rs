//! What the members of a classic group tell each other through the coordinator: whom a member
//! subscribes to, and what it is assigned.
//!
//! Both start with a version as an `i16` and are never flexible. A newer version only adds fields
//! at the end: it is read as the newest known one, and what follows is left alone.

use crate::format::FormatError;
use crate::format::compact::{FieldReader, FieldWriter};

const VERSION_MAX: i16 = 3;

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic: String,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
}

/// What a member wishes for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The topics.
    pub topics: Vec<String>,
    /// What its assignor adds.
    pub user_data: Option<Vec<u8>>,
    /// What it has; from version 1 on.
    pub owned_partitions: Vec<TopicPartitions>,
    /// The generation in which it got them, -1 before version 2.
    pub generation_id: i32,
    /// Where it stands; from version 3 on.
    pub rack_id: Option<String>,
}

impl Subscription {
    /// Reads a member's subscription.
    ///
    /// # Errors
    /// It is no such message.
    pub fn decode(bytes: &[u8]) -> Result<Subscription, FormatError> {
        let mut reader = FieldReader::new(bytes, 0, false);
        let version = read_version(&mut reader, "a subscription")?;
        let topics = reader
            .array("the topics", |reader| Ok(reader.string("the name of a topic")?.to_owned()))?;
        let user_data = reader.nullable_bytes("the user data")?.map(<[u8]>::to_vec);
        let owned_partitions = if version >= 1 { topic_partitions(&mut reader)? } else { vec![] };
        let generation_id = if version >= 2 { reader.i32("the generation")? } else { -1 };
        let rack_id = match version {
            0..=2 => None,
            _ => reader.nullable_string("the rack")?.map(str::to_owned),
        };
        Ok(Subscription { topics, user_data, owned_partitions, generation_id, rack_id })
    }

    /// The subscription in `version`, 0 to 3; what a version does not know is left out.
    ///
    /// # Errors
    /// A text is longer than its field allows, or the version is not known.
    pub fn encode(&self, version: i16) -> Result<Vec<u8>, FormatError> {
        let mut writer = write_version(version)?;
        writer.array(&self.topics, "the topics", |writer, topic| {
            writer.string(topic, "the name of a topic")
        })?;
        writer.nullable_bytes(self.user_data.as_deref(), "the user data")?;
        if version >= 1 {
            write_topic_partitions(&mut writer, &self.owned_partitions)?;
        }
        if version >= 2 {
            writer.i32(self.generation_id);
        }
        if version >= 3 {
            writer.nullable_string(self.rack_id.as_deref(), "the rack")?;
        }
        Ok(writer.into_bytes())
    }
}

/// What a member gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The partitions.
    pub assigned_partitions: Vec<TopicPartitions>,
    /// What the assignor adds.
    pub user_data: Option<Vec<u8>>,
}

impl Assignment {
    /// Reads a member's assignment.
    ///
    /// # Errors
    /// It is no such message.
    pub fn decode(bytes: &[u8]) -> Result<Assignment, FormatError> {
        let mut reader = FieldReader::new(bytes, 0, false);
        read_version(&mut reader, "an assignment")?;
        let assigned_partitions = topic_partitions(&mut reader)?;
        let user_data = reader.nullable_bytes("the user data")?.map(<[u8]>::to_vec);
        Ok(Assignment { assigned_partitions, user_data })
    }

    /// The assignment in `version`, 0 to 3.
    ///
    /// # Errors
    /// A text is longer than its field allows, or the version is not known.
    pub fn encode(&self, version: i16) -> Result<Vec<u8>, FormatError> {
        let mut writer = write_version(version)?;
        write_topic_partitions(&mut writer, &self.assigned_partitions)?;
        writer.nullable_bytes(self.user_data.as_deref(), "the user data")?;
        Ok(writer.into_bytes())
    }
}

fn read_version(reader: &mut FieldReader<'_>, what: &str) -> Result<i16, FormatError> {
    match reader.i16("the version of the protocol")? {
        version if version < 0 => {
            Err(FormatError::corrupt(format!("{what} has version {version}"), 0))
        }
        version => Ok(version.min(VERSION_MAX)),
    }
}

fn write_version(version: i16) -> Result<FieldWriter, FormatError> {
    if !(0..=VERSION_MAX).contains(&version) {
        let what = format!("the consumer protocol has no version {version}");
        return Err(FormatError::unsupported(what, 0));
    }
    let mut writer = FieldWriter::new(false);
    writer.i16(version);
    Ok(writer)
}

fn topic_partitions(reader: &mut FieldReader<'_>) -> Result<Vec<TopicPartitions>, FormatError> {
    reader.array("the partitions of topics", |reader| {
        let topic = reader.string("the name of a topic")?.to_owned();
        Ok(TopicPartitions { topic, partitions: reader.i32_array("the partitions")? })
    })
}

fn write_topic_partitions(
    writer: &mut FieldWriter,
    partitions: &[TopicPartitions],
) -> Result<(), FormatError> {
    writer.array(partitions, "the partitions of topics", |writer, of_topic| {
        writer.string(&of_topic.topic, "the name of a topic")?;
        writer.i32_array(&of_topic.partitions, "the partitions")
    })
}
