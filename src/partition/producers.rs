//! What is known of idempotent and transactional producers: their last batches, and which
//! transactions are open.
//!
//! Kept for the batches that are in the log, as a replica would: batches are believed, sequence
//! numbers are not checked yet (the place for that is before `Writer::place` assigns offsets).
//! The table is written as Kafka's snapshot files. The invariant: the table follows from the
//! batches alone, so a lost snapshot costs only time.

use std::collections::{BTreeSet, HashMap};

use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::format::FormatError;
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::index_entries::AbortedTxn;
use crate::format::producer_snapshot::ProducerEntry;

/// No open transaction.
pub(crate) const NONE_UNSTABLE: i64 = i64::MAX;
/// The producers were not read yet: whether a transaction is open is not known.
pub(crate) const UNKNOWN_UNSTABLE: i64 = -1;

/// The producers of a partition, or not yet.
#[derive(Debug)]
pub(crate) enum ProducerSlot {
    /// They are in the snapshot at the recovery point.
    Unread,
    Read(Box<Producers>),
}

/// The table of producers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Producers {
    entries: HashMap<i64, ProducerEntry>,
    /// First offset and producer of each open transaction.
    open: BTreeSet<(i64, i64)>,
}

/// How to take back what one batch changed.
#[derive(Debug)]
pub(crate) struct ProducerUndo {
    /// `None`: the batch changed nothing.
    producer_id: Option<i64>,
    before: Option<ProducerEntry>,
    /// The batch added an entry to the index of aborted transactions.
    pub(super) aborted: bool,
}

impl ProducerUndo {
    pub(super) fn nothing() -> ProducerUndo {
        ProducerUndo { producer_id: None, before: None, aborted: false }
    }
}

impl Producers {
    /// The table that a snapshot holds.
    pub(crate) fn of_entries(entries: Vec<ProducerEntry>) -> Producers {
        let mut producers = Producers::default();
        for entry in entries {
            producers.put(entry);
        }
        producers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries for a snapshot, by producer id.
    pub(crate) fn entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<_> = self.entries.values().copied().collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        entries
    }

    /// The first offset of the earliest open transaction.
    pub(crate) fn first_unstable(&self) -> Option<i64> {
        self.open.first().map(|&(offset, _)| offset)
    }

    /// Takes in a batch. Returns how to take it back, and the transaction that it aborted.
    ///
    /// # Errors
    /// A marker that cannot be read.
    pub(crate) fn observe(
        &mut self,
        entry: &Entry<'_>,
    ) -> Result<Option<(ProducerUndo, Option<AbortedTxn>)>, FormatError> {
        let Some(stamp) = entry.producer() else { return Ok(None) };
        let before = self.entries.get(&stamp.id).copied();
        let mut undo = ProducerUndo { producer_id: Some(stamp.id), before, aborted: false };
        let mut now = before.unwrap_or(ProducerEntry {
            producer_id: stamp.id,
            producer_epoch: stamp.epoch,
            last_sequence: -1,
            last_offset: -1,
            offset_delta: 0,
            timestamp: -1,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        });
        if entry.is_control() {
            let Some((kind, coordinator_epoch)) = marker_of(entry)? else { return Ok(None) };
            let aborted = self.end_transaction(&now, kind, entry.last_offset());
            if now.producer_epoch != stamp.epoch {
                forget_batches(&mut now, stamp.epoch);
            }
            now.coordinator_epoch = coordinator_epoch;
            now.timestamp = entry.max_timestamp();
            now.current_txn_first_offset = -1;
            undo.aborted = aborted.is_some();
            self.put(now);
            return Ok(Some((undo, aborted)));
        }
        if now.producer_epoch != stamp.epoch {
            forget_batches(&mut now, stamp.epoch);
        }
        now.last_sequence = stamp.last_sequence;
        now.last_offset = entry.last_offset();
        now.offset_delta =
            i32::try_from(entry.last_offset() - entry.base_offset()).unwrap_or(i32::MAX);
        now.timestamp = entry.max_timestamp();
        if entry.is_transactional() && now.current_txn_first_offset < 0 {
            now.current_txn_first_offset = entry.base_offset();
        }
        self.put(now);
        Ok(Some((undo, None)))
    }

    /// Puts back what `observe` changed; the last batch first.
    pub(crate) fn undo(&mut self, undo: &ProducerUndo) {
        if let Some(producer_id) = undo.producer_id {
            self.remove(producer_id);
        }
        if let Some(before) = undo.before {
            self.put(before);
        }
    }

    /// The aborted transaction that a marker at `offset` makes; none if nothing was open.
    fn end_transaction(
        &self,
        producer: &ProducerEntry,
        kind: ControlType,
        offset: i64,
    ) -> Option<AbortedTxn> {
        let first_offset = producer.current_txn_first_offset;
        if kind != ControlType::Abort || first_offset < 0 {
            return None;
        }
        let others = self.open.iter().find(|&&(_, id)| id != producer.producer_id);
        let last_stable_offset = others.map_or(offset + 1, |&(first, _)| first);
        let producer_id = producer.producer_id;
        Some(AbortedTxn { producer_id, first_offset, last_offset: offset, last_stable_offset })
    }

    fn put(&mut self, entry: ProducerEntry) {
        self.remove(entry.producer_id);
        if entry.current_txn_first_offset >= 0 {
            self.open.insert((entry.current_txn_first_offset, entry.producer_id));
        }
        self.entries.insert(entry.producer_id, entry);
    }

    fn remove(&mut self, producer_id: i64) {
        if let Some(before) = self.entries.remove(&producer_id) {
            self.open.remove(&(before.current_txn_first_offset, producer_id));
        }
    }
}

/// A new epoch begins: what was known of the batches of the old one is worth nothing.
fn forget_batches(entry: &mut ProducerEntry, epoch: i16) {
    entry.producer_epoch = epoch;
    entry.last_sequence = -1;
    entry.last_offset = -1;
    entry.offset_delta = 0;
}

/// What a marker says; `None` for another kind of control batch, or an emptied one.
fn marker_of(entry: &Entry<'_>) -> Result<Option<(ControlType, i32)>, FormatError> {
    let Some(kind) = entry.control_type()? else { return Ok(None) };
    if !matches!(kind, ControlType::Abort | ControlType::Commit) {
        return Ok(None);
    }
    let mut scratch = Vec::new();
    let Some(record) = entry.records(&DecodeLimits::default(), &mut scratch)?.next() else {
        return Ok(None);
    };
    let marker = EndTransactionMarker::decode(record?.value.unwrap_or_default())?;
    Ok(Some((kind, marker.coordinator_epoch)))
}
