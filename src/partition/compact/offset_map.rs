//! The newest offset of each key, in a fixed amount of memory.
//!
//! An entry is a hash of 128 bits under a secret, and an offset: 24 bytes, as Kafka counts. The hash
//! stands for the key (`format/key_hash.rs` says why it may). Open addressing: an entry lies at or
//! behind the place that its hash says, with no gap in between. The invariant: whatever is in the
//! log, memory does not grow; a map that is full says so, and the round ends there.

use crate::error::room;
use crate::error::{Error, ErrorKind, Result};

/// The bytes of an entry.
const ENTRY_BYTES: u64 = 24;
/// No more than this share of the places is used (4 of 5): the runs get long beyond.
const USED_OF: (u64, u64) = (4, 5);

/// From a key's hash to the newest offset.
#[derive(Debug)]
pub(crate) struct OffsetMap {
    places: Vec<Place>,
    used: usize,
    used_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    low: u64,
    high: u64,
    /// One more than the offset; 0 where the place is empty.
    offset_after: u64,
}

const EMPTY: Place = Place { low: 0, high: 0, offset_after: 0 };

impl OffsetMap {
    /// A map in at most `bytes` of memory; less if there will not be more than `keys_max` keys.
    ///
    /// # Errors
    /// Limit if there is no memory for it.
    pub(crate) fn new(bytes: u64, keys_max: u64) -> Result<OffsetMap> {
        let wanted = keys_max.saturating_mul(USED_OF.1) / USED_OF.0;
        let count = wanted.saturating_add(2).min(bytes / ENTRY_BYTES).max(3);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut places = Vec::new();
        room::exactly(&mut places, count).map_err(|_| {
            let message = format!(
                "no memory for a map of {count} keys: lower log.cleaner.dedupe.buffer.size"
            );
            Error::new(ErrorKind::Limit, message)
        })?;
        places.resize(count, EMPTY);
        // Less than there are places, so that a search ends at an empty one.
        let used_max = count as u64 * USED_OF.0 / USED_OF.1;
        let used_max = usize::try_from(used_max).unwrap_or(usize::MAX);
        Ok(OffsetMap { places, used: 0, used_max })
    }

    /// How many keys it holds.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Puts the offset of a key, over the one that it had. False, and nothing is changed, if the
    /// key is new and there is no room for another.
    #[inline]
    pub(crate) fn put(&mut self, hash: u128, offset: i64) -> bool {
        let at = self.find(hash);
        let Some(place) = self.places.get_mut(at) else { return false };
        if place.offset_after == 0 {
            if self.used >= self.used_max {
                return false;
            }
            self.used += 1;
            (place.low, place.high) = (hash as u64, (hash >> 64) as u64);
        }
        place.offset_after = offset.cast_unsigned() + 1;
        true
    }

    /// The offset of a key; -1 if it is not there.
    #[inline]
    pub(crate) fn get(&self, hash: u128) -> i64 {
        let place = self.places.get(self.find(hash)).unwrap_or(&EMPTY);
        place.offset_after.cast_signed() - 1
    }

    /// Has the places of these hashes in the processor's cache. Each is a wait for memory; looked
    /// at one behind the other, with nothing in between, most of them wait at the same time.
    #[inline]
    pub(crate) fn warm(&self, hashes: impl Iterator<Item = u128>) {
        let places = hashes.map(|hash| self.places.get(self.home(hash)));
        let touched =
            places.fold(0, |sum, place| sum ^ place.map_or(0, |place| place.offset_after));
        std::hint::black_box(touched);
    }

    /// The first place of a hash: the hash as a fraction of the whole range.
    #[inline]
    fn home(&self, hash: u128) -> usize {
        ((u128::from(hash as u64) * self.places.len() as u128) >> 64) as usize
    }

    /// The place of a hash, or the empty one where it would be.
    #[inline]
    fn find(&self, hash: u128) -> usize {
        let (low, high) = (hash as u64, (hash >> 64) as u64);
        let count = self.places.len();
        let mut at = self.home(hash);
        while let Some(place) = self.places.get(at) {
            let is_it = place.low == low && place.high == high;
            if place.offset_after == 0 || is_it {
                break;
            }
            at += 1;
            if at == count {
                at = 0;
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::format::key_hash::HashSecret;

    #[test]
    fn it_holds_what_a_plain_map_holds() {
        let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("OTTLA_SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let secret = HashSecret::of_bytes(random.u128(..).to_be_bytes());
        for round in 0..200 {
            let bytes = random.u64(0..40_000);
            let mut map = OffsetMap::new(bytes, random.u64(0..3_000)).unwrap();
            assert!(map.places.len() as u64 * ENTRY_BYTES <= bytes.max(3 * ENTRY_BYTES));
            let mut plain: HashMap<u64, i64> = HashMap::new();
            for offset in 0..2_000 {
                let bits = random.u32(1..12);
                let key = random.u64(0..1 << bits);
                let is_new = !plain.contains_key(&key);
                let put = map.put(secret.hash(&key.to_be_bytes()), offset);
                assert_eq!(put, !is_new || plain.len() < map.used_max, "round {round}");
                if put {
                    plain.insert(key, offset);
                }
                assert_eq!(map.len(), plain.len());
            }
            for key in 0..1 << 12 {
                let expected = plain.get(&key).copied().unwrap_or(-1);
                assert_eq!(map.get(secret.hash(&key.to_be_bytes())), expected, "round {round}");
            }
            assert!(!plain.is_empty(), "however small, it takes a key");
        }
    }

    #[test]
    fn there_is_room_for_all_keys_that_may_come() {
        for keys in [0, 1, 2, 3, 7, 8, 9, 10, 100, 12_345] {
            let mut map = OffsetMap::new(u64::MAX, keys).unwrap();
            let secret = HashSecret::of_bytes([3; 16]);
            for key in 0..keys {
                assert!(map.put(secret.hash(&key.to_be_bytes()), 1), "{key} of {keys}");
            }
        }
    }

    #[test]
    fn offsets_from_the_first_to_the_last_fit() {
        let mut map = OffsetMap::new(1_000, 10).unwrap();
        assert_eq!(map.get(0), -1);
        assert!(map.put(0, 0));
        assert_eq!(map.get(0), 0);
        assert!(map.put(u128::MAX, i64::MAX - 1));
        assert_eq!(map.get(u128::MAX), i64::MAX - 1);
        assert_eq!(map.get(0), 0);
    }
}
