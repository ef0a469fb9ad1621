//! One group: its members behind a lock, and who is told when something changed.
//!
//! Every change of the membership is followed by [`State::tell`], under the same lock: so a
//! member's mark says what the membership says. A member is woken only if there is something for
//! it; a stale target wakes one of those who wait, which computes the new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::env::planted::planted;
use crate::env::sync::Mutex;
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::presence::{Presence, Standing};
use crate::group::coordinator::stalls::OnStall;
use crate::group::coordinator::{GroupHost, Join};
use crate::group::membership::join::{NamedAssignor, NewMember};
use crate::group::membership::rebalance::Installed;
use crate::group::membership::{MemberSlot, Membership};
use crate::group::subscription::PartitionCounts;
use crate::topic::TopicName;

/// While members come and go faster than an assignor answers, one look tries so often to keep up.
const PLANS_MAX: usize = 8;

/// One group in memory.
pub(crate) struct LiveGroup {
    name: String,
    state: Mutex<State>,
}

/// What the group's lock guards.
pub(crate) struct State {
    pub(crate) membership: Membership,
    pub(super) seats: BTreeMap<MemberSlot, Seat>,
    pub(super) counters: GroupCounters,
    /// Members that are none any more, until the lock is given back.
    retired: Vec<Seat>,
    /// The broker was closed: every member's mark stays.
    closed: bool,
}

/// A member, as the coordinator keeps it.
pub(super) struct Seat {
    pub(super) presence: Arc<Presence>,
    pub(super) max_poll_interval: Duration,
    pub(super) evict: bool,
    pub(super) on_stall: Option<OnStall>,
    /// When the last poll ended before the stall that was reported last.
    pub(super) reported: Option<Duration>,
}

/// What happened in a group since the broker was opened.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// How often it was decided anew who reads what.
    pub rebalances: u64,
    /// How often a member did not poll for longer than `max.poll.interval.ms`.
    pub stalls: u64,
    /// How many of these members were put out.
    pub evictions: u64,
}

