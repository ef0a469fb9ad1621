//! Handing a message to a thread that sleeps, and a file to a reader that follows it: what any
//! tailing consumer can hope for.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

/// A mailbox with a condition variable.
#[derive(Default)]
pub struct Mailbox {
    letters: Mutex<Vec<u64>>,
    arrived: Condvar,
}

impl Mailbox {
    pub fn put(&self, letter: u64) {
        self.letters.lock().expect("no thread panics with the lock").push(letter);
        self.arrived.notify_one();
    }

    /// Sleeps until there is something, and takes all of it.
    pub fn take(&self, into: &mut Vec<u64>) {
        let mut letters = self.letters.lock().expect("no thread panics with the lock");
        while letters.is_empty() {
            letters = self.arrived.wait(letters).expect("no thread panics with the lock");
        }
        into.append(&mut letters);
    }
}

/// A file that one thread appends to, one `write` a record, and another one reads behind it.
pub struct TailedFile {
    file: File,
    end: AtomicU64,
}

impl TailedFile {
    pub fn create(path: &Path) -> io::Result<TailedFile> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).read(true).write(true).open(path)?;
        Ok(TailedFile { file, end: AtomicU64::new(0) })
    }

    pub fn append(&self, frame: &[u8]) -> io::Result<()> {
        let at = self.end.load(Ordering::Relaxed);
        self.file.write_all_at(frame, at)?;
        self.end.store(at + frame.len() as u64, Ordering::Release);
        Ok(())
    }

    /// Reads what there is from `from` on, at most a buffer full; returns its length.
    pub fn read(&self, from: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.end.load(Ordering::Acquire).saturating_sub(from);
        let length = buffer.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        self.file.read_exact_at(&mut buffer[..length], from)?;
        Ok(length)
    }
}
