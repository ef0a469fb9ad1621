//! The partition's part of a checkpoint: take note under the lock, sync without it, take note.
//!
//! What is synced is the log of the active segment; all others were synced when they were rolled.
//! The index entries so far, the producers and the epochs are written beside it, so that recovery
//! need not read what lies below. They are not synced: the control file has their sums, and what
//! does not match is made anew.

use std::io;
use std::sync::Arc;

use super::Partition;
use super::producers::ProducerSlot;
use crate::env::vfs::{OpenHow, write_all_at};
use crate::error::Result;
use crate::format::control_file::PartitionState;
use crate::format::file_names;
use crate::format::leader_epochs::LeaderEpoch;
use crate::format::producer_snapshot;
use crate::segment::Segment;
use crate::segment::indexes::Added;
use crate::segment::log_file::OpenLog;

/// What a checkpoint has to do for one partition.
#[derive(Debug)]
pub(crate) struct CheckpointPart {
    partition: Arc<Partition>,
    /// What will be true once everything is synced.
    state: PartitionState,
    /// The active segment and the descriptor that wrote it.
    log: Option<(Arc<Segment>, Option<Arc<OpenLog>>)>,
    /// What the index files lack.
    indexes: Vec<Added>,
    snapshot: Option<Vec<u8>>,
    epochs: Option<Vec<LeaderEpoch>>,
    changes: u64,
    /// The unsynced bytes that the sync covers.
    unsynced_bytes: u64,
}

impl Partition {
    /// Takes note of what is to be synced, and of the state that holds afterwards.
    ///
    /// # Errors
    /// Poisoned: then what lies in the log is not what was committed. Those of the disk, if the
    /// producers have to be read.
    pub(crate) fn checkpoint_begin(self: &Arc<Self>) -> Result<CheckpointPart> {
        let mut state = self.writer.lock();
        self.shared.poison.check()?;
        let mut part = CheckpointPart {
            partition: Arc::clone(self),
            state: self.state_of(&state),
            log: None,
            indexes: Vec::new(),
            snapshot: None,
            epochs: None,
            changes: state.changes,
            unsynced_bytes: state.unsynced_bytes,
        };
        let behind = state.next_offset > state.recovery_point;
        if let Some(active) = &state.active {
            let open = active.open.clone().or_else(|| active.segment.log.dirty());
            if let Some(open) = &open {
                open.begin_sync();
            }
            let (described, added) = active.describe(false);
            if let Some(last) = part.state.segments.last_mut() {
                *last = described;
            }
            part.indexes = added.into();
            part.log = Some((Arc::clone(&active.segment), open));
        }
        part.state.recovery_point = state.next_offset;
        if behind {
            if self.has_producers(&state) {
                self.load_producers(&mut state)?;
                self.expire(&mut state);
            }
            part.state.has_producers = self.has_producers(&state);
            if part.state.has_producers {
                part.snapshot = snapshot_of(&state.producers).map_err(|error| self.name(error))?;
            }
        }
        if state.epochs.is_changed() {
            part.epochs = state.epochs.entries().map(<[LeaderEpoch]>::to_vec);
        }
        Ok(part)
    }

    /// The control file with the part's state is durable.
    #[expect(clippy::needless_pass_by_value, reason = "a part is ended once")]
    pub(crate) fn checkpoint_end(&self, part: CheckpointPart) {
        let mut state = self.writer.lock();
        let end = part.state.recovery_point;
        let previous = state.snapshot_offset;
        if part.snapshot.is_some() {
            state.snapshot_offset = end;
        }
        self.note_synced(&mut state, end, part.unsynced_bytes);
        // A roll since then has synced more, and its states say so already.
        if end > state.recovery_point {
            state.recovery_point = end;
            state.has_producers = part.state.has_producers;
        }
        if let (Some((segment, _)), Some(described)) = (&part.log, part.state.segments.last()) {
            let known = segment.state();
            if !known.sealed && known.log_bytes <= described.log_bytes {
                segment.set_state(described.clone());
            }
        }
        if part.epochs.is_some() && state.epochs.entries() == part.epochs.as_deref() {
            state.epochs.set_changed(false);
        }
        if state.changes == part.changes {
            self.dirty.store(false, crate::env::sync::atomic::Ordering::Release);
            // The descriptor is clean: the cache may close it now.
            if let Some(active) = &mut state.active {
                active.open = None;
            }
        }
        drop(state);
        if part.snapshot.is_some() && previous < end {
            self.remove_snapshot(previous);
        }
    }

    /// Removes the snapshot of an earlier checkpoint, unless a segment starts there. What stays
    /// does no harm: it is as right as the batches below it.
    fn remove_snapshot(&self, offset: i64) {
        let segments = self.segments.load();
        let is_base = segments.as_slice().iter().any(|segment| segment.base_offset == offset);
        if !is_base && !self.folder.is_gone() {
            let name = file_names::snapshot_file(offset);
            let _ = crate::segment::indexes::remove_if_there(&self.folder, &name);
        }
    }
}

fn snapshot_of(producers: &ProducerSlot) -> Result<Option<Vec<u8>>> {
    match producers {
        ProducerSlot::Unread => Ok(None),
        ProducerSlot::Read(producers) => producer_snapshot::encode(&producers.snapshot_entries())
            .map(Some)
            .map_err(crate::format::FormatError::into_error),
    }
}

impl CheckpointPart {
    /// What the control file should say about the partition.
    pub(crate) fn state(&self) -> &PartitionState {
        &self.state
    }

    /// Writes and syncs. Takes no lock of the partition.
    ///
    /// # Errors
    /// A failed sync of the log poisons the broker. Another error means that this checkpoint
    /// cannot be completed: keep the old control file and the journal, and try again later.
    ///
    /// # Durability
    /// When it returns, all batches below the state's recovery point survive power loss.
    pub(crate) fn sync(&self) -> Result<()> {
        let partition = &self.partition;
        if partition.folder.is_gone() {
            return Ok(());
        }
        if let Some((segment, open)) = &self.log {
            let failed = |error: io::Error, what| partition.io(error, what, &segment.log.name());
            if let Some(open) = open {
                segment.log.sync(open).map_err(|error| {
                    partition.shared.poisoned_by(failed(error, "cannot sync the log"))
                })?;
            }
            for added in self.indexes.iter().filter(|added| !added.bytes.is_empty()) {
                write_added(segment, added)
                    .map_err(|error| failed(error, "cannot write the index of the log"))?;
            }
        }
        if let Some(snapshot) = &self.snapshot {
            partition.write_snapshot_bytes(snapshot, self.state.recovery_point, false)?;
        }
        if let Some(epochs) = &self.epochs {
            partition.write_epochs(epochs)?;
        }
        Ok(())
    }
}

/// Writes the entries that an index file does not hold yet.
fn write_added(segment: &Segment, added: &Added) -> io::Result<()> {
    let path = segment.folder.path(&added.suffix.file(segment.base_offset));
    let file = segment.folder.vfs.open(&path, OpenHow::CreateOrWrite)?;
    write_all_at(&*file, &added.bytes, added.position)
}
