//! The lock on a data directory on disk. Three locks are taken, each against somebody else:
//!
//! | lock | against |
//! |---|---|
//! | a registry in this process, by device and inode of the directory | another handle of this process (a child of fork() gets its own registry) |
//! | flock of the directory and of `.lock` | another process with Ottla in it |
//! | the open file's lock of `.lock` (Linux) | a JVM broker, which takes a POSIX lock |
//!
//! The exclusive holder writes its pid into `.lock` so that whoever is refused can name it, and
//! cuts the file to nothing when it lets go. A shared holder writes nothing, makes nothing and
//! needs no permission to write: where there is no `.lock`, the flock of the directory, which the
//! exclusive holder takes too, is where the two meet. (A JVM broker that starts after such a
//! reader does not see it.)
//!
//! The kernel releases everything when the process dies: there are no stale locks.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use super::dir_lock::DirLock;
use super::ofd_lock::{self, OfdLockError};
use super::planted::planted;
use super::sync::locks::Mutex;
use super::vfs::LockMode;
use crate::error::{Error, ErrorKind, Result};

/// The lock file, under the name that a JVM broker uses.
const LOCK_FILE: &str = ".lock";

/// Locks the directory behind the descriptor; `name` is for messages.
pub(super) fn lock_directory(
    directory: BorrowedFd<'_>,
    name: &str,
    mode: LockMode,
) -> Result<Box<dyn DirLock>> {
    let failed = |error: io::Error| Error::io(error, format!("cannot lock the directory {name}"));

    let entry = RegistryEntry::take(directory, name, mode)?;
    // flock belongs to an open file, so each lock opens the directory anew.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = rustix::fs::openat(directory, ".", flags, Mode::empty())
        .map_err(|errno| failed(errno.into()))?;
    let own = File::from(own);
    if !try_flock(&own, mode).map_err(failed)? {
        let holder = recorded_holder(directory);
        return Err(held(name, holder));
    }
    let file = open_lock_file(directory, mode).map_err(failed)?;
    if let Some(file) = &file {
        if !try_flock(file, mode).map_err(failed)? {
            return Err(held(name, recorded_pid(file)));
        }
        match ofd_lock::try_lock(file, mode) {
            Ok(()) => {}
            Err(OfdLockError::Held(pid)) => return Err(held(name, pid.or(recorded_pid(file)))),
            Err(OfdLockError::Io(error)) => return Err(failed(error)),
        }
        if mode == LockMode::Exclusive {
            record_pid(file).map_err(failed)?;
        }
    }
    Ok(Box::new(DiskLock { file, directory: own, mode, entry }))
}

/// Everything that is held. The fields are closed in this order.
#[derive(Debug)]
struct DiskLock {
    file: Option<File>,
    directory: File,
    mode: LockMode,
    entry: RegistryEntry,
}

impl DirLock for DiskLock {
    fn owner_pid(&self) -> u32 {
        self.entry.pid
    }
}

impl Drop for DiskLock {
    fn drop(&mut self) {
        if self.entry.pid != std::process::id() {
            // A child made by fork(): its copies of the descriptors are closed, which leaves the
            // parent's locks alone; to unlock would take them away.
            return;
        }
        // Unlocked explicitly: a child that still has copies of the descriptors must not keep the
        // lock alive. If a step fails there is nobody to tell, and closing the files remains.
        if let Some(file) = &self.file {
            if self.mode == LockMode::Exclusive {
                let _ = file.set_len(0);
            }
            let _ = ofd_lock::unlock(file);
            let _ = fs2::FileExt::unlock(file);
        }
        let _ = fs2::FileExt::unlock(&self.directory);
    }
}

/// Opens `.lock`; only the exclusive mode makes it where it is missing.
fn open_lock_file(directory: BorrowedFd<'_>, mode: LockMode) -> io::Result<Option<File>> {
    let access = match mode {
        LockMode::Exclusive => OFlags::RDWR | OFlags::CREATE,
        LockMode::Shared => OFlags::RDONLY,
    };
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened: OwnedFd =
        match rustix::fs::openat(directory, LOCK_FILE, flags, Mode::from_raw_mode(0o644)) {
            Ok(opened) => opened,
            Err(Errno::NOENT) if mode == LockMode::Shared => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(io::Error::other(".lock is a symbolic link, which is not followed"));
            }
            Err(errno) => return Err(errno.into()),
        };
    let file = File::from(opened);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(".lock is not a file"));
    }
    Ok(Some(file))
}

/// Whether the flock was got. Fully qualified: newer methods of `File` have the same names.
fn try_flock(file: &File, mode: LockMode) -> io::Result<bool> {
    let result = match mode {
        _ if planted!("lock_not_taken") => Ok(()),
        LockMode::Exclusive => fs2::FileExt::try_lock_exclusive(file),
        LockMode::Shared => fs2::FileExt::try_lock_shared(file),
    };
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn record_pid(file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)
}

fn recorded_holder(directory: BorrowedFd<'_>) -> Option<u32> {
    recorded_pid(&open_lock_file(directory, LockMode::Shared).ok()??)
}

