//! The producer: what its records cost, beside the writing of them alone.
//!
//! Raw is what the rows of appending call raw: each record framed with its length and checksum,
//! one `write(2)` of about 64 KiB. Ottla's side sends record by record through the accumulator, in
//! batches of that size, and ends with a flush; making broker and directory is not timed. A round
//! stays below the 64 MiB at which the maintenance thread begins to sync.

use ottla::{Acks, Producer, Record};

use crate::baseline::corpus::Payloads;
use crate::baseline::group::RawGroup;
use crate::baseline::raw::GrowingFile;
use crate::heap;
use crate::measure::{Side, interleaved, rate_of};
use crate::report::{Figure, Row};
use crate::scene::{open, together};
use crate::settings::Settings;

const RECORD_LEN: usize = 100;
const BATCH_BYTES: usize = 64 << 10;

/// So many records fill a batch, and a raw write.
const RECORDS_PER_BATCH: usize = BATCH_BYTES / 109;

/// What a round writes, with all headers, below the beginning of syncs.
const ROUND_RECORDS: usize = (56 << 20) / 109;

pub fn sending(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(10 * RECORDS_PER_BATCH, RECORD_LEN);
    let records = payloads.records();
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| raw(settings, &records)),
        Box::new(|| sent(settings, &records, 1, 1)),
        Box::new(|| sent(settings, &records, 4, 1)),
        Box::new(|| sent(settings, &records, 4, 4)),
    ];
    // Short rounds, so there can be more of them.
    let rounds = interleaved(settings.rounds * 2, &mut sides);
    let alone = "send, 100 B a record, acks=1, batches of 64 KiB";
    let shared = "  the same, 4 threads to one partition (baseline: one thread)";
    let spread = "  the same, 4 threads to 4 partitions (baseline: one thread)";
    let mut rows = vec![
        Row::of_rates(alone, &rounds, 1, 0, Some(0.5)),
        Row::of_rates(shared, &rounds, 2, 1, Some(0.7)),
        Row::of_rates(spread, &rounds, 3, 1, Some(1.4)),
    ];
    rows.push(allocations(settings, &records));
    rows
}

/// What is allocated is allocated per batch; the first ones make the buffers.
fn allocations(settings: &Settings, records: &[&[u8]]) -> Row {
    let scratch = settings.scratch();
    let broker = open(scratch.path(), 1);
    let producer = broker.producer().acks(Acks::Leader).batch_size(BATCH_BYTES);
    let producer = producer.build().expect("producer");
    let count = 100 * RECORDS_PER_BATCH;
    send_each(&producer, records, count, 0);
    let allocations = heap::allocations_of(|| send_each(&producer, records, count, 0));
    drop(producer);
    broker.close().expect("close");
    Row {
        work: "  allocations for 1,000 records".to_owned(),
        figure: Figure::Limit {
            baseline: "-".to_owned(),
            ours: allocations as f64 * 1000.0 / count as f64,
            limit: 20.0,
            unit: "times",
        },
    }
}

fn raw(settings: &Settings, records: &[&[u8]]) -> f64 {
    let scratch = settings.scratch();
    let mut file = GrowingFile::create(&scratch.path().join("raw")).expect("create");
    let calls = ROUND_RECORDS / RECORDS_PER_BATCH;
    let blocks: Vec<&[&[u8]]> = records.chunks_exact(RECORDS_PER_BATCH).collect();
    rate_of((calls * RECORDS_PER_BATCH) as u64, || {
        for call in 0..calls {
            file.append(blocks[call % blocks.len()]).expect("append");
        }
    })
}

fn sent(settings: &Settings, records: &[&[u8]], threads: usize, partitions: i32) -> f64 {
    let scratch = settings.scratch();
    let broker = open(scratch.path(), partitions);
    let producer = broker.producer().acks(Acks::Leader).batch_size(BATCH_BYTES);
    let producer = producer.build().expect("producer");
    let each = ROUND_RECORDS / threads;
    let rate = together(threads, (each * threads) as u64, |thread| {
        let partition = thread as i32 % partitions;
        send_each(&producer, records, each, partition);
        producer.flush().expect("flush");
    });
    drop(producer);
    broker.close().expect("close");
    rate
}

fn send_each(producer: &Producer, records: &[&[u8]], count: usize, partition: i32) {
    for value in records.iter().cycle().take(count) {
        let record = Record::new("bench", value).partition(partition);
        drop(producer.send(record).expect("send"));
    }
}

const WAITERS: usize = 16;

pub fn waiting(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(1, RECORD_LEN);
    let record = payloads.records();
    let calls = settings.durable_ops / 2;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let scratch = settings.scratch();
            let group = RawGroup::create(&scratch.path().join("raw")).expect("create");
            together(WAITERS, (WAITERS * calls) as u64, |_| {
                (0..calls).for_each(|_| group.append_durably(&record).expect("append"));
            })
        }),
        Box::new(|| waited(settings, record[0], calls)),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    vec![Row::of_rates("send and wait, acks=all, 16 threads", &rounds, 1, 0, Some(1.8))]
}

fn waited(settings: &Settings, value: &[u8], calls: usize) -> f64 {
    let scratch = settings.scratch();
    let broker = open(scratch.path(), 1);
    let producer = broker.producer().build().expect("producer");
    // The first commit makes the journal; a log lives longer than its first commit.
    producer.send(Record::new("bench", value)).expect("send").wait().expect("committed");
    let rate = together(WAITERS, (WAITERS * calls) as u64, |_| {
        for _ in 0..calls {
            producer.send(Record::new("bench", value)).expect("send").wait().expect("committed");
        }
    });
    drop(producer);
    broker.close().expect("close");
    rate
}
