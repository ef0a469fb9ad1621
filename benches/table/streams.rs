//! Streams among a million keys: conditional appends beside keyed appends without a condition, to a
//! topic that keeps no index; memory; reading one stream, beside SQLite with an index on (stream,
//! version).

use std::cell::{Cell, RefCell};

use ottla::{Acks, Broker, Compression, Message, TopicConfig};
use rusqlite::Connection;

use crate::heap;
use crate::measure::{Side, interleaved, p50_us, rate_of};
use crate::report::{Figure, Row};
use crate::settings::Settings;

const KEYS: usize = 1_000_000;
const VALUE: [u8; 100] = [b'v'; 100];
/// Fits 1 M records into one segment, and into eleven.
const ALL_IN_ONE: &str = "1073741824";
const IN_ELEVEN: &str = "14000000";

fn key_of(number: usize) -> [u8; 16] {
    let mut key = *b"account-........";
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn config(segment_bytes: &str, key_index: bool) -> TopicConfig {
    let config = TopicConfig::new().compression(Compression::None).key_index(key_index);
    config.set("segment.bytes", segment_bytes).expect("a size")
}

/// A record of each key, in batches of 1,000. Returns how much memory that took.
fn fill(broker: &Broker, topic: &str) -> usize {
    let before = heap::live();
    let mut appender = broker.partition(topic, 0).expect("partition").appender(Acks::Leader);
    for first in (0..KEYS).step_by(1000) {
        let keys: Vec<[u8; 16]> = (first..first + 1000).map(key_of).collect();
        let messages: Vec<Message<'_>> =
            keys.iter().map(|key| Message::new(&VALUE).key(key)).collect();
        appender.append(&messages).expect("append");
    }
    drop(appender);
    heap::live().saturating_sub(before)
}

pub fn append(settings: &Settings) -> Vec<Row> {
    let mut rows = Vec::new();
    for (where_, segment_bytes, goal) in
        [("all active", ALL_IN_ONE, 0.7), ("10 sealed segments", IN_ELEVEN, 0.3)]
    {
        let scratch = settings.scratch();
        let broker = Broker::open(scratch.path()).expect("open");
        broker.create_topic("plain", config(segment_bytes, false)).expect("create");
        broker.create_topic("streams", config(segment_bytes, true)).expect("create");
        let plain = fill(&broker, "plain");
        let bytes = fill(&broker, "streams").saturating_sub(plain);
        // What is measured goes to the segment that is active now.
        for topic in ["plain", "streams"] {
            broker.alter_topic(topic, &[("segment.bytes", Some(ALL_IN_ONE))]).expect("alter");
        }
        if segment_bytes == ALL_IN_ONE {
            rows.push(memory(bytes));
        }
        let work = format!("stream append, expect_version, 1 M keys, {where_}, acks=1");
        rows.push(ratio(settings, &broker, work, goal));
        broker.close().expect("close");
    }
    rows.rotate_left(1);
    rows
}

fn memory(bytes: usize) -> Row {
    Row {
        work: "memory of the index of 1 M keys, per key".to_owned(),
        figure: Figure::Limit {
            baseline: "-".to_owned(),
            ours: bytes as f64 / KEYS as f64,
            limit: 64.0,
            unit: "B",
        },
    }
}

/// Each key is met once, in no order: so its newest record is where it was put.
fn ratio(settings: &Settings, broker: &Broker, work: String, goal: f64) -> Row {
    let rounds = settings.rounds * 2;
    let calls = (KEYS / (rounds + 1)).min(60_000);
    let mut order: Vec<usize> = (0..KEYS).collect();
    fastrand::Rng::with_seed(5).shuffle(&mut order);
    let next = [Cell::new(0), Cell::new(0)];
    let mut sides: Vec<Side<'_>> = [false, true]
        .map(|asks| -> Side<'_> {
            let (topic, next) = (["plain", "streams"][usize::from(asks)], &next[usize::from(asks)]);
            let partition = broker.partition(topic, 0).expect("partition");
            let appender = RefCell::new(partition.appender(Acks::Leader));
            let order = &order;
            Box::new(move || {
                let mut appender = appender.borrow_mut();
                let numbers = &order[next.get()..next.get() + calls];
                next.set(next.get() + calls);
                rate_of(calls as u64, || {
                    for &number in numbers {
                        let key = key_of(number);
                        let message = [Message::new(&VALUE).key(&key)];
                        if asks {
                            appender.expect_version(key, number as i64);
                        }
                        appender.append(&message).expect("append");
                    }
                })
            })
        })
        .into();
    let rounds = interleaved(rounds, &mut sides);
    Row::of_rates(work, &rounds, 1, 0, Some(goal))
}

