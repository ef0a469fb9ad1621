//! Where a call uses the consumer: on its own, or within a callback of another call on its thread.

use ottla::Consumer;

use super::Used;
use super::callbacks::Callbacks;
use crate::entry::Failure;
use crate::lock::MutexGuard;

/// A way into a consumer.
pub(super) enum Within<'a> {
    /// Nobody else is inside.
    Call(MutexGuard<'a, Used>),
    /// A call of this thread is inside, and rests while its callback runs.
    Callback(Nested<'a>),
}

/// The consumer as a callback got it. Nobody else gets it before this is dropped.
pub(super) struct Nested<'a> {
    callbacks: &'a Callbacks,
    consumer: *mut Consumer,
}

impl<'a> Nested<'a> {
    /// # Safety
    /// The library called a callback on this thread with `consumer`, which has not returned, and
    /// nothing else uses it while this lives.
    pub(super) unsafe fn new(callbacks: &'a Callbacks, consumer: *mut Consumer) -> Nested<'a> {
        Nested { callbacks, consumer }
    }

    pub(super) fn with<T>(
        &mut self,
        body: impl FnOnce(&mut Consumer) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        // SAFETY: whoever made this promised that the consumer is there and used by nobody else.
        body(unsafe { &mut *self.consumer })
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        self.callbacks.lend_again(self.consumer);
    }
}
