//! A directory that lives in memory: for `Broker::in_memory()` and for tests. It obeys the rules
//! of the disk (names, kinds, locks, removed files stay readable) but nothing survives the
//! process, so syncs do nothing. For crashes and faults see the simulated disk.
//!
//! A file is a list of chunks that grow as they are filled: many small files stay small, and a
//! large one is never moved.

use std::io;
use std::sync::Arc;

use super::clock::{Clock, SystemClock};
use super::dir_lock::{DirLock, LocalLock};
use super::path::Place;
use super::sync::RwLock;
use super::tree::{Found, Tree};
use super::vfs::{DirectoryEntry, FileKind, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile};
use crate::error::Result;

const CHUNK_BYTES: usize = 64 * 1024;

/// A data directory in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryVfs {
    tree: Arc<RwLock<Tree<Arc<Stored>>>>,
    lock: LocalLock,
    clock: Arc<dyn Clock>,
}

type Stored = RwLock<Contents>;

impl MemoryVfs {
    /// An empty directory; times of change come from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> MemoryVfs {
        MemoryVfs { tree: Arc::default(), lock: LocalLock::default(), clock }
    }
}

impl Default for MemoryVfs {
    fn default() -> MemoryVfs {
        MemoryVfs::new(Arc::new(SystemClock))
    }
}

