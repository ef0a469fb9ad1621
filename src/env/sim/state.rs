//! A disk between two calls: what is durable, what programs see, and what lies in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::Content;
use super::image::{DirectoryId, FileId, Image, NameChange};
use super::operation::{CacheAfterFailedSync, Entry, HandleId, Landing, NOBODY, Operation};

/// What a disk holds. Cloning is cheap while nothing is pending.
#[derive(Clone, Debug)]
pub(super) struct DiskState {
    /// What a crash cannot take away.
    pub(super) durable: Image,
    /// What programs see: the page cache.
    pub(super) visible: Image,
    /// Per file, the changes that a crash may keep or lose, oldest first.
    pub(super) pending: BTreeMap<u32, Vec<PendingChange>>,
    /// The changes of names that a crash may keep or lose, oldest first.
    pub(super) pending_names: Vec<PendingNames>,
    pub(super) next_handle: u32,
    /// Counts the pending changes, so that they have an order in time across files.
    pub(super) sequence: u64,
}

/// A change of a file's bytes or length.
#[derive(Clone, Debug)]
pub(super) struct PendingChange {
    pub(super) sequence: u64,
    pub(super) handle: HandleId,
    /// Must be kept; it waits only for an earlier change that need not.
    pub(super) synced: bool,
    pub(super) change: Change,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { position: u64, bytes: Arc<[u8]> },
    SetLen { length: u64 },
}

/// A change of names, durable once every directory that it touches was synced.
#[derive(Clone, Debug)]
pub(super) struct PendingNames {
    pub(super) sequence: u64,
    pub(super) change: NameChange,
    pub(super) unsynced: (Option<DirectoryId>, Option<DirectoryId>),
}

impl PendingNames {
    pub(super) fn is_synced(&self) -> bool {
        self.unsynced == (None, None)
    }
}

impl DiskState {
    pub(super) fn empty() -> DiskState {
        DiskState::of(Image::empty())
    }

    /// A disk on which `image` is durable and nothing is pending.
    pub(super) fn of(image: Image) -> DiskState {
        DiskState {
            durable: image.clone(),
            visible: image,
            pending: BTreeMap::new(),
            pending_names: Vec::new(),
            next_handle: 1,
            sequence: 0,
        }
    }

    /// Lets a recorded call happen.
    pub(super) fn apply(&mut self, entry: &Entry) {
        apply_visible(&mut self.visible, entry);
        self.sequence += 1;
        match &entry.operation {
            Operation::Write { file, handle, position, bytes, landing } => {
                self.next_handle = self.next_handle.max(handle.0 + 1);
                let position = match landing {
                    Landing::Right => *position,
                    Landing::At(other) => *other,
                    Landing::Nowhere => return,
                };
                let change = Change::Write { position, bytes: Arc::clone(bytes) };
                self.add_pending(*file, *handle, change);
            }
            Operation::SetLen { file, handle, length } => {
                self.next_handle = self.next_handle.max(handle.0 + 1);
                self.add_pending(*file, *handle, Change::SetLen { length: *length });
            }
            Operation::SyncData { file, handle } => self.sync_data(*file, *handle),
            Operation::SyncFailed { file, cache } => self.fail_sync(*file, *cache),
            Operation::AddFile { change } => {
                self.durable.add_file();
                self.add_pending_names(change);
            }
            Operation::AddDirectory { change } => {
                self.durable.add_directory();
                self.add_pending_names(change);
            }
            Operation::Names { change } => self.add_pending_names(change),
            Operation::SyncDirectory { directory } => self.sync_directory(*directory),
        }
    }

    fn add_pending(&mut self, file: FileId, handle: HandleId, change: Change) {
        let pending = PendingChange { sequence: self.sequence, handle, synced: false, change };
        self.pending.entry(file.0).or_default().push(pending);
    }

    fn add_pending_names(&mut self, change: &NameChange) {
        let (first, second) = change.names();
        let unsynced = (Some(first.0), second.map(|name| name.0));
        let change = change.clone();
        self.pending_names.push(PendingNames { sequence: self.sequence, change, unsynced });
    }

    fn sync_data(&mut self, file: FileId, handle: HandleId) {
        let Some(pending) = self.pending.get_mut(&file.0) else { return };
        for change in pending.iter_mut() {
            change.synced |= change.handle == handle;
        }
        settle(pending, self.durable.content_mut(file));
        if pending.is_empty() {
            self.pending.remove(&file.0);
        }
    }

