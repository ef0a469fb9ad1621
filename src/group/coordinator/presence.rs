//! What a member and its group tell each other without the group's lock: whether there is
//! something to do, and when the member last polled.
//!
//! The marks are written under the group's lock, but for those of polling and waiting, which are
//! the member's own. The invariant: whoever says that it waits and looks at the mark afterwards
//! never misses something to do; who marks first and looks for waiters afterwards finds one.

use std::sync::Arc;
use std::time::Duration;

use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use crate::group::membership::MemberSlot;
use crate::partition::waiters::Wake;

/// Stands for "it is in a poll now".
const POLLING: u64 = u64::MAX;

/// Stands for "it will poll when it is woken".
const WATCHING: u64 = u64::MAX - 1;

/// Whether a handle still stands for a member of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does.
    Member,
    /// It was put out because it did not poll for too long: it may join anew.
    Evicted,
    /// Another member uses its instance id now.
    Replaced,
}

/// One member, as both sides see it.
#[derive(Debug)]
pub(crate) struct Presence {
    slot: MemberSlot,
    member_id: String,
    wake: Arc<Wake>,
    /// There may be something to do: look under the lock.
    pending: AtomicBool,
    /// It is about to wait, or waits.
    waiting: AtomicBool,
    /// When its last poll ended, in nanoseconds, or [`POLLING`], or [`WATCHING`].
    polled: AtomicU64,
    standing: AtomicU8,
}

impl Presence {
    pub(super) fn new(slot: MemberSlot, member_id: String, wake: Arc<Wake>, now: Duration) -> Self {
        Presence {
            slot,
            member_id,
            wake,
            pending: AtomicBool::new(true),
            waiting: AtomicBool::new(false),
            polled: AtomicU64::new(nanos(now)),
            standing: AtomicU8::new(0),
        }
    }

    pub(crate) fn slot(&self) -> MemberSlot {
        self.slot
    }

    pub(crate) fn member_id(&self) -> &str {
        &self.member_id
    }

    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    pub(super) fn set_pending(&self, pending: bool) {
        self.pending.store(pending, Ordering::SeqCst);
    }

    /// Tells the member that there is something for it, and wakes it if it waits.
    pub(crate) fn alert(&self) {
        self.set_pending(true);
        self.wake.wake();
    }

    /// Wakes the member if it waits; false if it is a task, which may take its time to come.
    pub(super) fn wake(&self) -> bool {
        self.wake.wake()
    }

    #[inline]
    pub(crate) fn begin_poll(&self) -> bool {
        self.polled.store(POLLING, Ordering::Relaxed);
        self.is_pending()
    }

    #[inline]
    pub(crate) fn end_poll(&self, now: Duration) {
        self.polled.store(nanos(now), Ordering::Relaxed);
    }

    /// It polls again when it is woken: until then no time runs.
    #[cfg(feature = "async")]
    pub(crate) fn begin_watch(&self) {
        self.polled.store(WATCHING, Ordering::Relaxed);
    }

    /// From `now` on it is up to the member to poll, unless it does already.
    pub(crate) fn end_watch(&self, now: Duration) {
        let order = Ordering::Relaxed;
        let _ = self.polled.compare_exchange(WATCHING, nanos(now), order, order);
    }

    /// When its last poll ended; `None` if it is in one, or is not to poll before it is woken.
    pub(crate) fn last_poll(&self) -> Option<Duration> {
        match self.polled.load(Ordering::Relaxed) {
            POLLING | WATCHING => None,
            polled => Some(Duration::from_nanos(polled)),
        }
    }

    /// Says that it is going to wait; false if there is something to do instead.
    pub(crate) fn begin_wait(&self) -> bool {
        let looked_first = planted!("looked_before_saying_so").then(|| !self.is_pending());
        if looked_first.is_some() {
            linger();
        }
        self.waiting.store(true, Ordering::SeqCst);
        let may_wait = looked_first.unwrap_or_else(|| !self.is_pending());
        if !may_wait {
            self.end_wait();
        }
        may_wait
    }

    pub(crate) fn end_wait(&self) {
        self.waiting.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            0 => Standing::Member,
            1 => Standing::Evicted,
            _ => Standing::Replaced,
        }
    }

    /// The handle stands for nobody from now on, and is told so.
    pub(super) fn fence(&self, standing: Standing) {
        let mark = match standing {
            Standing::Member => 0,
            Standing::Evicted => 1,
            Standing::Replaced => 2,
        };
        self.standing.store(mark, Ordering::Release);
        self.alert();
    }
}

fn nanos(of: Duration) -> u64 {
    u64::try_from(of.as_nanos()).unwrap_or(WATCHING - 1).min(WATCHING - 1)
}
