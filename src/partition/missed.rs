//! Reading what was appended between two ends, for whoever expected the first and met the second.
//!
//! Bounded in records and bytes. The invariant: what is returned is a piece without a gap from the
//! first offset on, and is called complete only if it reaches the second.

use std::sync::Arc;

use super::Partition;
use super::keys::cursor::Direction;
use super::keys::records::KeyRecords;
use super::read::{ReadPosition, ReadRequest};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::batch::records::RecordView;
use crate::error::conflict::{MISSED_BYTES_MAX, MISSED_RECORDS_MAX, MissedRecord};
use crate::error::{Error, Result};
use crate::format::FormatError;
use crate::format::batch_header::TimestampType;
use crate::format::index_entries::AbortedTxn;

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// Records that somebody missed.
#[derive(Debug, Default)]
pub(super) struct Missed {
    pub(super) records: Vec<MissedRecord>,
    pub(super) is_complete: bool,
    bytes: usize,
}

impl Partition {
    /// The records from `from` up to `end`, as many as a conflict carries. Markers and what was
    /// aborted are left out.
    pub(super) fn missed(&self, from: i64, end: i64) -> Result<Missed> {
        let mut missed = Missed::default();
        if from >= end {
            missed.is_complete = true;
            return Ok(missed);
        }
        let start = from.max(self.log_start_offset());
        let aborted = self.aborted_transactions(start, end)?;
        let (mut buffer, mut scratch) = (Vec::new(), Vec::new());
        let mut position = ReadPosition::default();
        let mut next = start;
        while next < end {
            let request = ReadRequest { from: next, end, bytes_max: READ_BYTES, check: true };
            let read = self.read(&request, &mut position, &mut buffer)?;
            if read.bytes == 0 {
                break;
            }
            let mut bytes = &buffer[read.start..read.start + read.bytes];
            while !bytes.is_empty() {
                let entry = Entry::decode_first(bytes).map_err(|error| self.named(error))?;
                bytes = bytes.get(entry.bytes().len()..).unwrap_or_default();
                if is_hidden(&entry, &aborted) {
                    continue;
                }
                let records = entry.records(&DecodeLimits::default(), &mut scratch);
                let mut records = records.map_err(|error| self.named(error))?;
                if !missed.take(&mut records, start, end).map_err(|error| self.named(error))? {
                    return Ok(missed);
                }
            }
            next = read.next_offset;
        }
        missed.is_complete = start == from && next >= end;
        Ok(missed)
    }

    /// The records of a key from `from` up to `end`, as many as a conflict carries.
    pub(super) fn missed_of_key(&self, key: &[u8], from: i64, end: i64) -> Result<Missed> {
        let mut missed = Missed::default();
        let mut records = KeyRecords::new(self, &Arc::from(key), Direction::Forwards, from, end);
        let mut is_full = false;
        while !is_full
            && records.next_batch(self, &mut |record| {
                is_full = is_full || !missed.push(record);
            })?
        {}
        missed.is_complete = !is_full && (from == 0 || from >= self.log_start_offset());
        Ok(missed)
    }

    fn named(&self, error: FormatError) -> Error {
        self.name(error.into_error())
    }
}

impl Missed {
    /// Takes the records that lie in the range; `false` if one is too much.
    fn take<'a>(
        &mut self,
        records: &mut dyn Iterator<Item = Result<RecordView<'a>, FormatError>>,
        from: i64,
        end: i64,
    ) -> Result<bool, FormatError> {
        for record in records {
            let record = record?;
            if !(from..end).contains(&record.offset) {
                continue;
            }
            if !self.push(&record) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a record; `false` if it is too much.
    fn push(&mut self, record: &RecordView<'_>) -> bool {
        let record = owned(record);
        self.bytes += record.size_bytes();
        if self.records.len() >= MISSED_RECORDS_MAX || self.bytes > MISSED_BYTES_MAX {
            return false;
        }
        self.records.push(record);
        true
    }
}

fn owned(record: &RecordView<'_>) -> MissedRecord {
    let headers = record.headers.clone();
    MissedRecord {
        offset: record.offset,
        timestamp_ms: record.timestamp,
        is_append_time: record.timestamp_type == TimestampType::LogAppendTime,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

/// Whether no reader of decided transactions sees the records of a batch.
fn is_hidden(entry: &Entry<'_>, aborted: &[AbortedTxn]) -> bool {
    if entry.is_control() {
        return true;
    }
    let Some(producer) = entry.producer().filter(|_| entry.is_transactional()) else {
        return false;
    };
    aborted.iter().any(|transaction| {
        transaction.producer_id == producer.id
            && (transaction.first_offset..=transaction.last_offset).contains(&entry.base_offset())
    })
}
