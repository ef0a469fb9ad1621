//! Record by record, without end: a blocking iterator.
//!
//! The invariant: the position is that after the record that was returned last, never further, so
//! that a commit between two records says what was seen.

use std::time::Duration;

use super::Consumer;
use super::records::OwnedRecord;
use crate::error::{Error, ErrorKind, Result};

/// A poll without a timeout lasts so long; then it polls again.
const PATIENCE: Duration = Duration::from_secs(3600);

/// An endless iterator over the records of a consumer. See [`Consumer::records`].
#[derive(Debug)]
pub struct ConsumerRecords<'a> {
    consumer: &'a mut Consumer,
    is_over: bool,
}

/// Whether nothing can come after this error, however often a program tries.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Closed | ErrorKind::Fenced)
}

impl Consumer {
    /// All records from the positions on, one by one and each with its own bytes; waits for those
    /// that are yet to come. After an error the next call tries again; it ends only after the
    /// broker was closed or the consumer was fenced for good.
    ///
    /// Faster, without a copy of each record: [`poll`](Consumer::poll).
    ///
    /// ```
    /// use ottla::{Acks, Broker, Message, TopicConfig};
    ///
    /// # fn main() -> ottla::Result<()> {
    /// let broker = Broker::in_memory()?;
    /// broker.create_topic("orders", TopicConfig::new())?;
    /// let messages = ["one burger", "two burgers"].map(Message::new);
    /// broker.partition("orders", 0)?.append(&messages, Acks::All)?;
    ///
    /// let mut consumer = broker.consumer().assign([("orders", 0)]).build()?;
    /// for record in consumer.records().take(2) {
    ///     println!("{}", String::from_utf8_lossy(&record?.value.unwrap_or_default()));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn records(&mut self) -> ConsumerRecords<'_> {
        ConsumerRecords { consumer: self, is_over: false }
    }
}

impl ConsumerRecords<'_> {
    /// The consumer, for calls between two records: to commit, to seek, to pause.
    pub fn consumer(&mut self) -> &mut Consumer {
        self.consumer
    }
}

impl Iterator for ConsumerRecords<'_> {
    type Item = Result<OwnedRecord>;

    fn next(&mut self) -> Option<Result<OwnedRecord>> {
        while !self.is_over {
            match self.consumer.poll_for(PATIENCE, 1) {
                Err(error) => {
                    self.is_over = is_final(&error);
                    return Some(Err(error));
                }
                Ok(records) => {
                    if let Some(record) = records.iter().next() {
                        return Some(Ok(record.to_owned()));
                    }
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for ConsumerRecords<'_> {}