impl Vfs for MemoryVfs {
    fn describe(&self, path: &str) -> String {
        if path.is_empty() { "memory:".to_owned() } else { format!("memory:{path}") }
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        let place = Place::of(path)?;
        let stored = match how {
            OpenHow::Read | OpenHow::Write => Arc::clone(self.tree.read().file(place)?),
            OpenHow::CreateOrWrite | OpenHow::CreateNew => {
                let mut tree = self.tree.write();
                match tree.file(place) {
                    Ok(_) if how == OpenHow::CreateNew => {
                        return Err(io::ErrorKind::AlreadyExists.into());
                    }
                    Ok(stored) => Arc::clone(stored),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        let stored = Arc::new(RwLock::new(Contents::new(self.clock.wall_ms())));
                        tree.insert(place, Arc::clone(&stored))?;
                        stored
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let writable = how != OpenHow::Read;
        Ok(Arc::new(MemoryFile { stored, writable, clock: Arc::clone(&self.clock) }))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        let tree = self.tree.read();
        let entry = |(name, file): (&str, Option<&Arc<Stored>>)| DirectoryEntry {
            name: name.to_owned(),
            kind: if file.is_some() { FileKind::File } else { FileKind::Directory },
        };
        Ok(tree.list(Place::of(directory)?)?.into_iter().map(entry).collect())
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        Ok(match self.tree.read().find(Place::of(path)?)? {
            Found::Directory => Metadata { kind: FileKind::Directory, length: 0, modified_ms: 0 },
            Found::File(stored) => {
                let contents = stored.read();
                let (length, modified_ms) = (contents.length, contents.modified_ms);
                Metadata { kind: FileKind::File, length, modified_ms }
            }
        })
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.tree.write().create_dir(Place::of(path)?)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.tree.write().remove_dir(Place::of(path)?)
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        self.tree.write().remove_file(Place::of(path)?).map(|_| ())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.tree.write().rename(Place::of(from)?, Place::of(to)?)
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        self.tree.read().list(Place::of(directory)?).map(|_| ())
    }

    fn available_bytes(&self) -> io::Result<u64> {
        Ok(i64::MAX as u64)
    }

    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>> {
        self.lock.take(mode, "in memory")
    }
}

/// An open file in memory.
#[derive(Debug)]
struct MemoryFile {
    stored: Arc<Stored>,
    writable: bool,
    clock: Arc<dyn Clock>,
}

impl MemoryFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }
}

impl VfsFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(self.stored.read().read_at(buffer, position))
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut contents = self.stored.write();
        contents.write_at(bytes, position)?;
        contents.modified_ms = self.clock.wall_ms();
        Ok(bytes.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.stored.read().length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut contents = self.stored.write();
        contents.set_len(length)?;
        contents.modified_ms = self.clock.wall_ms();
        Ok(())
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.check_writable()?;
        checked_end(position, length).map(|_| ())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

/// The bytes of a file. What a chunk does not hold, below the length, is zeros.
#[derive(Debug)]
struct Contents {
    chunks: Vec<Vec<u8>>,
    length: u64,
    modified_ms: i64,
}

impl Contents {
    fn new(modified_ms: i64) -> Contents {
        Contents { chunks: Vec::new(), length: 0, modified_ms }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> usize {
        let left = usize::try_from(self.length.saturating_sub(position)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let mut rest = &mut buffer[..count];
        let mut position = position;
        while !rest.is_empty() {
            let (index, start) = chunk_of(position);
            let part_bytes = rest.len().min(CHUNK_BYTES - start);
            let (part, behind) = rest.split_at_mut(part_bytes);
            let held = self.chunks.get(index).and_then(|chunk| chunk.get(start..)).unwrap_or(&[]);
            let copied = held.len().min(part.len());
            part[..copied].copy_from_slice(&held[..copied]);
            part[copied..].fill(0);
            rest = behind;
            position += part_bytes as u64;
        }
        count
    }

    fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        let end = checked_end(position, bytes.len() as u64)?;
        let mut rest = bytes;
        let mut position = position;
        while !rest.is_empty() {
            let (index, start) = chunk_of(position);
            let part_bytes = rest.len().min(CHUNK_BYTES - start);
            let (part, behind) = rest.split_at(part_bytes);
            if index >= self.chunks.len() {
                self.chunks.try_reserve(index + 1 - self.chunks.len()).map_err(no_memory)?;
                self.chunks.resize_with(index + 1, Vec::new);
            }
            write_chunk(&mut self.chunks[index], part, start)?;
            rest = behind;
            position += part_bytes as u64;
            self.length = self.length.max(position);
        }
        debug_assert!(bytes.is_empty() || self.length >= end);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let end = checked_end(0, length)?;
        if end < self.length {
            let (index, start) = chunk_of(end);
            self.chunks.truncate(index + 1);
            if let Some(chunk) = self.chunks.get_mut(index) {
                chunk.truncate(start);
                chunk.shrink_to_fit();
            }
        }
        self.length = end;
        Ok(())
    }
}

fn write_chunk(chunk: &mut Vec<u8>, part: &[u8], start: usize) -> io::Result<()> {
    let end = start + part.len();
    if end > chunk.capacity() {
        // Doubling while it is small, then the whole chunk at once.
        let wanted = if end > CHUNK_BYTES / 4 { CHUNK_BYTES } else { (2 * end).max(64) };
        chunk.try_reserve_exact(wanted - chunk.len()).map_err(no_memory)?;
    }
    if chunk.len() < start {
        chunk.resize(start, 0);
    }
    let overlap = (chunk.len() - start).min(part.len());
    chunk[start..start + overlap].copy_from_slice(&part[..overlap]);
    chunk.extend_from_slice(&part[overlap..]);
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "positions were checked against i64::MAX")]
fn chunk_of(position: u64) -> (usize, usize) {
    let chunk_bytes = CHUNK_BYTES as u64;
    ((position / chunk_bytes) as usize, (position % chunk_bytes) as usize)
}

/// The end of a range, if a file may reach so far (as on a disk, up to `i64::MAX`).
fn checked_end(position: u64, length: u64) -> io::Result<u64> {
    match position.checked_add(length) {
        Some(end) if i64::try_from(end).is_ok() => Ok(end),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

fn no_memory(_: std::collections::TryReserveError) -> io::Error {
    io::ErrorKind::OutOfMemory.into()
}

#[cfg(test)]
mod tests {
    use super::super::vfs_tests;
    use super::*;

    #[test]
    fn it_obeys_the_rules_of_a_directory() {
        vfs_tests::check_all(&MemoryVfs::default());
    }

    #[test]
    fn small_files_stay_small_and_large_ones_span_chunks() {
        let mut contents = Contents::new(0);
        contents.write_at(&[7; 30], 0).unwrap();
        assert!(contents.chunks[0].capacity() <= 64);
        let bytes: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        contents.write_at(&bytes, 100).unwrap();
        let mut back = vec![1; 300_000];
        assert_eq!(contents.read_at(&mut back, 0), 200_100);
        assert_eq!(&back[..30], [7; 30]);
        assert_eq!(&back[30..100], [0; 70]);
        assert_eq!(&back[100..200_100], bytes);
    }

    #[test]
    fn a_write_far_away_is_an_error_not_an_abort() {
        let mut contents = Contents::new(0);
        assert!(contents.write_at(b"x", u64::MAX).is_err());
        assert!(contents.write_at(b"x", i64::MAX as u64 - 8).is_err());
        assert_eq!(contents.length, 0);
    }
}
