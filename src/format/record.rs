//! One record inside a batch of magic 2.
//!
//! | field | coding |
//! |---|---|
//! | length | varint: the bytes after this field |
//! | attributes | 1 byte, 0 |
//! | timestamp delta | varlong, from the batch's base timestamp |
//! | offset delta | varint, from the batch's base offset |
//! | key, value | varint length (-1: null), bytes |
//! | headers | varint count; each a name (varint length, bytes) and a value like the record's |
//!
//! A record that is decoded borrows everything; nothing is copied. Its headers are walked once
//! while decoding, so that iterating over them later cannot fail.

use std::borrow::Cow;

use crate::format::FormatError;
use crate::format::usual_record::decode_usual;
use crate::format::varint::{
    SHORT_FORM_END, put_varint, put_varlong, read_varint, read_varlong, short_form, varint_len,
    varlong_len, zigzag_encode_32, zigzag_encode_64,
};

/// The most bytes that a record takes besides the bytes of key, value and headers: its length,
/// attributes, timestamp, offset, the lengths of key and value, the count of headers.
pub const RECORD_OVERHEAD_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// The fewest bytes of a record.
pub const RECORD_LEN_MIN: usize = 7;

/// The name and the value of a header, when a record is made.
pub type HeaderPair<'a> = (&'a str, Option<&'a [u8]>);

/// A record as it lies in a batch: offset and timestamp are relative to the batch.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The timestamp less the batch's base timestamp.
    pub timestamp_delta: i64,
    /// The offset less the batch's base offset.
    pub offset_delta: i32,
    /// The key; `None` is not the same as an empty one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// Decodes the record at the cursor and moves the cursor behind it.
    ///
    /// # Errors
    /// Corrupt if the bytes end early, a length is impossible, or the fields of the record are
    /// not exactly as long as it says.
    #[inline(always)]
    pub fn decode(bytes: &'a [u8], at: &mut usize) -> Result<Record<'a>, FormatError> {
        let start = *at;
        if let Some((record, length)) = bytes.get(start..).and_then(decode_usual) {
            *at = start + length;
            return Ok(record);
        }
        Record::decode_any(bytes, at)
    }

    /// Decodes any record, number by number, and says what is wrong with one that is none.
    #[inline(always)]
    pub(super) fn decode_any(bytes: &'a [u8], at: &mut usize) -> Result<Record<'a>, FormatError> {
        let start = *at;
        let Some(body) = take_body(bytes, at) else {
            return Err(wrong_length(bytes, start));
        };
        match Record::decode_body(body) {
            Some(record) => Ok(record),
            None => Err(FormatError::corrupt("the fields of a record do not fill it", start)),
        }
    }

    #[inline(always)]
    fn decode_body(body: &'a [u8]) -> Option<Record<'a>> {
        // The attributes byte has no meaning yet; readers ignore it.
        let mut at = 1;
        let timestamp_delta = read_varlong(body, &mut at)?;
        let offset_delta = read_varint(body, &mut at)?;
        let key = read_nullable(body, &mut at)?;
        let value = read_nullable(body, &mut at)?;
        let headers = if body.len() == at + 1 && body[at] == 0 {
            Headers::NONE
        } else {
            Headers::decode(body.get(at..)?)?
        };
        Some(Record { timestamp_delta, offset_delta, key, value, headers })
    }
}

/// Moves the cursor over the record there and returns its offset delta, without looking further.
///
/// # Errors
/// Corrupt if the bytes end early or the length is impossible.
pub fn skip_record(bytes: &[u8], at: &mut usize) -> Result<i32, FormatError> {
    let start = *at;
    let Some(body) = take_body(bytes, at) else {
        return Err(wrong_length(bytes, start));
    };
    let mut body_at = 1;
    read_varlong(body, &mut body_at)
        .and_then(|_| read_varint(body, &mut body_at))
        .ok_or_else(|| FormatError::corrupt("the fields of a record do not fill it", start))
}

#[inline(always)]
fn take_body<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = usize::try_from(read_varint(bytes, at)?).ok()?;
    let body = bytes.get(*at..)?.get(..length)?;
    *at += length;
    Some(body)
}

#[cold]
fn wrong_length(bytes: &[u8], start: usize) -> FormatError {
    match read_varint(bytes, &mut { start }) {
        Some(length) if length >= 0 => {
            let left = bytes.len() - start;
            let what = format!("a record of {length} bytes starts where {left} bytes are left");
            FormatError::corrupt(what, start)
        }
        Some(length) => FormatError::corrupt(format!("a record has the length {length}"), start),
        None => FormatError::corrupt("the length of a record does not end or fit", start),
    }
}

/// A length and so many bytes; the length -1 means null, less is an error.
#[inline(always)]
fn read_nullable<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let length = read_varint(bytes, at)?;
    if length < 0 {
        return if length == -1 { Some(None) } else { None };
    }
    let field = bytes.get(*at..)?.get(..length as usize)?;
    *at += length as usize;
    Some(Some(field))
}

