//! Code of the program that the library calls by the way: wakers of tasks, callbacks of deliveries.
//!
//! It may do anything, so it must not run where the library holds a lock that it could want: the
//! catalog's, a commit's, a partition's, a group's. Whoever takes one of those says so before, and
//! what comes up meanwhile on this thread is run when the last of them was given back. The
//! invariant: what is handed to [`run`] runs, once, on this thread.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(shuttle)]
use shuttle::thread_local;

type Waiting = RefCell<Vec<Box<dyn FnOnce()>>>;

thread_local! {
    /// How many [`NotNow`] of this thread live.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Never dropped, so that it is there until the thread is gone: destructors of the program's own
    /// thread locals may call the library. Nothing is lost, for it is empty between two calls.
    static WAITING: ManuallyDrop<Waiting> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// While it lives, code of the program waits. Make it before the lock is taken, so that it is
/// dropped after it.
#[must_use = "nothing waits unless it is kept"]
pub(crate) struct NotNow(PhantomData<*const ()>);

/// From now on, code of the program waits.
#[inline]
pub(crate) fn not_now() -> NotNow {
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    NotNow(PhantomData)
}

/// Runs `code` now, or when nothing is held on this thread any more. A panic of it ends with it
/// where it had to wait.
pub(crate) fn run(code: impl FnOnce() + 'static) {
    if DEPTH.with(Cell::get) == 0 {
        return code();
    }
    WAITING.with(|waiting| waiting.borrow_mut().push(Box::new(code)));
}

impl Drop for NotNow {
    #[inline]
    fn drop(&mut self) {
        let left = DEPTH.with(|depth| {
            depth.set(depth.get() - 1);
            depth.get()
        });
        if left == 0 && WAITING.with(|waiting| !waiting.borrow().is_empty()) {
            run_waiting();
        }
    }
}

#[cold]
fn run_waiting() {
    // What this code brings up in turn runs at once, or after the locks that it takes.
    for code in WAITING.with(|waiting| waiting.take()) {
        // The panic hook has reported it.
        let _ = catch_unwind(AssertUnwindSafe(code));
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn code_waits_until_nothing_is_held() {
        let ran = Rc::new(Cell::new(0));
        let count = || {
            let ran = Rc::clone(&ran);
            move || ran.set(ran.get() + 1)
        };
        run(count());
        assert_eq!(ran.get(), 1);
        let outer = not_now();
        let inner = not_now();
        run(count());
        run(|| panic!("on purpose"));
        run(count());
        drop(inner);
        assert_eq!(ran.get(), 1);
        drop(outer);
        assert_eq!(ran.get(), 3);
        run(count());
        assert_eq!(ran.get(), 4);
    }
}
