//! Single calls on a warm log: append, produce, poll, read at an offset. For watching one change;
//! the promises are measured by `cargo bench --bench table`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    missing_docs,
    reason = "a benchmark measures the outside world, and exports nothing"
)]

#[path = "baseline/mod.rs"]
mod baseline;

use std::hint::black_box;
use std::time::Duration;

use baseline::corpus::Payloads;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ottla::{Acks, Broker, Compression, Message, Record, TopicConfig};

const LEN: usize = 100;

/// A broker on a real disk with one topic that keeps at most 256 MiB, and its directory.
fn open() -> (tempfile::TempDir, Broker) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::open(scratch.path()).expect("open");
    let config = TopicConfig::new().partitions(1).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    broker
        .alter_topic(
            "bench",
            &[("segment.bytes", Some("67108864")), ("retention.bytes", Some("268435456"))],
        )
        .expect("alter");
    (scratch, broker)
}

fn appending(criterion: &mut Criterion) {
    let payloads = Payloads::random(1000, LEN);
    let records = payloads.records();
    let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
    let mut group = criterion.benchmark_group("append 100 B records");
    for (name, acks) in [("acks=1", Acks::Leader), ("acks=all", Acks::All)] {
        for per_call in [1, 100, 1000] {
            let (_scratch, broker) = open();
            let mut appender = broker.partition("bench", 0).expect("partition").appender(acks);
            group.throughput(Throughput::Elements(per_call as u64));
            group.bench_function(format!("{per_call} a call, {name}"), |bencher| {
                bencher.iter(|| appender.append(&messages[..per_call]).expect("append"));
            });
        }
    }
    // The same as an idempotent producer.
    for per_call in [1, 100, 1000] {
        let (_scratch, broker) = open();
        let identity = broker.new_producer_identity().expect("identity");
        let appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
        let mut appender = appender.idempotent(identity, 0);
        group.throughput(Throughput::Elements(per_call as u64));
        group.bench_function(format!("{per_call} a call, acks=1, numbered"), |bencher| {
            bencher.iter(|| appender.append(&messages[..per_call]).expect("append"));
        });
    }
    group.finish();
}

fn producing(criterion: &mut Criterion) {
    let payloads = Payloads::random(1000, LEN);
    let records = payloads.records();
    let (_scratch, broker) = open();
    let producer = broker.producer().acks(Acks::Leader).build().expect("producer");
    let mut group = criterion.benchmark_group("produce 100 B records");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("send 1000 and flush, acks=1", |bencher| {
        bencher.iter(|| {
            for value in &records {
                drop(producer.send(Record::new("bench", value)).expect("send"));
            }
            producer.flush().expect("flush");
        });
    });
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let payloads = Payloads::random(1000, LEN);
    let records = payloads.records();
    let (_scratch, broker) = open();
    let handle = broker.partition("bench", 0).expect("partition");
    for call in records.chunks(10).cycle().take(10_000) {
        let messages: Vec<Message<'_>> = call.iter().map(Message::new).collect();
        handle.append(&messages, Acks::Leader).expect("append");
    }
    let mut group = criterion.benchmark_group("read 100 B records in batches of 10");
    let mut random = fastrand::Rng::with_seed(7);
    let mut buffer = Vec::new();
    group.bench_function("at a random offset", |bencher| {
        bencher.iter(|| {
            black_box(handle.read(random.i64(0..100_000), 1, &mut buffer).expect("read"));
        });
    });
    group.throughput(Throughput::Elements(100_000));
    group.sample_size(20);
    group.bench_function("poll everything", |bencher| {
        let mut consumer = broker.consumer().assign([("bench", 0)]).build().expect("consumer");
        bencher.iter(|| {
            consumer.seek_to_beginning("bench", 0).expect("seek");
            let mut seen = 0;
            while seen < 100_000 {
                let polled = consumer.poll(Duration::from_secs(1)).expect("poll");
                for record in &polled {
                    seen += black_box(record.value()).map_or(0, |_| 1);
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, appending, producing, reading);
criterion_main!(benches);
