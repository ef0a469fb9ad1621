//! Who subscribed to what, turned around: for every topic its subscribers. What all four assignors
//! begin with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::group::assign::MemberSubscription;
use crate::topic::TopicName;

/// A topic that has partitions and subscribers.
pub(super) struct SubscribedTopic<'a> {
    pub(super) name: &'a TopicName,
    /// At least 1.
    pub(super) partition_count: i32,
    /// Places in the order of the members, ascending; at least one.
    pub(super) subscribers: Vec<usize>,
}

/// The topics that somebody subscribed to and that have partitions, by name. `order` holds the
/// indexes of all members in the order that the assignor goes by.
pub(super) fn subscribed_topics<'a>(
    topics: &'a BTreeMap<TopicName, i32>,
    members: &[MemberSubscription],
    order: &[usize],
) -> Vec<SubscribedTopic<'a>> {
    let mut subscribed: Vec<SubscribedTopic<'a>> = topics
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &partition_count)| SubscribedTopic {
            name,
            partition_count,
            subscribers: Vec::new(),
        })
        .collect();
    let mut names: &[TopicName] = &[];
    let mut found: Vec<usize> = Vec::new();
    for (place, &index) in order.iter().enumerate() {
        // Members mostly share one list of topics: it is looked up once.
        if members[index].topics != names {
            names = &members[index].topics;
            found.clear();
            let mut next = 0;
            found.extend(
                names.iter().filter_map(|name| position_near(&subscribed, name, &mut next)),
            );
            // A member may name a topic twice.
            found.sort_unstable();
            found.dedup();
        }
        for &topic in &found {
            subscribed[topic].subscribers.push(place);
        }
    }
    subscribed.retain(|topic| !topic.subscribers.is_empty());
    subscribed
}

/// Where a topic stands in a list that is sorted by name.
pub(super) fn position(topics: &[SubscribedTopic<'_>], name: &TopicName) -> Option<usize> {
    topics.binary_search_by(|topic| topic.name.cmp(name)).ok()
}

/// The same, for names that mostly come in order: looks first where the one before was found.
fn position_near(
    topics: &[SubscribedTopic<'_>],
    name: &TopicName,
    next: &mut usize,
) -> Option<usize> {
    let near = topics[*next..].iter().take(4).position(|topic| topic.name == name);
    let found = near.map(|ahead| *next + ahead).or_else(|| position(topics, name))?;
    *next = found + 1;
    Some(found)
}

/// Whether all members subscribed to the same topics, in whatever order they name them.
pub(super) fn all_equal(members: &[MemberSubscription]) -> bool {
    let Some((first, others)) = members.split_first() else { return true };
    let mut expected: Option<Vec<&TopicName>> = None;
    others.iter().all(|member| {
        member.topics == first.topics
            || distinct(&member.topics) == *expected.get_or_insert_with(|| distinct(&first.topics))
    })
}

fn distinct(topics: &[TopicName]) -> Vec<&TopicName> {
    let mut distinct: Vec<&TopicName> = topics.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// Kafka's order of members where it knows of static ones: those first, by instance id; the
/// others by member id.
fn member_order(left: &MemberSubscription, right: &MemberSubscription) -> Ordering {
    match (&left.instance_id, &right.instance_id) {
        (Some(left), Some(right)) => java_order(left, right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => java_order(&left.member_id, &right.member_id),
    }
}

/// The order of Java's strings: by UTF-16 code units. It differs from the order of Rust's where a
/// surrogate pair meets one of U+E000 to U+FFFF.
fn java_order(left: &str, right: &str) -> Ordering {
    left.encode_utf16().cmp(right.encode_utf16())
}

/// The indexes of the members, static ones first.
pub(super) fn static_members_first(members: &[MemberSubscription]) -> Vec<usize> {
    sorted(members, member_order)
}

/// The indexes of the members by member id alone.
pub(super) fn by_member_id(members: &[MemberSubscription]) -> Vec<usize> {
    sorted(members, |left, right| java_order(&left.member_id, &right.member_id))
}

fn sorted(
    members: &[MemberSubscription],
    compare: impl Fn(&MemberSubscription, &MemberSubscription) -> Ordering,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    // Stable: members that claim one name keep the caller's order.
    order.sort_by(|&left, &right| compare(&members[left], &members[right]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_java_orders_them() {
        assert_eq!(java_order("c10", "c2"), Ordering::Less);
        assert_eq!(java_order("B", "a"), Ordering::Less);
        // U+1F354 is the pair D83C DF54 in UTF-16, and stands before U+FF01 there.
        assert_eq!(java_order("\u{1f354}", "\u{ff01}"), Ordering::Less);
        assert_eq!("\u{1f354}".cmp("\u{ff01}"), Ordering::Greater);
    }

    #[test]
    fn static_members_stand_first_by_their_instance_id() {
        let member = |id: &str| MemberSubscription::new(id, Vec::new());
        let members = [
            member("a"),
            member("z").instance_id("one"),
            member("y").instance_id("two"),
            member("0"),
        ];
        assert_eq!(static_members_first(&members), [1, 2, 3, 0]);
        assert_eq!(by_member_id(&members), [3, 0, 2, 1]);
    }
}
