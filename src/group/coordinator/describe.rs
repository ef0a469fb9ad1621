//! What can be seen of a group from outside. Looking changes nothing: it does not decide who reads
//! what, which the next poll of a member does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::Coordinator;
use crate::group::coordinator::live_group::{GroupCounters, Seat, State};
use crate::group::membership::{GroupState, Member};
use crate::group::offsets::OffsetsHost;
use crate::topic::TopicPartition;

/// A group, as [`Broker::list_groups`](crate::Broker::list_groups) tells of it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's name.
    pub name: String,
    /// Where it stands.
    pub state: GroupState,
    /// `consumer`; empty for a group that never had members and only committed offsets.
    pub protocol_type: String,
    /// How many members it has, those that are away among them.
    pub member_count: usize,
}

/// A member of a group.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id, unique within the group.
    pub member_id: String,
    /// Its lasting name, if it is a static member.
    pub instance_id: Option<String>,
    /// The name of the program's part that it belongs to.
    pub client_id: String,
    /// The partitions that it reads.
    pub assignment: Vec<TopicPartition>,
    /// How long ago its last poll ended; none while it is in one.
    pub since_poll: Option<Duration>,
    /// It is a static member that was closed, and its place is kept for a while: nobody reads its
    /// partitions.
    pub is_away: bool,
}

/// A group in memory at one moment.
#[derive(Default)]
pub(crate) struct LiveDescription {
    pub(crate) generation: i32,
    pub(crate) assignor: Option<String>,
    pub(crate) members: Vec<MemberDescription>,
    /// The existing partitions of the topics that members subscribed to, and who reads each.
    pub(crate) partitions: BTreeMap<TopicPartition, Option<String>>,
    pub(crate) counters: GroupCounters,
}

impl Coordinator {
    /// All groups that have members or committed offsets, by name.
    ///
    /// # Errors
    /// Those of reading the log, the first time.
    pub(crate) fn list(&self, host: &dyn OffsetsHost) -> Result<Vec<GroupListing>> {
        let mut listed = BTreeMap::new();
        for name in self.store.groups(host)? {
            let Some(info) = self.store.info(host, &name)? else { continue };
            let listing = GroupListing {
                name: name.clone(),
                state: GroupState::Empty,
                protocol_type: info.protocol_type,
                member_count: 0,
            };
            listed.insert(name, listing);
        }
        for group in self.all() {
            let (state, member_count) =
                group.with(|state| (state.membership.state(), state.membership.members().count()));
            if state != GroupState::Empty {
                let name = group.name().to_owned();
                let protocol_type = "consumer".to_owned();
                let listing =
                    GroupListing { name: name.clone(), state, protocol_type, member_count };
                listed.insert(name, listing);
            }
        }
        Ok(listed.into_values().collect())
    }

    /// A group with where it stands, if it is known.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownGroup`]; those of reading the log, the first time.
    pub(crate) fn describe(
        &self,
        host: &dyn OffsetsHost,
        name: &str,
    ) -> Result<(GroupListing, LiveDescription)> {
        let info = self.store.info(host, name)?;
        let now = self.now();
        let live = self
            .find(name)
            .map(|group| group.with(|state| (state.membership.state(), state.describe(now))));
        let (state, live) = live.unwrap_or((GroupState::Empty, LiveDescription::default()));
        let protocol_type = match (&info, state) {
            (None, GroupState::Empty) => return Err(unknown_group(name)),
            (Some(info), GroupState::Empty) => info.protocol_type.clone(),
            _ => "consumer".to_owned(),
        };
        let generation = live.generation.max(info.map_or(0, |info| info.generation));
        let live = LiveDescription { generation, ..live };
        let member_count = live.members.len();
        Ok((GroupListing { name: name.to_owned(), state, protocol_type, member_count }, live))
    }

    /// Deletes what a group without members committed.
    ///
    /// # Durability
    /// When it returns `Ok`, the offsets do not come back after power loss.
    ///
    /// # Errors
    /// [`ErrorKind::GroupNotEmpty`]; [`ErrorKind::UnknownGroup`]; those of a durable append.
    pub(crate) fn delete(&self, host: &dyn OffsetsHost, name: &str) -> Result<()> {
        let hold = self.hold_empty(host, name)?;
        let outcome = self.store.delete_group(host, name);
        drop(hold);
        self.forget(name);
        outcome
    }
}

impl State {
    fn describe(&self, now: Duration) -> LiveDescription {
        let State { membership, seats, counters, .. } = self;
        let mut partitions = BTreeMap::new();
        for (topic, &count) in membership.topics() {
            let of_topic = |number| TopicPartition::new(topic.clone(), number);
            partitions.extend((0..count).map(|number| (of_topic(number), None)));
        }
        let mut members = Vec::new();
        for (slot, member) in membership.members() {
            members.push(describe_member(member, seats.get(&slot), now));
            if !member.is_away() {
                let id = || Some(member.member_id.clone());
                partitions.extend(member.owned().iter().map(|owned| (owned.clone(), id())));
            }
        }
        LiveDescription {
            generation: membership.generation(),
            assignor: membership.assignor_name().map(str::to_owned),
            members,
            partitions,
            counters: *counters,
        }
    }
}

fn describe_member(member: &Member, seat: Option<&Seat>, now: Duration) -> MemberDescription {
    let last_poll = seat.and_then(|seat| seat.presence.last_poll());
    let owned = member.owned().iter().cloned();
    MemberDescription {
        member_id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        assignment: if member.is_away() { Vec::new() } else { owned.collect() },
        since_poll: last_poll.map(|last| now.saturating_sub(last)),
        is_away: member.is_away(),
    }
}

fn unknown_group(name: &str) -> Error {
    let shown: String = name.chars().take(60).collect();
    Error::new(ErrorKind::UnknownGroup, format!("there is no group {shown:?}"))
}
