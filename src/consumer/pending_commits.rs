//! Commits that nobody waits for, until their callbacks were called: in the order of the commits,
//! on the thread of the consumer, within one of its calls.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::env::sync::{Condvar, Mutex};
use crate::error::{Error, ErrorKind, Result};
use crate::group::coordinator::OnCommitted;
use crate::group::offset::OffsetAndMetadata;
use crate::partition::waiters::Wake;
use crate::topic::TopicPartition;

/// More commits than this are not under way at a time.
const PENDING_MAX: usize = 1000;

/// Offsets by partition, as they are committed.
pub(super) type Offsets = Vec<(TopicPartition, OffsetAndMetadata)>;

/// Is told how a commit ended.
pub(super) type OnCommit =
    Box<dyn FnOnce(&[(TopicPartition, OffsetAndMetadata)], Result<()>) + Send>;

/// The commits under way, oldest first.
pub(super) struct PendingCommits {
    queue: VecDeque<Pending>,
    wake: Arc<Wake>,
}

struct Pending {
    offsets: Offsets,
    callback: OnCommit,
    outcome: Arc<Outcome>,
}

#[derive(Default)]
struct Outcome {
    result: Mutex<Option<Result<()>>>,
    known: Condvar,
}

/// Notes the outcome of a commit; that it is unknown, if nobody says.
struct Teller {
    outcome: Arc<Outcome>,
    wake: Arc<Wake>,
}

/// A commit whose outcome is known.
pub(super) struct Done {
    pub(super) offsets: Offsets,
    pub(super) callback: OnCommit,
    pub(super) result: Result<()>,
}

impl PendingCommits {
    pub(super) fn new(wake: &Arc<Wake>) -> PendingCommits {
        PendingCommits { queue: VecDeque::new(), wake: Arc::clone(wake) }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there are so many that the next one has to wait for the others.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= PENDING_MAX
    }

    /// Whether the outcome of the oldest is known.
    pub(super) fn has_done(&self) -> bool {
        self.queue.front().is_some_and(|oldest| oldest.outcome.result.lock().is_some())
    }

    /// Queues a commit; what is returned is to be called with its outcome.
    pub(super) fn push(&mut self, offsets: Offsets, callback: OnCommit) -> OnCommitted {
        let outcome = Arc::<Outcome>::default();
        let teller = Teller { outcome: Arc::clone(&outcome), wake: Arc::clone(&self.wake) };
        self.queue.push_back(Pending { offsets, callback, outcome });
        Box::new(move |result| teller.tell(result))
    }

    /// The oldest commit, if its outcome is known.
    pub(super) fn pop_done(&mut self) -> Option<Done> {
        let result = self.queue.front()?.outcome.result.lock().take()?;
        let Pending { offsets, callback, .. } = self.queue.pop_front()?;
        Some(Done { offsets, callback, result })
    }

    /// The oldest commit, when its outcome is known.
    pub(super) fn wait_oldest(&mut self) -> Option<Done> {
        {
            let outcome = &self.queue.front()?.outcome;
            let mut result = outcome.result.lock();
            outcome.known.wait_while(&mut result, |result| result.is_none());
        }
        self.pop_done()
    }
}

impl Teller {
    fn tell(&self, result: Result<()>) {
        self.outcome.result.lock().get_or_insert(result);
        self.outcome.known.notify_all();
        self.wake.wake();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if self.outcome.result.lock().is_none() {
            let message = "the commit of offsets lost its outcome";
            self.tell(Err(Error::new(ErrorKind::Poisoned, message)));
        }
    }
}
