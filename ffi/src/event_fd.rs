//! A descriptor that is readable while something waits to be taken, for `select`, `poll`, `epoll`
//! and the loops that are built on them.
//!
//! Not here: what waits. The invariant: it is readable from a [`signal`](EventFd::signal) to the
//! next [`clear`](EventFd::clear).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::entry::Failure;
use crate::status::OTTLA_E_IO;

/// An eventfd, closed when dropped.
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    /// One that is not readable.
    pub(crate) fn new() -> Result<EventFd, Failure> {
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            let error = std::io::Error::last_os_error();
            return Err(Failure::new(OTTLA_E_IO, format!("cannot make an eventfd: {error}")));
        }
        // SAFETY: it is open, and nobody else has it.
        Ok(EventFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Its number, for the program.
    pub(crate) fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Makes it readable.
    pub(crate) fn signal(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes are readable. It fails only when its counter is full: readable then.
        let _ = unsafe { libc::write(self.number(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes it not readable.
    pub(crate) fn clear(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight bytes are writable. It fails only when the counter is zero.
        let _ = unsafe { libc::read(self.number(), count.as_mut_ptr().cast(), count.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(event: &EventFd) -> bool {
        let mut polled = libc::pollfd { fd: event.number(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one struct, for the call.
        unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
    }

    #[test]
    fn it_is_readable_between_signal_and_clear() {
        let event = EventFd::new().unwrap();
        assert!(!is_readable(&event));
        event.clear();
        assert!(!is_readable(&event));
        event.signal();
        event.signal();
        assert!(is_readable(&event));
        assert!(is_readable(&event), "looking changes nothing");
        event.clear();
        assert!(!is_readable(&event));
    }
}
