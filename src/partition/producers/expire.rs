//! Forgetting producers that were quiet for long, and what a snapshot says of the others.
//!
//! How long a producer was quiet is counted on a clock that does not jump, from its last append, and
//! never from before the session: while nobody has the directory open, nobody can send again, and
//! what a wall clock says of that time may be wrong. Short sessions would so keep producers for
//! ever: of those that the wall clock would let go only the newest are kept ([`QUIET_MAX`]).
//!
//! A broker counts from record time alone, and so forgets a producer that appends old records while
//! it is at work. Therefore a snapshot names the time of the append where the records are of quite
//! another time.

use super::Producers;
use crate::format::producer_snapshot::ProducerEntry;

/// A record's time that is further than this from its append is not that of the append.
const RECORD_TIME_SLACK_MS: u64 = 60 * 60 * 1000;

/// So many producers of a partition are kept although they were last heard of long before the
/// session, by the wall clock.
const QUIET_MAX: usize = 1_000;

/// A session, as far as the forgetting of producers needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionTime {
    /// When it began.
    pub(crate) began_ms: i64,
    pub(crate) now_ms: i64,
}

impl Producers {
    /// Forgets the producers that were quiet for `expiration_ms` of this session or longer, and of
    /// those that were so before it all but the newest; those with an open transaction stay.
    /// Returns how many went.
    pub(crate) fn expire(&mut self, time: SessionTime, expiration_ms: i64) -> usize {
        let SessionTime { began_ms, now_ms } = time;
        let before = self.states.len();
        let mut quiet_before = Vec::new();
        self.states.retain(|_, state| {
            // Records from the future are as old as the first look at them.
            state.used_ms = state.used_ms.min(now_ms);
            let is_open = state.entry.current_txn_first_offset >= 0;
            let is_quiet = |since: i64| now_ms.saturating_sub(since) >= expiration_ms;
            if !is_open && is_quiet(state.used_ms) {
                quiet_before.push(state.used_ms);
            }
            is_open || !is_quiet(state.used_ms.max(began_ms))
        });
        if quiet_before.len() > QUIET_MAX {
            quiet_before.sort_unstable_by(|a, b| b.cmp(a));
            let oldest_ms = quiet_before[QUIET_MAX - 1];
            let is_old = |used_ms: i64| used_ms < oldest_ms;
            self.states.retain(|_, state| {
                state.entry.current_txn_first_offset >= 0 || !is_old(state.used_ms)
            });
        }
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
