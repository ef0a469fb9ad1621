//! The border: every function is entered through [`enter`], which turns failures into a code and an
//! error object, and keeps panics from getting out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{give_error, ottla_error};
use crate::status::{self, OTTLA_E_INVALID_INPUT, OTTLA_E_PANIC, OTTLA_OK, ottla_status};

/// Why a call did nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library refused.
    Library(ottla::Error),
    /// The border did.
    Border {
        /// One of its own codes.
        status: ottla_status,
        /// A sentence without its full stop.
        message: String,
    },
}

impl Failure {
    pub(crate) fn new(status: ottla_status, message: impl Into<String>) -> Failure {
        Failure::Border { status, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(OTTLA_E_INVALID_INPUT, message)
    }

    pub(crate) fn status(&self) -> ottla_status {
        match self {
            Failure::Library(error) => status::of_kind(error.kind()),
            Failure::Border { status, .. } => *status,
        }
    }
}

impl From<ottla::Error> for Failure {
    fn from(error: ottla::Error) -> Failure {
        Failure::Library(error)
    }
}

/// Runs the body of a function. If it fails, the program gets an error object, if it asked for one.
pub(crate) fn enter(
    error: *mut *mut ottla_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> ottla_status {
    // Whatever the body broke by panicking is behind locks that do not poison, and the program is
    // told to close.
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = format!("the library panicked: {}", message_of(&*panic));
        drop_quietly(panic);
        Err(Failure::new(OTTLA_E_PANIC, message))
    });
    match outcome {
        Ok(()) => OTTLA_OK,
        Err(failure) => {
            let status = failure.status();
            let given = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the caller promises a place for an error object, or NULL.
                unsafe { give_error(failure, error) };
            }));
            given.map_or(OTTLA_E_PANIC, |()| status)
        }
    }
}

/// For functions that return something else than a status: `otherwise` stands for any failure.
pub(crate) fn enter_or<T>(otherwise: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) => otherwise,
        Err(panic) => {
            drop_quietly(panic);
            otherwise
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("for no stated reason")
}

/// A panic's payload may panic when it is dropped.
fn drop_quietly(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::ptr;

    use super::*;
    use crate::error::{ottla_error_free, ottla_error_message, ottla_error_status};

    #[test]
    fn a_panic_becomes_a_code() {
        let status = enter(ptr::null_mut(), || panic!("on purpose"));
        assert_eq!(status, OTTLA_E_PANIC);
        assert_eq!(enter_or(7, || panic!("on purpose")), 7);
        let mut error = ptr::null_mut();
        assert_eq!(enter(&raw mut error, || panic!("on {}", "purpose")), OTTLA_E_PANIC);
        assert_eq!(ottla_error_status(error), OTTLA_E_PANIC);
        // SAFETY: the message is the error's, which is there.
        let message = unsafe { CStr::from_ptr(ottla_error_message(error)) };
        assert_eq!(message.to_str(), Ok("the library panicked: on purpose"));
        assert_eq!(ottla_error_free(error), OTTLA_OK);
    }

    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("and again");
        }
    }

    #[test]
    fn a_panic_that_panics_stays_inside() {
        let body = || std::panic::panic_any(PanicsWhenDropped);
        assert_eq!(enter(ptr::null_mut(), body), OTTLA_E_PANIC);
        assert_eq!(enter_or(7, || std::panic::panic_any(PanicsWhenDropped)), 7);
    }
}
