//! What all partitions of a broker share: the way outside, the mark of poison, the descriptors,
//! and the place for bytes that recovery cuts off.

use std::collections::HashMap;
use std::sync::Arc;

use super::fences::Fences;
use super::producers::expire::SessionTime;
use super::quarantine::Quarantine;
use crate::env::Env;
use crate::env::planted::planted;
use crate::env::poison::Poison;
use crate::env::sync::Mutex;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32c;
use crate::format::file_sum::FileSum;
use crate::format::key_hash::HashSecret;
use crate::segment::key_index::cache::KeyIndexCache;
use crate::segment::log_file::DescriptorCache;

/// Bounds that hold for all partitions together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedOptions {
    /// How many descriptors of logs are kept open. Those with unsynced bytes are never closed;
    /// where they are more, the next append syncs them. Default: 512.
    pub(crate) descriptors_max: usize,
    /// How many bytes one opening may put into quarantine files; what is cut beyond that is lost,
    /// and the report says so. Default: 256 MiB.
    pub(crate) quarantine_bytes_max: u64,
    /// How long a producer is remembered after its last batch. Default: one day.
    pub(crate) producer_expiration_ms: i64,
    /// How much of the key indexes of sealed segments is held. Default: 64 MiB.
    pub(crate) key_index_cache_bytes: u64,
    /// What the wall clock says, if it is not to be believed.
    pub(crate) wall_ms: Option<i64>,
}

impl Default for SharedOptions {
    fn default() -> SharedOptions {
        SharedOptions {
            descriptors_max: 512,
            quarantine_bytes_max: 256 << 20,
            producer_expiration_ms: 24 * 60 * 60 * 1000,
            key_index_cache_bytes: 64 << 20,
            wall_ms: None,
        }
    }
}

/// What all partitions of a broker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) poison: Arc<Poison>,
    pub(crate) descriptors: Arc<DescriptorCache>,
    pub(crate) quarantine: Quarantine,
    pub(crate) fences: Fences,
    pub(crate) producer_expiration_ms: i64,
    pub(crate) key_indexes: KeyIndexCache,
    /// Goes into the hashes of the key indexes that this session makes.
    pub(crate) key_secret: HashSecret,
    /// The sums of small files at the last clean close, by path, as long as nobody wrote them.
    closed_sums: Mutex<HashMap<String, (u64, u32)>>,
    /// The wall clock less the monotonic one when the session began.
    wall_offset_ms: i64,
    /// When the session began.
    began_ms: i64,
    /// The directory was given up: its files may be somebody else's by now.
    given_up: AtomicBool,
}

impl Shared {
    /// Made once by the broker.
    pub(crate) fn new(env: Env, poison: Arc<Poison>, options: SharedOptions) -> Arc<Shared> {
        let wall_ms = options.wall_ms.unwrap_or_else(|| env.clock.wall_ms());
        Arc::new(Shared {
            wall_offset_ms: wall_ms.saturating_sub(monotonic_ms(&env)),
            began_ms: wall_ms,
            given_up: AtomicBool::new(false),
            closed_sums: Mutex::default(),
            key_secret: HashSecret::of_bytes(env.random.bytes16()),
            key_indexes: KeyIndexCache::new(options.key_index_cache_bytes),
            env,
            poison,
            descriptors: Arc::new(DescriptorCache::new(options.descriptors_max)),
            quarantine: Quarantine::new(options.quarantine_bytes_max),
            fences: Fences::default(),
            producer_expiration_ms: options.producer_expiration_ms,
        })
    }

    /// The time since 1970 as the wall clock had it when the session began, moved on by the
    /// monotonic clock: it does not jump.
    pub(crate) fn session_ms(&self) -> i64 {
        self.wall_offset_ms.saturating_add(monotonic_ms(&self.env))
    }

    /// Now, and when the session began.
    pub(crate) fn session_time(&self) -> SessionTime {
        SessionTime { began_ms: self.began_ms, now_ms: self.session_ms() }
    }

    /// Remembers the sums of a clean close.
    pub(crate) fn know_sums(&self, sums: &[FileSum]) {
        let known = sums.iter().map(|known| (known.path.clone(), (known.length, known.sum)));
        self.closed_sums.lock().extend(known);
    }

    /// Whether the content of a small file is that of the last clean close, as far as that is known.
    pub(crate) fn is_as_closed(&self, path: &str, content: &[u8]) -> bool {
        let sums = self.closed_sums.lock();
        let is_same =
            |&(length, sum): &(u64, u32)| content.len() as u64 == length && crc32c(content) == sum;
        planted!("small_files_trusted") || sums.get(path).is_none_or(is_same)
    }

    /// A small file is about to be written.
    pub(crate) fn forget_sum(&self, path: &str) {
        self.closed_sums.lock().remove(path);
    }

    /// The directory is about to be given up: nothing is read any more.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// Whether the files are still those of this session.
    ///
    /// # Errors
    /// `Closed`: what another session wrote would be taken for damage, or for this one's records.
    #[inline]
    pub(crate) fn check_held(&self) -> Result<()> {
        if self.given_up.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        Ok(())
    }

    /// A sync failed: nobody can know what reached the disk, so nothing is written any more.
    pub(crate) fn poisoned_by(&self, error: Error) -> Error {
        self.poison.set(&error);
        error
    }
}

fn monotonic_ms(env: &Env) -> i64 {
    i64::try_from(env.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
}
