//! Crash states that were checked already, over any number of recordings.
//!
//! What a check finds depends on the disk and on what is expected of it, and on nothing else. So a
//! state need not be checked again if the same disk was checked against the same expectations.
//! Only disks as a loss of power leaves them are noted: those have no past, nothing on them is
//! pending.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::env::random::mix;
use crate::env::sync::Mutex;

/// A set of hashes, which need not be hashed again.
pub(super) type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Takes a number that is a hash already for its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only numbers are put in.
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Threads that note at the same time seldom want the same of these.
const SHARDS: usize = 16;

/// What was checked, to be shared by threads.
#[derive(Debug, Default)]
pub struct Known {
    shards: [Mutex<Hashes>; SHARDS],
}

impl Known {
    /// Notes that this disk is checked against these expectations, with crashes in its recovery if
    /// it is the first of its run; false if that was done before.
    pub(super) fn is_new(&self, image: u64, expected: u64, depth: u32) -> bool {
        let first = mix(image ^ mix(expected));
        if depth == 1 {
            return self.note(first);
        }
        // A first one is checked in every way in which a later one is.
        !self.has(first) && self.note(mix(first ^ u64::from(depth)))
    }

    fn note(&self, key: u64) -> bool {
        self.shards[key as usize % SHARDS].lock().insert(key)
    }

    fn has(&self, key: u64) -> bool {
        self.shards[key as usize % SHARDS].lock().contains(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_disk_is_new_once_for_each_expectation_and_depth() {
        let known = Known::default();
        assert!(known.is_new(1, 7, 2));
        assert!(!known.is_new(1, 7, 2));
        assert!(known.is_new(1, 7, 1), "at depth 2 fewer crashes follow");
        assert!(!known.is_new(1, 7, 1));
        assert!(!known.is_new(1, 7, 3), "and at depth 1 all of them");
        assert!(known.is_new(1, 8, 1));
        assert!(known.is_new(2, 7, 1));
    }
}
