//! A directory laid over another one that it never writes to: reads fall through, changes stay in
//! memory. On it a directory that was not closed cleanly can be opened, recovery and all, without
//! changing a byte of it: for reading only, and for `verify`.
//!
//! What is changed is kept in blocks of 4 KiB. A write of the bytes that are there already takes no
//! memory (recovery rewrites much that is right). All blocks together are bounded.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::dir_lock::{DirLock, LocalLock};
use super::path::Place;
use super::tree::{Found, Tree};
use super::vfs::{
    DirectoryEntry, FileKind, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile, read_up_to,
};
use crate::error::{Error, ErrorKind, Result};

const BLOCK_BYTES: usize = 4096;

/// A directory whose changes stay in memory.
#[derive(Debug)]
pub struct OverlayVfs {
    base: Arc<dyn Vfs>,
    names: RwLock<Names>,
    budget: Arc<Budget>,
    lock: LocalLock,
}

#[derive(Debug)]
struct Names {
    tree: Tree<Entry>,
    /// Directories of the base, under their present names, whose files are not in the tree yet.
    unlisted: BTreeMap<String, String>,
}

/// What a name of the overlay stands for, directories aside.
#[derive(Clone, Debug)]
enum Entry {
    File(Arc<Layered>),
    /// Nothing of ours, under this path in the base.
    Other(String),
}

