//! Our decoder of record batches against an independent one, the crate `kafka-protocol`.
//!
//! What ours takes, the other one takes, with the same records. What ours refuses and the other one
//! takes must be refused for one of [`OURS_ALONE`]. The other one is only asked what it can be
//! asked: it allocates what a count in the bytes says, and its sums overflow, so the counts are
//! looked at first.
//!
//! Differences by decision:
//! - In a batch with the time of the append, ours shows that time in each record, as Kafka's own
//!   consumer does. The other one shows the producer's.
//! - Without a producer ours has no sequence numbers (-1); the other one counts from -1.
//!   Sequence numbers wrap to 0 behind 2^31 - 1, the other one's go below zero.
//! - Ours keeps headers of one name apart; the other one has the last of them alone. Names of
//!   headers that are no UTF-8 are shown as they are; the other one fails.

use bytes::Bytes;
use kafka_protocol::records::{Compression as TheirCompression, Record, RecordBatchDecoder};
use ottla::batch::entry::Entry;
use ottla::batch::records::RecordView;
use ottla::config::compression::Compression;
use ottla::format::FormatError;
use ottla::format::batch_header::{BATCH_HEADER_LEN, TimestampType};

use crate::batches::{LIMITS, reseal};
use crate::bytes::Input;
use crate::naive;

/// Why ours refuses what the other one takes.
const OURS_ALONE: [&str; 9] = [
    // Offsets of a batch must be such that the next batch has one.
    "the base offset is",
    "the last offset delta is",
    "the batch length is",
    // The other one reads one batch and leaves the rest alone.
    "a batch of",
    // Records lie in order, within their batch, and fill it.
    "a record has the offset delta",
    "bytes follow the last record",
    "the fields of a record do not fill it",
    "records cannot lie in",
    // The other one cuts the bits off that do not fit.
    "the length of a record does not end or fit",
];

/// A batch, by both.
///
/// # Panics
/// If they differ in a way that is not explained above.
pub fn differential(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 {
        reseal(&mut bytes);
    }
    if bytes.get(16) != Some(&2) || bytes.len() < BATCH_HEADER_LEN {
        return;
    }
    let mut scratch = Vec::new();
    match ours(&bytes, &mut scratch) {
        Ok((entry, found)) => taken_by_both(&entry, &found, &bytes),
        Err(error) => refused_by_us(&error, &bytes),
    }
}

type Ours<'a> = (Entry<'a>, Vec<RecordView<'a>>);

fn ours<'a>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Ours<'a>, FormatError> {
    let entry = Entry::decode(bytes)?;
    entry.verify_checksum()?;
    let records: Result<Vec<_>, _> = entry.records(&LIMITS, scratch)?.collect();
    Ok((entry, records?))
}

/// The other one, with our decompression: its framing is compared elsewhere.
fn theirs(bytes: &[u8]) -> Result<Vec<Record>, String> {
    let mut buffer = Bytes::copy_from_slice(bytes);
    let decompress = |packed: &mut Bytes, codec: TheirCompression| {
        let codec = match codec {
            TheirCompression::None => Compression::None,
            TheirCompression::Gzip => Compression::Gzip,
            TheirCompression::Snappy => Compression::Snappy,
            TheirCompression::Lz4 => Compression::Lz4,
            TheirCompression::Zstd => Compression::Zstd,
        };
        let mut plain = Vec::new();
        if !packed.is_empty() {
            ottla::doors::decompress(codec, packed, LIMITS.decompressed_bytes_max, &mut plain)?;
        }
        Ok(Bytes::from(plain))
    };
    RecordBatchDecoder::decode_with_custom_compression(&mut buffer, Some(decompress))
        .map(|set| set.records)
        .map_err(|error| error.to_string())
}

fn taken_by_both(entry: &Entry<'_>, found: &[RecordView<'_>], bytes: &[u8]) {
    let Some(header) = naive::header(bytes) else { panic!("a header that ours took") };
    if entry.timestamp_type() == TimestampType::LogAppendTime {
        // Its sum of base and delta may overflow where ours has no need for it.
        let small = -(1 << 62)..1_i128 << 62;
        if !small.contains(&header.base_timestamp) || bytes.len() > BATCH_HEADER_LEN + 7 {
            return;
        }
    }
    let is_text = |record: &RecordView<'_>| {
        record.headers.clone().all(|h| str::from_utf8(h.name_bytes).is_ok())
    };
    let all_text = found.iter().all(is_text);
    let other = match theirs(bytes) {
        Ok(other) => other,
        Err(error) => {
            assert!(!all_text, "the other one refuses what ours takes: {error}");
            return;
        }
    };
    assert_eq!(found.len(), other.len(), "another number of records");
    for (ours, other) in found.iter().zip(&other) {
        assert_eq!(ours.offset, other.offset);
        assert_eq!(ours.key, other.key.as_deref());
        assert_eq!(ours.value, other.value.as_deref());
        if ours.timestamp_type == TimestampType::CreateTime {
            assert_eq!(ours.timestamp, other.timestamp);
        }
        if header.base_sequence >= 0 {
            assert_eq!(ours.sequence, other.sequence & i32::MAX);
        }
        for (name, value) in &other.headers {
            let name: &[u8] = name.as_ref();
            let last = ours.headers.clone().filter(|h| h.name_bytes == name).last();
            assert_eq!(last.map(|h| h.value), Some(value.as_deref()), "another header");
        }
    }
    assert_eq!(
        entry.is_transactional(),
        other.first().map_or(entry.is_transactional(), |r| r.transactional)
    );
    assert_eq!(entry.is_control(), other.first().map_or(entry.is_control(), |r| r.control));
}

fn refused_by_us(error: &FormatError, bytes: &[u8]) {
    let attributes = bytes[22] & 7;
    // The other one takes memory for what a count claims, and its sums overflow.
    if attributes != 0 || !counts_are_sane(bytes) {
        return;
    }
    if theirs(bytes).is_ok() {
        let is_known = OURS_ALONE.iter().any(|why| error.what.contains(why));
        assert!(is_known, "ours alone refuses it: {error}");
    }
}

/// Whether a walk over the records meets only counts and times that the other one survives.
fn counts_are_sane(bytes: &[u8]) -> bool {
    let count = naive::number(&bytes[57..61]);
    let base = naive::number(&bytes[27..35]);
    let offset = naive::number(&bytes[..8]);
    let small = -(1_i128 << 62)..1_i128 << 62;
    if count > 1000 || !small.contains(&base) || !small.contains(&offset) {
        return false;
    }
    let mut payload = &bytes[BATCH_HEADER_LEN..];
    for _ in 0..count {
        match naive::record(&mut payload) {
            Some((_, delta, _)) if small.contains(&delta) => {}
            _ => return false,
        }
    }
    true
}
