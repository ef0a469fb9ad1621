//! Reading back: a scan through a mapping with every checksum verified, and a positioned read of
//! one record whose place is known.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::raw::FRAME_HEADER_LEN;

/// What a scan saw, so that no compiler can leave the work out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    pub records: u64,
    pub bytes: u64,
    pub digest: u64,
}

impl Scanned {
    /// Counts one payload in; a caller looks at what it reads.
    #[inline]
    pub fn see(&mut self, payload: &[u8]) {
        self.records += 1;
        self.bytes += payload.len() as u64;
        self.digest = self.digest.wrapping_add(u64::from(payload[payload.len() / 2]));
    }
}

/// Maps the file, walks all frames and verifies each checksum.
#[expect(unsafe_code, reason = "a map of a file that nobody else touches")]
pub fn scan(path: &Path) -> io::Result<Scanned> {
    let file = File::open(path)?;
    // SAFETY: the file belongs to this benchmark and is neither written nor cut while mapped.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    let mut seen = Scanned::default();
    let mut rest = &map[..];
    while rest.len() >= FRAME_HEADER_LEN {
        let (length, crc) = header(rest);
        let payload = &rest[FRAME_HEADER_LEN..FRAME_HEADER_LEN + length];
        if crc32c::crc32c(payload) != crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        seen.see(payload);
        rest = &rest[FRAME_HEADER_LEN + length..];
    }
    Ok(seen)
}

/// Random reads of equally long records by one `pread` each; the place is computed, which is the
/// cheapest index there is.
pub struct PointReader {
    file: File,
    frame_len: usize,
    buffer: Vec<u8>,
}

impl PointReader {
    pub fn open(path: &Path, record_len: usize) -> io::Result<PointReader> {
        let frame_len = FRAME_HEADER_LEN + record_len;
        Ok(PointReader { file: File::open(path)?, frame_len, buffer: vec![0; frame_len] })
    }

    /// The payload of record `index`, its checksum verified.
    pub fn read(&mut self, index: u64) -> io::Result<&[u8]> {
        self.file.read_exact_at(&mut self.buffer, index * self.frame_len as u64)?;
        let (_, crc) = header(&self.buffer);
        let payload = &self.buffer[FRAME_HEADER_LEN..];
        if crc32c::crc32c(payload) != crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(payload)
    }
}

#[inline]
fn header(frame: &[u8]) -> (usize, u32) {
    let word =
        |at: usize| u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    (word(0) as usize, word(4))
}
