//! Forgetting producers that were quiet for long, and what a snapshot says of the others.
//!
//! How long a producer was quiet is counted from its last append within the session, on a clock
//! that does not jump; for what was there before the session, from the time in the snapshot, or
//! in the records where there was none. A broker counts from record time alone, and so forgets a
//! producer that appends old records while it is at work. Therefore a snapshot names the time of
//! the append where the records are of quite another time.

use super::Producers;
use crate::format::producer_snapshot::ProducerEntry;

/// A record's time that is further than this from its append is not that of the append.
const RECORD_TIME_SLACK_MS: u64 = 60 * 60 * 1000;

impl Producers {
    /// Forgets the producers that were quiet for `expiration_ms` or longer; those with an open
    /// transaction stay. Returns how many went.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.states.len();
        self.states.retain(|_, state| {
            // Records from the future are as old as the first look at them.
            state.used_ms = state.used_ms.min(now_ms);
            let quiet_ms = now_ms.saturating_sub(state.used_ms);
            state.entry.current_txn_first_offset >= 0 || quiet_ms < expiration_ms
        });
        before - self.states.len()
    }

    /// The entries for a snapshot, by producer id.
    pub(crate) fn snapshot_entries(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<_> = self
            .known()
            .map(|state| {
                let is_near = state.entry.timestamp.abs_diff(state.used_ms) <= RECORD_TIME_SLACK_MS;
                let timestamp = if is_near { state.entry.timestamp } else { state.used_ms };
                ProducerEntry { timestamp, ..state.entry }
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.producer_id);
        entries
    }

    /// The times of the producers that `other`, an earlier table of this session, knows too.
    pub(crate) fn keep_times_of(&mut self, other: &Producers) {
        for (producer_id, state) in &mut self.states {
            if let Some(known) = other.states.get(producer_id) {
                state.used_ms = state.used_ms.max(known.used_ms);
            }
        }
    }
}
