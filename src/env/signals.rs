//! Signals are for the program's threads: those of the library are born with them blocked.
//!
//! A handler of the program would otherwise run on a thread that the program does not know. What a
//! thread brings upon itself (a fault, an abort) and the profiler's clock are left alone.

use std::mem::MaybeUninit;
use std::ptr;

/// Not blocked: a fault of a thread itself, and what measures all threads.
const LEFT_ALONE: [libc::c_int; 8] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGPROF,
];

/// While it lives the calling thread has signals blocked, and threads that it starts are born so.
#[must_use]
pub(super) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    pub(super) fn begin() -> Blocked {
        let mut blocked = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        #[expect(unsafe_code, reason = "the standard library has no masks of signals")]
        // SAFETY: both sets are written by the calls before they are read: none of them fails with
        // these arguments.
        unsafe {
            libc::sigfillset(blocked.as_mut_ptr());
            for signal in LEFT_ALONE {
                libc::sigdelset(blocked.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), before.as_mut_ptr());
            Blocked { before: before.assume_init() }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the standard library has no masks of signals")]
        // SAFETY: a set that an earlier call filled.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut());
        }
    }
}
