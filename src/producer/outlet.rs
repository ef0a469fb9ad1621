//! What all partition queues of one producer share: the sink, the clock, the bounded memory, the
//! spare builders, the notices, the counters, and the lists of batches that linger or are not
//! decided.
//!
//! Knows no topic. Locks: those in here are leaves, taken after a queue's own lock or without it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::completion::{Completion, Outcome, Stage};
use super::identity::ProducerIdentity;
use super::memory::{Memory, Turn};
use super::metrics::{Counters, ProducerMetrics};
use super::notices::Notices;
use super::settings::Settings;
use super::sink::Sink;
use crate::batch::builder::BatchBuilder;
use crate::env::Env;
use crate::env::sync::Mutex;
use crate::error::{Error, ErrorKind, Result};

/// More spare builders than this are not kept.
const SPARE_BUILDERS_MAX: usize = 64;

/// A list of batches shorter than this is not searched for those that are no longer of interest.
const SWEPT_MIN: usize = 64;

/// How long a thread that waits for memory sleeps before it offers its help again.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// The way out of a producer, shared by its queues.
pub(super) struct Outlet {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) env: Env,
    pub(super) settings: Settings,
    /// Who numbers its batches; an idempotent producer does.
    pub(super) identity: Option<ProducerIdentity>,
    pub(super) memory: Memory,
    pub(super) notices: Arc<Notices>,
    pub(super) counters: Counters,
    /// Open batches in the order in which their time is up; closed ones may still be among them.
    lingering: Mutex<Batches>,
    /// Batches in the order in which they were opened; decided ones may still be among them.
    undecided: Mutex<Batches>,
    spare: Mutex<Vec<BatchBuilder>>,
}

/// Batches in an order, of which some may have left the stages of interest.
struct Batches {
    list: VecDeque<(Duration, Arc<Completion>)>,
    /// The last stage that is of interest.
    until: Stage,
    /// At this length the others are dropped from the list.
    sweep_at: usize,
}

impl Batches {
    fn until(stage: Stage) -> Mutex<Batches> {
        Mutex::new(Batches { list: VecDeque::new(), until: stage, sweep_at: SWEPT_MIN })
    }

    fn push(&mut self, due: Duration, completion: &Arc<Completion>) {
        let until = self.until;
        while self.list.front().is_some_and(|(_, batch)| batch.stage() > until) {
            self.list.pop_front();
        }
        if self.list.len() >= self.sweep_at {
            self.list.retain(|(_, batch)| batch.stage() <= until);
            self.sweep_at = SWEPT_MIN.max(2 * self.list.len());
        }
        self.list.push_back((due, Arc::clone(completion)));
    }

    /// The first batch of interest if it is due by `now` (`None`: in any case), or when it is due.
    fn pop_due(&mut self, now: Option<Duration>) -> Result<Arc<Completion>, Option<Duration>> {
        loop {
            let Some((due, first)) = self.list.front() else { return Err(None) };
            let is_of_interest = first.stage() <= self.until;
            if is_of_interest && now.is_some_and(|now| *due > now) {
                return Err(Some(*due));
            }
            match self.list.pop_front() {
                Some((_, completion)) if is_of_interest => return Ok(completion),
                _ => {}
            }
        }
    }
}

