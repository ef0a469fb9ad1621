//! `ottla.control`: what Ottla remembers about a directory beside Kafka's own files. Pure.
//!
//! One checksummed file, replaced atomically: where the journal's replay begins, and for each
//! partition its log start, its recovery point, and length and sum of each segment's files.
//! docs/FORMAT.md, chapter "The control file", has the picture. All numbers are big-endian.
//!
//! The checksum covers everything behind it. Losing this file loses no record: without it a
//! directory is treated like one that a Kafka broker wrote.

use crate::format::FormatError;
use crate::format::checksum::crc32c;
use crate::format::file_sum::{FILE_SUM_BYTES_MIN, FileSum};
use crate::topic::TopicId;

const MAGIC: &[u8; 8] = b"OTTLACTL";
const VERSION: u32 = 3;
/// The oldest version that is still read: it knows of no compaction.
const VERSION_MIN: u32 = 1;
/// The first version that knows the sums of files that have none of their own.
const VERSION_OF_SUMS: u32 = 3;
const CRC_AT: usize = 12;
const BODY_AT: usize = 16;

const SEGMENT_BYTES: usize = 8 * 3 + 4 * 7 + 8 * 3 + 1;
/// Of the oldest version.
const PARTITION_BYTES_MIN: usize = 16 + 4 + 8 + 8 + 1 + 4;

/// The decoded file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ControlFile {
    /// Whether the directory was closed in full; the journal holds nothing then.
    pub closed: bool,
    /// Also in the clean shutdown marker: if they differ, another program wrote here since.
    pub nonce: u64,
    /// The greatest wall clock time seen, in milliseconds since 1970.
    pub wall_ms_max: i64,
    /// Where replay of the journal begins.
    pub journal: JournalPosition,
    /// One entry for each partition that ever held data.
    pub partitions: Vec<PartitionState>,
    /// In a closed directory, the files that have no sum of their own and stand in no segment.
    pub files: Vec<FileSum>,
}

/// A place in the journal between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct JournalPosition {
    /// The session's salt.
    pub salt: u64,
    /// The number of the journal file.
    pub file: u64,
    /// The byte position in that file.
    pub position: u64,
    /// The LSN of the next frame.
    pub lsn: u64,
    /// The payload checksum of the frame before.
    pub crc: u32,
}

/// What is remembered about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: i32,
    /// The first offset that readers may see.
    pub log_start_offset: i64,
    /// All below this offset is synced.
    pub recovery_point: i64,
    /// All below this offset went through compaction; 0 if nothing did. Only there offsets may
    /// have holes.
    pub cleaned_to: i64,
    /// Whether idempotent producers were known at the recovery point: then there is a producer
    /// snapshot of that offset.
    pub has_producers: bool,
    /// In ascending order, the last one active.
    pub segments: Vec<SegmentState>,
}

/// What is remembered about one segment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SegmentState {
    /// The offset in its name.
    pub base_offset: i64,
    /// The offset behind its last batch (of the active one: at the recovery point).
    pub next_offset: i64,
    /// The length of its `.log`.
    pub log_bytes: u64,
    /// CRC-32C over the first 21 bytes of every batch: what a batch's own checksum leaves out,
    /// and that checksum.
    pub log_sum: u32,
    /// Length and CRC-32C of its `.index`.
    pub index_bytes: u32,
    /// See `index_bytes`.
    pub index_sum: u32,
    /// Length and CRC-32C of its `.timeindex`.
    pub time_index_bytes: u32,
    /// See `time_index_bytes`.
    pub time_index_sum: u32,
    /// Length and CRC-32C of its `.txnindex`; 0 if there is none.
    pub txn_index_bytes: u32,
    /// See `txn_index_bytes`.
    pub txn_index_sum: u32,
    /// The greatest timestamp in it, -1 if none.
    pub max_timestamp: i64,
    /// The last offset of the first batch that carried it.
    pub max_timestamp_offset: i64,
    /// The greatest timestamp of its first batch, -1 if none.
    pub first_timestamp: i64,
    /// Whether it will never change again.
    pub sealed: bool,
}

