//! Consumer groups as a whole: list, describe, delete. Their offsets alone are in `group_admin`.

use std::collections::BTreeMap;

use crate::broker::{Broker, Engine};
use crate::error::{ErrorKind, Result};
use crate::group::coordinator::describe::{GroupListing, LiveDescription, MemberDescription};
use crate::group::coordinator::live_group::GroupCounters;
use crate::group::membership::GroupState;
use crate::group::offset::OffsetAndMetadata;
use crate::topic::TopicPartition;

/// A group, as [`Broker::describe_group`] tells of it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group's name.
    pub name: String,
    /// Where it stands.
    pub state: GroupState,
    /// How many times it was decided anew who reads what.
    pub generation: i32,
    /// `consumer`; empty for a group that never had members and only committed offsets.
    pub protocol_type: String,
    /// What the members were last assigned by.
    pub assignor: Option<String>,
    /// The members, by the time at which they joined.
    pub members: Vec<MemberDescription>,
    /// Every partition that the group committed an offset of, or that a member subscribed to.
    pub partitions: Vec<GroupPartition>,
    /// What happened in the group since the broker was opened.
    pub counters: GroupCounters,
}

/// How far a group has come in a partition.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// What was committed, if anything was.
    pub committed: Option<OffsetAndMetadata>,
    /// The first offset that can be read; none if there is no such partition.
    pub log_start_offset: Option<i64>,
    /// The offset behind the newest record; none if there is no such partition.
    pub end_offset: Option<i64>,
    /// The records between the committed offset and the end.
    pub lag: Option<i64>,
    /// The id of the member that reads it.
    pub member_id: Option<String>,
}

impl Broker {
    /// All groups that have members or committed offsets, by name.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading the committed offsets, the first time.
    pub fn list_groups(&self) -> Result<Vec<GroupListing>> {
        self.engine.groups.list(&**self.engine)
    }

    /// A group's members, what each reads, and how far the group has come.
    ///
    /// ```
    /// use ottla::{Broker, GroupState, OffsetReset, OffsetScope, TopicConfig, TopicName};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let orders = OffsetScope::Topics(vec![TopicName::new("orders")?]);
    /// broker.reset_offsets("kitchen", &orders, OffsetReset::Earliest, false)?;
    /// let kitchen = broker.describe_group("kitchen")?;
    /// assert_eq!(kitchen.state, GroupState::Empty);
    /// assert_eq!(kitchen.partitions[0].lag, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `UnknownGroup`; `Corrupt` and `Io` from reading the committed offsets, the first time.
    pub fn describe_group(&self, name: &str) -> Result<GroupDescription> {
        self.engine.describe_group(name)
    }

    /// All groups; the lag of every group is in here.
    ///
    /// # Errors
    /// `Corrupt` and `Io` from reading the committed offsets, the first time.
    pub fn describe_groups(&self) -> Result<Vec<GroupDescription>> {
        let mut described = Vec::new();
        for listing in self.list_groups()? {
            match self.describe_group(&listing.name) {
                // Deleted, or left by its last member, since it was listed.
                Err(error) if error.kind() == ErrorKind::UnknownGroup => {}
                outcome => described.push(outcome?),
            }
        }
        Ok(described)
    }

    /// Deletes a group: everything that it committed.
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets do not come back after power loss.
    ///
    /// # Errors
    /// `GroupNotEmpty` while it has members; `UnknownGroup`; those of a durable append.
    pub fn delete_group(&self, name: &str) -> Result<()> {
        self.engine.groups.delete(&**self.engine, name)
    }
}

impl Engine {
    fn describe_group(&self, name: &str) -> Result<GroupDescription> {
        let (listing, live) = self.groups.describe(self, name)?;
        let LiveDescription { generation, assignor, members, partitions, counters } = live;
        // The offsets before the ends: a lag is never negative.
        let mut rows: BTreeMap<TopicPartition, (Option<OffsetAndMetadata>, Option<String>)> =
            partitions.into_iter().map(|(partition, id)| (partition, (None, id))).collect();
        for (partition, committed) in self.offsets.all_of(self, name)? {
            rows.entry(partition).or_default().0 = Some(committed);
        }
        let row = |(partition, (committed, member_id))| {
            self.group_partition(partition, committed, member_id)
        };
        Ok(GroupDescription {
            name: listing.name,
            state: listing.state,
            generation,
            protocol_type: listing.protocol_type,
            assignor,
            members,
            partitions: rows.into_iter().map(row).collect(),
            counters,
        })
    }

    fn group_partition(
        &self,
        name: TopicPartition,
        committed: Option<OffsetAndMetadata>,
        member_id: Option<String>,
    ) -> GroupPartition {
        let topic = self.topics.get(name.topic.as_str());
        let number = usize::try_from(name.partition).ok();
        let found = topic.as_ref().zip(number).and_then(|(topic, at)| topic.partitions.get(at));
        let end_offset = found.map(|partition| partition.end_offset());
        let offset = committed.as_ref().map(|committed| committed.offset);
        GroupPartition {
            partition: name,
            committed,
            log_start_offset: found.map(|partition| partition.log_start_offset()),
            end_offset,
            lag: end_offset.zip(offset).map(|(end, offset)| end.saturating_sub(offset).max(0)),
            member_id,
        }
    }
}