/// A header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The bytes of the name; UTF-8 unless a strange writer made them.
    pub name_bytes: &'a [u8],
    /// The value, which may be null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// The name; bytes that are not UTF-8 are shown as replacement characters, as Kafka does.
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name_bytes)
    }
}

/// The headers of a record, in their order, duplicates included. An iterator that is cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    encoded: &'a [u8],
    count: usize,
}

impl<'a> Headers<'a> {
    /// No headers.
    pub const NONE: Headers<'static> = Headers { encoded: &[], count: 0 };

    /// `bytes`: the count and all headers, and nothing behind them.
    fn decode(bytes: &'a [u8]) -> Option<Headers<'a>> {
        let mut at = 0;
        let count = usize::try_from(read_varint(bytes, &mut at)?).ok()?;
        let encoded = bytes.get(at..)?;
        // A header takes two bytes or more.
        if count > encoded.len() / 2 {
            return if count == 0 && encoded.is_empty() { Some(Headers::NONE) } else { None };
        }
        let mut at = 0;
        for _ in 0..count {
            read_header(encoded, &mut at)?;
        }
        (at == encoded.len()).then_some(Headers { encoded, count })
    }

    /// The encoded headers, without their count.
    pub(crate) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// `count` headers that `bytes` start with and that were decoded before. If they are not
    /// there, there are none.
    pub(crate) fn of_checked(bytes: &'a [u8], count: usize) -> Headers<'a> {
        let mut at = 0;
        for _ in 0..count {
            if read_header(bytes, &mut at).is_none() {
                return Headers::NONE;
            }
        }
        bytes.get(..at).map_or(Headers::NONE, |encoded| Headers { encoded, count })
    }

    /// How many headers there are (still to come).
    pub fn count_left(&self) -> usize {
        self.count
    }

    /// Whether there is none (any more).
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let mut at = 0;
        let header = read_header(self.encoded, &mut at)?;
        self.encoded = self.encoded.get(at..)?;
        Some(header)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

fn read_header<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Header<'a>> {
    let name_bytes = read_nullable(bytes, at)??;
    let value = read_nullable(bytes, at)?;
    Some(Header { name_bytes, value })
}

/// Headers that are to be encoded.
#[derive(Clone, Debug)]
pub enum HeaderList<'a> {
    /// Names and values.
    Pairs(&'a [HeaderPair<'a>]),
    /// Headers of a decoded record, copied as they are.
    Decoded(Headers<'a>),
}

impl HeaderList<'_> {
    /// Whether there are no headers.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        match self {
            HeaderList::Pairs(pairs) => pairs.len(),
            HeaderList::Decoded(headers) => headers.count,
        }
    }

    /// The bytes of the headers without their count; `None` if a length does not fit its field.
    fn encoded_len(&self) -> Option<usize> {
        match self {
            HeaderList::Decoded(headers) => Some(headers.encoded.len()),
            HeaderList::Pairs(pairs) => pairs.iter().try_fold(0usize, |sum, (name, value)| {
                let name_len = nullable_len(Some(name.as_bytes()))?;
                sum.checked_add(name_len)?.checked_add(nullable_len(*value)?)
            }),
        }
    }
}

/// How many bytes behind a record [`encode_short`] may scribble on.
pub const SHORT_RECORD_SLACK: usize = 8;

/// Encodes a record without headers whose numbers are all small, which nearly all records are,
/// at the start of `out`, and returns its length. `None`, with nothing of use written, if the
/// record is not of that sort or `out` has no room for it and [`SHORT_RECORD_SLACK`] more.
///
/// The numbers are put together in registers and stored eight bytes at a time; what such a store
/// writes too much, the next one overwrites.
#[inline(always)]
pub fn encode_short(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    out: &mut [u8],
) -> Option<usize> {
    const BYTES_MAX: usize = (SHORT_FORM_END / 2) as usize;
    let key_bytes = key.unwrap_or_default();
    let value_bytes = value.unwrap_or_default();
    let timestamp = zigzag_encode_64(timestamp_delta);
    let offset = u64::from(zigzag_encode_32(offset_delta));
    let is_short = timestamp < SHORT_FORM_END
        && offset < SHORT_FORM_END
        && key_bytes.len() < BYTES_MAX
        && value_bytes.len() < BYTES_MAX;
    if !is_short {
        return None;
    }
    // The attributes (0) and two numbers: five bytes at most.
    let (timestamp, timestamp_len) = short_form(timestamp);
    let (offset, offset_len) = short_form(offset);
    let numbers = (timestamp | offset << (8 * timestamp_len)) << 8;
    let numbers_len = 1 + timestamp_len + offset_len;
    let (key_length, key_length_len) = short_length(key);
    let (value_length, value_length_len) = short_length(value);
    // The last byte is the header count.
    let body_len = (numbers_len + key_length_len + value_length_len + 1) as usize
        + key_bytes.len()
        + value_bytes.len();
    if body_len >= BYTES_MAX {
        return None;
    }
    let (length, length_len) = short_form(2 * body_len as u64);
    let len = length_len as usize + body_len;
    let out = out.get_mut(..len + SHORT_RECORD_SLACK)?;

    let mut at = 0;
    store(out, &mut at, length | numbers << (8 * length_len), length_len + numbers_len);
    if key_bytes.is_empty() {
        let lengths = key_length | value_length << (8 * key_length_len);
        store(out, &mut at, lengths, key_length_len + value_length_len);
    } else {
        store(out, &mut at, key_length, key_length_len);
        out[at..at + key_bytes.len()].copy_from_slice(key_bytes);
        at += key_bytes.len();
        store(out, &mut at, value_length, value_length_len);
    }
    out[at..at + value_bytes.len()].copy_from_slice(value_bytes);
    out[at + value_bytes.len()] = 0;
    Some(len)
}

