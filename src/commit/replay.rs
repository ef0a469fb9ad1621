//! Reading the journal of a session that did not end well.
//!
//! Replay takes every frame from the position in the control file on, as long as LSNs and
//! checksums follow each other, and stops at the first that does not. That is the torn end of the
//! journal, unless a later frame says that the missing one had been synced: then it was acked, and
//! the journal is damaged.

use crate::env::Env;
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, read_up_to, write_all_at};
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::JournalPosition;
use crate::format::file_names;
use crate::format::journal_frame::{
    BLOCK_BYTES, FRAME_HEADER_BYTES, FileHeader, FrameHeader, JournalEntry, decode_entries,
};

/// More than any journal file that this library writes.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// What the journal holds behind the last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// The session that wrote it.
    salt: u64,
    files: Vec<JournalFile>,
    frames: Vec<FrameAt>,
}

#[derive(Debug)]
struct JournalFile {
    name: String,
    header: Option<FileHeader>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct FrameAt {
    file: usize,
    start: usize,
    header: FrameHeader,
}

impl Replay {
    /// Reads and checks the whole journal behind `start`.
    ///
    /// # Errors
    /// `Corrupt` if a frame that had been synced is not there or is damaged: committed records
    /// are lost, and the broker refuses to go on without them.
    pub(crate) fn read(env: &Env, start: JournalPosition) -> Result<Replay> {
        let files = read_files(env)?;
        let mut replay = Replay { salt: start.salt, files, frames: Vec::new() };
        replay.refuse_missing_file(start)?;
        let expected = replay.follow(start);
        replay.refuse_synced_frames_behind(start.salt, expected)?;
        Ok(replay)
    }

    /// Makes sure that the newest frame stays, before anything of it is written elsewhere. It may
    /// be there without having been synced: the process may have died, or the sync failed, just
    /// before the commit point. All frames in front of it were synced before it was written.
    ///
    /// *Without this*, a power loss in the middle of recovery could take the frame away again when
    /// some of its batches are durable in their segments, and others are not.
    ///
    /// # Errors
    /// If the disk refuses; nothing was applied yet.
    pub(crate) fn secure_newest(&self, env: &Env) -> Result<()> {
        if planted!("newest_frame_not_secured") {
            return Ok(());
        }
        let Some(newest) = self.frames.last() else { return Ok(()) };
        let file = &self.files[newest.file];
        let end = newest.start + newest.header.length as usize;
        let failed = |e| {
            Error::io(e, "cannot sync the newest frame of the commit journal").at_file(&file.name)
        };
        let open = env.vfs.open(&file.name, OpenHow::Write).map_err(failed)?;
        // Written again, because a page that can be read may be clean and yet not durable.
        write_all_at(&*open, &file.bytes[..BLOCK_BYTES], 0)
            .and_then(|()| {
                write_all_at(&*open, &file.bytes[newest.start..end], newest.start as u64)
            })
            .and_then(|()| open.sync_data())
            .map_err(failed)
    }

    /// The salt of the session that wrote the journal.
    pub(crate) fn salt(&self) -> u64 {
        self.salt
    }

    /// The number of frames to apply.
    pub(crate) fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// The batches of each frame, in LSN order.
    ///
    /// # Errors
    /// `Corrupt` for a frame whose checksum is right and whose content is not.
    pub(crate) fn frames(&self) -> Result<Vec<Vec<JournalEntry<'_>>>> {
        self.frames.iter().map(|frame| self.entries_of(frame)).collect()
    }

