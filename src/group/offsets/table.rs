//! The committed offsets in memory: the newest record of each key, by its offset in the log.
//!
//! Not here: files, conditions, who may commit. The invariant: a record changes the table only if
//! it lies behind the one that is there, so that the order in which changes arrive does not matter.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::group::offset::OffsetAndMetadata;
use crate::topic::{TopicId, TopicPartition};

/// All groups that have offsets or a record of their own.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(super) groups: HashMap<Arc<str>, Group>,
    /// Topics that are being deleted: nothing is committed for them any more.
    pub(super) deleting: HashSet<TopicId>,
    /// Partitions that are being cut off: nothing is committed for them beyond these offsets.
    pub(super) cutting: HashMap<TopicPartition, i64>,
    /// Groups whose state is to be written with their next commit, or at the close.
    pub(super) owed: HashSet<Arc<str>>,
}

/// What is known of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    pub(super) offsets: HashMap<TopicPartition, Stored>,
    pub(super) metadata: Metadata,
    /// The offset of the record that says so, -1 without one.
    pub(super) metadata_at: i64,
    /// The keys of other records about the group: those of newer brokers.
    pub(super) other_keys: BTreeSet<Vec<u8>>,
    /// Since when the group has no members, on the monotonic clock; since the open, if the log says
    /// so.
    pub(super) idle_since: Duration,
    /// Counts the changes of the group.
    pub(super) version: u64,
}

/// What the log says about a group itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Metadata {
    /// Nothing: it only ever committed.
    #[default]
    None,
    /// A classic group.
    Classic {
        /// `consumer`, or empty.
        protocol_type: String,
        /// Counts the rebalances.
        generation: i32,
    },
    /// A group whose assignments a newer broker made.
    Consumer {
        /// Counts its changes.
        epoch: i32,
    },
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(super) committed: OffsetAndMetadata,
    /// When it was committed, by the wall clock.
    pub(super) commit_ms: i64,
    /// After how long it expires, if its committer said so.
    pub(super) retention: Option<Duration>,
    /// The topic's id, if the record names it.
    pub(super) topic_id: Option<TopicId>,
    /// The offset of its record in the group's partition.
    pub(super) record_offset: i64,
    /// When it was committed, on the monotonic clock; the open, if that was before.
    pub(super) since: Duration,
}

impl Table {
    /// A group, which is made if need be.
    pub(super) fn group(&mut self, name: &Arc<str>, now: Duration) -> &mut Group {
        let new = || Group { metadata_at: -1, idle_since: now, ..Group::default() };
        let group = self.groups.entry(Arc::clone(name)).or_insert_with(new);
        group.version += 1;
        group
    }

    /// Takes a committed offset, unless a later record is there.
    pub(super) fn store(&mut self, name: &Arc<str>, at: &TopicPartition, stored: Stored) {
        self.group(name, stored.since).store(at, stored);
    }

    /// A record at `record_offset` takes the offset of a partition back.
    pub(super) fn forget(&mut self, name: &str, at: &TopicPartition, record_offset: i64) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.version += 1;
        if group.offsets.get(at).is_some_and(|stored| stored.record_offset < record_offset) {
            group.offsets.remove(at);
        }
        self.drop_if_empty(name);
    }

    /// Something of a group is about to change.
    pub(super) fn note_change(&mut self, name: &str) {
        if let Some(group) = self.groups.get_mut(name) {
            group.version += 1;
        }
    }

    /// Lets go of a group that nothing is left of.
    pub(super) fn drop_if_empty(&mut self, name: &str) {
        if self.groups.get(name).is_some_and(Group::is_empty) {
            self.groups.remove(name);
            self.owed.remove(name);
        }
    }
}

impl Group {
    /// Takes a committed offset, unless a later record is there.
    pub(super) fn store(&mut self, at: &TopicPartition, stored: Stored) {
        match self.offsets.get_mut(at) {
            Some(before) if before.record_offset >= stored.record_offset => {}
            Some(before) => *before = stored,
            None => drop(self.offsets.insert(at.clone(), stored)),
        }
    }

    /// Takes what a record at `record_offset` says about the group, unless a later one is there.
    pub(super) fn set_metadata(&mut self, metadata: Metadata, record_offset: i64) {
        if record_offset > self.metadata_at {
            self.metadata = metadata;
            self.metadata_at = record_offset;
        }
    }

    fn is_empty(&self) -> bool {
        self.offsets.is_empty() && self.metadata == Metadata::None && self.other_keys.is_empty()
    }
}

impl Metadata {
    /// The generation that the group goes on from.
    pub(super) fn generation(&self) -> i32 {
        match self {
            Metadata::None => 0,
            Metadata::Classic { generation, .. } => *generation,
            Metadata::Consumer { epoch } => *epoch,
        }
    }
}
