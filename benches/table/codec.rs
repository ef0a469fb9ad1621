//! Compressed text: bytes per record on the disk, and how much of the codec's own speed is left
//! once records are framed, summed, indexed and written.

use std::path::Path;

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
    let plain: Vec<String> = texts.chunks(BATCH).map(|batch| batch.concat()).collect();
    let bytes: u64 = plain.iter().map(|batch| batch.len() as u64).sum();
    let repeats = (settings.round_bytes / 2 / bytes).max(1);
    let things = bytes * repeats;

    let mut codec_bytes = 0;
    let mut disk_bytes = 0;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL).expect("a compressor");
            let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(plain[0].len() * 2));
            codec_bytes = 0;
            rate_of(things, || {
                for _ in 0..repeats {
                    for batch in &plain {
                        out.clear();
                        codec_bytes += compressor
                            .compress_to_buffer(batch.as_bytes(), &mut out)
                            .expect("it fits");
                    }
                }
            })
        }),
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
    vec![
        Row {
            work: format!("JSON text of {} B, zstd, batches of 1000", bytes / texts.len() as u64),
            figure: Figure::Ratio {
                baseline: mb(0),
                ours: mb(1),
                ratio: rounds.ratio(1, 0),
                goal: Some(0.9),
            },
        },
        Row {
            work: "  bytes per record on the disk (baseline: the codec alone)".to_owned(),
            figure: Figure::Limit {
                baseline: format!("{:.1} B", codec_bytes as f64 / records),
                ours: disk_bytes as f64 / records,
                limit: 70.0,
                unit: "B",
            },
        },
    ]
}

fn directory_bytes(path: &Path) -> u64 {
    std::fs::read_dir(path)
        .expect("the partition's folder")
        .map(|entry| entry.expect("an entry").metadata().expect("its length").len())
        .sum()
}
