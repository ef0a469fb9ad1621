//! Writing the fields of a message; the mirror of reading them.

use super::UuidBytes;
use crate::format::FormatError;
use crate::format::varint::write_unsigned_varint;

/// Writes the fields of one message; the mirror of [`FieldReader`](super::FieldReader).
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
