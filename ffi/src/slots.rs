//! Entries at addresses that do not change, found by their index: looking one up takes a lock of
//! that entry alone.
//!
//! They lie in pieces, each twice as large as the one before, which are made when they are needed
//! and stay. Not here: what an entry means. The invariant: an index has one slot for ever, and no
//! two slots share a line of the processor's cache.

use std::sync::OnceLock;

use crate::lock::RwLock;

/// The slots of the first piece.
const FIRST: u32 = 64;

/// With as many pieces there are more slots than handles may be open.
const PIECES: usize = 19;

/// How many slots there can be.
pub(crate) const SLOTS_MAX: u32 = FIRST * ((1 << PIECES) - 1);

/// All slots.
pub(crate) struct Slots<T> {
    pieces: [OnceLock<Box<[Slot<T>]>>; PIECES],
}

/// Alone in its line of the cache: threads that look up different entries do not disturb each other.
#[repr(align(64))]
struct Slot<T>(RwLock<T>);

/// The piece of an index, and the place in it.
fn place(index: u32) -> (usize, usize) {
    let piece = (index / FIRST + 1).ilog2();
    (piece as usize, (index - FIRST * ((1 << piece) - 1)) as usize)
}

impl<T: Default> Slots<T> {
    /// None that takes memory.
    pub(crate) const fn new() -> Slots<T> {
        Slots { pieces: [const { OnceLock::new() }; PIECES] }
    }

    /// The slot of an index below [`SLOTS_MAX`] whose piece was made.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&RwLock<T>> {
        let (piece, at) = place(index);
        Some(&self.pieces.get(piece)?.get()?.get(at)?.0)
    }

    /// As [`get`](Self::get); makes the piece if it is not there.
    pub(crate) fn make(&self, index: u32) -> Option<&RwLock<T>> {
        let (piece, at) = place(index);
        let piece = self.pieces.get(piece)?.get_or_init(|| {
            let slots = (FIRST as usize) << piece;
            (0..slots).map(|_| Slot(RwLock::default())).collect()
        });
        Some(&piece.get(at)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_has_a_slot_of_its_own() {
        let mut next = 0;
        for piece in 0..PIECES {
            let slots = FIRST << piece;
            assert_eq!(place(next), (piece, 0));
            assert_eq!(place(next + slots - 1), (piece, slots as usize - 1));
            next += slots;
        }
        assert_eq!(next, SLOTS_MAX);
        assert_eq!(place(SLOTS_MAX).0, PIECES);
    }

    #[test]
    fn a_piece_is_made_when_it_is_needed_and_stays() {
        let slots = Slots::<u32>::new();
        assert!(slots.get(0).is_none());
        *slots.make(200).unwrap().write() = 7;
        assert!(slots.get(0).is_none());
        assert_eq!(*slots.get(200).unwrap().read(), 7);
        assert_eq!(*slots.make(201).unwrap().read(), 0);
        assert_eq!(*slots.make(200).unwrap().read(), 7);
        assert!(slots.get(SLOTS_MAX).is_none());
        assert!(slots.get(u32::MAX).is_none());
        assert!(slots.make(u32::MAX).is_none());
    }

    #[test]
    fn slots_do_not_share_lines_of_the_cache() {
        assert_eq!(size_of::<Slot<[usize; 6]>>(), 64);
    }
}
