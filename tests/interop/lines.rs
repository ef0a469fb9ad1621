//! Batches and records as lines, which the peers print too (see `java/src/Lines.java` and
//! `python/peer.py`), so that a comparison is a comparison of text:
//!
//! ```text
//! B base last count codec C|L maxTimestamp producerId producerEpoch baseSequence txn control
//! R offset timestamp key value headers
//! ```
//!
//! Bytes are lower-case hex, `-` is null and `.` is empty; headers are `name=value,...` or `.`.

use std::fmt::Write as _;

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::format::batch_header::TimestampType;

/// The lines of whole batches, decoded by Ottla; every checksum is verified.
pub(crate) fn lines_of(bytes: &[u8]) -> Result<String, String> {
    let mut lines = String::new();
    let mut scratch = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let failed = |error: ottla::format::FormatError| format!("at {at}: {error}");
        let size = Entry::size_of(&bytes[at..]).map_err(failed)?;
        let whole = bytes.get(at..at + size).ok_or(format!("at {at}: the batch is cut"))?;
        let entry = Entry::decode(whole).map_err(failed)?;
        entry.verify_checksum().map_err(failed)?;
        let mut records = String::new();
        let mut count = 0;
        for record in entry.records(&DecodeLimits::default(), &mut scratch).map_err(failed)? {
            let record = record.map_err(failed)?;
            let headers: Vec<(Vec<u8>, Option<Vec<u8>>)> = record
                .headers
                .clone()
                .map(|header| (header.name_bytes.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect();
            records +=
                &record_line(record.offset, record.timestamp, record.key, record.value, &headers);
            count += 1;
        }
        lines += &batch_line(&entry, count);
        lines += &records;
        at += size;
    }
    Ok(lines)
}

fn batch_line(entry: &Entry<'_>, count: usize) -> String {
    let producer = entry.producer().map_or((-1, -1, -1), |p| (p.id, p.epoch, p.base_sequence));
    format!(
        "B {} {} {} {} {} {} {} {} {} {} {}\n",
        entry.base_offset(),
        entry.last_offset(),
        count,
        entry.compression().map_or("unknown", |codec| codec.name()),
        if entry.timestamp_type() == TimestampType::LogAppendTime { "L" } else { "C" },
        entry.max_timestamp(),
        producer.0,
        producer.1,
        producer.2,
        entry.is_transactional(),
        entry.is_control(),
    )
}

/// The line of one record.
pub(crate) fn record_line(
    offset: i64,
    timestamp: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(Vec<u8>, Option<Vec<u8>>)],
) -> String {
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{}={}", hex(Some(name)), hex(value.as_deref())))
        .collect();
    let headers = if headers.is_empty() { ".".to_owned() } else { headers.join(",") };
    format!("R {offset} {timestamp} {} {} {headers}\n", hex(key), hex(value))
}

/// Lower-case hex; `-` for null, `.` for empty.
pub(crate) fn hex(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "-".to_owned(),
        Some([]) => ".".to_owned(),
        Some(bytes) => {
            bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
                write!(text, "{byte:02x}").expect("a string takes all");
                text
            })
        }
    }
}

/// Only the record lines: of the old formats every peer has its own idea of what a batch is.
pub(crate) fn record_lines_only(lines: &str) -> String {
    lines.lines().filter(|line| line.starts_with("R ")).map(|line| format!("{line}\n")).collect()
}

/// The printed lines by file, from output in which each file is headed by `FILE path`.
pub(crate) fn split_by_file(output: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in output.lines() {
        if let Some(path) = line.strip_prefix("FILE ") {
            files.push((path.to_owned(), String::new()));
        } else if let Some((_, lines)) = files.last_mut() {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    files
}

/// Fails with the first line that differs, and not with two walls of hex.
pub(crate) fn assert_same_lines(what: &str, found: &str, wanted: &str) {
    let short = |line: Option<&str>| line.map(|line| line[..line.len().min(200)].to_owned());
    let (mut found_lines, mut wanted_lines) = (found.lines(), wanted.lines());
    for number in 1.. {
        let (left, right) = (found_lines.next(), wanted_lines.next());
        assert_eq!(short(left), short(right), "{what}: line {number} (found, wanted)");
        assert!(left == right, "{what}: line {number} differs beyond 200 characters");
        if left.is_none() {
            return;
        }
    }
}
