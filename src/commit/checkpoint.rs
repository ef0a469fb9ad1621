//! Checkpoints: the segments are synced, so that the journal in front of them can be recycled.
//!
//! 1. Note the place in the journal up to which everything is applied.
//! 2. Note what is dirty, partition by partition, under each one's lock for a moment.
//! 3. Sync those segments and their indexes. *If we stop here* the old control file counts, and
//!    the journal behind it is still whole.
//! 4. Replace the control file: new recovery points, new start of replay. *If we stop here* the
//!    journal holds more than is needed, which replay skips.
//! 5. Let the journal files behind the noted place be overwritten, and the spill files go that
//!    only frames behind it name.
//!
//! Kafka's text checkpoints are written when the directory is closed: while it is open
//! `ottla.open/` keeps every other reader of them away.

use std::collections::BTreeMap;

use crate::commit::Committer;
use crate::commit::closed_files::FileSums;
use crate::env::planted::{linger, planted};
use crate::env::replace_file::replace_file;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::{ControlFile, JournalPosition, PartitionState};
use crate::format::file_names::OTTLA_CONTROL;
use crate::partition::Partition;
use crate::topic::TopicId;

/// The control file as it should be, in memory.
#[derive(Debug)]
pub(crate) struct Control {
    file: ControlFile,
    partitions: BTreeMap<(TopicId, i32), PartitionState>,
    /// The sums of the last clean close; none once something was left unclosed.
    sums: FileSums,
}

impl Control {
    pub(crate) fn new(mut file: ControlFile) -> Control {
        let partitions = std::mem::take(&mut file.partitions);
        let partitions = partitions.into_iter().map(|s| ((s.topic_id, s.partition), s)).collect();
        let sums = std::mem::take(&mut file.files).into_iter();
        let sums = sums.map(|sum| (sum.path.clone(), sum)).collect();
        Control { file, partitions, sums }
    }

    pub(crate) fn put(&mut self, state: PartitionState) {
        self.partitions.insert((state.topic_id, state.partition), state);
    }

    pub(crate) fn forget(&mut self, topic_id: TopicId) {
        self.partitions.retain(|(topic, _), _| *topic != topic_id);
    }

    pub(crate) fn sums(&self) -> &FileSums {
        &self.sums
    }

    pub(crate) fn file_mut(&mut self) -> &mut ControlFile {
        &mut self.file
    }

    fn encode(&mut self) -> Vec<u8> {
        self.file.partitions = self.partitions.values().cloned().collect();
        let bytes = self.file.encode();
        self.file.partitions.clear();
        bytes
    }
}

