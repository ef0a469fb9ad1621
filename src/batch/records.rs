//! The records of an entry, decoded one by one and borrowed from its bytes.
//!
//! Records come in the order of their offsets, each within the offsets of its batch. The first
//! thing that is wrong ends the iteration with an error.

use std::ops::RangeInclusive;

use crate::format::FormatError;
use crate::format::batch_header::{BatchHeader, NO_SEQUENCE, NO_TIMESTAMP, TimestampType};
use crate::format::batch_header::{LOG_OVERHEAD, advance_sequence};
use crate::format::legacy_message::LegacyMessage;
use crate::format::record::{Headers, RECORD_LEN_MIN, Record, skip_record};

/// A record with its absolute offset and its effective timestamp.
#[derive(Clone, Debug)]
pub struct RecordView<'a> {
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none. The time of the append if the type says so.
    pub timestamp: i64,
    /// Whose clock the timestamp is of.
    pub timestamp_type: TimestampType,
    /// The producer's sequence number; -1 for none.
    pub sequence: i32,
    /// The key; `None` is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: Headers<'a>,
}

/// The records of one entry. See [`Entry::records`](crate::batch::entry::Entry::records).
#[derive(Clone, Debug)]
pub struct Records<'a> {
    /// Of a batch of magic 2; empty for legacy messages. A field of its own, not a variant: so the
    /// compiler can keep it in registers while a loop walks the records.
    batch: BatchRecords<'a>,
    legacy: Option<Box<LegacyRecords<'a>>>,
}

/// See [`Records::progress`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    at: usize,
    left: usize,
    next_delta: i32,
}

impl<'a> Records<'a> {
    /// `payload`: the records of a batch of magic 2, decompressed.
    pub(crate) fn of_batch(
        header: &BatchHeader,
        payload: &'a [u8],
    ) -> Result<Records<'a>, FormatError> {
        let left = usize::try_from(header.record_count).unwrap_or(0);
        if left > payload.len() / RECORD_LEN_MIN {
            let what = format!("{left} records cannot lie in {} bytes", payload.len());
            return Err(FormatError::corrupt(what, 0));
        }
        let append_time = header.timestamp_type() == TimestampType::LogAppendTime;
        let batch = BatchRecords {
            payload,
            at: 0,
            left,
            next_delta: 0,
            last_delta: header.last_offset_delta,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time: append_time.then_some(header.max_timestamp),
            base_sequence: header.base_sequence,
        };
        Ok(Records { batch, legacy: None })
    }

    /// A single message of magic 0 or 1 that is not compressed.
    pub(crate) fn of_message(bytes: &'a [u8]) -> Records<'a> {
        Records::of_legacy(LegacyRecords {
            messages: bytes,
            at: 0,
            magic: None,
            offset_shift: 0,
            append_time: None,
            previous_offset: -1,
        })
    }

    /// `messages`: what `wrapper` holds, decompressed.
    pub(crate) fn of_wrapper(
        wrapper: &LegacyMessage<'_>,
        messages: &'a [u8],
    ) -> Result<Records<'a>, FormatError> {
        let append_time = wrapper.timestamp_type() == TimestampType::LogAppendTime;
        Ok(Records::of_legacy(LegacyRecords {
            messages,
            at: 0,
            magic: Some(wrapper.magic),
            offset_shift: offset_shift(wrapper, messages)?,
            append_time: wrapper.timestamp.filter(|_| append_time),
            previous_offset: -1,
        }))
    }

    fn of_legacy(legacy: LegacyRecords<'a>) -> Records<'a> {
        Records { batch: BatchRecords::NONE, legacy: Some(Box::new(legacy)) }
    }

    /// The records of a batch of magic 2 as they lie in memory, decompressed; of legacy messages
    /// nothing.
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.batch.payload
    }

    /// Where in the payload the next record starts.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.batch.at
    }

    /// How far the walk came, to go on there with records of the same batch; legacy messages do
    /// not tell.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let BatchRecords { at, left, next_delta, .. } = self.batch;
        self.legacy.is_none().then_some(Progress { at, left, next_delta })
    }

    /// Goes on where a walk over the same batch came to.
    pub(crate) fn resume(&mut self, progress: Progress) {
        let Progress { at, left, next_delta } = progress;
        if at <= self.batch.payload.len() {
            self.batch = BatchRecords { at, left, next_delta, ..self.batch };
        }
    }

    /// Moves on to the first record whose offset is `offset` or higher. What is passed over is
    /// checked less closely than what is returned.
    ///
    /// # Errors
    /// Corrupt if a record that is passed over has an impossible length or offset.
    pub fn skip_to(&mut self, offset: i64) -> Result<(), FormatError> {
        match &mut self.legacy {
            None => self.batch.skip_to(offset),
            Some(legacy) => legacy.skip_to(offset),
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, FormatError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.legacy {
            None => self.batch.next(),
            Some(legacy) => legacy.next(),
        }
    }
}

