//! Epochs of producers that were declared over, for all partitions of an open directory.
//!
//! A partition learns of a new epoch with its first batch. Until then, this keeps the old one out,
//! as long as the directory is open; nothing of it is written. The invariant: once a fence is up,
//! no batch of an older epoch gets a place.

use std::collections::HashMap;

use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicBool, Ordering};

/// The lowest epoch that each fenced producer may still use.
#[derive(Debug, Default)]
pub(crate) struct Fences {
    /// Whether there is any: nearly always there is none, and then no lock is taken.
    any: AtomicBool,
    epochs: Mutex<HashMap<i64, Fence>>,
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    epoch_min: i16,
    raised_ms: i64,
}

impl Fences {
    /// Epochs of this producer below `epoch_min` are over.
    ///
    /// # Errors
    /// They, or more, were over before: the lowest epoch that may be used.
    pub(crate) fn raise(&self, producer_id: i64, epoch_min: i16, now_ms: i64) -> Result<(), i16> {
        let mut epochs = self.epochs.lock();
        if let Some(there) = epochs.get(&producer_id).filter(|there| there.epoch_min >= epoch_min) {
            return Err(there.epoch_min);
        }
        epochs.insert(producer_id, Fence { epoch_min, raised_ms: now_ms });
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// The lowest epoch that this producer may use.
    #[inline]
    pub(crate) fn epoch_min(&self, producer_id: i64) -> i16 {
        if !self.any.load(Ordering::Acquire) {
            return 0;
        }
        self.epochs.lock().get(&producer_id).map_or(0, |fence| fence.epoch_min)
    }

    /// Forgets fences that were raised long ago, as partitions forget their producers.
    pub(crate) fn expire(&self, now_ms: i64, expiration_ms: i64) {
        let mut epochs = self.epochs.lock();
        epochs.retain(|_, fence| now_ms.saturating_sub(fence.raised_ms) < expiration_ms);
        self.any.store(!epochs.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_stands_until_it_is_old_and_never_sinks() {
        let fences = Fences::default();
        assert_eq!(fences.epoch_min(7), 0);
        assert_eq!(fences.raise(7, 2, 1_000), Ok(()));
        assert_eq!(fences.raise(7, 3, 2_000), Ok(()));
        assert_eq!(fences.raise(7, 3, 9_000), Err(3));
        assert_eq!(fences.raise(7, 2, 9_000), Err(3));
        assert_eq!((fences.epoch_min(7), fences.epoch_min(8)), (3, 0));
        fences.expire(2_999, 1_000);
        assert_eq!(fences.epoch_min(7), 3);
        fences.expire(3_000, 1_000);
        assert_eq!(fences.epoch_min(7), 0);
        assert!(!fences.any.load(Ordering::Acquire));
    }
}
