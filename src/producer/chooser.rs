//! Which partition of one topic a record goes to, out of what the record, the program and the moment
//! say; the rules are in `partitioner.rs`.

use std::sync::Arc;

use super::partitioner::{Partitioner, Sticky, partition_of_key};
use super::record::Record;
use crate::catalog::topic_handle::TopicHandle;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::TopicName;

/// Chooses among the partitions of one topic.
pub(crate) struct Chooser {
    topic: TopicName,
    count: usize,
    partitioner: Option<Arc<dyn Partitioner>>,
    ignore_keys: bool,
    sticky: Sticky,
}

impl Chooser {
    /// For a topic as it is now. `seed` makes the choices repeatable.
    pub(crate) fn new(
        topic: &TopicHandle,
        partitioner: Option<&Arc<dyn Partitioner>>,
        ignore_keys: bool,
        seed: u64,
    ) -> Chooser {
        let count = topic.partitions.len();
        Chooser {
            topic: topic.name.clone(),
            count,
            partitioner: partitioner.map(Arc::clone),
            ignore_keys,
            sticky: Sticky::new(seed, count),
        }
    }

    /// The partition of a record, and whether another one would do as well. May call code of the
    /// program.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`] for a number that the topic does not have;
    /// [`ErrorKind::InvalidInput`] if the program's partitioner answers with one.
    #[inline]
    pub(crate) fn choose(&self, record: &Record<'_>) -> Result<(usize, bool)> {
        if let Some(number) = record.partition_number() {
            let index = self.index_of(number);
            return Ok((index.ok_or_else(|| self.unknown_partition(number.into()))?, false));
        }
        let message = record.message();
        if let Some(partitioner) = &self.partitioner {
            let partition_count = i32::try_from(self.count).unwrap_or(i32::MAX);
            let answer = partitioner.partition(self.topic.as_str(), message, partition_count);
            if let Some(number) = answer {
                let index = self.index_of(number);
                return Ok((index.ok_or_else(|| self.wrong_answer(number))?, false));
            }
        }
        Ok(match message.key_bytes().filter(|_| !self.ignore_keys) {
            Some(key) => (partition_of_key(key, self.count), false),
            None => (self.sticky.current(), self.count > 1),
        })
    }

    /// Another partition for records without a key: enough went to `from`.
    pub(crate) fn leave(&self, from: usize) -> usize {
        self.sticky.leave(from, self.count)
    }

    fn index_of(&self, number: i32) -> Option<usize> {
        usize::try_from(number).ok().filter(|index| *index < self.count)
    }

    /// The error for a partition that the topic does not have.
    #[cold]
    pub(crate) fn unknown_partition(&self, number: i64) -> Error {
        let message =
            format!("topic {} has no partition {number}: it has {}", self.topic, self.count);
        Error::new(ErrorKind::UnknownTopicOrPartition, message)
    }

    #[cold]
    fn wrong_answer(&self, number: i32) -> Error {
        let message = format!(
            "the partitioner chose partition {number} of topic {}, which has {}: it must answer \
             with one of them or with None",
            self.topic, self.count
        );
        Error::new(ErrorKind::InvalidInput, message)
    }
}
