//! One segment: a `.log` with its sparse indexes.
//!
//! Not here: which segments a partition has, and when one is rolled. The invariant: readers need
//! no lock. They see the log up to the published length, and what an index tells them is checked
//! against the log.

pub(crate) mod fetch;
pub(crate) mod growing;
pub(crate) mod indexes;
pub(crate) mod key_index;
pub(crate) mod log_file;
pub(crate) mod offset_index;
pub(crate) mod prove;
pub(crate) mod rebuild;
pub(crate) mod scan;
pub(crate) mod sparse_index;
pub(crate) mod tally;
pub(crate) mod time_index;
pub(crate) mod txn_index;

use std::sync::Arc;

use crate::env::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::env::sync::{ArcSwapOption, Mutex};
use crate::error::{Error, Result};
use crate::format::control_file::SegmentState;
use crate::format::file_names::{SWAP_SUFFIX, Suffix, log_file};
use crate::format::index_entries::AbortedTxn;
use indexes::{Indexes, remove_if_there};
use key_index::SegmentKeys;
use log_file::{Folder, LogFile};

/// What is remembered of a segment without any batch.
pub(crate) fn empty_state(base_offset: i64) -> SegmentState {
    SegmentState {
        base_offset,
        next_offset: base_offset,
        max_timestamp: -1,
        max_timestamp_offset: base_offset,
        first_timestamp: -1,
        ..SegmentState::default()
    }
}

/// A segment. Shared by the writer and all readers; its files go with the last of them, if it was
/// doomed.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) folder: Arc<Folder>,
    pub(crate) base_offset: i64,
    /// Tells it from every other segment of this session.
    pub(crate) serial: u64,
    pub(crate) log: Arc<LogFile>,
    /// Its files are compaction's result and still have the names of one: `.swap` behind the
    /// usual. Changes while `loading` is held.
    swapped_in: AtomicBool,
    /// Readers look at bytes below this only.
    published: AtomicU64,
    /// Those that grow, and those that were rebuilt. What was read from files that will not change
    /// lies beside the descriptor of the log, and goes with it.
    indexes: ArcSwapOption<Indexes>,
    /// Held while the indexes are read, so that one reader does it.
    loading: Mutex<()>,
    /// Which records carry a key, once somebody asked.
    keys: ArcSwapOption<SegmentKeys>,
    /// Since it was last looked at whether they are used.
    keys_used: AtomicBool,
    /// The sum of their file was looked at.
    keys_checked: AtomicBool,
    /// Held while they are read or made, so that one reader does it.
    loading_keys: Mutex<()>,
    /// What is synced; final once the segment is sealed.
    state: Mutex<SegmentState>,
    /// The indexes were rebuilt in memory: the files are to be written again.
    rebuilt: AtomicBool,
    /// The index of aborted transactions could not be read, and a segment alone cannot tell.
    lacks_txn_index: AtomicBool,
    /// The headers of its batches are those that were written.
    proven: AtomicBool,
    /// It was looked at whether the log is this one.
    recognised: AtomicBool,
    /// What is wrong with the log as a whole, for instance its length.
    damage: Option<Error>,
    doomed: AtomicBool,
}

impl Segment {
    /// A segment whose log holds `published` good bytes.
    pub(crate) fn new(
        folder: &Arc<Folder>,
        state: SegmentState,
        published: u64,
        damage: Option<Error>,
    ) -> Segment {
        let log = LogFile::new(Arc::clone(folder), state.base_offset);
        Segment::of(folder, log, state, published, damage)
    }

    /// A sealed segment that compaction made, whose files end in `.swap`.
    pub(crate) fn swapped_in(folder: &Arc<Folder>, state: SegmentState) -> Segment {
        let name = format!("{}{SWAP_SUFFIX}", log_file(state.base_offset));
        let log = LogFile::named(folder, state.base_offset, name);
        let published = state.log_bytes;
        let segment = Segment::of(folder, log, state, published, None);
        segment.swapped_in.store(true, Ordering::Release);
        segment
    }

