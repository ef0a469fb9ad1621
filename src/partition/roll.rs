//! Opening the active segment for appending, and rolling it: when, and in which order.
//!
//! The invariant: a segment is complete on the disk, with its indexes, before a byte is written
//! into the next one. So a log that has a successor can never be torn.

use std::io;
use std::sync::Arc;

use super::segments::Segments;
use super::writer::{Active, Writer};
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, VfsFile};
use crate::error::{ErrorKind, Result};
use crate::format::batch_header::BatchHeader;
use crate::format::control_file::SegmentState;
use crate::format::file_names;
use crate::segment::indexes::{Added, Indexes};
use crate::segment::tally::Tally;
use crate::segment::{Segment, empty_state};

/// Positions in an index are signed 32-bit numbers, and so are offsets relative to the base.
const LIMIT: u64 = i32::MAX as u64;
/// Rolled when offsets get this far from the base, so that a staged group still finds room.
const SPAN_MAX: i64 = (i32::MAX - (1 << 28)) as i64;

impl Writer<'_> {
    /// Makes ready to append: the epoch is known and a segment is active. Returns the epoch.
    #[cold]
    pub(super) fn prepare(&mut self) -> Result<i32> {
        let epoch = self.partition.current_epoch(&mut self.state)?;
        if self.state.active.is_none() {
            let last = self.partition.segments.load().last().cloned();
            let active = match last {
                Some(segment) => self.open_active(segment)?,
                None => self.create_active(self.state.next_offset)?,
            };
            self.state.active = Some(active);
        }
        Ok(epoch)
    }

    fn open_active(&self, segment: Arc<Segment>) -> Result<Active> {
        let indexes = segment
            .indexes(self.state.settings.index_interval_bytes)
            .map_err(|error| self.partition.name(error))?;
        let tally = Tally::of_state(&segment.state(), &indexes);
        Ok(self.activate(segment, indexes, tally))
    }

    fn activate(&self, segment: Arc<Segment>, indexes: Arc<Indexes>, tally: Tally) -> Active {
        let environment = &self.partition.shared.env;
        let jitter_max = self.state.settings.segment_jitter_ms;
        let jitter_ms = match u64::try_from(jitter_max) {
            Ok(max) if max > 0 => (environment.random.next_u64() % max).cast_signed(),
            _ => 0,
        };
        let created_ms = environment.clock.wall_ms();
        let reserved_to = tally.position;
        Active {
            segment,
            indexes,
            tally,
            open: None,
            reserved_to,
            created_ms,
            jitter_ms,
            keys: None,
        }
    }

    /// Makes a new, empty segment and appends it to the list.
    ///
    /// # Durability
    /// Its name is synced.
    fn create_active(&self, base_offset: i64) -> Result<Active> {
        let partition = self.partition;
        let name = file_names::log_file(base_offset);
        let failed = |error, what| partition.io(error, what, &name);
        // 1. Make the log.
        //    If we stop here: an empty log behind the end, which recovery takes or removes.
        let file = create_log(partition, &name)
            .map_err(|error| failed(error, "cannot make a new segment"))?;
        // 2. Sync the folder, so that no record is acked that lies in a file without a name.
        if !planted!("no_directory_sync") {
            partition.shared.env.vfs.sync_dir(partition.folder.name()).map_err(|error| {
                let what = "cannot sync the folder of a new segment";
                partition.shared.poisoned_by(failed(error, what))
            })?;
        }
        // 3. Show it to readers.
        let indexes = Arc::new(Indexes::growing());
        let segment = Segment::new(&partition.folder, empty_state(base_offset), 0, None);
        segment.log.adopt(file);
        segment.set_indexes(Some(Arc::clone(&indexes)));
        let segment = Arc::new(segment);
        let list: Segments = partition.segments.load().with(Arc::clone(&segment));
        partition.segments.store(Arc::new(list));
        Ok(self.activate(segment, indexes, Tally::new(base_offset)))
    }

    /// Whether the active segment has no room for a batch, as Kafka decides it.
    pub(super) fn must_roll(&self, header: &BatchHeader, size: usize) -> Result<bool> {
        let (Some(active), settings) = (&self.state.active, &self.state.settings) else {
            return Err(self.not_prepared());
        };
        let (tally, size) = (&active.tally, size as u64);
        // A log that was cut in a hole ends behind its last batch.
        let next_offset = self.state.next_offset;
        let last_offset = next_offset.saturating_add(i64::from(header.last_offset_delta));
        let span = last_offset.saturating_sub(tally.base_offset);
        if self.state.staged > 0 {
            if tally.position + size > LIMIT || span > i64::from(i32::MAX) {
                let message = "too much is staged for one segment: commit in smaller groups";
                return Err(self.refuse(ErrorKind::Limit, message.to_owned()));
            }
            return Ok(false);
        }
        if tally.position == 0 {
            return Ok(span > i64::from(i32::MAX) && next_offset > tally.base_offset);
        }
        let full = tally.position + size > settings.segment_bytes
            || span > SPAN_MAX
            || tally.offset_entries >= settings.offset_entries_max
            || tally.time_entries >= settings.time_entries_max;
        Ok(full || self.waited_ms(active, header) > settings.segment_ms - active.jitter_ms)
    }

    /// The time that the segment spans: record time, or the clock's if records carry none.
    fn waited_ms(&self, active: &Active, header: &BatchHeader) -> i64 {
        if active.tally.first_timestamp >= 0 {
            return header.max_timestamp.saturating_sub(active.tally.first_timestamp);
        }
        let now_ms = self.partition.shared.env.clock.wall_ms();
        now_ms.saturating_sub(active.created_ms)
    }

    /// Seals the active segment and makes a new one. Does nothing if the active one is empty.
    ///
    /// # Errors
    /// Those of the disk. The old segment stays the active one then.
    ///
    /// # Durability
    /// All that was appended before survives power loss.
    pub(crate) fn roll(&mut self) -> Result<()> {
        self.check_writable()?;
        self.prepare()?;
        debug_assert_eq!(self.state.staged, 0, "what is staged belongs into the old segment");
        let Some(active) = &self.state.active else { return Err(self.not_prepared()) };
        if active.position() == 0 {
            return Ok(());
        }
        // 1 to 5. Complete the old segment on the disk.
        let sealed = self.seal()?;
        // 6. Make the new one and sync the folder.
        //    If we stop here: the old segment is complete, the new one is empty or not there.
        let old = self.state.active.as_ref().map(|active| Arc::clone(&active.segment));
        let new = self.create_active(self.state.next_offset)?;
        self.state.active = Some(new);
        // 7. The old one will never change again: its indexes are read from their files from now
        //    on, and all below the new one is synced.
        if let Some(old) = old {
            old.publish(sealed.log_bytes);
            old.set_state(sealed);
            old.set_indexes(None);
            old.set_keys(None);
        }
        self.state.recovery_point = self.state.next_offset;
        self.state.has_producers = self.partition.has_producers(&self.state);
        self.note_change();
        Ok(())
    }

    /// Completes the active segment on the disk; returns what to remember of it.
    fn seal(&mut self) -> Result<SegmentState> {
        let partition = self.partition;
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        let name = active.segment.log.name();
        // 1. Close the time index, give back reserved space.
        //    If we stop here: a shorter reservation, and an index entry that is right.
        active.tally.add_time_entry(&active.indexes);
        trim(active).map_err(|error| partition.io(error, "cannot trim the log", &name))?;
        // 2. Sync the log: what follows may say that it is complete.
        //    If we stop here: as after a sync by a checkpoint.
        if !planted!("no_sync_at_roll") {
            self.sync_active()?;
        }
        // 3. Write and sync the indexes, so that they never have to be rebuilt.
        //    If we stop here: index files that match the log, or are rebuilt because the control
        //    file knows no sums of them.
        let Some(active) = &self.state.active else { return Err(self.not_prepared()) };
        let (folder, base_offset) = (&partition.folder, active.tally.base_offset);
        write_indexes(partition, active, base_offset)?;
        // 4. Write the producers' state at the end, which is where the next segment starts.
        //    If we stop here: a snapshot that the next recovery may use, or removes.
        partition.write_snapshot(&mut self.state, true)?;
        debug_assert!(!folder.is_gone());
        // 5. Write which records carry a key, if that is known.
        //    If we stop here: a file that fits the log, or does not check and is made anew.
        let Some(active) = &self.state.active else { return Err(self.not_prepared()) };
        let sealed = active.describe(true).0;
        active.write_keys(&sealed);
        Ok(sealed)
    }
}

