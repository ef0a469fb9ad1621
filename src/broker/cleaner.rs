//! The cleaner: chooses what is compacted next, one round at a time over the whole broker, within
//! its budget of bytes per second.
//!
//! A round holds no lock but its turn while it reads and writes; `commit/compaction.rs` then puts
//! the results in their place. Not here: what a round keeps (`partition/compact`), and what
//! programs ask for (`compact.rs`). The invariant: a close waits for the round that is under way,
//! which ends at its next mebibyte, and none begins afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::broker::Engine;
use crate::catalog::topic_handle::TopicHandle;
use crate::env::planted::planted;
use crate::env::sync::atomic::{AtomicBool, Ordering};
use crate::env::sync::thread::{Thread, current};
use crate::env::sync::{Condvar, Mutex};
use crate::env::threads::PeriodicLoop;
use crate::error::{Error, ErrorKind, Result};
use crate::partition::Partition;
use crate::partition::compact::choose::Choice;
use crate::partition::compact::outcome::CompactionOutcome;
use crate::partition::compact::{LOG_BYTES_MAX, Round};
use crate::topic::TopicId;

/// Told how many bytes were read or written since the last call.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64);

/// What the cleaner of a broker remembers.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    /// Who has the turn: there is one round at a time.
    turn: Mutex<Option<Thread>>,
    /// The turn is free, or everything is to end.
    changed: Condvar,
    stopped: AtomicBool,
    /// Partitions that are not tried again in this session, and why.
    failures: Mutex<BTreeMap<(TopicId, i32), Error>>,
    thread: Mutex<Option<PeriodicLoop>>,
}

/// The turn, until it is dropped.
pub(crate) struct Turn<'a>(&'a Cleaner);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.turn.lock() = None;
        self.0.changed.notify_all();
    }
}

impl Cleaner {
    /// Waits for the turn.
    ///
    /// # Errors
    /// `Closed`; `InvalidInput` if this thread has it already.
    pub(crate) fn take_turn(&self) -> Result<Turn<'_>> {
        let mut turn = self.turn.lock();
        loop {
            self.check_going()?;
            match &*turn {
                None => break,
                Some(thread) if thread.is_current() => {
                    let message = "a compaction cannot be started from within another one";
                    return Err(Error::new(ErrorKind::InvalidInput, message));
                }
                Some(_) => self.changed.wait(&mut turn),
            }
        }
        *turn = Some(current());
        Ok(Turn(self))
    }

    fn check_going(&self) -> Result<()> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the broker was closed"));
        }
        Ok(())
    }

    /// Ends the round that is under way and waits for it, unless this thread runs it. No other one
    /// begins.
    pub(crate) fn stop(&self) {
        let mut turn = self.turn.lock();
        self.stopped.store(true, Ordering::Release);
        self.changed.notify_all();
        while turn.as_ref().is_some_and(|thread| !thread.is_current())
            && !planted!("round_not_waited_for")
        {
            self.changed.wait(&mut turn);
        }
        drop(turn);
        let thread = self.thread.lock().take();
        drop(thread);
    }

    /// Why a partition is not compacted any more, if it is so.
    pub(crate) fn failure(&self, partition: &Partition) -> Option<Error> {
        self.failures.lock().get(&key_of(partition)).cloned()
    }

    /// Waits until so many bytes are within the budget, or everything is to end.
    fn pause(&self, duration: Duration) {
        let mut turn = self.turn.lock();
        if !duration.is_zero() && !self.stopped.load(Ordering::Acquire) {
            self.changed.wait_for(&mut turn, duration);
        }
    }
}

fn key_of(partition: &Partition) -> (TopicId, i32) {
    (partition.id().topic_id(), partition.id().partition())
}

