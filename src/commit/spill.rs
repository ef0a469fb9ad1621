//! Spill files: where the batches of a large transaction wait for its commit.
//!
//! A spill belongs to one transaction. Batches are appended to it while the transaction is open; the
//! thread that commits syncs it; the frame then names each batch by its place and carries the header
//! that it gets in the log. What a stop in each step leaves:
//!
//! 1. The file is made and written. *If we stop here* no frame names it: the next open removes it.
//! 2. Its bytes, then its name are synced. *If we stop here* the same.
//! 3. The frame that names it is committed, as any frame. *If we stop here* replay copies the batches
//!    from the spill.
//! 4. A checkpoint makes the frame unnecessary, and has replaced the control file. *If we stop
//!    here* no replay asks for the spill: the next open removes it.
//! 5. The file is removed. A removal that a crash takes back is done again by the next open.
//!
//! A sync of the bytes that fails fails this transaction for ever, and nothing else: no frame names
//! the file. A sync of the root that fails poisons, as names of others may be lost with it.
//!
//! Invariant: a file that a frame may name is removed only after step 4; and nothing is removed once
//! the session is over, as the directory may be somebody else's by then.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::commit::Committer;
use crate::commit::ticket::{Part, Payload};
use crate::env::Env;
use crate::env::planted::planted;
use crate::env::poison::Poison;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::env::vfs::{OpenHow, VfsFile, read_exact_at, write_all_at};
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, BatchHeader, PREFIX_LEN};
use crate::format::checksum::crc32c_append;
use crate::format::file_names;
use crate::format::spill_file::{SPILL_HEADER_BYTES, SpillHeader, SpilledEntry};

/// A spilled batch is copied in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;
/// And so, where there is no memory for that.
const SMALL_PIECE_BYTES: usize = 4096;

/// The spills of one session.
#[derive(Debug)]
pub(super) struct Spills {
    env: Env,
    poison: Arc<Poison>,
    state: Mutex<SpillsState>,
}

#[derive(Debug)]
struct SpillsState {
    /// What the next file is called, if that name is free.
    next_number: u64,
    /// The numbers of all that may have a file.
    live: BTreeSet<u64>,
    /// Those that a frame may name, each with the LSN of that frame.
    named: Vec<(u64, Arc<Spill>)>,
    /// The session has ended: nothing is made or removed any more.
    over: bool,
}

/// A spill file that exists. It goes with its last owner, unless a frame may name it.
#[derive(Debug)]
pub(crate) struct Spill {
    owner: Arc<Spills>,
    number: u64,
    name: String,
    file: Arc<dyn VfsFile>,
    progress: Mutex<Progress>,
    /// A frame may name it. Changed under the lock of the owner's state.
    named: AtomicBool,
}

#[derive(Debug)]
struct Progress {
    /// Where the next batch goes.
    end: u64,
    /// All below this is synced, and the name is.
    synced_to: u64,
    /// A sync has failed: what the file holds is unknown.
    lost: Option<Error>,
}

/// What one transaction has spilled; no file before the first batch.
#[derive(Debug)]
pub(crate) struct SpillFile {
    owner: Arc<Spills>,
    salt: u64,
    spill: Option<Arc<Spill>>,
}

/// A batch that lies in a spill file.
#[derive(Debug)]
pub(crate) struct SpilledBatch {
    spill: Arc<Spill>,
    position: u64,
    size: usize,
    /// The batch's header; it is stamped when the batch gets its offsets.
    head: Box<[u8; BATCH_HEADER_LEN]>,
}

impl Committer {
    /// A place for the batches of a transaction that memory is too small for.
    ///
    /// # Errors
    /// If nothing can be written: the broker was closed, or is poisoned.
    pub(crate) fn new_spill(&self) -> Result<SpillFile> {
        self.begin_write()?;
        let salt = self.applied.lock().salt;
        Ok(SpillFile { owner: Arc::clone(&self.spills), salt, spill: None })
    }
}

/// Makes durable what `parts` have in spill files, before a frame may name it.
///
/// # Errors
/// See [`Spill::sync`].
pub(super) fn sync_spills(parts: &[Part]) -> Result<()> {
    let mut last = None;
    for part in parts {
        if let Payload::Spilled(spilled) = &part.batch
            && !last.is_some_and(|last| Arc::ptr_eq(last, &spilled.spill))
        {
            spilled.spill.sync()?;
            last = Some(&spilled.spill);
        }
    }
    Ok(())
}

