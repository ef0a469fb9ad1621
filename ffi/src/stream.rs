//! Streams: the records of one key, and appending on the condition that none was overlooked.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use ottla::{ExpectedVersion, OwnedRecord, Stream};

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::pointer::{bytes, place, text};
use crate::records::{RecordsHandle, ottla_records};
use crate::status::ottla_status;

/// Expects nothing: the version of a stream may be any.
pub const OTTLA_VERSION_ANY: i64 = -2;

/// The version of a stream that has no record, or has none left.
pub const OTTLA_VERSION_NO_STREAM: i64 = -1;

/// A read stops at about as many bytes, so that a piece is never much larger.
const PIECE_BYTES: usize = 1 << 20;

/// The records of one key, in the order in which they were appended. Its topic needs
/// ottla.key.index=true.
///
/// Its version is the offset of its newest record. Whoever has read a stream up to some version, and
/// appends expecting that version, has overlooked nothing.
///
/// Ownership: the program's, until ottla_stream_free.
/// Threads: any number at the same time.
pub struct ottla_stream {
    _opaque: [u8; 0],
}

pub(crate) struct StreamHandle {
    pub(crate) stream: Stream,
}

impl Handle for StreamHandle {
    const KIND: u8 = 39;
    const NAME: &'static str = "a stream";

    fn describe(&self) -> String {
        format!("a stream of {}", self.stream.partition())
    }
}

impl StreamHandle {
    pub(crate) fn of(stream: *const ottla_stream) -> Result<Arc<StreamHandle>, Failure> {
        handle::get(stream)
    }
}

/// What a version stands for.
pub(crate) fn expected_version(version: i64) -> Result<ExpectedVersion, Failure> {
    match version {
        OTTLA_VERSION_ANY => Ok(ExpectedVersion::Any),
        OTTLA_VERSION_NO_STREAM => Ok(ExpectedVersion::NoStream),
        offset if offset >= 0 => Ok(ExpectedVersion::At(offset)),
        _ => Err(Failure::invalid(format!("{version} is no version of a stream"))),
    }
}

/// What C has for the version of a stream.
pub(crate) fn version_number(version: Option<i64>) -> i64 {
    version.unwrap_or(OTTLA_VERSION_NO_STREAM)
}

/// The stream of a key, in the partition that a producer chooses for it by itself. There need be no
/// record of it yet.
///
/// Ownership: `*stream` is the program's, until ottla_stream_free. The key is copied.
/// Threads: any.
/// NULL: nothing; an empty key is a pointer to anything and a length of 0.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if the topic has no key index:
/// create it with ottla.key.index=true, or alter it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_new(
    broker: *mut ottla_broker,
    topic: *const c_char,
    key: *const u8,
    key_length: usize,
    stream: *mut *mut ottla_stream,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(stream, "stream") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        let stream = parent.inner().stream(topic, key)?;
        result.write(handle::give_child(StreamHandle { stream }, handle::number(broker))?);
        Ok(())
    })
}

/// The stream of a key in a partition of one's choice, for records that were put there.
///
/// Ownership: `*stream` is the program's, until ottla_stream_free. The key is copied.
/// Threads: any.
/// NULL: nothing.
/// Returns: as ottla_stream_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_new_in(
    broker: *mut ottla_broker,
    topic: *const c_char,
    partition: i32,
    key: *const u8,
    key_length: usize,
    stream: *mut *mut ottla_stream,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(stream, "stream") }?;
        let parent = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        let stream = parent.inner().stream_in(topic, partition, key)?;
        result.write(handle::give_child(StreamHandle { stream }, handle::number(broker))?);
        Ok(())
    })
}

/// Sets `*partition` to the number of the partition that the stream is in.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_partition(
    stream: *const ottla_stream,
    partition: *mut i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(partition, "partition") }?;
        result.write(StreamHandle::of(stream)?.stream.partition().partition);
        Ok(())
    })
}

/// Sets `*version` to the offset of the newest record; to OTTLA_VERSION_NO_STREAM if there is none,
/// or none is left. A tombstone is a record like any other, until compaction removes it.
///
/// Threads: any.
/// Returns: OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted;
/// OTTLA_E_INVALID_INPUT if it has no key index any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_version(
    stream: *const ottla_stream,
    version: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(version, "version") }?;
        result.write(version_number(StreamHandle::of(stream)?.stream.version()?));
        Ok(())
    })
}

/// Reads a piece of the stream: its records with offsets from `from` on and below `to` (INT64_MAX for
/// all there are), the oldest first, or with `backwards` the newest first. A piece has at most
/// `records_max` records (0: any number), and ends at about a megabyte. For the next one ask from
/// behind the last offset on, or backwards below it; when `*records` is set to NULL there are no
/// more.
///
/// What was deleted or compacted away is passed over.
///
/// Ownership: `*records` is the program's, until ottla_records_free.
/// Threads: any.
/// Returns: as ottla_stream_version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_stream_read(
    stream: *const ottla_stream,
    from: i64,
    to: i64,
    backwards: bool,
    records_max: usize,
    records: *mut *mut ottla_records,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(records, "records") }?;
        let owner = StreamHandle::of(stream)?;
        let all = match backwards {
            true => owner.stream.read_backwards(from..to),
            false => owner.stream.read(from..to),
        };
        let records_max = if records_max == 0 { usize::MAX } else { records_max };
        result.write(records_or_null(piece(all, records_max)?)?);
        Ok(())
    })
}

/// The first of the records, up to so many, or about a megabyte.
fn piece(
    records: impl Iterator<Item = ottla::Result<OwnedRecord>>,
    records_max: usize,
) -> Result<Vec<OwnedRecord>, Failure> {
    let (mut piece, mut bytes) = (Vec::new(), 0);
    for record in records {
        let record = record?;
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = record.headers.iter().map(|(name, value)| name.len() + length(value));
        bytes += length(&record.key) + length(&record.value) + headers.sum::<usize>();
        piece.push(record);
        if piece.len() >= records_max || bytes >= PIECE_BYTES {
            break;
        }
    }
    Ok(piece)
}

/// Records for the program; NULL if there are none.
pub(crate) fn records_or_null(records: Vec<OwnedRecord>) -> Result<*mut ottla_records, Failure> {
    match records.is_empty() {
        true => Ok(ptr::null_mut()),
        false => RecordsHandle::of_owned(records).give(),
    }
}

/// Frees a stream. NULL is fine.
///
/// Threads: any, once. A call that another thread is in goes on.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_stream_free(stream: *mut ottla_stream) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !stream.is_null() {
            handle::take::<StreamHandle, _>(stream)?;
        }
        Ok(())
    })
}

/// The newest record of a key, in the partition that a producer chooses for it by itself: `*records`
/// gets that one record, or NULL if there is none, or if it is a tombstone. With a key index
/// (ottla.key.index=true) this reads one batch; without one the whole partition.
///
/// Ownership: `*records` is the program's, until ottla_records_free.
/// Threads: any.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_CORRUPT, OTTLA_E_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_latest(
    broker: *mut ottla_broker,
    topic: *const c_char,
    key: *const u8,
    key_length: usize,
    records: *mut *mut ottla_records,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let result = unsafe { place(records, "records") }?;
        let owner = BrokerHandle::of(broker)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        let latest = owner.inner().latest(topic, key)?;
        result.write(records_or_null(latest.into_iter().collect())?);
        Ok(())
    })
}
