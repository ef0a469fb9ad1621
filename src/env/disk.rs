//! The real disk: a data directory, held open by a descriptor.
//!
//! Every name is resolved relative to that descriptor, one component at a time and without
//! following symbolic links, so nothing outside of the directory can be reached through it even
//! while somebody swaps names under our feet. A symbolic link, or anything else that is not a
//! regular file where a file is expected, is an error that says so.
//!
//! A write beyond the file size limit of the process (`RLIMIT_FSIZE`) would bring the signal SIGXFSZ,
//! which kills it by default. So the limit is looked at whenever a directory is opened or space is
//! reserved, and a write beyond it fails here, with `FileTooLarge`: like a full disk.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FallocateFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::dir_lock::DirLock;
use super::disk_lock::lock_directory;
use super::map::map_file;
use super::path::Place;
use super::vfs::{DirectoryEntry, FileKind, LockMode, Mapping, Metadata, OpenHow, Vfs, VfsFile};
use crate::error::{Error, Result};

const NEW_FILE: Mode = Mode::from_raw_mode(0o644);
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o755);

/// The file size limit of this process, as it was when somebody last looked.
static FILE_BYTES_MAX: AtomicU64 = AtomicU64::new(u64::MAX);

fn look_at_file_size_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    FILE_BYTES_MAX.store(limit.unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Whether a file may become so long.
fn check_file_size(end: u64) -> io::Result<()> {
    match end > FILE_BYTES_MAX.load(Ordering::Relaxed) {
        true => Err(Errno::FBIG.into()),
        false => Ok(()),
    }
}

/// A data directory on the disk.
#[derive(Debug)]
pub struct DiskVfs {
    root: OwnedFd,
    /// For messages, and where only a path will do.
    path: PathBuf,
}

impl DiskVfs {
    /// Opens the directory at `path`; makes it, and the directories above it, if `create` says so.
    ///
    /// # Errors
    /// The directory is missing, is not a directory, or may not be read.
    ///
    /// # Durability
    /// The names of directories that were made are synced.
    pub fn open(path: &Path, create: bool) -> Result<DiskVfs> {
        look_at_file_size_limit();
        let path = std::path::absolute(path)
            .map_err(|error| Error::io(error, format!("cannot resolve {}", path.display())))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if create {
            make_with_parents(&path).map_err(|error| {
                Error::io(error, format!("cannot make the directory {}", path.display()))
            })?;
        }
        let root = retry_on_intr(|| rustix::fs::openat(CWD, &path, flags, Mode::empty())).map_err(
            |errno| {
                Error::io(errno.into(), format!("cannot open the directory {}", path.display()))
            },
        )?;
        Ok(DiskVfs { root, path })
    }

    /// Opens a directory that lies in the data directory, for what is beneath it.
    fn open_directory(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::openat(&self.root, name, flags, Mode::empty()))
            .map_err(|errno| explain(&self.root, name, errno, FileKind::Directory))
    }

    /// Runs `act` with the directory that holds the place's last name, and that name.
    fn in_parent<T>(
        &self,
        place: Place<'_>,
        act: impl FnOnce(&OwnedFd, &str) -> io::Result<T>,
    ) -> io::Result<T> {
        match place {
            Place::Root => Err(io::ErrorKind::IsADirectory.into()),
            Place::Top(name) => act(&self.root, name),
            Place::Inside(directory, name) => act(&self.open_directory(directory)?, name),
        }
    }
}

