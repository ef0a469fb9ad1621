//! What ThreadSanitizer has to be told, and a race on purpose, to see that it is awake.
//!
//! It does not model fences. `Arc` and `Weak` count down with `Release`, and whoever gets to zero makes an
//! `Acquire` fence before it frees: without that fence each free looks like a race. So the linker sends
//! every decrement of 64 bits through here (`--wrap`, in `.ci/run tsan`), and one with `Release` is made
//! one with `AcqRel`. That is what the fence amounts to; it cannot hide a race of what is counted, only one
//! that is ordered by a counter going down.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// `memory_order_release` and `memory_order_acq_rel` of the language C.
const RELEASE: i32 = 3;
const ACQUIRE_RELEASE: i32 = 4;

#[expect(unsafe_code, reason = "the function that is wrapped")]
unsafe extern "C" {
    fn __real___tsan_atomic64_fetch_sub(at: *mut u64, by: u64, order: i32) -> u64;
}

#[expect(unsafe_code, reason = "stands in for a function of ThreadSanitizer")]
// SAFETY: only the linker gives it a caller: code that was compiled for ThreadSanitizer, whose contract
// is that of the function that it calls with the same pointer.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap___tsan_atomic64_fetch_sub(at: *mut u64, by: u64, order: i32) -> u64 {
    let order = if order == RELEASE { ACQUIRE_RELEASE } else { order };
    // SAFETY: see above.
    unsafe { __real___tsan_atomic64_fetch_sub(at, by, order) }
}

/// Written by one thread, read by another.
struct Plain(UnsafeCell<u64>);

#[expect(unsafe_code, reason = "a race on purpose")]
// SAFETY: it is none; this is what ThreadSanitizer is to find.
unsafe impl Sync for Plain {}

/// A plain write that is published without ordering. Run with `OTTLA_TSAN_RACE=1`, and only to see it
/// reported; else there is an ordering.
#[test]
fn a_write_that_is_published_without_order() {
    static PLAIN: Plain = Plain(UnsafeCell::new(0));
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    let is_race = std::env::var_os("OTTLA_TSAN_RACE").is_some();
    let (store, load) = match is_race {
        true => (Ordering::Relaxed, Ordering::Relaxed),
        false => (Ordering::Release, Ordering::Acquire),
    };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            #[expect(unsafe_code, reason = "a race on purpose")]
            // SAFETY: see above.
            unsafe {
                *PLAIN.0.get() = 7;
            }
            IS_THERE.store(true, store);
        });
        while !IS_THERE.load(load) {
            std::thread::yield_now();
        }
        #[expect(unsafe_code, reason = "a race on purpose")]
        // SAFETY: see above.
        let there = unsafe { *PLAIN.0.get() };
        assert_eq!(there, 7);
    });
}
