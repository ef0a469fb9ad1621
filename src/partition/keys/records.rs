//! The contents of a key's records in order, a batch at a time.
//!
//! What the index of a sealed segment says is compared with what lies there. If it is not true, the
//! index is made anew, once for a segment, and the walk goes on where it was.

use std::sync::Arc;

use super::super::Partition;
use super::cursor::{Direction, KeyCursor, Place};
use super::read::{KeyReader, not_there};
use crate::batch::records::RecordView;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::key_index::SegmentKeys;

/// A walk over the records of a key in a range of offsets.
#[derive(Debug)]
pub(crate) struct KeyRecords {
    reader: KeyReader,
    cursor: KeyCursor,
    direction: Direction,
    /// What is left; the end as of when the walk began.
    from: i64,
    end: i64,
    /// The cuts of the log when it began.
    generation: u32,
    /// The segment whose index was made anew.
    repaired: Option<u64>,
}

impl KeyRecords {
    pub(crate) fn new(
        partition: &Partition,
        key: &Arc<[u8]>,
        direction: Direction,
        from: i64,
        end: i64,
    ) -> KeyRecords {
        let generation = partition.generation();
        let cursor = KeyCursor::new(partition, key, direction, from, end);
        // A batch may hold records on both sides of the log start, and of the end.
        let (from, end) = cursor.range();
        KeyRecords {
            reader: KeyReader::new(Arc::clone(key)),
            cursor,
            direction,
            from,
            end,
            generation,
            repaired: None,
        }
    }

    /// Hands the key's records of the next batch to `visit`, in the order of their offsets within
    /// the batch whatever the direction; `false` at the end. After an error it is not to be called
    /// again.
    ///
    /// # Errors
    /// Corrupt where the log is damaged; out of range if it was cut off meanwhile; those of the disk.
    pub(crate) fn next_batch(
        &mut self,
        partition: &Partition,
        visit: &mut dyn FnMut(&RecordView<'_>),
    ) -> Result<bool> {
        partition.shared.check_held()?;
        let next = self.next_or_cut(partition, visit);
        next.map_err(|error| match partition.cut_since(self.generation) {
            Some(end) if error.kind() == ErrorKind::Corrupt => {
                let message = format!("the log was cut off at {end} while a stream was read");
                partition.name(Error::new(ErrorKind::OffsetOutOfRange, message))
            }
            _ => error,
        })
    }

    fn next_or_cut(
        &mut self,
        partition: &Partition,
        visit: &mut dyn FnMut(&RecordView<'_>),
    ) -> Result<bool> {
        loop {
            let Some(place) = self.cursor.next(partition)? else { return Ok(false) };
            // The batch of the record before had this one as well.
            if !(self.from..self.end).contains(&place.offset) {
                continue;
            }
            match self.read(&place, visit) {
                Ok(()) => return Ok(true),
                Err(error) => self.repair(partition, &place, error)?,
            }
        }
    }

    /// Reads the key's records of a batch, as far as they are left; nothing is handed out if the
    /// named one is not there.
    fn read(&mut self, place: &Place, visit: &mut dyn FnMut(&RecordView<'_>)) -> Result<()> {
        let missing = || not_there(&place.segment, place.position, place.offset);
        let batch = self.reader.batch(&place.segment, place.position)?;
        match self.direction {
            Direction::Forwards => {
                let mut last = None;
                let is_there = batch.visit_from(place.offset, &mut |record| {
                    if record.offset < self.end {
                        last = Some(record.offset);
                        visit(record);
                    }
                })?;
                if !is_there {
                    return Err(missing());
                }
                self.from = last.unwrap_or(place.offset).saturating_add(1);
            }
            Direction::Backwards => {
                if !batch.has(place.offset)? {
                    return Err(missing());
                }
                let (mut first, end) = (place.offset, place.offset.saturating_add(1));
                batch.visit(&mut |record| {
                    if (self.from..end).contains(&record.offset) {
                        first = first.min(record.offset);
                        visit(record);
                    }
                })?;
                self.end = first;
            }
        }
        Ok(())
    }

    /// What a segment's index said is not true, or the log is damaged: makes the index anew and
    /// begins again at the place, unless that was done before.
    #[cold]
    fn repair(&mut self, partition: &Partition, place: &Place, error: Error) -> Result<()> {
        let keys = partition.keys_of(&place.segment)?;
        let is_sealed = matches!(*keys, SegmentKeys::Sealed(_));
        let again = self.repaired == Some(place.segment.serial);
        if error.kind() != ErrorKind::Corrupt || !is_sealed || again {
            return Err(partition.name(error));
        }
        partition.repair_keys(&place.segment)?;
        self.repaired = Some(place.segment.serial);
        self.cursor.begin_again(self.from, self.end);
        Ok(())
    }
}
