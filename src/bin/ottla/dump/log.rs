//! Segments and metadata snapshots, printed line by line as Kafka's own tool prints them with
//! `--deep-iteration --print-data-log`, so that the two outputs can be compared.
//!
//! A line per batch, then a line per record. What is damaged is printed as far as it goes.

use std::borrow::Cow;
use std::io::{self, Write};

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::batch::records::RecordView;
use ottla::error::{Error, ErrorKind};
use ottla::format::FormatError;
use ottla::format::batch_header::PREFIX_LEN;
use ottla::format::control_record::{ControlType, EndTransactionMarker};
use ottla::format::file_names::parse_metadata_snapshot;
use ottla::format::legacy_message::LegacyMessage;

use super::metadata_schemas as schemas;
use super::payload::Payload;
use super::source::Source;
use crate::exit::Failure;

/// How many more bytes are read into memory at a time for one batch.
const STEP_BYTES: usize = 1 << 20;

/// Prints a segment; its name says its base offset.
pub(super) fn segment(
    source: &mut Source,
    base_offset: i64,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "Log starting offset: {base_offset}")?;
    let payload = Payload::of_directory(source.directory.as_deref());
    entries(source, payload, out)
}

/// Prints a snapshot of the metadata log; its name says where it ends.
pub(super) fn metadata_snapshot(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    match parse_metadata_snapshot(&source.name) {
        Some((offset, epoch)) => {
            writeln!(out, "Snapshot end offset: {offset}, epoch: {epoch}")?;
        }
        None => writeln!(out, "KRaft bootstrap snapshot")?,
    }
    entries(source, Payload::Metadata, out)
}

