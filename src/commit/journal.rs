//! The commit journal: preallocated files that are written front to back and then recycled.
//!
//! One frame holds what one group of writers commits, for any number of partitions; the
//! fdatasync behind it is the commit point of all of them. docs/FORMAT.md has the bytes,
//! docs/DURABILITY.md the protocol. A file is overwritten in place: its blocks exist and hold
//! zeros before the first frame is written, because syncing an overwritten block costs about half
//! of syncing a file that grows.
//!
//! Invariant: the frames of a session have consecutive LSNs, a frame is written only after the
//! one before it was synced, a file is begun durably before anything relies on it, and is
//! overwritten only when a checkpoint made every frame in it unnecessary.

use std::sync::Arc;

use crate::commit::closed_files::sum_of_range;
use crate::env::Env;
use crate::env::planted::planted;
use crate::env::sync::atomic::{AtomicU64, Ordering};
use crate::env::vfs::{OpenHow, Vfs, VfsFile, read_up_to, write_all_at};
use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32c;
use crate::format::control_file::JournalPosition;
use crate::format::file_names;
use crate::format::file_sum::FileSum;
use crate::format::journal_frame::{BLOCK_BYTES, FileHeader, FrameBuilder, padded};

/// Zeros for preallocation, written in pieces of this size.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The smallest journal file: a few single-record frames.
const FILE_BYTES_MIN: u64 = 64 * 1024;

/// How big the journal may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalOptions {
    /// The length of a journal file, in bytes.
    pub(crate) file_bytes: u64,
    /// How many files there may be; at least two, so that one can be written while the other is
    /// being made unnecessary.
    pub(crate) files_max: usize,
    /// The largest frame; a file grows if one needs more than `file_bytes`.
    pub(crate) frame_bytes_max: u64,
}

/// The journal of one session.
#[derive(Debug)]
pub(crate) struct Journal {
    env: Env,
    options: JournalOptions,
    slots: Vec<Slot>,
    /// Where the next frame goes; the file is `current`.
    next: JournalPosition,
    /// The slot that holds file `next.file`, once that file was begun.
    current: Option<usize>,
    /// The newest LSN that was synced.
    synced_lsn: u64,
    /// Files below this number hold nothing that replay would need. Raised by checkpoints.
    oldest_needed: Arc<AtomicU64>,
    frame: FrameBuilder,
}

/// One journal file, whatever it holds at the moment.
#[derive(Debug)]
struct Slot {
    name: String,
    file: Option<Arc<dyn VfsFile>>,
    length: u64,
    /// The number of the journal file that it holds in this session, 0 if none.
    number: u64,
    /// How much of it was ever written: behind that are zeros.
    used: u64,
    /// The sum of that at the last clean close, while nothing was written since.
    sum: Option<u32>,
}

/// Whether the next frame can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Yes.
    Ready,
    /// Every file is full of frames that a replay would need: checkpoint first.
    NeedsCheckpoint,
}

/// A frame that was written and waits for its sync.
#[derive(Debug)]
#[must_use]
pub(crate) struct WrittenFrame {
    length: u64,
    crc: u32,
}