    fn entries_of(&self, frame: &FrameAt) -> Result<Vec<JournalEntry<'_>>> {
        let file = &self.files[frame.file];
        let start = frame.start + FRAME_HEADER_BYTES;
        let payload = &file.bytes[start..frame.start + frame.header.length as usize];
        decode_entries(payload, frame.header.entries)
            .map_err(|error| error.shifted(start).into_error().at_file(&file.name))
    }

    /// Collects the frames that follow each other; returns the LSN of the first missing one.
    fn follow(&mut self, start: JournalPosition) -> u64 {
        let mut next = start;
        let mut file = self.file_of(&next);
        // Every frame has its own place and LSN, so there is an end; a bound costs nothing.
        let frames_max: usize = self.files.iter().map(|file| file.bytes.len() / BLOCK_BYTES).sum();
        while let Some(index) = file.filter(|_| self.frames.len() < frames_max) {
            let at = usize::try_from(next.position).unwrap_or(usize::MAX);
            if let Some(header) = self.frame_at(index, at, &next) {
                self.frames.push(FrameAt { file: index, start: at, header });
                next.lsn += 1;
                next.crc = header.payload_crc;
                next.position += header.padded_length();
                continue;
            }
            // The file may have been full: the next frame is then the first of the next file.
            next.file += 1;
            next.position = BLOCK_BYTES as u64;
            file = self.file_of(&next).filter(|&index| {
                self.files[index].header.is_none_or(|header| header.first_lsn == next.lsn)
            });
        }
        next.lsn
    }

    /// The file that the next frame should be in: by its header, or, if that is damaged, by the
    /// frame itself, which fits nowhere else.
    fn file_of(&self, next: &JournalPosition) -> Option<usize> {
        let at = usize::try_from(next.position).unwrap_or(usize::MAX);
        let holds_it = |index: &usize| {
            self.files[*index].header.is_none() && self.frame_at(*index, at, next).is_some()
        };
        self.file_numbered(next.salt, next.file).or_else(|| (0..self.files.len()).find(holds_it))
    }

    /// Once a session has committed something, the file that it goes on in is durable.
    fn refuse_missing_file(&self, start: JournalPosition) -> Result<()> {
        if start.lsn <= 1 || self.file_of(&start).is_some() {
            return Ok(());
        }
        // A file whose header alone is gone, and in which no frame follows, is not missing.
        let is_there = |file: &JournalFile| {
            let frames = (BLOCK_BYTES..file.bytes.len()).step_by(BLOCK_BYTES);
            frames
                .filter_map(|at| FrameHeader::decode(&file.bytes[at..]))
                .any(|header| header.salt == start.salt && header.lsn < start.lsn)
        };
        if self.files.iter().any(|file| file.header.is_none() && is_there(file)) {
            return Ok(());
        }
        let message = format!(
            "file {} of the commit journal is missing: records acked with acks=all may be lost, so \
             nothing was changed: put the ottla-*.journal files back",
            start.file
        );
        Err(Error::new(ErrorKind::Corrupt, message))
    }

    fn file_numbered(&self, salt: u64, number: u64) -> Option<usize> {
        self.files.iter().position(|file| {
            file.header.is_some_and(|header| header.salt == salt && header.number == number)
        })
    }

    /// The sound frame at `at`, if it is the one that is expected next.
    fn frame_at(&self, file: usize, at: usize, next: &JournalPosition) -> Option<FrameHeader> {
        let bytes = self.files[file].bytes.get(at..)?;
        let header = FrameHeader::decode(bytes)?;
        if planted!("stale_frame_accepted") && header.salt == next.salt {
            return Some(header);
        }
        if header.salt != next.salt || header.lsn != next.lsn {
            return None;
        }
        header.payload(bytes, next.crc).map(|_| header)
    }

    /// A frame behind the end of the journal which knows that `expected` was synced is a witness
    /// of damage. All files are searched, also those whose header is gone.
    fn refuse_synced_frames_behind(&self, salt: u64, expected: u64) -> Result<()> {
        for file in &self.files {
            for at in (BLOCK_BYTES..file.bytes.len()).step_by(BLOCK_BYTES) {
                let Some(header) = FrameHeader::decode(&file.bytes[at..]) else { continue };
                if header.salt == salt && header.lsn > expected && header.synced_lsn >= expected {
                    let message = format!(
                        "the commit journal is damaged: frame {expected} is missing or unreadable, \
                         but frame {} knows that it was synced; records acked with acks=all would \
                         be lost, so nothing was changed: restore the directory from a copy",
                        header.lsn
                    );
                    return Err(Error::new(ErrorKind::Corrupt, message)
                        .at_file(&file.name)
                        .at_position(at as u64));
                }
            }
        }
        Ok(())
    }
}

fn read_files(env: &Env) -> Result<Vec<JournalFile>> {
    journal_names(env)?.into_iter().map(|name| read_file(env, name)).collect()
}

fn journal_names(env: &Env) -> Result<Vec<String>> {
    let entries = env.vfs.list("").map_err(|e| Error::io(e, "cannot list the data directory"))?;
    let mut names: Vec<String> = entries
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| file_names::parse_journal_file(name).is_some())
        .collect();
    names.sort();
    Ok(names)
}

fn read_file(env: &Env, name: String) -> Result<JournalFile> {
    let failed =
        |e| Error::io(e, "cannot read the commit journal").at_file(env.vfs.describe(&name));
    let file = env.vfs.open(&name, OpenHow::Read).map_err(failed)?;
    let length = file.len().map_err(failed)?;
    if length > FILE_BYTES_MAX {
        let message = format!("a journal file of {length} bytes was not written by this library");
        return Err(Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(&name)));
    }
    let mut bytes = room::zeros(usize::try_from(length).unwrap_or(usize::MAX)).map_err(failed)?;
    let read = read_up_to(&*file, &mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    let header = FileHeader::decode(&bytes)
        .map_err(|error| error.into_error().at_file(env.vfs.describe(&name)))?;
    Ok(JournalFile { name, header, bytes })
}

/// The names of journal files that still carry a header. Looks at nothing else: opening a
/// directory that was closed cleanly must not cost a pass over an empty journal.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn leftover_files(env: &Env) -> Result<Vec<String>> {
    let mut leftover = Vec::new();
    for name in journal_names(env)? {
        if has_header(env, &name)? {
            leftover.push(name);
        }
    }
    Ok(leftover)
}

fn has_header(env: &Env, name: &str) -> Result<bool> {
    let failed = |e| Error::io(e, "cannot read the commit journal").at_file(env.vfs.describe(name));
    let file = env.vfs.open(name, OpenHow::Read).map_err(failed)?;
    let mut block = [0; BLOCK_BYTES];
    let read = read_up_to(&*file, &mut block, 0).map_err(failed)?;
    let header = FileHeader::decode(&block[..read])
        .map_err(|error| error.into_error().at_file(env.vfs.describe(name)))?;
    Ok(header.is_some())
}
