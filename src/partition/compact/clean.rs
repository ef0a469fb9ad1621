//! One round of compaction: sources in, `.cleaned` files out.
//!
//! No lock is held while it reads and writes: sources are sealed and below the recovery point, so
//! nobody changes them, and nobody else knows the new files. What goes wrong leaves the partition
//! as it was; the new files are removed, and those that cannot be are removed by the next opening.

use std::sync::Arc;

use super::super::Partition;
use super::super::producers::ProducerSlot;
use super::super::settings::Settings;
use super::collect::Keys;
use super::filter::Filter;
use super::grouping::{Bounds, Member, group};
use super::output::{Output, discard};
use super::source::Source;
use super::{Cleaned, CleanedSegment, LOG_BYTES_MAX, Pace, Round};
use crate::batch::entry::Entry;
use crate::batch::retain::Retained;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::format::producer_snapshot::ProducerEntry;
use crate::segment::Segment;
use crate::segment::rebuild::facts_of;
use crate::segment::tally::BatchFacts;

/// The pace is told of every so many bytes.
const PACE_BYTES: u64 = 1024 * 1024;

/// What a round starts from.
pub(super) struct Start {
    /// The segments of the round, in order.
    sources: Vec<Arc<Segment>>,
    pub(super) log_start: i64,
    pub(super) settings: Settings,
    pub(super) producers: Vec<ProducerEntry>,
}

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
        let mut made = Vec::new();
        let cleaned = self.start_of(round).and_then(|start| {
            let keys = self.collect_keys(round, &start.sources, pace)?;
            self.clean_sources(round, &start, &keys, &mut made, pace)
        });
        if cleaned.is_err() {
            made.into_iter().for_each(|base_offset| discard(self, base_offset));
        }
        cleaned
    }

    /// The segments of the round, which must be sealed and surely on the disk, and who wrote them.
    fn start_of(&self, round: &Round) -> Result<Start> {
        let mut writer = self.lock();
        writer.check_writable()?;
        self.load_producers(&mut writer.state)?;
        let segments = self.segments.load();
        let sources: Vec<_> = segments
            .as_slice()
            .iter()
            .skip(segments.count_below(self.log_start_offset()))
            .take_while(|segment| segment.base_offset < round.upper)
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
        let producers = match &writer.state.producers {
            ProducerSlot::Read(producers) => producers.entries(),
            ProducerSlot::Unread => Vec::new(),
        };
        let log_start = self.log_start_offset();
        Ok(Start { sources, log_start, settings: writer.state.settings, producers })
    }

    fn clean_sources(
        &self,
        round: &Round,
        start: &Start,
        keys: &Keys,
        made: &mut Vec<i64>,
        pace: Pace<'_>,
    ) -> Result<Cleaned> {
        // What lies wholly behind the known keys would only be copied.
        let known = start.sources.partition_point(|source| source.base_offset <= keys.latest);
        let sources = start.sources.get(..known).unwrap_or_default();
        let members: Vec<Member> = sources.iter().map(member_of).collect();
        let bounds = Bounds {
            log_bytes: start.settings.segment_bytes,
            index_bytes: (start.settings.offset_entries_max as u64).saturating_mul(8),
        };
        let (from, to) = match (members.first(), members.last()) {
            (Some(first), Some(last)) => (first.base_offset, last.next_offset),
            _ => (0, 0),
        };
        // Of all that the sources span, also where the keys end in the middle of one.
        let to = if planted!("aborted_of_the_map_only") { keys.latest + 1 } else { to };
        let aborted = self.aborted_transactions(from, to)?;
        let filter = Filter::new(round, keys, start, aborted);
        let mut cleaner = Cleaner {
            partition: self,
            settings: &start.settings,
            filter,
            log_bytes_max: round.log_bytes_max.min(LOG_BYTES_MAX),
            made,
            done: Vec::new(),
        };
        for range in group(&members, &bounds) {
            cleaner.clean_group(sources.get(range).unwrap_or_default(), pace)?;
        }
        let Cleaner { filter, done, .. } = cleaner;
        let mut stats = filter.stats;
        stats.topic = self.id.topic().as_str().to_owned();
        stats.partition = self.id.partition();
        stats.first_dirty = round.first_dirty;
        stats.cleaned_to = keys.latest + 1;
        stats.keys = keys.map.len() as u64;
        stats.segments_before = sources.len() as u64;
        stats.bytes_before = members.iter().map(|member| member.log_bytes).sum();
        let replaced = |segment: &CleanedSegment| segment.sources.len() as u64;
        let replaced_bytes = |segment: &CleanedSegment| -> u64 {
            segment.sources.iter().map(|source| source.published()).sum()
        };
        stats.segments_after =
            stats.segments_before - done.iter().map(replaced).sum::<u64>() + done.len() as u64;
        stats.bytes_after = stats.bytes_before - done.iter().map(replaced_bytes).sum::<u64>()
            + done.iter().map(|segment| segment.state.log_bytes).sum::<u64>();
        Ok(Cleaned { segments: done, cleaned_to: keys.latest + 1, stats })
    }
}

