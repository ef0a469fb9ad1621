//! Tests of batches: against bytes that Kafka and other clients wrote, against damage, and
//! against themselves with random records.

mod damage;
mod fixtures;
mod legacy;
mod retain;
mod round_trip;
mod vectors;

use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::format::FormatError;
use crate::format::batch_header::BatchHeader;
use crate::format::record::HeaderList;

/// A record with everything in it owned, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnedRecord {
    offset: i64,
    timestamp: i64,
    sequence: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// The entries that lie one behind the other in `bytes`.
fn entries(bytes: &[u8]) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let entry = Entry::decode_first(&bytes[at..]).expect("an entry");
        at += entry.bytes().len();
        found.push(entry);
    }
    found
}

fn read_records(entry: &Entry<'_>) -> Result<Vec<OwnedRecord>, FormatError> {
    let mut scratch = Vec::new();
    entry
        .records(&DecodeLimits::default(), &mut scratch)?
        .map(|record| {
            let record = record?;
            Ok(OwnedRecord {
                offset: record.offset,
                timestamp: record.timestamp,
                sequence: record.sequence,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            })
        })
        .collect()
}

/// The options that make a batch with that header again.
fn options_of(header: &BatchHeader) -> BatchOptions {
    BatchOptions {
        compression: header.compression().expect("a codec"),
        timestamp_type: header.timestamp_type(),
        now_ms: header.max_timestamp,
        producer: (header.producer_id >= 0).then_some(BatchProducer {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        }),
        transactional: header.is_transactional(),
        control: header.is_control(),
        base_offset: header.base_offset,
        leader_epoch: header.partition_leader_epoch,
        last_offset_delta: Some(header.last_offset_delta),
        delete_horizon_ms: header.delete_horizon_ms(),
        ..BatchOptions::default()
    }
}

/// Decodes a batch and builds it anew from its records.
fn rebuild(entry: &Entry<'_>) -> Vec<u8> {
    let header = entry.header().expect("a batch of magic 2");
    let mut builder = BatchBuilder::new();
    builder.start(&options_of(header));
    let mut scratch = Vec::new();
    for record in entry.records(&DecodeLimits::default(), &mut scratch).expect("records") {
        let record = record.expect("a record");
        let delta = i32::try_from(record.offset - header.base_offset).expect("a small delta");
        let headers = HeaderList::Decoded(record.headers);
        builder
            .push_at(delta, record.timestamp, record.key, record.value, headers)
            .expect("room for a record");
    }
    builder.take().expect("a batch")
}
