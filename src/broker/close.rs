//! Closing: everything is flushed, the directory becomes a cleanly closed Kafka log directory.

use std::time::Duration;

use crate::broker::{Broker, Engine};
use crate::env::planted::{linger, planted};
use crate::env::sync::atomic::Ordering;
use crate::error::Result;

/// How long a close waits for producers to hand over what they hold.
const PRODUCERS_PATIENCE: Duration = Duration::from_secs(30);

impl Broker {
    /// Closes the directory for all handles: producers are flushed, segments synced, indexes and
    /// snapshots written, and another program may open it. Handles that are left answer
    /// `Closed`. Closing twice is fine: the second call returns at once, also while the first one is
    /// still at work, and promises nothing.
    ///
    /// # Durability
    /// When it returns `Ok`, everything that was appended survives power loss.
    ///
    /// # Errors
    /// The directory is left as a kill would leave it, nothing acked is lost, and the next open
    /// recovers it. `Poisoned` if an earlier sync failed.
    pub fn close(&self) -> Result<()> {
        self.engine.close()
    }

    /// Lets go of the directory without closing it, as a kill would: nothing more is written.
    /// The next open recovers it. For tests of exactly that.
    pub fn abandon(self) {
        if !self.engine.closed.swap(true, Ordering::AcqRel) {
            self.engine.closing.wake_all();
            self.engine.groups.close();
            self.engine.cleaner.stop();
            self.engine.committer.abandon();
            self.engine.transactions.close();
            self.engine.let_go();
        }
    }
}

impl Engine {
    pub(crate) fn close(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.closing.wake_all();
        if planted!("lock_given_up_early") {
            self.lock.lock().take();
            linger();
        }
        // Members end their polls and go; what they commit from now on is refused.
        self.groups.close();
        self.cleaner.stop();
        let producers: Vec<_> = self.producers.lock().iter().filter_map(|p| p.upgrade()).collect();
        // What is being committed is committed; what is open is gone.
        self.transactions.close();
        let mut flushed = Ok(());
        for producer in producers {
            flushed = flushed.and(producer.close(PRODUCERS_PATIENCE));
        }
        let closed = match self.read_only {
            Some(_) => Ok(()),
            None => {
                // What is owed about groups is written while the log still takes it. A failure
                // leaves older generations behind, and no close depends on that.
                let _ = self.offsets.write_owed(self);
                let broker_epoch = self.catalog.lock().broker_epoch();
                self.committer.close(broker_epoch)
            }
        };
        self.let_go();
        flushed.and(closed)
    }

    /// Stops the maintenance thread and gives up the lock.
    fn let_go(&self) {
        self.has_background.store(false, Ordering::Release);
        let background = self.background.lock().take();
        drop(background);
        // Handles that are left read nothing of what the next holder of the lock writes.
        self.shared.give_up();
        self.lock.lock().take();
    }
}
