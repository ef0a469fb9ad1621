//! What a consumer asks of whoever keeps the topics. The consumer knows no broker.

use crate::catalog::topic_handle::Topics;
use crate::partition::waiters::Waiters;

/// Topics that can be read.
pub(crate) trait Source: Topics {
    /// Runs `collect` so that all ends of partitions which it reads are of one moment: between
    /// two commits, never in the middle of one. It may run several times; the last run counts.
    fn read_section(&self, collect: &mut dyn FnMut());

    /// Whether the topics were closed: nothing is read any more. Asked by every poll: no more
    /// than one atomic load.
    fn is_closed(&self) -> bool;

    /// Those who want to know when that happens.
    fn closing(&self) -> &Waiters;

    /// Returns when all commits that were begun without waiting are decided and told.
    fn settle(&self);
}
