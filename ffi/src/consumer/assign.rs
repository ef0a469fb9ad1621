//! What a consumer reads: partitions of its own choice, or topics that it shares with a group.

use std::ffi::c_char;

use super::{ask, ottla_consumer, with};
use crate::entry::enter;
use crate::error::ottla_error;
use crate::handle;
use crate::pointer::{place, text};
use crate::status::ottla_status;
use crate::topic_partition::{
    TopicPartitionsHandle, names, ottla_topic_partition, ottla_topic_partitions, topic_partitions,
};

/// Reads these partitions and no others. Partitions that were assigned before keep their positions;
/// with a group.id, new ones go on where the group was. None: as if nothing were assigned.
///
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a partition that is named
/// twice, while the consumer is subscribed to topics, and within a rebalance callback. The
/// assignment is as before then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_assign(
    consumer: *mut ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let partitions = unsafe { topic_partitions(partitions, partition_count) }?;
            Ok(consumer.assign(partitions)?)
        })
    })
}

/// Becomes a member of the group and shares the partitions of these topics with its other members.
/// The next polls bring the partitions. A member that subscribes again keeps the partitions that are
/// still its own. No topics: as ottla_consumer_unsubscribe.
///
/// Threads: one at a time.
/// NULL: `topics`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION for a topic that does not exist;
/// OTTLA_E_INVALID_INPUT without a group.id, after ottla_consumer_assign, if the members have no
/// assignor in common, and within a rebalance callback. Nothing was changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_subscribe(
    consumer: *mut ottla_consumer,
    topics: *const *const c_char,
    topic_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many texts.
            let topics = unsafe { names(topics, topic_count, "the topics") }?;
            Ok(consumer.subscribe(topics)?)
        })
    })
}

/// As ottla_consumer_subscribe, to all topics whose whole name matches a regular expression, those
/// included that are made later. Topics that Kafka keeps for itself never match.
///
/// Threads: one at a time.
/// Returns: as ottla_consumer_subscribe; OTTLA_E_INVALID_INPUT for what is no regular expression.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_subscribe_pattern(
    consumer: *mut ottla_consumer,
    pattern: *const c_char,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises text.
            let pattern = unsafe { text(pattern, "the pattern") }?;
            Ok(consumer.subscribe_pattern(pattern)?)
        })
    })
}

/// Leaves the group at once, also with a group.instance.id; or lets go of the partitions that were
/// assigned. Positions are committed first if that is done automatically, and the revoked callback
/// is called.
///
/// Threads: one at a time.
/// Returns: what the last automatic commit says; the consumer has left all the same.
/// OTTLA_E_INVALID_INPUT within a rebalance callback.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_consumer_unsubscribe(
    consumer: *mut ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || with(consumer, |consumer| Ok(consumer.unsubscribe()?)))
}

/// The partitions that are read.
///
/// Ownership: `*partitions` is the program's, until ottla_topic_partitions_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_assignment(
    consumer: *const ottla_consumer,
    partitions: *mut *mut ottla_topic_partitions,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(partitions, "partitions") }?;
        let assigned = ask(consumer, |consumer| Ok(consumer.assignment()))?;
        place.write(handle::give(TopicPartitionsHandle::of_partitions(assigned))?);
        Ok(())
    })
}

/// The topics that are subscribed to; of a pattern, those that match now. Each has the partition -1.
///
/// Ownership: `*topics` is the program's, until ottla_topic_partitions_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_subscription(
    consumer: *const ottla_consumer,
    topics: *mut *mut ottla_topic_partitions,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(topics, "topics") }?;
        let subscribed = ask(consumer, |consumer| Ok(consumer.subscription()))?;
        let subscribed = subscribed.iter().map(|topic| topic.as_str());
        place.write(handle::give(TopicPartitionsHandle::of_topics(subscribed))?);
        Ok(())
    })
}
