//! The seam to the file system: every byte that Ottla stores passes through these two traits.
//!
//! Paths are relative to the data directory, with `/` between at most two names
//! (`orders-0/00000000000000000000.log`); the empty path is the directory itself. Nothing
//! outside of it can be named, and a symbolic link inside of it is refused with an error.
//!
//! # Durability contract
//! What a [`VfsFile`] was given is durable only after a later [`VfsFile::sync_data`] *of the same
//! handle* returned `Ok`. A name that was created, renamed or removed is durable only after
//! [`Vfs::sync_dir`] of the directory that holds it. Until then a crash may keep or lose each
//! such change on its own, in any order, and may tear a write at any 512-byte boundary. After a
//! failed sync nothing is known of what it covered, and a second sync that succeeds proves
//! nothing: callers must treat the first failure as final.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use super::dir_lock::DirLock;
use crate::env::planted::planted;
use crate::error::Result;

/// A directory and what is in it. All methods may run at the same time from any thread.
pub trait Vfs: Send + Sync + Debug {
    /// The path as the user knows it, for messages.
    fn describe(&self, path: &str) -> String;

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists` as the way of opening implies; any error for a symbolic link
    /// or a directory of that name.
    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>>;

    /// The entries of a directory, in no particular order, without `.` and `..`.
    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>>;

    /// What a path names, without following a symbolic link.
    fn metadata(&self, path: &str) -> io::Result<Metadata>;

    /// Makes one directory. Durable after `sync_dir("")`.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Removes an empty directory. Durable after `sync_dir("")`.
    fn remove_dir(&self, path: &str) -> io::Result<()>;

    /// Removes a file's name; open handles go on reading. Durable after `sync_dir` of its directory.
    fn remove_file(&self, path: &str) -> io::Result<()>;

    /// Renames a file or a directory, replacing a file of the new name atomically.
    /// Durable after `sync_dir` of the directory (of both, if they differ).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, directory: &str) -> io::Result<()>;

    /// The bytes that may still be written to this file system.
    fn available_bytes(&self) -> io::Result<u64>;

    /// How many files this process may have open, as far as there is a bound.
    fn descriptor_limit(&self) -> Option<u64> {
        None
    }

    /// Takes the directory's lock; it is released when the returned guard is dropped, and by the
    /// kernel when the process dies.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`](crate::error::ErrorKind::Locked) at once, with the holder's pid where
    /// it is known, if somebody else holds it.
    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>>;
}

/// An open file with positioned reads and writes. All methods may run at the same time.
pub trait VfsFile: Send + Sync + Debug {
    /// Reads at most `buffer.len()` bytes at `position`; 0 means the end of the file. May read
    /// less, and may be interrupted: [`read_exact_at`] and [`read_up_to`] see to that.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes at most `bytes.len()` bytes at `position`, growing the file if needed. May write
    /// less, and may be interrupted: [`write_all_at`] sees to that.
    ///
    /// # Durability
    /// None before [`sync_data`](Self::sync_data); it survives the death of the process.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;

    /// The file's length.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or extends it with zeros. Also releases what [`reserve`](Self::reserve) took
    /// behind the new end.
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes sure that writes in `position..position + length` find space, without changing the
    /// visible length or content.
    ///
    /// # Errors
    /// `StorageFull` without space; `Unsupported` where the file system cannot.
    fn reserve(&self, position: u64, length: u64) -> io::Result<()>;

    /// Makes content and length durable (fdatasync).
    ///
    /// # Errors
    /// Final: see the durability contract of this module.
    fn sync_data(&self) -> io::Result<()>;

    /// A read-only view of the whole file as it is now, or `None` where there are no maps. Only
    /// for files that will never be cut.
    fn map(&self) -> io::Result<Option<Mapping>>;
}

/// The bytes of a mapped file.
pub type Mapping = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// How [`Vfs::open`] opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// For reading and writing, made empty if there is none.
    CreateOrWrite,
    /// For reading and writing; it is an error if it exists.
    CreateNew,
}

/// How [`Vfs::lock`] locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// The one writer; nobody else.
    Exclusive,
    /// One of several readers; no writer. Writes nothing, needs no write permission.
    Shared,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name (with U+FFFD for bytes that are not UTF-8: such a name is never one of ours).
    pub name: String,
    /// What it names.
    pub kind: FileKind,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a socket, a device: nothing of ours.
    Other,
}

/// The result of [`Vfs::metadata`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// The length in bytes.
    pub length: u64,
    /// The time of the last change, in milliseconds since 1970.
    pub modified_ms: i64,
}

/// Reads exactly `buffer.len()` bytes, resuming short and interrupted calls.
///
/// # Errors
/// `UnexpectedEof` if the file ends before.
pub fn read_exact_at(file: &dyn VfsFile, buffer: &mut [u8], position: u64) -> io::Result<()> {
    let read = read_up_to(file, buffer, position)?;
    if read < buffer.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends, resuming short and interrupted calls; returns
/// the bytes read.
pub fn read_up_to(file: &dyn VfsFile, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    let mut interruptions = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) => resume(error, &mut interruptions)?,
        }
    }
    Ok(done)
}

/// Writes all of `bytes`, resuming short and interrupted calls.
///
/// # Errors
/// `WriteZero` if the file takes nothing more; whatever the file says. Some of the bytes may have
/// been written then.
pub fn write_all_at(file: &dyn VfsFile, bytes: &[u8], position: u64) -> io::Result<()> {
    let mut done = 0;
    let mut interruptions = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], position + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) if planted!("short_write_believed") => return Ok(()),
            Ok(written) => done += written,
            Err(error) => resume(error, &mut interruptions)?,
        }
    }
    Ok(())
}

/// No storm of signals interrupts one call so often; a file that always says so is broken.
const INTERRUPTIONS_MAX: u32 = 10_000;

/// Lets an interrupted call be made again.
#[cold]
fn resume(error: io::Error, interruptions: &mut u32) -> io::Result<()> {
    *interruptions += 1;
    if planted!("interrupted_not_resumed") {
        return Err(error);
    }
    if error.kind() == io::ErrorKind::Interrupted && *interruptions <= INTERRUPTIONS_MAX {
        return Ok(());
    }
    Err(error)
}
