//! Reading the fields of a message.

use super::UuidBytes;
use crate::format::FormatError;
use crate::format::varint::read_unsigned_varint;

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
