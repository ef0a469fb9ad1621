//! What is known of idempotent and transactional producers: their last batches, and which
//! transactions are open.
//!
//! The table, and how a batch of the log is taken into it, which is believed, as a replica would.
//! What a client appends is judged first (`admit.rs`); who was quiet for long is forgotten
//! (`expire.rs`). The table is written as Kafka's snapshot files, which keep the newest batch of
//! each producer. The invariant: the table follows from the batches alone, so a lost snapshot costs
//! only time.

pub(crate) mod admit;
pub(crate) mod expire;
pub(crate) mod recent;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::format::FormatError;
use crate::format::batch_header::{BatchHeader, NO_SEQUENCE};
use crate::format::control_record::{ControlType, EndTransactionMarker};
use crate::format::index_entries::AbortedTxn;
use crate::format::producer_snapshot::ProducerEntry;
use recent::{RecentBatches, StoredBatch};

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
    states: HashMap<i64, ProducerState>,
    /// First offset and producer of each open transaction.
    open: BTreeSet<(i64, i64)>,
}

/// What is known of one producer.
#[derive(Debug, Clone)]
struct ProducerState {
    /// As a snapshot has it: the epoch and the newest batch.
    entry: ProducerEntry,
    /// The last batches of the epoch.
    recent: RecentBatches,
    /// When it was last heard of, in the time of the session.
    used_ms: i64,
}

/// When a batch of the log was appended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AppendTime {
    /// At this time of the session, or not long before the crash that the session began with.
    Known(i64),
    /// Nobody knows: when its records were made, if they say so.
    Unknown,
}

/// How to take back what one batch changed.
#[derive(Debug)]
pub(crate) struct ProducerUndo(Box<Before>);

#[derive(Debug)]
struct Before {
    producer_id: i64,
    state: Option<ProducerState>,
    /// The batch added an entry to the index of aborted transactions.
    aborted: bool,
}

impl ProducerUndo {
    fn new(producer_id: i64, state: Option<ProducerState>) -> ProducerUndo {
        ProducerUndo(Box::new(Before { producer_id, state, aborted: false }))
    }

    /// Whether the batch ended a transaction by aborting it.
    pub(super) fn has_aborted(&self) -> bool {
        self.0.aborted
    }
}

impl ProducerState {
    fn new(producer_id: i64, producer_epoch: i16) -> ProducerState {
        let entry = ProducerEntry {
            producer_id,
            producer_epoch,
            last_sequence: NO_SEQUENCE,
            last_offset: -1,
            offset_delta: 0,
            timestamp: -1,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        };
        ProducerState { entry, recent: RecentBatches::default(), used_ms: -1 }
    }

    fn of_entry(entry: ProducerEntry) -> ProducerState {
        let mut recent = RecentBatches::default();
        if entry.last_sequence >= 0 && entry.last_offset >= 0 {
            recent.push(StoredBatch {
                last_sequence: entry.last_sequence,
                last_offset: entry.last_offset,
                offset_delta: entry.offset_delta,
            });
        }
        ProducerState { entry, recent, used_ms: entry.timestamp }
    }

    /// Whether it was only introduced: a batch or a marker would have left something.
    fn is_new(&self) -> bool {
        self.entry.last_offset < 0 && self.entry.coordinator_epoch < 0
    }

    /// Takes in a batch of data at `base_offset`.
    fn take_in(&mut self, header: &BatchHeader, base_offset: i64, used_ms: i64) {
        self.begin_epoch(header.producer_epoch);
        let stored = StoredBatch {
            last_sequence: header.last_sequence(),
            last_offset: base_offset.saturating_add(i64::from(header.last_offset_delta)),
            offset_delta: header.last_offset_delta,
        };
        self.recent.push(stored);
        let entry = &mut self.entry;
        entry.last_sequence = stored.last_sequence;
        entry.last_offset = stored.last_offset;
        entry.offset_delta = stored.offset_delta;
        entry.timestamp = header.max_timestamp;
        if header.is_transactional() && entry.current_txn_first_offset < 0 {
            entry.current_txn_first_offset = base_offset;
        }
        self.used_ms = self.used_ms.max(used_ms);
    }

