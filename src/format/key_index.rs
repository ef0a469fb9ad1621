//! `.keyindex`: for each key of one sealed segment the records that carry it. Pure.
//!
//! Keys lie in the order of their hashes, and a table by the leading bits of the hash says where
//! to look, so that a lookup touches two places. docs/FORMAT.md, chapter "The key index", has the
//! picture. The file is derived: it names the log that it was made of by length and sum, and one
//! that does not fit is made anew.
//!
//! The invariant: any bytes that [`KeyIndexLayout::decode`] let pass can be searched without a
//! panic; what they say is checked against the log by whoever asks.

use crate::format::FormatError;
use crate::format::checksum::crc32c;
use crate::format::key_hash::HashSecret;

const MAGIC: &[u8; 8] = b"OTTLAKEY";
const VERSION: u32 = 1;
const CRC_AT: usize = 12;
const SUMMED_AT: usize = 16;
/// The bytes before the table.
pub const KEY_INDEX_HEADER_LEN: usize = 64;
const KEY_LEN: usize = 20;
const RECORD_LEN: usize = 8;
/// No entry of a log is shorter (a message of magic 0), and none has more records, because they
/// take 7 bytes or more each in the 64 MiB that it may be decompressed to: so a log without entries
/// cannot ask for an index. A compressed record may take less than a byte.
const ENTRY_BYTES_MIN: u64 = 26;
const RECORDS_PER_ENTRY_MAX: u64 = (64 << 20) / 7;
/// How many keys share a place of the table, at most about that many bits of them.
const KEYS_PER_BUCKET_BITS: u32 = 1;
const BUCKET_BITS_MAX: u32 = 28;

/// The log that an index was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedLog {
    /// The first offset of the segment.
    pub base_offset: i64,
    /// The length of the log.
    pub log_bytes: u64,
    /// The running sum over its batches.
    pub log_sum: u32,
}

/// A record that carries a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRecord {
    /// The record's offset, less the segment's first.
    pub relative_offset: u32,
    /// Where the record's batch starts in the log.
    pub position: u32,
}

/// Writes an index: keys in the order of their hashes, the records of each in the order of their
/// offsets.
#[derive(Debug)]
pub struct KeyIndexWriter {
    bytes: Vec<u8>,
    bucket_bits: u32,
    next_bucket: usize,
    keys: u32,
    keys_at: usize,
    records: u32,
    records_at: usize,
}

impl KeyIndexWriter {
    /// An index for exactly so many keys and records.
    pub fn new(log: &IndexedLog, secret: HashSecret, keys: u32, records: u32) -> KeyIndexWriter {
        let bucket_bits = bucket_bits_for(keys);
        let keys_at = KEY_INDEX_HEADER_LEN + ((1 << bucket_bits) + 1) * 4;
        let records_at = keys_at + keys as usize * KEY_LEN;
        let length = records_at + records as usize * RECORD_LEN;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&0_u32.to_be_bytes());
        bytes.extend_from_slice(&log.base_offset.to_be_bytes());
        bytes.extend_from_slice(&log.log_bytes.to_be_bytes());
        bytes.extend_from_slice(&log.log_sum.to_be_bytes());
        bytes.extend_from_slice(&bucket_bits.to_be_bytes());
        bytes.extend_from_slice(&keys.to_be_bytes());
        bytes.extend_from_slice(&records.to_be_bytes());
        bytes.extend_from_slice(&secret.to_bytes());
        bytes.resize(length, 0);
        KeyIndexWriter {
            bytes,
            bucket_bits,
            next_bucket: 0,
            keys: 0,
            keys_at,
            records: 0,
            records_at,
        }
    }

    /// Begins the next key.
    pub fn push_key(&mut self, hash: u128) {
        let bucket = bucket_of(hash, self.bucket_bits);
        self.begin_buckets_up_to(bucket);
        self.put(self.keys_at, &hash.to_be_bytes());
        self.put(self.keys_at + 16, &self.records.to_be_bytes());
        self.keys_at += KEY_LEN;
        self.keys += 1;
    }

    /// Adds a record of that key.
    pub fn push_record(&mut self, record: KeyedRecord) {
        self.put(self.records_at, &record.relative_offset.to_be_bytes());
        self.put(self.records_at + 4, &record.position.to_be_bytes());
        self.records_at += RECORD_LEN;
        self.records += 1;
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        self.begin_buckets_up_to(1 << self.bucket_bits);
        let sum = crc32c(&self.bytes[SUMMED_AT..]);
        self.put(CRC_AT, &sum.to_be_bytes());
        self.bytes
    }

    fn begin_buckets_up_to(&mut self, bucket: usize) {
        while self.next_bucket <= bucket {
            let at = KEY_INDEX_HEADER_LEN + self.next_bucket * 4;
            self.put(at, &self.keys.to_be_bytes());
            self.next_bucket += 1;
        }
    }

    /// What is pushed beyond the announced counts is dropped; the reader then finds it missing.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Where things are in the bytes of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyIndexLayout {
    /// The log that the index was made of.
    pub log: IndexedLog,
    /// The secret of its hashes.
    pub secret: HashSecret,
    /// How many keys there are.
    pub keys: u32,
    /// How many records there are.
    pub records: u32,
    /// The length of the file.
    pub length: usize,
    bucket_bits: u32,
}

