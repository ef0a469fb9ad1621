//! Large pieces of memory, taken from the system itself: in large pages where it has them, and all
//! at once instead of page by page when each is first touched. For what fills many of them.

use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Bytes up to a capacity that never changes. Empty ones take no memory.
#[derive(Debug, Default)]
pub(crate) struct Block {
    room: Option<MmapMut>,
    used: usize,
}

impl Block {
    /// Room for `capacity` bytes. `at_once`: it will be filled soon, so the system gives it now.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn with_capacity(capacity: usize, at_once: bool) -> io::Result<Block> {
        let room = MmapMut::map_anon(capacity.max(1))?;
        #[cfg(target_os = "linux")]
        {
            use memmap2::Advice;
            // A system that cannot gives small pages, one by one.
            let _ = room.advise(Advice::HugePage);
            if at_once {
                let _ = room.advise(Advice::PopulateWrite);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = at_once;
        Ok(Block { room: Some(room), used: 0 })
    }

    /// How many bytes it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.room.as_ref().map_or(0, |room| room.len())
    }

    /// Appends; false, and nothing is changed, if there is no room.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> bool {
        let end = self.used.saturating_add(bytes.len());
        let room = self.room.as_mut().and_then(|room| room.get_mut(self.used..end));
        let Some(room) = room else { return bytes.is_empty() };
        room.copy_from_slice(bytes);
        self.used = end;
        true
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.room.as_ref().map_or(&[], |room| &room[..self.used])
    }
}

impl DerefMut for Block {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.room {
            Some(room) => &mut room[..self.used],
            None => &mut [],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_bytes_up_to_its_capacity() {
        for at_once in [false, true] {
            let mut block = Block::with_capacity(10, at_once).unwrap();
            assert!(block.is_empty() && block.extend(b"0123") && block.extend(b"456789"));
            assert!(!block.extend(b"x") && block.extend(b""));
            block[0] = b'a';
            assert_eq!((&block[..], block.capacity()), (&b"a123456789"[..], 10));
        }
        let mut none = Block::default();
        assert!(none.is_empty() && !none.extend(b"x") && none.extend(b""));
        assert_eq!(none.capacity(), 0);
    }
}
