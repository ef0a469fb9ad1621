//! The records of the metadata log: what the catalog is made of.
//!
//! A record's value: unsigned varints frame version (1), api key and version, then the message in
//! the flexible encoding (see `compact`). Kafka knows some thirty kinds; read here are those that
//! say which topics there are and what settles that. Every other kind is told by its number and
//! left alone.
//!
//! Not here: what the records do to the catalog. The invariant: a record of a kind that is read
//! here is read whole or refused, so that a newer version of it is never half understood.

mod partition;
#[cfg(test)]
mod tests;

pub use partition::{LEADER_NOT_CHANGED, NO_LEADER, PartitionChangeRecord, PartitionRecord};

use crate::format::FormatError;
use crate::format::compact::{FieldReader, FieldWriter};
use crate::topic::TopicId;

const FRAME_VERSION: u32 = 1;

/// The `ConfigRecord` resource type of a topic.
pub const RESOURCE_TOPIC: i8 = 2;
/// The `ConfigRecord` resource type of a broker; the empty name means all brokers.
pub const RESOURCE_BROKER: i8 = 4;

/// One record of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// A broker joined the cluster. Read in part, never written here.
    RegisterBroker(RegisterBrokerRecord),
    /// A topic exists.
    Topic(TopicRecord),
    /// A partition exists.
    Partition(PartitionRecord),
    /// A setting of a topic, broker, group or client was set or taken back.
    Config(ConfigRecord),
    /// Something about a partition changed.
    PartitionChange(PartitionChangeRecord),
    /// A topic was deleted.
    RemoveTopic {
        /// Its id.
        topic_id: TopicId,
    },
    /// The level of a feature of the cluster.
    FeatureLevel(FeatureLevelRecord),
    /// The producer ids below a number are taken.
    ProducerIds(ProducerIdsRecord),
    /// Nothing; controllers write it to show that they live.
    NoOp,
    /// The records up to the end of the transaction count only if it ends.
    BeginTransaction {
        /// What for.
        name: Option<String>,
    },
    /// The transaction counts.
    EndTransaction,
    /// The transaction does not count.
    AbortTransaction {
        /// Why not.
        reason: Option<String>,
    },
    /// A kind that is not read here.
    Unknown {
        /// The number of the kind.
        api_key: u32,
        /// The version of the message.
        version: u32,
    },
}

/// A broker joined the cluster: of all that it says, who it is and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterBrokerRecord {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch that the controller gave it, which its clean marker repeats.
    pub broker_epoch: i64,
    /// The version of the message.
    pub version: u32,
}

/// A topic exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// Its name; the catalog checks it.
    pub name: String,
    /// Its id.
    pub topic_id: TopicId,
}

/// A setting was set or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRecord {
    /// What it applies to: [`RESOURCE_TOPIC`], [`RESOURCE_BROKER`] or another.
    pub resource_type: i8,
    /// The name of that.
    pub resource_name: String,
    /// The name of the setting.
    pub name: String,
    /// Its value; `None` takes the setting back.
    pub value: Option<String>,
}

/// The level of a feature of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLevelRecord {
    /// The feature.
    pub name: String,
    /// Its level; 0 means that it is off.
    pub level: i16,
}

/// The producer ids below a number are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdsRecord {
    /// The broker that took the last block.
    pub broker_id: i32,
    /// The epoch of that broker, -1 when unknown.
    pub broker_epoch: i64,
    /// The first id of the next block.
    pub next_producer_id: i64,
}

/// Kafka's number of a kind of record.
pub mod api_key {
    /// `RegisterBrokerRecord`
    pub const REGISTER_BROKER: u32 = 0;
    /// `TopicRecord`
    pub const TOPIC: u32 = 2;
    /// `PartitionRecord`
    pub const PARTITION: u32 = 3;
    /// `ConfigRecord`
    pub const CONFIG: u32 = 4;
    /// `PartitionChangeRecord`
    pub const PARTITION_CHANGE: u32 = 5;
    /// `RemoveTopicRecord`
    pub const REMOVE_TOPIC: u32 = 9;
    /// `FeatureLevelRecord`
    pub const FEATURE_LEVEL: u32 = 12;
    /// `ProducerIdsRecord`
    pub const PRODUCER_IDS: u32 = 15;
    /// `NoOpRecord`
    pub const NO_OP: u32 = 20;
    /// `BeginTransactionRecord`
    pub const BEGIN_TRANSACTION: u32 = 23;
    /// `EndTransactionRecord`
    pub const END_TRANSACTION: u32 = 24;
    /// `AbortTransactionRecord`
    pub const ABORT_TRANSACTION: u32 = 25;
}

