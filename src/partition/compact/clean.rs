//! One round of compaction: sources in, `.cleaned` files out.
//!
//! No lock is held while it reads and writes: sources are sealed and below the recovery point, so
//! nobody changes them, and nobody else knows the new files. What goes wrong leaves the partition
//! as it was; the new files are removed, and those that cannot be are removed by the next opening.

use std::ops::Range;
use std::sync::Arc;

use super::super::Partition;
use super::super::settings::Settings;
use super::grouping::{Bounds, Member, group};
use super::outcome::CompactionOutcome;
use super::output::{Output, discard};
use super::source::Source;
use super::{Cleaned, CleanedSegment, Pace, Round};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::Segment;
use crate::segment::rebuild::facts_of;

/// No new segment outgrows the positions of an index, whatever its sources grow to.
const LOG_BYTES_MAX: u64 = i32::MAX as u64;

impl Partition {
    /// Cleans the segments below `round.upper`. Their successors lie beside them when it returns,
    /// written and synced; nothing takes their place yet.
    ///
    /// # Errors
    /// Corrupt where a source is damaged; those of the disk and of `pace`. The partition is as it
    /// was then.
    ///
    /// # Durability
    /// The contents of the new files survive power loss; their names are not synced.
    pub(crate) fn clean(&self, round: &Round, pace: Pace<'_>) -> Result<Cleaned> {
        let (sources, settings) = self.sources_of(round)?;
        let mut made = Vec::new();
        let cleaned = self.clean_sources(round, &sources, &settings, &mut made, pace);
        if cleaned.is_err() {
            made.into_iter().for_each(|base_offset| discard(self, base_offset));
        }
        cleaned
    }

    /// The segments of the round, which are sealed and surely on the disk.
    fn sources_of(&self, round: &Round) -> Result<(Vec<Arc<Segment>>, Settings)> {
        let writer = self.lock();
        writer.check_writable()?;
        let segments = self.segments.load();
        let is_below = |segment: &&Arc<Segment>| segment.base_offset < round.upper;
        let sources: Vec<_> = segments
            .as_slice()
            .iter()
            .skip(segments.count_below(self.log_start_offset()))
            .take_while(is_below)
            .cloned()
            .collect();
        for segment in &sources {
            let state = segment.state();
            if !state.sealed || state.next_offset > round.upper.min(writer.state.recovery_point) {
                let message = format!("the log cannot be cleaned up to {}", round.upper);
                let error = Error::new(ErrorKind::InvalidInput, message);
                return Err(self.name(error.at_file(segment.describe())));
            }
        }
        Ok((sources, writer.state.settings))
    }

    fn clean_sources(
        &self,
        round: &Round,
        sources: &[Arc<Segment>],
        settings: &Settings,
        made: &mut Vec<i64>,
        pace: Pace<'_>,
    ) -> Result<Cleaned> {
        let members: Vec<Member> = sources.iter().map(member_of).collect();
        let bounds = Bounds {
            log_bytes: settings.segment_bytes,
            index_bytes: settings.offset_entries_max as u64 * 8,
        };
        let mut segments = Vec::new();
        for Range { start, end } in group(&members, &bounds) {
            segments.extend(self.clean_group(&sources[start..end], settings, made, pace)?);
        }
        let stats = CompactionOutcome {
            topic: self.id.topic().as_str().to_owned(),
            partition: self.id.partition(),
            first_dirty: round.first_dirty,
            cleaned_to: round.upper,
            segments_before: sources.len() as u64,
            bytes_before: members.iter().map(|member| member.log_bytes).sum(),
            ..CompactionOutcome::default()
        };
        Ok(Cleaned { segments, cleaned_to: round.upper, stats })
    }

    fn clean_group(
        &self,
        sources: &[Arc<Segment>],
        settings: &Settings,
        made: &mut Vec<i64>,
        pace: Pace<'_>,
    ) -> Result<Vec<CleanedSegment>> {
        let Some(first) = sources.first() else { return Ok(Vec::new()) };
        let alone = if sources.len() == 1 { Some(first) } else { None };
        let interval_bytes = settings.index_interval_bytes;
        let mut segments: Vec<CleanedSegment> = Vec::new();
        let mut output = Output::new(self, first.base_offset, interval_bytes, alone);
        made.push(first.base_offset);
        for segment in sources {
            let mut source = Source::new(self, segment);
            while let Some(entry) = source.next(pace)? {
                let facts = facts_of(&entry);
                if output.log_bytes() + facts.size > LOG_BYTES_MAX {
                    let next = Output::new(self, entry.base_offset(), interval_bytes, None);
                    made.push(entry.base_offset());
                    let full = std::mem::replace(&mut output, next);
                    segments.extend(
                        full.finish()?.map(|state| CleanedSegment { state, sources: Vec::new() }),
                    );
                }
                output.append_same(&facts, entry.bytes())?;
            }
        }
        segments
            .extend(output.finish()?.map(|state| CleanedSegment { state, sources: Vec::new() }));
        if let Some(named) = segments.first_mut() {
            named.sources = sources.to_vec();
        }
        Ok(segments)
    }
}

fn member_of(segment: &Arc<Segment>) -> Member {
    let state = segment.state();
    Member {
        base_offset: state.base_offset,
        next_offset: state.next_offset,
        log_bytes: state.log_bytes,
        index_bytes: u64::from(state.index_bytes),
        time_index_bytes: u64::from(state.time_index_bytes),
    }
}
