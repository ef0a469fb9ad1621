//! The end of a consumer: told, or dropped.

use super::Consumer;
use crate::error::Result;

impl Consumer {
    /// Ends the consumer: commits its positions if that is done automatically, waits for commits
    /// under way, tells the listener that the partitions are revoked, and leaves the group. The
    /// place of a static member is kept for `session.timeout.ms`. Dropping a consumer does the
    /// same and tells nobody how it went; while its thread panics, it commits nothing.
    ///
    /// # Errors
    /// What the last commit says; the consumer has left its group all the same.
    pub fn close(mut self) -> Result<()> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        let (told, committed) = self.let_go();
        if !told.is_replaced()
            && let Some(group) = &mut self.group
        {
            group.subscription = None;
            group.member = None;
        }
        told.pass_on()?;
        committed
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // The group is left when the fields are dropped. Neither a commit nor a listener may run
        // in the middle of a panic.
        if !std::thread::panicking() {
            let _ = self.shut_down();
        }
    }
}
