//! Records as a program hands them in, and as it gets them.

use std::ffi::c_char;
use std::slice;

use ottla::Message;

use crate::entry::Failure;
use crate::pointer::{bytes_or_none, values};

/// A header of a record.
///
/// Ownership: handed in, the program's, and copied during the call; handed out, that of the records
/// that it came with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_header {
    /// The name, UTF-8, `name_length` bytes; it needs no zero byte at its end.
    pub name: *const c_char,
    /// The length of the name in bytes.
    pub name_length: usize,
    /// The value; NULL for none, which is not the same as an empty one.
    pub value: *const u8,
    /// The length of the value in bytes.
    pub value_length: usize,
}

/// The field `partition` of an ottla_record counts. Without this flag the partitioner chooses.
pub const OTTLA_RECORD_PARTITION: u32 = 1;

/// The field `timestamp` of an ottla_record counts. Without this flag it is the time of the call.
pub const OTTLA_RECORD_TIMESTAMP: u32 = 2;

/// A record to be written. All zeros is a record without key, value and headers, for a partition
/// that the partitioner chooses, of this moment: set what is to be otherwise.
///
/// Ownership: the program's; copied during the call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ottla_record {
    /// The key; NULL for none, which is not the same as an empty one.
    pub key: *const u8,
    /// The length of the key in bytes; 0 or (size_t)-1 for none.
    pub key_length: usize,
    /// The value; NULL for a tombstone, which deletes its key in a compacted topic.
    pub value: *const u8,
    /// The length of the value in bytes; 0 or (size_t)-1 for a tombstone.
    pub value_length: usize,
    /// The headers, in order; NULL if there are none.
    pub headers: *const ottla_header,
    /// How many headers there are.
    pub header_count: usize,
    /// Milliseconds since 1970, with the flag OTTLA_RECORD_TIMESTAMP.
    pub timestamp: i64,
    /// The partition, with the flag OTTLA_RECORD_PARTITION.
    pub partition: i32,
    /// OTTLA_RECORD_PARTITION, OTTLA_RECORD_TIMESTAMP, both, or 0. Other bits are errors.
    pub flags: u32,
}

/// How many records a call may have: as many as Kafka counts in a batch.
const RECORDS_MAX: usize = i32::MAX as usize;

/// The records that a program hands in.
///
/// # Safety
/// As [`values`].
pub(crate) unsafe fn records<'a>(
    first: *const ottla_record,
    count: usize,
) -> Result<&'a [ottla_record], Failure> {
    if count > RECORDS_MAX {
        let message = format!("{count} records in a call, but at most {RECORDS_MAX}");
        return Err(Failure::invalid(message));
    }
    // SAFETY: the caller's promise is the same.
    unsafe { values(first, count, "records") }
}

/// How many headers a record may have.
const HEADERS_MAX: usize = 1 << 16;

impl ottla_record {
    /// The partition, if the program chose one.
    #[inline]
    pub(crate) fn chosen_partition(&self) -> Option<i32> {
        (self.flags & OTTLA_RECORD_PARTITION != 0).then_some(self.partition)
    }

    /// Whether it is as nearly all are: without headers, and with nothing that could be wrong.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        let fits = |first: *const u8, length: usize| match first.is_null() {
            true => length == 0,
            false => length <= isize::MAX as usize,
        };
        self.flags & !(OTTLA_RECORD_PARTITION | OTTLA_RECORD_TIMESTAMP) == 0
            && self.header_count == 0
            && fits(self.key, self.key_length)
            && fits(self.value, self.value_length)
    }

    /// The record as the library knows it, borrowed from the program. Cannot fail, so that it is
    /// made where it is to be: moving what was just written makes the processor wait.
    ///
    /// # Safety
    /// It [is plain](Self::is_plain). Pointers and lengths are what the struct says, and stay so
    /// for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn plain_message<'a>(&self) -> Message<'a> {
        let bytes = |first: *const u8, length: usize| {
            // SAFETY: not NULL, no longer than memory can be; the rest is the caller's promise.
            (!first.is_null()).then(|| unsafe { slice::from_raw_parts(first, length) })
        };
        let key = bytes(self.key, self.key_length);
        let message = Message::from_parts(key, bytes(self.value, self.value_length));
        match self.flags & OTTLA_RECORD_TIMESTAMP != 0 {
            true => message.timestamp(self.timestamp),
            false => message,
        }
    }

    /// The record as the library knows it, borrowed from the program.
    ///
    /// # Safety
    /// Pointers and lengths are what the struct says, and stay so for `'a`.
    #[inline(never)]
    pub(crate) unsafe fn message<'a>(&self) -> Result<Message<'a>, Failure> {
        if self.flags & !(OTTLA_RECORD_PARTITION | OTTLA_RECORD_TIMESTAMP) != 0 {
            return Err(Failure::invalid(format!("unknown flags {:#x} of a record", self.flags)));
        }
        // SAFETY: the caller's promise.
        let key = unsafe { bytes_or_none(self.key, self.key_length, "the key of a record") }?;
        // SAFETY: the caller's promise.
        let value =
            unsafe { bytes_or_none(self.value, self.value_length, "the value of a record") }?;
        let mut message = Message::from_parts(key, value);
        if self.flags & OTTLA_RECORD_TIMESTAMP != 0 {
            message = message.timestamp(self.timestamp);
        }
        if self.header_count > HEADERS_MAX {
            let count = self.header_count;
            return Err(Failure::invalid(format!(
                "{count} headers of a record, but at most {HEADERS_MAX}"
            )));
        }
        // SAFETY: the caller's promise.
        for header in unsafe { values(self.headers, self.header_count, "headers") }? {
            // SAFETY: the caller's promise, for each header.
            message = unsafe { with_header(message, header) }?;
        }
        Ok(message)
    }
}

/// # Safety
/// The pointers and lengths of `header` are what it says, for `'a`.
unsafe fn with_header<'a>(
    message: Message<'a>,
    header: &ottla_header,
) -> Result<Message<'a>, Failure> {
    // SAFETY: the caller's promise.
    let name = unsafe { values::<u8>(header.name.cast(), header.name_length, "a header's name") }?;
    let name = std::str::from_utf8(name);
    let name = name.map_err(|_| Failure::invalid("the name of a header is not UTF-8"))?;
    // SAFETY: the caller's promise.
    let value = unsafe { bytes_or_none(header.value, header.value_length, "a header's value") }?;
    Ok(match value {
        Some(value) => message.header(name, value),
        None => message.null_header(name),
    })
}
