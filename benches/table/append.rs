//! `acks=1`: how many records a second reach the operating system.
//!
//! Both sides append the same payloads with the same number of records per call, each to a fresh
//! file or directory in every round; making and removing it is not timed. A round stays below the
//! 64 MiB at which the maintenance thread begins to sync, so that both sides end in the page cache;
//! the sustained row goes far beyond, where the disk decides and raw still never syncs.

use ottla::{Acks, Broker, Compression, Message, TopicConfig};

use crate::baseline::corpus::Payloads;
use crate::baseline::raw::GrowingFile;
use crate::measure::{interleaved, rate_of};
use crate::report::Row;
use crate::settings::Settings;

/// What a round writes, with all headers, below the beginning of syncs.
const UNSYNCED_BYTES: u64 = 56 << 20;

pub fn thousand_small(settings: &Settings) -> Vec<Row> {
    append(settings, 1000, 100, UNSYNCED_BYTES * 10 / 11, Some(0.80))
}

pub fn thousand_large(settings: &Settings) -> Vec<Row> {
    append(settings, 1000, 1024, UNSYNCED_BYTES, Some(0.90))
}

pub fn hundred_small(settings: &Settings) -> Vec<Row> {
    append(settings, 100, 100, UNSYNCED_BYTES * 10 / 11, Some(0.80))
}

pub fn single(settings: &Settings) -> Vec<Row> {
    append(settings, 1, 100, UNSYNCED_BYTES / 2, Some(0.80))
}

pub fn sustained(settings: &Settings) -> Vec<Row> {
    let mut rows = append(settings, 1000, 100, settings.round_bytes * 4, None);
    for row in &mut rows {
        row.work = format!("  the same, {} MiB on end", (settings.round_bytes * 4) >> 20);
    }
    rows
}

fn append(
    settings: &Settings,
    per_call: usize,
    len: usize,
    bytes: u64,
    goal: Option<f64>,
) -> Vec<Row> {
    // Enough payloads that no call finds the previous call's in the nearest cache for free.
    let payloads = Payloads::random(per_call.max(1000), len);
    let records = payloads.records();
    let calls: Vec<&[&[u8]]> = records.chunks_exact(per_call).collect();
    let call_count = (bytes / (per_call * len) as u64).max(1);
    let things = call_count * per_call as u64;

    let mut sides: Vec<crate::measure::Side<'_>> = vec![
        Box::new(|| {
            let scratch = settings.scratch();
            let mut file = GrowingFile::create(&scratch.path().join("raw")).expect("create");
            rate_of(things, || {
                for call in 0..call_count as usize {
                    file.append(calls[call % calls.len()]).expect("append");
                }
            })
        }),
        Box::new(|| append_ours(settings, &calls, call_count, things)),
    ];
    // Short rounds, so there can be more of them.
    let count = if goal.is_some() { settings.rounds * 2 } else { settings.rounds };
    let rounds = interleaved(count, &mut sides);
    let work = format!("append, {per_call} x {len} B a call, acks=1");
    vec![Row::of_rates(work, &rounds, 1, 0, goal)]
}

fn append_ours(settings: &Settings, calls: &[&[&[u8]]], call_count: u64, things: u64) -> f64 {
    let scratch = settings.scratch();
    let broker = Broker::open(scratch.path()).expect("open");
    let config = TopicConfig::new().partitions(1).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
    let messages: Vec<Vec<Message<'_>>> =
        calls.iter().map(|call| call.iter().map(Message::new).collect()).collect();
    let rate = rate_of(things, || {
        for call in 0..call_count as usize {
            appender.append(&messages[call % messages.len()]).expect("append");
        }
    });
    drop(appender);
    // Not timed; without it the maintenance thread may still write while the directory goes.
    broker.close().expect("close");
    rate
}