/// Kafka's name of a kind of record, whether it is read here or not.
pub fn record_name(api_key: u32) -> Option<&'static str> {
    Some(match api_key {
        0 => "RegisterBrokerRecord",
        1 => "UnregisterBrokerRecord",
        2 => "TopicRecord",
        3 => "PartitionRecord",
        4 => "ConfigRecord",
        5 => "PartitionChangeRecord",
        7 => "FenceBrokerRecord",
        8 => "UnfenceBrokerRecord",
        9 => "RemoveTopicRecord",
        10 => "DelegationTokenRecord",
        11 => "UserScramCredentialRecord",
        12 => "FeatureLevelRecord",
        14 => "ClientQuotaRecord",
        15 => "ProducerIdsRecord",
        17 => "BrokerRegistrationChangeRecord",
        18 => "AccessControlEntryRecord",
        19 => "RemoveAccessControlEntryRecord",
        20 => "NoOpRecord",
        21 => "ZkMigrationStateRecord",
        22 => "RemoveUserScramCredentialRecord",
        23 => "BeginTransactionRecord",
        24 => "EndTransactionRecord",
        25 => "AbortTransactionRecord",
        26 => "RemoveDelegationTokenRecord",
        27 => "RegisterControllerRecord",
        28 => "ClearElrRecord",
        _ => return None,
    })
}

impl MetadataRecord {
    /// The number of its kind.
    pub fn api_key(&self) -> u32 {
        match self {
            MetadataRecord::RegisterBroker(_) => api_key::REGISTER_BROKER,
            MetadataRecord::Topic(_) => api_key::TOPIC,
            MetadataRecord::Partition(_) => api_key::PARTITION,
            MetadataRecord::Config(_) => api_key::CONFIG,
            MetadataRecord::PartitionChange(_) => api_key::PARTITION_CHANGE,
            MetadataRecord::RemoveTopic { .. } => api_key::REMOVE_TOPIC,
            MetadataRecord::FeatureLevel(_) => api_key::FEATURE_LEVEL,
            MetadataRecord::ProducerIds(_) => api_key::PRODUCER_IDS,
            MetadataRecord::NoOp => api_key::NO_OP,
            MetadataRecord::BeginTransaction { .. } => api_key::BEGIN_TRANSACTION,
            MetadataRecord::EndTransaction => api_key::END_TRANSACTION,
            MetadataRecord::AbortTransaction { .. } => api_key::ABORT_TRANSACTION,
            MetadataRecord::Unknown { api_key, .. } => *api_key,
        }
    }

    /// The value of the record in the log.
    ///
    /// # Errors
    /// A name is longer than its field allows, or the record is of a kind that is not written here.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let version = match self {
            MetadataRecord::Partition(record) => record.version(),
            MetadataRecord::PartitionChange(record) => record.version(),
            MetadataRecord::Unknown { .. } | MetadataRecord::RegisterBroker(_) => {
                let api_key = self.api_key();
                let what = format!("metadata records of kind {api_key} are not written here");
                return Err(FormatError::unsupported(what, 0));
            }
            _ => 0,
        };
        let mut writer = FieldWriter::new(true);
        writer.unsigned_varint(FRAME_VERSION);
        writer.unsigned_varint(self.api_key());
        writer.unsigned_varint(version);
        self.encode_message(&mut writer)?;
        Ok(writer.into_bytes())
    }

    fn encode_message(&self, writer: &mut FieldWriter) -> Result<(), FormatError> {
        match self {
            MetadataRecord::Topic(record) => {
                writer.string(&record.name, "the name of a topic")?;
                writer.uuid(record.topic_id.0);
            }
            MetadataRecord::Partition(record) => return record.encode(writer),
            MetadataRecord::Config(record) => {
                writer.i8(record.resource_type);
                writer.string(&record.resource_name, "the name of a resource")?;
                writer.string(&record.name, "the name of a setting")?;
                writer.nullable_string(record.value.as_deref(), "the value of a setting")?;
            }
            MetadataRecord::PartitionChange(record) => return record.encode(writer),
            MetadataRecord::RemoveTopic { topic_id } => writer.uuid(topic_id.0),
            MetadataRecord::FeatureLevel(record) => {
                writer.string(&record.name, "the name of a feature")?;
                writer.i16(record.level);
            }
            MetadataRecord::ProducerIds(record) => {
                writer.i32(record.broker_id);
                writer.i64(record.broker_epoch);
                writer.i64(record.next_producer_id);
            }
            MetadataRecord::BeginTransaction { name: text }
            | MetadataRecord::AbortTransaction { reason: text } => {
                return encode_remark(writer, text.as_deref());
            }
            MetadataRecord::NoOp
            | MetadataRecord::EndTransaction
            | MetadataRecord::RegisterBroker(_)
            | MetadataRecord::Unknown { .. } => {}
        }
        writer.end_of_struct();
        Ok(())
    }

    /// Reads the value of a record of the log.
    ///
    /// # Errors
    /// The frame or, in a kind that is read here, the version is unknown; or the message is no
    /// message of its kind. A kind that is not read here is [`MetadataRecord::Unknown`].
    pub fn decode(value: &[u8]) -> Result<MetadataRecord, FormatError> {
        let mut reader = FieldReader::new(value, 0, true);
        let frame_version = reader.unsigned_varint("the frame version")?;
        if frame_version != FRAME_VERSION {
            let what = format!("the metadata record has frame version {frame_version}, known is 1");
            return Err(FormatError::unsupported(what, 0));
        }
        let api_key = reader.unsigned_varint("the api key")?;
        let version = reader.unsigned_varint("the version")?;
        if api_key == api_key::REGISTER_BROKER {
            // The rest of the message says where the broker listens: of no interest here.
            return decode_register_broker(version, &mut reader);
        }
        let Some(version_max) = version_max(api_key) else {
            return Ok(MetadataRecord::Unknown { api_key, version });
        };
        if version > version_max {
            let name = record_name(api_key).unwrap_or("record");
            let what = format!("a {name} has version {version}, known are 0 to {version_max}");
            return Err(FormatError::unsupported(what, 0));
        }
        let record = decode_message(api_key, version, &mut reader)?;
        reader.finish()?;
        Ok(record)
    }
}