    fn of(
        folder: &Arc<Folder>,
        log: Arc<LogFile>,
        state: SegmentState,
        published: u64,
        damage: Option<Error>,
    ) -> Segment {
        Segment {
            folder: Arc::clone(folder),
            base_offset: state.base_offset,
            serial: folder.descriptors.next_serial(),
            log,
            swapped_in: AtomicBool::new(false),
            published: AtomicU64::new(published),
            indexes: ArcSwapOption::empty(),
            loading: Mutex::new(()),
            keys: ArcSwapOption::empty(),
            keys_used: AtomicBool::new(false),
            keys_checked: AtomicBool::new(false),
            loading_keys: Mutex::new(()),
            state: Mutex::new(state),
            rebuilt: AtomicBool::new(false),
            lacks_txn_index: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            recognised: AtomicBool::new(false),
            damage,
            doomed: AtomicBool::new(false),
        }
    }

    /// The bytes that readers may look at.
    #[inline]
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn publish(&self, length: u64) {
        self.published.store(length, Ordering::Release);
    }

    /// What is known to be synced.
    pub(crate) fn state(&self) -> SegmentState {
        self.state.lock().clone()
    }

    /// Takes a new state; the index files are as it says.
    pub(crate) fn set_state(&self, state: SegmentState) {
        *self.state.lock() = state;
        self.rebuilt.store(false, Ordering::Release);
    }

    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// The name of the log as the user knows it.
    pub(crate) fn describe(&self) -> String {
        self.folder.describe(&self.log.name())
    }

