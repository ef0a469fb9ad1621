//! kcat's format strings: a record printed token by token.

use std::borrow::Cow;
use std::io::{self, Write};
use std::str::FromStr;

use ottla::format::batch_header::TimestampType;

/// A record, as the printers see it.
#[derive(Debug)]
pub(crate) struct Printed<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<(Cow<'a, str>, Option<&'a [u8]>)>,
}

/// A parsed format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(Vec<u8>),
    Value,
    ValueLength,
    /// As a signed big-endian number of four bytes.
    ValueLengthBinary,
    Key,
    KeyLength,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
}

impl Format {
    /// One value a line.
    pub(crate) fn value_lines() -> Format {
        Format(vec![Token::Value, Token::Literal(b"\n".to_vec())])
    }

    /// Prints a record.
    ///
    /// # Errors
    /// What `out` says.
    pub(crate) fn print(&self, record: &Printed<'_>, out: &mut dyn Write) -> io::Result<()> {
        for token in &self.0 {
            match token {
                Token::Literal(bytes) => out.write_all(bytes)?,
                Token::Value => out.write_all(record.value.unwrap_or_default())?,
                Token::ValueLength => write!(out, "{}", length(record.value))?,
                Token::ValueLengthBinary => out.write_all(&length(record.value).to_be_bytes())?,
                Token::Key => out.write_all(record.key.unwrap_or_default())?,
                Token::KeyLength => write!(out, "{}", length(record.key))?,
                Token::Headers => print_headers(record, out)?,
                Token::Topic => out.write_all(record.topic.as_bytes())?,
                Token::Partition => write!(out, "{}", record.partition)?,
                Token::Offset => write!(out, "{}", record.offset)?,
                Token::Timestamp => write!(out, "{}", record.timestamp)?,
            }
        }
        Ok(())
    }
}

/// `name=value` with commas between; a value that is not there prints as `NULL`.
fn print_headers(record: &Printed<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (index, (name, value)) in record.headers.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(name.as_bytes())?;
        out.write_all(b"=")?;
        out.write_all(value.unwrap_or(b"NULL"))?;
    }
    Ok(())
}

/// The length in bytes, -1 for nothing. No record is longer than `i32::MAX`.
fn length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let mut tokens = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '%' => {
                    let name = rest.chars().next().ok_or("nothing follows the last %")?;
                    rest = &rest[name.len_utf8()..];
                    if name == '%' {
                        literal.push(b'%');
                        continue;
                    }
                    if !literal.is_empty() {
                        tokens.push(Token::Literal(std::mem::take(&mut literal)));
                    }
                    tokens.push(token(name)?);
                }
                '\\' => rest = unescape(rest, &mut literal)?,
                _ => literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !literal.is_empty() {
            tokens.push(Token::Literal(literal));
        }
        Ok(Format(tokens))
    }
}

/// What stands between two things in a line; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Separator(Vec<u8>);

impl Separator {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Separator {
    type Err = String;

    fn from_str(text: &str) -> Result<Separator, String> {
        let (mut bytes, mut rest) = (Vec::new(), text);
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => rest = unescape(rest, &mut bytes)?,
                _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if bytes.is_empty() {
            return Err("it must not be empty; leave it out for records without keys".to_owned());
        }
        Ok(Separator(bytes))
    }
}

fn token(name: char) -> Result<Token, String> {
    Ok(match name {
        's' => Token::Value,
        'S' => Token::ValueLength,
        'R' => Token::ValueLengthBinary,
        'k' => Token::Key,
        'K' => Token::KeyLength,
        'h' => Token::Headers,
        't' => Token::Topic,
        'p' => Token::Partition,
        'o' => Token::Offset,
        'T' => Token::Timestamp,
        _ => return Err(format!("there is no token %{name}")),
    })
}

/// Reads what follows a backslash into `literal` and returns the rest. `\x` takes two hexadecimal
/// digits at most, a digit begins a decimal number or, with a leading 0, an octal one of three digits more.
fn unescape<'t>(text: &'t str, literal: &mut Vec<u8>) -> Result<&'t str, String> {
    let Some(c) = text.chars().next() else {
        literal.push(b'\\');
        return Ok(text);
    };
    let after = &text[c.len_utf8()..];
    let (digits, radix, digits_max) = match c {
        'n' | 'r' | 't' => {
            literal.push(match c {
                'n' => b'\n',
                'r' => b'\r',
                _ => b'\t',
            });
            return Ok(after);
        }
        'x' => (after, 16, 2),
        '0' => (text, 8, 4),
        '1'..='9' => (text, 10, 3),
        _ => {
            literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(after);
        }
    };
    let count = digits.chars().take(digits_max).take_while(|c| c.is_digit(radix)).count();
    let (number, rest) = digits.split_at(count);
    let byte =
        u8::from_str_radix(number, radix).map_err(|_| format!("\\{c}{number} is no byte"))?;
    literal.push(byte);
    Ok(rest)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