impl Active {
    /// What to remember of the segment as it is now, and what its index files lack of that.
    pub(super) fn describe(&self, sealed: bool) -> (SegmentState, [Added; 3]) {
        let mut state = self.segment.known_state();
        state.sealed = sealed;
        self.tally.describe_in(&mut state);
        let added = self.indexes.describe_in(&mut state);
        (state, added)
    }
}

/// Gives back space that was reserved and not used.
pub(super) fn trim(active: &mut Active) -> io::Result<()> {
    if active.reserved_to > active.tally.position {
        let open = match &active.open {
            Some(open) if open.mark_dirty() => open,
            _ => active.open.insert(active.segment.log.writer()?),
        };
        open.file.set_len(active.tally.position)?;
        active.reserved_to = active.tally.position;
    }
    Ok(())
}

/// Writes and syncs the index files of the active segment.
pub(super) fn write_indexes(
    partition: &super::Partition,
    active: &Active,
    base_offset: i64,
) -> Result<()> {
    active.indexes.write(&partition.folder, base_offset, true).map_err(|error| {
        partition.io(error, "cannot write an index", &file_names::index_file(base_offset))
    })
}

/// Makes an empty log. One that is there already and empty was left by a failed roll.
fn create_log(partition: &super::Partition, name: &str) -> io::Result<Arc<dyn VfsFile>> {
    let (vfs, path) = (&partition.folder.vfs, partition.folder.path(name));
    match vfs.open(&path, OpenHow::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = vfs.open(&path, OpenHow::Write)?;
            if file.len()? == 0 { Ok(file) } else { Err(error) }
        }
        made => made,
    }
}
