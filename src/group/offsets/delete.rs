//! Taking offsets back: of a group, of some partitions of it, of a topic that is deleted; and
//! setting back those that lie behind a cut.
//!
//! What is taken back is written as records without a value. Each set of them is one commit, asked
//! under the leader's lock whether it still fits: a commit that came first makes the deletion look
//! again.

use std::sync::Arc;

use super::changes::{Change, Prepared, What};
use super::commit::check_group_name;
use super::table::{Group, Metadata};
use super::{OffsetStore, OffsetsHost};
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::group::offset::OffsetAndMetadata;
use crate::partition::Partition;
use crate::topic::{TopicId, TopicName, TopicPartition};

/// How often a deletion looks again when others commit to the same group meanwhile.
const ATTEMPTS_MAX: usize = 100;

/// The offsets of a topic that is being deleted: nobody commits any until this is dropped.
pub(crate) struct TopicOffsets<'a> {
    store: &'a OffsetStore,
    topic: TopicName,
    topic_id: TopicId,
    pub(super) prepared: Option<Prepared>,
}

impl OffsetStore {
    /// Deletes a group: its offsets, and whatever the log says about it. The coordinator makes sure
    /// that it has no members.
    ///
    /// # Durability
    /// When it returns `Ok` the offsets do not come back after power loss.
    ///
    /// # Errors
    /// `UnknownGroup`; those of a durable append.
    pub(crate) fn delete_group(&self, host: &dyn OffsetsHost, group: &str) -> Result<()> {
        self.take_back(host, group, |group, name| {
            let mut all = forget_all(group, name, |_| true);
            let change = |what| Change { group: Arc::clone(name), what };
            // Group's own record goes last: without it the log knows nothing of the group.
            all.extend(group.other_keys.iter().map(|key| {
                let key = key.clone();
                change(What::ForgetOther { key })
            }));
            if group.metadata != Metadata::None {
                all.push(change(What::ForgetMetadata));
            }
            all
        })
    }

    /// Deletes the offsets of a group for some partitions; those that have none are passed over.
    ///
    /// # Durability
    /// When it returns `Ok` the offsets do not come back after power loss.
    ///
    /// # Errors
    /// `UnknownGroup`; those of a durable append.
    pub(crate) fn delete_offsets(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        chosen: &dyn Fn(&TopicPartition) -> bool,
    ) -> Result<()> {
        self.take_back(host, group, |group, name| forget_all(group, name, chosen))
    }

