//! What compaction leaves of one entry: Kafka's filter, byte for byte.
//!
//! | what is wanted | what is written |
//! |---|---|
//! | every record stays, no horizon is to be set | nothing: the entry itself does |
//! | some stay, or a horizon is to be set | a batch at the same offsets, of the same producer, with the same codec |
//! | none stays, but the batch is to keep its place | the header alone, 61 bytes |
//! | none stays | nothing |
//!
//! A tombstone must be seen by readers who saw the value before it. So the first time that one is
//! met its batch gets a delete horizon in place of its base timestamp, and it goes only when that
//! is over. Messages of magic 0 and 1 that are rewritten become batches of magic 2; so do those in
//! which all stays, because they have no place for a horizon.
//!
//! Which records stay is the caller's to say. The invariant: the last offset of a batch never
//! changes, and of what stays no key, value, header or timestamp does.

use std::ops::Range;

use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::{DecodeLimits, compress};
use crate::batch::entry::Entry;
use crate::batch::records::{RecordView, Records};
use crate::config::compression::Compression;
use crate::error::{ErrorKind, Result};
use crate::format::FormatError;
use crate::format::batch_header::{
    BATCH_HEADER_LEN, BatchHeader, LOG_APPEND_TIME_BIT, LOG_OVERHEAD, MAGIC_V2, NO_LEADER_EPOCH,
    NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, seal,
};
use crate::format::record::HeaderList;

/// Whether a record stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays, whatever it is.
    Stays,
    /// It is the newest of its key: it stays, unless it is a tombstone whose time is over.
    IsNewest,
    /// It is superseded, or of no use.
    Goes,
}

/// Says which records stay. It sees all of a batch before it is asked: where its answers lie far
/// apart in memory, it can fetch many of them at a time.
pub(crate) trait Judge {
    /// The next record of the batch.
    fn see(&mut self, record: &RecordView<'_>);

    /// The verdict on a record, by its number. Asked in order, once for each.
    fn judge(&mut self, index: usize) -> Verdict;
}

/// What is to become of an entry, beside the verdicts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) now_ms: i64,
    /// How long a tombstone or a marker stays after it was first met.
    pub(crate) delete_retention_ms: i64,
    /// A batch of which no record stays is kept as an empty one.
    pub(crate) keep_empty: bool,
    /// No record stays; nobody is asked.
    pub(crate) discard: bool,
    /// The entry is a marker that ends nothing any more: its time begins.
    pub(crate) is_idle_marker: bool,
}

/// What is left of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retained {
    /// All of it, as it is.
    Untouched,
    /// What was appended to the output: a batch with records.
    Rewritten,
    /// What was appended to the output: a header.
    Emptied,
    /// Nothing.
    Dropped,
}

/// How many records there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordCounts {
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// Tombstones that went because their time was over.
    pub(crate) tombstones_removed: u64,
}

/// Filters entries one after the other; a warm one allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Retainer {
    builder: BatchBuilder,
    scratch: Vec<u8>,
    plain: Vec<u8>,
    /// Where the records that stay lie in the payload; neighbours are one run.
    runs: Vec<Range<usize>>,
    seen: Vec<Seen>,
    /// Which of the records stay.
    stays: Vec<bool>,
    pub(crate) counts: RecordCounts,
}

/// What counts about one record.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Where it ends in the payload.
    end: usize,
    offset: i64,
    timestamp: i64,
    is_tombstone: bool,
}

/// What the first walk over the records found out.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    count: i32,
    all: bool,
    has_tombstone: bool,
    first_offset: i64,
    first_timestamp: i64,
    max_timestamp: i64,
}

