//! What a round would clean, and whether it is worth it: Kafka's rules. Pure but for the
//! collection of the facts.
//!
//! A round ends at the first segment that must not be cleaned: the active one, the one that holds
//! the first record of an open transaction, or one with a record younger than
//! `min.compaction.lag.ms`. It is worth it when the part that was not cleaned before is large
//! enough beside the part that was, or holds a record older than `max.compaction.lag.ms`.

use super::super::Partition;
use super::super::settings::Settings;
use crate::error::Result;

/// What counts about one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) base_offset: i64,
    pub(crate) log_bytes: u64,
    /// The largest timestamp; of a log whose records have none, the time of its last change.
    pub(crate) largest_timestamp: i64,
    /// The largest timestamp of the first batch; -1 for none.
    pub(crate) first_timestamp: i64,
}

/// What is known of a log when a round is chosen.
#[derive(Clone, Debug)]
pub(crate) struct LogFacts {
    /// The segments before the active one, in order; all that is in them is synced.
    pub(crate) sealed: Vec<Candidate>,
    pub(crate) log_start: i64,
    pub(crate) log_end: i64,
    /// The base offset of the active segment.
    pub(crate) active_base: i64,
    /// No record at or above it may be cleaned: the last stable offset, or what else holds it.
    pub(crate) bound: i64,
    /// Where the last round ended, if there was one.
    pub(crate) cleaned_to: Option<i64>,
}

/// What a round would clean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Choice {
    /// May lie above `upper`, if the log's young part grew: then only horizons can be over.
    pub(crate) first_dirty: i64,
    /// The base offset of the first segment that stays as it is.
    pub(crate) upper: i64,
    pub(crate) clean_bytes: u64,
    /// The bytes of segments from `first_dirty` to `upper`.
    pub(crate) cleanable_bytes: u64,
    /// It is worth it.
    pub(crate) is_due: bool,
}

impl Choice {
    /// The share of bytes that were not cleaned yet.
    pub(crate) fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes.saturating_add(self.cleanable_bytes);
        if total == 0 { 0.0 } else { self.cleanable_bytes as f64 / total as f64 }
    }
}

/// What a round at `now_ms` would clean; `None` if there is nothing that may be cleaned.
pub(crate) fn choose(facts: &LogFacts, settings: &Settings, now_ms: i64) -> Option<Choice> {
    let in_log = |offset: &i64| (facts.log_start..=facts.log_end).contains(offset);
    // A log that was cut, or lost its start, may have left the last round's end outside.
    let first_dirty = facts.cleaned_to.filter(in_log).unwrap_or(facts.log_start);
    let mut upper = facts.active_base.min(facts.bound);
    if settings.min_compaction_lag_ms > 0 {
        let youngest = now_ms.saturating_sub(settings.min_compaction_lag_ms);
        let is_young = |index: &usize| {
            let next =
                facts.sealed.get(index + 1).map_or(facts.active_base, |next| next.base_offset);
            let candidate = facts.sealed.get(*index);
            next > first_dirty && candidate.is_some_and(|it| it.largest_timestamp > youngest)
        };
        let young = (0..facts.sealed.len()).find(is_young);
        let young = young.and_then(|index| facts.sealed.get(index));
        upper = young.map_or(upper, |segment| upper.min(segment.base_offset));
    }
    // Only whole segments: the one that holds the bound stays as it is.
    let whole = facts.sealed.iter().map(|segment| segment.base_offset).chain([facts.active_base]);
    let upper = whole.take_while(|&base_offset| base_offset <= upper).last()?;
    let below = facts.sealed.iter().take_while(|segment| segment.base_offset < upper);
    let (mut clean_bytes, mut cleanable_bytes, mut oldest) = (0u64, 0u64, i64::MAX);
    for (index, segment) in below.enumerate() {
        let next = facts.sealed.get(index + 1).map_or(facts.active_base, |next| next.base_offset);
        if next <= first_dirty {
            clean_bytes = clean_bytes.saturating_add(segment.log_bytes);
            continue;
        }
        cleanable_bytes = cleanable_bytes.saturating_add(segment.log_bytes);
        if segment.first_timestamp > 0 {
            oldest = oldest.min(segment.first_timestamp);
        }
    }
    if clean_bytes + cleanable_bytes == 0 {
        return None;
    }
    let mut choice = Choice { first_dirty, upper, clean_bytes, cleanable_bytes, is_due: false };
    let is_old = oldest < now_ms.saturating_sub(settings.max_compaction_lag_ms);
    choice.is_due = cleanable_bytes > 0
        && (choice.dirty_ratio() > settings.min_cleanable_dirty_ratio || is_old);
    Some(choice)
}

