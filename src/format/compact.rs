//! The fields of Kafka's messages: the flexible ("compact") encoding and the older one, read and
//! written through one pair of types. Metadata and coordinator records are made of these.
//!
//! | field | flexible | not flexible |
//! |---|---|---|
//! | string | unsigned varint length + 1, 0 = null | `i16` length, -1 = null |
//! | bytes | unsigned varint length + 1, 0 = null | `i32` length, -1 = null |
//! | array | unsigned varint count + 1, 0 = null | `i32` count, -1 = null |
//! | end of a struct | tagged fields | nothing |
//!
//! Tagged fields: unsigned varint count, then per field an unsigned varint tag, an unsigned varint
//! size and the payload, tags ascending, fields that have their default left out.
//!
//! Not here: which fields a message has. The invariant: a length or count is compared with the
//! bytes that are left before anything is allocated for it.

use crate::format::FormatError;
use crate::format::varint::{read_unsigned_varint, write_unsigned_varint};

/// A 16-byte id as it stands in a record: a topic's, a directory's.
pub type UuidBytes = [u8; 16];

/// Reads the fields of one message, front to back.
#[derive(Clone, Debug)]
pub struct FieldReader<'a> {
    bytes: &'a [u8],
    at: usize,
    flexible: bool,
}

impl<'a> FieldReader<'a> {
    /// Reads `bytes` from `at` on.
    pub fn new(bytes: &'a [u8], at: usize, flexible: bool) -> FieldReader<'a> {
        FieldReader { bytes, at, flexible }
    }

    /// Where the next field starts.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Says from here on how strings, bytes, arrays and ends are encoded.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], FormatError> {
        let end = self.at.checked_add(count);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => {
                let left = self.left();
                let what = format!("{field} needs {count} bytes, {left} are left");
                Err(FormatError::corrupt(what, self.at))
            }
        }
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FormatError> {
        let mut value = [0; N];
        value.copy_from_slice(self.take(N, field)?);
        Ok(value)
    }

