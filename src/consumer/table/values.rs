//! The newest value of each key, in memory: what a [`Table`](super::Table) holds.
//!
//! Keys and values lie one behind the other in chunks; a table of slots leads from a key's hash to
//! its entry. So a record costs no allocation. What is superseded is marked dead where it lies, and
//! when more bytes are dead than alive the chunks that have most of it are emptied. The invariant:
//! the memory is at most twice what is alive, the slots and a few chunks more.

use crate::env::block::Block;
use crate::error::room;
use crate::error::{Error, ErrorKind, Result};
use crate::format::key_hash::HashSecret;

/// The bytes of a chunk; a larger entry has one of its own.
const CHUNK_BYTES: usize = 1 << OFFSET_BITS;
const OFFSET_BITS: u32 = 21;
/// Hash (8), length of the key (4), length of the value with the mark of death (4).
const HEADER_BYTES: usize = 16;
const DEAD: u32 = 1 << 31;
/// Entries start at multiples of this.
const ALIGNMENT: usize = 8;
const SLOTS_MIN: usize = 64;
/// Dead bytes below this are not worth a collection.
const DEAD_BYTES_MIN: usize = 2 * CHUNK_BYTES;
/// A slot: 16 bits of the hash, then the place of the entry, which is never 0.
const TAG_SHIFT: u32 = 48;
const PLACE_MASK: u64 = (1 << TAG_SHIFT) - 1;

/// From keys to values.
pub(super) struct Values {
    secret: HashSecret,
    /// A power of two of them; 0 is empty.
    slots: Vec<u64>,
    len: usize,
    /// The first is never used, so that no place is 0.
    chunks: Vec<Chunk>,
    /// Chunks without bytes.
    free: Vec<usize>,
    /// The chunk that is filled.
    open: usize,
    live_bytes: usize,
    dead_bytes: usize,
    /// Memory ran out while chunks were emptied: entries are missing.
    is_torn: bool,
}

#[derive(Default)]
struct Chunk {
    bytes: Block,
    dead: usize,
}

/// Where an entry lies.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u64);

impl Place {
    fn new(chunk: usize, offset: usize) -> Place {
        Place((chunk as u64) << OFFSET_BITS | offset as u64)
    }

    fn chunk(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }

    fn offset(self) -> usize {
        self.0 as usize & (CHUNK_BYTES - 1)
    }
}

/// The numbers before an entry's key.
#[derive(Clone, Copy)]
struct Header {
    hash: u64,
    key_len: usize,
    value_len: usize,
    is_dead: bool,
}

impl Header {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        let value_len = u32::from_le_bytes([m, n, o, p]);
        Some(Header {
            hash: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            key_len: u32::from_le_bytes([i, j, k, l]) as usize,
            value_len: (value_len & !DEAD) as usize,
            is_dead: value_len & DEAD != 0,
        })
    }

    /// The bytes of the whole entry, with what is left free behind it.
    fn size(self) -> usize {
        size_of_entry(self.key_len, self.value_len)
    }
}

fn size_of_entry(key_len: usize, value_len: usize) -> usize {
    (HEADER_BYTES + key_len + value_len).next_multiple_of(ALIGNMENT)
}

impl Values {
    pub(super) fn new(secret: HashSecret) -> Values {
        Values {
            secret,
            slots: vec![0; SLOTS_MIN],
            len: 0,
            chunks: vec![Chunk::default()],
            free: Vec::new(),
            open: 0,
            live_bytes: 0,
            dead_bytes: 0,
            is_torn: false,
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The memory that it takes, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum();
        chunks + self.slots.capacity() * size_of::<u64>()
    }

    /// Forgets everything, and keeps the memory of the slots.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.chunks = vec![Chunk::default()];
        self.free.clear();
        (self.len, self.open, self.live_bytes, self.dead_bytes) = (0, 0, 0, 0);
        self.is_torn = false;
    }

