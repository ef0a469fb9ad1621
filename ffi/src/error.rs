//! The error object: what a status code cannot say.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::entry::{Failure, enter, enter_or};
use crate::handle::{self, Handle};
use crate::status::{OTTLA_E_INVALID_HANDLE, ottla_status};

/// Why a call failed. Every function that can fail takes a place for one as its last argument:
/// NULL, if only the code is of interest, or the address of a pointer, which is set on failure and
/// left alone on success.
///
/// Ownership: the program's, until ottla_error_free.
/// Threads: any number may read one at the same time.
pub struct ottla_error {
    _opaque: [u8; 0],
}

#[derive(Debug)]
pub(crate) struct ErrorObject {
    pub(crate) failure: Failure,
    message: CString,
    topic: Option<CString>,
    file: Option<CString>,
}

impl Handle for ErrorObject {
    const KIND: u8 = 1;
    const NAME: &'static str = "an error";
}

/// Text for C: a zero byte within would end it early.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

impl ErrorObject {
    pub(crate) fn new(failure: Failure) -> ErrorObject {
        let (message, topic, file) = match &failure {
            Failure::Library(error) => (
                c_text(&error.to_string()),
                error.partition().map(|(topic, _)| c_text(topic)),
                error.file().map(c_text),
            ),
            Failure::Border { message, .. } => (c_text(message), None, None),
        };
        ErrorObject { failure, message, topic, file }
    }

    /// The topic for C; NULL for none.
    pub(crate) fn topic(&self) -> *const c_char {
        self.topic.as_ref().map_or(ptr::null(), |topic| topic.as_ptr())
    }

    pub(crate) fn cause(&self) -> Option<&ottla::Error> {
        match &self.failure {
            Failure::Library(error) => Some(error),
            Failure::Border { .. } => None,
        }
    }
}

/// Sets `*place` to a new error object, unless `place` is NULL.
///
/// # Safety
/// NULL, or writable memory for a pointer.
pub(crate) unsafe fn give_error(failure: Failure, place: *mut *mut ottla_error) {
    if place.is_null() || !place.is_aligned() {
        return;
    }
    // Too many handles: the code has to do.
    let object = handle::give(ErrorObject::new(failure)).unwrap_or(ptr::null_mut());
    // SAFETY: not NULL, aligned, and the caller's to write.
    unsafe { place.write(object) };
}

/// The status code that came with the error; OTTLA_E_INVALID_HANDLE if `error` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_status(error: *const ottla_error) -> ottla_status {
    enter_or(OTTLA_E_INVALID_HANDLE, || Ok(handle::get::<ErrorObject, _>(error)?.failure.status()))
}

/// A sentence that names topic, partition, file, position and what to do, as far as there is any of
/// it. Never NULL; if `error` is none, it says so.
///
/// Ownership: the error's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_message(error: *const ottla_error) -> *const c_char {
    enter_or(c"this is not an error".as_ptr(), || {
        Ok(handle::get::<ErrorObject, _>(error)?.message.as_ptr())
    })
}

/// Whether the same call may succeed later, without anything being changed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_is_retriable(error: *const ottla_error) -> bool {
    enter_or(false, || {
        let object = handle::get::<ErrorObject, _>(error)?;
        Ok(object.cause().is_some_and(ottla::Error::is_retriable))
    })
}

/// The error code that Kafka's protocol has for this; 0 where it has none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_kafka_code(error: *const ottla_error) -> i16 {
    enter_or(0, || {
        let object = handle::get::<ErrorObject, _>(error)?;
        Ok(object.cause().and_then(ottla::Error::kafka_code).unwrap_or(0))
    })
}

/// The topic of the partition that the error is about; NULL if it is not about one partition.
///
/// Ownership: the error's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_topic(error: *const ottla_error) -> *const c_char {
    enter_or(ptr::null(), || Ok(handle::get::<ErrorObject, _>(error)?.topic()))
}

/// The partition that the error is about; -1 if it is not about one.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_partition(error: *const ottla_error) -> i32 {
    enter_or(-1, || {
        let object = handle::get::<ErrorObject, _>(error)?;
        Ok(object.cause().and_then(ottla::Error::partition).map_or(-1, |(_, number)| number))
    })
}

/// The file that the error is about; NULL if it is about none.
///
/// Ownership: the error's; valid until it is freed.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_file(error: *const ottla_error) -> *const c_char {
    enter_or(ptr::null(), || {
        let object = handle::get::<ErrorObject, _>(error)?;
        Ok(object.file.as_ref().map_or(ptr::null(), |file| file.as_ptr()))
    })
}

/// The position in that file, in bytes; -1 if there is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_position(error: *const ottla_error) -> i64 {
    enter_or(-1, || {
        let object = handle::get::<ErrorObject, _>(error)?;
        let position = object.cause().and_then(ottla::Error::position);
        Ok(position.and_then(|position| i64::try_from(position).ok()).unwrap_or(-1))
    })
}

/// Frees an error. NULL is fine.
///
/// Threads: any; once.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_error_free(error: *mut ottla_error) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !error.is_null() {
            handle::take::<ErrorObject, _>(error)?;
        }
        Ok(())
    })
}
