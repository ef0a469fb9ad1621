//! Publishing the ends of several partitions as one: a seqlock.
//!
//! The one leader of a commit stores new ends inside [`Ends::publish`]; a reader that collects
//! several ends inside [`Ends::read`] sees all of a commit's ends or none. A single end needs no
//! section: it is one atomic.

use crate::env::planted::planted;
use crate::env::sync::atomic::{AtomicU64, Ordering, fence};
use crate::env::sync::spin_loop;

/// Odd while a commit publishes.
#[derive(Debug, Default)]
pub(crate) struct Ends(AtomicU64);

/// Ends the section when it goes, also if a panic passes by: readers would spin for ever. (The
/// broker is poisoned then; what they see is what was shown so far.)
struct Shown<'a> {
    version: &'a AtomicU64,
    next: u64,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.version.store(self.next, Ordering::Release);
    }
}

impl Ends {
    /// Runs `store`, which stores the new ends. Only the leader calls this, one at a time.
    pub(crate) fn publish(&self, store: impl FnOnce()) {
        if planted!("ends_one_by_one") {
            return store();
        }
        let version = self.0.load(Ordering::Relaxed);
        self.0.store(version + 1, Ordering::Relaxed);
        // Whoever reads one of the new ends sees the odd version afterwards: this fence pairs with
        // that in `read`, whatever the orderings inside of `store` are.
        fence(Ordering::Release);
        let shown = Shown { version: &self.0, next: version + 2 };
        store();
        drop(shown);
    }

    /// Runs `collect` until no commit published while it ran.
    pub(crate) fn read(&self, collect: &mut dyn FnMut()) {
        while !self.try_read(u32::MAX, collect) {}
    }

    /// As [`read`](Self::read), but gives up, with `false`, when commits were faster so many times.
    pub(crate) fn try_read(&self, tries: u32, collect: &mut dyn FnMut()) -> bool {
        let mut left = tries;
        while left > 0 {
            let before = self.0.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                collect();
                // The ends are read before the version is read again. If it is the same, none of
                // them is of a later commit; and all of this one's, because its even version was
                // stored after them.
                fence(Ordering::Acquire);
                if self.0.load(Ordering::Relaxed) == before {
                    return true;
                }
                left -= 1;
            }
            spin_loop();
        }
        false
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use crate::env::sync::atomic::AtomicI64;

    use super::*;

    #[test]
    fn readers_go_on_after_a_panic() {
        let ends = Ends::default();
        let publish = std::panic::AssertUnwindSafe(|| ends.publish(|| panic!("in the middle")));
        assert!(std::panic::catch_unwind(publish).is_err());
        let mut looked = 0;
        ends.read(&mut || looked += 1);
        assert_eq!(looked, 1);
    }

    #[test]
    fn a_reader_sees_both_ends_of_a_commit_or_neither() {
        let ends = Ends::default();
        let (left, right) = (AtomicI64::new(0), AtomicI64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..20_000 {
                    ends.publish(|| {
                        left.store(round, Ordering::Release);
                        right.store(round, Ordering::Release);
                    });
                }
            });
            for _ in 0..20_000 {
                let mut seen = (0, 0);
                ends.read(&mut || {
                    seen = (left.load(Ordering::Acquire), right.load(Ordering::Acquire));
                });
                assert_eq!(seen.0, seen.1);
            }
        });
    }
}
