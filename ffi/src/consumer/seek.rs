//! Where the next poll reads on, and going elsewhere.

use std::ffi::c_char;

use ottla::Consumer;

use super::{ask, ottla_consumer, with};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::pointer::{place, place_or_none, text};
use crate::status::ottla_status;
use crate::topic_partition::{ottla_topic_partition, topic_partitions};

/// Goes to an offset: the next poll continues there. One that does not exist is treated by the next
/// poll as auto.offset.reset says.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned or the offset is negative.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_seek(
    consumer: *mut ottla_consumer,
    topic: *const c_char,
    partition: i32,
    offset: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises text.
            let topic = unsafe { text(topic, "the topic") }?;
            Ok(consumer.seek(topic, partition, offset)?)
        })
    })
}

/// Goes to the oldest records of these partitions, or of all that are assigned if none are named.
///
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was moved then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_seek_to_beginning(
    consumer: *mut ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let named = unsafe { topic_partitions(partitions, partition_count) }?;
            if named.is_empty() {
                return Ok(consumer.seek_all_to_beginning(consumer.assignment())?);
            }
            Ok(consumer.seek_all_to_beginning(named)?)
        })
    })
}

/// Goes to the ends of these partitions, or of all that are assigned if none are named: the next
/// poll returns only what comes later.
///
/// Threads: one at a time.
/// NULL: `partitions`, if there are none.
/// Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was moved then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_seek_to_end(
    consumer: *mut ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        with(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let named = unsafe { topic_partitions(partitions, partition_count) }?;
            if named.is_empty() {
                return Ok(consumer.seek_all_to_end(consumer.assignment())?);
            }
            Ok(consumer.seek_all_to_end(named)?)
        })
    })
}

/// Goes to the first record whose timestamp is `timestamp` (milliseconds since 1970) or later, or to
/// the end if there is none. Writes the offset there to `*offset`.
///
/// Threads: one at a time.
/// NULL: `offset`, if it is of no interest.
/// Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned; what reading says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_seek_to_timestamp(
    consumer: *mut ottla_consumer,
    topic: *const c_char,
    partition: i32,
    timestamp: i64,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let place = unsafe { place_or_none(offset, "offset") }?;
        let found = with(consumer, |consumer| {
            // SAFETY: the program promises text.
            let topic = unsafe { text(topic, "the topic") }?;
            Ok(consumer.seek_to_timestamp(topic, partition, timestamp)?)
        })?;
        if let Some(place) = place {
            place.write(found);
        }
        Ok(())
    })
}

/// Writes to `*offset` the offset of the next record to return. Before the first poll of a partition
/// in which nobody sought, it is where auto.offset.reset would begin now.
///
/// Threads: one at a time.
/// Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned; OTTLA_E_OFFSET_OUT_OF_RANGE as
/// for ottla_consumer_poll.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_position(
    consumer: *const ottla_consumer,
    topic: *const c_char,
    partition: i32,
    offset: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises text and a place.
        unsafe { ask_one(consumer, topic, offset, |it, topic| it.position(topic, partition)) }
    })
}

/// Writes to `*lag` how many offsets lie between the position in an assigned partition and its end:
/// 0 for a consumer that has seen everything.
///
/// Threads: one at a time.
/// Returns: as ottla_consumer_position.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_lag(
    consumer: *const ottla_consumer,
    topic: *const c_char,
    partition: i32,
    lag: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises text and a place.
        unsafe { ask_one(consumer, topic, lag, |it, topic| it.lag(topic, partition)) }
    })
}

/// Writes one number about a topic's partition.
///
/// # Safety
/// `topic` is text, and `number` a place; either may be NULL.
unsafe fn ask_one(
    consumer: *const ottla_consumer,
    topic: *const c_char,
    number: *mut i64,
    question: impl FnOnce(&Consumer, &str) -> ottla::Result<i64>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let place = unsafe { place(number, "the number") }?;
    let answer = ask(consumer, |consumer| {
        // SAFETY: the caller's promise.
        let topic = unsafe { text(topic, "the topic") }?;
        Ok(question(consumer, topic)?)
    })?;
    place.write(answer);
    Ok(())
}
