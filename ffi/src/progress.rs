//! Telling a program how far a long call has come.

use std::ffi::c_void;

/// Told how far a long call has come: `done` of about `total` bytes. It may call the library.
/// Neither a jump nor an exception may leave it.
pub type ottla_progress =
    Option<unsafe extern "C" fn(user_data: *mut c_void, done: u64, total: u64)>;

/// The callback with its data, as the program gave them.
struct Callback {
    function: unsafe extern "C" fn(user_data: *mut c_void, done: u64, total: u64),
    user_data: *mut c_void,
}

// SAFETY: it is called on the thread of the call that it was given to, while that call runs.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl Callback {
    fn call(&self, done: u64, total: u64) {
        // SAFETY: the program says that the function may be called with its data during the call.
        unsafe { (self.function)(self.user_data, done, total) }
    }
}

/// The callback as the library takes one, if the program gave one.
pub(crate) fn progress_of(
    function: ottla_progress,
    user_data: *mut c_void,
) -> Option<impl Fn(u64, u64) + Send + Sync + 'static> {
    let callback = Callback { function: function?, user_data };
    Some(move |done, total| callback.call(done, total))
}