impl KeyIndexLayout {
    /// Reads the header; the file must then have [`length`](Self::length) bytes.
    ///
    /// # Errors
    /// Corrupt if it is no header, or its counts do not fit each other or the log that it names;
    /// unsupported for another version.
    pub fn decode_header(bytes: &[u8]) -> Result<KeyIndexLayout, FormatError> {
        let Some(header) = bytes.first_chunk::<KEY_INDEX_HEADER_LEN>() else {
            return Err(FormatError::truncated("the header of a key index", bytes.len()));
        };
        if !header.starts_with(MAGIC) {
            return Err(FormatError::corrupt("this is no key index", 0));
        }
        let version = u32_at(header, 8);
        if version != VERSION {
            return Err(FormatError::unsupported(format!("key index of version {version}"), 8));
        }
        let mut secret = [0; 16];
        secret.copy_from_slice(&header[48..64]);
        let log = IndexedLog {
            base_offset: i64_at(header, 16),
            log_bytes: i64_at(header, 24).cast_unsigned(),
            log_sum: u32_at(header, 32),
        };
        let (bucket_bits, keys, records) =
            (u32_at(header, 36), u32_at(header, 40), u32_at(header, 44));
        let fits = log.base_offset >= 0
            && bucket_bits == bucket_bits_for(keys)
            && keys <= records
            && u64::from(records)
                <= (log.log_bytes / ENTRY_BYTES_MIN).saturating_mul(RECORDS_PER_ENTRY_MAX);
        if !fits {
            let what = format!(
                "a key index of {keys} keys, {records} records and {bucket_bits} bits cannot be of \
                 a log of {} bytes",
                log.log_bytes
            );
            return Err(FormatError::corrupt(what, 36));
        }
        let length = KEY_INDEX_HEADER_LEN
            + ((1_usize << bucket_bits) + 1) * 4
            + keys as usize * KEY_LEN
            + records as usize * RECORD_LEN;
        let secret = HashSecret::of_bytes(secret);
        Ok(KeyIndexLayout { log, secret, keys, records, length, bucket_bits })
    }

    /// Reads the header and checks the sum of the whole file.
    ///
    /// # Errors
    /// As [`decode_header`](Self::decode_header); corrupt if the length or the sum is another.
    pub fn decode(bytes: &[u8]) -> Result<KeyIndexLayout, FormatError> {
        let layout = KeyIndexLayout::decode_header(bytes)?;
        if bytes.len() != layout.length {
            let what = format!("a key index of {} bytes has {}", layout.length, bytes.len());
            return Err(FormatError::corrupt(what, 40));
        }
        if crc32c(&bytes[SUMMED_AT..]) != u32_at(bytes, CRC_AT) {
            return Err(FormatError::corrupt(
                "the checksum of the key index does not match",
                CRC_AT,
            ));
        }
        Ok(layout)
    }

    /// The records of a key, as indexes for [`record`](Self::record), in the order of their offsets.
    pub fn find(&self, bytes: &[u8], hash: u128) -> std::ops::Range<u32> {
        self.find_key(bytes, hash).unwrap_or(0..0)
    }

    fn find_key(&self, bytes: &[u8], hash: u128) -> Option<std::ops::Range<u32>> {
        let bucket = KEY_INDEX_HEADER_LEN + bucket_of(hash, self.bucket_bits) * 4;
        let starts = bytes.get(bucket..bucket + 8)?;
        let (mut low, mut high) = (u32_at(starts, 0), u32_at(starts, 4).min(self.keys));
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, _) = self.key(bytes, middle)?;
            match found.cmp(&hash) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.key_at(bytes, middle)?.1),
            }
        }
        None
    }

    /// A key by its place in the order of hashes, with its records.
    pub fn key_at(&self, bytes: &[u8], index: u32) -> Option<(u128, std::ops::Range<u32>)> {
        let (hash, first) = self.key(bytes, index).filter(|_| index < self.keys)?;
        let next = index + 1;
        let end = if next < self.keys { self.key(bytes, next)?.1 } else { self.records };
        Some((hash, first..end.min(self.records)))
    }

    fn key(&self, bytes: &[u8], index: u32) -> Option<(u128, u32)> {
        let at = KEY_INDEX_HEADER_LEN
            + ((1_usize << self.bucket_bits) + 1) * 4
            + index as usize * KEY_LEN;
        let entry = bytes.get(at..at + KEY_LEN)?;
        let hash = u128::from_be_bytes(*entry.first_chunk()?);
        Some((hash, u32_at(entry, 16)))
    }

    /// A record that [`find`](Self::find) named.
    pub fn record(&self, bytes: &[u8], index: u32) -> Option<KeyedRecord> {
        let from_end = self.records.checked_sub(index).filter(|&count| count > 0)?;
        let at = self.length.checked_sub(from_end as usize * RECORD_LEN)?;
        let entry = bytes.get(at..at + RECORD_LEN)?;
        Some(KeyedRecord { relative_offset: u32_at(entry, 0), position: u32_at(entry, 4) })
    }
}

