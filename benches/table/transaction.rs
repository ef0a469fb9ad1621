//! Transactions, beside durable appends of the same run: what all or nothing costs over several
//! partitions and the offsets of a group, and what many threads pay that make small ones.

use std::time::Duration;

use ottla::{Acks, Broker, Message, Record};

use crate::baseline::corpus::Payloads;
use crate::measure::{Side, interleaved, p50_us};
use crate::report::{Figure, Row};
use crate::scene::{open_alone, together};
use crate::settings::Settings;

/// The partitions of one transaction.
const SPREAD: i32 = 4;

pub fn latency(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(1, 100);
    let record = payloads.records()[0];
    let scratch = settings.scratch();
    let broker = open_alone(scratch.path(), SPREAD + 1);
    let single = broker.partition("bench", SPREAD).expect("partition");
    // What the consumer reads, and what it did read when it commits.
    single.append(&[Message::new(record)], Acks::All).expect("append");
    let builder = broker.consumer().group("readers").assign([("bench", SPREAD)]);
    let mut consumer = builder.build().expect("consumer");
    assert_eq!(consumer.poll(Duration::from_secs(1)).expect("poll").len(), 1);
    let mut appender = single.appender(Acks::All);
    let calls = settings.durable_ops / 2;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let append = |_| {
                appender.append(&[Message::new(record)]).expect("append");
            };
            1e6 / p50_us(calls, append)
        }),
        Box::new(|| {
            let commit = |_| {
                let mut transaction = broker.transaction().expect("transaction");
                for partition in 0..SPREAD {
                    let record = Record::new("bench", record).partition(partition);
                    transaction.send(record).expect("send");
                }
                transaction.commit_offsets(&consumer).expect("offsets");
                transaction.commit().expect("commit");
            };
            1e6 / p50_us(calls, commit)
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let p50 = |side: usize| format!("{:.1} us", 1e6 / rounds.rate(side));
    vec![Row {
        work: "transaction, 4 partitions and offsets, p50 (one durable append)".to_owned(),
        figure: Figure::Ratio {
            baseline: p50(0),
            ours: p50(1),
            ratio: rounds.ratio(1, 0),
            goal: Some(1.0 / 1.3),
        },
    }]
}

const THREADS: usize = 16;

pub fn sixteen_threads(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(1, 100);
    let record = payloads.records()[0];
    let calls = settings.durable_ops / 2;
    let things = (THREADS * calls) as u64;
    let open = |settings: &Settings| {
        let scratch = settings.scratch();
        let broker = open_alone(scratch.path(), THREADS as i32);
        for partition in 0..THREADS as i32 {
            let handle = broker.partition("bench", partition).expect("partition");
            handle.append(&[Message::new(record)], Acks::All).expect("append");
        }
        (scratch, broker)
    };
    let in_transactions = |broker: &Broker, thread: usize, spread: usize| {
        for call in 0..calls {
            let mut transaction = broker.transaction().expect("transaction");
            for step in 0..spread {
                let partition = ((thread + (call + step) * (spread - 1)) % THREADS) as i32;
                let record = Record::new("bench", record).partition(partition);
                transaction.send(record).expect("send");
            }
            transaction.commit().expect("commit");
        }
    };
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let (_scratch, broker) = open(settings);
            together(THREADS, things, |thread| {
                let handle = broker.partition("bench", thread as i32).expect("partition");
                let mut appender = handle.appender(Acks::All);
                for _ in 0..calls {
                    appender.append(&[Message::new(record)]).expect("append");
                }
            })
        }),
        Box::new(|| {
            let (_scratch, broker) = open(settings);
            together(THREADS, things, |thread| in_transactions(&broker, thread, 1))
        }),
        Box::new(|| {
            let (_scratch, broker) = open(settings);
            together(THREADS, things, |thread| in_transactions(&broker, thread, 4))
        }),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    let single = "transactions of one record, 16 threads (durable appends)";
    let spread = "  the same, of 4 records for 4 partitions (durable appends of one)";
    vec![
        Row::of_rates(single, &rounds, 1, 0, Some(0.8)),
        Row::of_rates(spread, &rounds, 2, 0, None),
    ]
}
