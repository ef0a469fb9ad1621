//! The commit point of a compaction: the control file lists the new segments instead of their
//! sources. `partition/compact/swap.rs` has the steps, and what a stop in each of them leaves.
//!
//! All of it happens while no checkpoint, no cut, no retention and no deletion of a topic is under
//! way, because each of them goes by the list of segments; commits and readers go on.

use std::sync::Arc;

use crate::commit::Committer;
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, read_exact_at};
use crate::error::Result;
use crate::error::room;
use crate::format::control_file::{ControlFile, PartitionState};
use crate::format::file_names::OTTLA_CONTROL;
use crate::partition::Partition;
use crate::partition::compact::Cleaned;
use crate::partition::compact::swap::{Replacement, RoundBegun};

impl Committer {
    /// Puts the results of a round in the place of their sources; false if the log changed under
    /// the round, which then came to nothing, or its topic is not compacted any more. `begun` is
    /// what was so when the round began.
    ///
    /// # Errors
    /// The log is as it was, or compacted; the files that are left over are removed later.
    ///
    /// # Durability
    /// When it returns true the swap survives power loss.
    pub(crate) fn swap_in(
        &self,
        partition: &Partition,
        cleaned: Cleaned,
        begun: RoundBegun,
    ) -> Result<bool> {
        let (swap, cleaned_to) = cleaned.into_swap();
        let _one_at_a_time = self.checkpointing.lock();
        let planned = self
            .refuse_if_finished()
            .and_then(|()| self.finish_last_swap(partition))
            .and_then(|()| partition.swap_plan(&swap, cleaned_to, begun))
            .inspect_err(|_| partition.discard_cleaned(&swap))?;
        let Some(planned) = planned else {
            partition.discard_cleaned(&swap);
            return Ok(false);
        };
        if planted!("control_before_swap_names") {
            self.rewrite_control(|control| control.put(planned.clone()))?;
        }
        // 2. The results are complete, by their names, durably.
        partition.name_swap(&swap).inspect_err(|_| partition.discard_swap(&swap))?;
        if planted!("sources_removed_early") {
            partition.remove_sources_early(&swap)?;
        }
        // 3. The commit point.
        if let Err(error) = self.rewrite_control(|control| control.put(planned.clone())) {
            self.take_swap_back(partition, &swap, &planned);
            return Err(error);
        }
        // 4. and 5.
        partition.swap_in(swap, cleaned_to);
        partition.finish_swap().map(|()| true)
    }

    /// The control file could not be replaced; or it was, and nobody can tell for how long. The
    /// results go only if it surely does not list them: with the disk full, they take the room
    /// that others need.
    fn take_swap_back(
        &self,
        partition: &Partition,
        swap: &[Replacement],
        planned: &PartitionState,
    ) {
        self.control.lock().put(partition.state());
        match self.shows_in_control(planned) {
            Ok(false) => partition.discard_swap(swap),
            Ok(true) | Err(_) => {
                partition.doubt_swap(swap);
                // A full disk may have room for this one; else it waits for better times.
                let _ = self.end_doubt(partition);
            }
        }
    }

    /// Whether the control file has this state of a partition in it. If not, its new content never
    /// got the file's name, and no crash brings it up.
    pub(super) fn shows_in_control(&self, planned: &PartitionState) -> std::io::Result<bool> {
        let file = self.env.vfs.open(OTTLA_CONTROL, OpenHow::Read)?;
        let mut bytes = room::zeros(usize::try_from(file.len()?).unwrap_or(0))?;
        read_exact_at(&*file, &mut bytes, 0)?;
        let control = ControlFile::decode(&bytes)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))?;
        Ok(control.partitions.contains(planned))
    }

    /// Makes sure that a control file is there which does not list what failed to be swapped in.
    fn end_doubt(&self, partition: &Partition) -> Result<()> {
        if partition.is_in_doubt() {
            self.rewrite_control(|_| ())?;
            partition.end_doubt();
        }
        Ok(())
    }

    /// What earlier swaps of a partition left to be done. Called under `checkpointing`.
    pub(super) fn finish_last_swap(&self, partition: &Partition) -> Result<()> {
        self.end_doubt(partition)?;
        partition.finish_swap()
    }

    /// The same for all partitions, before the directory is closed.
    pub(super) fn finish_swaps(&self, partitions: &[Arc<Partition>]) -> Result<()> {
        let sound = partitions.iter().filter(|partition| partition.damage().is_none());
        sound.into_iter().try_for_each(|partition| self.finish_last_swap(partition))
    }
}