impl Committer {
    /// Makes everything that was applied so far durable in the segments.
    ///
    /// # Durability
    /// When it returns `Ok`, also records acked with `acks=1` before the call survive power loss.
    ///
    /// # Errors
    /// A failed sync poisons the broker.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if !self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let applied = *self.applied.lock();
        self.checkpoint_now(applied)
    }

    /// Asks the maintenance thread for a checkpoint, once until it begins. While one is under way
    /// there is nothing to ask for: who still sees much that is unsynced when it ends asks then.
    pub(crate) fn want_checkpoint(&self) {
        let already = self.checkpoint_wanted.load(Ordering::Relaxed)
            || self.checkpointing.is_locked()
            || self.checkpoint_wanted.swap(true, Ordering::AcqRel);
        if !already {
            self.wake_background();
        }
    }

    /// Whether the journal or the maintenance interval asked for a checkpoint; asks no more.
    pub(crate) fn take_checkpoint_wish(&self) -> bool {
        self.checkpoint_wanted.swap(false, Ordering::AcqRel)
    }

    /// Whether any partition has something that a checkpoint would sync.
    pub(crate) fn is_dirty(&self) -> bool {
        self.partitions.load().iter().any(|partition| partition.is_dirty())
    }

    /// The checkpoint itself; `applied` was noted before anything that follows.
    pub(crate) fn checkpoint_now(&self, applied: JournalPosition) -> Result<()> {
        let _one_at_a_time = self.checkpointing.lock();
        self.refuse_if_finished()?;
        let mut parts = Vec::new();
        for partition in self.partitions.load().iter().filter(|p| p.is_dirty()) {
            parts.push((partition.clone(), partition.checkpoint_begin()?));
        }
        let synced = if planted!("checkpoint_without_sync") { &[] } else { &parts[..] };
        for (_, part) in synced {
            part.sync().inspect_err(|error| self.poison_unless_full(error))?;
        }
        let applied = if planted!("position_noted_late") {
            linger();
            *self.applied.lock()
        } else {
            applied
        };
        let mut needed = applied;
        if planted!("spill_removed_before_control") {
            self.spills.checkpointed(applied.lsn);
        }
        self.rewrite_control(|control| {
            for (_, part) in &parts {
                control.put(part.state().clone());
            }
            // A checkpoint of a leader may have overtaken this one while it waited.
            let journal = &mut control.file_mut().journal;
            // Between two frames the journal may have gone on to another file.
            let is_behind = (journal.lsn, journal.file) < (applied.lsn, applied.file);
            if journal.salt == applied.salt && is_behind {
                *journal = applied;
            }
            needed = *journal;
        })?;
        for (partition, part) in parts {
            partition.checkpoint_end(part);
        }
        self.oldest_needed.fetch_max(needed.file, Ordering::AcqRel);
        self.spills.checkpointed(needed.lsn);
        Ok(())
    }

    /// Moves a partition's log start: plans it, makes the plan durable, carries it out, while no
    /// other plan, truncation or checkpoint can put an older state over it.
    ///
    /// 1. `plan` says what is to hold. *If we stop here* nothing was changed.
    /// 2. The control file says so. *If we stop here*, segments lie below the log start, which the
    ///    next open removes.
    /// 3. `carry_out` lets go of what lies below the new log start.
    ///
    /// # Errors
    /// Of the two, and if the control file cannot be replaced: then the plan is taken back.
    pub(crate) fn move_log_start<T>(
        &self,
        partition: &Partition,
        plan: impl FnOnce() -> Result<Option<PartitionState>>,
        carry_out: impl FnOnce(i64) -> Result<T>,
    ) -> Result<Option<T>> {
        self.begin_write()?;
        let _one_at_a_time = self.checkpointing.lock();
        self.refuse_if_finished()?;
        let Some(planned) = plan()? else { return Ok(None) };
        let log_start = planned.log_start_offset;
        if planted!("unlinked_before_log_start") {
            let done = carry_out(log_start)?;
            return self.rewrite_control(|control| control.put(planned)).map(|()| Some(done));
        }
        if let Err(error) = self.rewrite_control(|control| control.put(planned.clone())) {
            partition.take_plan_back();
            self.control.lock().put(partition.state());
            return Err(self.refusal_of(error, &planned));
        }
        carry_out(log_start).map(Some)
    }

    /// Why a plan was not made durable. The new control file may have its name already, and only
    /// the sync of that have failed: then the plan may hold after a crash, and it is no refusal
    /// before the old state was written once more.
    fn refusal_of(&self, error: Error, planned: &PartitionState) -> Error {
        // A file that was not even opened has no name.
        if error.is_want_of_descriptors() || matches!(self.shows_in_control(planned), Ok(false)) {
            return error;
        }
        match self.rewrite_control(|_| ()) {
            Ok(()) => error,
            Err(_) => {
                self.poison.set(&error);
                self.poison.check().err().unwrap_or(error)
            }
        }
    }

    /// Cuts the end of a partition off, so that its next offset is `offset`, where a batch begins.
    ///
    /// # Durability
    /// When it returns `Ok` the records do not come back.
    ///
    /// # Errors
    /// If the disk refuses; the partition is then as before, or cut, or cut in part.
    pub(crate) fn truncate(&self, partition: &Partition, offset: i64) -> Result<()> {
        self.begin_write()?;
        // While the leader's lock is ours no frame can be written that promises a later offset.
        let journal = self.leader.lock();
        // 1. Everything in the journal is in the segments, so that nothing of it is replayed.
        //    If we stop here: nothing was cut.
        self.checkpoint_now(journal.position())?;
        let _one_at_a_time = self.checkpointing.lock();
        self.refuse_if_finished()?;
        // The files that are cut have their own names.
        self.finish_last_swap(partition)?;
        // 2. The control file says where the log will end.
        //    If we stop here: the log is longer, as after any crash, and is kept so.
        let planned = partition.truncation_state(offset)?;
        self.rewrite_control(|control| control.put(planned))?;
        // 3. The log is cut.
        partition.truncate_to(offset)
    }

    /// Notes the state of partitions that were just recovered; nobody writes to them
    /// yet.
    pub(crate) fn put_states(&self, states: Vec<PartitionState>) {
        let mut control = self.control.lock();
        for state in states {
            control.put(state);
        }
    }

    /// Changes the control file in memory and replaces it on the disk.
    pub(crate) fn rewrite_control(&self, change: impl FnOnce(&mut Control)) -> Result<()> {
        self.poison.check()?;
        let mut control = self.control.lock();
        change(&mut control);
        let now = self.seen_time.now_ms(&self.env);
        let file = control.file_mut();
        file.wall_ms_max = file.wall_ms_max.max(now);
        replace_file(&*self.env.vfs, OTTLA_CONTROL, &control.encode())
            .inspect_err(|error| self.poison_unless_full(error))
    }

    /// A full disk and a want of descriptors are reported and pass; any other failure of a sync is
    /// final.
    pub(crate) fn poison_unless_full(&self, error: &Error) {
        let passes = !planted!("descriptors_end_the_session") && error.is_want_of_descriptors();
        if error.kind() != ErrorKind::NoSpace && !passes {
            self.poison.set(error);
        }
    }
}