/// About two keys in each place of the table.
fn bucket_bits_for(keys: u32) -> u32 {
    (u32::BITS - keys.leading_zeros()).saturating_sub(KEYS_PER_BUCKET_BITS).min(BUCKET_BITS_MAX)
}

#[inline]
fn bucket_of(hash: u128, bucket_bits: u32) -> usize {
    ((hash >> 96) as u64 >> (32 - bucket_bits)) as usize
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_be_bytes(*word))
}

#[inline]
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| i64::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LOG: IndexedLog = IndexedLog { base_offset: 70, log_bytes: 1 << 30, log_sum: 5 };

    fn file_of(map: &BTreeMap<u128, Vec<KeyedRecord>>) -> Vec<u8> {
        let records: usize = map.values().map(Vec::len).sum();
        let secret = HashSecret::of_bytes([3; 16]);
        let mut writer = KeyIndexWriter::new(&LOG, secret, map.len() as u32, records as u32);
        for (hash, records) in map {
            writer.push_key(*hash);
            records.iter().for_each(|&record| writer.push_record(record));
        }
        writer.finish()
    }

    fn random_map(random: &mut fastrand::Rng) -> BTreeMap<u128, Vec<KeyedRecord>> {
        let crowded = random.bool();
        let keys = random.usize(0..300);
        let mut relative_offset = 0;
        let mut map: BTreeMap<u128, Vec<KeyedRecord>> = BTreeMap::new();
        for _ in 0..keys {
            let hash =
                random.u128(..) & if crowded { u128::from(u64::MAX) << 3 } else { u128::MAX };
            relative_offset += random.u32(1..5);
            let record = KeyedRecord { relative_offset, position: random.u32(..) };
            map.entry(hash).or_default().push(record);
            if random.bool()
                && let Some(mut any) = map.last_entry()
            {
                relative_offset += 1;
                any.get_mut().push(KeyedRecord { relative_offset, position: 1 });
            }
        }
        map
    }

    fn seed() -> u64 {
        let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("OTTLA_SEED={seed}");
        seed
    }

    #[test]
    fn what_was_written_is_found_and_nothing_else() {
        let mut random = fastrand::Rng::with_seed(seed());
        for _ in 0..300 {
            let map = random_map(&mut random);
            let bytes = file_of(&map);
            let layout = KeyIndexLayout::decode(&bytes).unwrap();
            assert_eq!((layout.log, layout.keys as usize), (LOG, map.len()));
            for (hash, records) in &map {
                let found: Vec<KeyedRecord> = layout
                    .find(&bytes, *hash)
                    .map(|index| layout.record(&bytes, index).unwrap())
                    .collect();
                assert_eq!(&found, records);
                for other in [hash ^ 1, hash ^ 1 << 127, random.u128(..)] {
                    assert_eq!(layout.find(&bytes, other).is_empty(), !map.contains_key(&other));
                }
            }
            assert_eq!(layout.record(&bytes, layout.records), None);
        }
    }

    #[test]
    fn damage_is_seen_and_hostile_files_do_not_panic() {
        let mut random = fastrand::Rng::with_seed(seed());
        for _ in 0..200 {
            let map = random_map(&mut random);
            let bytes = file_of(&map);
            let mut damaged = bytes.clone();
            let at = random.usize(..bytes.len());
            damaged[at] ^= 1 << random.u8(..8);
            assert!(KeyIndexLayout::decode(&damaged).is_err(), "byte {at}");
            assert!(KeyIndexLayout::decode(&bytes[..random.usize(..bytes.len())]).is_err());
            // Whoever makes up a file gets its sum right as well.
            for _ in 0..8 {
                let at = random.usize(36..bytes.len());
                damaged[at] = random.u8(..);
            }
            let sum = crc32c(&damaged[SUMMED_AT..]);
            damaged[CRC_AT..SUMMED_AT].copy_from_slice(&sum.to_be_bytes());
            if let Ok(layout) = KeyIndexLayout::decode(&damaged) {
                for hash in map.keys() {
                    for index in layout.find(&damaged, *hash).take(1000) {
                        let _ = layout.record(&damaged, index);
                    }
                }
            }
        }
    }

    #[test]
    fn a_header_cannot_ask_for_more_than_its_log_could_hold() {
        let mut bytes = file_of(&BTreeMap::new());
        assert_eq!(bytes.len(), KEY_INDEX_HEADER_LEN + 8);
        bytes[24..32].copy_from_slice(&1_000_u64.to_be_bytes());
        bytes[40..44].copy_from_slice(&u32::MAX.to_be_bytes());
        bytes[44..48].copy_from_slice(&u32::MAX.to_be_bytes());
        bytes[36..40].copy_from_slice(&28_u32.to_be_bytes());
        assert!(KeyIndexLayout::decode_header(&bytes).is_err());
    }
}