    /// Writes the changes that `choose` makes of a group as it is now.
    fn take_back(
        &self,
        host: &dyn OffsetsHost,
        name: &str,
        choose: impl Fn(&Group, &Arc<str>) -> Vec<Change>,
    ) -> Result<()> {
        check_group_name(name)?;
        host.check_writable()?;
        self.ensure(host, name)?;
        let mut attempts = 0;
        loop {
            let (mut changes, unchanged) = {
                let table = self.table.read();
                let Some((name, group)) = table.groups.get_key_value(name) else {
                    let message = format!("there is no group {:?}", shown(name));
                    return Err(Error::new(ErrorKind::UnknownGroup, message));
                };
                (choose(group, name), (Arc::clone(name), group.version))
            };
            if changes.is_empty() {
                // Nothing is to be seen, but one whose outcome is unknown may come back.
                return host.committer().refuse_if_poisoned();
            }
            let whole = changes.len();
            changes.truncate(self.first_piece(&changes));
            let is_last = changes.len() == whole;
            let mut prepared = self.prepare(host, changes)?;
            prepared.effect.unchanged.push(unchanged);
            match self.write(host, prepared) {
                Err(error) if error.kind() == ErrorKind::Timeout && attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                }
                Ok(()) if !is_last => {}
                outcome => return outcome,
            }
        }
    }

    /// Begins the deletion of a topic: from now on nothing is committed for it. The records that
    /// take its offsets back are to be committed together with the topic's own.
    ///
    /// # Errors
    /// Those of reading the log.
    pub(crate) fn begin_topic_deletion(
        &self,
        host: &dyn OffsetsHost,
        topic: &TopicName,
        topic_id: TopicId,
    ) -> Result<TopicOffsets<'_>> {
        self.load_readable(host)?;
        self.table.write().deleting.insert(topic_id);
        let mut offsets =
            TopicOffsets { store: self, topic: topic.clone(), topic_id, prepared: None };
        // Commits that were let through before are in the table after this.
        host.committer().pass_leader();
        let mut changes: Vec<Change> = {
            let table = self.table.read();
            let of_topic = |at: &TopicPartition| at.topic == *topic;
            table.groups.iter().flat_map(|(name, g)| forget_all(g, name, of_topic)).collect()
        };
        // What does not go into the frame of the deletion is taken back before.
        let rest = changes.split_off(self.first_piece(&changes));
        self.write_changes(host, rest)?;
        if !changes.is_empty() && !planted!("offsets_outlive_their_topic") {
            offsets.prepared = Some(self.prepare(host, changes)?);
        }
        Ok(offsets)
    }

    /// Sets the offsets behind `end` of a partition that is about to be cut there to `end`, and
    /// lets nobody commit beyond it until `cut` has returned.
    ///
    /// # Durability
    /// The offsets are set back durably before anything is cut.
    ///
    /// # Errors
    /// Those of a durable append, and of `cut`.
    pub(crate) fn while_cutting<T>(
        &self,
        host: &dyn OffsetsHost,
        partition: &Arc<Partition>,
        end: i64,
        cut: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let _one_at_a_time = self.cutting.lock();
        self.load_readable(host)?;
        let id = partition.id();
        let at = TopicPartition::new(id.topic().clone(), id.partition());
        self.table.write().cutting.insert(at.clone(), end);
        let _until_cut = Cutting { store: self, at: &at };
        host.committer().pass_leader();
        let changes: Vec<Change> = {
            let table = self.table.read();
            let behind = table.groups.iter().filter_map(|(name, group)| {
                let stored = group.offsets.get(&at).filter(|s| s.committed.offset > end)?;
                let note = stored.committed.metadata.clone();
                let committed = OffsetAndMetadata::new(end).metadata(note);
                let (at, partition) = (at.clone(), Arc::clone(partition));
                let what = What::Commit { at, partition, committed };
                Some(Change { group: Arc::clone(name), what })
            });
            behind.collect()
        };
        if !planted!("cut_before_offsets") {
            self.write_changes(host, changes)?;
        }
        cut()
    }
}

/// Lets offsets of a partition be committed up to its end again.
struct Cutting<'a> {
    store: &'a OffsetStore,
    at: &'a TopicPartition,
}

impl Drop for Cutting<'_> {
    fn drop(&mut self) {
        self.store.table.write().cutting.remove(self.at);
    }
}

impl TopicOffsets<'_> {
    /// The batches to be committed together with the topic's deletion, and what goes with them.
    pub(crate) fn take(
        &mut self,
    ) -> (Vec<crate::commit::ticket::Part>, Option<Box<dyn crate::commit::ticket::Effect>>) {
        match self.prepared.take() {
            None => (Vec::new(), None),
            Some(Prepared { parts, effect }) => (parts, Some(effect)),
        }
    }

    /// The topic is gone. Its offsets went with it, unless the frame was committed and could not be
    /// applied: then the broker is poisoned, and they go from the table alone.
    pub(crate) fn forget(&self) {
        for group in self.store.table.write().groups.values_mut() {
            group.offsets.retain(|at, _| at.topic != self.topic);
        }
    }
}

impl Drop for TopicOffsets<'_> {
    fn drop(&mut self) {
        self.store.table.write().deleting.remove(&self.topic_id);
    }
}

/// The records that take back the chosen offsets of a group.
pub(super) fn forget_all(
    group: &Group,
    name: &Arc<str>,
    chosen: impl Fn(&TopicPartition) -> bool,
) -> Vec<Change> {
    let forget = |at: &TopicPartition, record_offset| Change {
        group: Arc::clone(name),
        what: What::Forget { at: at.clone(), record_offset },
    };
    let offsets = group.offsets.iter().filter(|(at, _)| chosen(at));
    offsets.map(|(at, stored)| forget(at, stored.record_offset)).collect()
}

fn shown(name: &str) -> String {
    name.chars().take(60).collect()
}