/// Makes a directory and those above it that are missing, each one's name synced before the next
/// is made in it.
fn make_with_parents(path: &Path) -> io::Result<()> {
    match rustix::fs::statat(CWD, path, AtFlags::empty()) {
        Ok(_) => return Ok(()),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let Some(parent) = path.parent() else { return Err(Errno::NOENT.into()) };
    make_with_parents(parent)?;
    match rustix::fs::mkdirat(CWD, path, NEW_DIRECTORY) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = retry_on_intr(|| rustix::fs::openat(CWD, parent, flags, Mode::empty()))?;
    // Else power loss could take the whole data directory with everything acked in it.
    rustix::fs::fsync(&parent)?;
    Ok(())
}

impl Vfs for DiskVfs {
    fn describe(&self, path: &str) -> String {
        self.path.join(path).display().to_string().trim_end_matches('/').to_owned()
    }

    fn open(&self, path: &str, how: OpenHow) -> io::Result<Arc<dyn VfsFile>> {
        let access = match how {
            OpenHow::Read => OFlags::RDONLY,
            OpenHow::Write => OFlags::RDWR,
            OpenHow::CreateOrWrite => OFlags::RDWR | OFlags::CREATE,
            OpenHow::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        // Without NONBLOCK, opening a FIFO would wait for its other end. Files ignore it.
        let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        self.in_parent(Place::of(path)?, |directory, name| {
            let opened = retry_on_intr(|| rustix::fs::openat(directory, name, flags, NEW_FILE))
                .map_err(|errno| explain(directory, name, errno, FileKind::File))?;
            match kind_of(&rustix::fs::fstat(&opened)?) {
                FileKind::File => Ok(Arc::new(DiskFile(File::from(opened))) as Arc<dyn VfsFile>),
                FileKind::Directory => Err(io::ErrorKind::IsADirectory.into()),
                FileKind::Other => Err(not_a_file(name)),
            }
        })
    }

    fn list(&self, directory: &str) -> io::Result<Vec<DirectoryEntry>> {
        match Place::of(directory)? {
            Place::Root => list_directory(&self.root),
            Place::Top(name) => list_directory(&self.open_directory(name)?),
            Place::Inside(..) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        let stat = match Place::of(path)? {
            Place::Root => rustix::fs::fstat(&self.root)?,
            place => self.in_parent(place, |directory, name| {
                Ok(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
            })?,
        };
        Ok(Metadata {
            kind: kind_of(&stat),
            length: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ms: modified_ms(&stat),
        })
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        match Place::of(path)? {
            Place::Top(name) => Ok(rustix::fs::mkdirat(&self.root, name, NEW_DIRECTORY)?),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        match Place::of(path)? {
            Place::Top(name) => Ok(rustix::fs::unlinkat(&self.root, name, AtFlags::REMOVEDIR)?),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        self.in_parent(Place::of(path)?, |directory, name| {
            Ok(rustix::fs::unlinkat(directory, name, AtFlags::empty())?)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let to = Place::of(to)?;
        self.in_parent(Place::of(from)?, |old_directory, old| {
            self.in_parent(to, |new_directory, new| {
                Ok(rustix::fs::renameat(old_directory, old, new_directory, new)?)
            })
        })
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        match Place::of(directory)? {
            Place::Root => Ok(rustix::fs::fsync(&self.root)?),
            Place::Top(name) => Ok(rustix::fs::fsync(self.open_directory(name)?)?),
            Place::Inside(..) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn available_bytes(&self) -> io::Result<u64> {
        fs2::available_space(&self.path)
    }

    fn descriptor_limit(&self) -> Option<u64> {
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current
    }

    fn lock(&self, mode: LockMode) -> Result<Box<dyn DirLock>> {
        lock_directory(self.root.as_fd(), &self.describe(""), mode)
    }
}

fn list_directory(directory: &OwnedFd) -> io::Result<Vec<DirectoryEntry>> {
    let mut entries = Vec::new();
    for entry in retry_on_intr(|| Dir::read_from(directory))? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes == b"." || bytes == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            FileType::Unknown => kind_of_name(directory, entry.file_name())?,
            _ => FileKind::Other,
        };
        entries.push(DirectoryEntry { name: String::from_utf8_lossy(bytes).into_owned(), kind });
    }
    Ok(entries)
}

/// For file systems whose directories do not tell the kind. A name that vanished is nothing of ours.
fn kind_of_name(directory: &OwnedFd, name: &std::ffi::CStr) -> io::Result<FileKind> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(kind_of(&stat)),
        Err(Errno::NOENT) => Ok(FileKind::Other),
        Err(errno) => Err(errno.into()),
    }
}

fn kind_of(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        _ => FileKind::Other,
    }
}

fn modified_ms(stat: &Stat) -> i64 {
    let millis = i64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000;
    stat.st_mtime.saturating_mul(1_000).saturating_add(millis)
}

/// Says what is wrong with a name that could not be opened as the `expected` kind.
fn explain(directory: &OwnedFd, name: &str, errno: Errno, expected: FileKind) -> io::Error {
    if !matches!(errno, Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO | Errno::MLINK) {
        return errno.into();
    }
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| kind_of(&stat))
    {
        Ok(FileKind::Other) => not_a_file(name),
        Ok(FileKind::Directory) if expected == FileKind::File => io::ErrorKind::IsADirectory.into(),
        Ok(_) | Err(_) => errno.into(),
    }
}

fn not_a_file(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "{name} is a symbolic link or a special file, which has no place in a data directory"
        ),
    )
}

/// An open file on the disk.
#[derive(Debug)]
struct DiskFile(File);

impl VfsFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        check_file_size(position.saturating_add(bytes.len() as u64))?;
        self.0.write_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if check_file_size(length).is_err() && length > self.len()? {
            return Err(Errno::FBIG.into());
        }
        // The kernel also gives back what was reserved behind the end, even at the same length.
        self.0.set_len(length)
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        look_at_file_size_limit();
        check_file_size(position.saturating_add(length))?;
        let flags = FallocateFlags::KEEP_SIZE;
        match retry_on_intr(|| rustix::fs::fallocate(&self.0, flags, position, length)) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        // Never tried again here, not even after EINTR: the first failure is final.
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        map_file(&self.0).map(Some)
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
