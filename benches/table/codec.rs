//! Compressed text: bytes per record on the disk, and how much of the codec's own speed is left
//! once records are framed, summed, indexed and written.
//!
//! The codec is timed twice: over the records as Kafka's format frames them, which are the bytes
//! that have to be compressed, and over the bare text, which no reader could take apart again.

use std::path::Path;

use ottla::batch::builder::{BatchBuilder, BatchOptions};
use ottla::format::batch_header::BATCH_HEADER_LEN;
use ottla::{Acks, Broker, Compression, Message, TopicConfig};

use crate::baseline::corpus::json_records;
use crate::measure::{Side, interleaved, rate_of};
use crate::report::{Figure, Row};
use crate::settings::Settings;

const BATCH: usize = 1000;
const LEVEL: i32 = 3;

pub fn json(settings: &Settings) -> Vec<Row> {
    let texts = json_records(50 * BATCH);
    let batches: Vec<Vec<Message<'_>>> = texts
        .chunks(BATCH)
        .map(|batch| batch.iter().map(|text| Message::new(text.as_bytes())).collect())
        .collect();
    let plain: Vec<Vec<u8>> =
        texts.chunks(BATCH).map(|batch| batch.concat().into_bytes()).collect();
    let framed: Vec<Vec<u8>> = texts.chunks(BATCH).map(frame).collect();
    let bytes: u64 = plain.iter().map(|batch| batch.len() as u64).sum();
    let repeats = (settings.round_bytes / 2 / bytes).max(1);
    let things = bytes * repeats;

    let (mut framed_bytes, mut plain_bytes) = (0, 0);
    let mut disk_bytes = 0;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            rate_of(things, || framed_bytes = (0..repeats).map(|_| compress(&framed)).sum())
        }),
        Box::new(|| rate_of(things, || plain_bytes = (0..repeats).map(|_| compress(&plain)).sum())),
        Box::new(|| {
            let scratch = settings.scratch();
            let broker = Broker::options().background(false).open(scratch.path()).expect("open");
            let config = TopicConfig::new().partitions(1).compression(Compression::Zstd);
            broker.create_topic("bench", config).expect("create");
            let handle = broker.partition("bench", 0).expect("partition");
            let mut appender = handle.appender(Acks::Leader);
            let rate = rate_of(things, || {
                for _ in 0..repeats {
                    for batch in &batches {
                        appender.append(batch).expect("append");
                    }
                }
            });
            drop(appender);
            broker.close().expect("close");
            disk_bytes = directory_bytes(&scratch.path().join("bench-0"));
            rate
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    drop(sides);
    let records = repeats as f64 * texts.len() as f64;
    let mb = |side: usize| format!("{:.0} MB/s", rounds.rate(side) / 1e6);
    let text = bytes / texts.len() as u64;
    let row = |work: String, side: usize, goal: Option<f64>| Row {
        work,
        figure: Figure::Ratio {
            baseline: mb(side),
            ours: mb(2),
            ratio: rounds.ratio(2, side),
            goal,
        },
    };
    vec![
        row(format!("JSON text of {text} B, zstd, batches of 1000"), 0, Some(0.9)),
        row("  against the codec over the bare text".to_owned(), 1, None),
        Row {
            work: "  bytes per record on the disk (baseline: the bare text)".to_owned(),
            figure: Figure::Limit {
                baseline: format!("{:.1} B", plain_bytes as f64 / records),
                ours: disk_bytes as f64 / records,
                limit: 70.0,
                unit: "B",
            },
        },
    ]
}

/// Compresses each block; returns the bytes that came out.
fn compress(blocks: &[Vec<u8>]) -> usize {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("a compressor");
    let most = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(most));
    let mut bytes = 0;
    for block in blocks {
        out.clear();
        bytes += compressor.compress_to_buffer(block, &mut out).expect("it fits");
    }
    bytes
}

/// The records of a batch as they are before they are compressed.
fn frame(texts: &[String]) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    for text in texts {
        builder.push(1_790_000_000_000, None, Some(text.as_bytes()), &[]).expect("push");
    }
    builder.finish().expect("finish")[BATCH_HEADER_LEN..].to_vec()
}

fn directory_bytes(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .expect("the partition's folder")
        .map(|entry| entry.expect("an entry").metadata().expect("its length").len())
        .sum()
}
