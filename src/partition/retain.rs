//! Retention and deleting records: first a plan, then, when the new log start is durable, the
//! deed.
//!
//! Kafka's rules: from the oldest segment on, as long as one is too old or there is too much.
//! Readers that hold a segment finish: its files go with the last of them.

use std::sync::Arc;

use super::Partition;
use super::hold::{Hold, Released};
use super::writer::Writer;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::PartitionState;
use crate::format::file_names;
use crate::segment::Segment;
use crate::segment::indexes::remove_if_there;

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) segments: usize,
    pub(crate) bytes: u64,
}

/// What retention is about to do.
#[derive(Debug)]
pub(crate) struct RetentionPlan {
    /// What the control file has to say first.
    pub(crate) state: PartitionState,
    /// Records go that somebody needs.
    pub(crate) needed_too: bool,
}

impl Partition {
    /// Which records are due to leave, by age and by size, and not held; `None` if none are. Make
    /// the returned state durable in the control file, then call
    /// [`delete_below`](Self::delete_below) with its log start.
    ///
    /// # Errors
    /// Those of the disk. If all records are due, a new segment is made first.
    pub(crate) fn retention_plan(&self, now_ms: i64, hold: &Hold) -> Result<Option<RetentionPlan>> {
        let mut writer = self.lock();
        writer.check_writable()?;
        let segments = self.segments.load_full();
        let due = self.count_due(&writer, segments.as_slice(), now_ms)?;
        let Released { segments: going, needed_too } =
            hold.release(segments.as_slice(), due, writer.state.next_offset);
        let log_start = self.log_start_offset();
        let new_start = match segments.get(going) {
            _ if going == 0 => log_start,
            Some(kept) => kept.base_offset,
            None => {
                // Everything goes: what is appended next begins a new segment.
                writer.roll()?;
                writer.state.next_offset
            }
        };
        let target = new_start.max(writer.state.planned_log_start);
        if target <= log_start && self.segments.load().count_below(target) == 0 {
            return Ok(None);
        }
        Ok(Some(RetentionPlan { state: self.plan(&mut writer, target), needed_too }))
    }

    /// How many of the oldest segments are due.
    pub(super) fn count_due(
        &self,
        writer: &Writer<'_>,
        segments: &[Arc<Segment>],
        now_ms: i64,
    ) -> Result<usize> {
        let settings = &writer.state.settings;
        let mut due = 0;
        if !settings.deletes {
            return Ok(0);
        }
        if settings.retention_bytes >= 0 {
            let total: u64 = segments.iter().map(|segment| segment.published()).sum();
            let mut excess = total.saturating_sub(settings.retention_bytes.cast_unsigned());
            while let Some(segment) = segments.get(due)
                && self.may_go(segment)
                && excess >= segment.published()
            {
                excess -= segment.published();
                due += 1;
            }
        }
        if settings.retention_ms >= 0 {
            while let Some(segment) = segments.get(due)
                && self.may_go(segment)
                && now_ms.saturating_sub(self.largest_timestamp(segment)?) > settings.retention_ms
            {
                due += 1;
            }
        }
        Ok(due)
    }

    /// An empty segment is the active one; it stays.
    fn may_go(&self, segment: &Arc<Segment>) -> bool {
        segment.published() > 0
    }

    /// The largest timestamp of a segment, or the time of the log's last change if its records
    /// carry none.
    pub(super) fn largest_timestamp(&self, segment: &Arc<Segment>) -> Result<i64> {
        let (timestamp, _) = segment.max_timestamp();
        if timestamp >= 0 {
            return Ok(timestamp);
        }
        let name = segment.log.name();
        let metadata = self
            .folder
            .vfs
            .metadata(&self.folder.path(&name))
            .map_err(|error| self.io(error, "cannot look at the log", &name))?;
        Ok(metadata.modified_ms)
    }

    /// Checks a request to delete all records below `offset` (-1: all there are). Make the
    /// returned state durable in the control file, then call [`delete_below`](Self::delete_below)
    /// with its log start.
    ///
    /// # Errors
    /// Out of range; invalid for a topic that does not delete.
    pub(crate) fn delete_records(&self, offset: i64) -> Result<PartitionState> {
        let mut writer = self.lock();
        writer.check_writable()?;
        if !writer.state.settings.deletes {
            let message = "records of a topic whose cleanup.policy is not delete are not deleted";
            return Err(self.name(Error::new(ErrorKind::InvalidInput, message)));
        }
        let end = self.end_offset();
        let target = if offset == -1 { end } else { offset };
        if !(0..=end).contains(&target) {
            let message = format!("cannot delete up to the offset {offset}: there are 0 to {end}");
            return Err(self.name(Error::new(ErrorKind::OffsetOutOfRange, message)));
        }
        if target == end && end > self.log_start_offset() {
            writer.roll()?;
        }
        Ok(self.plan(&mut writer, target))
    }

    /// The state with a new log start, and without the segments that lie below it. From here on
    /// every state says so.
    fn plan(&self, writer: &mut Writer<'_>, log_start: i64) -> PartitionState {
        let planned = &mut writer.state.planned_log_start;
        *planned = log_start.max(*planned);
        self.state_of(&writer.state)
    }

    /// Forgets a plan that could not be made durable.
    pub(crate) fn take_plan_back(&self) {
        let mut writer = self.lock();
        writer.state.planned_log_start = self.log_start_offset();
    }

    /// Lets go of all segments below `log_start`, which is durable in the control file.
    ///
    /// # Errors
    /// Those of the disk, when the leader epochs have to be read.
    ///
    /// # Durability
    /// A crash may leave files behind; opening removes them, because they lie below the log start.
    pub(crate) fn delete_below(&self, log_start: i64) -> Result<Deleted> {
        let mut writer = self.lock();
        writer.check_writable()?;
        if writer.state.epochs.entries().is_none() {
            writer.state.epochs = self.read_epochs()?;
        }
        // Readers are told first: from here on nobody starts reading below.
        let log_start = log_start.min(self.end_offset()).max(self.log_start_offset());
        self.plan(&mut writer, log_start);
        self.watermarks.set_log_start(log_start);
        writer.state.epochs.truncate_from_start(log_start);
        let (gone, kept) = self.segments.load().split_below(log_start);
        self.segments.store(Arc::new(kept));
        let mut deleted = Deleted::default();
        for segment in gone {
            deleted.segments += 1;
            deleted.bytes += segment.published();
            // A snapshot is of use only where a segment starts. If it stays, closing removes it.
            let _ = remove_if_there(&self.folder, &file_names::snapshot_file(segment.base_offset));
            segment.doom();
            if planted!("files_removed_under_readers") {
                let _ = remove_if_there(&self.folder, &file_names::log_file(segment.base_offset));
            }
        }
        writer.note_change();
        Ok(deleted)
    }
}
