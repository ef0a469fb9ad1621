//! How bytes become durable: one journal, one frame and one sync for whatever many writers commit
//! at the same time. docs/DURABILITY.md has the protocol and why each rule is there.
//!
//! [`Committer`] is the handle. Its verbs are in the files: `group` (commit together), `steps`
//! (how one group is committed), `checkpoint` (make the journal recyclable), `session` (the first
//! write, the close), `replay` (reading a journal that was left behind), `journal` (the files),
//! `ends` (publishing several ends at once).
//!
//! Lock order: `leader`, then `checkpointing`, then partitions in the order of their ids, then
//! `queue`, `control`, `applied` (none of these three while taking another of them).

pub(crate) mod checkpoint;
pub(crate) mod closed_files;
pub(crate) mod compaction;
pub(crate) mod ends;
pub(crate) mod group;
pub(crate) mod journal;
pub(crate) mod left_spills;
mod member;
pub(crate) mod replay;
pub(crate) mod seen_time;
pub(crate) mod session;
pub(crate) mod spill;
mod steps;
pub(crate) mod ticket;

use std::sync::Arc;

use crate::commit::checkpoint::Control;
use crate::commit::ends::Ends;
use crate::commit::group::{Completions, Queue};
use crate::commit::journal::{Journal, JournalOptions};
use crate::commit::seen_time::SeenTime;
use crate::commit::spill::Spills;
use crate::env::Env;
use crate::env::poison::Poison;
use crate::env::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::env::sync::{ArcSwap, Mutex, OnceLock};
use crate::env::user_code;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::{ControlFile, JournalPosition};
use crate::partition::Partition;
use crate::topic::TopicId;

/// A look at all ends is tried so often before commits have to wait for it.
const READS_MAX: u32 = 16;

/// The commit engine of one open directory.
pub(crate) struct Committer {
    env: Env,
    poison: Arc<Poison>,
    /// Held by the thread that leads a commit.
    leader: Mutex<Journal>,
    queue: Mutex<Queue>,
    completions: Mutex<Completions>,
    ends: Ends,
    /// Every partition that is open, the catalog's own among them.
    partitions: ArcSwap<Vec<Arc<Partition>>>,
    /// One checkpoint at a time.
    checkpointing: Mutex<()>,
    control: Mutex<Control>,
    /// Everything before this place in the journal is in the segment files.
    /// For the control file.
    seen_time: SeenTime,
    applied: Mutex<JournalPosition>,
    oldest_needed: Arc<AtomicU64>,
    spills: Arc<Spills>,
    started: AtomicBool,
    /// No new work is taken.
    closed: AtomicBool,
    /// Also what was queued is refused: the segments are being closed. Set under `leader`.
    finished: AtomicBool,
    /// Set when the journal wants a checkpoint soon.
    checkpoint_wanted: AtomicBool,
    /// Wakes the maintenance thread, if there is one.
    wake_background: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Committer {
    /// The engine of a directory whose recovered state is `control`. Writes nothing.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub(crate) fn new(
        env: &Env,
        poison: Arc<Poison>,
        options: JournalOptions,
        control: ControlFile,
    ) -> Result<Committer> {
        let mut journal = Journal::new(env, options)?;
        journal.know_sums(&control.files);
        let oldest_needed = journal.oldest_needed();
        let spills = Spills::new(env, &poison);
        let seen_time = SeenTime::new(env, control.wall_ms_max);
        Ok(Committer {
            seen_time,
            env: env.clone(),
            poison,
            leader: Mutex::new(journal),
            queue: Mutex::new(Queue::default()),
            completions: Mutex::new(Completions::default()),
            ends: Ends::default(),
            partitions: ArcSwap::default(),
            checkpointing: Mutex::new(()),
            control: Mutex::new(Control::new(control)),
            applied: Mutex::new(JournalPosition::default()),
            oldest_needed,
            spills,
            started: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            checkpoint_wanted: AtomicBool::new(false),
            wake_background: OnceLock::new(),
        })
    }

    /// Called when there is work that no thread waits for. Set once, by the maintenance thread.
    pub(crate) fn on_background_work(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.wake_background.set(wake);
    }

    fn wake_background(&self) {
        if let Some(wake) = self.wake_background.get() {
            wake();
        }
    }

    /// Adds partitions to the set that checkpoints and close look after.
    pub(crate) fn register(&self, new: &[Arc<Partition>]) {
        self.partitions.rcu(|partitions| {
            let mut partitions = Vec::clone(partitions);
            partitions.extend(new.iter().cloned());
            partitions
        });
    }

    /// Forgets the partitions of a deleted topic, and has their folders removed while no
    /// checkpoint can be writing into them.
    pub(crate) fn unregister(
        &self,
        topic_id: TopicId,
        remove: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let _no_checkpoint = self.checkpointing.lock();
        self.partitions.rcu(|partitions| {
            let kept = |partition: &&Arc<Partition>| partition.id().topic_id() != topic_id;
            partitions.iter().filter(kept).cloned().collect::<Vec<_>>()
        });
        self.control.lock().forget(topic_id);
        remove()
    }

    /// Reads several ends as of one moment: `collect` runs again if a commit published meanwhile.
    pub(crate) fn read_section(&self, collect: &mut dyn FnMut()) {
        self.ends.read(collect);
    }

    /// As [`read_section`](Self::read_section), for so many ends that commits might always be
    /// faster: then none is made meanwhile.
    pub(crate) fn read_all(&self, collect: &mut dyn FnMut()) {
        if !self.ends.try_read(READS_MAX, collect) {
            let _not_now = user_code::not_now();
            let _leader = self.leader.lock();
            self.ends.read(collect);
        }
    }

    /// Whether the segments are being closed, or were: nothing is written any more.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// What is asked under `leader` or `checkpointing`, which the close holds until its end: after
    /// it the directory may belong to somebody else.
    fn refuse_if_finished(&self) -> Result<()> {
        if self.is_finished() {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        self.poison.check()
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        self.poison.check()
    }
}
