//! Assigning partitions by hand, and finding those that are assigned.

use std::sync::Arc;

use super::Consumer;
use super::assigned::Assigned;
use super::named::NamesPartition;
use crate::error::{Error, ErrorKind, Result};
use crate::topic::{TopicName, TopicPartition};

impl Consumer {
    /// Reads these partitions and no others. Partitions that were assigned before keep their
    /// positions; with a `group.id`, new ones go on where the group was.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`], and [`ErrorKind::InvalidInput`] for a partition
    /// that is named twice, while the consumer is subscribed to topics, and within a listener. The
    /// assignment is as before then.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item: NamesPartition>) -> Result<()> {
        self.check_not_in_listener("assign")?;
        let mut assigned: Vec<Assigned> = Vec::new();
        for partition in partitions {
            let mut new = self.open(&partition)?;
            if self.group.is_some() {
                new.await_committed();
            }
            if assigned.iter().any(|other| other.name() == new.name()) {
                let message = format!("partition {} is assigned twice", new.name());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            assigned.push(new);
        }
        if self.group.as_ref().is_some_and(|group| group.subscription.is_some()) {
            let message = "the consumer is subscribed to topics, so it cannot be assigned \
                           partitions: unsubscribe first";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        self.stop_waking();
        let committed = self.auto_commit_all();
        for new in &mut assigned {
            let is_same = |old: &Assigned| {
                old.name() == new.name() && Arc::ptr_eq(old.partition(), new.partition())
            };
            if let Some(index) = self.fetcher.assigned.iter().position(is_same) {
                *new = self.fetcher.assigned.swap_remove(index);
            }
        }
        if let Some(group) = &mut self.group {
            group.awaits_committed = assigned.iter().any(Assigned::awaits_committed);
        }
        self.fetcher.replace_assigned(assigned);
        committed
    }

    /// A partition as it is read from its beginning; it need not be assigned.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownTopicOrPartition`].
    pub(super) fn open(&self, partition: &impl NamesPartition) -> Result<Assigned> {
        let (topic, partition) = (partition.topic(), partition.partition());
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

    /// The end of what may be read of a partition now.
    pub(super) fn end_of(&self, assigned: &Assigned) -> Result<i64> {
        assigned.readable_end(assigned.partition().end_offset(), self.fetcher.rules().isolation)
    }

    /// The place of an assigned partition.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is not assigned.
    pub(super) fn index_of(&self, partition: &impl NamesPartition) -> Result<usize> {
        let (topic, partition) = (partition.topic(), partition.partition());
        let is_it = |assigned: &Assigned| {
            let name = assigned.name();
            name.partition == partition && name.topic.as_str() == topic
        };
        self.fetcher.assigned.iter().position(is_it).ok_or_else(|| {
            let message = format!("partition {topic}-{partition} is not assigned to the consumer");
            Error::new(ErrorKind::InvalidInput, message)
        })
    }

    /// The places of assigned partitions.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if one of them is not assigned.
    pub(super) fn indexes_of(
        &self,
        partitions: impl IntoIterator<Item: NamesPartition>,
    ) -> Result<Vec<usize>> {
        partitions.into_iter().map(|partition| self.index_of(&partition)).collect()
    }
}