impl LiveGroup {
    pub(super) fn new(name: &str, generation: i32) -> LiveGroup {
        LiveGroup {
            name: name.to_owned(),
            state: Mutex::new(State {
                membership: Membership::new(generation),
                seats: BTreeMap::new(),
                counters: GroupCounters::default(),
                retired: Vec::new(),
                closed: false,
            }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `step` under the group's lock. What it lets go of of the program's own, callbacks and
    /// assignors, is dropped after that: whatever they hold may come back to the group.
    pub(crate) fn with<T>(&self, step: impl FnOnce(&mut State) -> T) -> T {
        let _not_now = user_code::not_now();
        let mut state = self.state.lock();
        let outcome = step(&mut state);
        let retired = (std::mem::take(&mut state.retired), state.membership.take_retired());
        drop(state);
        drop(retired);
        outcome
    }

    pub(super) fn join(
        &self,
        join: Join,
        member_id: String,
        now: Duration,
    ) -> Result<Arc<Presence>> {
        let new = NewMember {
            member_id: member_id.clone(),
            instance_id: join.instance_id,
            client_id: join.client_id,
            subscription: join.subscription,
            assignors: join.assignors.into_iter().map(NamedAssignor::new).collect(),
            session_timeout: join.session_timeout,
        };
        // Also if it is refused, what is the program's own is dropped after the lock.
        let _outlives_the_lock = (new.assignors.clone(), join.on_stall.clone());
        self.with(|state| {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
            }
            let joined = state.membership.join(new)?;
            let presence = Arc::new(Presence::new(joined.slot, member_id, join.wake, now));
            if let Some(fenced) = joined.fenced {
                state.fence(fenced, Standing::Replaced);
            }
            let seat = Seat {
                presence: Arc::clone(&presence),
                max_poll_interval: join.max_poll_interval,
                evict: join.evict,
                on_stall: join.on_stall,
                reported: None,
            };
            state.seats.insert(joined.slot, seat);
            state.tell(&joined.affected);
            Ok(presence)
        })
    }

    pub(super) fn topics_changed(&self, topics: &PartitionCounts) {
        self.with(|state| {
            if state.membership.topics_changed(topics) {
                state.tell(&[]);
                state.call_somebody();
            }
        });
    }

    pub(super) fn topic_deleted(&self, topic: &TopicName) {
        self.with(|state| {
            let affected = state.membership.topic_deleted(topic);
            state.tell(&affected);
            state.call_somebody();
        });
    }

    /// Tells every member that the broker was closed.
    pub(super) fn close(&self) {
        self.with(|state| {
            state.closed = true;
            for seat in state.seats.values() {
                seat.presence.alert();
            }
        });
    }

    /// A member goes, one way or another. Returns the generation if it was the last one.
    pub(crate) fn remove(
        &self,
        slot: MemberSlot,
        go: impl FnOnce(&mut State) -> Vec<MemberSlot>,
    ) -> Option<i32> {
        self.with(|state| {
            let seat = state.seats.remove(&slot);
            state.retired.extend(seat);
            let was_empty = state.membership.is_empty();
            let affected = go(state);
            state.tell(&affected);
            state.call_somebody();
            let is_last = state.membership.is_empty() && !was_empty;
            is_last.then(|| state.membership.generation())
        })
    }

    /// Computes the target if it is stale and nobody does so already. Whoever comes meanwhile goes
    /// on with the old one.
    pub(crate) fn look(&self, host: &dyn GroupHost) {
        for _ in 0..PLANS_MAX {
            let plan = self.with(|state| {
                let is_wanted = state.membership.wants_plan();
                is_wanted.then(|| state.membership.plan(&host.partition_counts())).flatten()
            });
            let Some(plan) = plan else { return };
            let planned = plan.run();
            self.with(|state| match state.membership.install(planned) {
                Installed::Target(affected) => {
                    state.counters.rebalances += 1;
                    state.refresh_all();
                    state.tell(&affected);
                }
                Installed::Refused => {
                    for seat in state.seats.values() {
                        seat.presence.alert();
                    }
                }
                Installed::Outdated => {}
            });
        }
    }

    /// A member ends its poll and did not see to the stale target: another one that waits does.
    #[cold]
    pub(crate) fn pass_on(&self) {
        self.with(|state| state.call_somebody());
    }
}

impl State {
    /// Marks those who have something to do, and wakes them; after every change.
    pub(crate) fn tell(&self, affected: &[MemberSlot]) {
        for slot in affected {
            if let Some(seat) = self.seats.get(slot)
                && self.membership.is_pending(*slot)
            {
                seat.presence.alert();
            }
        }
        if self.membership.wants_plan() {
            for seat in self.seats.values() {
                seat.presence.set_pending(true);
            }
        }
    }

    /// If the target is stale, wakes one of those who wait: it computes the new one. Where nobody
    /// waits the next poll does. A task may be busy with something else although it waits, so the
    /// others are woken, too, up to the first one that is a thread.
    pub(super) fn call_somebody(&self) {
        if !self.membership.wants_plan() || planted!("nobody_called") {
            return;
        }
        let mut waiting = self.seats.values().filter(|seat| seat.presence.is_waiting());
        let _ = waiting.any(|seat| seat.presence.wake());
    }

    /// Takes back the mark of a member that has nothing to do.
    pub(crate) fn refresh(&self, slot: MemberSlot) {
        if let Some(seat) = self.seats.get(&slot) {
            let pending =
                self.closed || self.membership.wants_plan() || self.membership.is_pending(slot);
            seat.presence.set_pending(pending);
        }
    }

    fn refresh_all(&self) {
        for slot in self.seats.keys() {
            self.refresh(*slot);
        }
    }

    /// The handle of a member stands for nobody any more.
    pub(super) fn fence(&mut self, slot: MemberSlot, standing: Standing) {
        if let Some(seat) = self.seats.remove(&slot) {
            seat.presence.fence(standing);
            self.retired.push(seat);
        }
    }
}
