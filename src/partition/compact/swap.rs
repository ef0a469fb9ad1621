//! Puts the results of a round in the place of their sources: the partition's part of it.
//!
//! 1. The `.cleaned` files are whole and synced (`clean.rs`). *If we stop here* they are worthless,
//!    and removed by the next opening.
//! 2. They are renamed to `.swap`, the newest segment first, as Kafka does it; the folder is synced.
//!    *If we stop here* the control file lists the sources, which are all there: the `.swap` files
//!    are worthless.
//! 3. The control file lists the new segments: the commit point (`commit/compaction.rs`). *If we
//!    stop here* recovery finds `.swap` files that the control file lists, and goes on with 5.
//! 4. Readers get the new list. Those that still hold a source keep its descriptor.
//! 5. What nobody lists is removed, the new files take their names, the folder is synced. *If we
//!    stop here* recovery goes on. A failure is made up for later: until then the new segments
//!    live under their `.swap` names.
//!
//! Not here: the control file, and the lock that keeps checkpoints, cuts, retention and the
//! deletion of the topic out meanwhile. The invariant: a source loses its name only after the
//! control file stopped listing it, for good.

use std::sync::Arc;

use super::super::Partition;
use super::super::segments::Segments;
use super::super::writer::WriterState;
use super::output::cleaned_file;
use super::{Cleaned, CleanedSegment};
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::{PartitionState, SegmentState};
use crate::format::file_names::{SWAP_SUFFIX, Suffix, snapshot_file};
use crate::segment::Segment;
use crate::segment::indexes::remove_if_there;

/// The log comes last: the files beside it are of no use without it.
const SUFFIXES: [Suffix; 4] = [Suffix::TxnIndex, Suffix::TimeIndex, Suffix::Index, Suffix::Log];

/// What a swap left to be done.
#[derive(Debug, Default)]
pub(crate) struct SwapLeft {
    /// The control file lists the new segments: these names are not its any more, and the new
    /// files are to take their names.
    obsolete: Option<Vec<String>>,
    /// `.swap` files that a control file may list which could not be written, or may have been:
    /// they go when the next one is surely written.
    doubtful: Vec<String>,
}

/// What was so when a round began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundBegun {
    /// The log was not cut since.
    generation: u32,
    /// The topic is compacted.
    compacts: bool,
}

/// Neighbours, and what takes their place.
#[derive(Debug)]
pub(crate) struct Replacement {
    sources: Vec<Arc<Segment>>,
    states: Vec<SegmentState>,
}

/// The replacements of a round.
pub(crate) fn replacements(segments: Vec<CleanedSegment>) -> Vec<Replacement> {
    let mut replacements: Vec<Replacement> = Vec::new();
    for CleanedSegment { state, sources } in segments {
        match replacements.last_mut() {
            // What did not fit into the first new segment of a group.
            Some(group) if sources.is_empty() => group.states.push(state),
            _ => replacements.push(Replacement { sources, states: vec![state] }),
        }
    }
    replacements
}

impl Replacement {
    fn is_source(&self, segment: &Arc<Segment>) -> bool {
        self.sources.iter().any(|source| source.serial == segment.serial)
    }

    /// Whether the new segments have this file.
    fn has_file(&self, base_offset: i64, suffix: Suffix) -> bool {
        self.states.iter().any(|state| {
            state.base_offset == base_offset
                && (suffix != Suffix::TxnIndex || state.txn_index_bytes > 0)
        })
    }

    /// The files of the new segments.
    fn files(&self) -> impl Iterator<Item = (i64, Suffix)> + '_ {
        let bases = self.states.iter().rev().map(|state| state.base_offset);
        let files = bases.flat_map(|base| SUFFIXES.iter().map(move |&suffix| (base, suffix)));
        files.filter(|&(base_offset, suffix)| self.has_file(base_offset, suffix))
    }

    /// The names that nobody lists any more, and that no new file takes.
    fn obsolete(&self) -> Vec<String> {
        let mut names = Vec::new();
        for source in &self.sources {
            let base_offset = source.base_offset;
            for suffix in SUFFIXES {
                if !self.has_file(base_offset, suffix) {
                    names.push(suffix.file(base_offset));
                }
            }
            // It is of the source's log; that of the new one is made when it is asked for.
            names.push(Suffix::KeyIndex.file(base_offset));
            // A snapshot is of use only where a segment starts.
            if !self.states.iter().any(|state| state.base_offset == base_offset) {
                names.push(snapshot_file(base_offset));
            }
        }
        names
    }
}

