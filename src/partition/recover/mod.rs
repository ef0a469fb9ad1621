//! Recovery: from what a crash left to a log that is wholly synced, or to a named damage.
//!
//! 1. Look: complete swapped-in files, list the segments, compare with what is known
//!    (`leftovers.rs`), walk over everything above the recovery point (`scan_tail.rs`). Nothing of
//!    the log is changed.
//! 2. Apply the entries of the journal, in order (`apply.rs`).
//! 3. Finish: write the kept tail again, cut the rest into quarantine, sync, write the indexes
//!    (`finish.rs`).
//!
//! A torn tail is what a crash leaves; it is cut. Everything that a crash cannot leave is damage:
//! then nothing is changed at all, and the partition is readable as far as it is sound. Stopping
//! anywhere and beginning again gives the same result: every step writes only what the next
//! attempt would write as well, and copies to quarantine are synced before anything is cut.

mod apply;
mod finish;
mod leftovers;
mod own_swap;
mod scan_tail;

use std::sync::Arc;

use super::Partition;
use super::create::{Parts, check_length, folder_of, live_segments};
use super::id::PartitionId;
use super::leader_epochs::LeaderEpochs;
use super::producers::Producers;
use super::report::PartitionReport;
use super::shared::Shared;
use crate::config::topic::TopicConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::{PartitionState, SegmentState};
use crate::segment::indexes::Indexes;
use crate::segment::log_file::Folder;
use crate::segment::tally::Tally;
use crate::segment::{Segment, empty_state};
use apply::Cursor;
use leftovers::Found;

/// What is known of a partition before it is recovered.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// What our control file says.
    State(PartitionState),
    /// Nothing of our own: a broker wrote the folder. Everything is read.
    Foreign {
        /// From Kafka's checkpoint, else 0.
        log_start_offset: i64,
        /// From Kafka's checkpoint, else 0. Below it a bad batch is damage.
        recovery_point: i64,
        /// From Kafka's checkpoint of its cleaner, else 0.
        cleaned_to: i64,
        /// It was closed cleanly: then nothing is cut, wherever a bad batch lies.
        clean: bool,
    },
}

/// What became of an entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It is in the log now, or was; finishing makes it durable there.
    Written,
    /// It lies below what is synced, or below the log start.
    Skipped,
    /// It does not fit: the partition is damaged, and nothing of it is changed.
    Refused,
}

/// A segment that may have to be written to.
#[derive(Debug)]
struct Tail {
    segment: Arc<Segment>,
    indexes: Arc<Indexes>,
    /// The sums up to the last sound batch.
    tally: Tally,
    /// The position where the walk over it began.
    start: u64,
    /// The position from which on nothing is known to be synced.
    unsynced_from: u64,
    /// The length of the file now.
    file_bytes: u64,
}

impl Tail {
    /// A segment that the state does not list: all of it has to be looked at.
    fn unlisted(folder: &Arc<Folder>, base_offset: i64, file_bytes: u64) -> Tail {
        let segment = Arc::new(Segment::new(folder, empty_state(base_offset), 0, None));
        let indexes = Arc::new(Indexes::growing());
        segment.set_indexes(Some(Arc::clone(&indexes)));
        let tally = Tally::new(base_offset);
        Tail { segment, indexes, tally, start: 0, unsynced_from: 0, file_bytes }
    }
}

/// A partition that is being recovered.
#[derive(Debug)]
pub(crate) struct Recovery {
    shared: Arc<Shared>,
    id: PartitionId,
    folder: Arc<Folder>,
    config: TopicConfig,
    interval_bytes: u64,
    foreign: Option<Foreign>,
    log_start: i64,
    recovery_point: i64,
    cleaned_to: i64,
    /// Behind the recovery point there is a hole that compaction left.
    has_hole: bool,
    /// Segments that are complete and known: nothing of them is read.
    sealed: Vec<Arc<Segment>>,
    /// The segments from the recovery point on; the last one is active.
    tails: Vec<Tail>,
    /// The offset after the last sound batch.
    end: i64,
    producers: Producers,
    /// The producers where the last segment starts, if their snapshot is missing.
    base_snapshot: Option<(i64, Producers)>,
    epochs: LeaderEpochs,
    found: Found,
    /// Something may lie behind the end that was not looked at since a batch was applied.
    unscanned: bool,
    /// Batches of the journal were written into the log.
    replayed: bool,
    cursor: Option<Cursor>,
    damage: Option<Error>,
    report: PartitionReport,
}

/// What is special about a folder that a broker wrote.
#[derive(Clone, Copy, Debug)]
struct Foreign {
    clean: bool,
}

impl Partition {
    /// Begins to recover a partition: looks at everything above the recovery point.
    ///
    /// # Errors
    /// Those of the disk; an error of reading is never taken for the end of a log. Damage is no
    /// error, see [`Recovery::damage`].
    pub(crate) fn start_recovery(
        shared: &Arc<Shared>,
        id: PartitionId,
        config: &TopicConfig,
        known: Known,
        now_ms: i64,
    ) -> Result<Recovery> {
        // Expired producers would be told by the time; they are kept for now.
        let _ = now_ms;
        let folder = folder_of(shared, &id);
        let (foreign, state) = match known {
            Known::State(state) => (None, state),
            Known::Foreign { log_start_offset, recovery_point, cleaned_to, clean } => {
                let state = PartitionState {
                    topic_id: id.topic_id(),
                    partition: id.partition(),
                    log_start_offset,
                    recovery_point,
                    cleaned_to,
                    has_producers: false,
                    segments: Vec::new(),
                };
                (Some(Foreign { clean }), state)
            }
        };
        let mut recovery = Recovery {
            shared: Arc::clone(shared),
            interval_bytes: super::settings::Settings::of(config).index_interval_bytes,
            id,
            folder,
            config: config.clone(),
            foreign,
            log_start: state.log_start_offset,
            recovery_point: state.recovery_point,
            cleaned_to: state.cleaned_to,
            has_hole: false,
            sealed: Vec::new(),
            tails: Vec::new(),
            end: state.recovery_point,
            producers: Producers::default(),
            base_snapshot: None,
            epochs: LeaderEpochs::default(),
            found: Found::default(),
            unscanned: false,
            replayed: false,
            cursor: None,
            damage: None,
            report: PartitionReport::default(),
        };
        recovery.look(state)?;
        Ok(recovery)
    }
}

