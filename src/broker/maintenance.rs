//! What has to be done now and then: commit what nobody waits for, close lingering batches,
//! checkpoint, delete what retention gives up, compact, let offsets, producers and transactions
//! expire, look after the members of groups.
//! [`Broker::tick`] does it once; the maintenance thread is a loop around it.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Broker, Engine};
use crate::commit::seen_time::{CLOCK_JUMP_MS, is_in_the_future};
use crate::config::broker::BrokerOptions;
use crate::env::planted::planted;
use crate::env::sync::atomic::Ordering;
use crate::env::threads::PeriodicLoop;
use crate::error::{Error, Result};

/// The thread looks around at least this often.
const TICK_PERIOD_MAX: Duration = Duration::from_secs(1);

/// When the periodic duties are due, on the monotonic clock.
#[derive(Debug)]
pub(crate) struct Maintenance {
    next_checkpoint: Duration,
    next_retention: Duration,
    next_offsets_check: Duration,
    next_expiration: Duration,
    /// When the cleaner looks around, if it has no thread of its own.
    next_cleaning: Duration,
    /// The earliest moment at which a producer wants a tick.
    next_linger: Option<Duration>,
    /// The wall clock less the monotonic clock when the broker was opened.
    wall_offset_ms: i64,
    /// The clock was far ahead of what the last session saw when the broker was opened.
    opened_in_the_future: bool,
}

impl Maintenance {
    pub(crate) fn new(
        env: &crate::env::Env,
        options: &BrokerOptions,
        wall_ms_max: i64,
    ) -> Maintenance {
        let now = env.clock.monotonic();
        Maintenance {
            next_offsets_check: now.saturating_add(options.offsets_retention_check_interval),
            next_checkpoint: now.saturating_add(options.checkpoint_interval),
            // Kafka waits 30 s before the first look, too: opening is busy enough.
            next_retention: now + Duration::from_secs(30),
            next_expiration: now.saturating_add(options.producer_expiration_check_interval),
            next_cleaning: now.saturating_add(options.cleaner_backoff),
            next_linger: None,
            wall_offset_ms: wall_offset(env),
            opened_in_the_future: is_in_the_future(env, wall_ms_max),
        }
    }
}

