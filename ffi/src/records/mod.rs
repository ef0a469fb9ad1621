//! Records that were read: one array of views into the bytes as they were fetched.
//!
//! Nothing is copied but pointers and numbers: a view leads into the buffers that the records own.
//! What few programs ask for, the headers, is unpacked at the first question, for all records at
//! once.

mod views;

use std::ptr;

pub(crate) use self::views::RecordsHandle;
use crate::bytes::ottla_header;
use crate::entry::{Failure, enter, enter_or};
use crate::error::ottla_error;
use crate::handle;
use crate::pointer::{at, place, place_or_none};
use crate::status::ottla_status;
use crate::topic_partition::ottla_topic_partition;

/// The bits of an ottla_record_view's `header_count_and_type` that count its headers.
pub const OTTLA_RECORD_VIEW_HEADER_COUNT: u32 = 0x7fff_ffff;

/// The bit of an ottla_record_view's `header_count_and_type` that is set if the timestamp is the
/// log's (Kafka's LogAppendTime), and clear if it is the producer's (CreateTime).
pub const OTTLA_RECORD_VIEW_LOG_APPEND_TIME: u32 = 0x8000_0000;

/// A record that was read.
///
/// Ownership: that of the ottla_records that it came with; so are key and value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_record_view {
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// The key; NULL for none, which is not the same as an empty one.
    pub key: *const u8,
    /// The value; NULL for a tombstone, which is not the same as an empty one.
    pub value: *const u8,
    /// The length of the key in bytes; -1 for none.
    pub key_length: i32,
    /// The length of the value in bytes; -1 for a tombstone.
    pub value_length: i32,
    /// Which partition: see ottla_records_partition.
    pub partition_index: u32,
    /// How many headers (OTTLA_RECORD_VIEW_HEADER_COUNT), and whose timestamp
    /// (OTTLA_RECORD_VIEW_LOG_APPEND_TIME).
    pub header_count_and_type: u32,
}

/// Records that were read together: what a poll returns, or a read of a partition, a stream, a
/// snapshot.
///
/// Ownership: the program's, until ottla_records_free. They outlive whatever they were read with,
/// the consumer and the broker included.
/// Threads: any number may read them at the same time.
pub struct ottla_records {
    _opaque: [u8; 0],
}

/// Sets `*views` to the records, `*count` of them, those of one partition in the order of their
/// offsets.
///
/// Ownership: the records'; valid until they are freed.
/// Threads: any.
/// NULL: `records`, which are none, as after a poll that returned nothing; `views` or `count`, if it
/// is of no interest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_records_views(
    records: *const ottla_records,
    views: *mut *const ottla_record_view,
    count: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        if records.is_null() {
            // SAFETY: the program promises places, or NULL.
            return unsafe { write_array(&[], (views, count), "views") };
        }
        let object = handle::get::<RecordsHandle, _>(records)?;
        // SAFETY: the program promises places, or NULL.
        unsafe { write_array(&object.views, (views, count), "views") }
    })
}

/// Writes where an array is and how long it is, each unless the place for it is NULL.
///
/// # Safety
/// Each is NULL, or memory for its value that nobody else looks at during the call.
unsafe fn write_array<T>(
    array: &[T],
    places: (*mut *const T, *mut usize),
    what: &str,
) -> Result<(), Failure> {
    let (first, count) = places;
    // SAFETY: the caller's promise.
    let first = unsafe { place_or_none(first, what) }?;
    // SAFETY: as above.
    let count = unsafe { place_or_none(count, "count") }?;
    if let Some(first) = first {
        first.write(if array.is_empty() { ptr::null() } else { array.as_ptr() });
    }
    if let Some(count) = count {
        count.write(array.len());
    }
    Ok(())
}

/// How many partitions the records are of; 0 if `records` are none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_records_partition_count(records: *const ottla_records) -> usize {
    enter_or(0, || Ok(handle::get::<RecordsHandle, _>(records)?.partitions.len()))
}

/// Writes to `*partition` which partition a view's `partition_index` stands for.
///
/// Ownership: the name is the records'; valid until they are freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT for an index that no view has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_records_partition(
    records: *const ottla_records,
    partition_index: u32,
    partition: *mut ottla_topic_partition,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(partition, "partition") }?;
        let object = handle::get::<RecordsHandle, _>(records)?;
        let (topic, partition) = at(&object.partitions, partition_index as usize, "partitions")?;
        let topic = topic.as_ptr();
        place.write(ottla_topic_partition { topic, partition: *partition, reserved: 0 });
        Ok(())
    })
}

/// Sets `*headers` to the headers of the record at `index`, from 0, in their order, `*count` of
/// them; to NULL if it has none. Names are UTF-8, unless a strange writer made them.
///
/// Ownership: the records'; valid until they are freed.
/// Threads: any.
/// NULL: `headers` or `count`, if it is of no interest.
/// Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_records_headers(
    records: *const ottla_records,
    index: usize,
    headers: *mut *const ottla_header,
    count: *mut usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let object = handle::get::<RecordsHandle, _>(records)?;
        // SAFETY: the program promises places, or NULL.
        unsafe { write_array(object.headers_of(index)?, (headers, count), "headers") }
    })
}

/// Frees records, and with them all that their views and headers lead to. NULL is fine.
///
/// Threads: any; once, and not while another thread still reads the views.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_records_free(records: *mut ottla_records) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !records.is_null() {
            handle::take::<RecordsHandle, _>(records)?;
        }
        Ok(())
    })
}
