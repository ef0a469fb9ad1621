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
use super::collect::{AT_A_TIME, Keys};
use super::outcome::CompactionOutcome;
use super::transactions::{Part, Transactions};
use crate::batch::entry::Entry;
use crate::batch::records::RecordView;
use crate::batch::retain::{Judge, Retained, Retainer, Retention, Verdict};
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
    asked: Vec<Asked>,
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
            asked: Vec::new(),
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
        let is_control = entry.is_control() && !planted!("markers_are_records");
        let mut asked = std::mem::take(&mut self.asked);
        asked.clear();
        let mut judge =
            ByKeys { keys: self.keys, log_start: self.log_start, is_control, asked, keyless: 0 };
        let retained = self.retainer.retain(entry, &retention, out, &mut judge);
        let keyless = judge.keyless;
        self.asked = judge.asked;
        let retained = retained?;
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

/// A record on which a verdict is to come.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// It needs no map.
    Decided(Verdict),
    /// It goes if the map has a newer one.
    Keyed { hash: u128, offset: i64 },
}

/// Judges the records of a batch by the map of keys.
struct ByKeys<'a> {
    keys: &'a Keys,
    log_start: i64,
    is_control: bool,
    asked: Vec<Asked>,
    keyless: u64,
}

impl Judge for ByKeys<'_> {
    #[inline]
    fn see(&mut self, record: &RecordView<'_>) {
        let is_unknown = record.offset > self.keys.latest && !planted!("unknown_keys_cleaned");
        self.asked.push(match record.key {
            _ if self.is_control || is_unknown => Asked::Decided(Verdict::Stays),
            _ if record.offset < self.log_start => Asked::Decided(Verdict::Goes),
            None => {
                self.keyless += 1;
                Asked::Decided(Verdict::Goes)
            }
            Some(_) if record.value.is_none() && planted!("tombstones_go_at_once") => {
                Asked::Decided(Verdict::Goes)
            }
            Some(key) => Asked::Keyed { hash: self.keys.secret.hash(key), offset: record.offset },
        });
    }

    #[inline]
    fn judge(&mut self, index: usize) -> Verdict {
        if index.is_multiple_of(AT_A_TIME) {
            let next = self.asked.iter().skip(index).take(AT_A_TIME);
            self.keys.map.warm(next.filter_map(|asked| match asked {
                Asked::Keyed { hash, .. } => Some(*hash),
                Asked::Decided(_) => None,
            }));
        }
        match self.asked.get(index) {
            Some(Asked::Decided(verdict)) => *verdict,
            Some(Asked::Keyed { hash, offset }) if self.keys.map.get(*hash) > *offset => {
                Verdict::Goes
            }
            _ => Verdict::IsNewest,
        }
    }
}
