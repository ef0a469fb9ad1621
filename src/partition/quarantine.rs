//! The place for bytes that recovery cuts off a log: loose files in the root, bounded in size.
//!
//! Bytes are copied and synced there before they are cut. Zeros are not copied: they are space
//! that was reserved. The invariant: a quarantine file is never overwritten.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

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

impl Quarantine {
    pub(crate) fn new(bytes_max: u64) -> Quarantine {
        Quarantine { bytes_left: AtomicU64::new(bytes_max), next_number: Mutex::new(None) }
    }

    /// Copies `from..to` of a log, unless all of it is zeros.
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
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut copy: Option<(String, Arc<dyn VfsFile>)> = None;
        let (mut position, mut kept, mut lost_bytes) = (from, 0, 0);
        while position < to {
            let length = usize::try_from(to - position).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = log.read_up_to(&mut chunk[..length], position)?;
            if read == 0 {
                break;
            }
            let bytes = &chunk[..read];
            position += read as u64;
            if copy.is_none() && bytes.iter().all(|&byte| byte == 0) {
                continue;
            }
            let room = self.take(bytes.len() as u64);
            lost_bytes += bytes.len() as u64 - room;
            if room == 0 {
                continue;
            }
            let (_, file) = match &copy {
                Some(copy) => copy,
                None => copy.insert(self.create(&**vfs)?),
            };
            write_all_at(&**file, &bytes[..room as usize], kept)?;
            kept += room;
        }
        let Some((name, file)) = copy else { return Ok(Quarantined { file: None, lost_bytes }) };
        // The copy must be there before the original is cut.
        file.sync_data()?;
        vfs.sync_dir("")?;
        Ok(Quarantined { file: Some(name), lost_bytes })
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
