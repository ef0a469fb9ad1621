//! Damaged bytes: a wrong value in each header field, batches cut at every byte, every bit
//! flipped, and noise. Nothing may panic, and whatever the checksum covers must be noticed.

use super::{entries, read_records};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::config::compression::Compression;
use crate::format::batch_header::{BATCH_HEADER_LEN, seal};
use crate::format::{FormatError, FormatErrorKind};

fn sample(compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions { compression, ..BatchOptions::default() });
    let headers = [("trace", Some(&b"7"[..])), ("", None)];
    builder.push(1_700_000_000_000, Some(b"key"), Some(b"a value"), &headers).expect("room");
    builder.push(1_700_000_000_004, None, Some(&[b'x'; 90]), &[]).expect("room");
    builder.push(1_699_999_999_999, Some(b""), None, &[]).expect("room");
    builder.take().expect("a batch")
}

fn with(bytes: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + field.len()].copy_from_slice(field);
    changed
}

/// Decodes as a reader that trusts nothing: header, checksum, records.
fn read(bytes: &[u8]) -> Result<usize, FormatError> {
    let entry = Entry::decode(bytes)?;
    entry.verify_checksum()?;
    Ok(read_records(&entry)?.len())
}

#[test]
fn each_header_field_is_checked() {
    let good = sample(Compression::None);
    assert_eq!(read(&good), Ok(3));
    let refused = |at: usize, field: &[u8], kind: FormatErrorKind| {
        let error = Entry::decode(&with(&good, at, field)).expect_err("a wrong field");
        assert_eq!((error.kind, error.at), (kind, at), "{error}");
    };
    let corrupt = FormatErrorKind::Corrupt;
    refused(0, &(-1i64).to_be_bytes(), corrupt);
    refused(0, &(i64::MAX - 2).to_be_bytes(), corrupt);
    refused(8, &48i32.to_be_bytes(), corrupt);
    refused(8, &(-1i32).to_be_bytes(), corrupt);
    refused(8, &(good.len() as i32).to_be_bytes(), corrupt);
    refused(16, &[3], FormatErrorKind::Unsupported);
    refused(16, &[16], corrupt);
    refused(16, &[0xff], corrupt);
    refused(23, &(-1i32).to_be_bytes(), corrupt);
    refused(57, &(-1i32).to_be_bytes(), corrupt);
    assert!(Entry::decode(&with(&good, 12, &77i32.to_be_bytes())).is_ok());
    let wrong_crc = with(&good, 17, &[0; 4]);
    let error = Entry::decode(&wrong_crc).expect("a header").verify_checksum();
    assert_eq!(error.expect_err("a wrong checksum").at, 17);
    let mut unknown_codec = with(&good, 21, &5i16.to_be_bytes());
    seal(&mut unknown_codec);
    let error = read(&unknown_codec).expect_err("an unknown codec");
    assert_eq!((error.kind, error.at), (FormatErrorKind::Unsupported, 21));
}

#[test]
fn the_records_must_fit_their_header() {
    let good = sample(Compression::None);
    let refused = |at: usize, field: &[u8]| {
        let mut changed = with(&good, at, field);
        seal(&mut changed);
        let error = read(&changed).expect_err("records that do not fit");
        assert_eq!(error.kind, FormatErrorKind::Corrupt, "{error}");
    };
    // One record fewer leaves bytes behind the last; one more, or a million, finds no bytes.
    refused(57, &2i32.to_be_bytes());
    refused(57, &4i32.to_be_bytes());
    refused(57, &1_000_000i32.to_be_bytes());
    // The last offset lies below that of the last record.
    refused(23, &1i32.to_be_bytes());
    // Timestamps that do not fit 64 bits.
    refused(27, &i64::MAX.to_be_bytes());
    // The first record claims a byte less than it has, a negative length, more than there is.
    let length = good[BATCH_HEADER_LEN];
    refused(BATCH_HEADER_LEN, &[length - 2]);
    refused(BATCH_HEADER_LEN, &[length + 2]);
    refused(BATCH_HEADER_LEN, &[1]);
    refused(BATCH_HEADER_LEN, &[0x7e]);
    // Its offset delta: the next one's, a negative one; its key length: -2.
    refused(BATCH_HEADER_LEN + 3, &[2]);
    refused(BATCH_HEADER_LEN + 3, &[1]);
    refused(BATCH_HEADER_LEN + 4, &[3]);
}

