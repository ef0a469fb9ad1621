//! From the append to a consumer in another thread: how late, and how many.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use ottla::{Acks, Broker, Consumer, Message, Record};

use crate::baseline::corpus::Payloads;
use crate::baseline::handover::{Mailbox, TailedFile};
use crate::baseline::raw::{FRAME_HEADER_LEN, frame};
use crate::measure::{Side, interleaved, rate_of};
use crate::report::{Figure, Row};
use crate::scene::open;
use crate::settings::Settings;

/// 50,000 records a second.
const PACE: Duration = Duration::from_micros(20);

pub fn latency(settings: &Settings) -> Vec<Row> {
    let records = settings.durable_ops * 10;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| 1e6 / condvar_p50_us(records)),
        Box::new(|| 1e6 / consumer_p50_us(settings, records, "0")),
        Box::new(|| 1e6 / consumer_p50_us(settings, records, "1000")),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let p50 = |side: usize| format!("{:.2} us", 1e6 / rounds.rate(side));
    vec![
        Row {
            work: "append to tailing consumer, 50,000/s, p50 (condvar)".to_owned(),
            figure: Figure::Ratio {
                baseline: p50(0),
                ours: p50(1),
                ratio: rounds.ratio(1, 0),
                goal: Some(0.5),
            },
        },
        Row {
            work: "  the same, the consumer spins".to_owned(),
            figure: Figure::Limit {
                baseline: p50(0),
                ours: 1e6 / rounds.rate(2),
                limit: 3.0,
                unit: "us",
            },
        },
    ]
}

/// Calls `send` at its time, `records` times, with the nanoseconds since `start`.
fn paced(start: Instant, records: usize, mut send: impl FnMut(u64)) {
    for number in 0..records {
        let due = PACE * number as u32;
        while start.elapsed() < due {
            spin_loop();
        }
        send(start.elapsed().as_nanos() as u64);
    }
}

fn middle_us(mut late: Vec<u64>) -> f64 {
    late.sort_unstable();
    late[late.len() / 2] as f64 / 1000.0
}

fn condvar_p50_us(records: usize) -> f64 {
    let (mailbox, start) = (Mailbox::default(), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| paced(start, records, |now| mailbox.put(now)));
        let (mut late, mut letters) = (Vec::with_capacity(records), Vec::new());
        while late.len() < records {
            mailbox.take(&mut letters);
            let now = start.elapsed().as_nanos() as u64;
            late.extend(letters.drain(..).map(|sent| now - sent));
        }
        middle_us(late)
    })
}

fn consumer_p50_us(settings: &Settings, records: usize, spin_us: &str) -> f64 {
    let scratch = settings.scratch();
    let broker = open(scratch.path(), 1);
    let builder = broker.consumer().assign([("bench", 0)]).set("ottla.poll.spin.us", spin_us);
    let mut consumer = builder.build().expect("consumer");
    let handle = broker.partition("bench", 0).expect("partition");
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut appender = handle.appender(Acks::Leader);
            paced(start, records, |now| {
                appender.append(&[Message::new(&now.to_le_bytes())]).expect("append");
            });
        });
        let mut late = Vec::with_capacity(records);
        while late.len() < records {
            let polled = consumer.poll(Duration::from_secs(5)).expect("poll");
            let now = start.elapsed().as_nanos() as u64;
            for record in &polled {
                let bytes = record.value().expect("a value").try_into().expect("eight bytes");
                late.push(now - u64::from_le_bytes(bytes));
            }
        }
        middle_us(late)
    })
}

pub fn throughput(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(1000, 100);
    let records = payloads.records();
    let things = settings.round_bytes / 400;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| raw_tail(settings, &records, things)),
        Box::new(|| {
            tail(settings, things, |broker| {
                let handle = broker.partition("bench", 0).expect("partition");
                let mut appender = handle.appender(Acks::Leader);
                for index in 0..things as usize {
                    let message = Message::new(records[index % records.len()]);
                    appender.append(&[message]).expect("append");
                }
            })
        }),
        Box::new(|| {
            tail(settings, things, |broker| {
                let builder = broker.producer().acks(Acks::Leader).batch_size(64 << 10);
                let producer = builder.build().expect("producer");
                for index in 0..things as usize {
                    let record = Record::new("bench", records[index % records.len()]).partition(0);
                    drop(producer.send(record).expect("send"));
                }
                producer.flush().expect("flush");
            })
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    // Where raw makes 1.3 M/s: 1.0 M/s and 5 M/s.
    let appends = "append to tailing consumer at full speed, one a call";
    vec![
        Row::of_rates(appends, &rounds, 1, 0, Some(1.0 / 1.3)),
        Row::of_rates("  the same through a producer", &rounds, 2, 0, Some(5.0 / 1.3)),
    ]
}

fn raw_tail(settings: &Settings, records: &[&[u8]], things: u64) -> f64 {
    let scratch = settings.scratch();
    let file = TailedFile::create(&scratch.path().join("raw")).expect("create");
    rate_of(things, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut bytes = Vec::new();
                for index in 0..things as usize {
                    bytes.clear();
                    frame(&records[index % records.len()..][..1], &mut bytes);
                    file.append(&bytes).expect("append");
                }
            });
            let frame_len = FRAME_HEADER_LEN + records[0].len();
            let mut buffer = vec![0; frame_len * 4096];
            let (mut position, mut seen) = (0, 0);
            while seen < things {
                let length = file.read(position, &mut buffer).expect("read");
                position += length as u64;
                for frame in buffer[..length].chunks_exact(frame_len) {
                    let sum = u32::from_le_bytes(frame[4..8].try_into().expect("four bytes"));
                    assert_eq!(crc32c::crc32c(&frame[FRAME_HEADER_LEN..]), sum);
                    seen += 1;
                }
                if length == 0 {
                    spin_loop();
                }
            }
        });
    })
}

fn tail(settings: &Settings, things: u64, write: impl FnOnce(&Broker) + Send) -> f64 {
    let scratch = settings.scratch();
    let broker = open(scratch.path(), 1);
    let builder = broker.consumer().assign([("bench", 0)]).max_poll_records(100_000);
    let mut consumer: Consumer = builder.build().expect("consumer");
    rate_of(things, || {
        thread::scope(|scope| {
            scope.spawn(|| write(&broker));
            let mut seen = 0;
            while seen < things {
                let polled = consumer.poll(Duration::from_secs(5)).expect("poll");
                seen += polled.iter().filter(|record| record.value().is_some()).count() as u64;
            }
        });
    })
}