/// The second half of a round under way.
struct Cleaner<'a> {
    partition: &'a Partition,
    settings: &'a Settings,
    filter: Filter<'a>,
    log_bytes_max: u64,
    /// The base offsets of all files that were begun.
    made: &'a mut Vec<i64>,
    done: Vec<CleanedSegment>,
}

impl<'a> Cleaner<'a> {
    /// Puts what is left of neighbours into one new segment; into more where it grew too large.
    fn clean_group(&mut self, sources: &[Arc<Segment>], pace: Pace<'_>) -> Result<()> {
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else { return Ok(()) };
        let alone = if sources.len() == 1 { Some(first) } else { None };
        let mut output = self.begin(first.base_offset, alone);
        let (mut rewritten, mut written) = (Vec::new(), 0);
        let done_before = self.done.len();
        for segment in sources {
            let mut source = Source::new(self.partition, segment);
            while let Some((entry, ends)) = source.next_and_end(pace)? {
                let is_last = ends && Arc::ptr_eq(segment, last);
                rewritten.clear();
                let left = self
                    .filter
                    .filter(&entry, is_last, &mut rewritten)
                    .map_err(|error| self.partition.unreadable(segment, &entry, error))?;
                let entry = match left.retained {
                    Retained::Dropped => {
                        output.differ()?;
                        continue;
                    }
                    Retained::Untouched => entry,
                    Retained::Rewritten | Retained::Emptied => {
                        Entry::decode(&rewritten).map_err(FormatError::into_error)?
                    }
                };
                let facts = facts_of(&entry);
                if !has_room(&output, &facts, self.log_bytes_max) {
                    // One of several is not its source any more, even if nothing of it went.
                    output.differ()?;
                    let next = self.begin(entry.base_offset(), None);
                    self.close(std::mem::replace(&mut output, next))?;
                }
                if left.retained == Retained::Untouched {
                    output.append_same(&facts, entry.bytes())?;
                } else {
                    output.append(&facts, entry.bytes())?;
                }
                if let Some(transaction) = left.aborts {
                    output.push_aborted(transaction);
                }
                if !output.is_same() {
                    written += facts.size;
                    if written >= PACE_BYTES {
                        pace(std::mem::take(&mut written))?;
                    }
                }
            }
        }
        self.close(output)?;
        if let Some(named) = self.done.get_mut(done_before) {
            named.sources = sources.to_vec();
        }
        pace(written)
    }

    fn begin(&mut self, base_offset: i64, alone: Option<&Arc<Segment>>) -> Output<'a> {
        self.made.push(base_offset);
        Output::new(self.partition, base_offset, self.settings.index_interval_bytes, alone)
    }

    fn close(&mut self, output: Output<'_>) -> Result<()> {
        let state = output.finish()?;
        self.done.extend(state.map(|state| CleanedSegment { state, sources: Vec::new() }));
        Ok(())
    }
}

/// Whether positions and offsets of a new segment can still be told relative to its start.
fn has_room(output: &Output<'_>, batch: &BatchFacts<'_>, log_bytes_max: u64) -> bool {
    let span = batch.last_offset.saturating_sub(output.base_offset());
    output.log_bytes() == 0
        || output.log_bytes() + batch.size <= log_bytes_max && span <= i64::from(i32::MAX)
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
