//! The batches of one segment, for the cleaner: whoever rewrites a log must not make damage look
//! right, so every check there is comes before a byte is believed.
//!
//! Each batch is checked by its own checksum and by the order of offsets; what no batch's checksum
//! covers is summed, and when the segment was read to its end it must be what was remembered.

use std::sync::Arc;

use super::super::Partition;
use super::Pace;
use crate::batch::entry::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::format::checksum::crc32c_append;
use crate::segment::Segment;
use crate::segment::scan::{Scanned, Scanner};
use crate::segment::tally::SUMMED_BYTES;

/// The pace is told of every so many bytes.
const PACE_BYTES: u64 = 1024 * 1024;

/// A walk over all batches of a sealed segment.
pub(super) struct Source<'a> {
    partition: &'a Partition,
    segment: &'a Arc<Segment>,
    scanner: Scanner,
    log_sum: u32,
    next_offset: i64,
    end: u64,
    untold_bytes: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(partition: &'a Partition, segment: &'a Arc<Segment>) -> Source<'a> {
        let end = segment.published();
        Source {
            partition,
            segment,
            scanner: Scanner::new(&segment.log, 0, end),
            log_sum: 0,
            next_offset: segment.base_offset,
            end,
            untold_bytes: 0,
        }
    }

    /// The next batch; `None` when all were read and the sums are right.
    ///
    /// # Errors
    /// Corrupt, with file and position; those of the disk and of the pace.
    pub(super) fn next(&mut self, pace: Pace<'_>) -> Result<Option<Entry<'_>>> {
        Ok(self.next_and_end(pace)?.map(|(entry, _)| entry))
    }

    /// The same, and whether it is the last one.
    pub(super) fn next_and_end(&mut self, pace: Pace<'_>) -> Result<Option<(Entry<'_>, bool)>> {
        let scanned = self.scanner.next().map_err(|error| {
            self.partition.io(error, "cannot read the log", &self.segment.log.name())
        })?;
        let (partition, segment) = (self.partition, self.segment);
        let damaged = |error: Error, position: u64| {
            partition.name(error.at_file(segment.describe()).at_position(position))
        };
        match scanned {
            Scanned::Entry { position, entry } => {
                if entry.base_offset() < self.next_offset {
                    let message = format!(
                        "the batch starts at the offset {}, the one before ends at {}",
                        entry.base_offset(),
                        self.next_offset - 1
                    );
                    return Err(damaged(Error::new(ErrorKind::Corrupt, message), position));
                }
                self.next_offset = entry.last_offset() + 1;
                self.log_sum = crc32c_append(self.log_sum, &entry.bytes()[..SUMMED_BYTES]);
                self.untold_bytes += entry.bytes().len() as u64;
                if self.untold_bytes >= PACE_BYTES {
                    pace(std::mem::take(&mut self.untold_bytes))?;
                }
                let ends = position + entry.bytes().len() as u64 >= self.end;
                Ok(Some((entry, ends)))
            }
            Scanned::End => {
                let state = segment.state();
                if self.log_sum != state.log_sum || self.next_offset != state.next_offset {
                    let message = "the headers of the batches are not those that were written";
                    return Err(damaged(Error::new(ErrorKind::Corrupt, message), 0));
                }
                pace(std::mem::take(&mut self.untold_bytes))?;
                Ok(None)
            }
            Scanned::Bad { position, error } => Err(damaged(error.into_error(), position)),
        }
    }
}