impl Recovery {
    /// Why the partition will be readable only, if it will.
    #[cfg(test)]
    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    fn look(&mut self, state: PartitionState) -> Result<()> {
        let has_producers = state.has_producers;
        let listed = live_segments(state.segments, self.log_start);
        self.found = self.find_files(&listed)?;
        if self.foreign.is_some() {
            self.end = self.found.bases.first().copied().unwrap_or(self.log_start);
        }
        self.take_listed(listed)?;
        self.load_below(has_producers)?;
        // Also if there is damage: what lies behind it stays readable.
        self.scan_tails()
    }

    /// Takes what the state lists: sealed segments by their lengths, the last one as a tail.
    fn take_listed(&mut self, mut listed: Vec<SegmentState>) -> Result<()> {
        let last = listed.pop();
        for state in listed {
            let segment = check_length(&self.folder, &self.id, state)?;
            if let Some(damage) = segment.damage() {
                self.damage.get_or_insert(damage.clone());
            }
            self.sealed.push(Arc::new(segment));
        }
        let Some(state) = last else { return Ok(()) };
        let name = crate::format::file_names::log_file(state.base_offset);
        let length = match self.folder.vfs.metadata(&self.folder.path(&name)) {
            Ok(found) => Some(found.length),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.io(error, "cannot look at the log", &name)),
        };
        let expected = state.log_bytes;
        let Some(file_bytes) = length.filter(|&length| length >= expected) else {
            let message = match length {
                None => format!("the log is missing, {expected} bytes of it were synced"),
                Some(length) => {
                    format!("the log has {length} bytes, but {expected} of it were synced")
                }
            };
            let damage = self.corrupt(message, &name);
            let published = length.unwrap_or(0);
            let segment = Segment::new(&self.folder, state, published, Some(damage.clone()));
            self.sealed.push(Arc::new(segment));
            self.damage.get_or_insert(damage);
            return Ok(());
        };
        self.take_active(&state, file_bytes)
    }

    /// Takes the segment that was active at the recovery point, with its indexes up to there.
    fn take_active(&mut self, state: &SegmentState, file_bytes: u64) -> Result<()> {
        let expected = state.log_bytes;
        let segment = Arc::new(Segment::new(&self.folder, state.clone(), expected, None));
        let read = Indexes::read_growing(&self.folder, state)
            .map_err(|error| self.io(error, "cannot read an index", &segment.log.name()))?;
        let indexes = match read {
            Some(indexes) => indexes,
            None => {
                let name = crate::format::file_names::index_file(state.base_offset);
                self.report.rebuilt.push(self.folder.describe(&name));
                self.rebuild_below(&segment, state)?
            }
        };
        // The sums of the log are those of the state; only the entries come from the files.
        let tally = Tally::of_state(state, &indexes);
        let indexes = Arc::new(indexes);
        segment.set_indexes(Some(Arc::clone(&indexes)));
        let unsynced_from = expected;
        self.tails.push(Tail {
            segment,
            indexes,
            tally,
            start: unsynced_from,
            unsynced_from,
            file_bytes,
        });
        Ok(())
    }

    /// The producers and epochs as of the recovery point.
    fn load_below(&mut self, has_producers: bool) -> Result<()> {
        let below = self.below();
        self.epochs = below.read_epochs()?;
        if self.found.txn_index_lost
            && let Some(tail) = self.tails.last()
        {
            below.rebuild_txn_index(&tail.segment)?;
        }
        if has_producers {
            self.producers = below.producers_at(self.recovery_point)?;
        } else if self.foreign.is_some()
            && let Some(&first) = self.found.bases.first()
        {
            self.producers = below.read_snapshot(first)?.unwrap_or_default();
        }
        Ok(())
    }

    /// A handle of what lies below the recovery point, for those who read it.
    fn below(&self) -> Arc<Partition> {
        let mut segments = self.sealed.clone();
        segments.extend(self.tails.iter().map(|tail| Arc::clone(&tail.segment)));
        let parts = Parts {
            segments,
            log_start: self.log_start,
            end: self.recovery_point,
            recovery_point: self.recovery_point,
            cleaned_to: 0,
            has_producers: false,
            producers: Some(Producers::default()),
            epochs: LeaderEpochs::default(),
            unclosed: false,
            damage: None,
        };
        let id = self.id.clone();
        Partition::assemble(&self.shared, id, Arc::clone(&self.folder), &self.config, parts)
    }

    fn named(&self, error: Error) -> Error {
        error.at_partition(self.id.topic().as_str(), self.id.partition())
    }

    fn io(&self, error: std::io::Error, what: &str, file: &str) -> Error {
        self.named(Error::io(error, what).at_file(self.folder.describe(file)))
    }

    fn corrupt(&self, message: String, file: &str) -> Error {
        let error = Error::new(ErrorKind::Corrupt, message);
        self.named(error.at_file(self.folder.describe(file)))
    }

    /// Notes damage; the first one counts.
    fn damaged(&mut self, error: Error) {
        self.damage.get_or_insert(error);
    }
}