impl Retainer {
    /// Appends what is left of `entry` to `out`, unless that is the entry itself or nothing.
    ///
    /// # Errors
    /// Corrupt if a record cannot be read; unsupported for a codec that this build lacks; limit for
    /// one that decompresses to more than any reader takes. `out` is as it was then.
    pub(crate) fn retain(
        &mut self,
        entry: &Entry<'_>,
        retention: &Retention,
        out: &mut Vec<u8>,
        judge: &mut impl Judge,
    ) -> Result<Retained> {
        if retention.discard {
            let count = entry.record_count().unwrap_or(0) as u64;
            self.counts = RecordCounts { before: count, ..RecordCounts::default() };
            return Ok(empty(entry, retention, out));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let records = entry.records(&DecodeLimits::default(), &mut scratch);
        let retained = match records {
            Ok(records) => self.retain_records(entry, records, retention, out, judge),
            Err(error) => Err(error.into_error()),
        };
        self.scratch = scratch;
        retained
    }

    fn retain_records(
        &mut self,
        entry: &Entry<'_>,
        records: Records<'_>,
        retention: &Retention,
        out: &mut Vec<u8>,
        judge: &mut impl Judge,
    ) -> Result<Retained> {
        let horizon = entry.header().and_then(BatchHeader::delete_horizon_ms);
        let is_over = horizon.is_some_and(|horizon| horizon <= retention.now_ms);
        let kept = self.walk(records.clone(), is_over, judge).map_err(FormatError::into_error)?;
        if kept.count == 0 {
            return Ok(empty(entry, retention, out));
        }
        let sets_horizon = (kept.has_tombstone || retention.is_idle_marker) && horizon.is_none();
        if kept.all && !sets_horizon && entry.magic() == MAGIC_V2 {
            return Ok(Retained::Untouched);
        }
        let horizon = if sets_horizon {
            Some(retention.now_ms.saturating_add(retention.delete_retention_ms))
        } else {
            horizon
        };
        let Some(header) = entry.header() else {
            let header = header_for_legacy(entry, kept.first_offset)?;
            self.rebuild(&header, None, horizon, records, out)?;
            return Ok(Retained::Rewritten);
        };
        let keeps_base = horizon.is_some() || kept.first_timestamp == header.base_timestamp;
        if keeps_base && !sets_horizon && header.timestamp_type() == TimestampType::CreateTime {
            self.copy_runs(header, &kept, records.payload(), out)?;
            return Ok(Retained::Rewritten);
        }
        let last_delta = Some(header.last_offset_delta);
        match self.rebuild(header, last_delta, horizon, records.clone(), out) {
            // Timestamps that count from elsewhere take more bytes: too many for what readers
            // allow. Then they count from where they did, and tombstones wait for another round.
            Err(error) if error.kind() == ErrorKind::Limit => {
                if kept.all {
                    return Ok(Retained::Untouched);
                }
                self.copy_runs(header, &kept, records.payload(), out)?;
            }
            rebuilt => rebuilt?,
        }
        Ok(Retained::Rewritten)
    }

    /// Asks about each record, and notes which stay and where they lie.
    fn walk(
        &mut self,
        mut records: Records<'_>,
        is_over: bool,
        judge: &mut impl Judge,
    ) -> std::result::Result<Kept, FormatError> {
        self.runs.clear();
        self.seen.clear();
        self.stays.clear();
        self.counts = RecordCounts::default();
        while let Some(record) = records.next() {
            let record = record?;
            judge.see(&record);
            self.seen.push(Seen {
                end: records.position(),
                offset: record.offset,
                timestamp: record.timestamp,
                is_tombstone: record.value.is_none(),
            });
        }
        let mut kept = Kept { all: true, max_timestamp: NO_TIMESTAMP, ..Kept::default() };
        let mut start = 0;
        for (index, record) in self.seen.iter().enumerate() {
            let stays = match judge.judge(index) {
                Verdict::Stays => true,
                Verdict::Goes => false,
                Verdict::IsNewest if record.is_tombstone && is_over => {
                    self.counts.tombstones_removed += 1;
                    false
                }
                Verdict::IsNewest => true,
            };
            self.stays.push(stays);
            if stays {
                if kept.count == 0 {
                    kept.first_offset = record.offset;
                    kept.first_timestamp = record.timestamp;
                }
                kept.count = kept.count.saturating_add(1);
                kept.has_tombstone |= record.is_tombstone;
                kept.max_timestamp = kept.max_timestamp.max(record.timestamp);
                match self.runs.last_mut() {
                    Some(run) if run.end == start => run.end = record.end,
                    _ => self.runs.push(start..record.end),
                }
            }
            kept.all &= stays;
            start = record.end;
        }
        self.counts.before = self.seen.len() as u64;
        self.counts.after = u64::from(kept.count.unsigned_abs());
        Ok(kept)
    }

    /// The records that stay, encoded as they were: all that they count from is as before.
    fn copy_runs(
        &mut self,
        header: &BatchHeader,
        kept: &Kept,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let start = out.len();
        let runs = self.runs.iter().filter_map(|run| payload.get(run.clone()));
        out.resize(start + BATCH_HEADER_LEN, 0);
        let compression = header.compression().map_err(FormatError::into_error)?;
        if compression == Compression::None {
            runs.for_each(|run| out.extend_from_slice(run));
        } else {
            self.plain.clear();
            runs.for_each(|run| self.plain.extend_from_slice(run));
            if let Err(error) = compress(compression, None, &self.plain, out) {
                out.truncate(start);
                return Err(error);
            }
        }
        let batch = &mut out[start..];
        let max_timestamp = match header.timestamp_type() {
            TimestampType::CreateTime => kept.max_timestamp,
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        let header = BatchHeader {
            // No longer than the batch was, or at most by what a codec adds to noise.
            batch_length: i32::try_from(batch.len() - LOG_OVERHEAD).unwrap_or(i32::MAX),
            max_timestamp,
            record_count: kept.count,
            ..*header
        };
        if let Some(room) = batch.first_chunk_mut::<BATCH_HEADER_LEN>() {
            header.encode(room);
        }
        seal(batch);
        Ok(())
    }

    /// The records that stay, encoded anew.
    fn rebuild(
        &mut self,
        header: &BatchHeader,
        last_offset_delta: Option<i32>,
        delete_horizon_ms: Option<i64>,
        records: Records<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.builder.start(&BatchOptions {
            compression: header.compression().map_err(FormatError::into_error)?,
            timestamp_type: header.timestamp_type(),
            now_ms: header.max_timestamp,
            producer: Some(BatchProducer {
                id: header.producer_id,
                epoch: header.producer_epoch,
                base_sequence: header.base_sequence,
            }),
            transactional: header.is_transactional(),
            control: header.is_control(),
            base_offset: header.base_offset,
            leader_epoch: header.partition_leader_epoch,
            last_offset_delta,
            delete_horizon_ms,
            ..BatchOptions::default()
        });
        for (record, stays) in records.zip(&self.stays) {
            let record = record.map_err(FormatError::into_error)?;
            if !stays {
                continue;
            }
            // Both lie within one batch.
            let delta = i32::try_from(record.offset - header.base_offset).map_err(|_| {
                FormatError::corrupt("the offsets of a message lie too far apart", 0).into_error()
            })?;
            let headers = HeaderList::Decoded(record.headers);
            self.builder.push_at(delta, record.timestamp, record.key, record.value, headers)?;
        }
        out.extend_from_slice(self.builder.finish()?);
        Ok(())
    }
}

/// What is left of an entry of which no record stays.
fn empty(entry: &Entry<'_>, retention: &Retention, out: &mut Vec<u8>) -> Retained {
    if !retention.keep_empty {
        return Retained::Dropped;
    }
    let emptied = match entry.header() {
        Some(header) => header.encode_emptied(),
        None => legacy_header(entry, entry.last_offset(), Compression::None).encode_emptied(),
    };
    if entry.bytes() == emptied {
        return Retained::Untouched;
    }
    out.extend_from_slice(&emptied);
    Retained::Emptied
}

/// The header of a batch that takes the place of a message of magic 0 or 1.
fn header_for_legacy(entry: &Entry<'_>, base_offset: i64) -> Result<BatchHeader> {
    let compression = entry.compression().map_err(FormatError::into_error)?;
    Ok(legacy_header(entry, base_offset, compression))
}

fn legacy_header(entry: &Entry<'_>, base_offset: i64, compression: Compression) -> BatchHeader {
    let append_time = match entry.timestamp_type() {
        TimestampType::CreateTime => 0,
        TimestampType::LogAppendTime => LOG_APPEND_TIME_BIT,
    };
    BatchHeader {
        base_offset,
        batch_length: 0,
        partition_leader_epoch: NO_LEADER_EPOCH,
        magic: MAGIC_V2,
        crc: 0,
        attributes: i16::from(compression.id()) | append_time,
        last_offset_delta: 0,
        base_timestamp: NO_TIMESTAMP,
        max_timestamp: entry.max_timestamp(),
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        record_count: 0,
    }
}
