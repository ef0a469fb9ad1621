//! Transactions as the cleaner goes by: which batches were aborted, and which markers still end
//! something. Only Kafka writes such; Ottla's own commits leave no trace in the log.
//!
//! Data of an aborted transaction goes at once. A marker stays as long as any batch of its
//! transaction was met before it, and its delete horizon beyond that. The invariant: the state is
//! carried over all segments of a round, in order, so that a transaction may span any of them.

use std::collections::{HashMap, HashSet};

use crate::batch::entry::Entry;
use crate::env::planted::planted;
use crate::format::FormatError;
use crate::format::control_record::ControlType;
use crate::format::index_entries::AbortedTxn;

/// What a batch is to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Data that counts.
    Data,
    /// Data of a transaction that was aborted.
    AbortedData,
    /// A marker, or what is left of one.
    Marker {
        /// No batch of its transaction was met: it ends nothing.
        is_idle: bool,
        /// The transaction that it aborts, if there is something of it.
        aborts: Option<AbortedTxn>,
    },
    /// Another control batch.
    OtherControl,
}

/// The transactions of the moment.
#[derive(Debug)]
pub(super) struct Transactions {
    /// Aborted ones whose first batch is yet to come, the next one last.
    to_come: Vec<AbortedTxn>,
    /// By producer: the aborted one that goes on, and whether a batch of it was met.
    aborted: HashMap<i64, (AbortedTxn, bool)>,
    /// The producers of whose other transaction a batch was met.
    open: HashSet<i64>,
}

impl Transactions {
    /// Knows all aborted transactions of the segments that will be seen: those with a batch in
    /// them, wherever their marker lies.
    pub(super) fn new(mut aborted: Vec<AbortedTxn>) -> Transactions {
        aborted.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Transactions { to_come: aborted, aborted: HashMap::new(), open: HashSet::new() }
    }

    /// Takes in the next batch.
    ///
    /// # Errors
    /// A marker that cannot be read.
    pub(super) fn see(&mut self, entry: &Entry<'_>) -> Result<Part, FormatError> {
        while let Some(next) = self.to_come.last()
            && next.first_offset <= entry.last_offset()
        {
            self.aborted.insert(next.producer_id, (*next, false));
            self.to_come.pop();
        }
        if entry.is_control() {
            return if planted!("markers_are_records") {
                Ok(Part::Data)
            } else {
                self.see_control(entry)
            };
        }
        let producer = entry.producer().filter(|_| entry.is_transactional());
        let Some(producer) = producer else { return Ok(Part::Data) };
        match self.aborted.get_mut(&producer.id) {
            Some((transaction, is_met)) if entry.base_offset() <= transaction.last_offset => {
                *is_met = true;
                Ok(Part::AbortedData)
            }
            _ => {
                self.open.insert(producer.id);
                Ok(Part::Data)
            }
        }
    }

    fn see_control(&mut self, entry: &Entry<'_>) -> Result<Part, FormatError> {
        let id = entry.producer().map_or(-1, |producer| producer.id);
        match entry.control_type()? {
            // It was emptied before, because all of its transaction was gone.
            None => Ok(Part::Marker { is_idle: true, aborts: None }),
            Some(ControlType::Abort) => match self.aborted.remove(&id) {
                Some((transaction, true)) => {
                    Ok(Part::Marker { is_idle: false, aborts: Some(transaction) })
                }
                // Not in any index: what was met counts.
                _ => Ok(Part::Marker { is_idle: !self.open.remove(&id), aborts: None }),
            },
            Some(ControlType::Commit) => {
                Ok(Part::Marker { is_idle: !self.open.remove(&id), aborts: None })
            }
            Some(_) => Ok(Part::OtherControl),
        }
    }
}