impl ControlFile {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128 + self.partitions.len() * 160);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(u8::from(self.closed));
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(&self.wall_ms_max.to_be_bytes());
        self.journal.encode(&mut bytes);
        bytes.extend_from_slice(&count(self.partitions.len()));
        for partition in &self.partitions {
            partition.encode(&mut bytes);
        }
        bytes.extend_from_slice(&count(self.files.len()));
        for file in &self.files {
            file.encode(&mut bytes);
        }
        let crc = crc32c(&bytes[BODY_AT..]);
        bytes[CRC_AT..BODY_AT].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `Corrupt` if the checksum or a length is wrong, `Unsupported` for a later version.
    pub fn decode(bytes: &[u8]) -> Result<ControlFile, FormatError> {
        if bytes.len() < BODY_AT || &bytes[..8] != MAGIC {
            return Err(FormatError::corrupt("this is not a control file", 0));
        }
        let mut header = Fields { bytes, at: 8 };
        let version = header.u32()?;
        let crc = header.u32()?;
        if crc != crc32c(&bytes[BODY_AT..]) {
            return Err(FormatError::corrupt("the checksum of the control file is wrong", CRC_AT));
        }
        if !(VERSION_MIN..=VERSION).contains(&version) {
            let what = format!(
                "the control file has version {version}, this library knows {VERSION_MIN} to \
                 {VERSION}"
            );
            return Err(FormatError::unsupported(what, 8));
        }
        let mut fields = Fields { bytes, at: BODY_AT };
        let closed = fields.bool()?;
        let nonce = fields.u64()?;
        let wall_ms_max = fields.i64()?;
        let journal = JournalPosition::decode(&mut fields)?;
        let count = fields.count(PARTITION_BYTES_MIN)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(PartitionState::decode(&mut fields, version)?);
        }
        let mut files = Vec::new();
        if version >= VERSION_OF_SUMS {
            let count = fields.count(FILE_SUM_BYTES_MIN)?;
            files.reserve(count);
            for _ in 0..count {
                files.push(FileSum::decode(&mut fields)?);
            }
        }
        fields.end()?;
        Ok(ControlFile { closed, nonce, wall_ms_max, journal, partitions, files })
    }
}

impl JournalPosition {
    fn encode(&self, bytes: &mut Vec<u8>) {
        for field in [self.salt, self.file, self.position, self.lsn] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        bytes.extend_from_slice(&self.crc.to_be_bytes());
    }

    fn decode(fields: &mut Fields<'_>) -> Result<JournalPosition, FormatError> {
        Ok(JournalPosition {
            salt: fields.u64()?,
            file: fields.u64()?,
            position: fields.u64()?,
            lsn: fields.u64()?,
            crc: fields.u32()?,
        })
    }
}

impl PartitionState {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.topic_id.0);
        bytes.extend_from_slice(&self.partition.to_be_bytes());
        bytes.extend_from_slice(&self.log_start_offset.to_be_bytes());
        bytes.extend_from_slice(&self.recovery_point.to_be_bytes());
        bytes.extend_from_slice(&self.cleaned_to.to_be_bytes());
        bytes.push(u8::from(self.has_producers));
        bytes.extend_from_slice(&count(self.segments.len()));
        for segment in &self.segments {
            segment.encode(bytes);
        }
    }

    fn decode(fields: &mut Fields<'_>, version: u32) -> Result<PartitionState, FormatError> {
        let topic_id = TopicId(fields.take::<16>()?);
        let partition = fields.u32()?.cast_signed();
        let log_start_offset = fields.offset()?;
        let recovery_point = fields.offset()?;
        let cleaned_to = if version == VERSION_MIN { 0 } else { fields.offset()? };
        let has_producers = fields.bool()?;
        let count = fields.count(SEGMENT_BYTES)?;
        let mut segments: Vec<SegmentState> = Vec::with_capacity(count);
        for _ in 0..count {
            let segment = SegmentState::decode(fields)?;
            if segments.last().is_some_and(|last| last.next_offset > segment.base_offset) {
                return Err(FormatError::corrupt("the segments of a partition overlap", fields.at));
            }
            segments.push(segment);
        }
        Ok(PartitionState {
            topic_id,
            partition,
            log_start_offset,
            recovery_point,
            cleaned_to,
            has_producers,
            segments,
        })
    }
}

impl SegmentState {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.base_offset.to_be_bytes());
        bytes.extend_from_slice(&self.next_offset.to_be_bytes());
        bytes.extend_from_slice(&self.log_bytes.to_be_bytes());
        for field in [
            self.log_sum,
            self.index_bytes,
            self.index_sum,
            self.time_index_bytes,
            self.time_index_sum,
            self.txn_index_bytes,
            self.txn_index_sum,
        ] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        for field in [self.max_timestamp, self.max_timestamp_offset, self.first_timestamp] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        bytes.push(u8::from(self.sealed));
    }

    fn decode(fields: &mut Fields<'_>) -> Result<SegmentState, FormatError> {
        let segment = SegmentState {
            base_offset: fields.offset()?,
            next_offset: fields.offset()?,
            log_bytes: fields.u64()?,
            log_sum: fields.u32()?,
            index_bytes: fields.u32()?,
            index_sum: fields.u32()?,
            time_index_bytes: fields.u32()?,
            time_index_sum: fields.u32()?,
            txn_index_bytes: fields.u32()?,
            txn_index_sum: fields.u32()?,
            max_timestamp: fields.i64()?,
            max_timestamp_offset: fields.i64()?,
            first_timestamp: fields.i64()?,
            sealed: fields.bool()?,
        };
        if segment.next_offset < segment.base_offset || segment.log_bytes > i32::MAX as u64 {
            return Err(FormatError::corrupt(
                "a segment's offsets or length make no sense",
                fields.at,
            ));
        }
        Ok(segment)
    }
}

fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("fewer than 2^32 partitions and segments").to_be_bytes()
}

