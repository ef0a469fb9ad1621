//! One partition as a table reads it: where it stands, and whether what it has taken in still
//! counts.
//!
//! Two things make a table start over: the log was cut behind its position, or compaction passed
//! its position, and may have taken a tombstone away before the table saw it.

use std::ops::Range;
use std::sync::Arc;

use super::values::Values;
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::consumer::isolation::AbortedFilter;
use crate::env::planted::planted;
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;
use crate::partition::Partition;
use crate::partition::read::{ReadPosition, ReadRequest};

/// How much is read from the log at a time.
const FETCH_BYTES: usize = 1 << 20;

/// A partition that a table is made of.
pub(super) struct TableSource {
    pub(super) partition: Arc<Partition>,
    /// The offset of the next record.
    pub(super) position: i64,
    /// Where it began.
    start: i64,
    read_position: ReadPosition,
    /// The partition's generation that the position is of.
    generation: u32,
    /// How far compaction had come when this began to read, or was overtaken by it.
    compacted_to: i64,
}

/// What was read.
pub(super) enum Step {
    /// So many records were taken in.
    Read(u64),
    /// What was taken in before does not count any more.
    StartOver,
}

/// What reading needs again and again.
#[derive(Default)]
pub(super) struct Buffers {
    bytes: Vec<u8>,
    plain: Vec<u8>,
    hashes: Vec<u64>,
}

impl TableSource {
    pub(super) fn new(partition: &Arc<Partition>) -> TableSource {
        // In this order: what happens in between makes it start over for nothing, at worst, and a
        // cut takes `compacted_to` back, which is heard of by the generation.
        let (generation, compacted_to) = (partition.generation(), partition.compacted_to());
        let start = partition.log_start_offset();
        TableSource {
            compacted_to,
            generation,
            partition: Arc::clone(partition),
            position: start,
            start,
            read_position: ReadPosition::default(),
        }
    }

    /// What may be read, if `end` is the end of what is published.
    pub(super) fn readable_end(&self, end: i64) -> Result<i64> {
        Ok(end.min(self.partition.last_stable_offset()?))
    }

    /// Whether there is something to do.
    pub(super) fn has_news(&self) -> bool {
        let end = self.readable_end(self.partition.end_offset());
        self.partition.is_deleted()
            || self.generation != self.partition.generation()
            || end.map_or(true, |end| self.position < end)
    }

    /// Reads a piece on the way to `end`.
    ///
    /// # Errors
    /// The topic was deleted; what reading says.
    pub(super) fn step(
        &mut self,
        end: i64,
        values: &mut Values,
        buffers: &mut Buffers,
    ) -> Result<Step> {
        if self.partition.is_deleted() {
            let message = "the topic was deleted";
            let error = Error::new(ErrorKind::UnknownTopicOrPartition, message);
            return Err(error.at_partition(self.topic(), self.partition.id().partition()));
        }
        let generation = self.partition.generation();
        if generation != self.generation {
            if let Some(cut) = self.partition.cut_since(self.generation) {
                if cut < self.position && !planted!("table_behind_a_cut") {
                    return Ok(Step::StartOver);
                }
                self.compacted_to = self.compacted_to.min(cut);
            }
            self.generation = generation;
        }
        let from = self.position.max(self.partition.log_start_offset());
        let end = end.min(self.readable_end(end)?);
        if from >= end {
            self.position = from;
            return Ok(Step::Read(0));
        }
        let request = ReadRequest { from, end, bytes_max: FETCH_BYTES, check: true };
        let read = self.partition.read(&request, &mut self.read_position, &mut buffers.bytes);
        let outcome = match read {
            // The log's start moved on meanwhile, or its end went back: look again.
            Err(error) if error.kind() == ErrorKind::OffsetOutOfRange => return Ok(Step::Read(0)),
            read => read?,
        };
        // Asked after reading: whoever reads what compaction left is told that it was there.
        let compacted_to = self.partition.compacted_to();
        if compacted_to > self.compacted_to {
            let is_overtaken = from < compacted_to && self.position > self.start;
            if is_overtaken && !planted!("table_ahead_of_compaction") {
                return Ok(Step::StartOver);
            }
            self.compacted_to = compacted_to;
        }
        let next_offset = outcome.next_offset.max(from);
        let aborted = self.partition.aborted_transactions(from, next_offset)?;
        let mut aborted = AbortedFilter::new(&aborted);
        let Buffers { bytes, plain, hashes } = buffers;
        let mut rest = bytes.get(outcome.start..).and_then(|bytes| bytes.get(..outcome.bytes));
        let mut count = 0;
        while let Some(bytes) = rest.filter(|bytes| !bytes.is_empty()) {
            let entry = Entry::decode_first(bytes).map_err(|error| self.named(error))?;
            rest = bytes.get(entry.bytes().len()..);
            let is_hidden = aborted.hides(&entry).map_err(|error| self.named(error))?;
            if !is_hidden && !entry.is_control() {
                count += take_in(&entry, from..end, values, plain, hashes).map_err(|error| {
                    error.at_partition(self.topic(), self.partition.id().partition())
                })?;
            }
        }
        self.position = if outcome.bytes == 0 { end } else { next_offset };
        Ok(Step::Read(count))
    }

    fn topic(&self) -> &str {
        self.partition.id().topic().as_str()
    }

    fn named(&self, error: FormatError) -> Error {
        error.into_error().at_partition(self.topic(), self.partition.id().partition())
    }
}

/// So many keys are looked for at a time.
const AT_A_TIME: usize = 64;

/// Takes the records of a batch into the table; returns how many they were.
fn take_in(
    entry: &Entry<'_>,
    wanted: Range<i64>,
    values: &mut Values,
    plain: &mut Vec<u8>,
    hashes: &mut Vec<u64>,
) -> Result<u64> {
    let records = entry.records(&DecodeLimits::default(), plain)?;
    // Decoding twice costs less than waiting for memory with every record.
    hashes.clear();
    for record in records.clone() {
        hashes.push(record?.key.map_or(0, |key| values.hash(key)));
    }
    let mut count = 0;
    for (index, record) in records.enumerate() {
        let record = record?;
        if index.is_multiple_of(AT_A_TIME) {
            let end = hashes.len().min(index + AT_A_TIME);
            values.warm(hashes.get(index..end).unwrap_or_default());
        }
        if !wanted.contains(&record.offset) {
            continue;
        }
        count += 1;
        let (Some(key), Some(&hash)) = (record.key, hashes.get(index)) else { continue };
        match record.value {
            Some(value) => values.put(hash, key, value)?,
            None => values.remove(hash, key),
        }
    }
    Ok(count)
}
