//! Inside one batch, without a file in sight: what building, reading and compressing cost.
//!
//! The figure to compare with is memory: a copy of the payloads, and their checksum.

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

use baseline::corpus::{Payloads, json_records};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ottla::batch::builder::{BatchBuilder, BatchOptions};
use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::config::compression::Compression;

const BATCH: usize = 1000;

fn options(compression: Compression) -> BatchOptions {
    BatchOptions { compression, ..BatchOptions::default() }
}

fn build(builder: &mut BatchBuilder, records: &[&[u8]], compression: Compression) -> Vec<u8> {
    builder.start(&options(compression));
    for (index, record) in records.iter().enumerate() {
        builder.push(1_700_000_000_000 + index as i64 / 50, None, Some(record), &[]).expect("push");
    }
    builder.finish().expect("finish").to_vec()
}

fn building(criterion: &mut Criterion) {
    for len in [100, 1024] {
        let payloads = Payloads::random(BATCH, len);
        let records = payloads.records();
        let mut group = criterion.benchmark_group(format!("build 1000 x {len} B"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut frames = Vec::new();
        group.bench_function("raw frames", |bencher| {
            bencher.iter(|| {
                frames.clear();
                baseline::raw::frame(&records, &mut frames);
                black_box(frames.len())
            });
        });
        let mut builder = BatchBuilder::new();
        group.bench_function("batch", |bencher| {
            bencher.iter(|| {
                builder.start(&options(Compression::None));
                for record in &records {
                    builder.push(1_700_000_000_000, None, Some(record), &[]).expect("push");
                }
                black_box(builder.finish().expect("finish").len())
            });
        });
        group.finish();
    }
}

fn reading(criterion: &mut Criterion) {
    for len in [100, 1024] {
        let payloads = Payloads::random(BATCH, len);
        let bytes = build(&mut BatchBuilder::new(), &payloads.records(), Compression::None);
        let mut group = criterion.benchmark_group(format!("read 1000 x {len} B"));
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function("checksum", |bencher| {
            bencher.iter(|| {
                Entry::decode(&bytes).expect("decode").verify_checksum().expect("sound");
            });
        });
        let mut scratch = Vec::new();
        group.bench_function("records", |bencher| {
            bencher.iter(|| {
                let entry = Entry::decode(&bytes).expect("decode");
                let mut sum = 0;
                for record in
                    entry.records(&DecodeLimits::default(), &mut scratch).expect("records")
                {
                    sum += record.expect("sound").value.map_or(0, <[u8]>::len);
                }
                black_box(sum)
            });
        });
        group.finish();
    }
}

fn compressing(criterion: &mut Criterion) {
    let texts = json_records(BATCH);
    let records: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let plain = texts.concat();
    let mut group = criterion.benchmark_group("JSON text, 1000 x 300 B");
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.sample_size(20);
    let mut compressor = zstd::bulk::Compressor::new(3).expect("a compressor");
    group.bench_function("zstd alone", |bencher| {
        bencher.iter(|| black_box(compressor.compress(plain.as_bytes()).expect("it fits").len()));
    });
    for compression in [Compression::Zstd, Compression::Lz4, Compression::Snappy, Compression::Gzip]
    {
        let mut builder = BatchBuilder::new();
        group.bench_function(format!("build {compression:?}"), |bencher| {
            bencher.iter_batched(
                || (),
                |()| black_box(build(&mut builder, &records, compression).len()),
                BatchSize::SmallInput,
            );
        });
        let bytes = build(&mut builder, &records, compression);
        let mut scratch = Vec::new();
        group.bench_function(format!("read {compression:?}"), |bencher| {
            bencher.iter(|| {
                let entry = Entry::decode(&bytes).expect("decode");
                let records =
                    entry.records(&DecodeLimits::default(), &mut scratch).expect("records");
                black_box(records.map(|record| record.expect("sound").offset).sum::<i64>())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, building, reading, compressing);
criterion_main!(benches);
