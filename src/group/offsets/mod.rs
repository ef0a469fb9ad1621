//! Committed offsets: a table in memory, and the records of it in `__consumer_offsets`.
//!
//! [`OffsetStore`] is the handle; its verbs are in the files: `commit`, `load` (with `replay`),
//! `delete`, `expire`. `table` is what is known, `changes` the one way by which it changes. Not
//! here: who is a member and may commit (the coordinator), and how the topic comes to be
//! ([`OffsetsHost`]). docs/DURABILITY.md says what a committed offset survives.
//!
//! The invariant: what the table shows is durable, and never beyond the end of a partition.
//!
//! Lock order: the catalog's or `cutting`, then `loading`, then the leader's, then the table's, under which
//! nothing else is taken.

mod changes;
mod commit;
mod delete;
mod expire;
mod load;
mod needed;
mod replay;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::batch::builder::BatchBuilder;
use crate::catalog::topic_handle::{TopicHandle, Topics};
use crate::commit::Committer;
use crate::env::Env;
use crate::env::sync::atomic::AtomicBool;
use crate::env::sync::{Mutex, RwLock};
use crate::error::Result;
use crate::group::offset::OffsetAndMetadata;
use crate::group::offsets::table::{Group, Metadata, Table};
use crate::topic::{TopicName, TopicPartition};

pub(crate) use crate::group::offsets::commit::{OnCommitted, PreparedOffsets, check_group_name};
pub(crate) use crate::group::offsets::expire::GroupActivity;
pub use crate::group::offsets::load::ClampedOffset;

/// What the store asks of the broker around it.
pub(crate) trait OffsetsHost: Topics {
    /// The topic `__consumer_offsets`, if there is one.
    fn offsets_topic(&self) -> Option<Arc<TopicHandle>>;

    /// The topic `__consumer_offsets`, which is made unless there is one. Not to be called with
    /// the catalog locked.
    ///
    /// # Errors
    /// As for any topic that is made.
    fn create_offsets_topic(&self) -> Result<Arc<TopicHandle>>;

    /// Whether anything may be written.
    ///
    /// # Errors
    /// `ReadOnly`.
    fn check_writable(&self) -> Result<()>;

    /// The commit engine.
    fn committer(&self) -> &Committer;
}

/// The bounds of committed offsets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OffsetsOptions {
    /// How long the offsets of a group without members are kept.
    pub(crate) retention: Duration,
    /// The longest note beside an offset.
    pub(crate) metadata_bytes_max: usize,
    /// The most bytes that one commit may have.
    pub(crate) commit_bytes_max: usize,
}

/// The committed offsets of all groups of a directory.
pub(crate) struct OffsetStore {
    env: Env,
    options: OffsetsOptions,
    table: Arc<RwLock<Table>>,
    /// When the directory was opened, on the monotonic clock: what the log says counts as touched
    /// then.
    opened: Duration,
    /// Keeps its buffers from one commit to the next.
    builder: Mutex<BatchBuilder>,
    /// Held while a partition is cut off.
    cutting: Mutex<()>,
    /// Held while the log is read into the table.
    loading: Mutex<()>,
    /// Which partitions of the topic were read.
    loaded: RwLock<Vec<bool>>,
    /// All of them were.
    complete: AtomicBool,
}

/// What is known about a group beside its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupInfo {
    /// `consumer`, or empty for a group that only ever committed.
    pub(crate) protocol_type: String,
    /// The generation that the group goes on from.
    pub(crate) generation: i32,
    /// A newer broker made the assignments of the group.
    pub(crate) is_newer: bool,
    /// How many offsets it committed.
    pub(crate) offsets: usize,
}

impl std::fmt::Debug for OffsetStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OffsetStore").field("complete", &self.complete).finish_non_exhaustive()
    }
}

impl OffsetStore {
    /// The store of a directory. Reads nothing yet.
    pub(crate) fn new(env: &Env, options: OffsetsOptions) -> OffsetStore {
        OffsetStore {
            env: env.clone(),
            options,
            table: Arc::default(),
            opened: env.clock.monotonic(),
            builder: Mutex::new(BatchBuilder::new()),
            cutting: Mutex::new(()),
            loading: Mutex::new(()),
            loaded: RwLock::new(Vec::new()),
            complete: AtomicBool::new(false),
        }
    }

    /// The offset that a group committed last and durably for a partition. Does not wait for
    /// commits that are under way.
    ///
    /// # Errors
    /// Those of reading the group's partition of the log, the first time.
    pub(crate) fn committed(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
        at: &TopicPartition,
    ) -> Result<Option<OffsetAndMetadata>> {
        self.ensure(host, group)?;
        let table = self.table.read();
        let stored = table.groups.get(group).and_then(|group| group.offsets.get(at));
        Ok(stored.map(|stored| stored.committed.clone()))
    }

    /// All offsets of a group, by topic and partition.
    ///
    /// # Errors
    /// As [`committed`](Self::committed).
    pub(crate) fn all_of(
        &self,
        host: &dyn OffsetsHost,
        group: &str,
    ) -> Result<Vec<(TopicPartition, OffsetAndMetadata)>> {
        self.ensure(host, group)?;
        let mut all = self.known_of(group);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// Makes sure that [`known_of`](Self::known_of) knows the offsets of a group.
    ///
    /// # Errors
    /// As [`committed`](Self::committed).
    pub(crate) fn make_known(&self, host: &dyn OffsetsHost, group: &str) -> Result<()> {
        self.ensure(host, group)
    }

    /// All offsets of a group that was made known, in no order. Reads nothing.
    pub(crate) fn known_of(&self, group: &str) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let table = self.table.read();
        let offsets = table.groups.get(group).into_iter().flat_map(|group| &group.offsets);
        offsets.map(|(at, stored)| (at.clone(), stored.committed.clone())).collect()
    }

    /// The names of all groups that the log knows, in order.
    ///
    /// # Errors
    /// Those of reading the log, the first time.
    pub(crate) fn groups(&self, host: &dyn OffsetsHost) -> Result<Vec<String>> {
        self.load(host)?;
        let mut names: Vec<_> = self.table.read().groups.keys().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    /// What the log knows about a group.
    ///
    /// # Errors
    /// As [`committed`](Self::committed).
    pub(crate) fn info(&self, host: &dyn OffsetsHost, group: &str) -> Result<Option<GroupInfo>> {
        self.ensure(host, group)?;
        Ok(self.table.read().groups.get(group).map(Group::info))
    }

    /// The generation that a group goes on from: 0 for a new one.
    ///
    /// # Errors
    /// As [`committed`](Self::committed).
    pub(crate) fn generation(&self, host: &dyn OffsetsHost, group: &str) -> Result<i32> {
        Ok(self.info(host, group)?.map_or(0, |info| info.generation))
    }
}

impl Group {
    fn info(&self) -> GroupInfo {
        let protocol_type = match &self.metadata {
            Metadata::None => String::new(),
            Metadata::Classic { protocol_type, .. } => protocol_type.clone(),
            Metadata::Consumer { .. } => "consumer".to_owned(),
        };
        GroupInfo {
            protocol_type,
            generation: self.metadata.generation(),
            is_newer: matches!(self.metadata, Metadata::Consumer { .. }),
            offsets: self.offsets.len(),
        }
    }
}

/// A partition by name, in the words of the table.
fn name_of(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition::new(topic.clone(), partition)
}
