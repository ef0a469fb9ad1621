//! What a consumer with a `group.id` holds of its group, and finding out what it may do.
//!
//! Three ways to be: subscribed, which is being a member; with partitions of its own choice, which
//! may commit while the group has no members; neither. Not here: what changes a member's
//! partitions (`reconcile.rs`), and commits (`commit.rs`).

use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use super::auto_commit::AutoCommit;
use super::pending_commits::PendingCommits;
use crate::config::consumer::ConsumerConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::{Assignor, by_name};
use crate::group::coordinator::stalls::OnStall;
use crate::group::coordinator::{Coordinator, GroupHost, Join};
use crate::group::member::GroupMember;
use crate::group::subscription::Subscription;
use crate::partition::waiters::Wake;

/// The groups of the broker that the consumer belongs to.
pub(crate) struct Groups {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) host: Arc<dyn GroupHost>,
}

/// How a consumer takes part in its group.
pub(super) struct Group {
    pub(super) id: String,
    pub(super) groups: Groups,
    settings: Settings,
    wake: Arc<Wake>,
    /// What it subscribed to; none if it chose its partitions itself, or has none.
    pub(super) subscription: Option<Subscription>,
    /// Its place, while it has one: none after an eviction until the next poll.
    pub(super) member: Option<GroupMember>,
    /// Another member took its place, for good.
    pub(super) fenced: Option<Error>,
    /// Some partitions were assigned and do not know yet where to go on.
    pub(super) awaits_committed: bool,
    /// What is to be told when the work that was begun is done.
    pub(super) deferred: Option<Error>,
    pub(super) auto_commit: Option<AutoCommit>,
    pub(super) pending: PendingCommits,
}

/// What every joining says.
struct Settings {
    instance_id: Option<String>,
    client_id: String,
    assignors: Vec<Arc<dyn Assignor>>,
    max_poll_interval: Duration,
    evict: bool,
    session_timeout: Duration,
    on_stall: Option<OnStall>,
}

/// What the builder adds to the settings that have names.
#[derive(Default)]
pub(super) struct GroupExtras {
    pub(super) assignors: Option<Vec<Arc<dyn Assignor>>>,
    pub(super) on_stall: Option<OnStall>,
}

/// Who a consumer is in its group. See [`Consumer::group_metadata`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// The group.
    pub group_id: String,
    /// How many times it was decided who reads what; -1 for a consumer that is no member.
    pub generation: i32,
    /// The member's id; empty for a consumer that is no member.
    pub member_id: String,
    /// The member's lasting name.
    pub group_instance_id: Option<String>,
}

impl Group {
    /// The group that the settings name, if they do.
    pub(super) fn of(
        config: &ConsumerConfig,
        groups: Groups,
        extras: GroupExtras,
        wake: &Arc<Wake>,
    ) -> Option<Group> {
        let id = config.group_id.clone()?;
        let named = || {
            let names = config.partition_assignment_strategy.iter();
            names.filter_map(|name| by_name(name)).collect()
        };
        let auto_commit = config.enable_auto_commit;
        Some(Group {
            id,
            groups,
            settings: Settings {
                instance_id: config.group_instance_id.clone(),
                client_id: config.client_id.clone(),
                assignors: extras.assignors.unwrap_or_else(named),
                max_poll_interval: config.max_poll_interval,
                evict: config.max_poll_interval_evict,
                session_timeout: config.session_timeout,
                on_stall: extras.on_stall,
            },
            wake: Arc::clone(wake),
            subscription: None,
            member: None,
            fenced: None,
            awaits_committed: false,
            deferred: None,
            auto_commit: auto_commit.then(|| AutoCommit::every(config.auto_commit_interval)),
            pending: PendingCommits::new(wake),
        })
    }

    /// Whether the next poll has something to see to: one atomic load where nothing changed.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        match &self.member {
            Some(member) => member.is_pending() || self.awaits_committed || self.deferred.is_some(),
            None => self.subscription.is_some() || self.awaits_committed,
        }
    }

    /// The same, or the outcome of a commit.
    pub(super) fn has_news(&self) -> bool {
        self.has_work() || self.pending.has_done()
    }

    /// Joins as what the consumer subscribed to, unless it is a member.
    ///
    /// # Errors
    /// What the group says.
    pub(super) fn ensure_joined(&mut self) -> Result<()> {
        if let Some(error) = &self.fenced {
            return Err(error.clone());
        }
        let (None, Some(subscription)) = (&self.member, &self.subscription) else { return Ok(()) };
        let settings = &self.settings;
        let join = Join {
            group: self.id.clone(),
            instance_id: settings.instance_id.clone(),
            client_id: settings.client_id.clone(),
            subscription: subscription.clone(),
            assignors: settings.assignors.clone(),
            max_poll_interval: settings.max_poll_interval,
            evict: settings.evict,
            session_timeout: settings.session_timeout,
            wake: Arc::clone(&self.wake),
            on_stall: settings.on_stall.clone(),
        };
        let member = self.groups.coordinator.join(Arc::clone(&self.groups.host), join)?;
        self.member = Some(member);
        Ok(())
    }
}

impl Consumer {
    /// The group of the consumer, for a call that needs one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`.
    pub(super) fn group_for(&mut self, what: &str) -> Result<&mut Group> {
        self.group.as_mut().ok_or_else(|| without_group(what))
    }

    /// Who this consumer is in its group now, for a transaction that commits its offsets.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`.
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata> {
        let group = self.group.as_ref().ok_or_else(|| without_group("group_metadata"))?;
        let member = group.member.as_ref();
        Ok(ConsumerGroupMetadata {
            group_id: group.id.clone(),
            generation: member.map_or(-1, GroupMember::generation),
            member_id: member.map(|member| member.member_id().to_owned()).unwrap_or_default(),
            group_instance_id: group.settings.instance_id.clone(),
        })
    }
}

pub(super) fn without_group(what: &str) -> Error {
    let message = format!("{what} needs a group.id: name a group when the consumer is made");
    Error::new(ErrorKind::InvalidInput, message)
}
