//! One `.log` file and the few descriptors that all of them share.
//!
//! A [`LogFile`] is a slot that holds a descriptor or none; [`DescriptorCache`] closes those that
//! were not used lately, and what was read of the segment's indexes goes with them. Not here: what
//! the bytes mean. The invariant: a descriptor that was written through and not synced since is
//! never closed, because only a sync by that descriptor proves that its writes reached the disk. When
//! those alone are more than the bound, the next writer makes a checkpoint first.
//!
//! A file changes its name only through its slot, so whoever opens it meanwhile finds it. One that
//! loses its name to another file keeps its descriptor until the last reader is done.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};

use arc_swap::Guard;

use super::indexes::Indexes;
use crate::env::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::env::sync::{ArcSwapOption, Mutex, MutexGuard};
use crate::env::vfs::{OpenHow, Vfs, VfsFile, read_up_to};
use crate::format::file_names;

/// How many open descriptors are looked at to find one that can be closed.
const EVICTION_ATTEMPTS_MAX: usize = 64;

/// The folder of a partition, as its files know it.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) descriptors: Arc<DescriptorCache>,
    name: Box<str>,
    /// Set when the folder was given away (its topic is deleted): its name may soon mean another
    /// folder, so nothing is opened or removed by name any more.
    gone: AtomicBool,
    /// Held while somebody without the partition's lock makes a file here by name.
    making: Mutex<()>,
}

impl Folder {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, descriptors: Arc<DescriptorCache>, name: &str) -> Folder {
        Folder {
            vfs,
            descriptors,
            name: name.into(),
            gone: AtomicBool::new(false),
            making: Mutex::new(()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }

    /// The path of a file in the folder, as the user knows it.
    pub(crate) fn describe(&self, file: &str) -> String {
        self.vfs.describe(&self.path(file))
    }

    pub(crate) fn give_away(&self) {
        let _nobody_makes_a_file = self.making.lock();
        self.gone.store(true, Ordering::Release);
    }

    /// Does something by name that needs no lock of the partition, unless the folder is gone.
    pub(crate) fn while_here<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let _not_given_away_meanwhile = self.making.lock();
        if self.is_gone() { None } else { Some(work()) }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// Bounds how many descriptors are open, over all partitions.
#[derive(Debug)]
pub(crate) struct DescriptorCache {
    open_max: usize,
    /// The files that hold a descriptor, the one that was looked at longest ago first.
    open: Mutex<VecDeque<Weak<LogFile>>>,
    /// There are more than the bound, most of them with unsynced bytes.
    crowded: AtomicBool,
    /// The number of the next segment that is made.
    next_serial: AtomicU64,
}

impl DescriptorCache {
    pub(crate) fn new(open_max: usize) -> DescriptorCache {
        DescriptorCache {
            open_max: open_max.max(1),
            open: Mutex::new(VecDeque::new()),
            crowded: AtomicBool::new(false),
            next_serial: AtomicU64::new(1),
        }
    }

    /// A number that tells a segment from every other one of this session, also from one of the
    /// same base offset.
    pub(super) fn next_serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    fn opened(&self, file: &Arc<LogFile>) {
        let mut open = self.open.lock();
        open.push_back(Arc::downgrade(file));
        // Each at most once: a new one must not be closed before whoever opened it has used it.
        let attempts_max = EVICTION_ATTEMPTS_MAX.min(open.len());
        let (mut attempts, mut unsynced) = (0, 0);
        while open.len() > self.open_max && attempts < attempts_max {
            attempts += 1;
            let Some(oldest) = open.pop_front() else { break };
            let Some(candidate) = oldest.upgrade() else { continue };
            unsynced += usize::from(candidate.dirty().is_some());
            if !candidate.try_evict() {
                open.push_back(oldest);
            }
        }
        if open.len() > self.open_max && unsynced * 2 >= attempts {
            self.crowded.store(true, Ordering::Relaxed);
        }
    }

    /// Whether only a sync makes room for more descriptors; true once, for the one who sees to it.
    #[inline]
    pub(crate) fn take_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed) && self.crowded.swap(false, Ordering::Relaxed)
    }
}

const CLEAN: u8 = 0;
const DIRTY: u8 = 1;
const SYNCING: u8 = 2;
const EVICTED: u8 = 3;
/// The file has no name any more: the descriptor is the only way to it.
const PINNED: u8 = 4;

