//! `acks=all`: how many records a second reach the disk.
//!
//! Raw is an fdatasync of a file that grows. The limit is the same over a file whose blocks are
//! there already: no log can do better with a sync per call, and a recycled journal comes close.

use ottla::{Acks, Message};

use crate::baseline::corpus::Payloads;
use crate::baseline::group::RawGroup;
use crate::baseline::raw::{GrowingFile, ZeroFilledFile};
use crate::measure::{Side, interleaved, rate_of};
use crate::report::Row;
use crate::scene::{open_alone, together};
use crate::settings::Settings;

const ZEROS: u64 = 32 << 20;

pub fn single(settings: &Settings) -> Vec<Row> {
    let rounds = one_thread(settings, 1, settings.durable_ops);
    vec![
        Row::of_rates("durable append, one 100 B record a call", &rounds, 2, 0, Some(1.5)),
        Row::of_rates("  against overwriting a zero-filled file", &rounds, 2, 1, Some(0.9)),
    ]
}

pub fn hundred(settings: &Settings) -> Vec<Row> {
    let rounds = one_thread(settings, 100, settings.durable_ops / 2);
    vec![Row::of_rates("durable append, 100 x 100 B a call", &rounds, 2, 0, Some(1.35))]
}

fn one_thread(settings: &Settings, per_call: usize, calls: usize) -> crate::measure::Rounds {
    let payloads = Payloads::random(per_call, 100);
    let records = payloads.records();
    let things = (per_call * calls) as u64;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let scratch = settings.scratch();
            let mut file = GrowingFile::create(&scratch.path().join("raw")).expect("create");
            rate_of(things, || {
                (0..calls).for_each(|_| file.append_durably(&records).expect("append"));
            })
        }),
        Box::new(|| {
            let scratch = settings.scratch();
            let path = scratch.path().join("zeros");
            let mut file = ZeroFilledFile::create(&path, ZEROS).expect("create");
            rate_of(things, || {
                (0..calls).for_each(|_| file.append_durably(&records).expect("append"));
            })
        }),
        Box::new(|| {
            let scratch = settings.scratch();
            let broker = open_alone(scratch.path(), 1);
            let handle = broker.partition("bench", 0).expect("partition");
            let mut appender = handle.appender(Acks::All);
            let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
            // The first commit makes the journal; a log lives longer than its first commit.
            appender.append(&messages).expect("append");
            rate_of(things, || {
                for _ in 0..calls {
                    appender.append(&messages).expect("append");
                }
            })
        }),
    ];
    interleaved(settings.rounds, &mut sides)
}

const THREADS: usize = 16;

pub fn sixteen_threads(settings: &Settings) -> Vec<Row> {
    let payloads = Payloads::random(1, 100);
    let record = payloads.records();
    let calls = settings.durable_ops / 2;
    let things = (THREADS * calls) as u64;
    let mut sides: Vec<Side<'_>> = vec![
        Box::new(|| {
            let scratch = settings.scratch();
            let group = RawGroup::create(&scratch.path().join("raw")).expect("create");
            together(THREADS, things, |_| {
                (0..calls).for_each(|_| group.append_durably(&record).expect("append"));
            })
        }),
        Box::new(|| threads_ours(settings, record[0], calls, 1)),
        Box::new(|| threads_ours(settings, record[0], calls, THREADS as i32)),
    ];
    let rounds = interleaved(settings.rounds, &mut sides);
    vec![
        Row::of_rates("durable append, one record a call, 16 threads", &rounds, 1, 0, Some(1.8)),
        Row::of_rates("  the same, each thread to its own partition", &rounds, 2, 0, None),
    ]
}

fn threads_ours(settings: &Settings, record: &[u8], calls: usize, partitions: i32) -> f64 {
    let scratch = settings.scratch();
    let broker = open_alone(scratch.path(), partitions);
    for partition in 0..partitions {
        let handle = broker.partition("bench", partition).expect("partition");
        handle.append(&[Message::new(record)], Acks::All).expect("append");
    }
    together(THREADS, (THREADS * calls) as u64, |thread| {
        let handle = broker.partition("bench", thread as i32 % partitions).expect("partition");
        let mut appender = handle.appender(Acks::All);
        for _ in 0..calls {
            appender.append(&[Message::new(record)]).expect("append");
        }
    })
}
