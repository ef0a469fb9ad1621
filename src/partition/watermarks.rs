//! The two ends of a partition that readers see.
//!
//! The invariant: whoever reads the end sees all that lies below it, because it is stored after
//! the lengths of the logs were.

use crate::env::sync::atomic::{AtomicI64, Ordering};

/// First and last offset that readers may see.
#[derive(Debug)]
pub(crate) struct Watermarks {
    log_start: AtomicI64,
    end: AtomicI64,
}

impl Watermarks {
    pub(crate) fn new(log_start: i64, end: i64) -> Watermarks {
        Watermarks { log_start: AtomicI64::new(log_start), end: AtomicI64::new(end) }
    }

    /// The first offset that readers may see.
    #[inline]
    pub(crate) fn log_start(&self) -> i64 {
        self.log_start.load(Ordering::Acquire)
    }

    /// The offset after the last that readers may see.
    #[inline]
    pub(crate) fn end(&self) -> i64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn set_log_start(&self, offset: i64) {
        self.log_start.store(offset, Ordering::Release);
    }

    #[inline]
    pub(crate) fn set_end(&self, offset: i64) {
        self.end.store(offset, Ordering::Release);
    }
}
