//! Cutting the log off at its end.
//!
//! Cutting goes by whole batches; the end is then the offset that was asked for. Two steps: the
//! state that holds afterwards is made durable first, so that a crash in between finds a log that
//! is longer than the control file says, which is the ordinary case for recovery.

use std::sync::Arc;

use super::Partition;
use super::producers::ProducerSlot;
use super::segments::Segments;
use super::writer::{Active, Writer};
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::PartitionState;
use crate::format::file_names::{self, Suffix};
use crate::segment::indexes::{Indexes, remove_if_there};
use crate::segment::rebuild::facts_of;
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::tally::Tally;
use crate::segment::{Segment, empty_state};

impl Partition {
    /// What to make durable before [`truncate_to`](Self::truncate_to): the same partition with a
    /// recovery point that is not above `offset`.
    ///
    /// # Errors
    /// Out of range below the log start; those of the disk.
    pub(crate) fn truncation_state(&self, offset: i64) -> Result<PartitionState> {
        let writer = self.lock();
        // Before anything is written: a state that says so would not fit the log, which stays.
        if offset < self.log_start_offset() {
            return Err(self.below_log_start(offset));
        }
        let mut state = self.state_of(&writer.state);
        if offset >= state.recovery_point {
            return Ok(state);
        }
        // `cleaned_to` stays: until the cut is made, holes of compaction lie behind it.
        state.recovery_point = offset.max(state.log_start_offset);
        state.segments.retain(|segment| segment.base_offset <= offset);
        state.has_producers = false;
        if let Some(last) = state.segments.pop() {
            let segments = self.segments.load();
            let cut =
                segments.get(segments.floor(last.base_offset)).map(|s| self.cut_of(s, offset));
            if let Some(cut) = cut {
                let (tally, indexes) = cut?;
                let mut described = empty_state(last.base_offset);
                tally.describe_in(&mut described);
                indexes.describe_in(&mut described);
                state.segments.push(described);
            }
        }
        state.has_producers = !self.producers_at(state.recovery_point)?.is_empty();
        Ok(state)
    }

    /// Cuts off all batches that hold an offset at or above `offset`.
    ///
    /// # Errors
    /// Those of the disk; a failure poisons, because the log and its handle would disagree.
    ///
    /// # Durability
    /// When it returns, the cut survives power loss.
    pub(crate) fn truncate_to(&self, offset: i64) -> Result<()> {
        let mut writer = self.lock();
        writer.check_writable()?;
        if offset >= writer.state.next_offset {
            return Ok(());
        }
        if offset < self.log_start_offset() {
            return Err(self.below_log_start(offset));
        }
        writer.prepare()?;
        // Readers that start from now on stay below; positions they remember are void.
        self.watermarks.set_end(offset);
        // What will lie behind the cut was not compacted yet, and its first round is to be noticed.
        self.compacted_to.fetch_min(offset, Ordering::AcqRel);
        let generation = self.generation.load(Ordering::Acquire) + 1;
        {
            let mut cuts = self.cuts.lock();
            // Whoever has not heard of a cut further back has not heard of this one either.
            cuts.retain(|(_, end)| *end < offset);
            cuts.push((generation, offset));
        }
        self.generation.store(generation, Ordering::Release);
        writer.truncate(offset).map_err(|error| self.shared.poisoned_by(error))
    }

    #[cold]
    fn below_log_start(&self, offset: i64) -> Error {
        let message = format!("cannot cut at {offset}, below the log start");
        self.name(Error::new(ErrorKind::OffsetOutOfRange, message))
    }

    /// Counts the cuts of this session.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// How far the log was cut back since `generation`, if it was.
    pub(crate) fn cut_since(&self, generation: u32) -> Option<i64> {
        let cuts = self.cuts.lock();
        cuts.iter().find(|(at, _)| *at > generation).map(|(_, end)| *end)
    }

    /// The sums and indexes of a segment up to the first batch that reaches `offset`.
    fn cut_of(&self, segment: &Segment, offset: i64) -> Result<(Tally, Indexes)> {
        let (indexes, mut tally) = (Indexes::growing(), Tally::new(segment.base_offset));
        let mut scanner = Scanner::new(&segment.log, 0, segment.published());
        loop {
            let scanned = scanner.next().map_err(|error| {
                self.name(Error::io(error, "cannot read the log").at_file(segment.describe()))
            })?;
            match scanned {
                Scanned::Entry { entry, .. } if entry.last_offset() < offset => {
                    tally.add(&facts_of(&entry), self.interval_bytes(), &indexes);
                }
                Scanned::Entry { .. } | Scanned::End => break,
                Scanned::Bad { position, error } => {
                    let error = error.into_error().at_file(segment.describe());
                    return Err(self.name(error.at_position(position)));
                }
            }
        }
        let aborted = segment.indexes(self.interval_bytes()).map_err(|error| self.name(error))?;
        for entry in aborted.txn.entries() {
            if entry.last_offset < offset {
                indexes.txn.push(entry);
            }
        }
        Ok((tally, indexes))
    }
}

