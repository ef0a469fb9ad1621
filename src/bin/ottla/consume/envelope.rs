//! kcat's JSON envelope: a record as a line of JSON.
//!
//! Keys and values are printed as text. Bytes that are not UTF-8 become U+FFFD, as JSON has no
//! other place for them; print with `-f` where each byte counts.

use std::borrow::Cow;
use std::io::{self, Write};

use ottla::format::batch_header::TimestampType;
use serde_json::{Value, json};

use super::format::Printed;

/// Prints a record and ends the line.
///
/// # Errors
/// What `out` says.
pub(crate) fn print(record: &Printed<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{\"topic\":{},\"partition\":{},", json!(record.topic), record.partition)?;
    write!(out, "\"offset\":{},", record.offset)?;
    if let Some(name) = timestamp_type(record) {
        write!(out, "\"tstype\":\"{name}\",\"ts\":{},", record.timestamp)?;
    }
    if !record.headers.is_empty() {
        let flat: Vec<Value> = record
            .headers
            .iter()
            .flat_map(|(name, value)| [Value::from(name.as_ref()), text(*value)])
            .collect();
        write!(out, "\"headers\":{},", Value::from(flat))?;
    }
    writeln!(out, "\"key\":{},\"payload\":{}}}", text(record.key), text(record.value))
}

/// kcat's word for whose time it is; nothing if the record has none.
fn timestamp_type(record: &Printed<'_>) -> Option<&'static str> {
    match record.timestamp_type {
        TimestampType::LogAppendTime => Some("logappend"),
        TimestampType::CreateTime if record.timestamp >= 0 => Some("create"),
        _ => None,
    }
}

fn text(bytes: Option<&[u8]>) -> Value {
    match bytes {
        Some(bytes) => match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => Value::from(text),
            Cow::Owned(text) => Value::from(text),
        },
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &Printed<'_>, line: &str) {
        let mut out = Vec::new();
        print(record, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }

    #[test]
    fn a_record_is_a_line_with_kcats_keys() {
        let mut record = Printed {
            topic: "orders",
            partition: 0,
            offset: 7,
            timestamp: 1_700_000_000_000,
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: Some(b"say \"hi\"\n\xff"),
            headers: vec![(Cow::Borrowed("h"), Some(b"v")), (Cow::Borrowed("n"), None)],
        };
        check(
            &record,
            "{\"topic\":\"orders\",\"partition\":0,\"offset\":7,\"tstype\":\"create\",\
             \"ts\":1700000000000,\"headers\":[\"h\",\"v\",\"n\",null],\"key\":null,\
             \"payload\":\"say \\\"hi\\\"\\n\u{fffd}\"}\n",
        );
        record.timestamp = -1;
        record.headers.clear();
        record.key = Some(b"k");
        record.value = None;
        check(
            &record,
            "{\"topic\":\"orders\",\"partition\":0,\"offset\":7,\"key\":\"k\",\"payload\":null}\n",
        );
        record.timestamp_type = TimestampType::LogAppendTime;
        record.timestamp = 5;
        check(
            &record,
            "{\"topic\":\"orders\",\"partition\":0,\"offset\":7,\"tstype\":\"logappend\",\
             \"ts\":5,\"key\":\"k\",\"payload\":null}\n",
        );
    }
}
