//! The disk of a scenario: the simulated one, in which a write may panic, and which takes its time
//! where threads are real.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ottla::Result;
use ottla::env::dir_lock::DirLock;
use ottla::env::sim::SimDisk;
use ottla::env::vfs::{DirectoryEntry, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile};

use crate::threads::take_time;

/// How many writes to the journal are left until one panics; below zero none does.
#[derive(Clone, Debug)]
pub(crate) struct Panics(Arc<AtomicI64>);

impl Default for Panics {
    fn default() -> Panics {
        Panics(Arc::new(AtomicI64::new(-1)))
    }
}

impl Panics {
    /// The write to the journal behind the next `writes` panics.
    pub(crate) fn after(&self, writes: i64) {
        self.0.store(writes, Ordering::SeqCst);
    }

    fn count(&self) {
        if self.0.load(Ordering::SeqCst) >= 0 && self.0.fetch_sub(1, Ordering::SeqCst) == 0 {
            // Around the panic hook: this one is wanted.
            std::panic::resume_unwind(Box::new("a panic of the leader, on purpose"));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) inner: SimDisk,
    pub(crate) panics: Panics,
}

#[derive(Debug)]
struct File {
    inner: Arc<dyn VfsFile>,
    /// Of the journal.
    panics: Option<Panics>,
}

impl Vfs for Disk {
    fn describe(&self, path: &str) -> String {
        self.inner.describe(path)
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        take_time();
        let panics = path.ends_with(".journal").then(|| self.panics.clone());
        Ok(Arc::new(File { inner: self.inner.open(path, how)?, panics }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        self.inner.list(directory)
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        take_time();
        self.inner.remove_file(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        take_time();
        self.inner.rename(from, to)
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        take_time();
        self.inner.sync_dir(directory)
    }

    fn available_bytes(&self) -> io::Result<u64> {
        self.inner.available_bytes()
    }

    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>> {
        self.inner.lock(mode)
    }
}

impl VfsFile for File {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        take_time();
        if let Some(panics) = &self.panics {
            panics.count();
        }
        self.inner.write_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.inner.set_len(length)
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.inner.reserve(position, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        take_time();
        self.inner.sync_data()
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        self.inner.map()
    }
}
