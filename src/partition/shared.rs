//! What all partitions of a broker share: the way outside, the mark of poison, the descriptors,
//! and the place for bytes that recovery cuts off.

use std::sync::Arc;

use super::quarantine::Quarantine;
use crate::env::Env;
use crate::env::poison::Poison;
use crate::error::Error;
use crate::segment::log_file::DescriptorCache;

/// Bounds that hold for all partitions together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedOptions {
    /// How many descriptors of logs are kept open. Those with unsynced bytes are never closed,
    /// even if there are more. Default: 512.
    pub(crate) descriptors_max: usize,
    /// How many bytes one opening may put into quarantine files; what is cut beyond that is lost,
    /// and the report says so. Default: 256 MiB.
    pub(crate) quarantine_bytes_max: u64,
}

impl Default for SharedOptions {
    fn default() -> SharedOptions {
        SharedOptions { descriptors_max: 512, quarantine_bytes_max: 256 << 20 }
    }
}

/// What all partitions of a broker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) poison: Arc<Poison>,
    pub(crate) descriptors: Arc<DescriptorCache>,
    pub(crate) quarantine: Quarantine,
}

impl Shared {
    /// Made once by the broker.
    pub(crate) fn new(env: Env, poison: Arc<Poison>, options: SharedOptions) -> Arc<Shared> {
        Arc::new(Shared {
            env,
            poison,
            descriptors: Arc::new(DescriptorCache::new(options.descriptors_max)),
            quarantine: Quarantine::new(options.quarantine_bytes_max),
        })
    }

    /// A sync failed: nobody can know what reached the disk, so nothing is written any more.
    pub(crate) fn poisoned_by(&self, error: Error) -> Error {
        self.poison.set(&error);
        error
    }
}
