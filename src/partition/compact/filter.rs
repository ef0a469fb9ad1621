//! What becomes of one batch in a round: the rules of Kafka's cleaner, over the bytes' own
//! (`batch/retain.rs`).
//!
//! | what | stays |
//! |---|---|
//! | a batch behind the last offset whose keys are known | as it is |
//! | a record below the log's start, which nobody can read | no |
//! | a record that the map has a newer one of | no |
//! | a record without a key | no; it can never be superseded, and nobody could ask for it |
//! | data of an aborted transaction | no |
//! | a marker of a transaction that left no batch | until its horizon |
//! | the last batch of a producer that is remembered | at least as an empty one: it has the sequence |
//! | a marker that is all that is known of a producer | as it is: it has the epoch |
//! | the last batch of each new segment's sources | at least as an empty one: it has the end |

use std::collections::HashMap;

use super::Round;
use super::clean::Start;
use super::collect::Keys;
use super::outcome::CompactionOutcome;
use super::transactions::{Part, Transactions};
use crate::batch::entry::Entry;
use crate::batch::retain::{Retained, Retainer, Retention, Verdict};
use crate::env::planted::planted;
use crate::error::Result;
use crate::format::batch_header::BatchHeader;
use crate::format::index_entries::AbortedTxn;
use crate::format::producer_snapshot::ProducerEntry;

/// What is remembered of a producer that a recovery from the log alone must find again.
#[derive(Clone, Copy, Debug)]
struct LastWord {
    /// The last offset of its last batch of data; -1 if there is none in its epoch.
    last_offset: i64,
    epoch: i16,
}

/// The rules of a round, and where it stands.
pub(super) struct Filter<'a> {
    round: &'a Round,
    keys: &'a Keys,
    log_start: i64,
    delete_retention_ms: i64,
    producers: HashMap<i64, LastWord>,
    transactions: Transactions,
    retainer: Retainer,
    pub(super) stats: CompactionOutcome,
}

/// What the filter left of a batch.
pub(super) struct Left {
    pub(super) retained: Retained,
    /// The batch is a marker that stays, and aborts this.
    pub(super) aborts: Option<AbortedTxn>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        round: &'a Round,
        keys: &'a Keys,
        start: &Start,
        aborted: Vec<AbortedTxn>,
    ) -> Filter<'a> {
        let last_word = |entry: &ProducerEntry| {
            let word = LastWord { last_offset: entry.last_offset, epoch: entry.producer_epoch };
            (entry.producer_id, word)
        };
        Filter {
            round,
            keys,
            log_start: start.log_start,
            delete_retention_ms: start.settings.delete_retention_ms,
            producers: start.producers.iter().map(last_word).collect(),
            transactions: Transactions::new(aborted),
            retainer: Retainer::default(),
            stats: CompactionOutcome::default(),
        }
    }

    /// Decides on the next batch. `is_last`: of the sources of a new segment. What replaces it is
    /// appended to `out`.
    ///
    /// # Errors
    /// Those of reading its records.
    pub(super) fn filter(
        &mut self,
        entry: &Entry<'_>,
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> Result<Left> {
        let part = self.transactions.see(entry)?;
        let (is_idle_marker, aborts) = match part {
            Part::Marker { is_idle, aborts } => (is_idle, aborts),
            _ => (false, None),
        };
        let is_unknown = entry.base_offset() > self.keys.latest;
        let is_epoch = entry.is_control() && self.is_last_word(entry);
        if (is_unknown && !planted!("unknown_keys_cleaned")) || is_epoch {
            self.count_whole(entry);
            return Ok(Left { retained: Retained::Untouched, aborts });
        }
        let horizon = entry.header().and_then(BatchHeader::delete_horizon_ms);
        let is_over = horizon.is_some_and(|horizon| horizon <= self.round.now_ms);
        let keeps_last = is_last && !planted!("last_empty_batch_dropped");
        let retention = Retention {
            now_ms: self.round.now_ms,
            delete_retention_ms: self.delete_retention_ms,
            keep_empty: keeps_last || self.is_last_word(entry),
            discard: match part {
                Part::AbortedData => true,
                _ => is_idle_marker && (is_over || planted!("idle_markers_go_at_once")),
            },
            is_idle_marker,
        };
        let (keys, log_start, mut keyless) = (self.keys, self.log_start, 0);
        let is_control = entry.is_control() && !planted!("markers_are_records");
        let retained = self.retainer.retain(entry, &retention, out, |record| {
            let is_unknown = record.offset > keys.latest && !planted!("unknown_keys_cleaned");
            if is_control || is_unknown {
                return Verdict::Stays;
            }
            if record.offset < log_start {
                return Verdict::Goes;
            }
            match record.key {
                None => {
                    keyless += 1;
                    Verdict::Goes
                }
                Some(key) if keys.supersedes(key, record.offset) => Verdict::Goes,
                Some(_) if record.value.is_none() && planted!("tombstones_go_at_once") => {
                    Verdict::Goes
                }
                Some(_) => Verdict::IsNewest,
            }
        })?;
        if !entry.is_control() {
            let counts = self.retainer.counts;
            self.stats.records_before += counts.before;
            self.stats.records_after += counts.after;
            self.stats.tombstones_removed += counts.tombstones_removed;
            self.stats.keyless_removed += keyless;
        }
        Ok(Left { retained, aborts })
    }

    /// Whether all that is known of its producer comes from this batch.
    fn is_last_word(&self, entry: &Entry<'_>) -> bool {
        let Some(producer) = entry.producer() else { return false };
        if planted!("last_word_dropped") {
            return false;
        }
        self.producers.get(&producer.id).is_some_and(|word| {
            if word.last_offset >= 0 {
                !entry.is_control() && word.last_offset == entry.last_offset()
            } else {
                entry.is_control() && word.epoch == producer.epoch
            }
        })
    }

    fn count_whole(&mut self, entry: &Entry<'_>) {
        if !entry.is_control() {
            let count = entry.record_count().unwrap_or(0) as u64;
            self.stats.records_before += count;
            self.stats.records_after += count;
        }
    }
}
