//! One partition: an ordered log, cut into segments.
//!
//! The handle is thin; each verb has its file, and the state lies in small components that know
//! nothing of each other. Not here: the journal, the control file and which partitions there are.
//!
//! Lock order: partitions by id, then one partition's writer lock, then the small locks inside of
//! it (descriptors, indexes, waiters), which are never held over a call to another component. The
//! invariant: readers take no lock of the writer's and see only what was published.

mod append;
pub(crate) mod checkpoint;
mod close;
#[allow(dead_code, reason = "what begins a round and swaps its result in comes next")]
pub(crate) mod compact;
mod create;
mod durable;
pub(crate) mod expect;
mod fences;
pub(crate) mod hold;
pub(crate) mod id;
mod idempotence;
pub(crate) mod keys;
mod leader_epochs;
mod lookup;
mod missed;
mod producers;
mod quarantine;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod report;
pub(crate) mod retain;
mod roll;
mod segments;
mod settings;
pub(crate) mod shared;
mod small_files;
mod sync_to;
mod transactions;
mod truncate;
pub(crate) mod verify;
pub(crate) mod waiters;
mod walk;
mod watermarks;
pub(crate) mod writer;

use std::sync::Arc;

use crate::config::topic::TopicConfig;
use crate::env::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use crate::env::sync::{ArcSwap, Mutex};
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::PartitionState;
use crate::segment::log_file::Folder;
use compact::swap::SwapLeft;
use id::PartitionId;
use segments::Segments;
use settings::Settings;
use shared::Shared;
use waiters::Waiters;
use watermarks::Watermarks;
use writer::{Writer, WriterState};

/// A partition. Always in an `Arc`; shared by its writers and readers.
#[derive(Debug)]
pub(crate) struct Partition {
    id: PartitionId,
    shared: Arc<Shared>,
    folder: Arc<Folder>,
    segments: ArcSwap<Segments>,
    watermarks: Watermarks,
    /// The first offset of the earliest open transaction; see `producers.rs` for the two others.
    first_unstable: AtomicI64,
    waiters: Waiters,
    /// Changes when the log is cut: positions that readers remember are worth nothing then.
    generation: AtomicU32,
    /// The generations that cuts began, and where they cut: the later, the further on.
    cuts: Mutex<Vec<(u32, i64)>>,
    index_interval_bytes: AtomicU64,
    /// Something changed since the last checkpoint.
    dirty: AtomicBool,
    deleted: AtomicBool,
    /// The first offset that a loss of power may take, `i64::MAX` if there is none.
    unsynced_from: AtomicI64,
    swap_left: Mutex<SwapLeft>,
    /// Up to where retention let go in this session of what somebody needed.
    released_to: AtomicI64,
    /// Up to where compaction looked at keys in this session.
    compacted_to: AtomicI64,
    /// Below this offset compaction may have left holes before this session.
    holes_below: i64,
    damage: Option<Error>,
    writer: Mutex<WriterState>,
}

impl Partition {
    /// Which partition this is.
    pub(crate) fn id(&self) -> &PartitionId {
        &self.id
    }

    /// Whether only a checkpoint makes room for more descriptors, over all partitions; true once.
    pub(crate) fn take_crowded(&self) -> bool {
        self.shared.descriptors.take_crowded()
    }

    /// Why the partition is readable only, if it is.
    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// The first offset that readers may see.
    pub(crate) fn log_start_offset(&self) -> i64 {
        self.watermarks.log_start()
    }

    /// The offset after the last that readers may see.
    #[inline]
    pub(crate) fn end_offset(&self) -> i64 {
        self.watermarks.end()
    }

    /// The bytes of all logs that readers may see.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.segments.load().size_bytes()
    }

    /// Those who wait for the end to move.
    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Whether something changed since the last checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Takes the settings of a topic that was altered.
    pub(crate) fn set_config(&self, config: &TopicConfig) {
        let settings = Settings::of(config);
        self.index_interval_bytes.store(settings.index_interval_bytes, Ordering::Relaxed);
        let mut writer = self.writer.lock();
        if !settings.key_index {
            // What is appended from now on would be missing in it.
            self.forget_keys(&mut writer);
        }
        writer.settings = settings;
    }

    /// What the control file should say about a partition that is not dirty.
    pub(crate) fn state(&self) -> PartitionState {
        let writer = self.writer.lock();
        self.state_of(&writer)
    }

    /// All below this offset went through compaction.
    pub(crate) fn cleaned_to(&self) -> i64 {
        self.writer.lock().cleaned_to
    }

    /// Takes the partition's lock for writing. Take several in the order of their ids.
    #[inline]
    pub(crate) fn lock(&self) -> Writer<'_> {
        Writer::new(self, self.writer.lock())
    }

    /// The topic was deleted: nothing is read or written any more, and no file is touched by
    /// name, because another partition may get that name.
    pub(crate) fn mark_deleted(&self) {
        // A writer that is in the middle of something, a roll for instance, ends it first.
        let _writer = self.writer.lock();
        self.deleted.store(true, Ordering::Release);
        self.folder.give_away();
        self.waiters.wake_all();
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    fn state_of(&self, writer: &WriterState) -> PartitionState {
        let log_start_offset = writer.planned_log_start.max(self.log_start_offset());
        let segments = self.segments.load();
        let gone = segments.count_below(log_start_offset);
        PartitionState {
            topic_id: self.id.topic_id(),
            partition: self.id.partition(),
            log_start_offset,
            recovery_point: writer.recovery_point,
            cleaned_to: writer.cleaned_to,
            has_producers: writer.has_producers,
            segments: segments.as_slice().iter().skip(gone).map(|s| s.state()).collect(),
        }
    }

    fn interval_bytes(&self) -> u64 {
        self.index_interval_bytes.load(Ordering::Relaxed)
    }

    /// Says which partition an error concerns.
    fn name(&self, error: Error) -> Error {
        error.at_partition(self.id.topic().as_str(), self.id.partition())
    }

    /// An error of the operating system with a file of this partition.
    fn io(&self, error: std::io::Error, what: &str, file: &str) -> Error {
        self.name(Error::io(error, what).at_file(self.folder.describe(file)))
    }

    fn check_not_deleted(&self) -> Result<()> {
        if self.is_deleted() {
            let message = "the topic was deleted";
            return Err(self.name(Error::new(ErrorKind::UnknownTopicOrPartition, message)));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
