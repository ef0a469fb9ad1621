//! A hash table from a key's hash to its number, and lists of entries that never move: the parts
//! of the key index that grows.
//!
//! The table is cut into shards by the leading bits of the hash, each of which doubles on its own:
//! no append pays for moving everything, and no moment has everything twice. A slot holds the low
//! bits of the hash beside the number, so that a wrong slot costs no look elsewhere.

/// Slots of the first allocation of a shard.
const SHARD_SLOTS_MIN: usize = 8;
const SHARDS: usize = 256;
/// Entries of one piece of a list.
const PIECE: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The low bits of the hash.
    tag: u32,
    /// One more than the number; 0: free.
    after: u32,
}

const FREE: Slot = Slot { tag: 0, after: 0 };

#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

/// From hashes to numbers.
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<Shard>,
}

impl Table {
    pub(super) const SHARDS: usize = SHARDS;

    pub(super) fn new() -> Table {
        Table { shards: Vec::new() }
    }

    pub(super) fn shard_of(hash: u128) -> usize {
        (hash >> 120) as usize
    }

    /// The number of a hash, of those with the same tag the one that `is_it` takes.
    #[inline]
    pub(super) fn find(&self, hash: u128, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let slots = &self.shards.get(Table::shard_of(hash))?.slots;
        let mask = slots.len().checked_sub(1)?;
        let tag = hash as u32;
        let mut at = tag as usize & mask;
        loop {
            let slot = slots.get(at)?;
            let number = slot.after.checked_sub(1)?;
            if slot.tag == tag && is_it(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a number under a hash that is not there yet.
    pub(super) fn insert(&mut self, hash: u128, number: u32) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let Some(shard) = self.shards.get_mut(Table::shard_of(hash)) else { return };
        // Five of six at most: more makes long runs, less makes memory.
        if (shard.used + 1) * 6 > shard.slots.len() * 5 {
            shard.grow();
        }
        shard.put(Slot { tag: hash as u32, after: number + 1 });
        shard.used += 1;
    }

    /// Takes a number out again.
    pub(super) fn remove(&mut self, hash: u128, number: u32) {
        let Some(shard) = self.shards.get_mut(Table::shard_of(hash)) else { return };
        let Some(mask) = shard.slots.len().checked_sub(1) else { return };
        let mut at = hash as u32 as usize & mask;
        while shard.slots[at].after != number + 1 {
            if shard.slots[at].after == 0 {
                return;
            }
            at = (at + 1) & mask;
        }
        // Those behind move up as far as they may, so that no run is broken.
        let mut next = (at + 1) & mask;
        while shard.slots[next].after != 0 {
            let home = shard.slots[next].tag as usize & mask;
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(at) & mask {
                shard.slots[at] = shard.slots[next];
                at = next;
            }
            next = (next + 1) & mask;
        }
        shard.slots[at] = FREE;
        shard.used -= 1;
    }

    /// Tags and numbers of one shard, in no order.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = (u32, u32)> + '_ {
        let slots = self.shards.get(shard).map_or(&[][..], |shard| &shard.slots);
        slots.iter().filter_map(|slot| Some((slot.tag, slot.after.checked_sub(1)?)))
    }

    pub(super) fn size_bytes(&self) -> usize {
        let slots: usize = self.shards.iter().map(|shard| shard.slots.capacity()).sum();
        slots * size_of::<Slot>() + self.shards.capacity() * size_of::<Shard>()
    }
}

impl Shard {
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SHARD_SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        before.into_iter().filter(|slot| slot.after != 0).for_each(|slot| self.put(slot));
    }

    /// Puts a slot into the first free place from its own on; there is one.
    fn put(&mut self, slot: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = slot.tag as usize & mask;
        while self.slots[at].after != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
}

/// A list that grows at its end without moving what it holds.
#[derive(Debug)]
pub(super) struct Pieces<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T: Copy> Pieces<T> {
    pub(super) fn new() -> Pieces<T> {
        Pieces { pieces: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len as u32
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<T> {
        self.pieces.get(index as usize / PIECE)?.get(index as usize % PIECE).copied()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.pieces.get_mut(index as usize / PIECE)?.get_mut(index as usize % PIECE)
    }

    pub(super) fn push(&mut self, value: T) {
        let piece = self.len / PIECE;
        if piece == self.pieces.len() {
            // The first piece grows, so that a small index is small.
            self.pieces.push(Vec::with_capacity(if piece == 0 { 0 } else { PIECE }));
        }
        self.pieces[piece].push(value);
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        let value = self.pieces.get_mut(self.len / PIECE)?.pop();
        self.pieces.truncate(self.len.div_ceil(PIECE));
        value
    }

    pub(super) fn size_bytes(&self) -> usize {
        let values: usize = self.pieces.iter().map(Vec::capacity).sum();
        values * size_of::<T>() + self.pieces.capacity() * size_of::<Vec<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_and_go_as_in_a_map() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut table = Table::new();
        let mut map: Vec<u128> = Vec::new();
        for _ in 0..20_000 {
            if random.u8(..) < 160 {
                // Few shards and few tags: long runs, equal tags.
                let hash = random.u128(..) & !(0xfe << 120) & !0xffff_ff00;
                if !map.contains(&hash) {
                    table.insert(hash, map.len() as u32);
                    map.push(hash);
                }
            } else if let Some(hash) = map.pop() {
                table.remove(hash, map.len() as u32);
                assert_eq!(
                    table.find(hash, |number| map.get(number as usize) == Some(&hash)),
                    None
                );
            }
            if map.len() > 300 {
                map.drain(..).enumerate().for_each(|(at, hash)| table.remove(hash, at as u32));
            }
            if let Some(at) = random.usize(..=map.len()).checked_sub(1) {
                let found = table.find(map[at], |number| map[number as usize] == map[at]);
                assert_eq!(found, Some(at as u32));
            }
        }
    }

    #[test]
    fn pieces_keep_what_was_pushed() {
        let mut pieces = Pieces::new();
        (0..10_000_u32).for_each(|value| pieces.push(value));
        (5_000..10_000).rev().for_each(|value| assert_eq!(pieces.pop(), Some(value)));
        (5_000..9_000_u32).for_each(|value| pieces.push(value * 2));
        assert_eq!(
            (pieces.len(), pieces.get(4_999), pieces.get(8_999)),
            (9_000, Some(4_999), Some(17_998))
        );
        assert_eq!(pieces.get(9_000), None);
    }
}