/// The newest version of a kind that is read here; `None` for every other kind.
fn version_max(api_key: u32) -> Option<u32> {
    match api_key {
        api_key::PARTITION | api_key::PARTITION_CHANGE => Some(partition::VERSION_MAX),
        api_key::TOPIC
        | api_key::CONFIG
        | api_key::REMOVE_TOPIC
        | api_key::FEATURE_LEVEL
        | api_key::PRODUCER_IDS
        | api_key::NO_OP
        | api_key::BEGIN_TRANSACTION
        | api_key::END_TRANSACTION
        | api_key::ABORT_TRANSACTION => Some(0),
        _ => None,
    }
}

/// Reads one message of a kind and version that are read here.
fn decode_message(
    api_key: u32,
    version: u32,
    reader: &mut FieldReader<'_>,
) -> Result<MetadataRecord, FormatError> {
    let record = match api_key {
        api_key::TOPIC => MetadataRecord::Topic(TopicRecord {
            name: reader.string("the name of a topic")?.to_owned(),
            topic_id: TopicId(reader.uuid("the id of a topic")?),
        }),
        api_key::PARTITION => {
            return PartitionRecord::decode(reader, version).map(MetadataRecord::Partition);
        }
        api_key::CONFIG => MetadataRecord::Config(ConfigRecord {
            resource_type: reader.i8("the type of a resource")?,
            resource_name: reader.string("the name of a resource")?.to_owned(),
            name: reader.string("the name of a setting")?.to_owned(),
            value: reader.nullable_string("the value of a setting")?.map(str::to_owned),
        }),
        api_key::PARTITION_CHANGE => {
            return PartitionChangeRecord::decode(reader).map(MetadataRecord::PartitionChange);
        }
        api_key::REMOVE_TOPIC => {
            MetadataRecord::RemoveTopic { topic_id: TopicId(reader.uuid("the id of a topic")?) }
        }
        api_key::FEATURE_LEVEL => MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: reader.string("the name of a feature")?.to_owned(),
            level: reader.i16("the level of a feature")?,
        }),
        api_key::PRODUCER_IDS => MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: reader.i32("the id of a broker")?,
            broker_epoch: reader.i64("the epoch of a broker")?,
            next_producer_id: reader.i64("the next producer id")?,
        }),
        api_key::NO_OP => MetadataRecord::NoOp,
        api_key::BEGIN_TRANSACTION => {
            let name = decode_remark(reader)?;
            return Ok(MetadataRecord::BeginTransaction { name });
        }
        api_key::END_TRANSACTION => MetadataRecord::EndTransaction,
        api_key::ABORT_TRANSACTION => {
            let reason = decode_remark(reader)?;
            return Ok(MetadataRecord::AbortTransaction { reason });
        }
        _ => {
            return Err(FormatError::unsupported(format!("a record of kind {api_key}"), 0));
        }
    };
    reader.end_of_struct()?;
    Ok(record)
}

/// Reads the first fields, which all versions so far share. A newer version is passed over.
fn decode_register_broker(
    version: u32,
    reader: &mut FieldReader<'_>,
) -> Result<MetadataRecord, FormatError> {
    const VERSION_MAX: u32 = 4;
    if version > VERSION_MAX {
        return Ok(MetadataRecord::Unknown { api_key: api_key::REGISTER_BROKER, version });
    }
    let broker_id = reader.i32("the id of a broker")?;
    if version >= 2 {
        reader.bool("whether the broker migrates")?;
    }
    reader.uuid("the incarnation of a broker")?;
    let broker_epoch = reader.i64("the epoch of a broker")?;
    Ok(MetadataRecord::RegisterBroker(RegisterBrokerRecord { broker_id, broker_epoch, version }))
}

/// The end of a message whose only field is a text with tag 0.
fn decode_remark(reader: &mut FieldReader<'_>) -> Result<Option<String>, FormatError> {
    let mut remark = None;
    reader.tagged_fields(|tag, field| {
        if tag == 0 {
            remark = field.nullable_string("a remark")?.map(str::to_owned);
        }
        Ok(())
    })?;
    Ok(remark)
}

fn encode_remark(writer: &mut FieldWriter, remark: Option<&str>) -> Result<(), FormatError> {
    let mut fields = Vec::new();
    if remark.is_some() {
        let mut payload = FieldWriter::new(true);
        payload.nullable_string(remark, "a remark")?;
        fields.push((0, payload.into_bytes()));
    }
    writer.tagged_fields(&fields)
}
