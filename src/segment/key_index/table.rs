//! The parts of the key index that grows: a hash table of keys, and a list of records that never
//! move.
//!
//! What is known of a key lies in the table itself, so that a lookup touches one place in memory.
//! The table is cut into shards by the leading bits of the hash, each of which grows on its own:
//! no append pays for moving everything, and no moment has everything twice.

/// Slots of the first allocation of a shard.
const SHARD_SLOTS_MIN: usize = 8;
const SHARDS: usize = 256;
/// Entries of one piece of a list.
const PIECE: usize = 4096;
/// The bits of a hash that count: the eight of the shard, and those that a slot holds.
const HASH_MASK: u128 = u128::MAX << UNUSED_BITS;
const UNUSED_BITS: u32 = 24;

/// What is known of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The bits of the hash behind the shard's, the lowest first: by these it has its place.
    hash: [u32; 3],
    /// The number of the key's newest record.
    pub(super) newest: u32,
    /// The offset of that record, less the segment's first: asking for a version looks no further.
    pub(super) newest_offset: u32,
}

/// The number of no record: the slot is free.
pub(super) const NONE: u32 = u32::MAX;

const FREE: Key = Key { hash: [0; 3], newest: NONE, newest_offset: 0 };

#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Key>,
    used: usize,
}

/// From hashes to keys.
#[derive(Debug)]
pub(super) struct Table {
    shards: Vec<Shard>,
    keys: u32,
}

impl Table {
    pub(super) const SHARDS: usize = SHARDS;

    pub(super) fn new() -> Table {
        Table { shards: Vec::new(), keys: 0 }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> u32 {
        self.keys
    }

    #[inline]
    pub(super) fn get(&self, hash: u128) -> Option<&Key> {
        let shard = self.shards.get(shard_of(hash))?;
        let at = shard.find(low_bits(hash)).ok()?;
        shard.slots.get(at)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, hash: u128) -> Option<&mut Key> {
        let shard = self.shards.get_mut(shard_of(hash))?;
        let at = shard.find(low_bits(hash)).ok()?;
        shard.slots.get_mut(at)
    }

    /// Adds a key that is not there yet.
    pub(super) fn insert(&mut self, hash: u128, newest: u32, newest_offset: u32) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        // Five of six at most: more makes long runs, less makes memory.
        if (shard.used + 1) * 6 > shard.slots.len() * 5 {
            shard.grow();
        }
        shard.put(Key { hash: low_bits(hash), newest, newest_offset });
        self.keys += 1;
    }

    /// Takes a key out again.
    pub(super) fn remove(&mut self, hash: u128) {
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        if let Ok(at) = shard.find(low_bits(hash)) {
            shard.remove(at);
            self.keys -= 1;
        }
    }

    /// The keys of one shard with the bits of their hashes that count, in no order.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = (u128, &Key)> + '_ {
        let slots = self.shards.get(shard).map_or(&[][..], |shard| &shard.slots);
        slots.iter().filter(|key| key.newest != NONE).map(move |key| (key.full_hash(shard), key))
    }

    pub(super) fn size_bytes(&self) -> usize {
        let slots: usize = self.shards.iter().map(|shard| shard.slots.capacity()).sum();
        slots * size_of::<Key>() + self.shards.capacity() * size_of::<Shard>()
    }
}

/// The bits of a hash that count.
#[inline]
pub(super) fn masked(hash: u128) -> u128 {
    hash & HASH_MASK
}

fn shard_of(hash: u128) -> usize {
    (hash >> 120) as usize
}

fn low_bits(hash: u128) -> [u32; 3] {
    let bits = hash >> UNUSED_BITS;
    [bits as u32, (bits >> 32) as u32, (bits >> 64) as u32]
}

impl Key {
    fn full_hash(&self, shard: usize) -> u128 {
        let [low, middle, high] = self.hash.map(u128::from);
        (shard as u128) << 120 | (high << 64 | middle << 32 | low) << UNUSED_BITS
    }
}

impl Shard {
    /// Where a key should be.
    #[inline]
    fn home(&self, hash: [u32; 3]) -> usize {
        ((u64::from(hash[0]) * self.slots.len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() { 0 } else { at + 1 }
    }

    /// Where a key is, or else the first free place from its own on.
    #[inline]
    fn find(&self, hash: [u32; 3]) -> Result<usize, usize> {
        let mut at = self.home(hash);
        while let Some(key) = self.slots.get(at).filter(|key| key.newest != NONE) {
            if key.hash == hash {
                return Ok(at);
            }
            at = self.after(at);
        }
        Err(at)
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 3 / 2).max(SHARD_SLOTS_MIN);
        let before = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        self.used = 0;
        before.into_iter().filter(|key| key.newest != NONE).for_each(|key| self.put(key));
    }

    /// Puts a key into the first free place from its own on; there is one.
    fn put(&mut self, key: Key) {
        if let Err(at) = self.find(key.hash) {
            self.slots[at] = key;
            self.used += 1;
        }
    }

    /// Frees a place. Those behind move up as far as they may, so that no run is broken.
    fn remove(&mut self, mut at: usize) {
        let distance = |from: usize, to: usize| {
            if to >= from { to - from } else { to + self.slots.len() - from }
        };
        let mut moves = Vec::new();
        let mut next = self.after(at);
        while let Some(key) = self.slots.get(next).filter(|key| key.newest != NONE) {
            if distance(self.home(key.hash), next) >= distance(at, next) {
                moves.push((at, next));
                at = next;
            }
            next = self.after(next);
        }
        for (to, from) in moves {
            self.slots[to] = self.slots[from];
        }
        self.slots[at] = FREE;
        self.used -= 1;
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
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn keys_come_and_go_as_in_a_map() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut table = Table::new();
        let mut map: BTreeMap<u128, u32> = BTreeMap::new();
        for step in 0..30_000 {
            // Few shards, and places that many share: long runs, also around the end.
            let shared =
                0xfe << 120 | u128::from(u32::MAX) << 88 | 0xffff_ff8f << 56 | 0x0fff_ffff << 24;
            let hash = masked(random.u128(..) & !shared) | 0x0fff_ffff << 24;
            match random.u8(..10) {
                0..6 => {
                    if let Some(key) = table.get_mut(hash) {
                        key.newest = step;
                    } else {
                        table.insert(hash, step, step);
                    }
                    map.insert(hash, step);
                }
                6..9 => {
                    table.remove(hash);
                    map.remove(&hash);
                }
                _ if map.len() > 200 => {
                    let gone: Vec<u128> = map.keys().copied().take(150).collect();
                    for hash in gone {
                        table.remove(hash);
                        map.remove(&hash);
                    }
                }
                _ => {}
            }
            assert_eq!(table.get(hash).map(|key| key.newest), map.get(&hash).copied());
            assert_eq!(table.len() as usize, map.len());
        }
        let all: BTreeMap<u128, u32> = (0..SHARDS)
            .flat_map(|shard| table.shard(shard))
            .map(|(hash, key)| (hash, key.newest))
            .collect();
        assert_eq!(all, map);
    }

    #[test]
    fn pieces_keep_what_was_pushed() {
        let mut pieces = Pieces::new();
        (0..10_000_u32).for_each(|value| pieces.push(value));
        (5_000..10_000).rev().for_each(|value| assert_eq!(pieces.pop(), Some(value)));
        (5_000..9_000_u32).for_each(|value| pieces.push(value * 2));
        let ends = (pieces.len(), pieces.get(4_999), pieces.get(8_999));
        assert_eq!(ends, (9_000, Some(4_999), Some(17_998)));
        assert_eq!(pieces.get(9_000), None);
    }
}
