//! Ends a compaction of our own that a crash interrupted.
//!
//! The control file is the commit point of the swap: it lists the segments that count, by length
//! and sum. So a `.swap` file takes its final name if it is what the control file lists, and is
//! worthless otherwise; what it replaces is removed in the first case, and untouched in the second.
//! Not here: a broker's compaction, which has no control file (`leftovers.rs`).
//!
//! Files take their names at once, because they are part of the log, and that can be repeated at
//! will. All removing waits until the partition turned out to be sound.

use std::io;

use super::Recovery;
use super::leftovers::{Names, leftover};
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, read_up_to};
use crate::error::room;
use crate::format::checksum::{crc32c, crc32c_append};
use crate::format::control_file::SegmentState;
use crate::format::file_names::{CLEANED_SUFFIX, SWAP_SUFFIX, Suffix};
use crate::segment::log_file::LogFile;
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::tally::SUMMED_BYTES;

impl Recovery {
    /// Gives the results of a compaction that the control file lists their names; returns the
    /// names of those that it does not list.
    pub(super) fn end_own_swap(
        &mut self,
        names: &Names,
        listed: &[SegmentState],
    ) -> io::Result<Vec<String>> {
        let mut discarded = Vec::new();
        let vfs = &self.folder.vfs;
        for &(base_offset, suffix) in &names.swapped {
            let name = leftover(base_offset, suffix, SWAP_SUFFIX);
            let state = listed.iter().find(|state| state.base_offset == base_offset);
            let counts = match state {
                Some(state) if state.sealed => self.is_listed(&name, suffix, state)?,
                _ => false,
            };
            if counts || planted!("swap_finished_unasked") {
                let own = self.folder.path(&suffix.file(base_offset));
                vfs.rename(&self.folder.path(&name), &own)?;
            } else {
                discarded.push(name);
            }
        }
        for &(base_offset, suffix) in &names.cleaned {
            discarded.push(leftover(base_offset, suffix, CLEANED_SUFFIX));
        }
        vfs.sync_dir(self.folder.name())?;
        Ok(discarded)
    }

    /// Whether a file has the length and the sum that the control file lists.
    fn is_listed(&self, name: &str, suffix: Suffix, state: &SegmentState) -> io::Result<bool> {
        let (length, sum) = match suffix {
            Suffix::Log => (state.log_bytes, state.log_sum),
            Suffix::Index => (u64::from(state.index_bytes), state.index_sum),
            Suffix::TimeIndex => (u64::from(state.time_index_bytes), state.time_index_sum),
            Suffix::TxnIndex => (u64::from(state.txn_index_bytes), state.txn_index_sum),
            Suffix::Snapshot | Suffix::KeyIndex => return Ok(false),
        };
        if self.folder.vfs.metadata(&self.folder.path(name))?.length != length {
            return Ok(false);
        }
        let found = match suffix {
            Suffix::Log => self.sum_of_log(name, state)?,
            _ => self.sum_of_file(name, length)?,
        };
        Ok(found == Some(sum))
    }

    /// The sum of a log, as the control file has it; `None` if a batch is damaged.
    fn sum_of_log(&self, name: &str, state: &SegmentState) -> io::Result<Option<u32>> {
        let log = LogFile::named(&self.folder, state.base_offset, name.to_owned());
        let mut scanner = Scanner::new(&log, 0, state.log_bytes);
        let mut sum = 0;
        loop {
            match scanner.next()? {
                Scanned::Entry { entry, .. } => {
                    let head = entry.bytes().get(..SUMMED_BYTES).unwrap_or_default();
                    sum = crc32c_append(sum, head);
                }
                Scanned::End => return Ok(Some(sum)),
                Scanned::Bad { .. } => return Ok(None),
            }
        }
    }

    fn sum_of_file(&self, name: &str, length: u64) -> io::Result<Option<u32>> {
        let file = self.folder.vfs.open(&self.folder.path(name), OpenHow::Read)?;
        // The length is that of the file and of the control file; an index is never larger.
        let mut bytes = room::zeros(usize::try_from(length).unwrap_or(0))?;
        let read = read_up_to(&*file, &mut bytes, 0)?;
        Ok((read == bytes.len()).then(|| crc32c(&bytes)))
    }

    /// Whether a log is one of those that compaction replaced: the control file vouches that all
    /// up to there was compacted, and does not list it.
    pub(super) fn was_replaced(&self, base_offset: i64, listed: &[SegmentState]) -> bool {
        self.foreign.is_none()
            && base_offset < self.cleaned_to.min(self.recovery_point)
            && !listed.iter().any(|state| state.base_offset == base_offset)
    }
}

/// Whether a file belongs to a replaced log, or is the index of aborted transactions of one whose
/// successor has none.
pub(super) fn is_replaced_file(
    base_offset: i64,
    suffix: Suffix,
    replaced: &[i64],
    listed: &[SegmentState],
) -> bool {
    let of_replaced = suffix != Suffix::Snapshot && replaced.contains(&base_offset);
    let listed = listed.iter().find(|state| state.base_offset == base_offset);
    let is_outdated = suffix == Suffix::TxnIndex
        && listed.is_some_and(|state| state.sealed && state.txn_index_bytes == 0);
    of_replaced || is_outdated
}
