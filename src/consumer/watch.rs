//! Waiting for a consumer without being in a call of it: for event loops, which wait for many things
//! at once.
//!
//! The invariant: from an answer "nothing to do" until the next poll, the consumer's waiter is
//! registered with all that a poll could find something in.

use std::sync::Arc;
use std::task::{Wake, Waker};

use super::Consumer;
use crate::env::clock::Clock;
use crate::env::planted::{linger, planted};
use crate::group::coordinator::presence::Presence;

/// Wakes a task for a member of a group, whose time between two polls begins with that.
struct MemberWaker {
    waker: Waker,
    presence: Arc<Presence>,
    clock: Arc<dyn Clock>,
}

impl Wake for MemberWaker {
    fn wake(self: Arc<Self>) {
        self.presence.end_watch(self.clock.monotonic());
        self.waker.wake_by_ref();
    }
}

impl Consumer {
    /// Whether a poll has something to do now: records, a change in the group, the outcome of a
    /// commit, an error, a [`wakeup`](Consumer::wakeup). If not, `waker` is woken as soon as there
    /// may be something, once, and stays registered until then or until the next poll. For event
    /// loops: poll when it is true or when woken, then ask again. Feature `async`.
    ///
    /// Ask again also after each other call that changes what a poll finds: a seek, a resume, an
    /// assignment, a subscription. The answer counts as being in a poll: `max.poll.interval.ms`
    /// runs from the wake. There is no timer behind it: automatic commits are done by polls, and
    /// from the first question on nothing waits for `fetch.min.bytes`.
    ///
    /// ```
    /// use std::task::Waker;
    /// use std::time::Duration;
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = ottla::Broker::in_memory()?;
    /// broker.create_topic("orders", ottla::TopicConfig::new())?;
    /// let mut consumer = broker.consumer().assign([("orders", 0)]).build()?;
    /// let waker = Waker::noop(); // one that makes a descriptor readable, or sends a message
    /// while consumer.wake_when_ready(waker) {
    ///     for record in &consumer.poll(Duration::ZERO)? {
    ///         println!("{record:?}");
    ///     }
    /// }
    /// // Nothing to do before the waker is woken.
    /// # Ok(())
    /// # }
    /// ```
    pub fn wake_when_ready(&mut self, waker: &Waker) -> bool {
        self.stop_waking();
        self.fetcher.may_hold(false);
        // What woke before is seen when looking.
        self.wake.take();
        let looked_first = planted!("looked_before_watching").then(|| self.may_return());
        if looked_first.is_some() {
            linger();
        }
        self.register();
        self.is_watched = true;
        // Looked at after registering: whatever happens from now on wakes.
        if !looked_first.unwrap_or_else(|| self.may_return())
            && self.begin_wait()
            && self.wake.set_waker(&self.watching_waker(waker))
        {
            return false;
        }
        self.stop_waking();
        true
    }

    /// The waker, and from now on no time between polls runs.
    fn watching_waker(&self, waker: &Waker) -> Waker {
        let Some(member) = self.member() else { return waker.clone() };
        let presence = Arc::clone(member.presence());
        presence.begin_watch();
        let clock = Arc::clone(&self.clock);
        Waker::from(Arc::new(MemberWaker { waker: waker.clone(), presence, clock }))
    }
}
