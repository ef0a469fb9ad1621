//! Joining a group by subscribing to topics, and leaving it.

use super::Consumer;
use super::group::without_group;
use super::listener::{Event, Told};
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::presence::Standing;
use crate::group::subscription::Subscription;
use crate::topic::TopicName;

impl Consumer {
    /// Becomes a member of the group and shares the partitions of these topics with its other
    /// members. The next polls bring the partitions. A member that subscribes again keeps the
    /// partitions that are still its own. No topics: as [`unsubscribe`](Consumer::unsubscribe).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] without a `group.id`, after [`assign`](Consumer::assign), if
    /// the group's members have no assignor in common, and within a listener;
    /// [`ErrorKind::UnknownTopicOrPartition`] for a topic that does not exist (a pattern may
    /// match topics that are yet to come). Nothing was changed then.
    pub fn subscribe<T: AsRef<str>>(&mut self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.check_not_in_listener("subscribe")?;
        let subscription = Subscription::topics(topics)?;
        if let Subscription::Topics(names) = &subscription {
            if names.is_empty() {
                return self.unsubscribe();
            }
            for name in names {
                self.fetcher.source().topic(name.as_str())?;
            }
        }
        self.subscribe_to(subscription)
    }

    /// As [`subscribe`](Consumer::subscribe), to all topics whose whole name matches a regular
    /// expression, those included that are made later. Topics that Kafka keeps for itself never
    /// match.
    ///
    /// # Errors
    /// As [`subscribe`](Consumer::subscribe); [`ErrorKind::InvalidInput`] for what is no regular
    /// expression.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<()> {
        self.check_not_in_listener("subscribe_pattern")?;
        self.subscribe_to(Subscription::pattern(pattern)?)
    }

    fn subscribe_to(&mut self, subscription: Subscription) -> Result<()> {
        let Some(group) = &mut self.group else { return Err(without_group("a subscription")) };
        if group.subscription.is_none() && !self.fetcher.assigned.is_empty() {
            let message = "partitions were assigned to the consumer, so it cannot subscribe to \
                           topics: assign none first";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if let Some(error) = &group.fenced {
            return Err(error.clone());
        }
        let before = group.subscription.replace(subscription.clone());
        let outcome = match &group.member {
            Some(member) => member.resubscribe(subscription),
            None => group.ensure_joined(),
        };
        match outcome {
            Ok(()) => self.fetcher.pass_deleted(true),
            Err(_) => group.subscription = before,
        }
        outcome
    }

    /// Leaves the group at once, also as a static member; or lets go of the partitions that were
    /// assigned. Positions are committed first if that is done automatically, and the listener is
    /// told that the partitions are revoked.
    ///
    /// # Errors
    /// What the last automatic commit says; the consumer has left all the same.
    /// [`ErrorKind::InvalidInput`] within a listener.
    pub fn unsubscribe(&mut self) -> Result<()> {
        self.check_not_in_listener("unsubscribe")?;
        let (told, committed) = self.let_go();
        if !told.is_replaced()
            && let Some(group) = &mut self.group
        {
            group.subscription = None;
            group.fenced = None;
            group.deferred = None;
            group.awaits_committed = false;
            if let Some(member) = group.member.take() {
                member.leave();
            }
            self.fetcher.pass_deleted(false);
        }
        told.pass_on()?;
        committed
    }

    /// The topics that are subscribed to; of a pattern, those that match now.
    pub fn subscription(&self) -> Vec<TopicName> {
        let Some(group) = &self.group else { return Vec::new() };
        match &group.subscription {
            None => Vec::new(),
            Some(subscription) => subscription.resolve(&group.groups.host.partition_counts()),
        }
    }

    /// Commits what is to be committed automatically, waits for commits under way, tells the
    /// listener, and reads nothing any more. The member is still there.
    pub(super) fn let_go(&mut self) -> (Told, Result<()>) {
        self.stop_waking();
        let committed = self.auto_commit_all();
        self.settle_commits();
        let member = self.group.as_ref().and_then(|group| group.member.as_ref());
        let event = match member.map(|member| member.standing()) {
            Some(Standing::Member) | None => Event::Revoked,
            Some(Standing::Evicted | Standing::Replaced) => Event::Lost,
        };
        let is_subscribed = self.group.as_ref().is_some_and(|group| group.subscription.is_some());
        let partitions = if is_subscribed { self.assignment() } else { Vec::new() };
        let told = self.tell(event, &partitions);
        if !told.is_replaced() {
            self.fetcher.replace_assigned(Vec::new());
        }
        (told, committed)
    }
}
