//! A file of the overlay: the base's bytes, and blocks of what was changed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::sync::locks::Mutex;
use super::vfs::{Mapping, VfsFile, read_up_to};
use crate::error::{Error, ErrorKind};

const BLOCK_BYTES: usize = 4096;

/// A file of the overlay, whatever it is called by now.
#[derive(Debug)]
pub(super) struct Layered {
    /// Where it lies in the base, if it does.
    pub(super) base_path: Option<String>,
    changes: Mutex<Changes>,
}

/// How a file differs from that of the base.
#[derive(Debug)]
struct Changes {
    blocks: BTreeMap<u64, Box<[u8]>>,
    /// The length, once it differs.
    length: Option<u64>,
    /// The base's bytes from here on are hidden by a cut.
    hidden_from: u64,
    budget: Option<Arc<Budget>>,
}

impl Layered {
    pub(super) fn of_base(path: String) -> Layered {
        Layered { base_path: Some(path), changes: Mutex::new(Changes::none(u64::MAX)) }
    }

    pub(super) fn new_file() -> Layered {
        Layered { base_path: None, changes: Mutex::new(Changes::none(0)) }
    }

    /// Its length, if that of the base's file is `base_length`.
    pub(super) fn length(&self, base_length: u64) -> u64 {
        self.changes.lock().length.unwrap_or(base_length)
    }
}

impl Changes {
    fn none(hidden_from: u64) -> Changes {
        Changes { blocks: BTreeMap::new(), length: None, hidden_from, budget: None }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.give_back(self.blocks.len());
        }
    }
}

/// An open file of the overlay.
#[derive(Debug)]
pub(super) struct OverlayFile {
    pub(super) layered: Arc<Layered>,
    pub(super) base: Option<Arc<dyn VfsFile>>,
    pub(super) budget: Arc<Budget>,
    pub(super) writable: bool,
}

impl OverlayFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }

    fn length(&self, changes: &Changes) -> io::Result<u64> {
        match (changes.length, &self.base) {
            (Some(length), _) => Ok(length),
            (None, Some(base)) => base.len(),
            (None, None) => Ok(0),
        }
    }

    /// Fills `part`, which lies within one block, with what is there now.
    fn read_part(&self, changes: &Changes, part: &mut [u8], position: u64) -> io::Result<()> {
        let (index, start) = block_of(position);
        if let Some(block) = changes.blocks.get(&index) {
            part.copy_from_slice(&block[start..start + part.len()]);
            return Ok(());
        }
        let shown = changes.hidden_from.saturating_sub(position).min(part.len() as u64);
        let (from_base, zeros) = part.split_at_mut(usize::try_from(shown).unwrap_or(0));
        let read = match &self.base {
            Some(base) => read_up_to(&**base, from_base, position)?,
            None => 0,
        };
        from_base[read..].fill(0);
        zeros.fill(0);
        Ok(())
    }

    /// Lays `part`, which lies within one block, over what is there now.
    fn write_part(&self, changes: &mut Changes, part: &[u8], position: u64) -> io::Result<()> {
        let (index, start) = block_of(position);
        if !changes.blocks.contains_key(&index) {
            let mut block = vec![0; BLOCK_BYTES].into_boxed_slice();
            self.read_part(changes, &mut block, index * BLOCK_BYTES as u64)?;
            if block[start..start + part.len()] == *part {
                return Ok(());
            }
            self.budget.take()?;
            changes.budget.get_or_insert_with(|| Arc::clone(&self.budget));
            changes.blocks.insert(index, block);
        }
        if let Some(block) = changes.blocks.get_mut(&index) {
            block[start..start + part.len()].copy_from_slice(part);
        }
        Ok(())
    }
}

impl VfsFile for OverlayFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let changes = self.layered.changes.lock();
        if changes.blocks.is_empty()
            && changes.length.is_none()
            && let Some(base) = &self.base
        {
            // Nothing of it was changed, as of most files.
            drop(changes);
            return base.read_at(buffer, position);
        }
        let left = self.length(&changes)?.saturating_sub(position);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < count {
            let at = position + done as u64;
            let part = (count - done).min(BLOCK_BYTES - block_of(at).1);
            self.read_part(&changes, &mut buffer[done..done + part], at)?;
            done += part;
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.check_writable()?;
        let end = match position.checked_add(bytes.len() as u64) {
            Some(end) if i64::try_from(end).is_ok() => end,
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        let mut changes = self.layered.changes.lock();
        let length = self.length(&changes)?;
        let mut done = 0;
        while done < bytes.len() {
            let at = position + done as u64;
            let part = (bytes.len() - done).min(BLOCK_BYTES - block_of(at).1);
            self.write_part(&mut changes, &bytes[done..done + part], at)?;
            done += part;
        }
        if !bytes.is_empty() && end > length {
            changes.length = Some(end);
        }
        Ok(bytes.len())
    }

    fn len(&self) -> io::Result<u64> {
        self.length(&self.layered.changes.lock())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        if i64::try_from(length).is_err() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut changes = self.layered.changes.lock();
        if length < self.length(&changes)? {
            let (index, start) = block_of(length);
            if let Some(block) = changes.blocks.get_mut(&index) {
                block[start..].fill(0);
            }
            let first_behind = if start == 0 { index } else { index + 1 };
            let behind = changes.blocks.split_off(&first_behind);
            self.budget.give_back(behind.len());
            changes.hidden_from = changes.hidden_from.min(length);
        }
        changes.length = Some(length);
        Ok(())
    }

    fn reserve(&self, _position: u64, _length: u64) -> io::Result<()> {
        self.check_writable()
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        let changes = self.layered.changes.lock();
        match &self.base {
            Some(base) if changes.blocks.is_empty() && changes.length.is_none() => base.map(),
            _ => Ok(None),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below BLOCK_BYTES")]
fn block_of(position: u64) -> (u64, usize) {
    (position / BLOCK_BYTES as u64, (position % BLOCK_BYTES as u64) as usize)
}

/// How many bytes of blocks there may be.
#[derive(Debug)]
pub(super) struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit_bytes: u64) -> Budget {
        Budget { limit_bytes, used_bytes: AtomicU64::new(0) }
    }

    pub(super) fn left_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes.load(Ordering::Relaxed))
    }

    fn take(&self) -> io::Result<()> {
        let take = |used: u64| {
            let used = used + BLOCK_BYTES as u64;
            (used <= self.limit_bytes).then_some(used)
        };
        match self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other(Error::new(
                ErrorKind::Limit,
                format!(
                    "the changes that recovery would make exceed {} bytes, the limit of what is \
                     kept in memory; open the directory for writing",
                    self.limit_bytes
                ),
            ))),
        }
    }

    fn give_back(&self, blocks: usize) {
        self.used_bytes.fetch_sub((blocks * BLOCK_BYTES) as u64, Ordering::Relaxed);
    }
}
