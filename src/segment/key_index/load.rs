//! Finding the key index of a segment when it is first asked for: from its file, else by reading
//! the log; and writing it.
//!
//! The file is derived: it is not synced, and a disk that does not take it is no error.

use std::io;
use std::sync::Arc;

use super::super::Segment;
use super::super::indexes::remove_if_there;
use super::super::scan::{Scanned, Scanner};
use super::cache::KeyIndexCache;
use super::growing::GrowingKeys;
use super::sealed::{SealedKeys, log_of};
use super::{SegmentKeys, hash_keys};
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::env::vfs::{OpenHow, write_all_at};
use crate::error::{Error, Result};
use crate::format::control_file::SegmentState;
use crate::format::file_names::Suffix;
use crate::format::key_hash::HashSecret;

/// Whether a batch is no data: one of a transaction that was aborted.
pub(crate) type IsAborted<'a> = dyn Fn(&Entry<'_>) -> Result<bool> + 'a;

impl Segment {
    /// The key index, if it is in memory.
    #[inline]
    pub(crate) fn loaded_keys(&self) -> Option<Arc<SegmentKeys>> {
        let keys = self.keys.load_full();
        if keys.is_some() && !self.keys_used.load(Ordering::Relaxed) {
            self.keys_used.store(true, Ordering::Relaxed);
        }
        keys
    }

    /// Whether the key index is in memory.
    #[inline]
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Gives the segment its key index, or takes it out of memory until it is needed again.
    pub(crate) fn set_keys(&self, keys: Option<Arc<SegmentKeys>>) {
        let _one_at_a_time = self.loading_keys.lock();
        self.keys.store(keys);
    }

    /// Lets go of the index of a sealed segment, unless it was used since the last time.
    pub(super) fn let_go_of_keys(&self) -> bool {
        if self.keys_used.swap(false, Ordering::Relaxed) {
            return false;
        }
        // A segment that was cut is appended to again: then this is not what is to go.
        if let Some(keys) = self.keys.load_full()
            && matches!(*keys, SegmentKeys::Sealed(_))
        {
            self.keys.compare_and_swap(&keys, None);
        }
        true
    }

    /// The key index of a sealed segment: read from its file, or made from the log, when first
    /// asked for. `None` if the segment is not sealed (any more).
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk.
    pub(crate) fn sealed_keys(
        self: &Arc<Self>,
        cache: &KeyIndexCache,
        secret: HashSecret,
        is_aborted: &IsAborted<'_>,
    ) -> Result<Option<Arc<SegmentKeys>>> {
        let _one_at_a_time = self.loading_keys.lock();
        if let Some(keys) = self.loaded_keys() {
            return Ok(Some(keys));
        }
        let state = self.state();
        if !state.sealed {
            return Ok(None);
        }
        let checked = self.keys_checked.load(Ordering::Relaxed);
        let keys = match self.read_keys_file(&state, checked)? {
            Some(keys) => keys,
            None => self.make_sealed_keys(&state, secret, is_aborted)?,
        };
        self.keys_checked.store(true, Ordering::Relaxed);
        let keys = Arc::new(SegmentKeys::Sealed(keys));
        self.keys.store(Some(Arc::clone(&keys)));
        self.keys_used.store(true, Ordering::Relaxed);
        cache.holds(self, keys.size_bytes());
        Ok(Some(keys))
    }

    /// What the file of a sealed segment says is not true: makes it anew.
    ///
    /// # Errors
    /// As [`sealed_keys`](Self::sealed_keys).
    pub(crate) fn replace_keys(
        self: &Arc<Self>,
        secret: HashSecret,
        is_aborted: &IsAborted<'_>,
    ) -> Result<()> {
        let _one_at_a_time = self.loading_keys.lock();
        let state = self.state();
        if !state.sealed {
            return Ok(());
        }
        let keys = self.make_sealed_keys(&state, secret, is_aborted)?;
        self.keys.store(Some(Arc::new(SegmentKeys::Sealed(keys))));
        Ok(())
    }

    fn make_sealed_keys(
        &self,
        state: &SegmentState,
        secret: HashSecret,
        is_aborted: &IsAborted<'_>,
    ) -> Result<SealedKeys> {
        let growing = self.build_keys(state.log_bytes, secret, is_aborted)?;
        let bytes = growing.encode(&log_of(state));
        drop(growing);
        // Held in memory only if the file cannot be had.
        if self.write_keys(&bytes).is_ok()
            && let Ok(Some(keys)) = self.read_keys_file(state, false)
        {
            return Ok(keys);
        }
        SealedKeys::of_bytes(bytes).ok_or_else(|| {
            let message = "the key index that was just made does not hold together";
            Error::new(crate::error::ErrorKind::Corrupt, message).at_file(self.describe())
        })
    }