/// The streams that are read; all others have one record.
const LONG: usize = 1000;
const EVENTS: usize = 100;
const BATCH: usize = 10;

pub fn read(settings: &Settings) -> Vec<Row> {
    // Which stream each record is of: long ones in between all others, in no order.
    let mut records: Vec<usize> = (0..KEYS).collect();
    records.extend((0..LONG).flat_map(|number| std::iter::repeat_n(number, EVENTS - 1)));
    fastrand::Rng::with_seed(6).shuffle(&mut records);

    let scratch = settings.scratch();
    let broker = Broker::open(scratch.path().join("ottla")).expect("open");
    broker.create_topic("active", config(ALL_IN_ONE, true)).expect("create");
    broker.create_topic("sealed", config(IN_ELEVEN, true)).expect("create");
    for topic in ["active", "sealed"] {
        let mut appender = broker.partition(topic, 0).expect("partition").appender(Acks::Leader);
        for numbers in records.chunks(BATCH) {
            let keys: Vec<[u8; 16]> = numbers.iter().map(|number| key_of(*number)).collect();
            let messages: Vec<Message<'_>> =
                keys.iter().map(|key| Message::new(&VALUE).key(key)).collect();
            appender.append(&messages).expect("append");
        }
    }
    let sqlite = in_sqlite(&scratch.path().join("sqlite"), &records);
    let mut statement = sqlite
        .prepare("SELECT version, value FROM events WHERE stream = ?1 ORDER BY version")
        .expect("a query");
    let statement = RefCell::new(&mut statement);

    let with_sqlite = || {
        1e6 / p50_us(LONG, |number| {
            let mut statement = statement.borrow_mut();
            let read = statement
                .query_map([key_of(number)], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .expect("a query");
            assert_eq!(read.map(|row| row.expect("a row").1.len()).sum::<usize>(), 10_000);
        })
    };
    let with_ottla = |topic: &'static str| {
        let broker = &broker;
        move || {
            1e6 / p50_us(LONG, |number| {
                let stream = broker.stream(topic, key_of(number)).expect("a stream");
                let values = stream.read(..).map(|record| record.expect("a record").value);
                assert_eq!(values.flatten().map(|value| value.len()).sum::<usize>(), 10_000);
            })
        }
    };
    let mut sides: Vec<Side<'_>> =
        vec![Box::new(with_sqlite), Box::new(with_ottla("active")), Box::new(with_ottla("sealed"))];
    let rounds = interleaved(settings.rounds, &mut sides);
    let p50 = |side: usize| format!("{:.0} us", 1e6 / rounds.rate(side));
    let row = |work: &str, side: usize| Row {
        work: work.to_owned(),
        figure: Figure::Ratio {
            baseline: p50(0),
            ours: p50(side),
            ratio: rounds.ratio(side, 0),
            goal: Some(1.0),
        },
    };
    vec![
        row("read a stream of 100 among 1 M keys, p50, beside SQLite", 1),
        row("  the same, over 10 sealed segments", 2),
    ]
}

fn in_sqlite(path: &std::path::Path, records: &[usize]) -> Connection {
    let mut sqlite = Connection::open(path).expect("a database");
    sqlite
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -1048576;
             CREATE TABLE events (id INTEGER PRIMARY KEY, stream BLOB, version INTEGER, value BLOB);
             CREATE UNIQUE INDEX streams ON events (stream, version);",
        )
        .expect("a table");
    let mut versions = vec![0_i64; KEYS];
    let transaction = sqlite.transaction().expect("a transaction");
    let mut insert = transaction
        .prepare("INSERT INTO events (stream, version, value) VALUES (?1, ?2, ?3)")
        .expect("an insert");
    for &number in records {
        insert.execute((key_of(number), versions[number], &VALUE[..])).expect("a row");
        versions[number] += 1;
    }
    drop(insert);
    transaction.commit().expect("a commit");
    sqlite
}
