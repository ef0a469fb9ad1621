//! The small files of a partition's folder, of which nothing in the partition keeps a sum: the
//! committer does at the close, see `commit/closed_files.rs`.
//!
//! Not here: logs and their indexes, and `partition.metadata`, whose every byte follows from the
//! topic's id.

use super::Partition;
use crate::env::vfs::{FileKind, OpenHow, read_up_to};
use crate::format::file_names::{
    LEADER_EPOCH_CHECKPOINT, QUORUM_STATE, Suffix, parse_base_offset, parse_metadata_snapshot,
};
use crate::format::quorum_state::QuorumState;
use crate::format::{leader_epochs, producer_snapshot};

/// One that is larger is taken for sound without a look.
const LOOKED_AT_BYTES_MAX: u64 = 16 << 20;

impl Partition {
    /// Whether something was changed since the partition was opened, or a close has to write.
    pub(crate) fn was_changed(&self) -> bool {
        let writer = self.writer.lock();
        self.damage.is_none() && (writer.unclosed || writer.changes > 0)
    }

    /// The paths of the small files, and whether each makes sense by itself. None if the folder
    /// cannot be listed, or is empty but for the topic's id.
    pub(crate) fn small_files(&self) -> Vec<(String, bool)> {
        if self.segments.load().as_slice().is_empty() || self.is_deleted() {
            return Vec::new();
        }
        let listed = self.folder.vfs.list(self.folder.name()).unwrap_or_default();
        let files = listed.into_iter().filter(|entry| entry.kind == FileKind::File);
        let small = files.filter(|entry| is_small_file(&entry.name));
        small.map(|entry| (self.folder.path(&entry.name), self.makes_sense(&entry.name))).collect()
    }

    fn makes_sense(&self, name: &str) -> bool {
        let read = || {
            let file = self.folder.vfs.open(&self.folder.path(name), OpenHow::Read)?;
            let length = file.len()?.min(LOOKED_AT_BYTES_MAX);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            let read = read_up_to(&*file, &mut bytes, 0)?;
            bytes.truncate(read);
            std::io::Result::Ok(bytes)
        };
        let Ok(bytes) = read() else { return false };
        match name {
            _ if bytes.len() as u64 == LOOKED_AT_BYTES_MAX => true,
            LEADER_EPOCH_CHECKPOINT => leader_epochs::decode(&bytes).is_ok(),
            QUORUM_STATE => QuorumState::decode(&bytes).is_ok(),
            _ if parse_metadata_snapshot(name).is_some() => true,
            _ => producer_snapshot::decode(&bytes).is_ok(),
        }
    }
}

fn is_small_file(name: &str) -> bool {
    matches!(parse_base_offset(name), Some((_, Suffix::Snapshot)))
        || [LEADER_EPOCH_CHECKPOINT, QUORUM_STATE].contains(&name)
        || parse_metadata_snapshot(name).is_some()
}
