//! An open file of the simulated disk.

use std::io;

use super::content::FILE_BYTES_MAX;
use super::crash_disk::SimDisk;
use super::faults::{Call, Effect};
use super::image::FileId;
use super::operation::{CacheAfterFailedSync, HandleId, Landing, Operation};
use crate::env::vfs::{Mapping, VfsFile};

/// An open file of the simulated disk.
#[derive(Debug)]
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) file: FileId,
    pub(super) handle: HandleId,
    pub(super) path: Box<str>,
    pub(super) writable: bool,
}

impl SimFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EBADF)) }
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.live.lock().open_handles -= 1;
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut live = self.disk.live.lock();
        let effect = live.enter(Call::ReadAt, &self.path)?;
        let wanted = match effect {
            Some(Effect::Short) => buffer.len().div_ceil(2),
            Some(Effect::Zero) => 0,
            _ => buffer.len(),
        };
        let read = live.visible.content(self.file).read_at(&mut buffer[..wanted], position);
        if effect == Some(Effect::FlippedBit) && read > 0 {
            buffer[0] ^= 0x10;
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        let effect = live.enter(Call::WriteAt, &self.path)?;
        let (wanted, landing) = match effect {
            Some(Effect::Short) => (bytes.len().div_ceil(2), Landing::Right),
            Some(Effect::Zero) => (0, Landing::Right),
            Some(Effect::Misdirected(other)) => (bytes.len(), Landing::At(other)),
            Some(Effect::LostWrite) => (bytes.len(), Landing::Nowhere),
            _ => (bytes.len(), Landing::Right),
        };
        if wanted == 0 {
            return Ok(0);
        }
        check_end(position, wanted as u64)?;
        let granted = live.take_space(self.file, position, wanted as u64);
        if granted == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let count = wanted.min(usize::try_from(granted).unwrap_or(usize::MAX));
        let operation = Operation::Write {
            file: self.file,
            handle: self.handle,
            position,
            bytes: bytes[..count].into(),
            landing,
        };
        live.record(&self.disk.clock, operation);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        let mut live = self.disk.live.lock();
        live.enter(Call::Len, &self.path)?;
        Ok(live.visible.content(self.file).len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        live.enter(Call::SetLen, &self.path)?;
        check_end(0, length)?;
        live.give_back(self.file, length);
        let operation = Operation::SetLen { file: self.file, handle: self.handle, length };
        live.record(&self.disk.clock, operation);
        Ok(())
    }

    fn reserve(&self, position: u64, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut live = self.disk.live.lock();
        live.enter(Call::Reserve, &self.path)?;
        check_end(position, length)?;
        if !live.has_space(self.file, position, length) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        live.take_space(self.file, position, length);
        live.note_reserved(self.file, position + length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut live = self.disk.live.lock();
        let met = live.enter(Call::SyncData, &self.path).inspect_err(|_| {
            // Whatever the error says: what it was to make durable is not, and is clean.
            let cache = CacheAfterFailedSync::KeepsNew;
            let operation = Operation::SyncFailed { file: self.file, cache };
            live.record(&self.disk.clock, operation);
        });
        match met? {
            Some(Effect::SyncFails(cache)) => {
                let operation = Operation::SyncFailed { file: self.file, cache };
                live.record(&self.disk.clock, operation);
                if cache == CacheAfterFailedSync::Reverts {
                    let content = live.state().visible.shared_content(self.file);
                    live.visible.set_content(self.file, content);
                }
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            Some(Effect::SyncLies) => return Ok(()),
            _ => {}
        }
        let operation = Operation::SyncData { file: self.file, handle: self.handle };
        live.record(&self.disk.clock, operation);
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        Ok(None)
    }
}

fn check_end(position: u64, length: u64) -> io::Result<()> {
    match position.checked_add(length) {
        Some(end) if end <= FILE_BYTES_MAX => Ok(()),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
