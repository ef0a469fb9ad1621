//! Appending: to a growing file, and over the zeros of a file that has its length already.
//!
//! Frame: length (u32, little endian), CRC-32C of the payload (u32, little endian), payload.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Length and checksum before each payload.
pub const FRAME_HEADER_LEN: usize = 8;

/// One file that grows by one `write(2)` per call.
pub struct GrowingFile {
    file: File,
    frames: Vec<u8>,
}

impl GrowingFile {
    pub fn create(path: &Path) -> io::Result<GrowingFile> {
        Ok(GrowingFile { file: File::create(path)?, frames: Vec::new() })
    }

    /// Frames the records and writes them with one call.
    pub fn append(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.frames.clear();
        frame(records, &mut self.frames);
        self.file.write_all(&self.frames)
    }

    /// The same, and on the disk when it returns.
    pub fn append_durably(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.append(records)?;
        self.file.sync_data()
    }
}

/// One file whose blocks were written with zeros before the clock starts: what a recycled journal
/// can reach at best, because a sync of it changes no metadata.
pub struct ZeroFilledFile {
    file: File,
    frames: Vec<u8>,
    position: u64,
    length: u64,
}

impl ZeroFilledFile {
    pub fn create(path: &Path, length: u64) -> io::Result<ZeroFilledFile> {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).read(true).open(path)?;
        let zeros = vec![0u8; 1 << 20];
        let mut left = length;
        while left > 0 {
            let take = left.min(zeros.len() as u64) as usize;
            file.write_all(&zeros[..take])?;
            left -= take as u64;
        }
        file.sync_all()?;
        Ok(ZeroFilledFile { file, frames: Vec::new(), position: 0, length })
    }

    /// Frames the records, writes them over the zeros (from the start again at the end) and syncs.
    pub fn append_durably(&mut self, records: &[&[u8]]) -> io::Result<()> {
        self.frames.clear();
        frame(records, &mut self.frames);
        let length = self.frames.len() as u64;
        if self.position + length > self.length {
            self.position = 0;
        }
        self.file.write_all_at(&self.frames, self.position)?;
        self.position += length;
        self.file.sync_data()
    }
}

/// Appends the frames of `records` to `frames`.
pub fn frame(records: &[&[u8]], frames: &mut Vec<u8>) {
    for record in records {
        frames.extend_from_slice(&(record.len() as u32).to_le_bytes());
        frames.extend_from_slice(&crc32c::crc32c(record).to_le_bytes());
        frames.extend_from_slice(record);
    }
}
