//! Asking for offsets of any partition, assigned or not. Nothing here moves a position.

use super::Consumer;
use super::named::NamesPartition;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicPartition;

/// An offset, and the timestamp of the record there.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

impl Consumer {
    /// The offset of the oldest record of each of these partitions, in their order; where there is
    /// no record, the end.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`].
    pub fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> Result<Vec<(TopicPartition, i64)>> {
        partitions
            .into_iter()
            .map(|partition| {
                let opened = self.open(&partition)?;
                Ok((opened.name().clone(), opened.partition().log_start_offset()))
            })
            .collect()
    }

    /// The offset after the newest record of each of these partitions that this consumer may
    /// read, in their order: with `read_committed`, no open transaction lies below it.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`]; those of the disk.
    pub fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> Result<Vec<(TopicPartition, i64)>> {
        partitions
            .into_iter()
            .map(|partition| {
                let opened = self.open(&partition)?;
                Ok((opened.name().clone(), self.end_of(&opened)?))
            })
            .collect()
    }

    /// For each partition and time (milliseconds since 1970), the first record with that timestamp
    /// or a later one; `None` if there is none.
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let message = Message::new("one burger").timestamp(1_700_000_000_000);
    /// broker.partition("orders", 0)?.append(&[message], Acks::All)?;
    ///
    /// let consumer = broker.consumer().build()?;
    /// let since = 1_600_000_000_000;
    /// let found = consumer.offsets_for_times([(("orders", 0), since)])?;
    /// assert_eq!(found[0].1.map(|found| found.offset), Some(0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`]; [`ErrorKind::InvalidInput`] for a time before 1970;
    /// what reading says.
    pub fn offsets_for_times<P: NamesPartition>(
        &self,
        times: impl IntoIterator<Item = (P, i64)>,
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndTimestamp>)>> {
        times
            .into_iter()
            .map(|(partition, timestamp_ms)| {
                if timestamp_ms < 0 {
                    let message = format!("there is no offset for the time {timestamp_ms}");
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
                let opened = self.open(&partition)?;
                let end = self.end_of(&opened)?;
                let found = opened.partition().offset_for_timestamp(timestamp_ms, end)?;
                let found =
                    found.map(|(offset, timestamp)| OffsetAndTimestamp { offset, timestamp });
                Ok((opened.name().clone(), found))
            })
            .collect()
    }

    /// How many offsets lie between the position in an assigned partition and its end: 0 for a
    /// consumer that has seen everything.
    ///
    /// # Errors
    /// As [`position`](Consumer::position).
    pub fn lag(&self, topic: &str, partition: i32) -> Result<i64> {
        let position = self.position(topic, partition)?;
        let end = self.end_of(&self.fetcher.assigned[self.index_of(&(topic, partition))?])?;
        Ok(end.saturating_sub(position).max(0))
    }
}
