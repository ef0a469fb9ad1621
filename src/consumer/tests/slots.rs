//! What lies in the bytes, and what is made of it.
//!
//! Goal: whatever Kafka wrote, records come out as the decoder reads them; what was aborted does
//! not come out.

use std::sync::Arc;

use crate::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use crate::batch::compression::DecodeLimits;
use crate::batch::entry::Entry;
use crate::consumer::isolation::AbortedFilter;
use crate::consumer::piece::Fetched;
use crate::consumer::pool::Pool;
use crate::consumer::records::Records;
use crate::format::index_entries::AbortedTxn;

/// Kafka's batches and messages of all versions, codecs and kinds: the slots say what the
/// decoder says.
#[test]
fn slots_agree_with_the_decoder_on_all_vectors() {
    let texts = [
        include_str!("../../../tests/vectors/batches.json"),
        include_str!("../../../tests/vectors/legacy.json"),
    ];
    let (mut vectors, mut records_seen) = (0, 0);
    for text in texts {
        let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        for vector in &all {
            records_seen += check_vector(vector);
            vectors += 1;
        }
    }
    assert!(vectors >= 60 && records_seen >= 200, "{vectors} vectors, {records_seen} records");
}

fn check_vector(vector: &serde_json::Value) -> usize {
    let hex = vector["hex"].as_str().unwrap();
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let mut expected = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let entry = Entry::decode_first(&bytes[at..]).unwrap();
        at += entry.bytes().len();
        if entry.is_control() {
            continue;
        }
        let mut scratch = Vec::new();
        for record in entry.records(&DecodeLimits::default(), &mut scratch).unwrap() {
            let r = record.unwrap();
            let headers = r.headers.map(|h| (h.name_bytes.to_vec(), h.value.map(<[u8]>::to_vec)));
            expected.push((
                (r.offset, r.timestamp, r.timestamp_type),
                (r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec)),
                headers.collect::<Vec<_>>(),
            ));
        }
    }
    // The bytes lie somewhere in the buffer.
    let start = 3;
    let mut buffer = vec![0xee; start];
    buffer.extend_from_slice(&bytes);
    buffer.extend_from_slice(&[0xee; 50]);
    let range = start..start + bytes.len();
    let pool = Arc::new(Pool::default());
    let mut fetched = Fetched::new(buffer, range, AbortedFilter::default());
    let (mut position, mut seen) = (0, Records::new(Arc::clone(&pool)));
    while !fetched.is_done() {
        let piece = fetched.decode(position, 10, &pool).unwrap();
        position = piece.next_offset;
        seen.push(crate::consumer::records::Run {
            partition: Arc::new(crate::topic::TopicPartition::new(
                crate::topic::TopicName::new("t").unwrap(),
                0,
            )),
            from: 0,
            to: piece.slots.len(),
            bytes: piece.bytes,
            slots: piece.slots,
        });
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|r| {
            let headers = r.headers().map(|h| (h.name_bytes.to_vec(), h.value.map(<[u8]>::to_vec)));
            (
                (r.offset(), r.timestamp(), r.timestamp_type()),
                (r.key().map(<[u8]>::to_vec), r.value().map(<[u8]>::to_vec)),
                headers.collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(seen, expected, "{}", vector["name"]);
    seen.len()
}

#[test]
fn aborted_transactions_are_hidden_up_to_their_marker() {
    let of = |id| Some(BatchProducer { id, epoch: 0, base_sequence: 0 });
    let batch = |offset: i64, id: i64, control: bool, transactional: bool| {
        let mut builder = BatchBuilder::new();
        builder.start(&BatchOptions {
            base_offset: offset,
            control,
            transactional,
            producer: of(id),
            ..BatchOptions::default()
        });
        builder.push(0, Some(&[0, 0, 0, 0]), Some(&[0; 6]), &[]).unwrap();
        builder.take().unwrap()
    };
    let aborted = |producer_id, first_offset, last_offset| AbortedTxn {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset: 100,
    };
    let mut filter = AbortedFilter::new(&[aborted(1, 2, 5), aborted(2, 9, 12), aborted(1, 7, 8)]);
    let mut hides = |offset, id, control, transactional| {
        let bytes = batch(offset, id, control, transactional);
        let entry = Entry::decode(&bytes).unwrap();
        let first = filter.hides(&entry).unwrap();
        assert_eq!(filter.hides(&entry).unwrap(), first, "asking twice is fine");
        first
    };
    assert!(!hides(1, 1, false, true), "an earlier transaction, committed");
    assert!(hides(2, 1, false, true));
    assert!(!hides(3, 2, false, true), "another producer");
    assert!(!hides(4, 1, false, false), "not part of the transaction");
    assert!(!hides(5, 1, true, true), "the marker itself is no record");
    assert!(!hides(6, 1, false, true), "the next transaction of the producer");
    assert!(hides(7, 1, false, true));
    assert!(!hides(8, 1, true, true));
    assert!(hides(9, 2, false, true));
}
