//! What only time brings about: members that are stuck are found by the tick, reported once per
//! stall, and put out only if asked to; static members that are away for too long lose their place.
//!
//! Everything is decided under the group's lock; the program's callbacks are called after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::Coordinator;
use crate::group::coordinator::live_group::{LiveGroup, Seat, State};
use crate::group::coordinator::presence::Standing;
use crate::group::membership::{Member, MemberSlot};
use crate::topic::TopicPartition;

/// Is called with every stall of a member, on the thread that ticks, under no lock.
pub(crate) type OnStall = Arc<dyn Fn(&StalledMember) + Send + Sync>;

/// A member of a group that has not polled for longer than its `max.poll.interval.ms`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StalledMember {
    /// Its group.
    pub group: String,
    /// Its id.
    pub member_id: String,
    /// Its lasting name, if it is a static member.
    pub instance_id: Option<String>,
    /// The name of the program's part that it belongs to.
    pub client_id: String,
    /// How long ago its last poll ended.
    pub since_poll: Duration,
    /// The partitions that nobody reads meanwhile.
    pub partitions: Vec<TopicPartition>,
    /// Whether it was put out of the group, so that others read these partitions.
    pub evicted: bool,
}

/// Stalls to report, and when to look again.
#[derive(Default)]
struct Due {
    stalls: Vec<(OnStall, StalledMember)>,
    next: Option<Duration>,
}

impl Due {
    fn look_again(&mut self, at: Option<Duration>) {
        self.next = self.next.into_iter().chain(at).min();
    }
}

impl Coordinator {
    /// Does what is due at `now`; returns when there may be something again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if a callback panicked. Everything was done nevertheless.
    pub(crate) fn tick(&self, now: Duration) -> (Result<()>, Option<Duration>) {
        let mut due = Due::default();
        for group in self.all() {
            let last = group.with(|state| state.tick(&group, now, &mut due));
            self.note_empty(group.name(), last);
        }
        let mut outcome = Ok(());
        for (on_stall, stalled) in due.stalls {
            // The thread that ticks has other duties, too.
            if catch_unwind(AssertUnwindSafe(|| on_stall(&stalled))).is_err() {
                let StalledMember { member_id, group, .. } = stalled;
                let message =
                    format!("the callback for stalls of {member_id} in the group {group} panicked");
                outcome = outcome.and(Err(Error::new(ErrorKind::InvalidInput, message)));
            }
        }
        (outcome, due.next)
    }
}

impl State {
    /// Returns the generation if the last member is none any more.
    fn tick(&mut self, group: &LiveGroup, now: Duration, due: &mut Due) -> Option<i32> {
        let (expired, mut affected) = self.membership.expire_away(now);
        let mut evicted = Vec::new();
        let State { membership, seats, counters, .. } = self;
        for (slot, seat) in seats.iter_mut() {
            let Some(member) = membership.member(*slot) else { continue };
            let Some(last_poll) = seat.presence.last_poll() else { continue };
            let stalls_at = last_poll.saturating_add(seat.max_poll_interval);
            if stalls_at > now {
                due.look_again(Some(stalls_at));
            } else if seat.reported != Some(last_poll) {
                seat.reported = Some(last_poll);
                counters.stalls += 1;
                if let Some(on_stall) = &seat.on_stall {
                    let stalled = stalled(group, seat, member, now.saturating_sub(last_poll));
                    due.stalls.push((Arc::clone(on_stall), stalled));
                }
                evicted.extend(seat.evict.then_some(*slot));
            }
        }
        for slot in &evicted {
            affected.extend(self.evict(*slot));
        }
        due.look_again(self.membership.next_expiry());
        if expired == 0 && evicted.is_empty() {
            return None;
        }
        self.tell(&affected);
        self.call_somebody();
        self.membership.is_empty().then(|| self.membership.generation())
    }

    fn evict(&mut self, slot: MemberSlot) -> Vec<MemberSlot> {
        self.counters.evictions += 1;
        let affected = self.membership.remove(slot);
        self.fence(slot, Standing::Evicted);
        affected
    }
}

fn stalled(group: &LiveGroup, seat: &Seat, member: &Member, since_poll: Duration) -> StalledMember {
    StalledMember {
        group: group.name().to_owned(),
        member_id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        since_poll,
        partitions: member.owned().iter().cloned().collect(),
        evicted: seat.evict,
    }
}
