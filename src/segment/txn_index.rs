//! The aborted transactions whose marker lies in a segment: `.txnindex`. There are few; they are
//! kept decoded. Not here: how a transaction comes to be aborted (the producers' state).

use crate::env::sync::RwLock;
use crate::format::FormatError;
use crate::format::index_entries::{ABORTED_TXN_LEN, AbortedTxn};

/// The aborted transactions of a segment, by the offset of their marker.
#[derive(Debug, Default)]
pub(crate) struct TxnIndex(RwLock<Vec<AbortedTxn>>);

impl TxnIndex {
    /// Reads a whole file.
    ///
    /// # Errors
    /// A length that is no multiple of an entry, a bad entry, or markers out of order.
    pub(crate) fn decode(bytes: &[u8]) -> Result<TxnIndex, FormatError> {
        let mut entries: Vec<AbortedTxn> = Vec::with_capacity(bytes.len() / ABORTED_TXN_LEN);
        for (index, entry) in bytes.chunks(ABORTED_TXN_LEN).enumerate() {
            let entry = AbortedTxn::decode(entry)?;
            if entries.last().is_some_and(|last| last.last_offset >= entry.last_offset) {
                let what = format!("the marker {} is out of order", entry.last_offset);
                return Err(FormatError::corrupt(what, index * ABORTED_TXN_LEN));
            }
            entries.push(entry);
        }
        Ok(TxnIndex(RwLock::new(entries)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().len()
    }

    pub(crate) fn push(&self, entry: AbortedTxn) {
        self.0.write().push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<AbortedTxn> {
        self.0.read().clone()
    }

    pub(crate) fn replace(&self, entries: Vec<AbortedTxn>) {
        *self.0.write() = entries;
    }

    pub(crate) fn truncate(&self, len: usize) {
        self.0.write().truncate(len);
    }

    /// The transactions that end at or after `from` and start before `end`, into `found`. True
    /// if no later segment can add any: a marker was met at which all before `end` was decided.
    pub(crate) fn collect(&self, from: i64, end: i64, found: &mut Vec<AbortedTxn>) -> bool {
        for entry in self.0.read().iter() {
            if entry.last_offset >= from && entry.first_offset < end {
                found.push(*entry);
            }
            if entry.last_stable_offset >= end {
                return true;
            }
        }
        false
    }

    /// The file's bytes from entry `from` on.
    pub(crate) fn encode_from(&self, from: usize) -> Vec<u8> {
        self.0.read().iter().skip(from).flat_map(|entry| entry.encode()).collect()
    }
}