    /// Reads the first `length` bytes of the log for its keys.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk.
    pub(crate) fn build_keys(
        &self,
        length: u64,
        secret: HashSecret,
        is_aborted: &IsAborted<'_>,
    ) -> Result<GrowingKeys> {
        // An index of what is not as it was written would say wrong offsets.
        if !planted!("keys_of_any_log") {
            self.recognise()?;
            self.prove()?;
        }
        let keys = GrowingKeys::new(secret);
        let (mut hashes, mut scratch) = (Vec::new(), Vec::new());
        let mut scanner = Scanner::new(&self.log, 0, length);
        loop {
            let scanned = scanner.next().map_err(|error| {
                Error::io(error, "cannot read the log for its keys").at_file(self.describe())
            })?;
            let (position, entry) = match scanned {
                Scanned::End => return Ok(keys),
                Scanned::Entry { position, entry } => (position, entry),
                Scanned::Bad { position, error } => {
                    let error = error.into_error().at_file(self.describe());
                    return Err(error.at_position(position));
                }
            };
            if entry.is_transactional() && is_aborted(&entry)? {
                continue;
            }
            hash_keys(&entry, secret, self.base_offset, &mut hashes, &mut scratch).map_err(
                |error| error.into_error().at_file(self.describe()).at_position(position),
            )?;
            let Ok(position) = u32::try_from(position) else {
                let message = "a log of more than 4 GiB has no key index";
                let error = Error::new(crate::error::ErrorKind::Unsupported, message);
                return Err(error.at_file(self.describe()));
            };
            keys.add(position, &hashes, true);
        }
    }

    /// Reads the key index of the active segment so that it can be appended to: from the file of a
    /// clean close if that fits, else from the log.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; those of the disk.
    pub(crate) fn growing_keys(
        &self,
        state: &SegmentState,
        secret: HashSecret,
        is_aborted: &IsAborted<'_>,
    ) -> Result<GrowingKeys> {
        let sealed = self.read_keys_file(state, false)?;
        match sealed.and_then(|sealed| GrowingKeys::of_sealed(&sealed)) {
            Some(growing) => Ok(growing),
            None => self.build_keys(state.log_bytes, secret, is_aborted),
        }
    }

    /// Whether there is a file that names the log as it is described.
    pub(crate) fn has_keys_file(&self, state: &SegmentState) -> bool {
        matches!(self.read_keys_file(state, true), Ok(Some(_)))
    }

    /// The name of the key index if there is a file of that name which does not hold together. One
    /// that is whole and of another log is of an earlier time: nobody believes it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn damaged_keys_file(&self) -> io::Result<Option<String>> {
        if !self.has_keys_name() {
            return Ok(None);
        }
        let name = Suffix::KeyIndex.file(self.base_offset);
        let damaged = SealedKeys::is_damaged(&self.folder, self.base_offset)?;
        Ok(damaged.then_some(name))
    }

    /// Writes the key index of a log, unless the folder was given away.
    ///
    /// # Errors
    /// Those of the disk. What was written of it does not matter: it does not check.
    ///
    /// # Durability
    /// None: what a crash leaves of it does not check, or is right.
    pub(crate) fn write_keys(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.has_keys_name() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = Suffix::KeyIndex.file(self.base_offset);
        let written = self.folder.while_here(|| {
            // A new file: the old one may be mapped.
            remove_if_there(&self.folder, &name)?;
            let file = self.folder.vfs.open(&self.folder.path(&name), OpenHow::CreateNew)?;
            let written = write_all_at(&*file, bytes, 0);
            if written.is_err() {
                let _ = remove_if_there(&self.folder, &name);
            }
            written
        });
        written.unwrap_or(Err(io::ErrorKind::NotFound.into()))
    }

    fn read_keys_file(&self, state: &SegmentState, checked: bool) -> Result<Option<SealedKeys>> {
        if !self.has_keys_name() {
            return Ok(None);
        }
        SealedKeys::read(&self.folder, state, checked)
            .map_err(|error| Error::io(error, "cannot read a key index").at_file(self.describe()))
    }

    /// Whether the file of that name is this segment's: not while compaction is swapping it in,
    /// nor when another segment took its place. Who comes in between does no harm, because a file
    /// names its log.
    fn has_keys_name(&self) -> bool {
        self.ending().is_empty() && !self.log.has_lost_name()
    }
}