    /// The indexes; read from their files, or rebuilt, when first asked for.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn indexes(&self, interval_bytes: u64) -> Result<Arc<Indexes>> {
        if let Some(indexes) = &*self.loaded_indexes() {
            return Ok(Arc::clone(indexes));
        }
        let _one_at_a_time = self.loading.lock();
        if let Some(indexes) = &*self.loaded_indexes() {
            return Ok(Arc::clone(indexes));
        }
        let state = self.state();
        let read = if self.log.has_lost_name() {
            // So have its indexes: the files that are there now are another segment's.
            Ok(None)
        } else if state.sealed {
            Indexes::read_sealed(&self.folder, &state, self.ending())
        } else {
            Indexes::read_growing(&self.folder, &state)
        };
        let found = read
            .map_err(|error| Error::io(error, "cannot read an index").at_file(self.describe()))?
            .map(Arc::new);
        if let (Some(indexes), true) = (&found, state.sealed) {
            self.log.keep_indexes(indexes);
            return Ok(Arc::clone(indexes));
        }
        let indexes = match found {
            Some(indexes) => indexes,
            None => Arc::new(self.rebuild(&state, interval_bytes)?),
        };
        self.indexes.store(Some(Arc::clone(&indexes)));
        Ok(indexes)
    }

    fn rebuild(&self, state: &SegmentState, interval_bytes: u64) -> Result<Indexes> {
        self.rebuilt.store(true, Ordering::Release);
        self.lacks_txn_index.store(state.txn_index_bytes > 0, Ordering::Release);
        rebuild::from_log(&self.log, state, self.published(), interval_bytes)
            .map(|rebuilt| rebuilt.indexes)
            .map_err(|error| {
                Error::io(error, "cannot read the log to rebuild its indexes")
                    .at_file(self.describe())
            })
    }

    /// The indexes, if they are in memory: the fast path of a lookup.
    #[inline]
    pub(crate) fn loaded_indexes(&self) -> arc_swap::Guard<Option<Arc<Indexes>>> {
        let growing = self.indexes.load();
        if growing.is_some() { growing } else { self.log.kept_indexes() }
    }

    /// The largest timestamp and the last offset of the batch that carries it. Where no index is
    /// in memory nothing was appended since the state was taken.
    pub(crate) fn max_timestamp(&self) -> (i64, i64) {
        match &*self.indexes.load() {
            // Indexes that were made of what is left of a log know of no more than that.
            Some(indexes) if self.damage.is_none() => indexes.max_timestamp(),
            _ => {
                let state = self.state.lock();
                (state.max_timestamp, state.max_timestamp_offset)
            }
        }
    }

    /// Gives the segment its indexes, or takes them out of memory until they are needed again.
    pub(crate) fn set_indexes(&self, indexes: Option<Arc<Indexes>>) {
        // Waits for a reader that is about to keep what the files held before.
        let _one_at_a_time = self.loading.lock();
        self.indexes.store(indexes);
        self.log.forget_indexes();
    }

    /// Whether the indexes had to be rebuilt, so that their files are to be written again.
    pub(crate) fn was_rebuilt(&self) -> bool {
        self.rebuilt.load(Ordering::Acquire)
    }

    /// The state to describe the segment anew from: what its index files hold for sure.
    pub(crate) fn known_state(&self) -> SegmentState {
        let state = self.state();
        if !self.was_rebuilt() {
            return state;
        }
        SegmentState {
            index_bytes: 0,
            index_sum: 0,
            time_index_bytes: 0,
            time_index_sum: 0,
            txn_index_bytes: 0,
            txn_index_sum: 0,
            ..state
        }
    }

    /// Whether aborted transactions are missing from the index: the partition can make it anew.
    pub(crate) fn lacks_txn_index(&self) -> bool {
        self.lacks_txn_index.load(Ordering::Acquire)
    }

    /// Fills in the aborted transactions that were missing.
    pub(crate) fn set_txn_index(&self, indexes: &Indexes, entries: Vec<AbortedTxn>) {
        let _one_at_a_time = self.loading.lock();
        indexes.txn.replace(entries);
        self.lacks_txn_index.store(false, Ordering::Release);
    }

    /// The indexes in memory are not in their files.
    pub(crate) fn note_rebuilt(&self) {
        self.rebuilt.store(true, Ordering::Release);
    }

    /// Writes indexes that had to be rebuilt, and says so in the state.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn write_rebuilt(&self) -> std::io::Result<()> {
        let Some(indexes) = self.indexes.load_full() else { return Ok(()) };
        indexes.write(&self.folder, self.base_offset, true)?;
        let mut state = self.known_state();
        indexes.describe_in(&mut state);
        self.set_state(state);
        Ok(())
    }

    /// What stands behind the usual names of the segment's files.
    pub(crate) fn ending(&self) -> &'static str {
        if self.swapped_in.load(Ordering::Acquire) { SWAP_SUFFIX } else { "" }
    }

    /// Gives the files of a segment that compaction made their usual names. Does nothing if they
    /// have them; what failed can be tried again.
    ///
    /// # Errors
    /// Those of the disk.
    ///
    /// # Durability
    /// None before the folder is synced.
    pub(crate) fn take_own_names(&self) -> std::io::Result<()> {
        let _no_reading_meanwhile = self.loading.lock();
        if self.swapped_in.load(Ordering::Acquire) {
            let has_aborted = self.state().txn_index_bytes > 0;
            for suffix in [Suffix::TxnIndex, Suffix::TimeIndex, Suffix::Index] {
                if suffix == Suffix::TxnIndex && !has_aborted {
                    continue;
                }
                let own = suffix.file(self.base_offset);
                let from = self.folder.path(&format!("{own}{SWAP_SUFFIX}"));
                match self.folder.vfs.rename(&from, &self.folder.path(&own)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            self.log.take_own_name()?;
            self.swapped_in.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// The names of the files are about to be removed, or given to other files. Readers that still
    /// hold the segment finish.
    pub(crate) fn lose_names(&self, has_readers: bool, interval_bytes: u64) {
        if has_readers {
            // Without it a reader makes them anew from the log.
            let _ = self.indexes(interval_bytes);
        }
        let _no_reading_meanwhile = self.loading.lock();
        self.log.lose_name(has_readers);
    }

    /// Removes the files when the last holder lets go of the segment.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let doomed = self.doomed.load(Ordering::Acquire);
        if !doomed || self.folder.is_gone() || self.log.has_lost_name() {
            return;
        }
        // The log first: an index without its log is removed by the next open. What cannot be
        // removed lies below the durable log start and is removed by the next recovery.
        for suffix in Suffix::OF_SEGMENT {
            let name = format!("{}{}", suffix.file(self.base_offset), self.ending());
            let _ = remove_if_there(&self.folder, &name);
        }
    }
}
