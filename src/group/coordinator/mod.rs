//! The groups of one broker: finds them by name, lets members in, and tells all groups what
//! happened to topics.
//!
//! Each group has its own lock ([`live_group`]); the map has another, which is held for a look
//! only. The order: the map, then one group; below a group's lock only its members' wakes.
//! Assignors and callbacks run under none of them.

pub(crate) mod commits;
pub(crate) mod describe;
pub(crate) mod live_group;
pub(crate) mod presence;
pub(crate) mod staged;
pub(crate) mod stalls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::group::assign::Assignor;
use crate::group::coordinator::live_group::LiveGroup;
use crate::group::coordinator::stalls::OnStall;
use crate::group::member::GroupMember;
use crate::group::offsets::{GroupActivity, OffsetStore, OffsetsHost, check_group_name};
use crate::group::subscription::{PartitionCounts, Subscription};
use crate::partition::waiters::Wake;
use crate::topic::TopicName;

pub(crate) use crate::group::offsets::OnCommitted;

/// What a group asks of whoever keeps the topics.
pub(crate) trait GroupHost: OffsetsHost {
    /// All topics and how many partitions each has. Called under a group's lock: takes no lock.
    fn partition_counts(&self) -> PartitionCounts;
}

/// All groups of one broker.
pub(crate) struct Coordinator {
    env: Env,
    store: Arc<OffsetStore>,
    groups: Mutex<BTreeMap<String, Arc<LiveGroup>>>,
    /// Set under the lock of the map.
    closed: AtomicBool,
}

/// Who wants to join which group.
pub(crate) struct Join {
    pub(crate) group: String,
    /// The lasting name of a static member. `group.instance.id`
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) subscription: Subscription,
    /// The best first.
    pub(crate) assignors: Vec<Arc<dyn Assignor>>,
    pub(crate) max_poll_interval: Duration,
    /// Whether a member that is stuck is put out of the group.
    pub(crate) evict: bool,
    pub(crate) session_timeout: Duration,
    /// What wakes the member when it waits and there is something to reconcile.
    pub(crate) wake: Arc<Wake>,
    pub(crate) on_stall: Option<OnStall>,
}

impl Coordinator {
    pub(crate) fn new(env: &Env, store: Arc<OffsetStore>) -> Arc<Coordinator> {
        Arc::new(Coordinator {
            env: env.clone(),
            store,
            groups: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Joins a group, which need not exist. Who reads what is decided by the next poll of any
    /// member: nobody is disturbed by a member that joins and does not poll.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that cannot be, or if the group's members have no assignor in
    /// common; [`ErrorKind::Closed`]; those of reading the group's committed offsets.
    pub(crate) fn join(
        self: &Arc<Self>,
        host: Arc<dyn GroupHost>,
        join: Join,
    ) -> Result<GroupMember> {
        if join.instance_id.as_ref().is_some_and(String::is_empty) {
            let message = "the group.instance.id of a static member must not be empty";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let group = self.group(&*host, &join.group)?;
        let now = self.now();
        let member_id = self.fresh_member_id(join.instance_id.as_ref().unwrap_or(&join.client_id));
        let instance_id = join.instance_id.clone();
        let presence = group.join(join, member_id, now)?;
        Ok(GroupMember::new(host, Arc::clone(self), group, presence, instance_id))
    }

    /// The group of that name, made when first asked for. It goes on from the generation that the
    /// log knows.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that cannot be; [`ErrorKind::Closed`]; those of reading
    /// the log.
    fn group(&self, host: &dyn OffsetsHost, name: &str) -> Result<Arc<LiveGroup>> {
        if let Some(group) = self.find(name) {
            return Ok(group);
        }
        check_group_name(name)?;
        // Read under no lock; whoever is first puts the group in.
        let generation = self.store.generation(host, name)?;
        let mut groups = self.groups.lock();
        self.check_open()?;
        let new = || Arc::new(LiveGroup::new(name, generation));
        Ok(Arc::clone(groups.entry(name.to_owned()).or_insert_with(new)))
    }

    /// The group of that name, if it is in memory.
    fn find(&self, name: &str) -> Option<Arc<LiveGroup>> {
        self.groups.lock().get(name).cloned()
    }

    /// Forgets a group that has no members and that nobody holds.
    fn forget(&self, name: &str) {
        let mut groups = self.groups.lock();
        // The map's own: whoever wants another one needs the map.
        let is_unused = |group: &Arc<LiveGroup>| {
            Arc::strong_count(group) == 1 && group.with(|state| state.membership.is_empty())
        };
        if groups.get(name).is_some_and(is_unused) {
            groups.remove(name);
        }
    }

    /// Forgets groups without members; the log remembers those that committed.
    pub(crate) fn forget_empty(&self) {
        let names: Vec<String> = self.groups.lock().keys().cloned().collect();
        for name in names {
            self.forget(&name);
        }
    }

    /// What the store of offsets wants to know about a group before it lets offsets expire.
    pub(crate) fn activity(&self, name: &str, topics: &PartitionCounts) -> GroupActivity {
        let active = self.find(name).and_then(|group| {
            group.with(|state| {
                let subscribed = || state.membership.subscribed(topics).into_keys().collect();
                (!state.membership.is_empty()).then(subscribed)
            })
        });
        active.map_or(GroupActivity::Empty, GroupActivity::Active)
    }

    /// Says in the log, some time, that a group has no members any more.
    pub(crate) fn note_empty(&self, name: &str, generation: Option<i32>) {
        if let Some(generation) = generation {
            self.store.note_empty(name, generation);
        }
    }

    fn all(&self) -> Vec<Arc<LiveGroup>> {
        self.groups.lock().values().cloned().collect()
    }

    /// Kafka's ids of members: a name and a random UUID.
    fn fresh_member_id(&self, name: &str) -> String {
        let bits = u128::from_be_bytes(self.env.random.bytes16());
        // Version 4, variant 1, as every random UUID says.
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
        format!("{name}-{a}-{b}-{c}-{d}-{e}")
    }

    /// Topics came or grew: `topics` are those that can be found now. One call at a time.
    pub(crate) fn topics_changed(&self, topics: &PartitionCounts) {
        for group in self.all() {
            group.topics_changed(topics);
        }
    }

    /// A topic was deleted. Called after it cannot be found any more.
    pub(crate) fn topic_deleted(&self, topic: &TopicName) {
        for group in self.all() {
            group.topic_deleted(topic);
        }
    }

    /// Nobody joins from now on, and every member is told so at once.
    pub(crate) fn close(&self) {
        let groups: Vec<Arc<LiveGroup>> = {
            let groups = self.groups.lock();
            self.closed.store(true, Ordering::SeqCst);
            groups.values().cloned().collect()
        };
        for group in groups {
            group.close();
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.env.clock.monotonic()
    }

    /// # Errors
    /// [`ErrorKind::Closed`].
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("closed", &self.closed).finish_non_exhaustive()
    }
}
