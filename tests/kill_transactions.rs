//! Kills a program that reads, processes and writes in transactions with signal 9 at random moments,
//! and looks after each kill: every transaction is in all of its partitions or in none, it was
//! made of the orders up to the committed offset and of no others, and at the end each order was
//! processed exactly once. Every few transactions are too large for memory, and spilled.
//!
//! `OTTLA_KILL_CYCLES` sets the number of kills (default 25); `OTTLA_SEED` repeats a campaign as far
//! as the scheduler allows.

#![allow(clippy::disallowed_methods, reason = "supervises processes from outside the library")]
#![allow(clippy::print_stdout, reason = "says what was done")]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use ottla::{Acks, Broker, Message, Record, TopicConfig};

const COPIES: i32 = 3;
const ORDERS_PER_CYCLE: u64 = 400;
/// One order in so many makes its transaction larger than the buffer of transactions.
const LARGE_EVERY: u64 = 40;
const LARGE_BYTES: usize = 150 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["worker", directory] => {
            work(Path::new(directory));
            ExitCode::SUCCESS
        }
        ["--list", ..] => ExitCode::SUCCESS,
        [filter, ..] if !filter.starts_with('-') && !"kill_transactions".contains(filter) => {
            ExitCode::SUCCESS
        }
        _ => campaign(),
    }
}

fn open(directory: &Path) -> Broker {
    let options = Broker::options().set("ottla.transaction.buffer.bytes", "65536");
    options.and_then(|options| options.open(directory)).expect("the directory opens")
}

fn campaign() -> ExitCode {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cycles = number("OTTLA_KILL_CYCLES").unwrap_or(25);
    let seed = number("OTTLA_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("kill_transactions: OTTLA_SEED={seed} OTTLA_KILL_CYCLES={cycles}");
    let mut random = fastrand::Rng::with_seed(seed);
    let scratch = tempfile::Builder::new()
        .prefix("kill-transactions-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a scratch directory");
    let directory = scratch.path();
    let broker = open(directory);
    broker.create_topic("orders", TopicConfig::new()).expect("created");
    broker.create_topic("done", TopicConfig::new().partitions(COPIES)).expect("created");
    broker.close().expect("closed");

    let program = std::env::current_exe().expect("a path");
    let (mut ordered, mut done, mut killed) = (0, 0, 0);
    for _ in 0..cycles {
        ordered = order_more(directory, ordered);
        let mut worker =
            Command::new(&program).arg("worker").arg(directory).spawn().expect("it starts");
        std::thread::sleep(Duration::from_micros(random.u64(3_000..120_000)));
        killed += u32::from(worker.try_wait().expect("asked").is_none());
        worker.kill().expect("killed");
        worker.wait().expect("gone");
        let now = check(directory);
        assert!(now >= done, "{done} orders were done, now it is {now}");
        done = now;
    }
    work(directory);
    assert_eq!(check(directory), ordered, "every order is done");
    println!(
        "{killed} kills of workers that had done {done} orders; {ordered} orders, each of them \
         done exactly once"
    );
    assert!(killed > 0, "no kill hit a worker");
    ExitCode::SUCCESS
}

/// Appends more orders; their values are their offsets.
fn order_more(directory: &Path, ordered: u64) -> u64 {
    let broker = open(directory);
    let numbers: Vec<String> =
        (ordered..ordered + ORDERS_PER_CYCLE).map(|n| n.to_string()).collect();
    let messages: Vec<Message<'_>> = numbers.iter().map(|n| Message::new(n.as_str())).collect();
    broker.partition("orders", 0).and_then(|p| p.append(&messages, Acks::All)).expect("appended");
    broker.close().expect("closed");
    ordered + ORDERS_PER_CYCLE
}

/// What is killed: each round of orders becomes one transaction.
fn work(directory: &Path) {
    let broker = open(directory);
    let mut orders = broker
        .consumer()
        .group("workers")
        .subscribe(["orders"])
        .max_poll_records(7)
        .build()
        .expect("a consumer");
    loop {
        let records = orders.poll(Duration::ZERO).expect("polled");
        if records.is_empty() {
            break;
        }
        let mut transaction = broker.transaction().expect("begun");
        for record in &records {
            let number = record.offset().cast_unsigned();
            let mut value = number.to_string();
            if number.is_multiple_of(LARGE_EVERY) {
                value.extend(std::iter::repeat_n('.', LARGE_BYTES));
            }
            for copy in 0..COPIES {
                let done = Record::new("done", value.as_str()).partition(copy);
                transaction.send(done).expect("staged");
            }
        }
        transaction.commit_offsets(&orders).expect("staged");
        transaction.commit().expect("committed");
    }
    orders.close().expect("left");
    broker.close().expect("closed");
}

/// Every partition holds the orders from 0 up to the committed offset, each once and in order.
fn check(directory: &Path) -> u64 {
    let broker = Broker::options().read_only(true).open(directory).expect("it reads");
    let committed = broker.committed_offsets("workers").unwrap_or_default();
    let committed = committed.first().map_or(0, |(_, offset)| offset.offset.cast_unsigned());
    for copy in 0..COPIES {
        let mut consumer = broker.consumer().assign([("done", copy)]).build().expect("a consumer");
        let mut next: u64 = 0;
        loop {
            let records = consumer.poll(Duration::ZERO).expect("polled");
            if records.is_empty() {
                break;
            }
            for record in &records {
                let value = record.value().unwrap_or_default();
                let digits = value.split(|&byte| byte == b'.').next().unwrap_or_default();
                assert_eq!(digits, next.to_string().as_bytes(), "done-{copy}@{}", record.offset());
                let is_large = next.is_multiple_of(LARGE_EVERY);
                assert_eq!(value.len(), digits.len() + if is_large { LARGE_BYTES } else { 0 });
                next += 1;
            }
        }
        assert_eq!(next, committed, "done-{copy} ends with another order than was committed");
    }
    committed
}
