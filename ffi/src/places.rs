//! Where the records of a transaction went.

use std::ffi::{CString, c_char};
use std::ptr;

use ottla::{Appended, TopicPartition};

use crate::entry::{Failure, enter, enter_or};
use crate::error::{c_text, ottla_error};
use crate::handle::{self, Handle};
use crate::pointer::at;
use crate::status::ottla_status;
use crate::structs::{SizedStruct, fill};

/// Where the records of a transaction went, by partition.
///
/// Ownership: the program's, until ottla_places_free.
/// Threads: any number at the same time.
pub struct ottla_places {
    _opaque: [u8; 0],
}

/// Where the records of a transaction are in one partition: they follow one another.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_place {
    /// sizeof(ottla_place), set by the program.
    pub struct_size: u32,
    /// The partition.
    pub partition: i32,
    /// The topic; the places' until they are freed.
    pub topic: *const c_char,
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
}

// SAFETY: repr(C), begins with its size, and its fields leave no gaps; zeros are a value.
unsafe impl SizedStruct for ottla_place {}

pub(crate) struct PlacesHandle {
    places: Vec<(CString, i32, Appended)>,
}

impl Handle for PlacesHandle {
    const KIND: u8 = 38;
    const NAME: &'static str = "a list of places";
}

/// What a commit returned, for the program.
pub(crate) fn places(
    committed: Vec<(TopicPartition, Appended)>,
) -> Result<*mut ottla_places, Failure> {
    let place = |(at, appended): (TopicPartition, Appended)| {
        (c_text(at.topic.as_str()), at.partition, appended)
    };
    handle::give(PlacesHandle { places: committed.into_iter().map(place).collect() })
}

/// How many partitions the records went to; 0 also if `places` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_places_count(places: *const ottla_places) -> usize {
    enter_or(0, || Ok(handle::get::<PlacesHandle, _>(places)?.places.len()))
}

/// The place with a number, from 0 on. They are ordered by topic and partition.
///
/// Ownership: the topic of `place` is the places', until they are freed.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_INPUT if there are not as many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_places_get(
    places: *const ottla_places,
    index: usize,
    place: *mut ottla_place,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = handle::get::<PlacesHandle, _>(places)?;
        let (topic, partition, appended) = at(&owner.places, index, "places")?;
        let found = ottla_place {
            struct_size: 0,
            partition: *partition,
            topic: topic.as_ptr(),
            base_offset: appended.base_offset,
            last_offset: appended.last_offset,
        };
        // SAFETY: the program promises a struct of the size that it says.
        unsafe { fill(place, &found, "place") }
    })
}

/// Frees places. NULL is fine.
///
/// Threads: any, once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_places_free(places: *mut ottla_places) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !places.is_null() {
            handle::take::<PlacesHandle, _>(places)?;
        }
        Ok(())
    })
}