impl Engine {
    /// Compacts the partition that needs it most; `None` if none does.
    ///
    /// # Errors
    /// Of the round. The partition is not tried again in this session, unless the disk was full.
    pub(crate) fn compact_filthiest(&self) -> Result<Option<CompactionOutcome>> {
        let _turn = self.cleaner.take_turn()?;
        self.shared.poison.check()?;
        let mut filthiest: Option<(Choice, Arc<Partition>)> = None;
        for topic in self.topics.all() {
            for partition in &topic.partitions {
                if partition.damage().is_some() || self.cleaner.failure(partition).is_some() {
                    continue;
                }
                let choice = match self.choose_round(&topic, partition) {
                    Ok(choice) => choice.filter(|choice| choice.is_due),
                    Err(error) => {
                        self.note_failure(partition, partition.generation(), &error);
                        continue;
                    }
                };
                let Some(choice) = choice else { continue };
                let ratio = choice.dirty_ratio();
                if filthiest.as_ref().is_none_or(|(other, _)| ratio > other.dirty_ratio()) {
                    filthiest = Some((choice, Arc::clone(partition)));
                }
            }
        }
        let Some((choice, partition)) = filthiest else { return Ok(None) };
        self.run_round(&partition, &choice, &mut |_| ())
    }

    /// What a round would do in a partition now.
    pub(crate) fn choose_round(
        &self,
        topic: &TopicHandle,
        partition: &Partition,
    ) -> Result<Option<Choice>> {
        let cleaned_to = Some(partition.cleaned_to()).filter(|offset| *offset > 0);
        let bound = self.first_needed(topic, partition)?;
        partition.choose_round(cleaned_to, bound, self.shared.session_ms())
    }

    /// One round; `None` if the log changed under it. Called by whoever has the turn.
    pub(crate) fn run_round(
        &self,
        partition: &Partition,
        choice: &Choice,
        progress: Progress<'_>,
    ) -> Result<Option<CompactionOutcome>> {
        self.committer.begin_write()?;
        let generation = partition.generation();
        let begun = partition.begin_round()?;
        let round = Round {
            first_dirty: choice.first_dirty,
            upper: choice.upper,
            now_ms: self.shared.session_ms(),
            map_bytes: self.options.cleaner_dedupe_buffer_bytes,
            log_bytes_max: LOG_BYTES_MAX,
        };
        let mut pace = self.pace(progress);
        let swapped = partition.clean(&round, &mut pace).and_then(|cleaned| {
            let outcome = cleaned.stats.clone();
            let swapped = self.committer.swap_in(partition, cleaned, begun)?;
            Ok(swapped.then_some(outcome))
        });
        match &swapped {
            Ok(_) => drop(self.cleaner.failures.lock().remove(&key_of(partition))),
            Err(error) => self.note_failure(partition, generation, error),
        }
        swapped
    }

    /// Ends the round when the broker is closed, and keeps it within the budget.
    fn pace<'a>(&'a self, progress: Progress<'a>) -> impl FnMut(u64) -> Result<()> + 'a {
        let budget = self.options.cleaner_io_bytes_per_second_max.max(1);
        let mut last = self.env.clock.monotonic();
        move |bytes| {
            self.cleaner.check_going()?;
            self.shared.poison.check()?;
            progress(bytes);
            let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(budget);
            let due = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
            let passed = self.env.clock.monotonic().saturating_sub(last);
            self.cleaner.pause(due.saturating_sub(passed));
            last = self.env.clock.monotonic();
            self.cleaner.check_going()
        }
    }

    fn note_failure(&self, partition: &Partition, generation: u32, error: &Error) {
        let passes =
            matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Closed | ErrorKind::Poisoned);
        // What was cut or deleted under the round is no failure of it.
        let changed = partition.is_deleted() || partition.generation() != generation;
        if !passes && !changed {
            self.cleaner.failures.lock().insert(key_of(partition), error.clone());
        }
    }

    /// Whether topics are compacted without being asked to.
    pub(crate) fn cleans_by_itself(&self) -> bool {
        self.options.cleaner_enable && self.read_only.is_none()
    }

    /// Starts the cleaner's thread, so that a long round never delays the duties of maintenance.
    ///
    /// # Errors
    /// If the operating system has no more threads.
    pub(crate) fn start_cleaner(self: &Arc<Engine>) -> Result<()> {
        if !self.cleans_by_itself() {
            return Ok(());
        }
        let engine: Weak<Engine> = Arc::downgrade(self);
        // A failure is remembered with its partition, or passes.
        let clean = move || {
            let cleaned = engine.upgrade()?.compact_filthiest().ok().flatten();
            cleaned.map(|_| Duration::ZERO)
        };
        let thread = PeriodicLoop::start("ottla-cleaner", self.options.cleaner_backoff, clean)
            .map_err(|e| Error::io(e, "cannot start the cleaner thread"))?;
        *self.cleaner.thread.lock() = Some(thread);
        Ok(())
    }
}