    /// In a new epoch, what was known of the batches of the old one is worth nothing.
    fn begin_epoch(&mut self, epoch: i16) {
        if self.entry.producer_epoch == epoch {
            return;
        }
        self.recent.clear();
        self.entry.producer_epoch = epoch;
        self.entry.last_sequence = NO_SEQUENCE;
        self.entry.last_offset = -1;
        self.entry.offset_delta = 0;
    }
}

impl Producers {
    /// The table that a snapshot holds.
    pub(crate) fn of_entries(entries: Vec<ProducerEntry>) -> Producers {
        let mut producers = Producers::default();
        for entry in entries {
            producers.put(ProducerState::of_entry(entry));
        }
        producers
    }

    /// Whether no batch told of a producer.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().next().is_none()
    }

    /// Makes a producer known before its first batch, which must then begin at 0. Nothing of this
    /// is written down.
    pub(crate) fn introduce(&mut self, producer_id: i64, producer_epoch: i16, now_ms: i64) {
        let state = self
            .states
            .entry(producer_id)
            .or_insert_with(|| ProducerState::new(producer_id, producer_epoch));
        state.used_ms = state.used_ms.max(now_ms);
    }

    /// The producers of which the log tells.
    fn known(&self) -> impl Iterator<Item = &ProducerState> {
        self.states.values().filter(|state| !state.is_new())
    }

    /// What is known of each producer, by its id.
    pub(crate) fn entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<_> = self.known().map(|state| state.entry).collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        entries
    }

    /// The first offset of the earliest open transaction.
    pub(crate) fn first_unstable(&self) -> Option<i64> {
        self.open.first().map(|&(offset, _)| offset)
    }

    /// Takes in a batch of the log. Returns how to take it back, and the transaction that it
    /// aborted.
    ///
    /// # Errors
    /// A marker that cannot be read.
    pub(crate) fn observe(
        &mut self,
        entry: &Entry<'_>,
        append_time: AppendTime,
    ) -> Result<Option<(ProducerUndo, Option<AbortedTxn>)>, FormatError> {
        let Some(header) = entry.header().filter(|header| header.producer_id >= 0) else {
            return Ok(None);
        };
        let used_ms = match append_time {
            AppendTime::Known(now_ms) => now_ms,
            AppendTime::Unknown => entry.max_timestamp(),
        };
        let known = self.states.get(&header.producer_id);
        let mut undo = ProducerUndo::new(header.producer_id, known.cloned());
        let mut state = known
            .cloned()
            .unwrap_or_else(|| ProducerState::new(header.producer_id, header.producer_epoch));
        let mut aborted = None;
        if header.is_control() {
            let Some((kind, coordinator_epoch)) = marker_of(entry)? else { return Ok(None) };
            aborted = self.end_transaction(&state.entry, kind, entry.last_offset());
            undo.0.aborted = aborted.is_some();
            state.begin_epoch(header.producer_epoch);
            state.entry.coordinator_epoch = coordinator_epoch;
            state.entry.timestamp = entry.max_timestamp();
            state.entry.current_txn_first_offset = -1;
            state.used_ms = state.used_ms.max(used_ms);
        } else {
            state.take_in(header, entry.base_offset(), used_ms);
        }
        self.put(state);
        Ok(Some((undo, aborted)))
    }

    /// Puts back what a batch changed; the last batch first.
    pub(crate) fn undo(&mut self, undo: ProducerUndo) {
        if planted!("window_not_restored_on_undo") {
            return;
        }
        let before = *undo.0;
        self.remove(before.producer_id);
        if let Some(state) = before.state {
            self.put(state);
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

    fn put(&mut self, state: ProducerState) {
        let entry = state.entry;
        self.remove(entry.producer_id);
        if entry.current_txn_first_offset >= 0 {
            self.open.insert((entry.current_txn_first_offset, entry.producer_id));
        }
        self.states.insert(entry.producer_id, state);
    }

    fn remove(&mut self, producer_id: i64) {
        if let Some(before) = self.states.remove(&producer_id) {
            self.open.remove(&(before.entry.current_txn_first_offset, producer_id));
        }
    }
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
