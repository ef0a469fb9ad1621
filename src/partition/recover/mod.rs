//! Recovery.

use std::sync::Arc;

use super::Partition;
use super::id::PartitionId;
use super::report::PartitionReport;
use super::shared::Shared;
use crate::config::topic::TopicConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::format::control_file::PartitionState;

/// What is known of a partition before it is recovered.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// What our control file says.
    State(PartitionState),
    /// Nothing of our own: a broker wrote the folder.
    Foreign {
        /// From Kafka's checkpoint, else 0.
        log_start_offset: i64,
        /// From Kafka's checkpoint, else 0.
        recovery_point: i64,
        /// It was closed cleanly.
        clean: bool,
    },
}

/// What became of an entry of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It is in the log.
    Written,
    /// It lies below what is synced.
    Skipped,
    /// It does not fit: the partition is damaged.
    Refused,
}

/// A partition that is being recovered.
#[derive(Debug)]
pub(crate) struct Recovery {
    damage: Option<Error>,
}

impl Partition {
    /// Begins.
    pub(crate) fn start_recovery(
        _shared: &Arc<Shared>,
        _id: PartitionId,
        _config: &TopicConfig,
        _known: Known,
        _now_ms: i64,
    ) -> Result<Recovery> {
        Ok(Recovery { damage: None })
    }
}

impl Recovery {
    /// Applies.
    pub(crate) fn apply(&mut self, _base_offset: i64, _batch: &[u8]) -> Result<Applied> {
        Ok(Applied::Refused)
    }

    /// Damage.
    pub(crate) fn damage(&self) -> Option<&Error> {
        self.damage.as_ref()
    }

    /// Ends.
    pub(crate) fn finish(self) -> Result<(Arc<Partition>, PartitionReport)> {
        Err(Error::new(ErrorKind::Unsupported, "recovery is not there yet"))
    }
}
