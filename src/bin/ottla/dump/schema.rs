//! Messages described field by field, and printed as Kafka's tools print them as JSON.
//!
//! A description is data: which fields there are, in which versions, how each is encoded. One
//! function reads any of them. This serves printing only; what the library acts on has types of
//! its own.

use std::fmt::Write as _;

use ottla::format::FormatError;
use ottla::format::compact::FieldReader;
use ottla::format::json::write_text;
use ottla::topic::TopicId;

/// A message, or a struct inside of one.
#[derive(Debug)]
pub(super) struct Message {
    /// Kafka's name of it.
    pub(super) name: &'static str,
    /// The newest version that is described here.
    pub(super) version_max: i16,
    /// The first version with the compact encoding.
    pub(super) flexible_since: i16,
    /// The fields, in order.
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    kind: Kind,
    since: i16,
    until: i16,
    tag: Option<u32>,
}

/// How a field is encoded.
#[derive(Debug)]
pub(super) enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    Uuid,
    Text,
    Bytes,
    Array(&'static Kind),
    Struct(&'static [Field]),
    /// Bytes that hold a message with its version in front.
    Nested(&'static Message),
}

/// A field of every version.
pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, since: 0, until: i16::MAX, tag: None }
}

impl Field {
    /// The same, from this version on.
    pub(super) const fn since(self, since: i16) -> Field {
        Field { since, ..self }
    }

    /// The same, up to this version.
    pub(super) const fn until(self, until: i16) -> Field {
        Field { until, ..self }
    }

    /// The same, as a tagged field, which is left out when it has its default.
    pub(super) const fn tag(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }
}

impl Message {
    /// Reads the fields of `version` from `bytes` on `at`, all of them, and prints them as a JSON
    /// object.
    ///
    /// # Errors
    /// Unsupported for a version newer than the description; corrupt if the bytes do not fit it.
    pub(super) fn print(
        &self,
        version: i16,
        bytes: &[u8],
        at: usize,
    ) -> Result<String, FormatError> {
        if !(0..=self.version_max).contains(&version) {
            let what = format!("version {version} of {} is not known", self.name);
            return Err(FormatError::unsupported(what, at));
        }
        let mut reader = FieldReader::new(bytes, at, version >= self.flexible_since);
        let mut out = String::new();
        print_struct(self.fields, version, &mut reader, &mut out)?;
        reader.finish()?;
        Ok(out)
    }
}

fn print_struct(
    fields: &'static [Field],
    version: i16,
    reader: &mut FieldReader<'_>,
    out: &mut String,
) -> Result<(), FormatError> {
    let mut printed: Vec<Option<String>> = Vec::with_capacity(fields.len());
    for field in fields {
        let mut text = None;
        if field.tag.is_none() && (field.since..=field.until).contains(&version) {
            print_value(&field.kind, field.name, version, reader, text.insert(String::new()))?;
        }
        printed.push(text);
    }
    // Tagged fields stand at the end of the bytes, and in the order of the description in JSON.
    reader.tagged_fields(|tag, reader| {
        if let Some(index) = fields.iter().position(|field| field.tag == Some(tag)) {
            let text = printed[index].insert(String::new());
            print_value(&fields[index].kind, fields[index].name, version, reader, text)?;
        }
        Ok(())
    })?;
    let mut separator = '{';
    for (field, text) in fields.iter().zip(&printed) {
        if let Some(text) = text {
            let _ = write!(out, "{separator}\"{}\":{text}", field.name);
            separator = ',';
        }
    }
    out.push_str(if separator == '{' { "{}" } else { "}" });
    Ok(())
}

