//! What stood against a condition, as an error carries it.

use std::ffi::c_char;
use std::ptr;

use ottla::{Conflict, Expected, ExpectedVersion};

use crate::entry::{Failure, enter};
use crate::error::{ErrorObject, ottla_error};
use crate::handle;
use crate::pointer::place_or_none;
use crate::records::ottla_records;
use crate::status::ottla_status;
use crate::stream::{OTTLA_VERSION_ANY, records_or_null, version_number};
use crate::structs::{SizedStruct, fill};

/// A condition that did not hold: what was expected, and what there was instead.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_conflict {
    /// sizeof(ottla_conflict), set by the program.
    pub struct_size: u32,
    /// The partition that the condition was about.
    pub partition: i32,
    /// Its topic; the error's until it is freed.
    pub topic: *const c_char,
    /// The key whose version was expected, the error's until it is freed; NULL if the condition was
    /// about the end of the partition.
    pub key: *const u8,
    /// The length of the key in bytes.
    pub key_length: usize,
    /// The expected end; or the expected version, which may be OTTLA_VERSION_NO_STREAM.
    pub expected: i64,
    /// The end that there was; or the version, which may be OTTLA_VERSION_NO_STREAM.
    pub actual: i64,
    /// How many missed records the error carries: at most 1,000, and about a megabyte.
    pub record_count: u32,
    /// 1 if that is all that was missed; 0 if there is more, or it cannot be read any more.
    pub is_complete: u32,
}

// SAFETY: repr(C), begins with its size, and its fields leave no gaps; zeros are a value.
unsafe impl SizedStruct for ottla_conflict {}

/// What stood against a condition, of an error with the status OTTLA_E_CONFLICT: what was expected,
/// what there was, and the records that were appended meanwhile, the oldest first. Whoever takes
/// them into account can try again, expecting `actual`.
///
/// Ownership: `*records` is the program's, until ottla_records_free, and outlives the error; it is
/// NULL if there are none. Topic and key of `conflict` are the error's.
/// Threads: any.
/// NULL: `conflict` or `records`, if it is not wanted.
/// Returns: OTTLA_E_INVALID_INPUT for an error of another status.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_error_conflict(
    error: *const ottla_error,
    conflict: *mut ottla_conflict,
    records: *mut *mut ottla_records,
) -> ottla_status {
    enter(ptr::null_mut(), || {
        // SAFETY: the program promises a place, or NULL.
        let result = unsafe { place_or_none(records, "records") }?;
        let object = handle::get::<ErrorObject, _>(error)?;
        let Some(found) = object.cause().and_then(ottla::Error::conflict) else {
            return Err(Failure::invalid("the error is no conflict"));
        };
        let missed = match result {
            Some(_) => records_or_null(found.to_records()?)?,
            None => ptr::null_mut(),
        };
        if !conflict.is_null() {
            let shown = shown(found, object.topic());
            // SAFETY: the program promises a struct of the size that it says.
            if let Err(failure) = unsafe { fill(conflict, &shown, "conflict") } {
                // The program never hears of them.
                drop(handle::take::<crate::records::RecordsHandle, _>(missed));
                return Err(failure);
            }
        }
        if let Some(result) = result {
            result.write(missed);
        }
        Ok(())
    })
}

fn shown(found: &Conflict, topic: *const c_char) -> ottla_conflict {
    let (key, expected) = match &found.expected {
        Expected::Version { key, version } => {
            let version = match version {
                ExpectedVersion::At(offset) => *offset,
                ExpectedVersion::NoStream => version_number(None),
                ExpectedVersion::Any => OTTLA_VERSION_ANY,
            };
            (Some(key), version)
        }
        Expected::End(end) => (None, *end),
        // A kind of condition that this version of the interface does not know.
        _ => (None, -1),
    };
    ottla_conflict {
        struct_size: 0,
        partition: found.partition,
        topic,
        key: key.map_or(ptr::null(), |key| key.as_ptr()),
        key_length: key.map_or(0, Vec::len),
        expected,
        actual: version_number(found.actual),
        record_count: u32::try_from(found.records.len()).unwrap_or(u32::MAX),
        is_complete: u32::from(found.is_complete),
    }
}