impl Partition {
    /// Snapshots of what was cut off must not be taken for those of other batches later on.
    fn remove_snapshots_above(&self, offset: i64) -> Result<()> {
        let failed = |error| self.io(error, "cannot remove a producer snapshot", "");
        for entry in self.folder.vfs.list(self.folder.name()).map_err(failed)? {
            if let Some((at, Suffix::Snapshot)) = file_names::parse_base_offset(&entry.name)
                && at > offset
            {
                remove_if_there(&self.folder, &entry.name).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    fn truncate(&mut self, offset: i64) -> Result<()> {
        let partition = self.partition;
        let segments = partition.segments.load_full();
        let index = segments.floor(offset);
        let Some(segment) = segments.get(index) else { return Err(self.not_prepared()) };
        let (tally, indexes) = partition.cut_of(segment, offset)?;
        let failed = |error, what| partition.io(error, what, &segment.log.name());
        // 1. Remove the segments behind, the last first, each for good before the one before it: a
        //    crash must leave no hole. At once, because their names may be used again.
        //    If we stop here: segments that go on without a gap, in whole; recovery takes them,
        //    as it would if the cut had not been asked for.
        for behind in segments.as_slice().iter().skip(index + 1).rev() {
            for suffix in Suffix::OF_SEGMENT {
                remove_if_there(&partition.folder, &suffix.file(behind.base_offset))
                    .map_err(|error| failed(error, "cannot remove a segment"))?;
            }
            if planted!("segments_removed_at_once") {
                continue;
            }
            partition
                .folder
                .vfs
                .sync_dir(partition.folder.name())
                .map_err(|error| failed(error, "cannot sync the folder of the partition"))?;
        }
        // 2. Cut the log and sync it.
        let open = segment.log.writer().map_err(|error| failed(error, "cannot open the log"))?;
        open.file
            .set_len(tally.position)
            .and_then(|()| {
                open.begin_sync();
                segment.log.sync(&open)
            })
            .map_err(|error| failed(error, "cannot cut the log"))?;
        // 3. The indexes: new files, because the old ones may be mapped.
        for suffix in Suffix::OF_SEGMENT.into_iter().filter(|suffix| *suffix != Suffix::Log) {
            remove_if_there(&partition.folder, &suffix.file(segment.base_offset))
                .map_err(|error| failed(error, "cannot remove an index"))?;
        }
        indexes
            .write(&partition.folder, segment.base_offset, true)
            .map_err(|error| failed(error, "cannot write an index"))?;
        let folder = partition.folder.name();
        partition
            .folder
            .vfs
            .sync_dir(folder)
            .map_err(|error| failed(error, "cannot sync the folder of the partition"))?;
        self.adopt_cut(&segments, index, tally, Arc::new(indexes), offset)
    }

    /// Takes the cut segment for the active one.
    fn adopt_cut(
        &mut self,
        segments: &Segments,
        index: usize,
        tally: Tally,
        indexes: Arc<Indexes>,
        offset: i64,
    ) -> Result<()> {
        let partition = self.partition;
        let Some(segment) = segments.get(index) else { return Err(self.not_prepared()) };
        segment.publish(tally.position);
        segment.set_indexes(Some(Arc::clone(&indexes)));
        let kept = segments.as_slice()[..=index].to_vec();
        partition.segments.store(Arc::new(Segments::new(kept)));
        let active = Active {
            segment: Arc::clone(segment),
            indexes,
            tally,
            open: None,
            reserved_to: tally.position,
            created_ms: partition.shared.env.clock.wall_ms(),
            jitter_ms: 0,
            keys: None,
        };
        // Nothing of what was known of the index files holds any more.
        segment.set_state(empty_state(segment.base_offset));
        segment.set_state(active.describe(false).0);
        // Behind the state: who reads them now sees that the segment is not sealed any more.
        segment.set_keys(None);
        self.state.active = Some(active);
        self.state.next_offset = offset;
        self.state.recovery_point = offset;
        self.state.cleaned_to = self.state.cleaned_to.min(offset);
        self.state.written_end = offset;
        self.state.synced_end = offset;
        partition.note_synced(&mut self.state, offset, 0);
        self.state.epochs.truncate_from_end(offset);
        partition.remove_snapshots_above(offset)?;
        let mut producers = partition.producers_at(offset)?;
        if let ProducerSlot::Read(before) = &self.state.producers {
            producers.keep_times_of(before);
        }
        partition.note_unstable(&producers);
        self.state.has_producers = !producers.is_empty();
        if self.state.has_producers {
            partition.write_snapshot_of(&producers, offset, true)?;
        }
        self.state.producers = ProducerSlot::Read(Box::new(producers));
        self.note_change();
        Ok(())
    }
}
