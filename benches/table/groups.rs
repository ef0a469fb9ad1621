//! Consumer groups: what membership costs a poll, what a commit costs, and how long a rebalance
//! takes.

use std::thread;
use std::time::{Duration, Instant};

use ottla::{Acks, Broker, Consumer, Message};

use crate::baseline::corpus::Payloads;
use crate::baseline::raw::ZeroFilledFile;
use crate::measure::{Side, interleaved, median, p50_us, rate_of};
use crate::report::{Figure, Row};
use crate::scene::open_alone;
use crate::settings::Settings;

pub fn poll(settings: &Settings) -> Vec<Row> {
    let scratch = settings.scratch();
    let broker = open_alone(scratch.path(), 1);
    let things = fill(&broker, settings.round_bytes);
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let consumer = broker.consumer().assign([("bench", 0)]);
            read_all(consumer.build().expect("consumer"), things)
        }),
        Box::new(|| {
            let consumer = broker.consumer().group("readers").subscribe(["bench"]);
            read_all(consumer.build().expect("consumer"), things)
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let work = "poll 100 B records as a group's member (without group)";
    vec![Row::of_rates(work, &rounds, 1, 0, Some(0.95))]
}

fn read_all(mut consumer: Consumer, things: u64) -> f64 {
    let (mut seen, mut bytes) = (0, 0);
    rate_of(things, || {
        while seen < things {
            for record in &consumer.poll(Duration::from_secs(5)).expect("poll") {
                bytes += record.value().expect("a value").len() as u64;
                seen += 1;
            }
        }
        assert_eq!(bytes, things * 100);
    })
}

/// Members that commit at the same time.
const MEMBERS: usize = 16;

pub fn commit(settings: &Settings) -> Vec<Row> {
    let scratch = settings.scratch();
    let broker = open_alone(scratch.path(), MEMBERS as i32);
    let things = fill(&broker, 1 << 20);
    broker.checkpoint().expect("checkpoint");
    let mut members: Vec<Consumer> = (0..MEMBERS)
        .map(|_| {
            let builder = broker.consumer().group("committers").subscribe(["bench"]);
            builder.max_poll_records(1).build().expect("consumer")
        })
        .collect();
    // Everybody gets one partition, and a position in it.
    for _ in 0..3 {
        for member in &mut members {
            member.poll(Duration::ZERO).expect("poll");
        }
    }
    assert!(members.iter().all(|member| member.assignment().len() == 1) && things > 0);
    let mut file = ZeroFilledFile::create(&scratch.path().join("zeros"), 8 << 20).expect("create");
    let payload = [7u8; 256];
    let calls = settings.durable_ops / 2;
    let mut single = members.pop().expect("a member");
    single.commit().expect("commit");
    let members = std::sync::Mutex::new(members);
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| 1e6 / p50_us(calls, |_| file.append_durably(&[&payload[..]]).expect("append"))),
        Box::new(|| 1e6 / p50_us(calls, |_| single.commit().expect("commit"))),
    ];
    let latency = interleaved(settings.rounds, &mut sides);
    let mut shared: Vec<Side<'_>> = vec![
        Box::new(|| {
            let mut members = members.lock().expect("no panic");
            let member = &mut members[0];
            rate_of(calls as u64, || (0..calls).for_each(|_| member.commit().expect("commit")))
        }),
        Box::new(|| {
            let mut members = members.lock().expect("no panic");
            rate_of((members.len() * calls) as u64, || {
                thread::scope(|scope| {
                    for member in members.iter_mut() {
                        scope.spawn(move || {
                            (0..calls).for_each(|_| member.commit().expect("commit"));
                        });
                    }
                });
            })
        }),
    ];
    let rate = interleaved(settings.rounds, &mut shared);
    let p50 = |side: usize| format!("{:.1} us", 1e6 / latency.rate(side));
    vec![
        Row {
            work: "commit of an offset, p50 (one sync of a zero-filled file)".to_owned(),
            figure: Figure::Ratio {
                baseline: p50(0),
                ours: p50(1),
                ratio: latency.ratio(1, 0),
                goal: Some(1.0 / 1.2),
            },
        },
        Row::of_rates("  15 members at the same time (one member)", &rate, 1, 0, None),
    ]
}

pub fn rebalance(settings: &Settings) -> Vec<Row> {
    let scratch = settings.scratch();
    let broker = open_alone(scratch.path(), 1000);
    let mut rows = Vec::new();
    for assignor in ["range", "cooperative-sticky"] {
        let times: Vec<f64> = (0..settings.rounds).map(|_| join_all(&broker, assignor)).collect();
        rows.push(Row {
            work: format!("100 members share 1,000 partitions, {assignor}"),
            figure: Figure::Limit {
                baseline: "-".to_owned(),
                ours: median(&times),
                limit: 50.0,
                unit: "ms",
            },
        });
    }
    rows
}

/// From the first join until every partition has its member, in milliseconds.
fn join_all(broker: &Broker, assignor: &str) -> f64 {
    let start = Instant::now();
    let mut members: Vec<Consumer> = (0..100)
        .map(|_| {
            let builder = broker.consumer().group("crowd").subscribe(["bench"]);
            builder.set("partition.assignment.strategy", assignor).build().expect("consumer")
        })
        .collect();
    loop {
        for member in &mut members {
            member.poll(Duration::ZERO).expect("poll");
        }
        if members.iter().all(|member| member.assignment().len() == 10) {
            break;
        }
    }
    let took = start.elapsed().as_secs_f64() * 1000.0;
    members.into_iter().for_each(|member| member.close().expect("close"));
    took
}

fn fill(broker: &Broker, bytes: u64) -> u64 {
    let payloads = Payloads::random(1000, 100);
    let records = payloads.records();
    let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
    let count = broker.describe_topic("bench").expect("topic").partitions.len() as i32;
    let calls = (bytes / 100_000).max(1);
    for partition in 0..count {
        let handle = broker.partition("bench", partition).expect("partition");
        let mut appender = handle.appender(Acks::Leader);
        for _ in 0..calls {
            appender.append(&messages).expect("append");
        }
    }
    calls * 1000
}
