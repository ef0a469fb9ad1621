//! What a fresh directory gets, so that Ottla, and later a KRaft broker with `node.id=1` and
//! itself as the only voter, finds a formatted directory.
//!
//! | file | content |
//! |---|---|
//! | `__cluster_metadata-0/partition.metadata` | the fixed id of the metadata topic |
//! | `__cluster_metadata-0/quorum-state` | node 1 leads epoch 1 and is the only voter |
//! | `bootstrap.checkpoint` | the feature levels, as a snapshot: what a controller would start with |
//! | `meta.properties` | cluster, node and directory; **last**: it says that all else is there |
//!
//! Then the first batches of the metadata log: the change to leader 1 that opens epoch 1, and the
//! feature levels, in a transaction as a controller writes them.
//!
//! The levels are those of Kafka 4.0, so that every broker from 4.0 on can take over.

use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::catalog::{METADATA_VERSION, batch_of, encode_all};
use crate::error::Result;
use crate::format::FormatError;
use crate::format::batch_header::stamp;
use crate::format::control_record::ControlType;
use crate::format::file_names::{
    BOOTSTRAP_CHECKPOINT, META_PROPERTIES, PARTITION_METADATA, QUORUM_STATE, partition_dir,
};
use crate::format::meta_properties::{DirectoryId, MetaProperties};
use crate::format::metadata_records::{FeatureLevelRecord, MetadataRecord};
use crate::format::partition_metadata;
use crate::format::quorum_state::QuorumState;
use crate::format::raft_control::{LeaderChange, SnapshotFooter, SnapshotHeader};
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicId};

/// The node that Ottla is in the eyes of a broker.
pub(crate) const NODE_ID: i32 = 1;
/// The leader epoch in which a fresh metadata log begins.
pub(crate) const FIRST_LEADER_EPOCH: i32 = 1;
/// Kafka 4.0's production level of each feature that is on there.
pub(crate) const FEATURE_LEVELS: [(&str, i16); 3] =
    [(METADATA_VERSION, 25), ("group.version", 1), ("transaction.version", 2)];

/// What the caller chooses for a fresh directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// The id of the cluster, at random.
    pub(crate) cluster_id: TopicId,
    /// The id of the directory, at random.
    pub(crate) directory_id: DirectoryId,
    /// The time of day, for the timestamps of the first records.
    pub(crate) now_ms: i64,
}

/// The files of a fresh directory with their paths, in the order in which they are written, and
/// synced with their folders.
///
/// # Errors
/// None that can happen with these records.
pub(crate) fn files(identity: Identity) -> Result<Vec<(String, Vec<u8>)>> {
    let Identity { cluster_id, directory_id, now_ms } = identity;
    let metadata_dir = partition_dir(CLUSTER_METADATA_TOPIC, 0);
    let properties = MetaProperties::new(&cluster_id.to_string(), NODE_ID, directory_id);
    let quorum_state = QuorumState::sole_leader(NODE_ID, FIRST_LEADER_EPOCH);
    Ok(vec![
        (
            format!("{metadata_dir}/{PARTITION_METADATA}"),
            partition_metadata::encode(TopicId::CLUSTER_METADATA),
        ),
        (format!("{metadata_dir}/{QUORUM_STATE}"), quorum_state.encode()),
        (BOOTSTRAP_CHECKPOINT.to_owned(), bootstrap_checkpoint(now_ms)?),
        (META_PROPERTIES.to_owned(), properties.encode()),
    ])
}

/// The first batches of the metadata log, stamped with [`FIRST_LEADER_EPOCH`] and their offsets.
///
/// # Errors
/// None that can happen with these records.
pub(crate) fn first_batches(now_ms: i64) -> Result<Vec<Vec<u8>>> {
    let place = |base_offset| BatchPlace { base_offset, leader_epoch: FIRST_LEADER_EPOCH, now_ms };
    let leader_change = LeaderChange::sole(NODE_ID).encode().map_err(FormatError::into_error)?;
    let mut records =
        vec![MetadataRecord::BeginTransaction { name: Some("Bootstrap records".to_owned()) }];
    records.extend(feature_records());
    records.push(MetadataRecord::EndTransaction);
    Ok(vec![
        control_batch(ControlType::LeaderChange, &leader_change, place(0))?,
        record_batch(&records, place(1))?,
    ])
}

fn feature_records() -> Vec<MetadataRecord> {
    let record = |(name, level): (&str, i16)| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_owned(), level })
    };
    FEATURE_LEVELS.into_iter().map(record).collect()
}

/// The feature levels as a snapshot.
fn bootstrap_checkpoint(now_ms: i64) -> Result<Vec<u8>> {
    let place = |base_offset| BatchPlace { base_offset, leader_epoch: 0, now_ms };
    let records = feature_records();
    let header = SnapshotHeader { last_contained_log_timestamp: 0 };
    let mut content = control_batch(ControlType::SnapshotHeader, &header.encode(), place(0))?;
    content.extend(record_batch(&records, place(1))?);
    // Three features: the offset of the footer is far from any limit.
    let footer_offset = 1 + records.len() as i64;
    let footer = SnapshotFooter.encode();
    content.extend(control_batch(ControlType::SnapshotFooter, &footer, place(footer_offset))?);
    Ok(content)
}

/// Where a batch stands.
#[derive(Clone, Copy)]
struct BatchPlace {
    base_offset: i64,
    leader_epoch: i32,
    now_ms: i64,
}

fn control_batch(control: ControlType, value: &[u8], place: BatchPlace) -> Result<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions {
        control: true,
        base_offset: place.base_offset,
        leader_epoch: place.leader_epoch,
        ..BatchOptions::default()
    });
    builder.push(place.now_ms, Some(&control.encode_key()), Some(value), &[])?;
    builder.take()
}

fn record_batch(records: &[MetadataRecord], place: BatchPlace) -> Result<Vec<u8>> {
    let mut batch = batch_of(&encode_all(records)?, place.now_ms)?;
    stamp(&mut batch, place.base_offset, place.leader_epoch);
    Ok(batch)
}