impl std::iter::FusedIterator for Records<'_> {}

#[derive(Clone, Debug)]
struct BatchRecords<'a> {
    payload: &'a [u8],
    at: usize,
    left: usize,
    /// The smallest offset delta that the next record may have.
    next_delta: i32,
    last_delta: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
    base_sequence: i32,
}

impl<'a> BatchRecords<'a> {
    const NONE: BatchRecords<'static> = BatchRecords {
        payload: &[],
        at: 0,
        left: 0,
        next_delta: 0,
        last_delta: 0,
        base_offset: 0,
        base_timestamp: 0,
        append_time: None,
        base_sequence: NO_SEQUENCE,
    };

    #[inline(always)]
    fn next(&mut self) -> Option<Result<RecordView<'a>, FormatError>> {
        let start = self.at;
        if self.left == 0 {
            if start == self.payload.len() {
                return None;
            }
            return Some(Err(self.fail(bytes_left_over(self.payload.len() - start, start))));
        }
        self.left -= 1;
        let record = match Record::decode(self.payload, &mut self.at) {
            Ok(record) => record,
            Err(error) => return Some(Err(self.fail(error))),
        };
        let delta = record.offset_delta;
        let allowed = self.next_delta..=self.last_delta;
        if !allowed.contains(&delta) {
            return Some(Err(self.fail(wrong_delta(delta, allowed, start))));
        }
        self.next_delta = delta.wrapping_add(1);
        let (timestamp, timestamp_type) = match self.append_time {
            Some(time) => (time, TimestampType::LogAppendTime),
            None => match self.base_timestamp.checked_add(record.timestamp_delta) {
                Some(timestamp) => (timestamp, TimestampType::CreateTime),
                None => return Some(Err(self.fail(wrong_timestamp(start)))),
            },
        };
        let sequence = if self.base_sequence < 0 {
            NO_SEQUENCE
        } else {
            advance_sequence(self.base_sequence, delta)
        };
        Some(Ok(RecordView {
            // The header was checked: base offset plus last delta does not overflow.
            offset: self.base_offset + i64::from(delta),
            timestamp,
            timestamp_type,
            sequence,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }))
    }

    fn skip_to(&mut self, offset: i64) -> Result<(), FormatError> {
        let wanted = offset.saturating_sub(self.base_offset);
        while self.left > 0 {
            let start = self.at;
            let mut behind = start;
            let delta = skip_record(self.payload, &mut behind).map_err(|e| self.fail(e))?;
            if i64::from(delta) >= wanted {
                return Ok(());
            }
            let allowed = self.next_delta..=self.last_delta;
            if !allowed.contains(&delta) {
                return Err(self.fail(wrong_delta(delta, allowed, start)));
            }
            self.next_delta = delta.wrapping_add(1);
            self.at = behind;
            self.left -= 1;
        }
        Ok(())
    }

    /// Ends the iteration. Inlined, so that the address of `self` is never taken.
    #[inline(always)]
    fn fail(&mut self, error: FormatError) -> FormatError {
        self.left = 0;
        self.at = self.payload.len();
        error
    }
}

#[cold]
fn bytes_left_over(count: usize, at: usize) -> FormatError {
    FormatError::corrupt(format!("{count} bytes follow the last record of the batch"), at)
}

#[cold]
fn wrong_delta(delta: i32, allowed: RangeInclusive<i32>, at: usize) -> FormatError {
    let (least, most) = allowed.into_inner();
    let what = format!("a record has the offset delta {delta}, not one of {least} to {most}");
    FormatError::corrupt(what, at)
}

