//! `read_committed`: which batches of a fetch belong to transactions that were aborted.
//!
//! Ottla itself aborts by writing nothing; this is for directories that Kafka wrote. The rule is
//! that of Kafka's consumer: a transaction of the list starts to hide its producer's batches at
//! its first offset, and stops at the producer's abort marker.

use std::collections::HashSet;

use crate::batch::entry::Entry;
use crate::format::FormatError;
use crate::format::control_record::ControlType;
use crate::format::index_entries::AbortedTxn;

/// What is aborted within one fetch. Shown the fetch's batches in their order.
#[derive(Debug, Default)]
pub(super) struct AbortedFilter {
    /// Producer id and first offset of transactions that are yet to come, the next one last.
    to_come: Vec<(i64, i64)>,
    /// The producers whose transaction of the moment was aborted.
    aborted: HashSet<i64>,
}

impl AbortedFilter {
    /// Hides the batches of `transactions`; none of them: hides nothing.
    pub(super) fn new(transactions: &[AbortedTxn]) -> AbortedFilter {
        let mut to_come: Vec<_> = transactions
            .iter()
            .map(|transaction| (transaction.producer_id, transaction.first_offset))
            .collect();
        to_come.sort_unstable_by_key(|(_, first_offset)| std::cmp::Reverse(*first_offset));
        AbortedFilter { to_come, aborted: HashSet::new() }
    }

    /// Whether the records of `entry`, the next of the fetch, were aborted. Asking twice is fine.
    ///
    /// # Errors
    /// If the entry is a marker that cannot be read.
    #[inline]
    pub(super) fn hides(&mut self, entry: &Entry<'_>) -> Result<bool, FormatError> {
        if self.to_come.is_empty() && self.aborted.is_empty() {
            return Ok(false);
        }
        self.look(entry)
    }

    fn look(&mut self, entry: &Entry<'_>) -> Result<bool, FormatError> {
        let Some(producer) = entry.producer() else { return Ok(false) };
        while let Some((id, first_offset)) = self.to_come.last().copied()
            && first_offset <= entry.last_offset()
        {
            self.aborted.insert(id);
            self.to_come.pop();
        }
        if entry.is_control() {
            if entry.control_type()? == Some(ControlType::Abort) {
                self.aborted.remove(&producer.id);
            }
            return Ok(false);
        }
        Ok(entry.is_transactional() && self.aborted.contains(&producer.id))
    }
}
