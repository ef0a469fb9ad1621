//! Committing offsets, and asking for those that are committed.
//!
//! The invariant: commits of one consumer end in the order in which they were begun, and so do the
//! callbacks.

use super::Consumer;
use super::group::{Group, without_group};
use super::named::NamesPartition;
use super::pending_commits::{Done, Offsets, OnCommit};
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::Coordinator;
use crate::group::coordinator::staged::StagedOffsets;
use crate::group::offset::OffsetAndMetadata;
use crate::topic::{TopicName, TopicPartition};

impl Consumer {
    /// Commits the positions of all partitions: the group goes on behind the records that polls
    /// returned so far. Earlier commits without waiting end first.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ottla::{Broker, Record, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// broker.producer().build()?.send(Record::new("orders", "one burger"))?.wait()?;
    ///
    /// let builder = || broker.consumer().group("kitchen").subscribe(["orders"]);
    /// let mut cook = builder().build()?;
    /// assert_eq!(cook.poll(Duration::from_secs(1))?.len(), 1);
    /// cook.commit()?;
    /// cook.close()?;
    ///
    /// let mut next_cook = builder().build()?;
    /// assert!(next_cook.poll(Duration::ZERO)?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets, and the records below them, survive power loss.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`; [`ErrorKind::Fenced`] if the group does
    /// not count this member any more; [`ErrorKind::GroupNotEmpty`] if partitions were assigned
    /// by hand and the group has members; what writing says.
    pub fn commit(&mut self) -> Result<()> {
        let offsets = self.positions();
        self.commit_now(&offsets)
    }

    /// Commits given offsets, each the one of the next record to read, perhaps with a note.
    ///
    /// ```
    /// # use ottla::{Broker, OffsetAndMetadata, TopicConfig};
    /// # fn main() -> ottla::Result<()> {
    /// # let broker = Broker::in_memory()?;
    /// # broker.create_topic("orders", TopicConfig::new())?;
    /// # let mut consumer = broker.consumer().group("kitchen").assign([("orders", 0)]).build()?;
    /// consumer.commit_offsets([(("orders", 0), 0)])?;
    /// let offset = OffsetAndMetadata::new(0).metadata("nothing cooked yet");
    /// consumer.commit_offsets([(("orders", 0), offset)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Durability
    /// As [`commit`](Consumer::commit).
    ///
    /// # Errors
    /// As [`commit`](Consumer::commit); [`ErrorKind::InvalidInput`] for a partition that the
    /// member does not own and a negative offset, [`ErrorKind::OffsetOutOfRange`] for one behind
    /// the end. Nothing was committed then.
    pub fn commit_offsets<P: NamesPartition, O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Result<()> {
        let offsets = named(offsets)?;
        self.commit_now(&offsets)
    }

    /// As [`commit`](Consumer::commit), without waiting. The callback gets the offsets and the
    /// outcome: later, within a poll, a commit or the close of this consumer, on the thread that
    /// calls them, and in the order of the commits. If a thousand commits are under way, waits
    /// for them.
    ///
    /// # Durability
    /// As [`commit`](Consumer::commit), when the callback gets `Ok`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`. Everything else is told to the callback.
    pub fn commit_async(
        &mut self,
        callback: impl FnOnce(&[(TopicPartition, OffsetAndMetadata)], Result<()>) + Send + 'static,
    ) -> Result<()> {
        let offsets = self.positions();
        self.commit_later(&offsets, Box::new(callback))
    }

