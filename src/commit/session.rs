//! The first write of a session, and its end.
//!
//! A directory that is opened and closed without a write stays as it is. Before the first write
//! the directory stops being a cleanly closed one; after the last it becomes one again.

use std::sync::Arc;

use crate::commit::Committer;
use crate::commit::checkpoint::Control;
use crate::commit::closed_files::{FileSums, changed, sums_of_partition, sums_of_root};
use crate::commit::journal::Journal;
use crate::env::planted::planted;
use crate::env::replace_file::replace_file;
use crate::env::sync::atomic::Ordering;
use crate::error::{Error, ErrorKind, Result};
use crate::format::checkpoint::{self, PartitionOffset};
use crate::format::clean_shutdown::CleanShutdown;
use crate::format::control_file::{JournalPosition, PartitionState};
use crate::format::file_names::{
    CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, LOG_START_CHECKPOINT, OTTLA_OPEN,
    RECOVERY_POINT_CHECKPOINT, REPLICATION_CHECKPOINT,
};
use crate::partition::Partition;
use crate::topic::{CLUSTER_METADATA_TOPIC, TopicPartition};

impl Committer {
    /// Makes the directory one that is open, unless it is already.
    ///
    /// # Errors
    /// If the disk refuses; the directory still counts as cleanly closed, or is recovered as one
    /// that another program left, which loses nothing.
    pub(crate) fn begin_session(&self) -> Result<()> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut journal = self.leader.lock();
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        self.refuse_if_finished()?;
        let vfs = &self.env.vfs;
        let failed = |e, name: &str| {
            Error::io(e, "cannot mark the directory as open").at_file(vfs.describe(name))
        };
        // 1. From here on a broker refuses the directory.
        //    If we stop here: the clean marker still stands, and rightly so.
        match vfs.create_dir(OTTLA_OPEN) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|e| failed(e, OTTLA_OPEN))?,
        }
        // 2. The directory is no longer cleanly closed.
        //    If we stop here: it is recovered, and found as it was.
        match vfs.remove_file(CLEAN_SHUTDOWN) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(|e| failed(e, CLEAN_SHUTDOWN))?,
        }
        vfs.sync_dir("").map_err(|e| failed(e, "")).inspect_err(|error| self.poison.set(error))?;
        // 3. A fresh salt: no frame of an earlier session can be taken for one of this session.
        //    If we stop here: there is no frame with this salt, nothing is replayed.
        let position = journal.begin_session(self.env.random.next_u64());
        self.rewrite_control(|control| {
            control.file_mut().closed = false;
            control.file_mut().journal = position;
        })?;
        *self.applied.lock() = position;
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// What every write asks first: the broker is open and sound, and the directory is marked as
    /// open. Two atomic loads once the session has begun.
    pub(crate) fn begin_write(&self) -> Result<()> {
        self.refuse_if_closed()?;
        self.begin_session()
    }

    /// Whether what readers see is all that may be there: after a failed sync, or a commit that
    /// could not be applied, there may be more.
    ///
    /// # Errors
    /// `Poisoned`.
    pub(crate) fn refuse_if_poisoned(&self) -> Result<()> {
        self.poison.check()
    }

    /// Ends the session: afterwards the directory is a Kafka log directory, byte for byte.
    /// `broker_epoch` goes into the clean marker, where a broker looks for it.
    ///
    /// # Errors
    /// The directory is left as a kill would leave it, to be recovered when it is opened.
    pub(crate) fn close(&self, broker_epoch: i64) -> Result<()> {
        let closed = self.close_session(broker_epoch);
        // The directory is given up, whatever became of the close.
        self.spills.end();
        closed
    }

    fn close_session(&self, broker_epoch: i64) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.settle();
        // Whoever was late to see that the broker is closed is refused by the leader, or by the
        // lock that it waits for; a session can no longer begin.
        let mut journal = self.leader.lock();
        self.finished.store(true, Ordering::Release);
        if !self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let _no_checkpoint = self.checkpointing.lock();
        self.wait_for_appends();
        self.poison.check()?;
        let nonce = self.env.random.next_u64();
        let marker = CleanShutdown { broker_epoch, nonce: Some(nonce) }.encode();
        if planted!("marker_first") {
            replace_file(&*self.env.vfs, CLEAN_SHUTDOWN, &marker)?;
        }
        // 1. Segments, indexes and snapshots, in their final form.
        //    If we stop here: the directory is recovered from the journal.
        let partitions = self.partitions.load_full();
        self.finish_swaps(&partitions)?;
        let changed = changed(&partitions);
        let mut states = Vec::with_capacity(partitions.len());
        for partition in partitions.iter() {
            match partition.damage() {
                None => states.push(partition.close().inspect_err(|e| self.poison_unless_full(e))?),
                // What is damaged stays as it is, and as it is remembered.
                Some(_) => drop(partition.close()),
            }
        }
        // 2. Kafka's checkpoints, then the control file: nothing has to be replayed any more.
        self.write_checkpoints(&partitions, &states)?;
        let sums = self.sums_at_close(&partitions, &changed, &marker, &journal);
        self.rewrite_control(|control| finish(control, states, sums, nonce))?;
        // 3. The journal is emptied durably.
        journal.reset().inspect_err(|error| self.poison_unless_full(error))?;
        // Nothing of it is replayed any more, and what is not committed never will be.
        self.spills.remove_all()?;
        // 4. The directory is not open any more.
        //    If we stop here: it is read as one that another program left, and found whole.
        let vfs = &self.env.vfs;
        let failed = |e| Error::io(e, "cannot mark the directory as closed").at_file(OTTLA_OPEN);
        vfs.remove_dir(OTTLA_OPEN).and_then(|()| vfs.sync_dir("")).map_err(failed)?;
        // 5. The clean marker, last: only now nothing is left to be done.
        replace_file(&**vfs, CLEAN_SHUTDOWN, &marker)
    }

    /// The sums of the files that have none of their own.
    fn sums_at_close(
        &self,
        partitions: &[Arc<Partition>],
        changed: &[bool],
        marker: &[u8],
        journal: &Journal,
    ) -> FileSums {
        let vfs = &*self.env.vfs;
        let control = self.control.lock();
        let (before, mut sums) = (control.sums(), FileSums::new());
        for (partition, &was_changed) in partitions.iter().zip(changed) {
            sums_of_partition(vfs, partition, was_changed, before, &mut sums);
        }
        sums_of_root(vfs, marker, journal, before, &mut sums);
        sums
    }

    fn write_checkpoints(
        &self,
        partitions: &[Arc<Partition>],
        states: &[PartitionState],
    ) -> Result<()> {
        let mut recovery_points = Vec::new();
        let mut cleaned = Vec::new();
        let mut log_starts = Vec::new();
        let healthy = partitions.iter().filter(|partition| partition.damage().is_none());
        for (partition, state) in healthy.zip(states) {
            let id = partition.id();
            if id.topic().as_str() == CLUSTER_METADATA_TOPIC {
                continue;
            }
            let entry = |offset| PartitionOffset {
                partition: TopicPartition::new(id.topic().clone(), id.partition()),
                offset,
            };
            recovery_points.push(entry(state.recovery_point));
            if state.cleaned_to > 0 {
                cleaned.push(entry(state.cleaned_to));
            }
            let first_base = state.segments.first().map_or(0, |segment| segment.base_offset);
            if state.log_start_offset > first_base {
                log_starts.push(entry(state.log_start_offset));
            }
        }
        // With one replica the high watermark is the end of the log.
        for (name, entries) in [
            (RECOVERY_POINT_CHECKPOINT, &recovery_points),
            (LOG_START_CHECKPOINT, &log_starts),
            (REPLICATION_CHECKPOINT, &recovery_points),
        ] {
            replace_file(&*self.env.vfs, name, &checkpoint::encode(entries))?;
        }
        // A broker makes this one when it compacts for the first time.
        if !cleaned.is_empty() || self.env.vfs.metadata(CLEANER_CHECKPOINT).is_ok() {
            let content = checkpoint::encode(&cleaned);
            replace_file(&*self.env.vfs, CLEANER_CHECKPOINT, &content)?;
        }
        Ok(())
    }

    /// Refuses everything from now on without writing a byte: what a kill would leave.
    pub(crate) fn abandon(&self) {
        self.closed.store(true, Ordering::Release);
        self.poison.set(&Error::new(ErrorKind::Closed, "the broker was abandoned"));
        // A commit, a checkpoint or an append that is under way ends before somebody else may open.
        let leader = self.leader.lock();
        self.finished.store(true, Ordering::Release);
        let checkpoint = self.checkpointing.lock();
        self.wait_for_appends();
        self.spills.end();
        drop((leader, checkpoint));
        // A batch that stays in the queue would hold its producer, and that the broker.
        self.decide_queued();
    }

    /// Returns when nobody appends with `acks=1` any more: under the lock of the partition each
    /// looks whether the committer is finished, which it is now.
    fn wait_for_appends(&self) {
        if planted!("appends_not_waited_for") {
            return;
        }
        for partition in self.partitions.load().iter() {
            drop(partition.lock());
        }
    }
}

fn finish(control: &mut Control, states: Vec<PartitionState>, sums: FileSums, nonce: u64) {
    for state in states {
        control.put(state);
    }
    let file = control.file_mut();
    file.closed = true;
    file.files = sums.into_values().collect();
    file.nonce = nonce;
    file.journal = JournalPosition::default();
}