#[test]
fn an_error_ends_the_iteration() {
    let mut bytes = sample(Compression::None);
    bytes[57..61].copy_from_slice(&2i32.to_be_bytes());
    let entry = Entry::decode(&bytes).expect("a header");
    let mut scratch = Vec::new();
    let mut records = entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
    assert!(records.next().is_some_and(|record| record.is_ok()));
    assert!(records.next().is_some_and(|record| record.is_ok()));
    assert!(records.next().is_some_and(|record| record.is_err()));
    assert!(records.next().is_none());
}

#[test]
fn a_batch_cut_anywhere_is_refused() {
    for codec in available_codecs() {
        let good = sample(codec);
        for len in 0..good.len() {
            assert!(Entry::decode_first(&good[..len]).is_err(), "{codec} cut to {len}");
            assert!(Entry::decode(&good[..len]).is_err(), "{codec} cut to {len}");
            if len >= 17 {
                assert_eq!(Entry::size_of(&good[..len]), Ok(good.len()));
            }
            // The same with a length and a checksum that hide the cut.
            if len >= BATCH_HEADER_LEN {
                let mut hidden = good[..len].to_vec();
                hidden[8..12].copy_from_slice(&(len as i32 - 12).to_be_bytes());
                seal(&mut hidden);
                assert!(read(&hidden).is_err(), "{codec} cut to {len}, hidden");
            }
        }
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_noticed() {
    for codec in available_codecs() {
        let good = sample(codec);
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read_back = read(&flipped);
            if bit / 8 >= 17 {
                assert!(read_back.is_err(), "{codec}, bit {bit}");
            }
            // The same with a checksum that hides the flip: any answer will do, but an answer.
            seal(&mut flipped);
            if let Ok(entry) = Entry::decode(&flipped) {
                let _ = read_records(&entry);
                let _ = entry.control_type();
            }
        }
    }
}

#[test]
fn legacy_messages_survive_every_flip_and_cut() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/legacy.json"));
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).expect("legacy.json");
    for vector in vectors {
        let all = super::from_hex(vector["hex"].as_str().expect("hex"));
        let good = entries(&all)[0].bytes();
        for len in 0..good.len() {
            assert!(Entry::decode(&good[..len]).is_err());
        }
        for bit in 0..good.len() * 8 {
            let mut flipped = good.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(entry) = Entry::decode(&flipped) else { continue };
            let is_sound = entry.verify_checksum().is_ok();
            assert!(bit / 8 < 12 || !is_sound, "bit {bit} of {}", vector["name"]);
            let _ = read_records(&entry);
        }
    }
}

#[test]
fn noise_is_answered_with_errors() {
    let mut random = super::round_trip::seeded("noise_is_answered_with_errors");
    let mut noise = vec![0u8; 300];
    for round in 0..20_000 {
        random.fill(&mut noise);
        let len = random.usize(0..noise.len());
        if round % 2 == 0 && len >= BATCH_HEADER_LEN {
            // A header that passes, so that the records are reached.
            noise[..8].copy_from_slice(&5i64.to_be_bytes());
            noise[8..12].copy_from_slice(&(len as i32 - 12).to_be_bytes());
            noise[16] = 2;
            noise[22] = noise[22] & 0xf8 | random.u8(0..5);
            noise[23] &= 0x7f;
            noise[57..61].copy_from_slice(&i32::from(random.u8(0..9)).to_be_bytes());
            if random.bool() {
                noise[BATCH_HEADER_LEN] = (len - BATCH_HEADER_LEN) as u8;
            }
        }
        if let Ok(entry) = Entry::decode_first(&noise[..len]) {
            let _ = read_records(&entry);
            let _ = entry.control_type();
            let _ = entry.verify_checksum();
        }
    }
}

fn available_codecs() -> impl Iterator<Item = Compression> {
    Compression::ALL.into_iter().filter(|codec| codec.is_available())
}