impl Journal {
    /// The journal of a directory, before its first frame of this session. Writes nothing.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn new(env: &Env, options: JournalOptions) -> Result<Journal> {
        let entries =
            env.vfs.list("").map_err(|e| Error::io(e, "cannot list the data directory"))?;
        let mut slots = Vec::new();
        for entry in entries {
            if file_names::parse_journal_file(&entry.name).is_some() {
                let metadata = env.vfs.metadata(&entry.name).map_err(|e| {
                    Error::io(e, "cannot look at a journal file").at_file(&entry.name)
                })?;
                slots.push(Slot {
                    name: entry.name,
                    file: None,
                    length: metadata.length,
                    number: 0,
                    used: metadata.length,
                    sum: None,
                });
            }
        }
        slots.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Journal {
            env: env.clone(),
            options,
            slots,
            next: JournalPosition::default(),
            current: None,
            synced_lsn: 0,
            oldest_needed: Arc::new(AtomicU64::new(0)),
            frame: FrameBuilder::default(),
        })
    }

    /// Starts a session with a fresh salt; returns where its replay would begin. The caller makes
    /// that position durable before the first frame.
    pub(crate) fn begin_session(&mut self, salt: u64) -> JournalPosition {
        // The chain of checksums starts from the salt, so that no frame of another session fits.
        let crc = (salt ^ (salt >> 32)) as u32;
        let salt = if planted!("same_salt") { 1 } else { salt };
        self.next = JournalPosition { salt, file: 1, position: BLOCK_BYTES as u64, lsn: 1, crc };
        self.current = None;
        self.synced_lsn = 0;
        for slot in &mut self.slots {
            slot.number = 0;
        }
        self.oldest_needed.store(1, Ordering::Release);
        self.next
    }

    /// The counter that a checkpoint raises when it made files unnecessary.
    pub(crate) fn oldest_needed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.oldest_needed)
    }

    /// Where the next frame goes: everything before it is synced.
    pub(crate) fn position(&self) -> JournalPosition {
        self.next
    }

    /// The largest frame that can ever be written.
    pub(crate) fn frame_bytes_max(&self) -> u64 {
        self.options.frame_bytes_max
    }

    /// Makes sure that a frame of `frame_bytes` has room, beginning the next file if needed.
    ///
    /// # Errors
    /// `Limit` for a frame that no file may hold, `NoSpace` if a file cannot be preallocated.
    pub(crate) fn make_room(&mut self, frame_bytes: u64) -> Result<Room> {
        let needed = padded(frame_bytes);
        if needed > self.options.frame_bytes_max {
            let limit = self.options.frame_bytes_max;
            let message = format!(
                "a commit of {frame_bytes} bytes exceeds ottla.commit.max.bytes, which is {limit}"
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if let Some(slot) = self.current
            && self.next.position + needed <= self.slots[slot].length
        {
            return Ok(Room::Ready);
        }
        let Some(slot) = self.free_slot() else { return Ok(Room::NeedsCheckpoint) };
        self.preallocate(slot, BLOCK_BYTES as u64 + needed)?;
        self.begin_file(slot)?;
        Ok(Room::Ready)
    }

    /// A file that may be overwritten, or a place for a new one.
    fn free_slot(&mut self) -> Option<usize> {
        let oldest_needed = self.oldest_needed.load(Ordering::Acquire);
        let free = |slot: &Slot| {
            let early = planted!("journal_recycled_early") && slot.number != self.next.file;
            let recycled = early || slot.number < oldest_needed;
            slot.number == 0 || recycled
        };
        if let Some(index) = self.slots.iter().position(free)
            && Some(index) != self.current
        {
            return Some(index);
        }
        if self.slots.len() >= self.options.files_max.max(2) {
            return None;
        }
        let taken = |name: &String| self.slots.iter().any(|slot| slot.name == *name);
        let name = (0..).map(file_names::journal_file).find(|name| !taken(name))?;
        self.slots.push(Slot { name, file: None, length: 0, number: 0, used: 0, sum: None });
        Some(self.slots.len() - 1)
    }

    /// Gives the file blocks that hold zeros up to its full length.
    fn preallocate(&mut self, index: usize, bytes_min: u64) -> Result<()> {
        let wanted = self.wanted_length(bytes_min)?;
        let slot = &mut self.slots[index];
        let failed =
            |e, name: &str| Error::io(e, "cannot preallocate a journal file").at_file(name);
        let file = match &slot.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = self
                    .env
                    .vfs
                    .open(&slot.name, OpenHow::CreateOrWrite)
                    .map_err(|e| failed(e, &slot.name))?;
                slot.file = Some(Arc::clone(&file));
                file
            }
        };
        if slot.length >= bytes_min {
            return Ok(());
        }
        let mut position = slot.length;
        while position < wanted {
            let piece = ((wanted - position) as usize).min(ZEROS.len());
            if let Err(error) = write_all_at(&*file, &ZEROS[..piece], position) {
                // What was written stays zeros behind the old length; give the space back.
                let _ = file.set_len(slot.length);
                return Err(failed(error, &slot.name));
            }
            position += piece as u64;
        }
        // 1. The zeros: a frame that is acked must not depend on a length that is not durable.
        file.sync_data().map_err(|e| final_failure(&e, &slot.name))?;
        // 2. The name: a journal that is not there after a crash replays nothing.
        self.env.vfs.sync_dir("").map_err(|e| final_failure(&e, &slot.name))?;
        slot.length = wanted;
        Ok(())
    }

    /// The configured length, less on a disk where that would take much of what is left.
    fn wanted_length(&self, bytes_min: u64) -> Result<u64> {
        let available = self
            .env
            .vfs
            .available_bytes()
            .map_err(|e| Error::io(e, "cannot ask for the free space of the disk"))?;
        let modest = (available / 16).max(FILE_BYTES_MIN) / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        Ok(self.options.file_bytes.min(modest).max(bytes_min))
    }

    /// Writes the header of the next file, durably: the commit that it is begun for may come to
    /// nothing, and then the control file may say that replay begins here, or the next frame may
    /// need a file of its own. A replay that does not find a file looks no further.
    fn begin_file(&mut self, index: usize) -> Result<()> {
        let number = if self.current.is_some() { self.next.file + 1 } else { self.next.file };
        let header = FileHeader { number, salt: self.next.salt, first_lsn: self.next.lsn };
        let slot = &mut self.slots[index];
        let file = slot.file.as_ref().expect("preallocated just before");
        write_all_at(&**file, &header.encode(), 0)
            .map_err(|e| Error::io(e, "cannot begin a journal file").at_file(&slot.name))?;
        if !planted!("file_begun_without_sync") {
            file.sync_data().map_err(|e| final_failure(&e, &slot.name))?;
        }
        slot.number = number;
        slot.note_written(BLOCK_BYTES as u64);
        self.current = Some(index);
        self.next.file = number;
        self.next.position = BLOCK_BYTES as u64;
        Ok(())
    }

    /// The frame under construction; `start` it first.
    pub(crate) fn frame(&mut self) -> &mut FrameBuilder {
        &mut self.frame
    }

    /// Writes the frame that was built. [`make_room`](Self::make_room) said `Ready` before.
    ///
    /// # Errors
    /// The frame is not in the journal then, and never will be: it was erased and the erasure
    /// synced. `Poisoned` if even that failed, so that nobody knows.
    ///
    /// # Durability
    /// None before [`sync`](Self::sync).
    pub(crate) fn write(&mut self) -> Result<WrittenFrame> {
        let index = self.current.expect("make_room began a file");
        let slot = &mut self.slots[index];
        let (bytes, crc) =
            self.frame.finish(self.next.salt, self.next.lsn, self.synced_lsn, self.next.crc);
        let length = bytes.len() as u64;
        slot.note_written(self.next.position + length);
        let file = slot.file.as_ref().expect("the current file is open");
        debug_assert!(self.next.position + length <= slot.length, "make_room was asked for less");
        match write_all_at(&**file, bytes, self.next.position) {
            Ok(()) => Ok(WrittenFrame { length, crc }),
            Err(error) => {
                let failed =
                    Error::io(error, "cannot write the commit journal").at_file(&slot.name);
                Err(self.erase(failed))
            }
        }
    }

    /// Undoes a frame whose write failed. A frame that lay there in full, although the write of it
    /// reported an error, would be replayed after a crash over whatever was acked meanwhile.
    fn erase(&self, failed: Error) -> Error {
        if planted!("failed_frame_not_erased") {
            return failed;
        }
        let slot = &self.slots[self.current.expect("a frame was being written")];
        let file = slot.file.as_ref().expect("the current file is open");
        let erased = write_all_at(&**file, &ZEROS[..BLOCK_BYTES], self.next.position)
            .and_then(|()| file.sync_data());
        match erased {
            Ok(()) => failed,
            Err(error) => Error::new(
                ErrorKind::Poisoned,
                format!("{failed}, nor can the half-written frame be erased: {error}"),
            ),
        }
    }

    /// Makes the written frame durable: the commit point.
    ///
    /// # Errors
    /// Final: the frame's outcome is unknown until the directory is opened anew.
    pub(crate) fn sync(&mut self, frame: &WrittenFrame) -> Result<()> {
        let slot = &self.slots[self.current.expect("a frame was written")];
        let file = slot.file.as_ref().expect("the current file is open");
        let synced = if planted!("ack_before_sync") { Ok(()) } else { file.sync_data() };
        let again = |e| if planted!("retried_sync") { file.sync_data() } else { Err(e) };
        synced
            .or_else(again)
            .map_err(|e| Error::io(e, "cannot sync the commit journal").at_file(&slot.name))?;
        self.synced_lsn = self.next.lsn;
        self.next.lsn += 1;
        self.next.position += frame.length;
        self.next.crc = frame.crc;
        Ok(())
    }

    /// Takes over what the last clean close remembered of the files.
    pub(crate) fn know_sums(&mut self, sums: &[FileSum]) {
        for slot in &mut self.slots {
            let known = sums.iter().find(|sum| sum.path == slot.name && sum.length <= slot.length);
            if let Some(known) = known {
                (slot.used, slot.sum) = (known.length, Some(known.sum));
            }
        }
    }

    /// Length and sum of what was ever written to each file, as [`reset`](Self::reset) will leave
    /// it. A file that cannot be read is left out.
    pub(crate) fn sums(&self) -> Vec<FileSum> {
        let sum_of = |slot: &Slot| {
            let sum = slot.sum.or_else(|| slot.sum_without_header(&*self.env.vfs))?;
            Some(FileSum { path: slot.name.clone(), length: slot.used, sum })
        };
        self.slots.iter().filter_map(sum_of).collect()
    }

    /// Takes the headers off all files, durably: nothing is left that could be replayed.
    ///
    /// # Errors
    /// If a file cannot be written or synced.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for slot in &mut self.slots {
            let emptied = match slot.file.take() {
                Some(file) => take_header_off(&*file),
                // Not written in this session; one that crashed may have left its frames there.
                None => match self.env.vfs.open(&slot.name, OpenHow::Write) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    opened => opened.and_then(|file| take_header_off(&*file)),
                },
            };
            emptied.map_err(|e| Error::io(e, "cannot reset a journal file").at_file(&slot.name))?;
            slot.number = 0;
        }
        self.current = None;
        Ok(())
    }
}

impl Slot {
    fn note_written(&mut self, end: u64) {
        self.used = self.used.max(end);
        self.sum = None;
    }

    fn sum_without_header(&self, vfs: &dyn Vfs) -> Option<u32> {
        let file = vfs.open(&self.name, OpenHow::Read).ok()?;
        let header = self.used.min(BLOCK_BYTES as u64);
        let sum = crc32c(&ZEROS[..header as usize]);
        sum_of_range(&*file, sum, header, self.used).ok()
    }
}

/// A sync that failed, of whatever kind: a second one that succeeds would prove nothing.
fn final_failure(error: &std::io::Error, name: &str) -> Error {
    let message = format!("cannot sync a new journal file: {error}");
    Error::new(ErrorKind::Poisoned, message).at_file(name)
}

/// Overwrites the header of a journal file, unless there is none.
fn take_header_off(file: &dyn VfsFile) -> std::io::Result<()> {
    let mut block = [0; BLOCK_BYTES];
    let read = read_up_to(file, &mut block, 0)?;
    if block[..read].iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    write_all_at(file, &ZEROS[..BLOCK_BYTES], 0)?;
    file.sync_data()
}