/// The pid in the file, if it is that of a living process: a holder that was killed leaves it.
fn recorded_pid(file: &File) -> Option<u32> {
    let mut bytes = [0; 16];
    let read = file.read_at(&mut bytes, 0).ok()?;
    let number: u32 = std::str::from_utf8(&bytes[..read]).ok()?.trim().parse().ok()?;
    let pid = Pid::from_raw(i32::try_from(number).ok()?)?;
    match rustix::process::test_kill_process(pid) {
        Err(Errno::SRCH) => None,
        _ => Some(number),
    }
}

fn held(name: &str, holder: Option<u32>) -> Error {
    let by = match holder {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    };
    Error::new(ErrorKind::Locked, format!("the directory {name} is locked: held by {by}"))
}

/// Device and inode of a directory, whatever path led to it.
type DirectoryId = (u64, u64);

static REGISTRY: ArcSwapOption<Registry> = ArcSwapOption::const_empty();

/// Who holds which directories in this process.
#[derive(Debug)]
struct Registry {
    pid: u32,
    held: Mutex<HashMap<DirectoryId, Holders>>,
    /// The parent's, in a child made by fork(). It stays as it is for ever: a thread that the child
    /// does not have may hold its lock, in the middle of a change.
    _inherited: Option<Arc<Registry>>,
}

/// Who holds one directory in this process.
#[derive(Debug, Default)]
struct Holders {
    exclusive: bool,
    shared: usize,
}

impl Registry {
    fn of_this_process() -> Arc<Registry> {
        let pid = std::process::id();
        loop {
            let found = REGISTRY.load_full();
            if let Some(own) = found.as_ref().filter(|found| found.pid == pid) {
                return Arc::clone(own);
            }
            let _inherited = found.clone();
            let own = Arc::new(Registry { pid, held: Mutex::default(), _inherited });
            REGISTRY.compare_and_swap(&found, Some(own));
        }
    }
}

/// This handle's place in the registry, given back when dropped.
#[derive(Debug)]
struct RegistryEntry {
    id: DirectoryId,
    mode: LockMode,
    pid: u32,
}

impl RegistryEntry {
    fn take(directory: BorrowedFd<'_>, name: &str, mode: LockMode) -> Result<RegistryEntry> {
        let stat = rustix::fs::fstat(directory).map_err(|errno| {
            Error::io(errno.into(), format!("cannot look at the directory {name}"))
        })?;
        #[allow(clippy::useless_conversion, reason = "the widths differ between systems")]
        let id = (u64::from(stat.st_dev), u64::from(stat.st_ino));
        let registry = Registry::of_this_process();
        let pid = registry.pid;
        let mut held = registry.held.lock();
        let holders = held.entry(id).or_default();
        let busy = holders.exclusive || (mode == LockMode::Exclusive && holders.shared > 0);
        if busy {
            return Err(Error::new(
                ErrorKind::Locked,
                format!(
                    "the directory {name} is locked: held by another handle of this process ({pid})"
                ),
            ));
        }
        match mode {
            LockMode::Exclusive => holders.exclusive = true,
            LockMode::Shared => holders.shared += 1,
        }
        Ok(RegistryEntry { id, mode, pid })
    }
}

impl Drop for RegistryEntry {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            return;
        }
        let registry = Registry::of_this_process();
        let mut held = registry.held.lock();
        let Some(holders) = held.get_mut(&self.id) else { return };
        match self.mode {
            LockMode::Exclusive => holders.exclusive = false,
            LockMode::Shared => holders.shared = holders.shared.saturating_sub(1),
        }
        if !holders.exclusive && holders.shared == 0 {
            held.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::process::Command;

    use super::*;

    /// Whether a process that is not ours gets the flock of `.lock`.
    fn a_stranger_gets_it(directory: &std::path::Path) -> bool {
        let path = directory.join(LOCK_FILE);
        Command::new("flock").arg("-n").arg(path).arg("true").status().unwrap().success()
    }

    #[test]
    fn a_forked_child_neither_releases_nor_keeps_the_lock() {
        let scratch = tempfile::tempdir().unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let root =
            rustix::fs::openat(rustix::fs::CWD, scratch.path(), flags, Mode::empty()).unwrap();
        let lock = lock_directory(root.as_fd(), "here", LockMode::Exclusive).unwrap();

        // Two pipes: the child says when it has dropped its copy, and ends when we close ours.
        let (mut from_child, mut to_parent) = io::pipe().unwrap();
        let (mut from_parent, to_child) = io::pipe().unwrap();
        #[expect(unsafe_code, reason = "only fork() makes such a child")]
        // SAFETY: the child calls nothing but close, read, write and _exit, which are safe
        // after fork() in a program with threads; it never returns into the test runner.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(lock);
            let _ = to_parent.write_all(b"x");
            drop(to_child);
            let _ = from_parent.read(&mut [0]);
            #[expect(unsafe_code, reason = "see above")]
            // SAFETY: ends the child without running the parent's destructors.
            unsafe {
                libc::_exit(0)
            }
        }
        assert!(child > 0);
        from_child.read_exact(&mut [0]).unwrap();
        assert!(!a_stranger_gets_it(scratch.path()), "the child released its parent's lock");
        drop(lock);
        assert!(a_stranger_gets_it(scratch.path()), "the child keeps the lock alive");
        drop(to_child);
        rustix::process::waitpid(Pid::from_raw(child), rustix::process::WaitOptions::empty())
            .unwrap();
    }
}