impl Outlet {
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        env: Env,
        settings: Settings,
        identity: Option<ProducerIdentity>,
    ) -> Outlet {
        Outlet {
            sink,
            identity,
            env,
            memory: Memory::new(settings.buffer_memory),
            settings,
            notices: Arc::default(),
            counters: Counters::default(),
            lingering: Batches::until(Stage::Open),
            undecided: Batches::until(Stage::Submitted),
            spare: Mutex::new(Vec::new()),
        }
    }

    /// A builder, with warm buffers if one is spare.
    pub(super) fn builder(&self) -> BatchBuilder {
        self.spare.lock().pop().unwrap_or_default()
    }

    /// Keeps a builder for the next batch.
    pub(super) fn keep(&self, builder: BatchBuilder) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_BUILDERS_MAX {
            spare.push(builder);
        }
    }

    /// Notes a batch that was opened just now. It wants to be closed when it has lingered long
    /// enough, and to be decided before `delivery.timeout.ms` is over.
    pub(super) fn opened(&self, completion: &Arc<Completion>, now: Duration) {
        self.counters.opened();
        self.undecided.lock().push(completion.give_up_at(), completion);
        if !self.settings.linger.is_zero() {
            let due = now.saturating_add(self.settings.linger);
            self.lingering.lock().push(due, completion);
            self.sink.schedule(due);
        }
    }

    /// Closes the lingering batches whose time is up by `now`; `None`: all of them.
    /// Returns when the next one is due. Not to be called under a queue's lock.
    pub(super) fn close_due(&self, now: Option<Duration>) -> Option<Duration> {
        loop {
            let due = self.lingering.lock().pop_due(now);
            match due {
                Ok(completion) => completion.queue().close_if_open(&completion),
                Err(next) => return next,
            }
        }
    }

    /// Gives up the batches whose `delivery.timeout.ms` is over by `now`, the oldest first. Not to
    /// be called under a queue's lock.
    pub(super) fn expire(&self, now: Duration) {
        loop {
            let due = self.undecided.lock().pop_due(Some(now));
            match due {
                Ok(completion) => {
                    // So that no record joins a batch that is given up.
                    completion.queue().close_if_open(&completion);
                    completion.time_out();
                }
                Err(_) => return,
            }
        }
    }

    /// Decides every batch that is left with an error, and forgets them.
    pub(super) fn fail_all(&self, error: &Error) {
        loop {
            let due = self.undecided.lock().pop_due(None);
            match due {
                Ok(completion) => completion.decide(Outcome::Whole(Err(error.clone()))),
                Err(_) => return,
            }
        }
    }

    /// The batches that are not decided, the oldest first.
    pub(super) fn undecided(&self) -> Vec<Arc<Completion>> {
        let undecided = self.undecided.lock();
        let is_undecided = |completion: &Arc<Completion>| completion.stage() < Stage::Done;
        undecided.list.iter().map(|(_, batch)| Arc::clone(batch)).filter(is_undecided).collect()
    }

    /// Takes memory for a batch, waiting up to `max.block.ms` for it if `may_wait`.
    /// Not to be called under a queue's lock.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`]; [`ErrorKind::Closed`] if the producer was closed meanwhile.
    pub(super) fn take_memory(&self, bytes: usize, may_wait: bool) -> Result<()> {
        if self.memory.try_take(bytes) {
            return Ok(());
        }
        // Whatever lingers for company is asked to leave, so that others can come in.
        self.close_due(None);
        self.sink.nudge();
        self.notices.deliver();
        if self.memory.try_take(bytes) {
            return Ok(());
        }
        if !may_wait {
            self.counters.refused();
            return Err(self.buffer_full(bytes, may_wait));
        }
        let started = self.env.clock.monotonic();
        let taken = self.wait_for_memory(&self.memory.queue_up(), bytes, started);
        self.counters.waited(self.env.clock.monotonic().saturating_sub(started));
        taken
    }

    fn wait_for_memory(&self, turn: &Turn<'_>, bytes: usize, started: Duration) -> Result<()> {
        let give_up_at = started.saturating_add(self.settings.max_block);
        loop {
            if self.memory.is_shut() {
                return Err(closed_error());
            }
            if turn.try_take(bytes) {
                return Ok(());
            }
            let now = self.env.clock.monotonic();
            if now >= give_up_at {
                self.counters.refused();
                return Err(self.buffer_full(bytes, true));
            }
            self.close_due(None);
            self.sink.settle();
            self.notices.deliver();
            turn.wait(bytes, MEMORY_PAUSE.min(give_up_at - now));
        }
    }

    fn buffer_full(&self, bytes: usize, waited: bool) -> Error {
        let used = self.memory.used_bytes();
        let limit = self.settings.buffer_memory;
        let after = if waited {
            format!(" after {} ms", self.settings.max_block.as_millis())
        } else {
            String::new()
        };
        let message = format!(
            "the producer's memory is full{after}: {used} bytes of {limit} (buffer.memory) are in \
             use, {bytes} more are needed"
        );
        Error::new(ErrorKind::BufferFull, message)
    }

    /// What was counted so far, and what is under way now.
    pub(super) fn metrics(&self) -> ProducerMetrics {
        let mut metrics = self.counters.totals();
        metrics.batch_size = self.settings.batch_size;
        metrics.bytes_in_flight = self.memory.used_bytes();
        metrics.waiting_threads = self.memory.waiting_count();
        metrics
    }
}

pub(super) fn closed_error() -> Error {
    Error::new(ErrorKind::Closed, "the producer is closed")
}