/// Prints what recovery cut off a log. That it is damaged is why it was cut, so it is no failure.
pub(super) fn quarantine(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    match entries(source, Payload::Text, out) {
        Err(Failure::Library(error))
            if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

fn entries(source: &mut Source, payload: Payload, out: &mut dyn Write) -> Result<(), Failure> {
    let mut damage = None;
    let mut bytes = Vec::new();
    let mut scratch = Vec::new();
    let mut position = 0;
    while source.left() > 0 {
        position = source.position();
        if let Err(error) = read_entry(source, &mut bytes)? {
            damage.get_or_insert_with(|| source.damaged(error, position));
            break;
        }
        let printed = match Entry::decode(&bytes) {
            Ok(entry) => print_entry(&entry, position, payload, &mut scratch, out)?,
            Err(error) => Err(error),
        };
        if let Err(error) = printed {
            damage.get_or_insert_with(|| source.damaged(error, position));
        }
        position = source.position();
    }
    if position < source.length {
        let trailing = source.length - position;
        writeln!(out, "Found {trailing} invalid bytes at the end of {}", source.name)?;
        damage.get_or_insert_with(|| {
            let what = format!("the last {trailing} bytes are no whole batch");
            let error = Error::new(ErrorKind::Corrupt, what);
            error.at_file(&source.path).at_position(position).into()
        });
    }
    damage.map_or(Ok(()), Err)
}

/// Reads the next entry into `bytes`; the inner error says why there is none.
fn read_entry(
    source: &mut Source,
    bytes: &mut Vec<u8>,
) -> Result<Result<(), FormatError>, Failure> {
    let left = source.left();
    bytes.clear();
    bytes.resize(PREFIX_LEN, 0);
    let read = source.read(bytes)?;
    let size = match Entry::size_of(&bytes[..read]) {
        Ok(size) => size,
        Err(error) => return Ok(Err(error)),
    };
    if size as u64 > left {
        let what = format!("a batch of {size} bytes ends after {left}");
        return Ok(Err(FormatError::corrupt(what, 0)));
    }
    // Grows with what is really there: the file may have been cut since its length was taken.
    while bytes.len() < size {
        let start = bytes.len();
        let end = size.min(start + STEP_BYTES);
        bytes.resize(end, 0);
        if source.read(&mut bytes[start..])? < end - start {
            return Ok(Err(FormatError::truncated("a batch", start)));
        }
    }
    Ok(Ok(()))
}

/// Prints a batch and its records; the inner error is the first thing that is wrong with it.
fn print_entry(
    entry: &Entry<'_>,
    position: u64,
    payload: Payload,
    scratch: &mut Vec<u8>,
    out: &mut dyn Write,
) -> io::Result<Result<(), FormatError>> {
    let valid = entry.verify_checksum();
    print_batch_line(entry, position, valid.is_ok(), out)?;
    let limits = DecodeLimits::default();
    let checks = match legacy_checks(entry, &limits, scratch) {
        Ok(checks) => checks,
        Err(error) => return Ok(valid.and(Err(error))),
    };
    let records = match entry.records(&limits, scratch) {
        Ok(records) => records,
        Err(error) => return Ok(valid.and(Err(error))),
    };
    let mut checks = checks.into_iter();
    for record in records {
        match record {
            Ok(record) => print_record_line(entry, &record, checks.next(), payload, out)?,
            Err(error) => return Ok(valid.and(Err(error))),
        }
    }
    Ok(valid)
}

fn print_batch_line(
    entry: &Entry<'_>,
    position: u64,
    valid: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let crc = match entry.header() {
        Some(header) => {
            write!(
                out,
                "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} \
                 producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
                 isControl: {} deleteHorizonMs: {}",
                header.base_offset,
                header.last_offset(),
                header.record_count,
                header.base_sequence,
                header.last_sequence(),
                header.producer_id,
                header.producer_epoch,
                header.partition_leader_epoch,
                header.is_transactional(),
                header.is_control(),
                optional(header.delete_horizon_ms()),
            )?;
            header.crc
        }
        None => {
            write!(out, "offset: {}", entry.last_offset())?;
            LegacyMessage::decode(entry.bytes()).map_or(0, |message| message.crc)
        }
    };
    let codec = entry.compression().map_or("unknown", |codec| codec.name());
    writeln!(
        out,
        " position: {position} {}: {} size: {} magic: {} compresscodec: {codec} crc: {crc} \
         isvalid: {valid}",
        timestamp_name(entry),
        entry.max_timestamp(),
        entry.bytes().len(),
        entry.magic(),
    )
}

fn print_record_line(
    entry: &Entry<'_>,
    record: &RecordView<'_>,
    check: Option<LegacyCheck>,
    payload: Payload,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(
        out,
        "| offset: {} {}: {} keySize: {} valueSize: {}",
        record.offset,
        timestamp_name(entry),
        record.timestamp,
        size(record.key),
        size(record.value),
    )?;
    if entry.header().is_some() {
        let names: Vec<Cow<'_, str>> = record.headers.clone().map(|header| header.name()).collect();
        write!(out, " sequence: {} headerKeys: [{}]", record.sequence, names.join(","))?;
    }
    if let Some(check) = check {
        write!(out, " isValid: {} crc: {}", check.valid, check.crc)?;
    }
    if entry.is_control() {
        print_control(record, out)?;
    } else {
        payload.print(record, out)?;
    }
    writeln!(out)
}

/// What a control record says.
fn print_control(record: &RecordView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let value = record.value.unwrap_or_default();
    let Ok(control) = ControlType::decode_key(record.key.unwrap_or_default()) else {
        return write!(out, " controlType: unreadable");
    };
    let (name, message) = match control {
        ControlType::Abort | ControlType::Commit => {
            let name = if control == ControlType::Commit { "COMMIT" } else { "ABORT" };
            return match EndTransactionMarker::decode(value) {
                Ok(marker) => {
                    let epoch = marker.coordinator_epoch;
                    write!(out, " endTxnMarker: {name} coordinatorEpoch: {epoch}")
                }
                Err(_) => write!(out, " endTxnMarker: {name} coordinatorEpoch: unreadable"),
            };
        }
        ControlType::LeaderChange => ("LeaderChange:", &schemas::LEADER_CHANGE),
        ControlType::SnapshotHeader => ("SnapshotHeader", &schemas::SNAPSHOT_HEADER),
        ControlType::SnapshotFooter => ("SnapshotFooter", &schemas::SNAPSHOT_FOOTER),
        ControlType::KraftVersion => ("KRaftVersion", &schemas::KRAFT_VERSION),
        ControlType::KraftVoters => ("KRaftVoters", &schemas::KRAFT_VOTERS),
        ControlType::Unknown(id) => return write!(out, " controlType: UNKNOWN({id})"),
    };
    // The version is the first field of these.
    let version = value.first_chunk().map_or(-1, |bytes| i16::from_be_bytes(*bytes));
    match message.print(version, value, 0) {
        Ok(json) => write!(out, " {name} {json}"),
        Err(error) => write!(out, " {name} unreadable: {}", error.what),
    }
}

/// Whether a legacy message is sound. Inside of a compressed one each message has its own.
#[derive(Clone, Copy, Debug)]
struct LegacyCheck {
    valid: bool,
    crc: u32,
}

fn legacy_checks(
    entry: &Entry<'_>,
    limits: &DecodeLimits,
    scratch: &mut Vec<u8>,
) -> Result<Vec<LegacyCheck>, FormatError> {
    if entry.header().is_some() {
        return Ok(Vec::new());
    }
    let of = |bytes: &[u8]| {
        let message = LegacyMessage::decode(bytes)?;
        Ok(LegacyCheck { valid: message.verify_checksum().is_ok(), crc: message.crc })
    };
    if entry.record_count().is_some() {
        return Ok(vec![of(entry.bytes())?]);
    }
    // Decompresses; the records themselves are read again later.
    let _ = entry.records(limits, scratch)?;
    let mut checks = Vec::new();
    let mut rest = &scratch[..];
    while let Ok(size) = Entry::size_of(rest) {
        let Some((message, after)) = rest.split_at_checked(size) else { break };
        checks.push(of(message)?);
        rest = after;
    }
    Ok(checks)
}

fn timestamp_name(entry: &Entry<'_>) -> &'static str {
    if entry.magic() == 0 { "NoTimestampType" } else { entry.timestamp_type().name() }
}

/// A number that may be absent, as Java prints it.
pub(super) fn optional(number: Option<i64>) -> String {
    match number {
        Some(number) => format!("OptionalLong[{number}]"),
        None => "OptionalLong.empty".to_owned(),
    }
}

/// The length, -1 for nothing.
fn size(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}
