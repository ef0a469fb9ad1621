//! Batches that Ottla writes for the peers to read, in every codec and kind, each with the lines
//! that a reader must find. The lines come from what was put in, not from Ottla's own decoder.

use ottla::batch::builder::{BatchBuilder, BatchOptions, BatchProducer};
use ottla::config::compression::Compression;
use ottla::format::batch_header::{TimestampType, stamp};
use ottla::format::record::HeaderList;

use crate::lines::record_line;

const START: i64 = 1_700_000_000_000;

/// A record as it is put in.
#[derive(Clone, Default)]
struct Input {
    delta: i32,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A batch and what must be found in it.
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) batch: Vec<u8>,
    pub(crate) lines: String,
}

/// One batch per codec and kind.
pub(crate) fn batches() -> Vec<Written> {
    let mut batches = Vec::new();
    for codec in Compression::ALL {
        let plain = BatchOptions { compression: codec, ..BatchOptions::default() };
        let mut add = |kind: &str, options: &BatchOptions, base: i64, inputs: &[Input]| {
            batches.push(written(&format!("{}-{kind}", codec.name()), options, base, inputs));
        };
        add("plain", &plain, 0, &numbered(100));
        add("many", &plain, 7, &numbered(20_000));
        add("odd", &plain, i64::from(i32::MAX) + 10, &odd());
        add("random", &plain, 5, &random());
        add("large", &plain, 1, &large());
        add("gaps", &plain, 10, &gaps());
        let append_time = BatchOptions {
            timestamp_type: TimestampType::LogAppendTime,
            now_ms: START + 99,
            ..plain
        };
        add("appendtime", &append_time, 3, &numbered(10));
        let producer = BatchOptions {
            producer: Some(BatchProducer { id: 4711, epoch: 12, base_sequence: i32::MAX - 2 }),
            transactional: true,
            ..plain
        };
        add("producer", &producer, 1000, &numbered(10));
        for level in levels_of(codec) {
            let leveled = BatchOptions { level: Some(level), ..plain };
            add(&format!("level{level}"), &leveled, 0, &numbered(2_000));
        }
    }
    batches
}

fn levels_of(codec: Compression) -> Vec<i32> {
    match codec {
        Compression::Gzip => vec![1, 9],
        Compression::Zstd => vec![-5, 1, 19],
        Compression::None | Compression::Snappy | Compression::Lz4 => Vec::new(),
    }
}

fn written(name: &str, options: &BatchOptions, base: i64, inputs: &[Input]) -> Written {
    let mut builder = BatchBuilder::new();
    builder.start(options);
    for input in inputs {
        let headers: Vec<(&str, Option<&[u8]>)> =
            input.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let (key, value) = (input.key.as_deref(), input.value.as_deref());
        builder
            .push_at(input.delta, input.timestamp, key, value, HeaderList::Pairs(&headers))
            .expect("the record fits");
    }
    let mut batch = builder.take().expect("the batch is complete");
    stamp(&mut batch, base, 0);
    Written { name: name.to_owned(), batch, lines: wanted_lines(options, base, inputs) }
}

fn wanted_lines(options: &BatchOptions, base: i64, inputs: &[Input]) -> String {
    let append_time = options.timestamp_type == TimestampType::LogAppendTime;
    let newest = inputs.iter().map(|input| input.timestamp).max().unwrap_or(-1);
    let producer = options.producer.map_or((-1, -1, -1), |p| (p.id, p.epoch, p.base_sequence));
    let mut lines = format!(
        "B {} {} {} {} {} {} {} {} {} {} false\n",
        base,
        base + i64::from(inputs.last().map_or(0, |input| input.delta)),
        inputs.len(),
        options.compression.name(),
        if append_time { "L" } else { "C" },
        if append_time { options.now_ms } else { newest },
        producer.0,
        producer.1,
        producer.2,
        options.transactional,
    );
    for input in inputs {
        let headers: Vec<(Vec<u8>, Option<Vec<u8>>)> = input
            .headers
            .iter()
            .map(|(name, value)| (name.clone().into_bytes(), value.clone()))
            .collect();
        lines += &record_line(
            base + i64::from(input.delta),
            if append_time { options.now_ms } else { input.timestamp },
            input.key.as_deref(),
            input.value.as_deref(),
            &headers,
        );
    }
    lines
}

fn numbered(count: i32) -> Vec<Input> {
    (0..count)
        .map(|index| Input {
            delta: index,
            timestamp: START + i64::from(index) / 3,
            key: (index % 5 != 0).then(|| format!("key-{}", index % 7).into_bytes()),
            value: Some(format!("{{\"id\":{index},\"name\":\"burger\"}}").into_bytes()),
            headers: Vec::new(),
        })
        .collect()
}

/// Nulls, empties, headers, timestamps that go back, lengths around those of a varint.
fn odd() -> Vec<Input> {
    let headers = vec![
        ("a".to_owned(), Some(Vec::new())),
        ("a".to_owned(), None),
        (String::new(), Some(b"v".to_vec())),
        ("long".to_owned(), Some(vec![0; 300])),
        ("\u{fc}".to_owned(), Some(vec![0xff])),
    ];
    let input = |delta, timestamp, key: Option<&[u8]>, value: Option<&[u8]>| Input {
        delta,
        timestamp,
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
    };
    let year_ms = 86_400_000 * 365;
    let mut inputs = vec![
        input(0, START, None, None),
        input(1, START - 5_000, Some(b""), Some(b"")),
        Input { headers, ..input(2, START + year_ms, Some(&[0; 200]), Some(&[0, 1, 0xff])) },
        input(3, 0, Some(b"k"), None),
        input(4, -1, None, Some(b"no time")),
    ];
    for (delta, length) in (5..).zip([62, 63, 64, 65, 8_190, 8_191, 8_192, 8_193]) {
        inputs.push(input(delta, START, None, Some(&vec![b'x'; length])));
    }
    inputs
}

/// Noise, which no codec can make smaller.
fn random() -> Vec<Input> {
    let mut random = fastrand::Rng::with_seed(42);
    (0..40)
        .map(|index| {
            let length = random.usize(0..40_000);
            let value = (0..length).map(|_| random.u8(..)).collect();
            Input { delta: index, timestamp: START, value: Some(value), ..Input::default() }
        })
        .collect()
}

/// More than one block of every codec, and matches that reach far back.
fn large() -> Vec<Input> {
    let mut random = fastrand::Rng::with_seed(7);
    let page: Vec<u8> = (0..50_000).map(|_| random.alphanumeric() as u8).collect();
    (0..60)
        .map(|index| {
            let cut = random.usize(0..page.len());
            let value = [&page[cut..], &page[..cut]].concat();
            Input { delta: index, timestamp: START, value: Some(value), ..Input::default() }
        })
        .collect()
}

/// What compaction leaves.
fn gaps() -> Vec<Input> {
    numbered(50).into_iter().filter(|input| input.delta % 4 == 0 || input.delta % 7 == 3).collect()
}