    /// A byte that is 0 or 1; any other is taken for true, as Kafka does.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, FormatError> {
        Ok(self.i8(field)? != 0)
    }

    /// One byte.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn i8(&mut self, field: &'static str) -> Result<i8, FormatError> {
        Ok(i8::from_be_bytes(self.fixed(field)?))
    }

    /// Two bytes.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn i16(&mut self, field: &'static str) -> Result<i16, FormatError> {
        Ok(i16::from_be_bytes(self.fixed(field)?))
    }

    /// Two bytes without a sign.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, FormatError> {
        Ok(u16::from_be_bytes(self.fixed(field)?))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, FormatError> {
        Ok(i32::from_be_bytes(self.fixed(field)?))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, FormatError> {
        Ok(i64::from_be_bytes(self.fixed(field)?))
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// The bytes end before it.
    pub fn uuid(&mut self, field: &'static str) -> Result<UuidBytes, FormatError> {
        self.fixed(field)
    }

    /// A number of one to five bytes.
    ///
    /// # Errors
    /// The bytes end before it, or it has more than 32 bits.
    pub fn unsigned_varint(&mut self, field: &'static str) -> Result<u32, FormatError> {
        let mut at = self.at;
        match read_unsigned_varint(self.bytes, &mut at) {
            Some(number) => {
                self.at = at;
                Ok(number)
            }
            None => Err(FormatError::corrupt(format!("{field} is no unsigned varint"), self.at)),
        }
    }

    /// The length of a string (`short`) or of bytes and arrays; `None` is null.
    fn length(&mut self, short: bool, field: &'static str) -> Result<Option<usize>, FormatError> {
        let at = self.at;
        let length = if self.flexible {
            i64::from(self.unsigned_varint(field)?) - 1
        } else if short {
            i64::from(self.i16(field)?)
        } else {
            i64::from(self.i32(field)?)
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => Ok(Some(length)),
            Ok(length) => {
                let left = self.left();
                let what = format!("{field} claims a length of {length}, {left} bytes are left");
                Err(FormatError::corrupt(what, at))
            }
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(FormatError::corrupt(format!("{field} has the length {length}"), at)),
        }
    }

    /// A string that may be null.
    ///
    /// # Errors
    /// It does not fit into the bytes, or is no UTF-8.
    pub fn nullable_string(&mut self, field: &'static str) -> Result<Option<&'a str>, FormatError> {
        let Some(length) = self.length(true, field)? else { return Ok(None) };
        let at = self.at;
        match std::str::from_utf8(self.take(length, field)?) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let at = at + error.valid_up_to();
                Err(FormatError::corrupt(format!("{field} is not UTF-8"), at))
            }
        }
    }

    /// A string.
    ///
    /// # Errors
    /// It is null, does not fit into the bytes, or is no UTF-8.
    pub fn string(&mut self, field: &'static str) -> Result<&'a str, FormatError> {
        let at = self.at;
        self.nullable_string(field)?.ok_or_else(|| null(field, at))
    }

    /// Bytes that may be null.
    ///
    /// # Errors
    /// They do not fit into the message.
    pub fn nullable_bytes(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, FormatError> {
        match self.length(false, field)? {
            Some(length) => self.take(length, field).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// They are null or do not fit into the message.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FormatError> {
        let at = self.at;
        self.nullable_bytes(field)?.ok_or_else(|| null(field, at))
    }

    /// An array that may be null, each element read by `element`, which must take at least one byte.
    ///
    /// # Errors
    /// The count exceeds the bytes that are left, or an element is wrong.
    pub fn nullable_array<T>(
        &mut self,
        field: &'static str,
        mut element: impl FnMut(&mut FieldReader<'a>) -> Result<T, FormatError>,
    ) -> Result<Option<Vec<T>>, FormatError> {
        let Some(count) = self.length(false, field)? else { return Ok(None) };
        // The count is at most the number of bytes left; an element in memory may be larger than
        // its bytes, so the vector grows with the elements that are really there.
        let mut elements = Vec::new();
        for _ in 0..count {
            let before = self.at;
            elements.push(element(self)?);
            debug_assert!(self.at > before, "an element takes bytes");
        }
        Ok(Some(elements))
    }

    /// An array, each element read by `element`, which must take at least one byte.
    ///
    /// # Errors
    /// It is null, the count exceeds the bytes that are left, or an element is wrong.
    pub fn array<T>(
        &mut self,
        field: &'static str,
        element: impl FnMut(&mut FieldReader<'a>) -> Result<T, FormatError>,
    ) -> Result<Vec<T>, FormatError> {
        let at = self.at;
        self.nullable_array(field, element)?.ok_or_else(|| null(field, at))
    }

    /// An array of four-byte numbers.
    ///
    /// # Errors
    /// It is null or does not fit into the bytes.
    pub fn i32_array(&mut self, field: &'static str) -> Result<Vec<i32>, FormatError> {
        self.array(field, |reader| reader.i32(field))
    }

    /// The end of a struct whose tagged fields are all of no interest.
    ///
    /// # Errors
    /// The tagged fields contradict each other or the bytes.
    pub fn end_of_struct(&mut self) -> Result<(), FormatError> {
        self.tagged_fields(|_, _| Ok(()))
    }

    /// The end of a struct: `field` gets the tag and payload of each tagged field, in order, and may
    /// leave those it does not know unread.
    ///
    /// # Errors
    /// Tags do not ascend, a payload is longer than the bytes that are left, or `field` fails.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut FieldReader<'a>) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        if !self.flexible {
            return Ok(());
        }
        let mut last_tag = None;
        for _ in 0..self.unsigned_varint("the count of tagged fields")? {
            let at = self.at;
            let tag = self.unsigned_varint("a tag")?;
            if last_tag.is_some_and(|last| last >= tag) {
                return Err(FormatError::corrupt(format!("tag {tag} is out of order"), at));
            }
            last_tag = Some(tag);
            let size = self.unsigned_varint("the size of a tagged field")?;
            let start = self.at;
            self.take(usize::try_from(size).unwrap_or(usize::MAX), "a tagged field")?;
            field(tag, &mut FieldReader::new(&self.bytes[..self.at], start, true))?;
        }
        Ok(())
    }

    /// The end of the message.
    ///
    /// # Errors
    /// Bytes are left over.
    pub fn finish(self) -> Result<(), FormatError> {
        match self.left() {
            0 => Ok(()),
            left => Err(FormatError::corrupt(format!("{left} bytes follow the message"), self.at)),
        }
    }
}

fn null(field: &'static str, at: usize) -> FormatError {
    FormatError::corrupt(format!("{field} is null"), at)
}

/// Writes the fields of one message; the mirror of [`FieldReader`].
#[derive(Clone, Debug, Default)]
pub struct FieldWriter {
    bytes: Vec<u8>,
    flexible: bool,
}

impl FieldWriter {
    /// Starts an empty message.
    pub fn new(flexible: bool) -> FieldWriter {
        FieldWriter { bytes: Vec::new(), flexible }
    }

    /// The bytes of the message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte: 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// One byte.
    pub fn i8(&mut self, value: i8) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Two bytes.
    pub fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Two bytes without a sign.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Four bytes.
    pub fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: UuidBytes) {
        self.bytes.extend_from_slice(&value);
    }

    /// A number of one to five bytes.
    pub fn unsigned_varint(&mut self, value: u32) {
        write_unsigned_varint(&mut self.bytes, value);
    }

    /// # Errors
    /// A limit: the length does not fit into its field.
    fn length(
        &mut self,
        length: Option<usize>,
        short: bool,
        field: &'static str,
    ) -> Result<(), FormatError> {
        let length_max = if short { i16::MAX.into() } else { i32::MAX - 1 };
        let value = match length {
            None => -1,
            Some(length) => match i32::try_from(length) {
                Ok(length) if length <= length_max => length,
                _ => {
                    let what = format!("{field} has the length {length}, allowed is {length_max}");
                    return Err(FormatError::limit(what, self.bytes.len()));
                }
            },
        };
        if self.flexible {
            self.unsigned_varint((value + 1).cast_unsigned());
        } else if short {
            self.i16(value as i16);
        } else {
            self.i32(value);
        }
        Ok(())
    }

    /// A string that may be null.
    ///
    /// # Errors
    /// It is longer than 32767 bytes.
    pub fn nullable_string(
        &mut self,
        value: Option<&str>,
        field: &'static str,
    ) -> Result<(), FormatError> {
        self.length(value.map(str::len), true, field)?;
        self.bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// A string.
    ///
    /// # Errors
    /// It is longer than 32767 bytes.
    pub fn string(&mut self, value: &str, field: &'static str) -> Result<(), FormatError> {
        self.nullable_string(Some(value), field)
    }

    /// Bytes that may be null.
    ///
    /// # Errors
    /// They are longer than a length can say.
    pub fn nullable_bytes(
        &mut self,
        value: Option<&[u8]>,
        field: &'static str,
    ) -> Result<(), FormatError> {
        self.length(value.map(<[u8]>::len), false, field)?;
        self.bytes.extend_from_slice(value.unwrap_or_default());
        Ok(())
    }

    /// Bytes.
    ///
    /// # Errors
    /// They are longer than a length can say.
    pub fn bytes(&mut self, value: &[u8], field: &'static str) -> Result<(), FormatError> {
        self.nullable_bytes(Some(value), field)
    }

    /// An array, each element written by `element`.
    ///
    /// # Errors
    /// It has more elements than a count can say, or `element` fails.
    pub fn array<T>(
        &mut self,
        values: &[T],
        field: &'static str,
        mut element: impl FnMut(&mut FieldWriter, &T) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        self.length(Some(values.len()), false, field)?;
        values.iter().try_for_each(|value| element(self, value))
    }

    /// An array of four-byte numbers.
    ///
    /// # Errors
    /// It has more elements than a count can say.
    pub fn i32_array(&mut self, values: &[i32], field: &'static str) -> Result<(), FormatError> {
        self.array(values, field, |writer, value| {
            writer.i32(*value);
            Ok(())
        })
    }

    /// The end of a struct without tagged fields.
    pub fn end_of_struct(&mut self) {
        if self.flexible {
            self.bytes.push(0);
        }
    }

    /// The end of a struct with these tagged fields, whose tags ascend.
    ///
    /// # Errors
    /// A payload is longer than a length can say.
    pub fn tagged_fields(&mut self, fields: &[(u32, Vec<u8>)]) -> Result<(), FormatError> {
        debug_assert!(self.flexible && fields.is_sorted_by(|a, b| a.0 < b.0));
        let too_long = |_| FormatError::limit("a tagged field is too long", 0);
        self.unsigned_varint(u32::try_from(fields.len()).map_err(too_long)?);
        for (tag, payload) in fields {
            self.unsigned_varint(*tag);
            self.unsigned_varint(u32::try_from(payload.len()).map_err(too_long)?);
            self.bytes.extend_from_slice(payload);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FormatErrorKind;

    fn write(flexible: bool) -> Vec<u8> {
        let mut writer = FieldWriter::new(flexible);
        writer.i16(-2);
        writer.string("name", "s").unwrap();
        writer.nullable_string(None, "n").unwrap();
        writer.bytes(&[1, 2, 3], "b").unwrap();
        writer.nullable_bytes(None, "nb").unwrap();
        writer.i32_array(&[7, -8], "a").unwrap();
        writer.uuid([9; 16]);
        writer.bool(true);
        if flexible {
            writer.tagged_fields(&[(0, vec![5]), (4, vec![0xff; 3])]).unwrap();
        }
        writer.into_bytes()
    }

    fn read(bytes: &[u8], flexible: bool) -> Result<Vec<u32>, FormatError> {
        let mut tags = Vec::new();
        let mut reader = FieldReader::new(bytes, 0, flexible);
        assert_eq!(reader.i16("i")?, -2);
        let _ = reader.string("s")?;
        let _ = reader.nullable_string("n")?;
        let _ = reader.bytes("b")?;
        let _ = reader.nullable_bytes("nb")?;
        let _ = reader.i32_array("a")?;
        let _ = reader.uuid("u")?;
        let _ = reader.bool("t")?;
        reader.tagged_fields(|tag, _| {
            tags.push(tag);
            Ok(())
        })?;
        reader.finish()?;
        Ok(tags)
    }

    #[test]
    fn both_encodings_read_back() {
        let flexible = write(true);
        assert_eq!(&flexible[2..8], b"\x05name\0");
        assert_eq!(read(&flexible, true).unwrap(), [0, 4]);
        let plain = write(false);
        assert_eq!(&plain[2..10], b"\0\x04name\xff\xff");
        assert!(read(&plain, false).unwrap().is_empty());
    }

    #[test]
    fn every_cut_is_an_error_and_no_changed_byte_panics() {
        for flexible in [false, true] {
            let bytes = write(flexible);
            for length in 2..bytes.len() {
                assert!(read(&bytes[..length], flexible).is_err(), "cut to {length}");
            }
            for at in 2..bytes.len() {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    let _ = read(&changed, flexible);
                }
            }
        }
    }

    #[test]
    fn lengths_beyond_the_bytes_are_refused_before_anything_is_allocated() {
        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 1];
        let reader = || FieldReader::new(&huge, 0, true);
        assert!(reader().string("s").is_err());
        assert!(reader().bytes("b").is_err());
        assert!(reader().array("a", |r| r.i8("e")).is_err());
        assert!(reader().unsigned_varint("v").is_ok());
        assert!(FieldReader::new(&[0xff; 8], 0, true).unsigned_varint("v").is_err());
        assert!(FieldReader::new(&[0x80, 0], 0, false).nullable_string("s").is_err());
        assert!(FieldReader::new(&[0, 2, 0xc3, 0x28], 0, false).string("s").is_err());
        assert!(FieldReader::new(&[0, 1, 7], 0, false).i32_array("a").is_err());
    }

    #[test]
    fn tags_must_ascend_and_stay_inside() {
        for bytes in [&[2, 1, 0, 1, 0][..], &[2, 1, 0, 0, 0], &[1, 0, 1], &[1, 0, 2, 0], &[1]] {
            assert!(FieldReader::new(bytes, 0, true).end_of_struct().is_err(), "{bytes:?}");
        }
        let mut past = FieldReader::new(&[1, 3, 1, 0xaa, 0xbb], 0, true);
        let outcome = past.tagged_fields(|_, field| field.i16("beyond its size").map(drop));
        assert!(outcome.is_err());
    }

    #[test]
    fn a_string_that_no_reader_could_read_is_not_written() {
        let long = "x".repeat(32768);
        let error = FieldWriter::new(true).string(&long, "s").unwrap_err();
        assert_eq!(error.kind, FormatErrorKind::Limit);
    }
}