    fn fail_sync(&mut self, file: FileId, cache: CacheAfterFailedSync) {
        let Some(pending) = self.pending.get_mut(&file.0) else { return };
        match cache {
            CacheAfterFailedSync::KeepsNew => {
                for change in pending.iter_mut().filter(|change| !change.synced) {
                    change.handle = NOBODY;
                }
            }
            CacheAfterFailedSync::Reverts => {
                pending.retain(|change| change.synced);
                let mut content = (*self.durable.shared_content(file)).clone();
                for change in pending.iter() {
                    change.change.apply(&mut content);
                }
                self.visible.set_content(file, Arc::new(content));
            }
        }
        if pending.is_empty() {
            self.pending.remove(&file.0);
        }
    }

    fn sync_directory(&mut self, directory: DirectoryId) {
        let mut left: Vec<PendingNames> = Vec::new();
        for mut pending in std::mem::take(&mut self.pending_names) {
            let (first, second) = &mut pending.unsynced;
            *first = first.filter(|id| *id != directory);
            *second = second.filter(|id| *id != directory);
            let waits = left.iter().any(|earlier| earlier.change.touches_same(&pending.change));
            if pending.is_synced() && !waits {
                self.durable.change_names(&pending.change);
            } else {
                left.push(pending);
            }
        }
        self.pending_names = left;
    }
}

/// Makes the synced changes durable.
///
/// An unsynced change that is older than a synced one must not be laid over it later: what the
/// synced one overwrote or cut is taken out of the older ones. Only where an unsynced change of
/// the length comes first, the synced one has to wait behind it.
fn settle(pending: &mut Vec<PendingChange>, durable: &mut Content) {
    let mut left: Vec<PendingChange> = Vec::new();
    for change in pending.drain(..) {
        let is_free = |earlier: &PendingChange| {
            !earlier.synced && matches!(earlier.change, Change::Write { .. })
        };
        if change.synced && left.iter().all(is_free) {
            left = left.iter().flat_map(|earlier| earlier.without(&change.change)).collect();
            change.change.apply(durable);
        } else {
            left.push(change);
        }
    }
    *pending = left;
}

impl PendingChange {
    /// What is left of a write after a later change of the same bytes.
    fn without(&self, later: &Change) -> Vec<PendingChange> {
        let Change::Write { position, bytes } = &self.change else { return vec![self.clone()] };
        let end = *position + bytes.len() as u64;
        let (from, to) = match later {
            Change::Write { position, bytes } => (*position, *position + bytes.len() as u64),
            Change::SetLen { length } => (*length, u64::MAX),
        };
        let part = |start: u64, stop: u64| {
            let range =
                usize::try_from(start - position).ok()?..usize::try_from(stop - position).ok()?;
            let change = Change::Write { position: start, bytes: bytes.get(range)?.into() };
            Some(PendingChange { change, ..self.clone() })
        };
        let before = if *position < from { part(*position, end.min(from)) } else { None };
        let behind = if end > to { part((*position).max(to), end) } else { None };
        before.into_iter().chain(behind).collect()
    }
}

impl Change {
    pub(super) fn apply(&self, content: &mut Content) {
        // Both were within the limits when they were recorded.
        let _ = match self {
            Change::Write { position, bytes } => content.write_at(bytes, *position),
            Change::SetLen { length } => content.set_len(*length),
        };
    }
}

/// What programs see after a call; what a failed sync reverts is left to the caller.
pub(super) fn apply_visible(visible: &mut Image, entry: &Entry) {
    match &entry.operation {
        Operation::Write { file, position, bytes, .. } => {
            let content = visible.content_mut(*file);
            // Within the limits: the live disk has checked it.
            let _ = content.write_at(bytes, *position);
            content.modified_ms = entry.wall_ms;
        }
        Operation::SetLen { file, length, .. } => {
            let content = visible.content_mut(*file);
            let _ = content.set_len(*length);
            content.modified_ms = entry.wall_ms;
        }
        Operation::AddFile { change } => {
            let file = visible.add_file();
            visible.content_mut(file).modified_ms = entry.wall_ms;
            visible.change_names(change);
        }
        Operation::AddDirectory { change } => {
            visible.add_directory();
            visible.change_names(change);
        }
        Operation::Names { change } => visible.change_names(change),
        Operation::SyncData { .. }
        | Operation::SyncDirectory { .. }
        | Operation::SyncFailed { .. } => {}
    }
}
