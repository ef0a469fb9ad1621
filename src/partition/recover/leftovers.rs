//! The files of a partition's folder: which are segments, which are leftovers of a crash.
//!
//! | file | what becomes of it |
//! |---|---|
//! | a log of ours that was compacted, and that the control file does not list | removed |
//! | `.cleaned` and `.swap` of our own | the control file decides, see `own_swap.rs` |
//! | a broker's `.cleaned`, and `.swap` at or above the lowest of them | removed: compaction had not finished |
//! | a broker's other `.swap` | takes its final name, and the place of what it covers |
//! | `.deleted`, `.tmp` of a file that we know | removed |
//! | a segment wholly below the log start | removed |
//! | an index without its log | removed |
//! | anything else | left alone, and named in the report |
//!
//! Swapped-in files are completed at once, because they are part of the log; that can be repeated
//! at will. All removing waits until the partition turned out to be sound.

use std::io;

use super::Recovery;
use super::own_swap::is_replaced_file;
use crate::env::replace_file::TEMPORARY_SUFFIX;
use crate::env::vfs::FileKind;
use crate::error::Result;
use crate::format::control_file::SegmentState;
use crate::format::file_names::{
    self, LEADER_EPOCH_CHECKPOINT, Leftover, PARTITION_METADATA, Suffix,
};
use crate::segment::indexes::remove_if_there;
use crate::segment::log_file::LogFile;
use crate::segment::scan::{Scanned, Scanner};

/// What is in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The base offsets of the logs that are not known to be leftovers, ascending.
    pub(super) bases: Vec<i64>,
    pub(super) snapshots: Vec<i64>,
    /// Names to be removed.
    pub(super) leftovers: Vec<String>,
    /// The index of aborted transactions of the active segment has to be made anew.
    pub(super) txn_index_lost: bool,
}

/// The names in the folder, by what they are.
#[derive(Debug, Default)]
pub(super) struct Names {
    live: Vec<(i64, Suffix)>,
    pub(super) swapped: Vec<(i64, Suffix)>,
    pub(super) cleaned: Vec<(i64, Suffix)>,
    leftovers: Vec<String>,
    unknown: Vec<String>,
}

impl Recovery {
    pub(super) fn find_files(&mut self, listed: &[SegmentState]) -> Result<Found> {
        let mut names = self.list()?;
        let mut discarded = Vec::new();
        if !names.swapped.is_empty() || !names.cleaned.is_empty() {
            let ended = match self.foreign {
                Some(_) => self.complete_swap(&names),
                None => self.end_own_swap(&names, listed).map(|names| discarded = names),
            };
            ended.map_err(|error| self.io(error, "cannot complete a compaction", ""))?;
            names = self.list()?;
        }
        let mut found = Found { leftovers: names.leftovers, ..Found::default() };
        found.leftovers.append(&mut discarded);
        self.report.unknown = names.unknown;
        let mut bases: Vec<i64> = of_suffix(&names.live, Suffix::Log).collect();
        bases.sort_unstable();
        let (replaced, bases): (Vec<_>, Vec<_>) =
            bases.into_iter().partition(|&base_offset| self.was_replaced(base_offset, listed));
        for &(base_offset, suffix) in &names.live {
            if is_replaced_file(base_offset, suffix, &replaced, listed) {
                found.leftovers.push(suffix.file(base_offset));
            }
        }
        // What lies wholly below the log start was let go of; the state does not list it.
        let gone = bases
            .windows(2)
            .take_while(|pair| pair.last().is_some_and(|&next| next <= self.log_start))
            .count();
        let (gone, kept) = bases.split_at(if self.foreign.is_some() { 0 } else { gone });
        for &(base_offset, suffix) in &names.live {
            let is_orphan = suffix != Suffix::Log && !kept.contains(&base_offset);
            if suffix != Suffix::Snapshot && (gone.contains(&base_offset) || is_orphan) {
                found.leftovers.push(suffix.file(base_offset));
            }
        }
        for &base_offset in kept {
            if self.is_of_this_log(base_offset, listed) {
                found.bases.push(base_offset);
            } else {
                self.report.unknown.push(self.folder.describe(&file_names::log_file(base_offset)));
            }
        }
        found.snapshots = of_suffix(&names.live, Suffix::Snapshot).collect();
        Ok(found)
    }

    /// Whether a log is one that the state lists, or can have been made since.
    fn is_of_this_log(&self, base_offset: i64, listed: &[SegmentState]) -> bool {
        self.foreign.is_some()
            || base_offset >= self.recovery_point
            || listed.iter().any(|state| state.base_offset == base_offset)
    }

