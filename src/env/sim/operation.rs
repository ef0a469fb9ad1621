//! What a run did to its disk, call by call, so that a crash can be put between any two calls.

use std::fmt;
use std::sync::Arc;

use super::image::{DirectoryId, FileId, NameChange};
use super::state::DiskState;

/// An open file. A sync covers only what was written through the same handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandleId(pub(super) u32);

/// What no sync covers any more: pages that a failed sync left clean.
pub(super) const NOBODY: HandleId = HandleId(0);

/// One call that changed something, and when.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) wall_ms: i64,
    pub(super) operation: Operation,
}

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Write { file: FileId, handle: HandleId, position: u64, bytes: Arc<[u8]>, landing: Landing },
    SetLen { file: FileId, handle: HandleId, length: u64 },
    SyncData { file: FileId, handle: HandleId },
    SyncFailed { file: FileId, cache: CacheAfterFailedSync },
    AddFile { change: NameChange },
    AddDirectory { change: NameChange },
    Names { change: NameChange },
    SyncDirectory { directory: DirectoryId },
}

/// Where on the disk a write ends up, whatever the page cache shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// Where it belongs.
    Right,
    /// At another position of the same file.
    At(u64),
    /// Nowhere: the disk said that it had written, and had not.
    Nowhere,
}

/// What a file shows after a failed sync. Either way the pages are clean: a later sync that
/// succeeds writes none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAfterFailedSync {
    /// The new bytes, though they may never reach the disk (ext4, XFS).
    KeepsNew,
    /// The old bytes again (btrfs).
    Reverts,
}

/// What a run did, from a starting state on. Positions count its operations: at position `n` the
/// first `n` have happened.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(super) start: Arc<DiskState>,
    pub(super) entries: Arc<Vec<Entry>>,
}

impl Recording {
    /// How many operations there are: the last position.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The operations before a position, the last of them at most `count`, one a line.
    pub fn describe(&self, position: usize, count: usize) -> String {
        let first = position.saturating_sub(count);
        let lines = self.entries[first..position].iter().zip(first..);
        lines.map(|(entry, number)| format!("  {number}: {}\n", entry.operation)).collect()
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Write { file, position, bytes, landing, .. } => {
                write!(f, "write {} bytes at {position} of file {}", bytes.len(), file.0)?;
                match landing {
                    Landing::Right => Ok(()),
                    Landing::At(other) => write!(f, ", misdirected to {other}"),
                    Landing::Nowhere => f.write_str(", lost"),
                }
            }
            Operation::SetLen { file, length, .. } => {
                write!(f, "set the length of file {} to {length}", file.0)
            }
            Operation::SyncData { file, .. } => write!(f, "sync file {}", file.0),
            Operation::SyncFailed { file, .. } => write!(f, "failed sync of file {}", file.0),
            Operation::AddFile { change }
            | Operation::AddDirectory { change }
            | Operation::Names { change } => write!(f, "{change}"),
            Operation::SyncDirectory { directory } => write!(f, "sync directory {}", directory.0),
        }
    }
}

impl fmt::Display for NameChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameChange::Add { directory, name, node } => {
                write!(f, "make {name} in directory {} ({node:?})", directory.0)
            }
            NameChange::Remove { directory, name } => {
                write!(f, "remove {name} from directory {}", directory.0)
            }
            NameChange::Rename { from, to } => write!(
                f,
                "rename {} of directory {} to {} of directory {}",
                from.1, from.0.0, to.1, to.0.0
            ),
        }
    }
}
