//! Closing a partition so that Kafka finds it as its own broker would have left it.
//!
//! Not here: the control file and the clean marker, which follow. A partition that was not
//! written to since it was opened costs nothing. Swaps of compaction are finished before.

use super::Partition;
use super::roll::{trim, write_indexes};
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::format::control_file::PartitionState;
use crate::format::file_names::{self, Suffix};
use crate::segment::indexes::remove_if_there;

impl Partition {
    /// Brings the files into the form of a clean close. Nothing may be staged; appending after it
    /// is allowed and needs another close.
    ///
    /// # Errors
    /// Those of the disk; a failed sync poisons. Poisoned or damaged: nothing is written.
    ///
    /// # Durability
    /// When it returns, all of the partition survives power loss, as the state describes it.
    pub(crate) fn close(&self) -> Result<PartitionState> {
        let mut writer = self.lock();
        if self.damage.is_none() && !self.is_deleted() {
            self.shared.poison.check()?;
            self.write_rebuilt_indexes()?;
            if writer.state.unclosed {
                writer.close()?;
            }
            writer.write_active_keys();
        }
        let state = self.state_of(&writer.state);
        drop(writer);
        self.dirty.store(false, crate::env::sync::atomic::Ordering::Release);
        Ok(state)
    }

    /// Writes the indexes of sealed segments that had to be made anew while reading.
    fn write_rebuilt_indexes(&self) -> Result<()> {
        for segment in self.segments.load().as_slice() {
            if segment.state().sealed && segment.was_rebuilt() {
                if segment.lacks_txn_index() {
                    self.rebuild_txn_index(segment)?;
                }
                segment.write_rebuilt().map_err(|error| {
                    self.name(Error::io(error, "cannot write an index").at_file(segment.describe()))
                })?;
            }
        }
        Ok(())
    }

    /// Removes what is surely ours and of no use: snapshots that belong to no segment, files of
    /// segments that were deleted while a reader still held them, results of compaction that came
    /// to nothing.
    fn remove_strays(&self, end: i64) -> std::io::Result<()> {
        let segments = self.segments.load();
        let first = segments.as_slice().first().map(|segment| segment.base_offset);
        for entry in self.folder.vfs.list(self.folder.name())? {
            let Some((offset, suffix)) = file_names::parse_base_offset(&entry.name) else {
                if file_names::parse_leftover(&entry.name).is_some() {
                    remove_if_there(&self.folder, &entry.name)?;
                }
                continue;
            };
            let stray = if suffix == Suffix::Snapshot {
                let known = segments.as_slice().iter().any(|s| s.base_offset == offset);
                !known && offset != end
            } else {
                first.is_some_and(|first| offset < first)
            };
            if stray {
                remove_if_there(&self.folder, &entry.name)?;
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    fn close(&mut self) -> Result<()> {
        let partition = self.partition;
        self.prepare()?;
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        let name = active.segment.log.name();
        // 1. Close the time index and give back reserved space, then sync the log. All steps only
        //    complete what a crash would leave to recovery, so stopping anywhere is a crash.
        active.tally.add_time_entry(&active.indexes);
        trim(active).map_err(|error| partition.io(error, "cannot trim the log", &name))?;
        self.sync_active()?;
        // 2. The indexes, exactly as long as their entries.
        let Some(active) = &self.state.active else { return Err(self.not_prepared()) };
        write_indexes(partition, active, active.tally.base_offset)?;
        // 3. The producers at the end, and the epochs. A broker believes both after a clean close.
        partition.write_snapshot(&mut self.state, true)?;
        if self.state.epochs.is_changed() {
            if let Some(entries) = self.state.epochs.entries() {
                partition.write_epochs(entries)?;
            }
            self.state.epochs.set_changed(false);
        }
        let end = self.state.next_offset;
        partition.remove_strays(end).map_err(|error| {
            partition.io(error, "cannot remove a leftover of the partition", "")
        })?;
        // 4. The names of the files, and that removed ones are gone.
        let folder = &partition.folder;
        folder.vfs.sync_dir(folder.name()).map_err(|error| {
            let error = partition.io(error, "cannot sync the folder of the partition", "");
            partition.shared.poisoned_by(error)
        })?;
        // 5. From here on the state says that all is synced.
        let has_producers = partition.has_producers(&self.state);
        let Some(active) = &mut self.state.active else { return Err(self.not_prepared()) };
        active.segment.set_state(active.describe(false).0);
        active.open = None;
        self.state.recovery_point = end;
        self.state.snapshot_offset = end;
        self.state.has_producers = has_producers;
        self.state.unclosed = false;
        Ok(())
    }
}