/// An open descriptor of a log.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(crate) file: Arc<dyn VfsFile>,
    writable: bool,
    /// Changed to and from `SYNCING` only by whoever holds the partition's lock or the sync lock.
    state: AtomicU8,
    used: AtomicBool,
}

impl OpenLog {
    /// Says that a write follows. False if the descriptor was given up: open the file again.
    /// Called under the partition's lock.
    #[inline]
    pub(crate) fn mark_dirty(&self) -> bool {
        if self.state.load(Ordering::Acquire) == DIRTY {
            return true;
        }
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state != EVICTED).then_some(DIRTY)
            })
            .is_ok()
    }

    /// Says that a sync follows which covers all writes so far. Called under the partition's
    /// lock, so that no write slips in between unseen: a later write marks the descriptor again.
    pub(crate) fn begin_sync(&self) {
        // Nothing to do for one that is clean: a sync of it does no harm.
        let _ = self.state.compare_exchange(DIRTY, SYNCING, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn is_dirty(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), DIRTY | SYNCING)
    }

    /// Keeps the descriptor from being closed; false if it was given up already.
    fn pin(&self) -> bool {
        self.state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state != EVICTED).then_some(PINNED)
            })
            .is_ok()
    }
}

/// Under which name a log lies in its folder.
#[derive(Debug)]
enum Name {
    /// That of its segment.
    Own,
    Other(Box<str>),
    /// None: it was removed, or another file has it now.
    Lost,
}

/// The `.log` of a segment.
#[derive(Debug)]
pub(crate) struct LogFile {
    folder: Arc<Folder>,
    base_offset: i64,
    /// Held while a descriptor is opened, and while the name changes.
    name: Mutex<Name>,
    slot: ArcSwapOption<OpenLog>,
    /// The indexes of a sealed segment, as long as its log is in use.
    indexes: ArcSwapOption<Indexes>,
    /// Held while a descriptor is synced: one sync at a time.
    syncing: Mutex<()>,
}

impl LogFile {
    pub(crate) fn new(folder: Arc<Folder>, base_offset: i64) -> Arc<LogFile> {
        LogFile::of(folder, base_offset, Name::Own)
    }

    /// A log under another name, such as one that is being swapped in.
    pub(crate) fn named(folder: &Arc<Folder>, base_offset: i64, name: String) -> Arc<LogFile> {
        LogFile::of(Arc::clone(folder), base_offset, Name::Other(name.into()))
    }

    fn of(folder: Arc<Folder>, base_offset: i64, name: Name) -> Arc<LogFile> {
        Arc::new(LogFile {
            folder,
            base_offset,
            name: Mutex::new(name),
            slot: ArcSwapOption::empty(),
            indexes: ArcSwapOption::empty(),
            syncing: Mutex::new(()),
        })
    }

    pub(crate) fn name(&self) -> String {
        self.name_in(&self.name.lock())
    }

    fn name_in(&self, name: &Name) -> String {
        match name {
            Name::Other(name) => name.to_string(),
            Name::Own | Name::Lost => file_names::log_file(self.base_offset),
        }
    }

    /// Gives the file the name of its segment, if it has another one.
    ///
    /// # Durability
    /// None before the folder is synced.
    pub(super) fn take_own_name(&self) -> io::Result<()> {
        let mut name = self.name.lock();
        if let Name::Other(other) = &*name {
            let own = self.folder.path(&file_names::log_file(self.base_offset));
            self.folder.vfs.rename(&self.folder.path(other), &own)?;
            *name = Name::Own;
        }
        Ok(())
    }

    /// The name is about to be removed, or given to another file. Whoever still reads this one
    /// does so through a descriptor that stays open. (Where none is to be had, reading fails.)
    pub(super) fn lose_name(self: &Arc<Self>, has_readers: bool) {
        let mut name = self.name.lock();
        if has_readers && !matches!(*name, Name::Lost) {
            while let Ok(open) = self.open_as(&name, false) {
                if open.pin() {
                    break;
                }
                // It was evicted between the two lines.
                self.forget(&open);
            }
        }
        *name = Name::Lost;
    }

