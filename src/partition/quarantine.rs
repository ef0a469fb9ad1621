//! The place for bytes that recovery cuts off a log: loose files in the root, bounded in size.
//!
//! Bytes are copied and synced there before they are cut. Zeros are not copied: they are space
//! that was reserved. The invariant: a quarantine file is never overwritten.

use std::io;
use std::sync::Arc;

use crate::env::planted::planted;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicU64, Ordering};
use crate::env::vfs::{OpenHow, Vfs, VfsFile, write_all_at};
use crate::format::file_names;
use crate::segment::log_file::LogFile;

const CHUNK_BYTES: usize = 256 * 1024;

/// Hands out quarantine files and counts their bytes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    bytes_left: AtomicU64,
    /// The number that the next file may have; found by looking into the root once.
    next_number: Mutex<Option<u64>>,
}

/// Where bytes went.
#[derive(Debug, Default)]
pub(crate) struct Quarantined {
    /// The file in the root, if any byte was worth keeping.
    pub(crate) file: Option<String>,
    /// Bytes for which there was no room.
    pub(crate) lost_bytes: u64,
}

/// A quarantine file that is being written.
#[derive(Default)]
struct Copy {
    file: Option<(String, Arc<dyn VfsFile>)>,
    length: u64,
    lost_bytes: u64,
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Quarantine {
    pub(crate) fn new(bytes_max: u64) -> Quarantine {
        Quarantine { bytes_left: AtomicU64::new(bytes_max), next_number: Mutex::new(None) }
    }

    /// Copies `from..to` of a log, unless all of it is zeros. What finds no room is counted as
    /// lost: a full disk must not keep a directory closed for the sake of a torn batch.
    ///
    /// # Durability
    /// When it returns, the copy and its name are synced.
    pub(crate) fn keep(
        &self,
        vfs: &Arc<dyn Vfs>,
        log: &Arc<LogFile>,
        from: u64,
        to: u64,
    ) -> io::Result<Quarantined> {
        if planted!("quarantine_skipped") {
            return Ok(Quarantined::default());
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut copy = Copy::default();
        let (mut position, mut worth_keeping) = (from, false);
        while position < to {
            let length = usize::try_from(to - position).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = log.read_up_to(&mut chunk[..length], position)?;
            if read < length {
                // What was not read must not be cut.
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = &chunk[..read];
            position += read as u64;
            worth_keeping |= bytes.iter().any(|&byte| byte != 0);
            if worth_keeping {
                self.append(&**vfs, &mut copy, bytes)?;
            }
        }
        let lost_bytes = copy.lost_bytes;
        let Some((name, file)) = copy.file else {
            return Ok(Quarantined { file: None, lost_bytes });
        };
        if copy.length == 0 {
            vfs.remove_file(&name)?;
            return Ok(Quarantined { file: None, lost_bytes });
        }
        // The copy must be there before the original is cut.
        file.sync_data()?;
        vfs.sync_dir("")?;
        Ok(Quarantined { file: Some(name), lost_bytes })
    }

    fn append(&self, vfs: &dyn Vfs, copy: &mut Copy, bytes: &[u8]) -> io::Result<()> {
        let room = self.take(bytes.len() as u64);
        let (kept, rest) = bytes.split_at(room as usize);
        copy.lost_bytes += rest.len() as u64;
        if kept.is_empty() {
            return Ok(());
        }
        let written = (|| {
            let (_, file) = match &copy.file {
                Some(file) => file,
                None => copy.file.insert(self.create(vfs)?),
            };
            write_all_at(&**file, kept, copy.length)
        })();
        match written {
            Ok(()) => copy.length += room,
            Err(error) if is_full(&error) => copy.lost_bytes += room,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn take(&self, wanted: u64) -> u64 {
        let mut granted = 0;
        // The closure always returns a value, so this cannot fail.
        let _ = self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            granted = left.min(wanted);
            Some(left - granted)
        });
        granted
    }

    fn create(&self, vfs: &dyn Vfs) -> io::Result<(String, Arc<dyn VfsFile>)> {
        let mut next_number = self.next_number.lock();
        let mut number = match *next_number {
            Some(number) => number,
            None => vfs
                .list("")?
                .iter()
                .filter_map(|entry| file_names::parse_quarantine_file(&entry.name))
                .max()
                .map_or(0, |number| number.saturating_add(1)),
        };
        loop {
            let name = file_names::quarantine_file(number);
            number = number.saturating_add(1);
            match vfs.open(&name, OpenHow::CreateNew) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    *next_number = Some(number);
                    return Ok((name, file));
                }
            }
        }
    }
}
