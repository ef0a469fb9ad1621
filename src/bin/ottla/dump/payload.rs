//! Keys and values of records: as text, and those of internal topics decoded.

use std::io::{self, Write};

use ottla::batch::records::RecordView;
use ottla::format::compact::FieldReader;
use ottla::format::file_names::{ParsedDir, parse_partition_dir};
use ottla::format::{FormatError, FormatErrorKind};
use ottla::topic::CLUSTER_METADATA_TOPIC;

use super::coordinator_schemas::{Pair, of_group_key, of_transaction_key};
use super::metadata_schemas::of_api_key;

/// What the records of a file hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Bytes of the user, shown as text.
    Text,
    /// Records of the metadata log.
    Metadata,
    /// Records of `__consumer_offsets`.
    Groups,
    /// Records of `__transaction_state`.
    Transactions,
}

impl Payload {
    /// What the files in a directory of that name hold.
    pub(super) fn of_directory(name: Option<&str>) -> Payload {
        let ParsedDir::Partition { topic, .. } = parse_partition_dir(name.unwrap_or_default())
        else {
            return Payload::Text;
        };
        match topic.as_str() {
            CLUSTER_METADATA_TOPIC => Payload::Metadata,
            "__consumer_offsets" => Payload::Groups,
            "__transaction_state" => Payload::Transactions,
            _ => Payload::Text,
        }
    }

    /// Prints ` key: ... payload: ...`, each where there is one.
    pub(super) fn print(self, record: &RecordView<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Payload::Text => print_text(record, out),
            Payload::Metadata => match metadata(record.value.unwrap_or_default()) {
                Ok(json) => write!(out, " payload: {json}"),
                Err(error) => {
                    write!(out, " payload: Error at {}, skipping. {}", record.offset, error.what)
                }
            },
            Payload::Groups => print_coordinator(record, of_group_key, out),
            Payload::Transactions => print_coordinator(record, of_transaction_key, out),
        }
    }
}

fn print_text(record: &RecordView<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(key) = record.key {
        write!(out, " key: {}", String::from_utf8_lossy(key))?;
    }
    if let Some(value) = record.value {
        write!(out, " payload: {}", String::from_utf8_lossy(value))?;
    }
    Ok(())
}

/// The frame of a metadata record is its version, the record's key and the record's version.
fn metadata(value: &[u8]) -> Result<String, FormatError> {
    let mut reader = FieldReader::new(value, 0, true);
    let frame = reader.unsigned_varint("the version of the frame")?;
    if frame != 1 {
        let what = format!("the version of the frame is {frame}");
        return Err(FormatError::unsupported(what, 0));
    }
    let api_key = reader.unsigned_varint("the key of the record")?;
    let version = reader.unsigned_varint("the version of the record")?;
    let Some(message) = of_api_key(api_key) else {
        let what = format!("Unknown metadata id {api_key}");
        return Err(FormatError::unsupported(what, reader.at()));
    };
    let version = i16::try_from(version).unwrap_or(i16::MAX);
    let data = message.print(version, value, reader.at())?;
    Ok(format!("{{\"type\":\"{}\",\"version\":{version},\"data\":{data}}}", message.name))
}

fn print_coordinator(
    record: &RecordView<'_>,
    pair_of: fn(i16) -> Option<&'static Pair>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match coordinator(record, pair_of) {
        Ok((key, value)) => write!(out, " key: {key} payload: {value}"),
        Err(error) if error.kind == FormatErrorKind::Unsupported => {
            let what = error.what;
            write!(out, " key: {what} at offset {}, skipping.", record.offset)
        }
        Err(error) => {
            write!(out, " key: Error at offset {}, skipping. {}", record.offset, error.what)
        }
    }
}

/// Key and value of a coordinator's record. A key says its kind first, a value its version.
fn coordinator(
    record: &RecordView<'_>,
    pair_of: fn(i16) -> Option<&'static Pair>,
) -> Result<(String, String), FormatError> {
    let key = record.key.unwrap_or_default();
    let kind = FieldReader::new(key, 0, false).i16("the kind of the key")?;
    let Some(pair) = pair_of(kind) else {
        return Err(FormatError::unsupported(format!("Unknown record type {kind}"), 0));
    };
    let shown_key = pair.key.print(kind, key, 2)?;
    let shown_value = match record.value {
        Some(value) => {
            let version = FieldReader::new(value, 0, false).i16("the version of the value")?;
            let data = pair.value.print(version, value, 2)?;
            format!("{{\"version\":\"{version}\",\"data\":{data}}}")
        }
        None => "<DELETE>".to_owned(),
    };
    Ok((format!("{{\"type\":\"{kind}\",\"data\":{shown_key}}}"), shown_value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_says_what_its_records_are() {
        for (name, payload) in [
            (Some("orders-0"), Payload::Text),
            (Some("__cluster_metadata-0"), Payload::Metadata),
            (Some("__consumer_offsets-49"), Payload::Groups),
            (Some("__transaction_state-3"), Payload::Transactions),
            (Some("downloads"), Payload::Text),
            (None, Payload::Text),
        ] {
            assert_eq!(Payload::of_directory(name), payload, "{name:?}");
        }
    }
}
