//! Opening: a cleanly closed directory whatever its size, and one whose writer was killed.
//!
//! The writer that gets killed is this program itself, started again with `OTTLA_BENCH_CHILD`.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ottla::{Acks, Broker, Compression, Message, TopicConfig};

use crate::baseline::corpus::Payloads;
use crate::baseline::raw::GrowingFile;
use crate::baseline::scan::scan;
use crate::measure::median;
use crate::report::{Figure, Row};
use crate::settings::Settings;

const CHILD: &str = "OTTLA_BENCH_CHILD";
const BATCH: usize = 1000;
const LEN: usize = 100;

/// A cleanly closed directory with everything, and one with an eighth of it.
pub fn by_size(settings: &Settings) -> Vec<Row> {
    let (large, small) = (settings.open_bytes, settings.open_bytes / 8);
    let large_directory = settings.scratch();
    let small_directory = settings.scratch();
    fill(large_directory.path(), large).close().expect("close");
    fill(small_directory.path(), small).close().expect("close");

    let raw = settings.scratch();
    let raw_path = raw.path().join("raw");
    fill_raw(&raw_path, large);
    let scan_ms = time_ms(|| {
        scan(&raw_path).expect("scan");
    });

    let opened = |path: &Path| {
        let start = Instant::now();
        let broker = Broker::options().background(false).open(path).expect("open");
        let spent = start.elapsed().as_secs_f64() * 1e3;
        broker.close().expect("close");
        spent
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..settings.rounds.max(9) {
        times[0].push(opened(large_directory.path()));
        times[1].push(opened(small_directory.path()));
    }
    let (large_ms, small_ms) = (median(&times[0]), median(&times[1]));
    vec![
        Row {
            work: format!("open {}, cleanly closed (baseline: scan all)", human_size(large)),
            figure: Figure::Limit {
                baseline: format!("{scan_ms:.0} ms"),
                ours: large_ms,
                limit: 2.0,
                unit: "ms",
            },
        },
        Row {
            work: format!("  over opening {}", human_size(small)),
            figure: Figure::Limit {
                baseline: format!("{small_ms:.2} ms"),
                ours: large_ms / small_ms,
                limit: 1.1,
                unit: "times",
            },
        },
    ]
}

/// A directory whose writer died of SIGKILL in the middle of appending.
pub fn killed(settings: &Settings) -> Vec<Row> {
    let bytes = settings.open_bytes;
    let directory = settings.scratch();
    let acked = run_and_kill(directory.path(), bytes);

    let raw = settings.scratch();
    let raw_path = raw.path().join("raw");
    fill_raw(&raw_path, bytes);
    let scan_ms = time_ms(|| {
        scan(&raw_path).expect("scan");
    });

    let start = Instant::now();
    let broker = Broker::options().background(false).open(directory.path()).expect("open");
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let end = broker.partition("bench", 0).expect("partition").end_offset();
    assert!(end >= acked, "{acked} records were acked, {end} are there");
    let report = broker.recovery_report();
    eprintln!("    {report}");
    // Besides the 50 ms, a raw scan of what was written since the last checkpoint is allowed.
    let tail = report.bytes_scanned();
    vec![Row {
        work: format!(
            "open {} after kill -9, {} since the checkpoint",
            human_size(bytes),
            human_size(tail)
        ),
        figure: Figure::Limit {
            baseline: format!("{scan_ms:.0} ms"),
            ours: open_ms,
            limit: 50.0 + scan_ms * tail as f64 / bytes as f64,
            unit: "ms",
        },
    }]
}

/// Starts the writer, waits until it has written enough, kills it; returns what it acked.
fn run_and_kill(path: &Path, bytes: u64) -> i64 {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .env(CHILD, format!("{bytes}:{}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut acked = 0;
    let mut enough = 0;
    for line in lines.map_while(Result::ok) {
        acked = line.trim().parse().expect("an offset");
        if acked as u64 * LEN as u64 >= bytes {
            enough += 1;
        }
        if enough == 3 {
            break;
        }
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    acked
}

/// In the child: appends for ever and prints the acked end now and then. False in the parent.
pub fn child_was_asked_for() -> bool {
    let Ok(task) = env::var(CHILD) else { return false };
    let (_, path) = task.split_once(':').expect("bytes:path");
    let broker = Broker::open(path).expect("open");
    let config = TopicConfig::new().partitions(1).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    let payloads = Payloads::random(BATCH, LEN);
    let records = payloads.records();
    let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
    let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
    let mut out = std::io::stdout();
    for call in 0u64.. {
        let appended = appender.append(&messages).expect("append");
        if call % 64 == 0 && writeln!(out, "{}", appended.last_offset + 1).is_err() {
            break;
        }
    }
    true
}

fn fill(path: &Path, bytes: u64) -> Broker {
    let broker = Broker::options().background(false).open(path).expect("open");
    let config = TopicConfig::new().partitions(1).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    let payloads = Payloads::random(BATCH, LEN);
    let records = payloads.records();
    let messages: Vec<Message<'_>> = records.iter().map(Message::new).collect();
    let mut appender = broker.partition("bench", 0).expect("partition").appender(Acks::Leader);
    for _ in 0..bytes / (BATCH * LEN) as u64 {
        appender.append(&messages).expect("append");
    }
    drop(appender);
    broker
}

fn fill_raw(path: &Path, bytes: u64) {
    let payloads = Payloads::random(BATCH, LEN);
    let records = payloads.records();
    let mut file = GrowingFile::create(path).expect("create");
    for _ in 0..bytes / (BATCH * LEN) as u64 {
        file.append(&records).expect("append");
    }
}

fn time_ms(work: impl Fn()) -> f64 {
    let times: Vec<f64> = (0..3)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    median(&times)
}

fn human_size(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 1024 && mib % 1024 == 0 => format!("{} GiB", mib / 1024),
        mib => format!("{mib} MiB"),
    }
}
