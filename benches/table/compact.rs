//! Compaction, and what is built from a compacted topic.
//!
//! The log has every key twice, so that half of it is superseded. Raw reads the same files from
//! front to back and writes the bytes into another file, synced at the end; or only half of them, as
//! a compaction would that knew everything beforehand. Making the log is not timed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use ottla::{Acks, Broker, CleanupPolicy, Compression, Message, TopicConfig};

use crate::baseline::corpus::Payloads;
use crate::measure::{Side, interleaved, rate_of};
use crate::report::Row;
use crate::settings::Settings;

const VALUE_BYTES: usize = 100;
const SEGMENT_BYTES: u32 = 64 << 20;
/// Records of one appended batch.
const BATCH: usize = 500;
/// What a record takes in the log: key, value, and their framing.
const RECORD_BYTES: u64 = VALUE_BYTES as u64 + 20;

pub fn superseded_half(settings: &Settings) -> Vec<Row> {
    let records = settings.round_bytes * 4 / RECORD_BYTES;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let scratch = settings.scratch();
            drop(filled(scratch.path(), records, records / 2));
            rate_of(records, || copy(&scratch.path().join("bench-0"), 1))
        }),
        Box::new(|| {
            let scratch = settings.scratch();
            drop(filled(scratch.path(), records, records / 2));
            rate_of(records, || copy(&scratch.path().join("bench-0"), 2))
        }),
        Box::new(|| {
            let scratch = settings.scratch();
            let broker = filled(scratch.path(), records, records / 2);
            rate_of(records, || {
                let rounds = broker.compact_now("bench").expect("compact");
                let left: u64 = rounds.last().map_or(0, |round| round.records_after);
                assert!(left <= records / 2 + BATCH as u64, "{left} of {records} are left");
            })
        }),
    ];
    let rounds = interleaved(settings.rounds.min(3), &mut sides);
    let mib = (settings.round_bytes * 4) >> 20;
    let work = format!("compaction of {mib} MiB, half of it superseded");
    vec![
        Row::of_rates(work, &rounds, 2, 0, Some(0.3)),
        Row::of_rates("  the same, beside writing only half", &rounds, 2, 1, None),
    ]
}

pub fn table_view(settings: &Settings) -> Vec<Row> {
    let records = settings.round_bytes / RECORD_BYTES;
    let scratch = settings.scratch();
    let broker = filled(scratch.path(), records, records / 2);
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| rate_of(records, || read_all(&broker, records, |_, _| ()))),
        Box::new(|| {
            rate_of(records, || {
                let mut newest: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
                read_all(&broker, records, |key, value| {
                    newest.insert(key.to_vec(), value.to_vec());
                });
            })
        }),
        Box::new(|| {
            rate_of(records, || {
                let table = broker.table("bench").expect("table");
                assert_eq!(table.len() as u64, records / 2);
            })
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    vec![
        Row::of_rates("rebuild of a table view, beside reading all", &rounds, 2, 0, Some(0.5)),
        Row::of_rates("  the same, beside a HashMap of copies", &rounds, 2, 1, None),
    ]
}

/// A broker whose topic holds `records` records of so many keys, in turns.
fn filled(path: &Path, records: u64, keys: u64) -> Broker {
    let options = Broker::options().background(false).cleaner_enable(false);
    let broker = options.open(path).expect("open");
    let config = TopicConfig::new()
        .cleanup_policy(CleanupPolicy::COMPACT)
        .segment_bytes(SEGMENT_BYTES)
        .compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    let payloads = Payloads::random(1000, VALUE_BYTES);
    let values = payloads.records();
    let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
    let mut next = 0;
    while next < records {
        let numbers = next..(next + BATCH as u64).min(records);
        next = numbers.end;
        let keys: Vec<[u8; 8]> = numbers.clone().map(|n| (n % keys).to_be_bytes()).collect();
        let messages: Vec<Message<'_>> = numbers
            .zip(&keys)
            .map(|(n, key)| Message::new(values[n as usize % values.len()]).key(key))
            .collect();
        appender.append(&messages).expect("append");
    }
    drop(appender);
    broker.checkpoint().expect("checkpoint");
    broker
}

/// Writes one of so many pieces that it reads.
fn copy(folder: &Path, every: usize) {
    let mut copy = File::create(folder.join("copy")).expect("create");
    let mut buffer = vec![0; 1 << 20];
    let mut pieces = 0;
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let mut log = File::open(path).expect("open");
        loop {
            let read = log.read(&mut buffer).expect("read");
            if read == 0 {
                break;
            }
            pieces += 1;
            if pieces % every == 0 {
                copy.write_all(&buffer[..read]).expect("write");
            }
        }
    }
    copy.sync_data().expect("sync");
}

fn read_all(broker: &Broker, records: u64, mut take: impl FnMut(&[u8], &[u8])) {
    let mut consumer = broker
        .consumer()
        .assign([("bench", 0)])
        .max_poll_records(10_000)
        .build()
        .expect("consumer");
    let mut seen = 0;
    while seen < records {
        let polled = consumer.poll(Duration::ZERO).expect("poll");
        for record in &polled {
            take(record.key().unwrap_or_default(), record.value().unwrap_or_default());
        }
        seen += polled.len() as u64;
    }
}