impl Partition {
    /// What a round would clean now; `None` if the topic is not compacted, or nothing may be
    /// cleaned. `cleaned_to`: where the last one ended. `bound`: a further
    /// offset that no round may pass, or `i64::MAX`.
    ///
    /// # Errors
    /// Those of the disk, where producers or the time of a file have to be looked up.
    pub(crate) fn choose_round(
        &self,
        cleaned_to: Option<i64>,
        bound: i64,
        now_ms: i64,
    ) -> Result<Option<Choice>> {
        let last_stable = self.last_stable_offset()?;
        let (settings, recovery_point) = {
            let writer = self.writer.lock();
            (writer.settings, writer.recovery_point)
        };
        if !settings.compacts {
            return Ok(None);
        }
        let segments = self.segments.load();
        let log_start = self.log_start_offset();
        let mut sealed = Vec::new();
        let mut active_base = self.end_offset();
        for segment in &segments.as_slice()[segments.count_below(log_start)..] {
            let state = segment.state();
            if !state.sealed || state.next_offset > recovery_point {
                active_base = segment.base_offset;
                break;
            }
            sealed.push(Candidate {
                base_offset: segment.base_offset,
                log_bytes: state.log_bytes,
                largest_timestamp: self.largest_timestamp(segment)?,
                first_timestamp: state.first_timestamp,
            });
        }
        let facts = LogFacts {
            sealed,
            log_start,
            log_end: self.end_offset(),
            active_base,
            bound: bound.min(last_stable),
            cleaned_to,
        };
        Ok(choose(&facts, &settings, now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::topic::TopicConfig;

    const NOW_MS: i64 = 1_000_000;

    fn settings(overrides: &[(&str, &str)]) -> Settings {
        let config = TopicConfig::from_overrides(overrides.iter().copied());
        assert_eq!(config.not_understood().count(), 0);
        Settings::of(&config)
    }

    /// Four sealed segments of ten records and 100 bytes each, then the active one; the records are
    /// 400, 300, 200 and 100 ms old.
    fn facts(cleaned_to: Option<i64>) -> LogFacts {
        let sealed = (0..4).map(|index| Candidate {
            base_offset: index * 10,
            log_bytes: 100,
            largest_timestamp: NOW_MS - 400 + index * 100,
            first_timestamp: NOW_MS - 400 + index * 100,
        });
        LogFacts {
            sealed: sealed.collect(),
            log_start: 0,
            log_end: 45,
            active_base: 40,
            bound: i64::MAX,
            cleaned_to,
        }
    }

    #[test]
    fn the_dirty_share_must_be_larger_than_the_ratio() {
        let half = settings(&[("min.cleanable.dirty.ratio", "0.5")]);
        let choice = choose(&facts(Some(20)), &half, NOW_MS).unwrap();
        assert_eq!((choice.first_dirty, choice.upper), (20, 40));
        assert_eq!((choice.clean_bytes, choice.cleanable_bytes), (200, 200));
        assert!(!choice.is_due, "exactly half is not more than half");
        assert!(choose(&facts(Some(10)), &half, NOW_MS).unwrap().is_due);
        let all = choose(&facts(None), &half, NOW_MS).unwrap();
        assert_eq!((all.first_dirty, all.clean_bytes, all.dirty_ratio()), (0, 0, 1.0));
        // A segment that the last round ended in the middle of was not cleaned.
        let middle = choose(&facts(Some(15)), &half, NOW_MS).unwrap();
        assert_eq!((middle.clean_bytes, middle.cleanable_bytes), (100, 300));
        // All is clean: nothing is due, but horizons may be over.
        let clean = choose(&facts(Some(40)), &half, NOW_MS).unwrap();
        assert_eq!((clean.upper, clean.cleanable_bytes, clean.is_due), (40, 0, false));
    }

    #[test]
    fn whole_segments_below_every_bound_are_cleaned() {
        let none = settings(&[]);
        for (bound, upper) in [(40, 40), (39, 30), (30, 30), (29, 20), (10, 10)] {
            let bounded = LogFacts { bound, ..facts(None) };
            assert_eq!(choose(&bounded, &none, NOW_MS).unwrap().upper, upper, "{bound}");
        }
        let first = LogFacts { bound: 9, ..facts(None) };
        assert_eq!(choose(&first, &none, NOW_MS), None, "nothing may be cleaned");
        let empty = LogFacts { sealed: Vec::new(), active_base: 0, ..facts(None) };
        assert_eq!(choose(&empty, &none, NOW_MS), None);
    }

    #[test]
    fn records_that_are_too_young_stay_and_all_behind_them() {
        let lag = |ms: &str| settings(&[("min.compaction.lag.ms", ms)]);
        for (ms, upper) in [("99", 40), ("100", 40), ("101", 30), ("250", 20), ("399", 10)] {
            assert_eq!(choose(&facts(None), &lag(ms), NOW_MS).unwrap().upper, upper, "{ms}");
        }
        assert_eq!(choose(&facts(None), &lag("401"), NOW_MS), None);
        // What was cleaned once is not protected any more, however young.
        let choice = choose(&facts(Some(30)), &lag("250"), NOW_MS).unwrap();
        assert_eq!(choice.upper, 30);
        let mut out_of_order = facts(None);
        out_of_order.sealed[1].largest_timestamp = NOW_MS;
        assert_eq!(choose(&out_of_order, &lag("50"), NOW_MS).unwrap().upper, 10);
    }

    #[test]
    fn records_that_are_too_old_are_cleaned_whatever_their_share() {
        let settings_of = |ms: &str| {
            settings(&[("min.cleanable.dirty.ratio", "1"), ("max.compaction.lag.ms", ms)])
        };
        assert!(!choose(&facts(Some(20)), &settings_of("200"), NOW_MS).unwrap().is_due);
        assert!(choose(&facts(Some(20)), &settings_of("199"), NOW_MS).unwrap().is_due);
        // The old ones were cleaned before.
        assert!(!choose(&facts(Some(30)), &settings_of("199"), NOW_MS).unwrap().is_due);
    }

    #[test]
    fn an_end_of_the_last_round_outside_of_the_log_does_not_count() {
        let none = settings(&[]);
        for (cleaned_to, first_dirty) in [(Some(46), 5), (Some(45), 45), (Some(4), 5), (None, 5)] {
            let cut = LogFacts { log_start: 5, ..facts(cleaned_to) };
            assert_eq!(choose(&cut, &none, NOW_MS).unwrap().first_dirty, first_dirty);
        }
    }
}
