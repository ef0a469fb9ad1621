//! The key index of the active segment, in memory: for each key its newest record, for each record
//! the one before it of the same key.
//!
//! One writer adds and takes back under the partition's lock; readers hold the lock in here only
//! while they look, never over a read of the disk. Two things make it small: records lie in pieces
//! that never move, and a key is its hash (of 104 bits, with a secret: two keys never share one).
//!
//! The invariant: the records of a key are chained in the order of their offsets, and what is taken back was added last
//! and never published.

use super::sealed::SealedKeys;
use super::table::{Key, NONE, Pieces, Table, masked};
use crate::env::sync::Mutex;
use crate::format::key_hash::HashSecret;
use crate::format::key_index::{IndexedLog, KeyIndexWriter, KeyedRecord};

/// How many records are walked over before the lock is given to others.
const STEPS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Record {
    record: KeyedRecord,
    /// The record before it of the same key.
    previous: u32,
}

#[derive(Debug)]
struct Contents {
    table: Table,
    records: Pieces<Record>,
    /// The hashes of the last records, of those that may be taken back.
    staged: Vec<u128>,
}

/// The key index of a segment that is appended to.
#[derive(Debug)]
pub(crate) struct GrowingKeys {
    secret: HashSecret,
    contents: Mutex<Contents>,
}

/// A place in the chain of a key's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl GrowingKeys {
    pub(crate) fn new(secret: HashSecret) -> GrowingKeys {
        let contents = Contents { table: Table::new(), records: Pieces::new(), staged: Vec::new() };
        GrowingKeys { secret, contents: Mutex::new(contents) }
    }

    /// What a file holds, to be added to; `None` if its keys and records do not fit together.
    pub(crate) fn of_sealed(sealed: &SealedKeys) -> Option<GrowingKeys> {
        let growing = GrowingKeys::new(sealed.secret());
        let mut contents = growing.contents.lock();
        for index in 0..sealed.key_count() {
            let (hash, records) = sealed.key_at(index)?;
            for record in records {
                contents.add(hash, sealed.record(record)?);
            }
            contents.staged.clear();
        }
        drop(contents);
        Some(growing)
    }

    pub(crate) fn secret(&self) -> HashSecret {
        self.secret
    }

    /// Adds the records of a batch that lies at `position`: hashes and relative offsets, ascending.
    /// Returns how many there were before. `settled` says that those will not be taken back.
    pub(crate) fn add(&self, position: u32, records: &[(u128, u32)], settled: bool) -> u32 {
        let mut contents = self.contents.lock();
        if settled {
            contents.staged.clear();
        }
        let before = contents.records.len();
        for &(hash, relative_offset) in records {
            contents.add(hash, KeyedRecord { relative_offset, position });
        }
        before
    }

    /// Takes back the last records, down to `count` of them.
    pub(crate) fn truncate(&self, count: u32) {
        let mut contents = self.contents.lock();
        while contents.records.len() > count {
            contents.take_back();
        }
    }

    /// The relative offset of a key's newest record below another one.
    #[inline]
    pub(crate) fn newest(&self, hash: u128, below: u64) -> Option<u32> {
        let contents = self.contents.lock();
        let key = contents.table.get(masked(hash))?;
        if u64::from(key.newest_offset) < below {
            return Some(key.newest_offset);
        }
        contents.newest_below(key, below).map(|(_, record)| record.record.relative_offset)
    }

    /// Where the chain of a key begins, below a relative offset; walk on with [`walk`](Self::walk).
    pub(crate) fn chain(&self, hash: u128, below: u64) -> Option<Link> {
        let contents = self.contents.lock();
        let key = contents.table.get(masked(hash))?;
        contents.newest_below(key, below).map(|(at, _)| Link(at))
    }

    /// Hands the records of a chain to `visit`, the newest first, until it says no or enough were
    /// walked over for now; returns where to go on, `None` at the end of the chain.
    pub(crate) fn walk(
        &self,
        from: Link,
        visit: &mut dyn FnMut(Link, KeyedRecord) -> bool,
    ) -> Option<Link> {
        let contents = self.contents.lock();
        let mut at = from.0;
        for _ in 0..STEPS_MAX {
            let record = contents.records.get(at)?;
            if !visit(Link(at), record.record) {
                return Some(Link(at));
            }
            at = record.previous;
            if at == NONE {
                return None;
            }
        }
        Some(Link(at))
    }

    /// The file of these keys, once the segment is sealed.
    pub(crate) fn encode(&self, log: &IndexedLog) -> Vec<u8> {
        let contents = self.contents.lock();
        let (keys, records) = (contents.table.len(), contents.records.len());
        let mut writer = KeyIndexWriter::new(log, self.secret, keys, records);
        let (mut of_shard, mut of_key) = (Vec::new(), Vec::new());
        for shard in 0..Table::SHARDS {
            of_shard.clear();
            of_shard.extend(contents.table.shard(shard).map(|(hash, key)| (hash, key.newest)));
            of_shard.sort_unstable();
            for &(hash, newest) in &of_shard {
                of_key.clear();
                let mut at = newest;
                while let Some(record) = contents.records.get(at) {
                    of_key.push(record.record);
                    at = record.previous;
                }
                writer.push_key(hash);
                of_key.iter().rev().for_each(|&record| writer.push_record(record));
            }
        }
        writer.finish()
    }

    /// The bytes of memory.
    pub(crate) fn size_bytes(&self) -> u64 {
        let contents = self.contents.lock();
        let bytes = contents.table.size_bytes()
            + contents.records.size_bytes()
            + contents.staged.capacity() * size_of::<u128>();
        bytes as u64
    }
}

impl Contents {
    fn add(&mut self, hash: u128, record: KeyedRecord) {
        let hash = masked(hash);
        let (at, offset) = (self.records.len(), record.relative_offset);
        let previous = match self.table.get_mut(hash) {
            Some(key) => {
                key.newest_offset = offset;
                std::mem::replace(&mut key.newest, at)
            }
            None => {
                self.table.insert(hash, at, offset);
                NONE
            }
        };
        self.records.push(Record { record, previous });
        self.staged.push(hash);
    }

    fn take_back(&mut self) {
        let Some(record) = self.records.pop() else { return };
        let Some(hash) = self.staged.pop() else { return };
        match (self.records.get(record.previous), self.table.get_mut(hash)) {
            (Some(before), Some(key)) => {
                key.newest = record.previous;
                key.newest_offset = before.record.relative_offset;
            }
            // The key came with this record.
            _ => self.table.remove(hash),
        }
    }

    fn newest_below(&self, key: &Key, below: u64) -> Option<(u32, Record)> {
        let mut at = key.newest;
        loop {
            let record = self.records.get(at)?;
            if u64::from(record.record.relative_offset) < below {
                return Some((at, record));
            }
            at = record.previous;
        }
    }
}
