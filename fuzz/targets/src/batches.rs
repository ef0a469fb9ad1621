//! Batches of magic 2 and messages of magic 0 and 1: whole entries as they stand in a log.
//!
//! The first byte of an input says whether its checksum is made right before it is decoded: then
//! what lies behind the checksum is reached, too.

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::batch::records::RecordView;
use ottla::config::compression::Compression;
use ottla::format::FormatErrorKind;
use ottla::format::batch_header::{BATCH_HEADER_LEN, BatchHeader, TimestampType, seal};
use ottla::format::checksum::crc32_ieee;

use crate::bytes::Input;
use crate::heap::within;
use crate::naive::{self, NaiveRecord};

/// What the records of one entry may take when decompressed, in these targets.
pub(crate) const UNPACKED_MAX: usize = 1 << 16;

pub(crate) const LIMITS: DecodeLimits = DecodeLimits { decompressed_bytes_max: UNPACKED_MAX };

/// Makes length and checksum of the entry right that fills `bytes`.
pub(crate) fn reseal(bytes: &mut [u8]) {
    if bytes.len() < 18 {
        return;
    }
    let size = (bytes.len() as i32 - 12).to_be_bytes();
    bytes[8..12].copy_from_slice(&size);
    match bytes[16] {
        2 if bytes.len() >= BATCH_HEADER_LEN => seal(bytes),
        0 | 1 => {
            let sum = crc32_ieee(&bytes[16..]).to_be_bytes();
            bytes[12..16].copy_from_slice(&sum);
        }
        _ => {}
    }
}

/// An entry decoded, checked and read to its end, against a naive reading of the same bytes.
///
/// # Panics
/// If they differ, or an offset lies outside of the entry.
pub fn batch(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut bytes = input.rest().to_vec();
    if mode & 1 == 1 {
        reseal(&mut bytes);
    }
    // Buffers grow by doubling; the naive copy comes on top.
    within(40 * bytes.len() + 6 * UNPACKED_MAX + (256 << 10), || read_entry(&bytes));
}

fn read_entry(bytes: &[u8]) {
    let entry = match Entry::decode(bytes) {
        Ok(entry) => entry,
        Err(error) => {
            let is_naive = bytes.get(16) == Some(&2) && naive::header(bytes).is_some();
            assert!(!is_naive, "refused a header that may be: {error}");
            let newer = bytes.get(16).is_some_and(|magic| (3..16).contains(magic));
            assert!(newer || error.kind == FormatErrorKind::Corrupt, "{error:?}");
            return;
        }
    };
    assert_eq!(entry.bytes(), bytes);
    assert!((0..=2).contains(&entry.magic()), "magic {} was taken", entry.magic());
    assert!(entry.base_offset() >= 0 && entry.last_offset() < i64::MAX);
    // Whatever the checksum says, nothing may break.
    let _ = (entry.verify_checksum(), entry.control_type(), entry.producer());
    if let Some(header) = entry.header() {
        encodes_as_it_was(header, bytes);
    }
    let mut scratch = Vec::new();
    let records = entry.records(&LIMITS, &mut scratch);
    let Ok(records) = records else { return };
    let mut skipping = records.clone();
    let found: Result<Vec<_>, _> = records.collect();
    let found = found.ok();
    if let Some(found) = &found {
        check_offsets(&entry, found);
        let middle = found.get(found.len() / 2).map_or(0, |record| record.offset);
        skipping.skip_to(middle).expect("what was read can be passed over");
        assert!(skipping.eq_by_offset(&found[found.len() / 2..]), "skipped elsewhere");
    }
    if entry.magic() == 2 && matches!(entry.compression(), Ok(Compression::None)) {
        let header = naive::header(bytes).expect("a header that was taken");
        let expected = naive::records(&header, &bytes[BATCH_HEADER_LEN..]);
        assert_eq!(found.as_deref().map(plain_all), expected, "read otherwise");
    }
}

/// Whether what is left of an iteration has these offsets.
trait EqByOffset {
    fn eq_by_offset(self, others: &[RecordView<'_>]) -> bool;
}

impl EqByOffset for ottla::batch::records::Records<'_> {
    fn eq_by_offset(self, others: &[RecordView<'_>]) -> bool {
        let offsets = self.map(|record| record.map(|record| record.offset).unwrap_or(-1));
        offsets.eq(others.iter().map(|record| record.offset))
    }
}

fn encodes_as_it_was(header: &BatchHeader, bytes: &[u8]) {
    let mut again = [0; BATCH_HEADER_LEN];
    header.encode(&mut again);
    assert_eq!(again[..], bytes[..BATCH_HEADER_LEN], "a header was written otherwise");
    assert_eq!(header.size_bytes(), bytes.len());
    let emptied = BatchHeader::decode(&header.encode_emptied()).expect("an emptied batch");
    assert_eq!(emptied.last_offset(), header.last_offset());
}

fn check_offsets(entry: &Entry<'_>, found: &[RecordView<'_>]) {
    assert!(found.is_sorted_by(|one, next| one.offset < next.offset), "offsets do not ascend");
    if entry.magic() == 2 {
        let within = entry.base_offset()..=entry.last_offset();
        assert!(found.iter().all(|record| within.contains(&record.offset)), "an offset outside");
        assert_eq!(entry.record_count(), Some(found.len()));
    }
}

pub(crate) fn plain_all(found: &[RecordView<'_>]) -> Vec<NaiveRecord> {
    found.iter().map(plain).collect()
}

pub(crate) fn plain(record: &RecordView<'_>) -> NaiveRecord {
    let owned = |bytes: &[u8]| bytes.to_vec();
    let headers = record.headers.clone();
    assert_eq!(headers.count_left(), headers.clone().count(), "headers are miscounted");
    let _ = record.timestamp_type == TimestampType::CreateTime;
    NaiveRecord {
        offset: i128::from(record.offset),
        timestamp: i128::from(record.timestamp),
        sequence: i128::from(record.sequence),
        key: record.key.map(owned),
        value: record.value.map(owned),
        headers: headers.map(|h| (h.name_bytes.to_vec(), h.value.map(owned))).collect(),
    }
}
