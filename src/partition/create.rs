//! Making the handle of a partition: of a new one, and of one that was closed cleanly.
//!
//! Neither reads any segment data. A new partition has no log before its first append; one that
//! was closed cleanly has the lengths that were remembered, or it is damaged.

use std::sync::Arc;

use super::Partition;
use super::id::PartitionId;
use super::leader_epochs::LeaderEpochs;
use super::producers::{NONE_UNSTABLE, ProducerSlot, Producers, UNKNOWN_UNSTABLE};
use super::segments::Segments;
use super::settings::Settings;
use super::shared::Shared;
use super::waiters::Waiters;
use super::watermarks::Watermarks;
use super::writer::WriterState;
use crate::config::topic::TopicConfig;
use crate::env::planted::planted;
use crate::env::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use crate::env::sync::{ArcSwap, Mutex};
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::{PartitionState, SegmentState};
use crate::format::file_names;
use crate::segment::Segment;
use crate::segment::log_file::Folder;

/// What the handle of a partition is made of.
pub(super) struct Parts {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) log_start: i64,
    pub(super) end: i64,
    pub(super) recovery_point: i64,
    pub(super) cleaned_to: i64,
    pub(super) has_producers: bool,
    /// `None`: they are read when they are needed.
    pub(super) producers: Option<Producers>,
    pub(super) epochs: LeaderEpochs,
    /// The files are not in the form that a clean close leaves.
    pub(super) unclosed: bool,
    pub(super) damage: Option<Error>,
}

impl Partition {
    /// A new partition. Its folder and `partition.metadata` exist already.
    ///
    /// # Errors
    /// None today; reserved.
    ///
    /// # Durability
    /// Nothing is written.
    pub(crate) fn create(
        shared: &Arc<Shared>,
        id: PartitionId,
        config: &TopicConfig,
    ) -> Result<Arc<Partition>> {
        let folder = folder_of(shared, &id);
        let parts = Parts {
            segments: Vec::new(),
            log_start: 0,
            end: 0,
            recovery_point: 0,
            cleaned_to: 0,
            has_producers: false,
            producers: Some(Producers::default()),
            epochs: LeaderEpochs::new(Vec::new(), false),
            unclosed: false,
            damage: None,
        };
        Ok(Partition::assemble(shared, id, folder, config, parts))
    }

    /// A partition of a directory that was closed cleanly. Looks at the lengths of the logs only.
    ///
    /// # Errors
    /// Those of the disk. A log that is missing or has another length is no error: the partition
    /// is readable as far as it is sound, and [`damage`](Self::damage) says why it is not writable.
    pub(crate) fn open_clean(
        shared: &Arc<Shared>,
        id: PartitionId,
        config: &TopicConfig,
        state: PartitionState,
    ) -> Result<Arc<Partition>> {
        let folder = folder_of(shared, &id);
        let (mut segments, mut damage) = (Vec::with_capacity(state.segments.len()), None);
        for segment in live_segments(state.segments, state.log_start_offset) {
            let segment = check_length(&folder, &id, segment)?;
            if damage.is_none() {
                damage = segment.damage().cloned();
            }
            segments.push(Arc::new(segment));
        }
        let parts = Parts {
            segments,
            log_start: state.log_start_offset,
            end: state.recovery_point,
            recovery_point: state.recovery_point,
            cleaned_to: state.cleaned_to,
            has_producers: state.has_producers,
            producers: (!state.has_producers).then(Producers::default),
            epochs: LeaderEpochs::default(),
            unclosed: false,
            damage,
        };
        Ok(Partition::assemble(shared, id, folder, config, parts))
    }

    pub(super) fn assemble(
        shared: &Arc<Shared>,
        id: PartitionId,
        folder: Arc<Folder>,
        config: &TopicConfig,
        parts: Parts,
    ) -> Arc<Partition> {
        let settings = Settings::of(config);
        let first_unstable = match &parts.producers {
            None => UNKNOWN_UNSTABLE,
            Some(producers) => producers.first_unstable().unwrap_or(NONE_UNSTABLE),
        };
        let writer = WriterState {
            settings,
            next_offset: parts.end,
            active: None,
            staged: 0,
            recovery_point: parts.recovery_point,
            cleaned_to: parts.cleaned_to,
            snapshot_offset: parts.recovery_point,
            unclosed: parts.unclosed,
            planned_log_start: parts.log_start,
            has_producers: parts.has_producers,
            producers: match parts.producers {
                None => ProducerSlot::Unread,
                Some(producers) => ProducerSlot::Read(Box::new(producers)),
            },
            epochs: parts.epochs,
            changes: 0,
            written_end: parts.end,
            synced_end: parts.end,
            unsynced_bytes: 0,
        };
        Arc::new(Partition {
            id,
            shared: Arc::clone(shared),
            folder,
            segments: ArcSwap::from_pointee(Segments::new(parts.segments)),
            watermarks: Watermarks::new(parts.log_start, parts.end),
            first_unstable: AtomicI64::new(first_unstable),
            waiters: Waiters::default(),
            generation: AtomicU32::new(0),
            cuts: Mutex::default(),
            index_interval_bytes: AtomicU64::new(settings.index_interval_bytes),
            dirty: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            unsynced_from: AtomicI64::new(i64::MAX),
            swap_left: Mutex::default(),
            released_to: AtomicI64::new(0),
            compacted_to: AtomicI64::new(0),
            holes_below: parts.cleaned_to,
            damage: parts.damage,
            writer: Mutex::new(writer),
        })
    }
}

/// The folder of a partition, with what its files need.
pub(super) fn folder_of(shared: &Shared, id: &PartitionId) -> Arc<Folder> {
    let vfs = Arc::clone(&shared.env.vfs);
    Arc::new(Folder::new(vfs, Arc::clone(&shared.descriptors), id.directory()))
}

/// The segments that are not wholly below the log start: those may be gone already.
pub(super) fn live_segments(segments: Vec<SegmentState>, log_start: i64) -> Vec<SegmentState> {
    let gone = segments
        .windows(2)
        .take_while(|pair| pair.last().is_some_and(|next| next.base_offset <= log_start))
        .count();
    segments.into_iter().skip(gone).collect()
}

/// A segment whose log should have exactly the length that `state` says.
pub(super) fn check_length(
    folder: &Arc<Folder>,
    id: &PartitionId,
    state: SegmentState,
) -> Result<Segment> {
    let name = file_names::log_file(state.base_offset);
    let damaged = |message: String| {
        Error::new(ErrorKind::Corrupt, message)
            .at_file(folder.describe(&name))
            .at_partition(id.topic().as_str(), id.partition())
    };
    let expected = state.log_bytes;
    match folder.vfs.metadata(&folder.path(&name)) {
        Ok(found) if found.length == expected || planted!("lengths_not_looked_at") => {
            Ok(Segment::new(folder, state, expected, None))
        }
        Ok(found) => {
            let message = format!("the log has {} bytes, it had {expected}", found.length);
            let published = found.length.min(expected);
            Ok(Segment::new(folder, state, published, Some(damaged(message))))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("the log is missing, it had {expected} bytes");
            Ok(Segment::new(folder, state, 0, Some(damaged(message))))
        }
        Err(error) => Err(Error::io(error, "cannot look at the log")
            .at_file(folder.describe(&name))
            .at_partition(id.topic().as_str(), id.partition())),
    }
}
