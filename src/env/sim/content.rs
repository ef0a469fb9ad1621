//! The bytes of a simulated file: blocks that are shared between crash states until one of them
//! writes, with hashes that are computed once per block. Absent blocks are zeros.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::env::random::mix;

/// Small, because most files of a simulation are, and each that is written after a crash is copied.
pub(super) const BLOCK_BYTES: usize = 512;

/// A crash state is torn at multiples of this.
pub(super) const SECTOR_BYTES: u64 = 512;

/// The longest simulated file; a longer one is a mistake of the code under test.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 36;

/// A file's bytes. Cloning is cheap.
#[derive(Debug, Default)]
pub(super) struct Content {
    blocks: Vec<Option<Arc<Block>>>,
    length: u64,
    pub(super) modified_ms: i64,
    /// Zero means not yet known.
    hash: AtomicU64,
}

#[derive(Debug)]
struct Block {
    bytes: [u8; BLOCK_BYTES],
    /// Zero means not yet known.
    hash: AtomicU64,
}

impl Clone for Content {
    fn clone(&self) -> Content {
        Content {
            blocks: self.blocks.clone(),
            length: self.length,
            modified_ms: self.modified_ms,
            hash: AtomicU64::new(self.hash.load(Ordering::Relaxed)),
        }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        // A block is cloned only to be changed.
        Block { bytes: self.bytes, hash: AtomicU64::new(0) }
    }
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> usize {
        let left = usize::try_from(self.length.saturating_sub(position)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        let mut done = 0;
        while done < count {
            let (index, start) = block_of(position + done as u64);
            let part = (count - done).min(BLOCK_BYTES - start);
            let target = &mut buffer[done..done + part];
            match self.blocks.get(index) {
                Some(Some(block)) => target.copy_from_slice(&block.bytes[start..start + part]),
                _ => target.fill(0),
            }
            done += part;
        }
        count
    }

    pub(super) fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        let end = match position.checked_add(bytes.len() as u64) {
            Some(end) if end <= FILE_BYTES_MAX => end,
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        };
        *self.hash.get_mut() = 0;
        let mut done = 0;
        while done < bytes.len() {
            let (index, start) = block_of(position + done as u64);
            let part = (bytes.len() - done).min(BLOCK_BYTES - start);
            self.write_block(index, start, &bytes[done..done + part]);
            done += part;
        }
        if !bytes.is_empty() {
            self.length = self.length.max(end);
        }
        Ok(())
    }

    fn write_block(&mut self, index: usize, start: usize, part: &[u8]) {
        let absent = !matches!(self.blocks.get(index), Some(Some(_)));
        if absent && part.iter().all(|byte| *byte == 0) {
            return;
        }
        if index >= self.blocks.len() {
            self.blocks.resize(index + 1, None);
        }
        let block = self.blocks[index]
            .get_or_insert_with(|| Arc::new(Block { bytes: [0; BLOCK_BYTES], hash: 0.into() }));
        let block = Arc::make_mut(block);
        *block.hash.get_mut() = 0;
        block.bytes[start..start + part.len()].copy_from_slice(part);
    }

    pub(super) fn set_len(&mut self, length: u64) -> io::Result<()> {
        if length > FILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if length == self.length {
            return Ok(());
        }
        *self.hash.get_mut() = 0;
        if length < self.length {
            let (index, start) = block_of(length);
            if start > 0 && matches!(self.blocks.get(index), Some(Some(_))) {
                self.write_block(index, start, &[0; BLOCK_BYTES][start..]);
                self.blocks.truncate(index + 1);
            } else {
                self.blocks.truncate(index);
            }
        }
        self.length = length;
        Ok(())
    }

    /// A hash of length and bytes; the same for the same bytes, however they are stored.
    pub(super) fn hash(&self) -> u64 {
        let known = self.hash.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let mut hash = mix(self.length);
        for (index, block) in self.blocks.iter().enumerate() {
            if let Some(block) = block {
                let of_block = block.hash();
                if of_block != ZEROS {
                    hash = mix(hash ^ of_block.wrapping_add(index as u64));
                }
            }
        }
        let hash = hash.max(1);
        self.hash.store(hash, Ordering::Relaxed);
        hash
    }
}

/// The hash of a block that holds only zeros, as of an absent one.
const ZEROS: u64 = 1;

impl Block {
    fn hash(&self) -> u64 {
        let known = self.hash.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let (mut hash, mut any) = (0_u64, 0_u64);
        for word in self.bytes.chunks_exact(8) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            let word = u64::from_ne_bytes(bytes);
            any |= word;
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        let hash = if any == 0 { ZEROS } else { mix(hash).max(2) };
        self.hash.store(hash, Ordering::Relaxed);
        hash
    }
}

#[expect(clippy::cast_possible_truncation, reason = "positions are below FILE_BYTES_MAX")]
fn block_of(position: u64) -> (usize, usize) {
    let block_bytes = BLOCK_BYTES as u64;
    ((position / block_bytes) as usize, (position % block_bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_bytes_and_not_on_how_they_came_there() {
        let mut one = Content::default();
        one.write_at(&[7; 10_000], 0).unwrap();
        let before = one.hash();
        let copy = one.clone();
        one.write_at(&[9; 5_000], 8_000).unwrap();
        assert_ne!(one.hash(), before);
        one.set_len(8_000).unwrap();
        one.write_at(&[7; 2_000], 8_000).unwrap();
        assert_eq!(one.hash(), before);
        assert_eq!(copy.hash(), before);
        let mut sparse = Content::default();
        sparse.set_len(5_000).unwrap();
        let mut written = Content::default();
        written.write_at(&[1; 5_000], 0).unwrap();
        written.write_at(&[0; 5_000], 0).unwrap();
        assert_eq!(sparse.hash(), written.hash());
        written.set_len(5_001).unwrap();
        assert_ne!(sparse.hash(), written.hash());
    }
}