    /// Whether the file has no name any more.
    pub(crate) fn has_lost_name(&self) -> bool {
        matches!(*self.name.lock(), Name::Lost)
    }

    /// Reads until `buffer` is full or the file ends; returns the bytes read.
    #[inline]
    pub(crate) fn read_up_to(
        self: &Arc<Self>,
        buffer: &mut [u8],
        position: u64,
    ) -> io::Result<usize> {
        let slot = self.slot.load();
        if let Some(open) = &*slot {
            if !open.used.load(Ordering::Relaxed) {
                open.used.store(true, Ordering::Relaxed);
            }
            return read_up_to(&*open.file, buffer, position);
        }
        drop(slot);
        read_up_to(&*self.open(false)?.file, buffer, position)
    }

    /// A descriptor for writing, marked dirty. Called under the partition's lock.
    pub(crate) fn writer(self: &Arc<Self>) -> io::Result<Arc<OpenLog>> {
        loop {
            let open = self.open(true)?;
            if open.mark_dirty() {
                return Ok(open);
            }
            // It was evicted between the two lines; the slot is empty or about to be.
            self.forget(&open);
        }
    }

    /// The descriptor through which something was written that no sync covers yet.
    pub(crate) fn dirty(&self) -> Option<Arc<OpenLog>> {
        self.slot.load_full().filter(|open| open.is_dirty())
    }

    /// Makes everything durable that was written through `open` before `begin_sync`.
    pub(crate) fn sync(&self, open: &OpenLog) -> io::Result<()> {
        let _one_at_a_time = self.syncing.lock();
        open.file.sync_data()?;
        // A write that came meanwhile has set it to dirty again: then it stays so.
        let _ = open.state.compare_exchange(SYNCING, CLEAN, Ordering::AcqRel, Ordering::Acquire);
        Ok(())
    }

    /// Keeps the indexes of a sealed segment in memory until the descriptor is closed.
    pub(crate) fn keep_indexes(&self, indexes: &Arc<Indexes>) {
        self.indexes.store(Some(Arc::clone(indexes)));
    }

    #[inline]
    pub(crate) fn kept_indexes(&self) -> Guard<Option<Arc<Indexes>>> {
        self.indexes.load()
    }

    pub(crate) fn forget_indexes(&self) {
        self.indexes.store(None);
    }

    /// Takes over a file that was just made.
    pub(crate) fn adopt(self: &Arc<Self>, file: Arc<dyn VfsFile>) {
        self.install(file, true);
    }

    fn open(self: &Arc<Self>, writable: bool) -> io::Result<Arc<OpenLog>> {
        let name: MutexGuard<'_, Name> = self.name.lock();
        self.open_as(&name, writable)
    }

    /// Opens the file, while its name is locked.
    fn open_as(self: &Arc<Self>, name: &Name, writable: bool) -> io::Result<Arc<OpenLog>> {
        if let Some(open) = self.slot.load_full()
            && (open.writable || !writable)
        {
            return Ok(open);
        }
        if self.folder.is_gone() || matches!(name, Name::Lost) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let how = if writable { OpenHow::Write } else { OpenHow::Read };
        let file = self.folder.vfs.open(&self.folder.path(&self.name_in(name)), how)?;
        Ok(self.install(file, writable))
    }

    fn install(self: &Arc<Self>, file: Arc<dyn VfsFile>, writable: bool) -> Arc<OpenLog> {
        let open = Arc::new(OpenLog {
            file,
            writable,
            state: AtomicU8::new(CLEAN),
            used: AtomicBool::new(true),
        });
        let before = self.slot.swap(Some(Arc::clone(&open)));
        if before.is_none() {
            self.folder.descriptors.opened(self);
        }
        open
    }

    fn try_evict(&self) -> bool {
        let Some(open) = self.slot.load_full() else { return true };
        if open.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        let evicted =
            open.state.compare_exchange(CLEAN, EVICTED, Ordering::AcqRel, Ordering::Acquire);
        if evicted.is_ok() {
            self.forget(&open);
            // A reader may keep them again right after: one set more, until the next eviction.
            self.forget_indexes();
        }
        evicted.is_ok()
    }

    /// Empties the slot if it still holds `open`.
    fn forget(&self, open: &Arc<OpenLog>) {
        self.slot.compare_and_swap(open, None);
    }
}
