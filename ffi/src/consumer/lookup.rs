//! Asking for offsets of any partition, assigned or not, and for the consumer's place in its group.
//! Nothing here moves a position.

use std::ffi::{CString, c_char};
use std::mem::MaybeUninit;
use std::ptr;

use ottla::{Consumer, TopicPartition};

use super::{ask, ottla_consumer};
use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::{place, room, values};
use crate::status::ottla_status;
use crate::topic_partition::{ottla_topic_partition, topic_partitions};

/// An offset, and the timestamp of the record there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_offset_and_timestamp {
    /// The offset; -1 if there is no such record.
    pub offset: i64,
    /// Milliseconds since 1970; -1 if there is no such record.
    pub timestamp: i64,
}

/// Writes what `find` says of each of the partitions.
///
/// # Safety
/// As [`topic_partitions`], and as [`room`] for as many offsets.
unsafe fn tell_offsets(
    consumer: *const ottla_consumer,
    (partitions, count): (*const ottla_topic_partition, usize),
    offsets: *mut i64,
    find: impl FnOnce(&Consumer, Vec<(&str, i32)>) -> ottla::Result<Vec<(TopicPartition, i64)>>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let room = unsafe { room(offsets, count, "offsets") }?;
    let found = ask(consumer, |consumer| {
        // SAFETY: the caller's promise is the same.
        let named = unsafe { topic_partitions(partitions, count) }?;
        Ok(find(consumer, named)?)
    })?;
    write_all(room, found.into_iter().map(|(_, offset)| offset));
    Ok(())
}

/// Writes the offset of the oldest record of each of these partitions to `offsets`, which has as
/// much room; where there is no record, the end.
///
/// Threads: one at a time.
/// NULL: `partitions` and `offsets`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_beginning_offsets(
    consumer: *const ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    offsets: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let asked = (partitions, partition_count);
        // SAFETY: the program promises as many partitions and places.
        unsafe { tell_offsets(consumer, asked, offsets, |it, named| it.beginning_offsets(named)) }
    })
}

/// Writes the offset after the newest record of each of these partitions that this consumer may read
/// to `offsets`, which has as much room. With read_committed, no open transaction lies below it.
///
/// Threads: one at a time.
/// NULL: `partitions` and `offsets`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; what reading says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_end_offsets(
    consumer: *const ottla_consumer,
    partitions: *const ottla_topic_partition,
    partition_count: usize,
    offsets: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let asked = (partitions, partition_count);
        // SAFETY: the program promises as many partitions and places.
        unsafe { tell_offsets(consumer, asked, offsets, |it, named| it.end_offsets(named)) }
    })
}

/// Writes for each of these partitions the first record whose timestamp is the one of the same place
/// in `timestamps` (milliseconds since 1970) or later to `found`, which has as much room.
///
/// Threads: one at a time.
/// NULL: `partitions`, `timestamps` and `found`, if there are none.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a time before 1970; what
/// reading says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_offsets_for_times(
    consumer: *const ottla_consumer,
    partitions: *const ottla_topic_partition,
    timestamps: *const i64,
    partition_count: usize,
    found: *mut ottla_offset_and_timestamp,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises as many places.
        let room = unsafe { room(found, partition_count, "found") }?;
        let found = ask(consumer, |consumer| {
            // SAFETY: the program promises as many partitions.
            let named = unsafe { topic_partitions(partitions, partition_count) }?;
            // SAFETY: and as many timestamps.
            let times = unsafe { values(timestamps, partition_count, "timestamps") }?;
            Ok(consumer.offsets_for_times(named.into_iter().zip(times.iter().copied()))?)
        })?;
        let shown = found.into_iter().map(|(_, found)| match found {
            Some(at) => ottla_offset_and_timestamp { offset: at.offset, timestamp: at.timestamp },
            None => ottla_offset_and_timestamp { offset: -1, timestamp: -1 },
        });
        write_all(room, shown);
        Ok(())
    })
}

fn write_all<T>(room: &mut [MaybeUninit<T>], all: impl Iterator<Item = T>) {
    for (place, value) in room.iter_mut().zip(all) {
        place.write(value);
    }
}

/// Who a consumer is in its group.
///
/// Ownership: the program's, until ottla_group_metadata_free. It does not need the consumer.
/// Threads: any number may read one at the same time.
pub struct ottla_group_metadata {
    _opaque: [u8; 0],
}

struct GroupMetadataHandle {
    group_id: CString,
    generation: i32,
    member_id: CString,
    instance_id: Option<CString>,
}

impl Handle for GroupMetadataHandle {
    const KIND: u8 = 15;
    const NAME: &'static str = "the metadata of a group";
}

/// Who this consumer is in its group now.
///
/// Ownership: `*metadata` is the program's, until ottla_group_metadata_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_INVALID_INPUT without a group.id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_group_metadata(
    consumer: *const ottla_consumer,
    metadata: *mut *mut ottla_group_metadata,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(metadata, "metadata") }?;
        let found = ask(consumer, |consumer| Ok(consumer.group_metadata()?))?;
        place.write(handle::give(GroupMetadataHandle {
            group_id: c_text(&found.group_id),
            generation: found.generation,
            member_id: c_text(&found.member_id),
            instance_id: found.group_instance_id.as_deref().map(c_text),
        })?);
        Ok(())
    })
}

fn text_of(
    metadata: *const ottla_group_metadata,
    choose: impl FnOnce(&GroupMetadataHandle) -> Option<&CString>,
) -> *const c_char {
    enter_or(ptr::null(), || {
        let object = handle::get::<GroupMetadataHandle, _>(metadata)?;
        Ok(choose(&object).map_or(ptr::null(), |text| text.as_ptr()))
    })
}

/// The group; NULL if `metadata` is none.
///
/// Ownership: the metadata's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_metadata_group_id(
    metadata: *const ottla_group_metadata,
) -> *const c_char {
    text_of(metadata, |it| Some(&it.group_id))
}

/// How many times it was decided who reads what; -1 for a consumer that is no member.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_metadata_generation(metadata: *const ottla_group_metadata) -> i32 {
    enter_or(-1, || Ok(handle::get::<GroupMetadataHandle, _>(metadata)?.generation))
}

/// The member's id; empty for a consumer that is no member, NULL if `metadata` is none.
///
/// Ownership: the metadata's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_metadata_member_id(
    metadata: *const ottla_group_metadata,
) -> *const c_char {
    text_of(metadata, |it| Some(&it.member_id))
}

/// The member's group.instance.id; NULL if it has none.
///
/// Ownership: the metadata's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_metadata_instance_id(
    metadata: *const ottla_group_metadata,
) -> *const c_char {
    text_of(metadata, |it| it.instance_id.as_ref())
}

/// Frees the metadata. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_group_metadata_free(metadata: *mut ottla_group_metadata) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !metadata.is_null() {
            handle::take::<GroupMetadataHandle, _>(metadata)?;
        }
        Ok(())
    })
}