impl SpillFile {
    /// Adds a whole batch of magic 2.
    ///
    /// # Errors
    /// `NoSpace`, or whatever else the disk says: what was pushed before stays, and the next push
    /// may succeed. `Closed` once the broker was closed.
    ///
    /// # Durability
    /// None: a commit syncs what it names.
    pub(crate) fn push(&mut self, batch: &[u8]) -> Result<SpilledBatch> {
        let Some(head) = batch.first_chunk::<BATCH_HEADER_LEN>() else {
            let message = format!("a batch of {} bytes has no header", batch.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        };
        self.owner.check_open()?;
        let spill = match &self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spills::create(&self.owner, self.salt)?),
        };
        let position = spill.append(batch)?;
        Ok(SpilledBatch {
            spill: Arc::clone(spill),
            position,
            size: batch.len(),
            head: Box::new(*head),
        })
    }
}

impl SpilledBatch {
    /// The bytes of the whole batch.
    pub(crate) fn len(&self) -> usize {
        self.size
    }

    /// The first bytes of the batch.
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..]
    }

    /// The first bytes of the batch, to be stamped.
    pub(super) fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head[..]
    }

    /// How a frame names it.
    pub(super) fn entry(&self) -> SpilledEntry<'_> {
        SpilledEntry { spill: self.spill.number, position: self.position, head: &self.head }
    }

    pub(super) fn spill(&self) -> &Arc<Spill> {
        &self.spill
    }

    /// Hands the batch out piece by piece, with the place of each in it, and checks its CRC on the
    /// way.
    pub(super) fn pieces(&self, mut take: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let header = BatchHeader::decode(&self.head[..]).map_err(|e| e.into_error())?;
        // Behind the commit point nothing may fail for want of memory: smaller pieces do as well.
        let room = room::zeros(self.size.min(PIECE_BYTES));
        if planted!("memory_behind_the_commit") {
            room.as_ref().map_err(|_| Error::new(ErrorKind::Limit, "no memory"))?;
        }
        let mut buffer = room.unwrap_or_else(|_| vec![0; self.size.min(SMALL_PIECE_BYTES)]);
        let room = buffer.len();
        let mut sum = 0;
        let mut at = 0;
        while at < self.size {
            let piece = &mut buffer[..(self.size - at).min(room)];
            read_exact_at(&*self.spill.file, piece, self.position + at as u64)
                .map_err(|e| self.spill.io(e, "cannot read a spilled batch"))?;
            let unsummed = if at == 0 {
                piece[..BATCH_HEADER_LEN].copy_from_slice(&self.head[..]);
                PREFIX_LEN + 4
            } else {
                0
            };
            sum = crc32c_append(sum, &piece[unsummed..]);
            take(at as u64, piece)?;
            at += piece.len();
        }
        if sum == header.crc {
            return Ok(());
        }
        let message = "a spilled batch does not read back as it was written";
        let name = self.spill.owner.env.vfs.describe(&self.spill.name);
        Err(Error::new(ErrorKind::Corrupt, message).at_file(name).at_position(self.position))
    }
}

impl Spill {
    fn append(&self, batch: &[u8]) -> Result<u64> {
        let mut progress = self.progress.lock();
        progress.check()?;
        let position = progress.end;
        write_all_at(&*self.file, batch, position).map_err(|error| {
            // Space may be what is missing; what cannot be given back is overwritten.
            let _ = self.file.set_len(position);
            self.io(error, "cannot write a spill file")
        })?;
        progress.end += batch.len() as u64;
        Ok(position)
    }

    /// Makes durable what was written so far. Called by a thread that commits, under no lock.
    ///
    /// # Errors
    /// Final for this spill.
    ///
    /// # Durability
    /// When it returns `Ok`, a frame may name what lies in the file.
    pub(super) fn sync(&self) -> Result<()> {
        let mut progress = self.progress.lock();
        progress.check()?;
        if progress.synced_to == progress.end || planted!("frame_before_spill_sync") {
            return Ok(());
        }
        // 1. The bytes: a frame that is acked must not name what a loss of power can take.
        if let Err(error) = self.file.sync_data() {
            let error = self.io(error, "cannot sync a spill file");
            progress.lost = Some(error.clone());
            return Err(error);
        }
        // 2. The name. It is durable once it was, but other names are at stake, too.
        if progress.synced_to == 0 && !planted!("spill_without_name") {
            let owner = &self.owner;
            owner.env.vfs.sync_dir("").map_err(|error| {
                let error = self.io(error, "cannot sync the name of a spill file");
                owner.poison.set(&error);
                progress.lost = Some(error.clone());
                error
            })?;
        }
        progress.synced_to = progress.end;
        Ok(())
    }