fn wall_offset(env: &crate::env::Env) -> i64 {
    env.clock.wall_ms() - i64::try_from(env.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
}

/// The earlier of two moments, as far as there are any.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

impl Broker {
    /// Does what is due: lingering batches, queued commits, checkpoints, retention, the compaction of
    /// at most one partition, the expiry of
    /// idempotent producers, members of groups that are stuck or stay away. Needed only when the
    /// broker was opened without its maintenance thread; returns when it wants to be
    /// called again.
    ///
    /// # Errors
    /// The first failure; the duties that follow are still done.
    pub fn tick(&self) -> Result<Duration> {
        self.engine.tick()
    }

    /// Syncs the segments, so that a later crash has less to recover, and also records written
    /// with `acks=1` survive power loss.
    ///
    /// # Durability
    /// Everything that was appended before the call survives power loss when it returns `Ok`.
    ///
    /// # Errors
    /// A failed sync poisons the broker.
    pub fn checkpoint(&self) -> Result<()> {
        self.engine.check_writable()?;
        self.engine.committer.checkpoint()
    }
}

impl Engine {
    /// One round of maintenance; returns how long nothing will be due.
    pub(crate) fn tick(&self) -> Result<Duration> {
        let now = self.env.clock.monotonic();
        // Forgotten before it is looked for: what is opened from here on is announced anew.
        self.maintenance.lock().next_linger = None;
        let linger = self.tick_producers(now);
        if self.committer.has_queued() {
            self.committer.settle();
        }
        let mut outcome = Ok(());
        if self.take_due_checkpoint(now) {
            outcome = outcome.and(self.committer.checkpoint());
        }
        if self.take_due_retention(now) {
            outcome = outcome.and(self.run_retention().map(drop));
        }
        if self.take_due_offsets_check(now) {
            outcome = outcome.and(self.expire_offsets().map(drop));
        }
        if self.take_due_expiration(now) {
            self.expire_producers();
        }
        if self.take_due_cleaning(now) {
            outcome = outcome.and(self.tick_cleaner());
        }
        let (ticked, next_of_groups) = self.groups.tick(now);
        outcome = outcome.and(ticked);
        let next_of_others = earlier(next_of_groups, self.transactions.tick(now));
        let mut maintenance = self.maintenance.lock();
        maintenance.next_linger = earlier(maintenance.next_linger, linger);
        let next = maintenance.next_checkpoint.min(maintenance.next_retention);
        let next = next.min(maintenance.next_offsets_check);
        let next = next.min(maintenance.next_expiration);
        let cleans = self.cleans_by_itself() && !self.has_background.load(Ordering::Acquire);
        let next = if cleans { next.min(maintenance.next_cleaning) } else { next };
        let next = earlier(maintenance.next_linger, next_of_others).map_or(next, |at| at.min(next));
        outcome.map(|()| next.saturating_sub(self.env.clock.monotonic()))
    }

    /// Lets the producers close batches that lingered long enough; when the next one is due.
    fn tick_producers(&self, now: Duration) -> Option<Duration> {
        let producers: Vec<_> = self.producers.lock().iter().filter_map(|p| p.upgrade()).collect();
        producers.iter().filter_map(|producer| producer.tick(now)).min()
    }

    fn take_due_checkpoint(&self, now: Duration) -> bool {
        let mut maintenance = self.maintenance.lock();
        let due = maintenance.next_checkpoint <= now;
        if due {
            maintenance.next_checkpoint = now + self.options.checkpoint_interval;
        }
        let wanted = self.committer.take_checkpoint_wish();
        self.read_only.is_none() && (wanted || (due && self.committer.is_dirty()))
    }

    fn take_due_retention(&self, now: Duration) -> bool {
        let mut maintenance = self.maintenance.lock();
        let due = maintenance.next_retention <= now;
        if due {
            maintenance.next_retention = now + self.options.retention_check_interval;
        }
        due && self.read_only.is_none()
    }

    fn take_due_offsets_check(&self, now: Duration) -> bool {
        let mut maintenance = self.maintenance.lock();
        let due = maintenance.next_offsets_check <= now;
        if due {
            let interval = self.options.offsets_retention_check_interval;
            maintenance.next_offsets_check = now.saturating_add(interval);
        }
        due && self.read_only.is_none()
    }

    fn take_due_expiration(&self, now: Duration) -> bool {
        let mut maintenance = self.maintenance.lock();
        let due = maintenance.next_expiration <= now;
        if due {
            let interval = self.options.producer_expiration_check_interval;
            maintenance.next_expiration = now.saturating_add(interval);
        }
        due
    }

    fn take_due_cleaning(&self, now: Duration) -> bool {
        let mut maintenance = self.maintenance.lock();
        let due = maintenance.next_cleaning <= now;
        if due {
            maintenance.next_cleaning = now.saturating_add(self.options.cleaner_backoff);
        }
        due && self.cleans_by_itself() && !self.has_background.load(Ordering::Acquire)
    }

    /// Compacts at most one partition; if one was, the next tick goes on.
    fn tick_cleaner(&self) -> Result<()> {
        if self.compact_filthiest()?.is_some() {
            self.maintenance.lock().next_cleaning = self.env.clock.monotonic();
        }
        Ok(())
    }

    /// Lets every partition forget the producers that were quiet for long.
    fn expire_producers(&self) {
        let shared = &self.shared;
        shared.fences.expire(shared.session_ms(), shared.producer_expiration_ms);
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                partition.expire_producers();
            }
        }
    }

    /// Makes sure that the maintenance thread is awake at `at`.
    pub(crate) fn wake_by(&self, at: Duration) {
        let mut maintenance = self.maintenance.lock();
        if maintenance.next_linger.is_none_or(|next| at < next) {
            maintenance.next_linger = Some(at);
            drop(maintenance);
            self.wake_background();
        }
    }

    pub(crate) fn wake_background(&self) {
        if let Some(background) = &*self.background.lock() {
            background.wake();
        }
    }

    /// Starts the maintenance thread.
    ///
    /// # Errors
    /// If the operating system has no more threads.
    pub(crate) fn start_background(self: &Arc<Engine>) -> Result<()> {
        let engine = Arc::downgrade(self);
        // A failure poisons the broker, or is tried again: every writer meets it by itself.
        let tick = move || engine.upgrade().and_then(|engine| engine.tick().ok());
        let background = PeriodicLoop::start("ottla", TICK_PERIOD_MAX, tick)
            .map_err(|e| Error::io(e, "cannot start the maintenance thread"))?;
        *self.background.lock() = Some(background);
        self.has_background.store(true, Ordering::Release);
        let engine = Arc::downgrade(self);
        self.committer.on_background_work(Box::new(move || {
            if let Some(engine) = engine.upgrade() {
                engine.wake_background();
            }
        }));
        Ok(())
    }

    /// Whether the wall clock was set forward since the broker was opened. What looks old then
    /// may be young: nothing is deleted by age until the directory is opened anew.
    pub(crate) fn clock_jumped(&self) -> bool {
        if planted!("retention_by_wall_clock") {
            return false;
        }
        let maintenance = self.maintenance.lock();
        maintenance.opened_in_the_future
            || wall_offset(&self.env) > maintenance.wall_offset_ms + CLOCK_JUMP_MS
    }
}
