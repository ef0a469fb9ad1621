//! Where a producer's finished batches go. The producer knows neither the journal nor the commit
//! group: the broker implements this trait over them.

use std::sync::Arc;
use std::time::Duration;

use crate::config::acks::Acks;
use crate::error::Result;
use crate::partition::Partition;
use crate::partition::writer::Appended;
use crate::producer::identity::ProducerIdentity;

/// What is to be done once a batch is decided: its place in the log or the error, and the batch's
/// buffer back for the next one. Called once, under no lock of the sink or the partition.
pub(crate) type OnDone = Box<dyn FnOnce(Result<Appended>, Vec<u8>) + Send>;

/// Wakes and calls those who were told to be by `on_done`. Whatever they do, they may wait for the
/// sink: so it is called when the calling thread holds nothing of it any more. It holds none of the
/// broker's handles.
pub(crate) trait Afterwards: Send + Sync {
    /// May be called at any time, any number of times.
    fn tell(&self);
}

/// Takes finished batches and makes them part of the log.
pub(crate) trait Sink: Send + Sync {
    /// Takes a finished batch: base offset 0, no leader epoch, checksum right.
    ///
    /// With `acks` 0 or 1 the batch is written on this thread before the call returns; with
    /// `acks=all` it is queued for the next group commit and the call never waits for a sync: the
    /// caller then sees to it, by [`nudge`](Sink::nudge) or [`work`](Sink::work). A broker that can write no more calls `on_done` with the error.
    ///
    /// The caller hands over the batches of one partition one after the other; their order is
    /// kept. `afterwards` is told after an `on_done` that is called later than this call returns;
    /// the caller looks after those that are called before.
    fn submit(
        &self,
        partition: &Arc<Partition>,
        batch: Vec<u8>,
        acks: Acks,
        on_done: OnDone,
        afterwards: Arc<dyn Afterwards>,
    );

    /// Asks whoever settles in the background to do so soon, if there is somebody.
    fn nudge(&self);

    /// Commits what was handed over before the call, or waits until another thread has: an
    /// `on_done` may then still be on its way. Never called from within an `on_done`.
    fn work(&self);

    /// Returns when every batch that was handed over before the call is decided and its `on_done`
    /// has returned. The calling thread commits them itself if nobody else is about to.
    /// Never called from within an `on_done`.
    fn settle(&self);

    /// Whether somebody else settles what was handed over, soon and without being asked.
    fn settles_by_itself(&self) -> bool;

    /// An identity for a producer whose batches are numbered; nobody else ever has it.
    ///
    /// # Errors
    /// Those of a commit.
    fn new_producer_identity(&self) -> Result<ProducerIdentity>;

    /// A batch was opened that wants a tick at `at`, on the monotonic clock of the environment.
    fn schedule(&self, at: Duration);
}