    /// As [`commit_offsets`](Consumer::commit_offsets), without waiting, and
    /// [`commit_async`](Consumer::commit_async).
    ///
    /// # Durability
    /// As [`commit`](Consumer::commit), when the callback gets `Ok`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`, and for what is no name of a topic.
    /// Everything else is told to the callback.
    pub fn commit_offsets_async<P: NamesPartition, O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (P, O)>,
        callback: impl FnOnce(&[(TopicPartition, OffsetAndMetadata)], Result<()>) + Send + 'static,
    ) -> Result<()> {
        let offsets = named(offsets)?;
        self.commit_later(&offsets, Box::new(callback))
    }

    /// What the group committed of a partition, which need not be assigned; `None` if nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`;
    /// [`ErrorKind::UnknownTopicOrPartition`]; what reading says.
    pub fn committed(&self, topic: &str, partition: i32) -> Result<Option<OffsetAndMetadata>> {
        let group = self.group.as_ref().ok_or_else(|| without_group("committed"))?;
        let partition = self.open(&(topic, partition))?.name().clone();
        let groups = &group.groups;
        let committed = groups.coordinator.committed(&*groups.host, &group.id, &[partition])?;
        Ok(committed.into_iter().next().flatten())
    }

    /// All positions that are known.
    fn positions(&self) -> Offsets {
        let known = self.fetcher.assigned.iter().filter_map(|assigned| {
            let offset = OffsetAndMetadata::new(assigned.position_to_commit()?);
            Some((assigned.name().clone(), offset))
        });
        known.collect()
    }

    /// The positions of all partitions as of now, for a transaction of this coordinator's broker
    /// that is to commit them.
    ///
    /// # Errors
    /// As [`commit`](Consumer::commit); [`ErrorKind::InvalidInput`] for a consumer of another
    /// broker, and if it commits by itself, which it would do before the transaction has.
    pub(crate) fn stage_positions(&self, coordinator: &Coordinator) -> Result<StagedOffsets> {
        self.check_open()?;
        let what = "a transaction that commits the offsets of a consumer";
        let group = self.group.as_ref().ok_or_else(|| without_group(what))?;
        if !std::ptr::eq(&*group.groups.coordinator, coordinator) {
            let message = "the consumer is of another broker than the transaction: what lies in \
                           two directories cannot be committed as one";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if group.auto_commit.is_some() {
            let message = "the consumer commits its positions by itself: set enable.auto.commit \
                           to false to have a transaction commit them";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        group.check_may_commit()?;
        let offsets = self.positions();
        match &group.member {
            Some(member) => member.stage_offsets(offsets),
            None => {
                let groups = &group.groups;
                groups.coordinator.stage_offsets(&*groups.host, &group.id, &offsets)
            }
        }
    }

    pub(super) fn commit_now(&mut self, offsets: &Offsets) -> Result<()> {
        self.settle_commits();
        self.check_open()?;
        let group = self.group_for("a commit")?;
        group.check_may_commit()?;
        if offsets.is_empty() {
            return Ok(());
        }
        let groups = &group.groups;
        match &group.member {
            Some(member) => member.commit(offsets),
            None => groups.coordinator.commit_standalone(&*groups.host, &group.id, offsets),
        }?;
        self.note_committed(offsets);
        Ok(())
    }

    fn commit_later(&mut self, offsets: &Offsets, callback: OnCommit) -> Result<()> {
        let open = self.check_open();
        if self.group_for("a commit")?.pending.is_full() {
            self.settle_commits();
        }
        let group = self.group_for("a commit")?;
        let on_done = group.pending.push(offsets.clone(), callback);
        if let Err(error) = open.and_then(|()| group.check_may_commit()) {
            on_done(Err(error));
            return Ok(());
        }
        let groups = &group.groups;
        match &group.member {
            _ if offsets.is_empty() => on_done(Ok(())),
            Some(member) => member.commit_async(offsets, on_done),
            None => {
                let (coordinator, host) = (&groups.coordinator, &*groups.host);
                coordinator.commit_standalone_async(host, &group.id, offsets, on_done);
            }
        }
        Ok(())
    }

    /// Waits for all commits under way and calls their callbacks.
    pub(super) fn settle_commits(&mut self) {
        let Some(group) = &self.group else { return };
        if group.pending.is_empty() {
            return;
        }
        self.fetcher.source().settle();
        while let Some(done) = self.group.as_mut().and_then(|group| group.pending.wait_oldest()) {
            self.call_back(done);
        }
    }

    /// Calls the callbacks of commits that have ended.
    pub(super) fn call_back_commits(&mut self) {
        while let Some(done) = self.group.as_mut().and_then(|group| group.pending.pop_done()) {
            self.call_back(done);
        }
    }

    fn call_back(&mut self, done: Done) {
        let Done { offsets, callback, result } = done;
        if result.is_ok() {
            self.note_committed(&offsets);
        }
        self.pause_poll();
        callback(&offsets, result);
        self.resume_poll();
    }

    fn note_committed(&mut self, offsets: &Offsets) {
        self.counters.commits += 1;
        for (partition, committed) in offsets {
            if let Ok(index) = self.index_of(partition) {
                self.fetcher.assigned[index].set_committed(committed.offset);
            }
        }
    }
}

impl Group {
    /// # Errors
    /// [`ErrorKind::Fenced`] for a member that is none any more.
    fn check_may_commit(&self) -> Result<()> {
        if let Some(error) = &self.fenced {
            return Err(error.clone());
        }
        if self.subscription.is_some() && self.member.is_none() {
            let message = format!("the consumer is no member of the group {} now", self.id);
            return Err(Error::new(ErrorKind::Fenced, message));
        }
        Ok(())
    }
}

/// Offsets by partition, as a program names them.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] for what is no name of a topic.
pub(crate) fn named<P: NamesPartition, O: Into<OffsetAndMetadata>>(
    offsets: impl IntoIterator<Item = (P, O)>,
) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
    offsets
        .into_iter()
        .map(|(partition, offset)| {
            let topic = TopicName::new(partition.topic())?;
            Ok((TopicPartition::new(topic, partition.partition()), offset.into()))
        })
        .collect()
}
