//! The sums of the files that have none of their own, taken when the directory is closed: Kafka's
//! small files, the clean shutdown marker, the journal. `verify` holds the files against them.
//!
//! Not here: segments and their indexes, whose sums are kept as they are written, and what carries
//! a sum itself. The invariant: damage is not made right. What a close did not write is summed anew
//! only where it makes sense, else the sum of the close before stays. A file that cannot be read
//! keeps no close from ending: it has no sum then.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::commit::journal::Journal;
use crate::env::vfs::{OpenHow, Vfs, VfsFile, read_exact_at, read_up_to};
use crate::format::checksum::{crc32c, crc32c_append};
use crate::format::file_names::{
    BOOTSTRAP_CHECKPOINT, CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, LOG_START_CHECKPOINT,
    META_PROPERTIES, RECOVERY_POINT_CHECKPOINT, REPLICATION_CHECKPOINT,
};
use crate::format::file_sum::FileSum;
use crate::format::meta_properties::MetaProperties;
use crate::partition::Partition;

const PIECE_BYTES: usize = 64 * 1024;

/// The sums of a clean close, by path.
pub(crate) type FileSums = BTreeMap<String, FileSum>;

/// Those of a partition that was changed, or of which nothing is known; else those of before.
pub(super) fn sums_of_partition(
    vfs: &dyn Vfs,
    partition: &Partition,
    was_changed: bool,
    before: &FileSums,
    sums: &mut FileSums,
) {
    let folder = format!("{}/", partition.id().directory());
    let known = before.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
    let mut known = known.peekable();
    if !was_changed && known.peek().is_some() {
        sums.extend(known.map(|(path, sum)| (path.clone(), sum.clone())));
        return;
    }
    for (path, is_sound) in partition.small_files() {
        match before.get(&path) {
            Some(known) if !is_sound => drop(sums.insert(path, known.clone())),
            _ => sums.extend(sum_of(vfs, &path).map(|sum| (path, sum))),
        }
    }
}

/// Those of the loose files in the root. `marker` is what the clean shutdown marker will say.
pub(super) fn sums_of_root(
    vfs: &dyn Vfs,
    marker: &[u8],
    journal: &Journal,
    before: &FileSums,
    sums: &mut FileSums,
) {
    let written = [
        RECOVERY_POINT_CHECKPOINT,
        LOG_START_CHECKPOINT,
        REPLICATION_CHECKPOINT,
        CLEANER_CHECKPOINT,
    ];
    for path in written {
        sums.extend(sum_of(vfs, path).map(|sum| (path.to_owned(), sum)));
    }
    for (path, may_change) in [(META_PROPERTIES, true), (BOOTSTRAP_CHECKPOINT, false)] {
        let keeps = !(may_change && are_sound_properties(vfs));
        let known = before.get(path).filter(|_| keeps).cloned();
        let sum = known.or_else(|| sum_of(vfs, path));
        sums.extend(sum.map(|sum| (path.to_owned(), sum)));
    }
    let length = marker.len() as u64;
    let marker = FileSum { path: CLEAN_SHUTDOWN.to_owned(), length, sum: crc32c(marker) };
    sums.insert(marker.path.clone(), marker);
    sums.extend(journal.sums().into_iter().map(|sum| (sum.path.clone(), sum)));
}

/// Who edits the names of the cluster or the directory may do so; what makes no sense was not
/// edited. (The records that a controller starts with never change.)
fn are_sound_properties(vfs: &dyn Vfs) -> bool {
    let Ok(file) = vfs.open(META_PROPERTIES, OpenHow::Read) else { return false };
    let mut bytes = vec![0; PIECE_BYTES];
    let read = read_up_to(&*file, &mut bytes, 0);
    read.is_ok_and(|read| MetaProperties::decode(&bytes[..read]).is_ok())
}

fn sum_of(vfs: &dyn Vfs, path: &str) -> Option<FileSum> {
    let file = vfs.open(path, OpenHow::Read).ok()?;
    let length = file.len().ok()?;
    let sum = sum_of_range(&*file, 0, 0, length).ok()?;
    Some(FileSum { path: path.to_owned(), length, sum })
}

/// Goes on with a sum over a part of a file.
///
/// # Errors
/// Those of the disk, and of a file that ends before.
pub(crate) fn sum_of_range(file: &dyn VfsFile, sum: u32, from: u64, end: u64) -> io::Result<u32> {
    let (mut sum, mut position) = (sum, from);
    let mut piece = Vec::new();
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(PIECE_BYTES);
        piece.resize(wanted, 0);
        read_exact_at(file, &mut piece, position)?;
        sum = crc32c_append(sum, &piece);
        position += wanted as u64;
    }
    Ok(sum)
}

/// Which partitions the session has changed, or the close will.
pub(super) fn changed(partitions: &[Arc<Partition>]) -> Vec<bool> {
    partitions.iter().map(|partition| partition.was_changed()).collect()
}
