//! The lock on a data directory: the guard that [`Vfs::lock`](super::vfs::Vfs::lock) hands out,
//! and the rule of who excludes whom among the handles of one process.

use std::sync::Arc;

use super::sync::locks::Mutex;
use super::vfs::LockMode;
use crate::error::{Error, ErrorKind, Result};

/// Holds the directory's lock until dropped.
pub trait DirLock: Send + Sync + std::fmt::Debug {
    /// The process that took the lock. In a child made by `fork()` this is not the child: such a
    /// handle must not be used, and dropping it leaves the parent's lock alone.
    fn owner_pid(&self) -> u32 {
        std::process::id()
    }
}

/// The lock of a directory that exists in this process only (memory, simulation): one exclusive
/// holder, or any number of shared ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalLock(Arc<Mutex<Holders>>);

#[derive(Debug, Default)]
struct Holders {
    exclusive: bool,
    shared: usize,
}

#[derive(Debug)]
struct LocalGuard {
    holders: Arc<Mutex<Holders>>,
    mode: LockMode,
}

impl LocalLock {
    /// Takes the lock, or says at once who has it.
    pub(crate) fn take(&self, mode: LockMode, directory: &str) -> Result<Box<dyn DirLock>> {
        let mut holders = self.0.lock();
        let free = match mode {
            LockMode::Exclusive => !holders.exclusive && holders.shared == 0,
            LockMode::Shared => !holders.exclusive,
        };
        if !free {
            return Err(held_by_this_process(directory));
        }
        match mode {
            LockMode::Exclusive => holders.exclusive = true,
            LockMode::Shared => holders.shared += 1,
        }
        drop(holders);
        Ok(Box::new(LocalGuard { holders: Arc::clone(&self.0), mode }))
    }
}

fn held_by_this_process(directory: &str) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!(
            "the directory {directory} is locked: held by another handle of this process ({})",
            std::process::id()
        ),
    )
}

impl DirLock for LocalGuard {}

impl Drop for LocalGuard {
    fn drop(&mut self) {
        let mut holders = self.holders.lock();
        match self.mode {
            LockMode::Exclusive => holders.exclusive = false,
            LockMode::Shared => holders.shared -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_excludes_everybody_and_readers_exclude_the_writer() {
        let lock = LocalLock::default();
        let writer = lock.take(LockMode::Exclusive, "here").unwrap();
        let refused = lock.take(LockMode::Exclusive, "here").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(refused.to_string().contains("another handle of this process"), "{refused}");
        assert!(lock.take(LockMode::Shared, "here").is_err());
        drop(writer);
        let one = lock.take(LockMode::Shared, "here").unwrap();
        let two = lock.take(LockMode::Shared, "here").unwrap();
        assert!(lock.take(LockMode::Exclusive, "here").is_err());
        drop(one);
        assert!(lock.take(LockMode::Exclusive, "here").is_err());
        drop(two);
        assert!(lock.take(LockMode::Exclusive, "here").is_ok());
    }
}
