//! Reading what lies in the page cache: everything in order, and one record anywhere.
//!
//! Both sides verify every checksum and look at every payload.

use std::path::Path;
use std::time::Duration;

use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::{Acks, Broker, Compression, Message, TopicConfig};

use crate::baseline::corpus::Payloads;
use crate::baseline::raw::GrowingFile;
use crate::baseline::scan::{PointReader, Scanned, scan};
use crate::measure::{Side, interleaved, p50_us, rate_of};
use crate::report::{Figure, Row};
use crate::settings::Settings;

pub fn small(settings: &Settings) -> Vec<Row> {
    read_all(settings, 100, 1.0)
}

pub fn large(settings: &Settings) -> Vec<Row> {
    read_all(settings, 1024, 1.2)
}

fn read_all(settings: &Settings, len: usize, goal: f64) -> Vec<Row> {
    let scratch = settings.scratch();
    let things = settings.round_bytes / (1000 * len as u64) * 1000;
    let raw = scratch.path().join("raw");
    let broker = fill(scratch.path(), &raw, len, 1000, things);
    let expected = scan(&raw).expect("scan");

    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| rate_of(things, || assert_eq!(scan(&raw).expect("scan"), expected))),
        Box::new(|| rate_of(things, || assert_eq!(consume(&broker, things), expected))),
        Box::new(|| rate_of(things, || assert_eq!(walk(&broker), expected))),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let by_batch = format!("read all, {len} B records in batches of 1000, by batch");
    vec![
        Row::of_rates(by_batch, &rounds, 2, 0, Some(goal)),
        Row::of_rates("  the same through a consumer", &rounds, 1, 0, Some(goal)),
    ]
}

/// Whole batches, walked where they were read to.
fn walk(broker: &Broker) -> Scanned {
    let handle = broker.partition("bench", 0).expect("partition");
    let limits = DecodeLimits::default();
    let (mut buffer, mut scratch) = (Vec::new(), Vec::new());
    let (mut seen, mut offset) = (Scanned::default(), 0);
    loop {
        let (batches, next) = handle.read(offset, 1 << 20, &mut buffer).expect("read");
        if next == offset {
            return seen;
        }
        offset = next;
        let mut rest = &buffer[batches];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).expect("a batch");
            for record in entry.records(&limits, &mut scratch).expect("records") {
                seen.see(record.expect("sound").value.expect("a value"));
            }
            rest = &rest[entry.bytes().len()..];
        }
    }
}

fn consume(broker: &Broker, things: u64) -> Scanned {
    let mut consumer = broker.consumer().assign([("bench", 0)]).build().expect("consumer");
    let mut seen = Scanned::default();
    while seen.records < things {
        for record in &consumer.poll(Duration::from_secs(5)).expect("poll") {
            seen.see(record.value().expect("a value"));
        }
    }
    seen
}

pub fn random(settings: &Settings) -> Vec<Row> {
    const LEN: usize = 1024;
    const CALLS: usize = 50_000;
    let scratch = settings.scratch();
    let things = settings.round_bytes / LEN as u64;
    let raw = scratch.path().join("raw");
    let broker = fill(scratch.path(), &raw, LEN, 1, things);
    let handle = broker.partition("bench", 0).expect("partition");
    let mut reader = PointReader::open(&raw, LEN).expect("open");
    let limits = DecodeLimits::default();
    let mut random = fastrand::Rng::with_seed(7);
    let places: Vec<u64> = (0..CALLS).map(|_| random.u64(0..things)).collect();

    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let mut seen = Scanned::default();
            1e6 / p50_us(CALLS, |call| seen.see(reader.read(places[call]).expect("read")))
        }),
        Box::new(|| {
            let mut seen = Scanned::default();
            let (mut buffer, mut scratch) = (Vec::new(), Vec::new());
            1e6 / p50_us(CALLS, |call| {
                let offset = places[call] as i64;
                let (batches, _) = handle.read(offset, 1, &mut buffer).expect("read");
                let entry = Entry::decode_first(&buffer[batches]).expect("a batch");
                let mut records = entry.records(&limits, &mut scratch).expect("records");
                let record = records.next().expect("a record").expect("sound");
                assert_eq!(record.offset, offset);
                seen.see(record.value.expect("a value"));
            })
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let p50 = |side: usize| format!("{:.2} us", 1e6 / rounds.rate(side));
    vec![Row {
        work: "read one 1 KiB record at a random offset, p50".to_owned(),
        // 0.43 us raw, 0.85 us wanted.
        figure: Figure::Ratio {
            baseline: p50(0),
            ours: p50(1),
            ratio: rounds.ratio(1, 0),
            goal: Some(0.43 / 0.85),
        },
    }]
}

/// Writes the same records to a raw file and to a topic.
fn fill(directory: &Path, raw: &Path, len: usize, per_call: usize, things: u64) -> Broker {
    let payloads = Payloads::random(1000, len);
    let records = payloads.records();
    let mut file = GrowingFile::create(raw).expect("create");
    let broker = Broker::options().background(false).open(directory.join("data")).expect("open");
    let config = TopicConfig::new().partitions(1).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
    let mut written = 0;
    while written < things {
        for call in records.chunks(per_call) {
            if written >= things {
                break;
            }
            let messages: Vec<Message<'_>> = call.iter().map(Message::new).collect();
            file.append(call).expect("append");
            appender.append(&messages).expect("append");
            written += call.len() as u64;
        }
    }
    broker
}
