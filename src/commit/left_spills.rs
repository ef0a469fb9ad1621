//! Spill files that a session left behind: reading what the frames of its journal name, and letting
//! go of them.
//!
//! A batch is taken out of a spill only if the header in the frame fits it, CRC and all. One that a
//! frame needs and that is not there in full is damage, as a missing frame is: the commit was
//! acked. Nothing is removed before the control file says that no frame is needed.

use std::sync::Arc;

use crate::env::Env;
use crate::env::vfs::{OpenHow, VfsFile, read_exact_at, read_up_to};
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::{BATCH_HEADER_LEN, PREFIX_LEN};
use crate::format::checksum::crc32c_append;
use crate::format::file_names::{quarantine_file, spill_file};
use crate::format::spill_file::{SPILL_HEADER_BYTES, SpillHeader, SpillStart, SpilledEntry};

/// A batch is checked in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;

/// The spill files that a session left.
#[derive(Debug)]
pub(crate) struct LeftSpills<'a> {
    env: &'a Env,
    /// The salt of the session.
    salt: u64,
    /// The one that was read last: batches of a transaction come one after the other.
    open: Option<(u64, Opened)>,
}

#[derive(Debug)]
struct Opened {
    file: Arc<dyn VfsFile>,
    length: u64,
}

impl<'a> LeftSpills<'a> {
    /// Those of the session with this salt. Opens none yet.
    pub(crate) fn new(env: &'a Env, salt: u64) -> LeftSpills<'a> {
        LeftSpills { env, salt, open: None }
    }

    /// Looks whether a batch is there in full, without keeping it in memory.
    ///
    /// # Errors
    /// `Corrupt` if it is not; those of the disk.
    pub(crate) fn check(&mut self, entry: &SpilledEntry<'_>) -> Result<()> {
        self.pieces(entry, |_| ())
    }

    /// The batch as it belongs into the log.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn read(&mut self, entry: &SpilledEntry<'_>) -> Result<Vec<u8>> {
        let mut batch = Vec::new();
        self.pieces(entry, |piece| batch.extend_from_slice(piece))?;
        Ok(batch)
    }

    fn pieces(&mut self, entry: &SpilledEntry<'_>, mut take: impl FnMut(&[u8])) -> Result<()> {
        let env = self.env;
        let name = spill_file(entry.spill);
        let header = entry.header().map_err(|error| error.into_error())?;
        let size = header.size_bytes();
        let opened = self.opened(entry.spill)?;
        let end = entry.position.checked_add(size as u64);
        if end.is_none_or(|end| end > opened.length) || entry.position < SPILL_HEADER_BYTES as u64 {
            let what = format!("has {} bytes and lacks a batch of {size}", opened.length);
            return Err(damaged(env, &name, &what).at_position(entry.position));
        }
        let failed =
            |e| Error::io(e, "cannot read a spilled batch").at_file(env.vfs.describe(&name));
        let mut buffer = room::zeros(size.min(PIECE_BYTES)).map_err(failed)?;
        let (mut at, mut sum) = (0, 0);
        while at < size {
            let piece = &mut buffer[..(size - at).min(PIECE_BYTES)];
            read_exact_at(&*opened.file, piece, entry.position + at as u64).map_err(failed)?;
            let mut unsummed = 0;
            if at == 0 {
                piece[..BATCH_HEADER_LEN].copy_from_slice(entry.head);
                unsummed = PREFIX_LEN + 4;
            }
            sum = crc32c_append(sum, &piece[unsummed..]);
            take(piece);
            at += piece.len();
        }
        if sum != header.crc {
            let what = "holds other bytes than the frame was written for";
            return Err(damaged(env, &name, what).at_position(entry.position));
        }
        Ok(())
    }

    fn opened(&mut self, number: u64) -> Result<&Opened> {
        let (env, salt) = (self.env, self.salt);
        let opened = match self.open.take() {
            Some((last, opened)) if last == number => opened,
            _ => open_spill(env, number, salt)?,
        };
        Ok(&self.open.insert((number, opened)).1)
    }
}

/// Opens the spill with this number, if it is that of the session.
fn open_spill(env: &Env, number: u64, salt: u64) -> Result<Opened> {
    let name = spill_file(number);
    let failed = |e| Error::io(e, "cannot read a spill file").at_file(env.vfs.describe(&name));
    let file = match env.vfs.open(&name, OpenHow::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged(env, &name, "is missing"));
        }
        opened => opened.map_err(failed)?,
    };
    let length = file.len().map_err(failed)?;
    match start_of(env, &name, &*file)? {
        SpillStart::Header(header) if header == SpillHeader { number, salt } => {
            Ok(Opened { file, length })
        }
        _ => Err(damaged(env, &name, "is not the file that the session wrote")),
    }
}

fn start_of(env: &Env, name: &str, file: &dyn VfsFile) -> Result<SpillStart> {
    let failed = |e| Error::io(e, "cannot read a spill file").at_file(env.vfs.describe(name));
    let mut start = [0; SPILL_HEADER_BYTES];
    let read = read_up_to(file, &mut start, 0).map_err(failed)?;
    SpillHeader::decode(&start[..read])
        .map_err(|error| error.into_error().at_file(env.vfs.describe(name)))
}

#[cold]
fn damaged(env: &Env, name: &str, what: &str) -> Error {
    let message = format!(
        "the spill file of a committed transaction {what}: records acked with acks=all would be \
         lost, so nothing was changed: put the file back, or restore the directory from a copy"
    );
    Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(name))
}

/// What became of the spill files that no frame needs.
#[derive(Debug, Default)]
pub(crate) struct LetGo {
    pub(crate) removed: Vec<String>,
    /// Files of others, or of a later version, under such names: left alone.
    pub(crate) unknown: Vec<String>,
}

/// Removes spill files. The control file says already that no frame is needed.
///
/// # Errors
/// Those of the disk; the next open tries again.
pub(crate) fn remove_spills(env: &Env, names: &[String]) -> Result<LetGo> {
    let mut let_go = LetGo::default();
    for name in names {
        let failed = |e| Error::io(e, "cannot remove a spill file").at_file(env.vfs.describe(name));
        let file = env.vfs.open(name, OpenHow::Read).map_err(failed)?;
        match start_of(env, name, &*file) {
            Ok(SpillStart::Header(_) | SpillStart::Unfinished) => {
                env.vfs.remove_file(name).map_err(failed)?;
                let_go.removed.push(name.clone());
            }
            Ok(SpillStart::Foreign) => let_go.unknown.push(name.clone()),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let_go.unknown.push(name.clone());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(let_go)
}

/// Gives spill files the names of quarantine files, for a look: they are where none should be, or
/// a journal that is set aside, too, may need them.
///
/// # Errors
/// Those of the disk.
pub(crate) fn set_spills_aside(env: &Env, names: &[String]) -> Result<Vec<String>> {
    let mut set_aside = Vec::new();
    for name in names {
        let taken = |name: &String| env.vfs.metadata(name).is_ok();
        let Some(quarantine) = (1..).map(quarantine_file).find(|name| !taken(name)) else { break };
        env.vfs.rename(name, &quarantine).map_err(|e| {
            Error::io(e, "cannot set a spill file aside").at_file(env.vfs.describe(name))
        })?;
        set_aside.push(quarantine);
    }
    if !set_aside.is_empty() {
        env.vfs.sync_dir("").map_err(|e| Error::io(e, "cannot sync the data directory"))?;
    }
    Ok(set_aside)
}
