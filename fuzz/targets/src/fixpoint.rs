//! Records become a batch, the batch records again, and these the same bytes: what a program sends
//! is what another one reads, in every codec, and writing it again changes nothing.

use ottla::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use ottla::batch::entry::Entry;
use ottla::config::compression::Compression;
use ottla::format::batch_header::{BATCH_HEADER_LEN, TimestampType, stamp};
use ottla::format::record::HeaderList;

use crate::batches::{LIMITS, plain_all};
use crate::bytes::Input;
use crate::naive::NaiveRecord;

const CODECS: [Compression; 8] = [
    Compression::None,
    Compression::None,
    Compression::None,
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// What was asked for.
struct Asked {
    options: BatchOptions,
    base_offset: i64,
    epoch: i32,
    records: Vec<NaiveRecord>,
}

/// # Panics
/// If another record comes out than went in, or other bytes the second time.
pub fn fixpoint(data: &[u8]) {
    let mut input = Input::new(data);
    let mut asked = read_options(&mut input);
    let mut builder = BatchBuilder::new();
    builder.start(&asked.options);
    read_records(&mut input, &mut builder, &mut asked);
    if asked.records.is_empty() {
        assert!(builder.finish().is_err(), "a batch of nothing");
        return;
    }
    let bytes = match builder.finish() {
        Ok(bytes) => bytes,
        Err(error) => panic!("a batch that took its records does not end: {error}"),
    };
    stamp(bytes, asked.base_offset, asked.epoch);
    let bytes = bytes.to_vec();
    let entry = Entry::decode(&bytes).expect("a batch that was built");
    entry.verify_checksum().expect("its checksum");
    assert_eq!((entry.base_offset(), entry.leader_epoch()), (asked.base_offset, asked.epoch));
    let mut scratch = Vec::new();
    let records = entry.records(&LIMITS, &mut scratch).expect("its records");
    let found: Vec<_> = records.map(|record| record.expect("a record")).collect();
    assert_eq!(plain_all(&found), asked.records, "other records");
    // Only a batch of its own codec is the same bytes: the codecs are the same code.
    builder.start(&asked.options);
    for record in &found {
        let delta = (record.offset - asked.base_offset) as i32;
        let headers = HeaderList::Decoded(record.headers.clone());
        // Times of creation are lost where the append's time took their place.
        let timestamp = match asked.options.timestamp_type {
            TimestampType::CreateTime => record.timestamp,
            TimestampType::LogAppendTime => return,
        };
        builder.push_at(delta, timestamp, record.key, record.value, headers).expect("it was there");
    }
    let again = builder.finish().expect("the same batch");
    stamp(again, asked.base_offset, asked.epoch);
    assert!(again == bytes, "it is written otherwise the second time");
    assert!(bytes.len() >= BATCH_HEADER_LEN);
}

fn read_options(input: &mut Input<'_>) -> Asked {
    let flags = input.u8();
    let base_offset = i64::from(input.u16()) << (flags & 31);
    let is_append_time = flags & 64 != 0;
    let producer = BatchProducer {
        id: i64::from(input.u16()),
        epoch: i16::from(input.u8()),
        base_sequence: if input.bool() { i32::MAX - i32::from(input.u8()) } else { 0 },
    };
    let options = BatchOptions {
        compression: input.choose(&CODECS),
        timestamp_type: if is_append_time {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        now_ms: 1_700_000_000_000,
        producer: (flags & 32 != 0).then_some(producer),
        decompressed_bytes_max: LIMITS.decompressed_bytes_max,
        ..BatchOptions::default()
    };
    Asked { options, base_offset, epoch: i32::from(input.u8()), records: Vec::new() }
}

fn read_records(input: &mut Input<'_>, builder: &mut BatchBuilder, asked: &mut Asked) {
    let mut delta = -1_i32;
    while !input.is_empty() {
        let flags = input.u8();
        delta += 1 + if flags & 1 == 1 { i32::from(input.u16()) } else { 0 };
        let timestamp = match flags >> 1 & 3 {
            0 => i64::from(input.u8()),
            1 => input.u64().cast_signed() >> 1,
            2 => -1,
            _ => 1_700_000_000_000 + i64::from(input.u16()),
        };
        let key = (flags & 8 == 0).then(|| input.piece());
        let value = (flags & 16 == 0).then(|| input.piece());
        let names = ["", "a", "trace", "\u{e4}"];
        let headers: Vec<(&str, Option<&[u8]>)> = (0..flags >> 6)
            .map(|number| (input.choose(&names), (number < 2).then(|| input.piece())))
            .collect();
        let list = HeaderList::Pairs(&headers);
        if builder.push_at(delta, timestamp, key, value, list).is_err() {
            // A time too far from the first one, or too large a batch: refused, and nothing else.
            delta = asked
                .records
                .last()
                .map_or(-1, |last| (last.offset - i128::from(asked.base_offset)) as i32);
            continue;
        }
        let is_append_time = asked.options.timestamp_type == TimestampType::LogAppendTime;
        let timestamp = if is_append_time { asked.options.now_ms } else { timestamp };
        let sequence = asked.options.producer.map_or(-1, |producer| {
            (i128::from(producer.base_sequence) + i128::from(delta)) % (1 << 31)
        });
        asked.records.push(NaiveRecord {
            offset: i128::from(asked.base_offset) + i128::from(delta),
            timestamp: i128::from(timestamp),
            sequence,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: headers
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
    }
}
