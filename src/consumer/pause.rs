//! Partitions that polls pass by for a while.

use super::Consumer;
use super::named::NamesPartition;
use crate::error::Result;
use crate::topic::TopicPartition;

impl Consumer {
    /// Polls return nothing of these partitions until they are resumed. Their positions, and what
    /// was fetched of them, stay as they are.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if one of them is not assigned;
    /// none was paused then.
    pub fn pause(&mut self, partitions: impl IntoIterator<Item: NamesPartition>) -> Result<()> {
        self.set_paused(partitions, true)
    }

    /// Polls return records of these partitions again. Those that are not paused stay so.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::ErrorKind::InvalidInput) if one of them is not assigned;
    /// none was resumed then.
    pub fn resume(&mut self, partitions: impl IntoIterator<Item: NamesPartition>) -> Result<()> {
        self.set_paused(partitions, false)
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let assigned = self.fetcher.assigned.iter().filter(|assigned| assigned.is_paused());
        assigned.map(|assigned| assigned.name().clone()).collect()
    }

    fn set_paused(
        &mut self,
        partitions: impl IntoIterator<Item: NamesPartition>,
        paused: bool,
    ) -> Result<()> {
        for index in self.indexes_of(partitions)? {
            self.fetcher.assigned[index].set_paused(paused);
        }
        Ok(())
    }
}
