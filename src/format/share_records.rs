//! The snapshots of `__share_group_state`: how far a share group is in a partition. Read only.
//!
//! Key: `i16` 0, group, topic id, partition. Value: `i16` 0 and a flexible message, of which two
//! layouts share that number: the one of the previews, and the one of 4.2 that added timestamps.

use crate::format::FormatError;
use crate::format::compact::FieldReader;
use crate::format::group_records::read_version;
use crate::topic::TopicId;

/// What a snapshot is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSnapshotKey {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: i32,
}

impl ShareSnapshotKey {
    /// Reads the key of a record; `None` for a kind that is no snapshot.
    ///
    /// # Errors
    /// It is no key of its kind.
    pub fn decode(key: &[u8]) -> Result<Option<ShareSnapshotKey>, FormatError> {
        let mut reader = FieldReader::new(key, 0, false);
        if reader.i16("the kind of a share record")? != 0 {
            return Ok(None);
        }
        let decoded = ShareSnapshotKey {
            group: reader.string("the name of a group")?.to_owned(),
            topic_id: TopicId(reader.uuid("the id of a topic")?),
            partition: reader.i32("the number of a partition")?,
        };
        reader.finish()?;
        Ok(Some(decoded))
    }
}

/// How far a share group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareSnapshotValue {
    /// Counts the snapshots.
    pub snapshot_epoch: i32,
    /// Counts the times that the state was set up.
    pub state_epoch: i32,
    /// The leader epoch of the partition.
    pub leader_epoch: i32,
    /// Below it everything is done.
    pub start_offset: i64,
    /// What is known from there on.
    pub state_batches: Vec<StateBatch>,
}

/// The state of some offsets in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateBatch {
    /// The first of them.
    pub first_offset: i64,
    /// The last of them.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived.
    pub delivery_state: i8,
    /// How often they were delivered.
    pub delivery_count: i16,
}

impl ShareSnapshotValue {
    /// Reads the value of a snapshot.
    ///
    /// # Errors
    /// The version is unknown, or it has neither layout.
    pub fn decode(value: &[u8]) -> Result<ShareSnapshotValue, FormatError> {
        decode_value(value, true).or_else(|error| decode_value(value, false).map_err(|_| error))
    }
}

fn decode_value(value: &[u8], has_timestamps: bool) -> Result<ShareSnapshotValue, FormatError> {
    let mut reader = FieldReader::new(value, 0, true);
    read_version(&mut reader, 0, "the state of a share group")?;
    let snapshot_epoch = if has_timestamps {
        reader.i32("the epoch of the snapshot")?
    } else {
        i32::from(reader.u16("the epoch of the snapshot")?)
    };
    let state_epoch = reader.i32("the epoch of the state")?;
    let leader_epoch = reader.i32("the leader epoch")?;
    let start_offset = reader.i64("the start offset")?;
    if has_timestamps {
        reader.i64("when the snapshot was made")?;
        reader.i64("when it was written")?;
    }
    let state_batches = reader.array("the batches", |reader| {
        let batch = StateBatch {
            first_offset: reader.i64("the first offset")?,
            last_offset: reader.i64("the last offset")?,
            delivery_state: reader.i8("the state of delivery")?,
            delivery_count: reader.i16("the count of deliveries")?,
        };
        reader.end_of_struct()?;
        Ok(batch)
    })?;
    reader.end_of_struct()?;
    reader.finish()?;
    Ok(ShareSnapshotValue {
        snapshot_epoch,
        state_epoch,
        leader_epoch,
        start_offset,
        state_batches,
    })
}
