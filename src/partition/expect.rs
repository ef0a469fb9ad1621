//! Conditions of an append: asked under the partition's lock, so that what holds when it is asked
//! holds when the batch gets its place.
//!
//! Not here: reading what was missed (`missed.rs`), and the partitions of several conditions (the
//! commit group locks them together). The invariant: a condition sees everything that has a place,
//! what is staged and not committed yet included.

use std::sync::Arc;

use super::Partition;
use super::writer::{Appended, Writer};
use crate::error::conflict::{Conflict, Expected, ExpectedVersion};
use crate::error::{Error, ErrorKind, Result};
use crate::format::batch_header::BatchHeader;

/// What has to hold of a partition for something to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The log ends at this offset: nothing was appended since somebody looked.
    End(i64),
    /// The newest record of this key is the one that somebody saw.
    Version { key: Arc<[u8]>, version: ExpectedVersion },
}

impl Expect {
    /// Whether it can hold at all.
    ///
    /// # Errors
    /// `InvalidInput` for an offset that no log ever ends at.
    pub(crate) fn validate(&self) -> Result<()> {
        match self {
            Expect::End(offset) if *offset < 0 => {
                let message = format!("no log ends at the offset {offset}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
            Expect::Version { version: ExpectedVersion::At(offset), .. } if *offset < 0 => {
                let message = format!("no record has the offset {offset}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
            Expect::End(_) | Expect::Version { .. } => Ok(()),
        }
    }
}

impl Writer<'_> {
    /// Whether `expect` holds now; batches that are staged count as appended.
    ///
    /// # Errors
    /// `Conflict`, with what was expected and what there is; those of looking a key up.
    #[inline]
    pub(crate) fn check_expected(&mut self, expect: &Expect) -> Result<()> {
        match expect {
            Expect::End(offset) if *offset == self.state.next_offset => Ok(()),
            Expect::End(offset) => {
                Err(self.conflict(Expected::End(*offset), Some(self.state.next_offset)))
            }
            Expect::Version { key, version } => self.check_version(key, *version),
        }
    }

    fn check_version(&mut self, key: &[u8], version: ExpectedVersion) -> Result<()> {
        let actual = match version {
            ExpectedVersion::Any => return Ok(()),
            _ => self.staged_key_version(key)?,
        };
        let holds = match version {
            ExpectedVersion::Any => true,
            ExpectedVersion::NoStream => actual.is_none(),
            ExpectedVersion::At(offset) => actual == Some(offset),
        };
        if holds {
            return Ok(());
        }
        Err(self.conflict(Expected::Version { key: key.to_vec(), version }, actual))
    }

    #[cold]
    fn conflict(&self, expected: Expected, actual: Option<i64>) -> Error {
        let id = self.partition.id();
        let conflict = Conflict::new(expected, actual);
        Error::conflicting(conflict, id.topic().as_str(), id.partition())
    }

    /// Whether batches are staged: a condition that does not hold may hold again if they are taken
    /// back.
    pub(crate) fn has_staged(&self) -> bool {
        self.state.staged > 0
    }

    /// Whether its producer sent this batch before, so that it is in the log already. Its condition
    /// held then, and what stands against it now is the batch itself.
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    #[cold]
    pub(crate) fn was_sent_before(&mut self, batch: &[u8]) -> Result<bool> {
        let header =
            BatchHeader::decode(batch).map_err(|error| self.partition.name(error.into_error()))?;
        self.find_present(&header).map(|present| present.is_some())
    }

    /// Appends with `acks=1` if `expect` holds; see [`append_written`](Self::append_written).
    ///
    /// # Errors
    /// `Conflict` if it does not hold; those of the append.
    ///
    /// # Durability
    /// As [`append_written`](Self::append_written).
    pub(crate) fn append_expected(
        &mut self,
        batch: &mut [u8],
        expect: &Expect,
    ) -> Result<Appended> {
        self.check_writable()?;
        if let Err(conflict) = self.check_expected(expect)
            && !self.was_sent_before(batch).is_ok_and(|before| before)
        {
            return Err(conflict);
        }
        self.append_written(batch)
    }
}

impl Partition {
    /// Lets the error of a condition that did not hold carry what was appended meanwhile. Takes no
    /// lock of the writer; any other error is returned as it is.
    #[cold]
    pub(crate) fn tell_missed(&self, error: Error) -> Error {
        let Some(conflict) = error.conflict() else { return error };
        let id = self.id();
        if conflict.topic != id.topic().as_str() || conflict.partition != id.partition() {
            return error;
        }
        let missed = match (&conflict.expected, conflict.actual) {
            (Expected::End(expected), Some(actual)) => self.missed(*expected, actual),
            (Expected::End(_), None) => return error,
            (Expected::Version { key, version }, actual) => {
                // All of the key that is newer than the expected one, or all that there is.
                let from = match version {
                    ExpectedVersion::At(offset) => offset.saturating_add(1),
                    _ => 0,
                };
                self.missed_of_key(key, from, actual.map_or(0, |actual| actual.saturating_add(1)))
            }
        };
        match missed {
            Ok(missed) => error.with_missed(missed.records, missed.is_complete),
            // The conflict is the news; what it missed can be read by whoever wants it.
            Err(_) => error,
        }
    }
}