fn swap_file(suffix: Suffix, base_offset: i64) -> String {
    format!("{}{SWAP_SUFFIX}", suffix.file(base_offset))
}

impl Partition {
    /// A round is about to begin: a close has to look for what it leaves. Returns what must still
    /// hold when its results are swapped in.
    ///
    /// # Errors
    /// As for every write.
    pub(crate) fn begin_round(&self) -> Result<RoundBegun> {
        let mut writer = self.lock();
        writer.check_writable()?;
        writer.note_change();
        Ok(self.round_begun(&writer.state))
    }

    fn round_begun(&self, writer: &WriterState) -> RoundBegun {
        RoundBegun { generation: self.generation(), compacts: writer.settings.compacts }
    }

    /// What the control file is to say after the swap; `None` if the log is not any more the one
    /// that was cleaned: it was cut, lost its start, or its topic was deleted, or is not compacted
    /// any more. `begun` is what [`begin_round`](Self::begin_round) returned.
    ///
    /// # Errors
    /// As for every write; for results that do not fit their sources.
    pub(crate) fn swap_plan(
        &self,
        swap: &[Replacement],
        cleaned_to: i64,
        begun: RoundBegun,
    ) -> Result<Option<PartitionState>> {
        let writer = self.lock();
        if self.is_deleted() || self.round_begun(&writer.state) != begun {
            return Ok(None);
        }
        writer.check_writable()?;
        let segments = self.segments.load();
        let sealed = segments.as_slice().split_last().map_or(&[][..], |(_, sealed)| sealed);
        let is_there =
            |source: &Arc<Segment>| sealed.iter().any(|segment| segment.serial == source.serial);
        if !swap.iter().flat_map(|group| &group.sources).all(is_there) {
            return Ok(None);
        }
        let mut state = self.state_of(&writer.state);
        for group in swap {
            let bases: Vec<_> = group.sources.iter().map(|source| source.base_offset).collect();
            let Some(first) = state.segments.iter().position(|s| bases.contains(&s.base_offset))
            else {
                return Ok(None);
            };
            if bases.iter().any(|&base_offset| base_offset >= cleaned_to) {
                let message = "compaction replaced a segment that it did not clean";
                return Err(self.name(Error::new(ErrorKind::InvalidInput, message)));
            }
            // Those below a log start that is planned are not in the state any more.
            let listed = state.segments.iter().skip(first);
            let count = listed.take_while(|s| bases.contains(&s.base_offset)).count();
            state.segments.splice(first..first + count, group.states.iter().cloned());
        }
        let in_order = state.segments.windows(2).all(|pair| match pair {
            [one, next] => one.next_offset <= next.base_offset,
            _ => true,
        });
        if !in_order {
            let message = "the results of a compaction do not fit between their neighbours";
            return Err(self.name(Error::new(ErrorKind::InvalidInput, message)));
        }
        state.cleaned_to = state.cleaned_to.max(cleaned_to);
        Ok(Some(state))
    }

    /// Step 2: the results get the names of results that are complete.
    ///
    /// # Errors
    /// Those of the disk; discard the results then. A failed sync poisons.
    ///
    /// # Durability
    /// The names survive power loss when it returns.
    pub(crate) fn name_swap(&self, swap: &[Replacement]) -> Result<()> {
        for (base_offset, suffix) in swap.iter().rev().flat_map(Replacement::files) {
            let cleaned = cleaned_file(suffix, base_offset);
            let to = self.folder.path(&swap_file(suffix, base_offset));
            self.folder
                .vfs
                .rename(&self.folder.path(&cleaned), &to)
                .map_err(|error| self.io(error, "cannot swap in what compaction made", &cleaned))?;
        }
        if swap.is_empty() || planted!("swap_names_not_synced") {
            return Ok(());
        }
        self.sync_folder_of_swap()
    }

    /// Removes the results of a round that came to nothing before step 2, as far as that goes: what
    /// stays is removed by the close, or by the next opening.
    pub(crate) fn discard_cleaned(&self, swap: &[Replacement]) {
        self.discard(swap, cleaned_file);
    }

    /// The same when step 2 had begun. No earlier swap is unfinished then, so no segment lives
    /// under these names.
    pub(crate) fn discard_swap(&self, swap: &[Replacement]) {
        self.discard(swap, cleaned_file);
        self.discard(swap, swap_file);
    }

    fn discard(&self, swap: &[Replacement], name_of: fn(Suffix, i64) -> String) {
        if !self.folder.is_gone() {
            for (base_offset, suffix) in swap.iter().flat_map(Replacement::files) {
                let _ = remove_if_there(&self.folder, &name_of(suffix, base_offset));
            }
        }
    }

