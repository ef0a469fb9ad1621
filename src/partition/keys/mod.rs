//! Which records of a partition carry a key, over all its segments.
//!
//! `note.rs` keeps the index of the active segment with every batch; `lookup.rs` finds a key's
//! newest record, `cursor.rs` its records in order, `read.rs` their contents. What the index of a
//! sealed segment says is compared with the record that lies there (`read.rs`); if it is not
//! true, the index is made anew.
//!
//! Not here: the topic's setting, but for whether it is on. Readers take the partition's lock only
//! when the active segment's index is not in memory yet, which is once in a session.

pub(crate) mod cursor;
pub(crate) mod lookup;
pub(crate) mod note;
pub(crate) mod read;
pub(crate) mod records;

use std::cell::Cell;

use crate::format::key_hash::HashSecret;

/// A key that is looked for, and its hash by the secret that was asked for last: mostly all
/// segments have the same.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a [u8],
    hash: Cell<Option<(HashSecret, u128)>>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(key: &'a [u8]) -> Wanted<'a> {
        Wanted { key, hash: Cell::new(None) }
    }

    fn hash(&self, secret: HashSecret) -> u128 {
        match self.hash.get() {
            Some((known, hash)) if known == secret => hash,
            _ => {
                let hash = secret.hash(self.key);
                self.hash.set(Some((secret, hash)));
                hash
            }
        }
    }
}