#[inline(always)]
fn short_length(field: Option<&[u8]>) -> (u64, u32) {
    match field {
        // -1 in zig-zag.
        None => (1, 1),
        Some(bytes) => short_form(2 * bytes.len() as u64),
    }
}

#[inline(always)]
fn store(out: &mut [u8], at: &mut usize, word: u64, len: u32) {
    out[*at..*at + 8].copy_from_slice(&word.to_le_bytes());
    *at += len as usize;
}

/// A record that is to be encoded, and how long it will be: the length is known before a byte
/// is written, so every byte is written once.
#[derive(Clone, Debug)]
pub struct RecordEncoder<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: HeaderList<'a>,
    body_len: i32,
}

impl<'a> RecordEncoder<'a> {
    /// Measures a record. `None` if a field is longer than the format can say.
    #[inline(always)]
    pub fn new(
        timestamp_delta: i64,
        offset_delta: i32,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: HeaderList<'a>,
    ) -> Option<RecordEncoder<'a>> {
        let header_count = i32::try_from(headers.count()).ok()?;
        let headers_len = if header_count == 0 { 0 } else { headers.encoded_len()? };
        let fixed = 1 + varlong_len(timestamp_delta) + varint_len(offset_delta);
        let fields = nullable_len(key)?.checked_add(nullable_len(value)?)?;
        let body_len =
            (fixed + varint_len(header_count)).checked_add(fields)?.checked_add(headers_len)?;
        let body_len = i32::try_from(body_len).ok()?;
        Some(RecordEncoder { timestamp_delta, offset_delta, key, value, headers, body_len })
    }

    /// The bytes of the record, its length field included.
    #[inline(always)]
    pub fn encoded_len(&self) -> usize {
        varint_len(self.body_len) + self.body_len as usize
    }

    /// Writes the record; `out` is exactly [`encoded_len`](RecordEncoder::encoded_len) long.
    ///
    /// # Panics
    /// If `out` is too short.
    #[inline(always)]
    pub fn encode(&self, out: &mut [u8]) {
        let mut at = 0;
        put_varint(out, &mut at, self.body_len);
        out[at] = 0;
        at += 1;
        put_varlong(out, &mut at, self.timestamp_delta);
        put_varint(out, &mut at, self.offset_delta);
        put_nullable(out, &mut at, self.key);
        put_nullable(out, &mut at, self.value);
        if self.headers.count() == 0 {
            out[at] = 0;
            at += 1;
        } else {
            put_headers(out, &mut at, &self.headers);
        }
        debug_assert_eq!(at, out.len(), "the measured length of a record");
    }
}

#[inline(always)]
fn nullable_len(field: Option<&[u8]>) -> Option<usize> {
    match field {
        None => Some(1),
        Some(bytes) => {
            let length = i32::try_from(bytes.len()).ok()?;
            Some(varint_len(length) + bytes.len())
        }
    }
}

#[inline(always)]
fn put_nullable(out: &mut [u8], at: &mut usize, field: Option<&[u8]>) {
    match field {
        None => put_varint(out, at, -1),
        Some(bytes) => {
            put_varint(out, at, bytes.len() as i32);
            out[*at..*at + bytes.len()].copy_from_slice(bytes);
            *at += bytes.len();
        }
    }
}

#[inline(never)]
fn put_headers(out: &mut [u8], at: &mut usize, headers: &HeaderList<'_>) {
    put_varint(out, at, headers.count() as i32);
    match headers {
        HeaderList::Pairs(pairs) => {
            for (name, value) in *pairs {
                put_nullable(out, at, Some(name.as_bytes()));
                put_nullable(out, at, *value);
            }
        }
        HeaderList::Decoded(headers) => {
            let encoded = headers.encoded;
            out[*at..*at + encoded.len()].copy_from_slice(encoded);
            *at += encoded.len();
        }
    }
}