    /// Step 3 failed, and nobody can tell which control file a crash would leave: the `.swap` files
    /// stay until another one is surely there.
    pub(crate) fn doubt_swap(&self, swap: &[Replacement]) {
        let files = swap.iter().flat_map(Replacement::files);
        let names = files.map(|(base_offset, suffix)| swap_file(suffix, base_offset));
        self.swap_left.lock().doubtful.extend(names);
    }

    /// Whether `.swap` files wait for the next control file.
    pub(crate) fn is_in_doubt(&self) -> bool {
        !self.swap_left.lock().doubtful.is_empty()
    }

    /// A control file that does not list them is surely there.
    pub(crate) fn end_doubt(&self) {
        for name in std::mem::take(&mut self.swap_left.lock().doubtful) {
            // What stays is removed by the close, or by the next opening.
            let _ = remove_if_there(&self.folder, &name);
        }
    }

    /// Records below this may have gone in this session for newer ones of their keys, which are
    /// below it as well.
    pub(crate) fn compacted_to(&self) -> i64 {
        self.compacted_to.load(Ordering::Acquire)
    }

    /// Step 4: readers get the new segments. The control file lists them.
    pub(crate) fn swap_in(&self, swap: Vec<Replacement>, cleaned_to: i64) {
        let mut writer = self.lock();
        let mut list = self.segments.load().as_slice().to_vec();
        let mut obsolete = Vec::new();
        for group in &swap {
            let Some(first) = list.iter().position(|segment| group.is_source(segment)) else {
                continue;
            };
            let new =
                |state: &SegmentState| Arc::new(Segment::swapped_in(&self.folder, state.clone()));
            list.retain(|segment| !group.is_source(segment));
            list.splice(first..first, group.states.iter().map(new));
            obsolete.append(&mut group.obsolete());
        }
        if !swap.is_empty() {
            // Whoever finds the new segments finds this, too.
            self.compacted_to.fetch_max(cleaned_to, Ordering::AcqRel);
            self.segments.store(Arc::new(Segments::new(list)));
            self.swap_left.lock().obsolete.get_or_insert_default().append(&mut obsolete);
        }
        writer.state.cleaned_to = writer.state.cleaned_to.max(cleaned_to);
        writer.note_change();
        drop(writer);
        for source in swap.into_iter().flat_map(|group| group.sources) {
            // From here on nobody finds it who did not hold it before.
            let has_readers = Arc::strong_count(&source) > 1;
            source.lose_names(has_readers, self.interval_bytes());
        }
    }

    /// Step 5, also of an earlier swap in which it failed.
    ///
    /// # Errors
    /// Those of the disk: call it again. A failed sync poisons.
    ///
    /// # Durability
    /// The names survive power loss when it returns.
    pub(crate) fn finish_swap(&self) -> Result<()> {
        let mut left = self.swap_left.lock();
        let Some(obsolete) = &left.obsolete else { return Ok(()) };
        self.remove_obsolete(obsolete)?;
        for segment in self.segments.load().as_slice() {
            segment.take_own_names().map_err(|error| {
                let what = "cannot give a compacted segment its name";
                self.name(Error::io(error, what).at_file(segment.describe()))
            })?;
        }
        self.sync_folder_of_swap()?;
        left.obsolete = None;
        Ok(())
    }

    /// Removes names that the control file does not list any more.
    fn remove_obsolete(&self, names: &[String]) -> Result<()> {
        names.iter().try_for_each(|name| {
            remove_if_there(&self.folder, name)
                .map_err(|error| self.io(error, "cannot remove what was compacted", name))
        })
    }

    /// What a planted bug does: the sources go before the control file stops listing them.
    pub(crate) fn remove_sources_early(&self, swap: &[Replacement]) -> Result<()> {
        for group in swap {
            self.remove_obsolete(&group.obsolete())?;
            for source in &group.sources {
                self.remove_obsolete(&[source.log.name()])?;
            }
        }
        self.sync_folder_of_swap()
    }

    fn sync_folder_of_swap(&self) -> Result<()> {
        self.folder.vfs.sync_dir(self.folder.name()).map_err(|error| {
            let what = "cannot sync the folder of a compacted partition";
            self.shared.poisoned_by(self.io(error, what, ""))
        })
    }
}

impl Cleaned {
    /// The results, and up to where they are clean.
    pub(crate) fn into_swap(self) -> (Vec<Replacement>, i64) {
        (replacements(self.segments), self.cleaned_to)
    }
}