    fn list(&self) -> Result<Names> {
        let mut names = Names::default();
        let listed = self
            .folder
            .vfs
            .list(self.folder.name())
            .map_err(|error| self.io(error, "cannot list the folder of a partition", ""))?;
        for entry in listed {
            let name = entry.name;
            let known = [LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA];
            if entry.kind != FileKind::File {
                names.unknown.push(self.folder.describe(&name));
            } else if let Some(file) = file_names::parse_base_offset(&name) {
                names.live.push(file);
            } else if let Some((base_offset, suffix, state)) = file_names::parse_leftover(&name) {
                match state {
                    Leftover::Deleted => names.leftovers.push(name),
                    Leftover::Cleaned => names.cleaned.push((base_offset, suffix)),
                    Leftover::Swap => names.swapped.push((base_offset, suffix)),
                }
            } else if name.strip_suffix(TEMPORARY_SUFFIX).is_some_and(|of| known.contains(&of)) {
                names.leftovers.push(name);
            } else if !known.contains(&name.as_str()) && !is_metadata_file(&name) {
                names.unknown.push(self.folder.describe(&name));
            }
        }
        Ok(names)
    }

    /// Ends a compaction as Kafka does: takes it back if it had not finished, else completes it.
    fn complete_swap(&mut self, names: &Names) -> io::Result<()> {
        let cleaned_min = names.cleaned.iter().map(|&(base_offset, _)| base_offset).min();
        // 1. Results that belong to an unfinished swap go first.
        //    If we stop here: the `.cleaned` files still say so.
        let (invalid, valid): (Vec<_>, Vec<_>) = names
            .swapped
            .iter()
            .copied()
            .partition(|&(base_offset, _)| cleaned_min.is_some_and(|min| base_offset >= min));
        for (base_offset, suffix) in invalid {
            self.remove(&leftover(base_offset, suffix, file_names::SWAP_SUFFIX))?;
        }
        // 2. Then what says so.
        for &(base_offset, suffix) in &names.cleaned {
            self.remove(&leftover(base_offset, suffix, file_names::CLEANED_SUFFIX))?;
        }
        // 3. Remove what the valid results cover.
        //    If we stop here: the `.swap` files are whole and take their place next time.
        let mut covered: Option<(i64, i64)> = None;
        for base_offset in of_suffix(&valid, Suffix::Log) {
            let end = self.end_of_swap(base_offset)?;
            let (low, high) = covered.unwrap_or((base_offset, end));
            covered = Some((low.min(base_offset), high.max(end)));
        }
        if let Some((low, high)) = covered {
            for &(base_offset, suffix) in &names.live {
                if (low..high).contains(&base_offset) {
                    self.remove(&suffix.file(base_offset))?;
                }
            }
        }
        // 4. Give them their names, and make all that durable.
        for (base_offset, suffix) in valid {
            let from = self.folder.path(&leftover(base_offset, suffix, file_names::SWAP_SUFFIX));
            self.folder.vfs.rename(&from, &self.folder.path(&suffix.file(base_offset)))?;
        }
        self.folder.vfs.sync_dir(self.folder.name())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.report.removed.push(self.folder.describe(name));
        remove_if_there(&self.folder, name)
    }

    /// The offset after the last batch of a result that is being swapped in.
    fn end_of_swap(&self, base_offset: i64) -> io::Result<i64> {
        let name = leftover(base_offset, Suffix::Log, file_names::SWAP_SUFFIX);
        let log = LogFile::named(&self.folder, base_offset, name);
        let length = self.folder.vfs.metadata(&self.folder.path(&log.name()))?.length;
        let mut scanner = Scanner::new(&log, 0, length);
        let mut end = base_offset;
        while let Scanned::Entry { entry, .. } = scanner.next()? {
            end = entry.last_offset() + 1;
        }
        Ok(end)
    }
}

pub(super) fn leftover(base_offset: i64, suffix: Suffix, more: &str) -> String {
    format!("{}{more}", suffix.file(base_offset))
}

fn of_suffix(files: &[(i64, Suffix)], wanted: Suffix) -> impl Iterator<Item = i64> + '_ {
    files.iter().filter(move |(_, suffix)| *suffix == wanted).map(|(base_offset, _)| *base_offset)
}

/// The folder of the metadata log holds snapshots and the vote as well.
fn is_metadata_file(name: &str) -> bool {
    name == file_names::QUORUM_STATE || file_names::parse_metadata_snapshot(name).is_some()
}