    fn io(&self, error: std::io::Error, what: &str) -> Error {
        Error::io(error, what).at_file(self.owner.env.vfs.describe(&self.name))
    }
}

impl Progress {
    fn check(&self) -> Result<()> {
        let Some(lost) = &self.lost else { return Ok(()) };
        let message = format!("what was spilled of the transaction is lost, abort it: {lost}");
        Err(Error::new(ErrorKind::Io, message))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        let mut state = self.owner.state.lock();
        // What cannot be removed now is removed by the close, or by the next open.
        if !state.over
            && !self.named.load(Ordering::Acquire)
            && self.owner.env.vfs.remove_file(&self.name).is_ok()
        {
            state.live.remove(&self.number);
        }
    }
}

impl Spills {
    pub(super) fn new(env: &Env, poison: &Arc<Poison>) -> Arc<Spills> {
        let (next_number, over) = (0, false);
        let state = SpillsState { next_number, live: BTreeSet::new(), named: Vec::new(), over };
        Arc::new(Spills { env: env.clone(), poison: Arc::clone(poison), state: Mutex::new(state) })
    }

    fn check_open(&self) -> Result<()> {
        if self.state.lock().over {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        self.poison.check()
    }

    /// Makes the next file. No number is given twice in a session, so that no frame can be led to
    /// another file than its own.
    fn create(spills: &Arc<Spills>, salt: u64) -> Result<Arc<Spill>> {
        let mut state = spills.state.lock();
        if state.over {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        let vfs = &spills.env.vfs;
        let failed = |error, name: &str| {
            Error::io(error, "cannot make a spill file").at_file(vfs.describe(name))
        };
        let (number, name, file) = loop {
            let number = state.next_number;
            state.next_number += 1;
            let name = file_names::spill_file(number);
            match vfs.open(&name, OpenHow::CreateNew) {
                Ok(file) => break (number, name, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error, &name)),
            }
        };
        state.live.insert(number);
        let header = SpillHeader { number, salt }.encode();
        if let Err(error) = write_all_at(&*file, &header, 0) {
            if vfs.remove_file(&name).is_ok() {
                state.live.remove(&number);
            }
            return Err(failed(error, &name));
        }
        let end = SPILL_HEADER_BYTES as u64;
        Ok(Arc::new(Spill {
            owner: Arc::clone(spills),
            number,
            name,
            file,
            progress: Mutex::new(Progress { end, synced_to: 0, lost: None }),
            named: AtomicBool::new(false),
        }))
    }

    /// A frame with this LSN is about to name these.
    pub(super) fn name_in(&self, lsn: u64, spills: Vec<Arc<Spill>>) {
        if planted!("spill_removed_early") {
            return;
        }
        let mut state = self.state.lock();
        for spill in spills {
            spill.named.store(true, Ordering::Release);
            state.named.push((lsn, spill));
        }
    }

    /// The bytes of the files that wait for a checkpoint.
    pub(super) fn kept_bytes(&self) -> u64 {
        let state = self.state.lock();
        state.named.iter().map(|(_, spill)| spill.progress.lock().end).sum()
    }

    /// The frame with this LSN was erased.
    pub(super) fn unname(&self, lsn: u64) {
        self.release(|named| named == lsn);
    }

    /// No replay will ask for a frame before `lsn`: the control file says so, durably.
    pub(super) fn checkpointed(&self, lsn: u64) {
        self.release(|named| named < lsn);
    }

    fn release(&self, is_over: impl Fn(u64) -> bool) {
        let mut state = self.state.lock();
        if state.named.is_empty() {
            return;
        }
        let (released, named): (Vec<_>, Vec<_>) =
            state.named.drain(..).partition(|(lsn, _)| is_over(*lsn));
        state.named = named;
        for (_, spill) in &released {
            spill.named.store(false, Ordering::Release);
        }
        // The last owner of each takes the lock to remove the file.
        drop(state);
        drop(released);
    }

    /// The session ends with a close, and nothing will be replayed: all files go.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub(super) fn remove_all(&self) -> Result<()> {
        let vfs = &self.env.vfs;
        for name in self.end().into_iter().map(file_names::spill_file) {
            match vfs.remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let error = Error::io(error, "cannot remove a spill file");
                    return Err(error.at_file(vfs.describe(&name)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// From now on nothing is made or removed. Returns the numbers of those that are there.
    pub(super) fn end(&self) -> BTreeSet<u64> {
        let mut state = self.state.lock();
        state.over = true;
        let named = std::mem::take(&mut state.named);
        let live = std::mem::take(&mut state.live);
        // The last owner takes the lock.
        drop(state);
        drop(named);
        live
    }
}