/// How many bytes of blocks there may be.
#[derive(Debug)]
struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl OverlayVfs {
    /// Lays a directory over `base`; no more than `limit_bytes` of changes are kept.
    ///
    /// # Errors
    /// The base cannot be listed.
    pub fn new(base: Arc<dyn Vfs>, limit_bytes: u64) -> io::Result<OverlayVfs> {
        let mut names = Names { tree: Tree::default(), unlisted: BTreeMap::new() };
        for entry in base.list("")? {
            match entry.kind {
                FileKind::Directory => {
                    names.tree.create_dir(Place::Top(&entry.name))?;
                    names.unlisted.insert(entry.name.clone(), entry.name);
                }
                kind => {
                    let of_base = Entry::of_base(kind, &entry.name);
                    names.tree.insert(Place::Top(&entry.name), of_base)?;
                }
            }
        }
        let budget = Arc::new(Budget { limit_bytes, used_bytes: AtomicU64::new(0) });
        Ok(OverlayVfs { base, names: RwLock::new(names), budget, lock: LocalLock::default() })
    }

    /// Runs `act` on the names, those of the concerned directories being listed.
    fn with_names<T>(
        &self,
        places: &[Place<'_>],
        act: impl FnOnce(&mut Names) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut names = self.names.write();
        for place in places {
            if let Place::Top(directory) | Place::Inside(directory, _) = place {
                names.list_base(&*self.base, directory)?;
            }
        }
        act(&mut names)
    }
}

impl Names {
    /// Puts the base's files of a directory into the tree, unless they are there already.
    fn list_base(&mut self, base: &dyn Vfs, directory: &str) -> io::Result<()> {
        let Some(base_name) = self.unlisted.get(directory) else { return Ok(()) };
        for entry in base.list(base_name)? {
            let path = format!("{base_name}/{}", entry.name);
            let place = Place::Inside(directory, &entry.name);
            self.tree.insert(place, Entry::of_base(entry.kind, &path))?;
        }
        self.unlisted.remove(directory);
        Ok(())
    }
}

impl Entry {
    fn of_base(kind: FileKind, path: &str) -> Entry {
        match kind {
            FileKind::File => Entry::File(Arc::new(Layered::of_base(path.to_owned()))),
            // A directory below a directory is nothing of ours either.
            FileKind::Directory | FileKind::Other => Entry::Other(path.to_owned()),
        }
    }
}

impl Budget {
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

impl Vfs for OverlayVfs {
    fn describe(&self, path: &str) -> String {
        self.base.describe(path)
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        let place = Place::of(path)?;
        let creates = matches!(how, OpenHow::CreateOrWrite | OpenHow::CreateNew);
        let entry = self.with_names(&[place], |names| match names.tree.file(place) {
            Ok(_) if how == OpenHow::CreateNew => Err(io::ErrorKind::AlreadyExists.into()),
            Ok(entry) => Ok(entry.clone()),
            Err(error) if creates && error.kind() == io::ErrorKind::NotFound => {
                let entry = Entry::File(Arc::new(Layered::new_file()));
                names.tree.insert(place, entry.clone())?;
                Ok(entry)
            }
            Err(error) => Err(error),
        })?;
        let layered = match entry {
            Entry::File(layered) => layered,
            Entry::Other(base_path) => {
                // The base says best what is wrong with it.
                self.base.open(&base_path, OpenHow::Read)?;
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        let base = match &layered.base_path {
            Some(base_path) => Some(self.base.open(base_path, OpenHow::Read)?),
            None => None,
        };
        let budget = Arc::clone(&self.budget);
        Ok(Arc::new(OverlayFile { layered, base, budget, writable: how != OpenHow::Read }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        let place = Place::of(directory)?;
        self.with_names(&[place], |names| {
            let entry = |(name, entry): (&str, Option<&Entry>)| DirectoryEntry {
                name: name.to_owned(),
                kind: match entry {
                    None => FileKind::Directory,
                    Some(Entry::File(_)) => FileKind::File,
                    Some(Entry::Other(_)) => FileKind::Other,
                },
            };
            Ok(names.tree.list(place)?.into_iter().map(entry).collect())
        })
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        let place = Place::of(path)?;
        // A look at a directory itself needs no list of what is in it.
        let listed = if let Place::Top(_) = place { Place::Root } else { place };
        let entry = self.with_names(&[listed], |names| match names.tree.find(place)? {
            Found::File(entry) => Ok(Some(entry.clone())),
            Found::Directory => Ok(None),
        })?;
        match entry {
            None => Ok(Metadata { kind: FileKind::Directory, length: 0, modified_ms: 0 }),
            Some(Entry::Other(base_path)) => {
                Ok(Metadata { kind: FileKind::Other, ..self.base.metadata(&base_path)? })
            }
            Some(Entry::File(layered)) => {
                let of_base = match &layered.base_path {
                    Some(base_path) => self.base.metadata(base_path)?,
                    None => Metadata { kind: FileKind::File, length: 0, modified_ms: 0 },
                };
                let length = layered.changes.lock().length(of_base.length);
                Ok(Metadata { length, ..of_base })
            }
        }
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let place = Place::of(path)?;
        self.with_names(&[], |names| names.tree.create_dir(place))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let place = Place::of(path)?;
        self.with_names(&[place], |names| names.tree.remove_dir(place))
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        let place = Place::of(path)?;
        self.with_names(&[place], |names| names.tree.remove_file(place).map(|_| ()))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (Place::of(from)?, Place::of(to)?);
        self.with_names(&[from, to], |names| names.tree.rename(from, to))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        let place = Place::of(directory)?;
        self.with_names(&[], |names| match names.tree.find(place)? {
            Found::Directory => Ok(()),
            Found::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    fn available_bytes(&self) -> io::Result<u64> {
        let used = self.budget.used_bytes.load(Ordering::Relaxed);
        Ok(self.budget.limit_bytes.saturating_sub(used))
    }

    /// Takes the base's lock in shared mode whatever is asked for, since nothing is written there;
    /// among the handles of this overlay the asked mode holds.
    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>> {
        let own = self.lock.take(mode, &self.base.describe(""))?;
        let of_base = self.base.lock(LockMode::Shared)?;
        Ok(Box::new(BothLocks { own, of_base }))
    }
}

#[derive(Debug)]
struct BothLocks {
    #[expect(dead_code, reason = "held until dropped")]
    own: Box<dyn DirLock>,
    of_base: Box<dyn DirLock>,
}

impl DirLock for BothLocks {
    fn owner_pid(&self) -> u32 {
        self.of_base.owner_pid()
    }
}

/// A file of the overlay, whatever it is called by now.
#[derive(Debug)]
struct Layered {
    /// Where it lies in the base, if it does.
    base_path: Option<String>,
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
    fn of_base(path: String) -> Layered {
        Layered { base_path: Some(path), changes: Mutex::new(Changes::none(u64::MAX)) }
    }

    fn new_file() -> Layered {
        Layered { base_path: None, changes: Mutex::new(Changes::none(0)) }
    }
}

impl Changes {
    fn none(hidden_from: u64) -> Changes {
        Changes { blocks: BTreeMap::new(), length: None, hidden_from, budget: None }
    }

    fn length(&self, base_length: u64) -> u64 {
        self.length.unwrap_or(base_length)
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
struct OverlayFile {
    layered: Arc<Layered>,
    base: Option<Arc<dyn VfsFile>>,
    budget: Arc<Budget>,
    writable: bool,
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

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
