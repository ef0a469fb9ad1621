//! Locks of an open file description (`F_OFD_SETLK`), the kind that meets the POSIX lock which a
//! JVM broker takes on `.lock`: flock and POSIX locks do not see each other.
//!
//! Unlike a POSIX lock it belongs to the open file, not to the process: closing some other
//! descriptor of the same file does not release it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::vfs::LockMode;

/// Why an attempt to lock failed.
#[derive(Debug)]
pub(super) enum OfdLockError {
    /// Somebody holds it: a process if it is a POSIX lock (a JVM), unknown if it is another
    /// open file's lock.
    Held(Option<u32>),
    /// The system refused the call.
    Io(io::Error),
}

/// Locks the whole file, or says at once that somebody else has it. Released by [`unlock`], or
/// when the last descriptor of this open file is closed.
pub(super) fn try_lock(file: &File, mode: LockMode) -> Result<(), OfdLockError> {
    let kind = lock_type(mode);
    match control(file, libc::F_OFD_SETLK, kind) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            let holder = control(file, libc::F_OFD_GETLK, kind).ok();
            let pid = holder.and_then(|held| u32::try_from(held.l_pid).ok()).filter(|pid| *pid > 0);
            Err(OfdLockError::Held(pid))
        }
        Err(error) => Err(OfdLockError::Io(error)),
    }
}

/// Releases the lock, also for descriptors that a child process inherited.
pub(super) fn unlock(file: &File) -> io::Result<()> {
    control(file, libc::F_OFD_SETLK, libc::F_UNLCK).map(|_| ())
}

fn lock_type(mode: LockMode) -> libc::c_int {
    match mode {
        LockMode::Exclusive => libc::F_WRLCK,
        LockMode::Shared => libc::F_RDLCK,
    }
}

fn control(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::flock> {
    let mut lock = libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(io::Error::other)?,
        l_whence: 0, // SEEK_SET
        l_start: 0,
        l_len: 0, // to the end, however far the file grows
        l_pid: 0, // must be 0 for this kind of lock
    };
    #[expect(unsafe_code, reason = "neither std nor rustix offers this command")]
    // SAFETY: the descriptor is open while `file` is borrowed, and `lock` is a valid flock
    // structure that the kernel reads and, for F_OFD_GETLK, fills before the call returns.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(lock) }
}