fn print_value(
    kind: &'static Kind,
    name: &'static str,
    version: i16,
    reader: &mut FieldReader<'_>,
    out: &mut String,
) -> Result<(), FormatError> {
    // Writing to a String cannot fail.
    let _ = match kind {
        Kind::Bool => write!(out, "{}", reader.bool(name)?),
        Kind::I8 => write!(out, "{}", reader.i8(name)?),
        Kind::I16 => write!(out, "{}", reader.i16(name)?),
        Kind::U16 => write!(out, "{}", reader.u16(name)?),
        Kind::I32 => write!(out, "{}", reader.i32(name)?),
        Kind::I64 => write!(out, "{}", reader.i64(name)?),
        Kind::Uuid => write!(out, "\"{}\"", TopicId(reader.uuid(name)?)),
        Kind::Text => {
            match reader.nullable_string(name)? {
                Some(text) => write_text(out, text),
                None => out.push_str("null"),
            }
            Ok(())
        }
        Kind::Bytes => {
            print_bytes(reader.nullable_bytes(name)?, out);
            Ok(())
        }
        Kind::Nested(message) => {
            let bytes = reader.nullable_bytes(name)?;
            match bytes.and_then(|bytes| print_nested(message, bytes)) {
                Some(text) => out.push_str(&text),
                None => print_bytes(bytes, out),
            }
            Ok(())
        }
        Kind::Array(element) => {
            let elements = reader.nullable_array(name, |reader| {
                let mut text = String::new();
                print_value(element, name, version, reader, &mut text)?;
                Ok(text)
            })?;
            match elements {
                Some(elements) => write!(out, "[{}]", elements.join(",")),
                None => write!(out, "null"),
            }
        }
        Kind::Struct(fields) => {
            print_struct(fields, version, reader, out)?;
            Ok(())
        }
    };
    Ok(())
}

/// A message inside of bytes; `None` if they hold something else.
fn print_nested(message: &Message, bytes: &[u8]) -> Option<String> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    message.print(version, bytes, 2).ok()
}

fn print_bytes(bytes: Option<&[u8]>, out: &mut String) {
    match bytes {
        Some(bytes) => {
            out.push('"');
            base64(bytes, out);
            out.push('"');
        }
        None => out.push_str("null"),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding, which JSON of Kafka's tools uses for bytes.
fn base64(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for index in 0..4 {
            if index <= chunk.len() {
                let six = bits >> (18 - 6 * index) & 0x3f;
                out.push(char::from(BASE64[six as usize]));
            } else {
                out.push('=');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: [Field; 2] = [field("a", Kind::I16), field("b", Kind::Text).tag(1)];
    static MESSAGE: Message = Message {
        name: "SAMPLE",
        version_max: 2,
        flexible_since: 1,
        fields: &[
            field("late", Kind::I8).tag(3).since(1),
            field("flag", Kind::Bool),
            field("old", Kind::I32).until(0),
            field("list", Kind::Array(&Kind::Struct(&INNER))).since(2),
            field("blob", Kind::Bytes),
        ],
    };

    #[test]
    fn fields_are_those_of_the_version() {
        let old = MESSAGE.print(0, &[9, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff], 1);
        assert_eq!(old.unwrap(), r#"{"flag":true,"old":7,"blob":null}"#);
        let flexible = MESSAGE.print(1, &[0, 3, 0xca, 0xfe, 1, 3, 1, 5], 0);
        assert_eq!(flexible.unwrap(), r#"{"late":5,"flag":false,"blob":"yv4="}"#);
        let list = [1, 3, 0, 8, 0, 0, 9, 1, 1, 2, 2, b'x'];
        let list = [&list[..], &[1, 0]].concat();
        let printed = MESSAGE.print(2, &list, 0).unwrap();
        assert_eq!(printed, r#"{"flag":true,"list":[{"a":8},{"a":9,"b":"x"}],"blob":""}"#);
    }

    #[test]
    fn bytes_that_do_not_fit_are_an_error() {
        assert!(MESSAGE.print(3, &[], 0).is_err());
        assert!(MESSAGE.print(0, &[1], 0).is_err());
        assert!(MESSAGE.print(0, &[1, 0, 0, 0, 7, 0, 0, 0, 0, 99], 0).is_err());
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            let mut out = String::new();
            base64(bytes.as_bytes(), &mut out);
            assert_eq!(out, text, "{bytes}");
        }
    }
}
