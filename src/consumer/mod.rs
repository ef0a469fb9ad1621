//! The consumer: assigned partitions, a position in each, and polls that return what comes next.
//!
//! A poll hands out what was fetched before, fetches where nothing is left, and waits, without
//! polling, where there is nothing to fetch ([`fetch`](self)). Whole batches are fetched and
//! checked; records borrow from them. Groups, which share partitions out and keep positions,
//! come on top of this and are not known here.

mod assigned;
pub(crate) mod builder;
mod fetch;
mod isolation;
mod piece;
mod pool;
pub(crate) mod records;
pub(crate) mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use assigned::Assigned;
use fetch::Fetcher;
use records::Records;
use source::Source;

use crate::config::consumer::ConsumerConfig;
use crate::env::Env;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::{TopicName, TopicPartition};

/// Reads assigned partitions. See [`ConsumerBuilder`](builder::ConsumerBuilder).
pub struct Consumer {
    fetcher: Fetcher,
}

impl Consumer {
    pub(crate) fn new(source: Arc<dyn Source>, env: Env, config: &ConsumerConfig) -> Consumer {
        Consumer { fetcher: Fetcher::new(source, env, config) }
    }

    /// Reads these partitions and no others. Partitions that were assigned before keep their
    /// positions.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`], and [`ErrorKind::InvalidInput`] for a partition
    /// that is named twice. The assignment is as before then.
    pub fn assign<T: AsRef<str>>(
        &mut self,
        partitions: impl IntoIterator<Item = (T, i32)>,
    ) -> Result<()> {
        let mut assigned: Vec<Assigned> = Vec::new();
        for (topic, partition) in partitions {
            let new = self.open(topic.as_ref(), partition)?;
            if assigned.iter().any(|other| other.name() == new.name()) {
                let message = format!("partition {} is assigned twice", new.name());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            assigned.push(new);
        }
        for new in &mut assigned {
            let is_same = |old: &Assigned| {
                old.name() == new.name() && Arc::ptr_eq(old.partition(), new.partition())
            };
            if let Some(index) = self.fetcher.assigned.iter().position(is_same) {
                *new = self.fetcher.assigned.swap_remove(index);
            }
        }
        self.fetcher.replace_assigned(assigned);
        Ok(())
    }

    fn open(&self, topic: &str, partition: i32) -> Result<Assigned> {
        let handle = self.fetcher.source().topic(topic)?;
        let found = usize::try_from(partition).ok().and_then(|index| handle.partitions.get(index));
        let Some(found) = found else {
            let count = handle.partitions.len();
            let message = format!("topic {topic} has no partition {partition}: it has {count}");
            return Err(Error::new(ErrorKind::UnknownTopicOrPartition, message));
        };
        let name = TopicPartition::new(TopicName::clone(&handle.name), partition);
        Ok(Assigned::new(name, Arc::clone(found)))
    }

    /// The partitions that are read.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.fetcher.assigned.iter().map(|assigned| assigned.name().clone()).collect()
    }

    /// Returns the next records: at once if there are any, else as soon as some are published, or
    /// without any when `timeout` has passed. Those of one partition come in order, at most
    /// `max.poll.records` of all.
    ///
    /// # Errors
    /// What reading says; the error names the partition, whose position is not moved. Records of
    /// other partitions are not lost: they come with this poll, and the error with the next, or
    /// with the next poll. [`ErrorKind::OffsetOutOfRange`] if a position does not exist and
    /// `auto.offset.reset` is none.
    pub fn poll(&mut self, timeout: Duration) -> Result<Records> {
        self.fetcher.poll(timeout)
    }

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
        let index = self.index_of(topic, partition)?;
        self.seek_index(index, offset);
        Ok(())
    }

    /// Goes to the oldest record that there is now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned.
    pub fn seek_to_beginning(&mut self, topic: &str, partition: i32) -> Result<()> {
        let index = self.index_of(topic, partition)?;
        let offset = self.fetcher.assigned[index].partition().log_start_offset();
        self.seek_index(index, offset);
        Ok(())
    }

    /// Goes to the end as it is now: the next poll returns only what comes later.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the partition is not assigned.
    pub fn seek_to_end(&mut self, topic: &str, partition: i32) -> Result<()> {
        let index = self.index_of(topic, partition)?;
        let offset = self.end(index)?;
        self.seek_index(index, offset);
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
        let index = self.index_of(topic, partition)?;
        let end = self.end(index)?;
        let found =
            self.fetcher.assigned[index].partition().offset_for_timestamp(timestamp_ms, end)?;
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
        let index = self.index_of(topic, partition)?;
        let end = self.end(index)?;
        let reset = self.fetcher.rules().reset;
        self.fetcher.assigned[index].position(reset, end)
    }

    /// The end of what may be read of a partition now.
    fn end(&self, index: usize) -> Result<i64> {
        let assigned = &self.fetcher.assigned[index];
        let published = assigned.partition().end_offset();
        assigned.readable_end(published, self.fetcher.rules().isolation)
    }

    fn seek_index(&mut self, index: usize, offset: i64) {
        let Fetcher { assigned, pool, .. } = &mut self.fetcher;
        if let Some(assigned) = assigned.get_mut(index) {
            assigned.seek(offset, pool);
        }
        self.fetcher.forget_error();
    }

    fn index_of(&self, topic: &str, partition: i32) -> Result<usize> {
        let is_it = |assigned: &Assigned| {
            let name = assigned.name();
            name.partition == partition && name.topic.as_str() == topic
        };
        self.fetcher.assigned.iter().position(is_it).ok_or_else(|| {
            let message = format!("partition {topic}-{partition} is not assigned to the consumer");
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("assignment", &self.assignment()).finish()
    }
}