#[cold]
fn wrong_timestamp(at: usize) -> FormatError {
    FormatError::corrupt("the timestamp of a record does not fit", at)
}

/// A run of messages of magic 0 or 1, none of them compressed.
#[derive(Clone, Debug)]
struct LegacyRecords<'a> {
    messages: &'a [u8],
    at: usize,
    /// The magic that all messages inside of a wrapper share.
    magic: Option<i8>,
    offset_shift: i64,
    append_time: Option<i64>,
    previous_offset: i64,
}

impl<'a> LegacyRecords<'a> {
    fn next(&mut self) -> Option<Result<RecordView<'a>, FormatError>> {
        if self.at == self.messages.len() {
            return None;
        }
        let start = self.at;
        let record = self.decode();
        if record.is_err() {
            self.at = self.messages.len();
        }
        Some(record.map_err(|error| error.shifted(start)))
    }

    fn decode(&mut self) -> Result<RecordView<'a>, FormatError> {
        let rest = &self.messages[self.at..];
        let bytes = first_message(rest)?;
        let message = LegacyMessage::decode(bytes)?;
        if self.magic.is_some_and(|magic| magic != message.magic) {
            return Err(FormatError::corrupt("a wrapper holds messages of another magic", 16));
        }
        if self.magic.is_some() && message.attributes & 0x07 != 0 {
            return Err(FormatError::corrupt("a wrapper lies inside of a wrapper", 17));
        }
        let offset = message.offset.checked_add(self.offset_shift);
        let Some(offset) = offset.filter(|offset| *offset > self.previous_offset) else {
            let what = format!("a message has the offset {}", message.offset);
            return Err(FormatError::corrupt(what, 0));
        };
        self.previous_offset = offset;
        self.at += bytes.len();
        let (timestamp, timestamp_type) = match self.append_time {
            Some(time) => (time, TimestampType::LogAppendTime),
            None => (message.timestamp.unwrap_or(NO_TIMESTAMP), message.timestamp_type()),
        };
        Ok(RecordView {
            offset,
            timestamp,
            timestamp_type,
            sequence: NO_SEQUENCE,
            key: message.key,
            value: message.value,
            headers: Headers::NONE,
        })
    }

    fn skip_to(&mut self, offset: i64) -> Result<(), FormatError> {
        loop {
            let before = self.clone();
            match self.next() {
                None => return Ok(()),
                Some(Err(error)) => return Err(error),
                Some(Ok(record)) if record.offset >= offset => {
                    *self = before;
                    return Ok(());
                }
                Some(Ok(_)) => {}
            }
        }
    }
}

/// The bytes of the message that `bytes` start with.
fn first_message(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let Some(prefix) = bytes.first_chunk::<LOG_OVERHEAD>() else {
        return Err(FormatError::truncated("a message", bytes.len()));
    };
    let size = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
    let len = usize::try_from(size).ok().and_then(|size| size.checked_add(LOG_OVERHEAD));
    match len.and_then(|len| bytes.get(..len)) {
        Some(message) => Ok(message),
        None => {
            let left = bytes.len() - LOG_OVERHEAD;
            let what = format!("a message has the size {size} where {left} bytes are left");
            Err(FormatError::corrupt(what, 8))
        }
    }
}

/// What is added to offsets inside of a wrapper. In magic 1 they are relative, and the wrapper has
/// the offset of the last one; 0 on a wrapper means that its producer did not count.
fn offset_shift(wrapper: &LegacyMessage<'_>, messages: &[u8]) -> Result<i64, FormatError> {
    if wrapper.magic == 0 {
        return Ok(0);
    }
    let mut last = None;
    let mut at = 0;
    while at < messages.len() {
        let message = first_message(&messages[at..]).map_err(|error| error.shifted(at))?;
        last = message.first_chunk().map(|offset| i64::from_be_bytes(*offset));
        at += message.len();
    }
    let Some(last) = last else {
        return Err(FormatError::corrupt("a wrapper holds no message", 0));
    };
    if wrapper.offset == 0 {
        return Ok(0);
    }
    wrapper.offset.checked_sub(last).ok_or_else(|| {
        FormatError::corrupt(format!("the last message of a wrapper has the offset {last}"), 0)
    })
}
