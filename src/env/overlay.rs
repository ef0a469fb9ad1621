//! A directory laid over another one that it never writes to: reads fall through, changes stay in
//! memory. On it a directory that was not closed cleanly can be opened, recovery and all, without
//! changing a byte of it: for reading only, and for `verify`.
//!
//! What is changed is kept in blocks of 4 KiB. A write of the bytes that are there already takes no
//! memory (recovery rewrites much that is right). All blocks together are bounded.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::dir_lock::{DirLock, LocalLock};
use super::overlay_file::{Budget, Layered, OverlayFile};
use super::path::Place;
use super::sync::locks::RwLock;
use super::tree::{Found, Tree};
use super::vfs::{DirectoryEntry, FileKind, LockMode, Metadata, OpenHow, Vfs, VfsFile};
use crate::error::Result;

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
        let budget = Arc::new(Budget::new(limit_bytes));
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
                let length = layered.length(of_base.length);
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

    fn descriptor_limit(&self) -> Option<u64> {
        self.base.descriptor_limit()
    }

    fn available_bytes(&self) -> io::Result<u64> {
        Ok(self.budget.left_bytes())
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

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