/// A bounded walk over fixed-width fields.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    pub(super) fn corrupt(&self, what: &'static str) -> FormatError {
        FormatError::corrupt(what, self.at)
    }

    pub(super) fn text(&mut self, length: usize) -> Result<String, FormatError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        let bytes = bytes.ok_or_else(|| self.corrupt("the control file is cut short"))?;
        let text = str::from_utf8(bytes).map_err(|_| self.corrupt("a path is not UTF-8"))?;
        self.at += length;
        Ok(text.to_owned())
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let field = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .ok_or_else(|| FormatError::corrupt("the control file is cut short", self.at))?;
        self.at += N;
        Ok(*field)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.take().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, FormatError> {
        self.take().map(i64::from_be_bytes)
    }

    fn offset(&mut self) -> Result<i64, FormatError> {
        let offset = self.i64()?;
        if offset < 0 {
            return Err(FormatError::corrupt("an offset is negative", self.at - 8));
        }
        Ok(offset)
    }

    fn bool(&mut self) -> Result<bool, FormatError> {
        match self.take::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(FormatError::corrupt("a flag is neither 0 nor 1", self.at - 1)),
        }
    }

    /// A count of things of at least `bytes_each`, bounded by what is left of the file.
    fn count(&mut self, bytes_each: usize) -> Result<usize, FormatError> {
        let count = self.u32()? as usize;
        if count > (self.bytes.len() - self.at) / bytes_each {
            return Err(FormatError::corrupt("a count exceeds the control file", self.at - 4));
        }
        Ok(count)
    }

    fn end(&self) -> Result<(), FormatError> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(FormatError::corrupt("bytes are left over at the end of the control file", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ControlFile {
        let segment = SegmentState {
            base_offset: 10,
            next_offset: 20,
            log_bytes: 1000,
            log_sum: 1,
            index_bytes: 8,
            index_sum: 2,
            time_index_bytes: 12,
            time_index_sum: 3,
            txn_index_bytes: 34,
            txn_index_sum: 4,
            max_timestamp: 1_700_000_000_000,
            max_timestamp_offset: 19,
            first_timestamp: -1,
            sealed: true,
        };
        let active = SegmentState { base_offset: 20, next_offset: 25, ..SegmentState::default() };
        ControlFile {
            closed: true,
            nonce: 77,
            wall_ms_max: 88,
            journal: JournalPosition { salt: 1, file: 2, position: 512, lsn: 4, crc: 5 },
            partitions: vec![PartitionState {
                topic_id: TopicId(*b"0123456789abcdef"),
                partition: 3,
                log_start_offset: 12,
                recovery_point: 25,
                cleaned_to: 20,
                has_producers: true,
                segments: vec![segment, active],
            }],
            files: vec![FileSum { path: "orders-0/quorum-state".into(), length: 9, sum: 6 }],
        }
    }

    #[test]
    fn the_control_file_reads_back() {
        let control = sample();
        assert_eq!(ControlFile::decode(&control.encode()).unwrap(), control);
        let empty = ControlFile::default();
        assert_eq!(ControlFile::decode(&empty.encode()).unwrap(), empty);
    }

    #[test]
    fn a_file_of_the_first_version_is_still_read() {
        let mut control = sample();
        control.files.clear();
        let mut bytes = control.encode();
        bytes.truncate(bytes.len() - 4);
        let cleaned_to = 73 + 16 + 4 + 8 + 8;
        bytes.drain(cleaned_to..cleaned_to + 8);
        bytes[8..12].copy_from_slice(&1u32.to_be_bytes());
        let crc = crc32c(&bytes[BODY_AT..]);
        bytes[CRC_AT..BODY_AT].copy_from_slice(&crc.to_be_bytes());
        control.partitions[0].cleaned_to = 0;
        assert_eq!(ControlFile::decode(&bytes).unwrap(), control);
        for version in [0, VERSION + 1] {
            bytes[8..12].copy_from_slice(&version.to_be_bytes());
            let error = ControlFile::decode(&bytes).unwrap_err().to_string();
            assert!(error.contains("version"), "{error}");
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unnoticed() {
        let bytes = sample().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ControlFile::decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(ControlFile::decode(&bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn hostile_counts_with_a_right_checksum_are_errors() {
        let mut control = sample();
        control.partitions[0].segments[0].next_offset = 21;
        assert!(ControlFile::decode(&control.encode()).is_err(), "overlapping segments");
        let bytes = ControlFile::default().encode();
        let end = bytes.len();
        for count_at in [end - 8, end - 4] {
            let mut hostile = bytes.clone();
            hostile[count_at..count_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
            let crc = crc32c(&hostile[BODY_AT..]);
            hostile[CRC_AT..BODY_AT].copy_from_slice(&crc.to_be_bytes());
            assert!(ControlFile::decode(&hostile).unwrap_err().to_string().contains("count"));
        }
        for path in ["", &"x".repeat(600)] {
            let files = vec![FileSum { path: path.to_owned(), length: 0, sum: 0 }];
            let hostile = ControlFile { files, ..ControlFile::default() }.encode();
            assert!(ControlFile::decode(&hostile).is_err(), "{path:?}");
        }
    }
}