    /// Whether an error left it without some of its entries: clear it.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = self.hash(key);
        let (_, place) = self.find(hash, key).ok()?;
        let (header, bytes) = self.entry(place)?;
        bytes.get(HEADER_BYTES + header.key_len..)?.get(..header.value_len)
    }

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.secret.hash(key) as u64
    }

    /// Puts a value in the place of the one that the key had.
    ///
    /// # Errors
    /// Limit if there is no memory.
    #[inline]
    pub(super) fn put(&mut self, hash: u64, key: &[u8], value: &[u8]) -> Result<()> {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.grow()?;
        }
        let found = self.find(hash, key);
        if let Ok((_, old)) = found
            && self.overwrite(old, value)
        {
            return Ok(());
        }
        let place = self.append(hash, key, value)?;
        let slot = match found {
            Ok((slot, old)) => {
                self.bury(old);
                slot
            }
            Err(slot) => {
                self.len += 1;
                slot
            }
        };
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = hash >> TAG_SHIFT << TAG_SHIFT | place.0;
        }
        if self.dead_bytes > self.live_bytes.max(DEAD_BYTES_MIN) { self.collect() } else { Ok(()) }
    }

    /// Puts a value where another one of the key lies, if it takes the same room.
    #[inline]
    fn overwrite(&mut self, place: Place, value: &[u8]) -> bool {
        let Some(chunk) = self.chunks.get_mut(place.chunk()) else { return false };
        let Some(bytes) = chunk.bytes.get_mut(place.offset()..) else { return false };
        let Some(header) = Header::of(bytes) else { return false };
        let start = HEADER_BYTES + header.key_len;
        let Ok(value_len) = u32::try_from(value.len()) else { return false };
        if size_of_entry(header.key_len, value.len()) != header.size() {
            return false;
        }
        let Some(room) = bytes.get_mut(start..start + value.len()) else { return false };
        room.copy_from_slice(value);
        if let Some(length) = bytes.get_mut(HEADER_BYTES - 4..HEADER_BYTES) {
            length.copy_from_slice(&value_len.to_le_bytes());
        }
        true
    }

    /// Has what these hashes lead to in the processor's cache: first the slots, then the entries.
    /// Each is a wait for memory; looked at one behind the other, with nothing in between, most of
    /// them wait at the same time.
    #[inline]
    pub(super) fn warm(&self, hashes: &[u64]) {
        let mask = self.slots.len() - 1;
        let slot_of = |hash: &u64| self.slots.get(*hash as usize & mask).copied().unwrap_or(0);
        let touched = hashes.iter().fold(0, |sum, hash| sum ^ slot_of(hash));
        std::hint::black_box(touched);
        let entries = hashes.iter().map(|hash| (hash, slot_of(hash)));
        let same = entries.filter(|(hash, slot)| slot >> TAG_SHIFT == **hash >> TAG_SHIFT);
        let touched = same.fold(0, |sum, (_, slot)| {
            let place = Place(slot & PLACE_MASK);
            let chunk = self.chunks.get(place.chunk());
            sum ^ chunk.and_then(|chunk| chunk.bytes.get(place.offset())).map_or(0, |byte| *byte)
        });
        std::hint::black_box(touched);
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) {
        let Ok((slot, place)) = self.find(hash, key) else { return };
        self.bury(place);
        self.len -= 1;
        self.close_gap(slot);
    }

    /// All keys and values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter_from(0).map(|(_, key, value)| (key, value))
    }

    /// Keys and values from a place on, each with the place behind it.
    pub(super) fn iter_from(&self, place: u64) -> impl Iterator<Item = (u64, &[u8], &[u8])> {
        let (first, begin) = (Place(place).chunk(), Place(place).offset());
        let chunks = self.chunks.iter().enumerate().skip(first);
        let entries = chunks.flat_map(move |(index, chunk)| {
            let at = if index == first { begin } else { 0 };
            let entries = Entries { bytes: &chunk.bytes, at };
            entries.map(move |(header, at, bytes)| (index, header, at, bytes))
        });
        entries.filter_map(|(index, header, at, bytes)| {
            if header.is_dead {
                return None;
            }
            let key = bytes.get(at + HEADER_BYTES..)?.get(..header.key_len)?;
            let value = bytes.get(at + HEADER_BYTES + header.key_len..)?;
            // An entry that ends its chunk, or is larger than one, is followed by the next chunk.
            let behind = match at + header.size() {
                end if end < CHUNK_BYTES => Place::new(index, end),
                _ => Place::new(index + 1, 0),
            };
            Some((behind.0, key, value.get(..header.value_len)?))
        })
    }

    /// The slot and the place of a key, or the slot where it belongs.
    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> std::result::Result<(usize, Place), usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(&slot) = self.slots.get(at) {
            if slot == 0 {
                break;
            }
            if slot >> TAG_SHIFT == hash >> TAG_SHIFT {
                let place = Place(slot & PLACE_MASK);
                let is_it = self.entry(place).is_some_and(|(header, bytes)| {
                    bytes.get(HEADER_BYTES..HEADER_BYTES + header.key_len) == Some(key)
                });
                if is_it {
                    return Ok((at, place));
                }
            }
            at = (at + 1) & mask;
        }
        Err(at)
    }

    #[inline]
    fn entry(&self, place: Place) -> Option<(Header, &[u8])> {
        let bytes = self.chunks.get(place.chunk())?.bytes.get(place.offset()..)?;
        Some((Header::of(bytes)?, bytes))
    }

    /// Marks an entry as dead.
    fn bury(&mut self, place: Place) {
        let Some(chunk) = self.chunks.get_mut(place.chunk()) else { return };
        let Some(bytes) = chunk.bytes.get_mut(place.offset()..) else { return };
        let Some(header) = Header::of(bytes) else { return };
        // The highest bit of the last byte.
        if let Some(byte) = bytes.get_mut(HEADER_BYTES - 1) {
            *byte |= 0x80;
        }
        chunk.dead += header.size();
        self.dead_bytes += header.size();
        self.live_bytes -= header.size();
    }

    /// Moves the entries behind an emptied slot up, so that every search still finds its own.
    fn close_gap(&mut self, slot: usize) {
        let mask = self.slots.len() - 1;
        let (mut gap, mut at) = (slot, slot);
        loop {
            at = (at + 1) & mask;
            let Some(&next) = self.slots.get(at).filter(|&&next| next != 0) else { break };
            let Some((header, _)) = self.entry(Place(next & PLACE_MASK)) else { break };
            let home = header.hash as usize & mask;
            // Not if its search would begin behind the gap.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                if let Some(slot) = self.slots.get_mut(gap) {
                    *slot = next;
                }
                gap = at;
            }
        }
        if let Some(slot) = self.slots.get_mut(gap) {
            *slot = 0;
        }
    }

    fn append(&mut self, hash: u64, key: &[u8], value: &[u8]) -> Result<Place> {
        let lengths = (u32::try_from(key.len()), u32::try_from(value.len()));
        let (Ok(key_len), Ok(value_len)) = lengths else { return Err(no_memory(value.len())) };
        let size = size_of_entry(key.len(), value.len());
        let chunk = if size > CHUNK_BYTES {
            self.new_chunk(size)?
        } else {
            let open = self.chunks.get(self.open).map_or(usize::MAX, |open| open.bytes.len());
            if self.open == 0 || open.saturating_add(size) > CHUNK_BYTES {
                self.open = self.new_chunk(CHUNK_BYTES)?;
            }
            self.open
        };
        let Some(Chunk { bytes, .. }) = self.chunks.get_mut(chunk) else {
            return Err(no_memory(size));
        };
        let place = Place::new(chunk, bytes.len());
        let gap = size - (HEADER_BYTES + key.len() + value.len());
        let [mut header, padding] = [[0; HEADER_BYTES], [0; HEADER_BYTES]];
        header[..8].copy_from_slice(&hash.to_le_bytes());
        header[8..12].copy_from_slice(&key_len.to_le_bytes());
        header[12..].copy_from_slice(&value_len.to_le_bytes());
        // There is room: that was asked above.
        bytes.extend(&header);
        bytes.extend(key);
        bytes.extend(value);
        bytes.extend(&padding[..gap]);
        self.live_bytes += size;
        Ok(place)
    }

    fn new_chunk(&mut self, capacity: usize) -> Result<usize> {
        // A small table does not fill its first chunk.
        let at_once = self.len > 0 && self.open > 0;
        let bytes = Block::with_capacity(capacity, at_once).map_err(|_| no_memory(capacity))?;
        let chunk = Chunk { bytes, dead: 0 };
        match self.free.pop() {
            Some(index) => {
                self.chunks[index] = chunk;
                Ok(index)
            }
            None => {
                self.chunks.push(chunk);
                Ok(self.chunks.len() - 1)
            }
        }
    }

    /// Twice as many slots. The entries are walked as they lie, which is quicker than by slots.
    #[cold]
    fn grow(&mut self) -> Result<()> {
        let count = self.slots.len() * 2;
        let mut slots: Vec<u64> = Vec::new();
        room::exactly(&mut slots, count).map_err(|_| no_memory(count))?;
        slots.resize(count, 0);
        let mask = count - 1;
        for (index, chunk) in self.chunks.iter().enumerate() {
            for (header, offset, _) in (Entries { bytes: &chunk.bytes, at: 0 }) {
                if header.is_dead {
                    continue;
                }
                let mut at = header.hash as usize & mask;
                while slots[at] != 0 {
                    at = (at + 1) & mask;
                }
                let place = Place::new(index, offset);
                slots[at] = header.hash >> TAG_SHIFT << TAG_SHIFT | place.0;
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// Empties the chunks of which a quarter or more is dead.
    #[cold]
    fn collect(&mut self) -> Result<()> {
        self.is_torn = true;
        for index in 1..self.chunks.len() {
            let Some(chunk) = self.chunks.get_mut(index) else { break };
            if chunk.dead == 0 || chunk.dead < chunk.bytes.len() / 4 || index == self.open {
                continue;
            }
            let chunk = std::mem::take(chunk);
            for (header, at, bytes) in (Entries { bytes: &chunk.bytes, at: 0 }) {
                if header.is_dead {
                    self.dead_bytes -= header.size();
                    continue;
                }
                let start = at + HEADER_BYTES;
                let (key, value) = bytes[start..].split_at(header.key_len);
                let place = self.append(header.hash, key, &value[..header.value_len])?;
                self.live_bytes -= header.size();
                self.lead_to(header.hash, Place::new(index, at), place);
            }
            self.free.push(index);
        }
        self.is_torn = false;
        Ok(())
    }

    /// An entry was moved.
    fn lead_to(&mut self, hash: u64, from: Place, to: Place) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at).filter(|slot| **slot != 0) {
            if *slot & PLACE_MASK == from.0 {
                *slot = *slot & !PLACE_MASK | to.0;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

/// The entries of a chunk, dead ones too: header, position, and the bytes of the chunk.
struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Header, usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let header = Header::of(self.bytes.get(at..)?)?;
        self.at += header.size();
        Some((header, at, self.bytes))
    }
}

#[cold]
fn no_memory(bytes: usize) -> Error {
    Error::new(ErrorKind::Limit, format!("no memory for {bytes} more bytes of a table"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_holds_what_a_plain_map_holds_and_frees_what_is_dead() {
        let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("OTTLA_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for keys in [1, 10, 1_000, 20_000] {
            let mut values = Values::new(HashSecret::of_bytes([keys as u8; 16]));
            let mut plain: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
            for step in 0..60_000 {
                let number = random.u32(0..keys);
                let key =
                    [number.to_be_bytes().as_slice(), &vec![7; number as usize % 20]].concat();
                let hash = values.hash(&key);
                if random.u8(0..5) == 0 {
                    values.remove(hash, &key);
                    plain.remove(&key);
                } else {
                    let large = if step % 10_000 == 0 { CHUNK_BYTES } else { 0 };
                    let value = vec![random.u8(..); random.usize(0..300) + large];
                    values.put(hash, &key, &value).unwrap();
                    plain.insert(key, value);
                }
                assert_eq!(values.len(), plain.len());
            }
            for (key, value) in &plain {
                assert_eq!(values.get(key), Some(&value[..]));
            }
            assert_eq!(values.get(b"another"), None);
            let mut seen: Vec<_> = values.iter().collect();
            let mut expected: Vec<_> =
                plain.iter().map(|(key, value)| (&key[..], &value[..])).collect();
            // In pieces it is the same, in the same order.
            let (mut place, mut pieces) = (0, Vec::new());
            loop {
                let before = pieces.len();
                for (behind, key, value) in values.iter_from(place).take(random.usize(1..500)) {
                    pieces.push((key, value));
                    place = behind;
                }
                if pieces.len() == before {
                    break;
                }
            }
            assert!(pieces == seen, "{keys} keys in pieces");
            seen.sort();
            expected.sort();
            assert!(seen == expected, "{keys} keys");
            let alive: usize =
                plain.iter().map(|(key, value)| size_of_entry(key.len(), value.len())).sum();
            assert_eq!(values.live_bytes, alive);
            let bound = 2 * alive.max(DEAD_BYTES_MIN) + 3 * CHUNK_BYTES + values.slots.len() * 8;
            assert!(values.memory_bytes() <= bound, "{} of {bound}", values.memory_bytes());
            values.clear();
            assert_eq!((values.len(), values.iter().count()), (0, 0));
        }
    }
}
