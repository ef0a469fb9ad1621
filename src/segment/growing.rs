//! A list of 64-bit words that one writer appends to while any number of readers search it,
//! without a lock: the offset index of the active segment.
//!
//! The words lie in blocks that double in size and never move. A reader may see a word that the
//! writer takes back later (an append that failed); what an index says is checked against the log
//! anyway.

use crate::env::sync::OnceLock;
use crate::env::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const FIRST_BLOCK_BITS: u32 = 6;
const BLOCKS: usize = 24;

/// A growing list of words.
#[derive(Debug)]
pub(crate) struct GrowingWords {
    blocks: [OnceLock<Box<[AtomicU64]>>; BLOCKS],
    len: AtomicUsize,
}

impl GrowingWords {
    pub(crate) fn new() -> GrowingWords {
        GrowingWords { blocks: std::array::from_fn(|_| OnceLock::new()), len: AtomicUsize::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// The word at `index`, which must be below `len`.
    pub(crate) fn get(&self, index: usize) -> Option<u64> {
        let (block, at) = place(index);
        Some(self.blocks.get(block)?.get()?.get(at)?.load(Ordering::Relaxed))
    }

    /// Appends a word; false if the list is full. Called by the one writer only.
    pub(crate) fn push(&self, word: u64) -> bool {
        let len = self.len.load(Ordering::Relaxed);
        let (block, at) = place(len);
        let Some(slot) = self.blocks.get(block) else { return false };
        let words = slot.get_or_init(|| {
            let size = 1usize << (FIRST_BLOCK_BITS as usize + block);
            (0..size).map(|_| AtomicU64::new(0)).collect()
        });
        let Some(target) = words.get(at) else { return false };
        target.store(word, Ordering::Relaxed);
        self.len.store(len + 1, Ordering::Release);
        true
    }

    /// Takes back all words from `len` on. Called by the one writer only.
    pub(crate) fn truncate(&self, len: usize) {
        if len < self.len.load(Ordering::Relaxed) {
            self.len.store(len, Ordering::Release);
        }
    }
}

/// The block of an index, and the place in it: block b holds 64 << b words.
fn place(index: usize) -> (usize, usize) {
    let shifted = index + (1 << FIRST_BLOCK_BITS);
    let block = shifted.ilog2() - FIRST_BLOCK_BITS;
    (block as usize, shifted - (1usize << (block + FIRST_BLOCK_BITS)))
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_over_many_blocks() {
        let words = GrowingWords::new();
        for value in 0..10_000u64 {
            assert!(words.push(value * 3));
        }
        assert_eq!(words.len(), 10_000);
        for value in [0, 1, 63, 64, 65, 191, 192, 193, 9_999] {
            assert_eq!(words.get(value), Some(value as u64 * 3), "{value}");
        }
        assert_eq!(words.get(1 << 40), None);
        words.truncate(70);
        assert_eq!(words.len(), 70);
        assert!(words.push(7));
        assert_eq!(words.get(70), Some(7));
    }
}
