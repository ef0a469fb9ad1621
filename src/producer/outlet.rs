//! What all partition queues of one producer share: the sink, the clock, the bounded memory, the
//! spare builders, and the list of batches that linger.
//!
//! Knows no topic. Locks: those in here are leaves, taken after a queue's own lock or without it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Completion, Stage};
use super::memory::Memory;
use super::settings::Settings;
use super::sink::Sink;
use crate::batch::builder::BatchBuilder;
use crate::env::Env;
use crate::env::sync::Mutex;
use crate::error::{Error, ErrorKind, Result};

/// More spare builders than this are not kept.
const SPARE_BUILDERS_MAX: usize = 64;

/// A list of lingering batches shorter than this is not searched for closed ones.
const LINGERING_CHECKED_MIN: usize = 64;

/// How long a thread that waits for memory sleeps before it offers its help again.
const MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// The way out of a producer, shared by its queues.
pub(super) struct Outlet {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) env: Env,
    pub(super) settings: Settings,
    pub(super) memory: Memory,
    lingering: Mutex<Lingering>,
    spare: Mutex<Vec<BatchBuilder>>,
}

/// Open batches in the order in which their time is up; closed ones may still be among them.
struct Lingering {
    batches: VecDeque<(Duration, Arc<Completion>)>,
    /// At this length closed batches are dropped from the list.
    sweep_at: usize,
}

impl Outlet {
    pub(super) fn new(sink: Arc<dyn Sink>, env: Env, settings: Settings) -> Outlet {
        Outlet {
            sink,
            env,
            memory: Memory::new(settings.buffer_memory),
            settings,
            lingering: Mutex::new(Lingering {
                batches: VecDeque::new(),
                sweep_at: LINGERING_CHECKED_MIN,
            }),
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

    /// Notes that an open batch wants to be closed when it has lingered long enough.
    pub(super) fn linger(&self, completion: &Arc<Completion>) {
        let due = self.env.clock.monotonic().saturating_add(self.settings.linger);
        {
            let mut lingering = self.lingering.lock();
            if lingering.batches.len() >= lingering.sweep_at {
                lingering.batches.retain(|(_, batch)| batch.stage() == Stage::Open);
                lingering.sweep_at = LINGERING_CHECKED_MIN.max(2 * lingering.batches.len());
            }
            lingering.batches.push_back((due, Arc::clone(completion)));
        }
        self.sink.schedule(due);
    }

    /// Closes the lingering batches whose time is up by `now`; `None`: all of them.
    /// Returns when the next one is due. Not to be called under a queue's lock.
    pub(super) fn close_due(&self, now: Option<Duration>) -> Option<Duration> {
        loop {
            let completion = {
                let mut lingering = self.lingering.lock();
                let (due, first) = lingering.batches.front()?;
                let open = first.stage() == Stage::Open;
                if open && now.is_some_and(|now| *due > now) {
                    return Some(*due);
                }
                let (_, completion) = lingering.batches.pop_front()?;
                completion
            };
            completion.queue().close_if_open(&completion);
        }
    }

    /// Takes memory for a batch, waiting up to `max.block.ms` for it if `may_wait`.
    /// Not to be called under a queue's lock.
    ///
    /// # Errors
    /// [`ErrorKind::BufferFull`].
    pub(super) fn take_memory(&self, bytes: usize, may_wait: bool) -> Result<()> {
        let mut give_up_at = None;
        loop {
            if self.memory.try_take(bytes) {
                return Ok(());
            }
            // Whatever lingers for company is asked to leave, so that others can come in.
            self.close_due(None);
            if self.memory.try_take(bytes) {
                return Ok(());
            }
            let now = self.env.clock.monotonic();
            let give_up_at = *give_up_at.get_or_insert(now.saturating_add(self.settings.max_block));
            if !may_wait || now >= give_up_at {
                return Err(self.buffer_full(bytes, may_wait));
            }
            self.sink.settle();
            self.memory.wait_for_release(bytes, MEMORY_PAUSE.min(give_up_at - now));
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
}
