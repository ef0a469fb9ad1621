//! Where the next poll reads on, and going elsewhere.

use super::Consumer;
use super::fetch::Fetcher;
use super::named::NamesPartition;
use crate::error::{Error, ErrorKind, Result};

impl Consumer {
    /// Goes to an offset: the next poll continues there. One that does not exist is treated by
    /// the next poll as `auto.offset.reset` says.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned or the offset is negative.
    pub fn seek(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        if offset < 0 {
            let message = format!("cannot seek to offset {offset} of {topic}-{partition}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let index = self.index_of(&(topic, partition))?;
        self.seek_index(index, offset);
        Ok(())
    }

    /// Goes to the oldest record that there is now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned.
    pub fn seek_to_beginning(&mut self, topic: &str, partition: i32) -> Result<()> {
        self.seek_all_to_beginning([(topic, partition)])
    }

    /// Goes to the oldest records of several partitions.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if one of them is not assigned; none was moved then.
    pub fn seek_all_to_beginning(
        &mut self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> Result<()> {
        for index in self.indexes_of(partitions)? {
            let offset = self.fetcher.assigned[index].partition().log_start_offset();
            self.seek_index(index, offset);
        }
        Ok(())
    }

    /// Goes to the end as it is now: the next poll returns only what comes later.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned.
    pub fn seek_to_end(&mut self, topic: &str, partition: i32) -> Result<()> {
        self.seek_all_to_end([(topic, partition)])
    }

    /// Goes to the ends of several partitions.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if one of them is not assigned; none was moved then. Those of
    /// the disk.
    pub fn seek_all_to_end(
        &mut self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> Result<()> {
        for index in self.indexes_of(partitions)? {
            let offset = self.end_of(&self.fetcher.assigned[index])?;
            self.seek_index(index, offset);
        }
        Ok(())
    }

    /// Goes to the first record whose timestamp is `timestamp_ms` or later, or to the end if there
    /// is none. Returns the offset.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned; what reading says.
    pub fn seek_to_timestamp(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<i64> {
        let index = self.index_of(&(topic, partition))?;
        let assigned = &self.fetcher.assigned[index];
        let end = self.end_of(assigned)?;
        let found = assigned.partition().offset_for_timestamp(timestamp_ms, end)?;
        let offset = found.map_or(end, |(offset, _)| offset);
        self.seek_index(index, offset);
        Ok(offset)
    }

    /// The offset of the next record to return. Before the first poll of a partition in which
    /// nobody sought, it is where `auto.offset.reset` would begin now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned;
    /// [`ErrorKind::OffsetOutOfRange`] as for [`poll`](Consumer::poll).
    pub fn position(&self, topic: &str, partition: i32) -> Result<i64> {
        let index = self.index_of(&(topic, partition))?;
        let assigned = &self.fetcher.assigned[index];
        let (rules, end) = (self.fetcher.rules(), self.end_of(assigned)?);
        if assigned.awaits_committed() {
            let committed = self.committed(topic, partition)?;
            return assigned.valid(committed.map(|committed| committed.offset), rules, end);
        }
        assigned.position(rules, end)
    }

    fn seek_index(&mut self, index: usize, offset: i64) {
        let Fetcher { assigned, pool, .. } = &mut self.fetcher;
        if let Some(assigned) = assigned.get_mut(index) {
            assigned.seek(offset, pool);
        }
        self.fetcher.forget_error();
    }
}
