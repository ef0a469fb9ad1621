//! Random records go into a batch and come out as they were, whatever the codec and the options.

use super::{OwnedRecord, read_records};
use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer, record_len_max};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::config::compression::Compression;
use crate::error::ErrorKind;
use crate::format::batch_header::{TimestampType, advance_sequence, stamp};
use crate::format::record::HeaderList;

/// A generator whose seed is printed, and taken from `OTTLA_SEED` if that is set.
pub(super) fn seeded(test: &str) -> fastrand::Rng {
    let seed = match std::env::var("OTTLA_SEED") {
        Ok(text) => text.parse().expect("OTTLA_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("{test}: OTTLA_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn random_field(random: &mut fastrand::Rng) -> Option<Vec<u8>> {
    let len = match random.u8(0..10) {
        0 => return None,
        1 => 0,
        2 => random.usize(60..70),
        3 => random.usize(8180..8200),
        4 => random.usize(0..100_000),
        _ => random.usize(0..200),
    };
    let mut bytes = vec![0; len];
    if random.bool() {
        random.fill(&mut bytes);
    } else {
        bytes.fill(random.u8(..));
    }
    Some(bytes)
}

fn random_record(random: &mut fastrand::Rng, delta: i32) -> OwnedRecord {
    let header_count = if random.u8(0..4) == 0 { random.usize(0..70) } else { 0 };
    let headers = (0..header_count)
        .map(|_| {
            let name: String = (0..random.usize(0..5)).map(|_| random.char(..)).collect();
            (name, random_field(random).map(|value| value[..value.len().min(300)].to_vec()))
        })
        .collect();
    let timestamp = match random.u8(0..6) {
        0 => -1,
        1 => i64::MAX - 1,
        _ => 1_700_000_000_000 + random.i64(-100_000..100_000),
    };
    OwnedRecord {
        offset: i64::from(delta),
        timestamp,
        sequence: -1,
        key: random_field(random),
        value: random_field(random),
        headers,
    }
}

fn random_options(random: &mut fastrand::Rng) -> BatchOptions {
    let codecs: Vec<_> =
        Compression::ALL.into_iter().filter(|codec| codec.is_available()).collect();
    let compression = codecs[random.usize(0..codecs.len())];
    let levels = [None, compression.level_default(), Some(1)];
    let producer = random.bool().then(|| BatchProducer {
        id: random.i64(0..),
        epoch: random.i16(0..),
        base_sequence: if random.bool() { i32::MAX - random.i32(0..3) } else { random.i32(0..) },
    });
    BatchOptions {
        compression,
        level: levels[random.usize(0..levels.len())],
        transactional: producer.is_some() && random.bool(),
        producer,
        base_offset: random.i64(0..1 << 62),
        leader_epoch: random.i32(-1..),
        delete_horizon_ms: (random.u8(0..5) == 0).then_some(1_800_000_000_000),
        ..BatchOptions::default()
    }
}

#[test]
fn random_records_come_out_as_they_went_in() {
    let mut random = seeded("random_records_come_out_as_they_went_in");
    let mut builder = BatchBuilder::new();
    for _ in 0..300 {
        let options = random_options(&mut random);
        builder.start(&options);
        let mut expected = Vec::new();
        let mut delta = -1;
        let has_gaps = random.u8(0..4) == 0;
        for _ in 0..random.usize(1..40) {
            delta += if has_gaps { random.i32(1..1000) } else { 1 };
            let mut record = random_record(&mut random, delta);
            let headers: Vec<_> =
                record.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let before = builder.len_bytes();
            if has_gaps {
                let headers = HeaderList::Pairs(&headers);
                builder.push_at(delta, record.timestamp, key, value, headers).expect("room");
            } else {
                builder.push(record.timestamp, key, value, &headers).expect("room");
            }
            assert!(builder.len_bytes() - before <= record_len_max(key, value, &headers));
            record.offset = options.base_offset + i64::from(delta);
            if let Some(producer) = options.producer {
                record.sequence = advance_sequence(producer.base_sequence, delta);
            }
            expected.push(record);
        }
        check_batch(&mut random, &mut builder, &options, &expected);
    }
}

fn check_batch(
    random: &mut fastrand::Rng,
    builder: &mut BatchBuilder,
    options: &BatchOptions,
    expected: &[OwnedRecord],
) {
    let max_timestamp = expected.iter().map(|record| record.timestamp).max();
    assert_eq!(Some(builder.max_timestamp()), max_timestamp);
    let last_offset = options.base_offset + i64::from(builder.last_offset_delta());
    let batch = builder.finish().expect("a batch").to_vec();
    let entry = Entry::decode(&batch).expect("an entry");
    assert_eq!(entry.verify_checksum(), Ok(()));
    assert_eq!(Some(entry.max_timestamp()), max_timestamp);
    assert_eq!((entry.base_offset(), entry.last_offset()), (options.base_offset, last_offset));
    assert_eq!(entry.is_transactional(), options.transactional);
    assert_eq!(entry.leader_epoch(), options.leader_epoch);
    assert!(read_records(&entry).expect("records") == expected, "the records differ");

    // Starting at an offset gives what lies there and behind.
    let from = options.base_offset + random.i64(-1..=i64::from(builder.last_offset_delta()) + 2);
    let mut scratch = Vec::new();
    let mut records = entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
    records.skip_to(from).expect("sound records");
    let offsets: Vec<_> = records.map(|record| record.expect("a record").offset).collect();
    let wanted: Vec<_> = expected.iter().map(|r| r.offset).filter(|o| *o >= from).collect();
    assert_eq!(offsets, wanted);
}

#[test]
fn stamping_leaves_the_checksum_right() {
    let mut builder = BatchBuilder::new();
    builder.push(5, None, Some(b"v"), &[]).expect("room");
    let mut batch = builder.take().expect("a batch");
    assert_eq!(Entry::decode(&batch).expect("an entry").base_offset(), 0);
    assert_eq!(Entry::decode(&batch).expect("an entry").leader_epoch(), -1);
    stamp(&mut batch, 1 << 40, 7);
    let entry = Entry::decode(&batch).expect("an entry");
    assert_eq!((entry.base_offset(), entry.leader_epoch()), (1 << 40, 7));
    assert_eq!(entry.verify_checksum(), Ok(()));
}

#[test]
fn the_time_of_the_append_is_the_time_of_every_record() {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions {
        timestamp_type: TimestampType::LogAppendTime,
        now_ms: 99,
        ..BatchOptions::default()
    });
    builder.push(5, None, Some(b"v"), &[]).expect("room");
    builder.push(500, None, Some(b"w"), &[]).expect("room");
    let batch = builder.take().expect("a batch");
    let entry = Entry::decode(&batch).expect("an entry");
    assert_eq!(entry.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(entry.max_timestamp(), 99);
    let times: Vec<_> =
        read_records(&entry).expect("records").iter().map(|r| r.timestamp).collect();
    assert_eq!(times, [99, 99]);
}

#[test]
fn the_builder_refuses_what_cannot_be_read_back() {
    let mut builder = BatchBuilder::new();
    assert_eq!(builder.finish().expect_err("no record").kind(), ErrorKind::InvalidInput);
    assert_eq!(builder.push(-2, None, None, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    builder.push(7, None, None, &[]).expect("room");
    let headers = || HeaderList::Pairs(&[]);
    let error = builder.push_at(0, 7, None, None, headers()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    builder.finish().expect("a batch");
    assert_eq!(builder.push(7, None, None, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
    builder.push_at(i32::MAX, 7, None, None, headers()).expect_err("a finished batch");

    builder.start(&BatchOptions::default());
    builder.push_at(i32::MAX, 7, None, None, headers()).expect("the last possible record");
    assert!(builder.push(7, None, None, &[]).is_err());
}

#[cfg(feature = "zstd")]
#[test]
fn a_record_that_readers_would_refuse_is_not_taken() {
    let mut builder = BatchBuilder::new();
    let limits = DecodeLimits { decompressed_bytes_max: 2000 };
    builder.start(&BatchOptions {
        compression: Compression::Zstd,
        decompressed_bytes_max: limits.decompressed_bytes_max,
        ..BatchOptions::default()
    });
    builder.push(7, None, Some(&[0; 1500]), &[]).expect("room");
    let error = builder.push(7, None, Some(&[0; 500]), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    // Up to the limit, to the byte: a record of 9 + 477 bytes behind one of 1,510.
    let left = 2000 - (builder.len_bytes() - 61) - 9;
    builder.push(7, None, Some(&vec![0; left]), &[]).expect("room");
    assert_eq!(builder.len_bytes(), 2061);
    let batch = builder.take().expect("a batch");
    let entry = Entry::decode(&batch).expect("an entry");
    let mut scratch = Vec::new();
    assert_eq!(entry.records(&limits, &mut scratch).expect("within the limit").count(), 2);
    let tight = DecodeLimits { decompressed_bytes_max: 1999 };
    assert!(entry.records(&tight, &mut scratch).is_err());
}

#[test]
fn a_warm_builder_keeps_its_buffer() {
    let mut builder = BatchBuilder::new();
    let mut places = Vec::new();
    for _ in 0..3 {
        builder.start(&BatchOptions::default());
        for _ in 0..100 {
            builder.push(7, Some(b"key"), Some(&[1; 100]), &[]).expect("room");
        }
        let batch = builder.finish().expect("a batch");
        places.push((batch.as_ptr() as usize, batch.len()));
    }
    assert_eq!(places[1], places[0]);
    assert_eq!(places[2], places[0]);
}
