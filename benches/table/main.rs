//! `cargo bench --bench table`: every promise about speed and memory, each as a ratio against a
//! raw baseline that runs in the same minutes on the same machine.
//!
//! Arguments are parts of row names (`append`, `durable`, `conditional`, `transaction`, `stream`,
//! `produce`, `read`, `tail`, `group`, `compact`, `table`, `open`, `codec`, `idle`, `memory`); none:
//! all rows. `--write-docs` renews docs/performance.svg and the table in docs/PERFORMANCE.md.
//! Sizes: see `settings.rs`; `OTTLA_BENCH=short` takes about two minutes.
//! Arguments are parts of row names (`append`, `durable`, `conditional`, `stream`, `produce`, `read`, `tail`, `group`, `open`, `codec`, `idle`,
//! `memory`); none: all rows. `--write-docs` renews docs/performance.svg and the table in
//! docs/PERFORMANCE.md. Sizes: see `settings.rs`; `OTTLA_BENCH=short` takes about two minutes.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a benchmark measures the outside world, and exports nothing"
)]

mod append;
#[path = "../baseline/mod.rs"]
mod baseline;
mod codec;
mod compact;
mod conditional;
mod durable;
mod groups;
mod heap;
mod idle;
mod measure;
mod memory;
mod open;
mod picture;
mod producer;
mod read;
mod report;
mod scene;
mod settings;
mod streams;
mod tail;
mod transaction;

use std::time::Instant;

use report::Row;
use settings::Settings;

#[global_allocator]
static HEAP: heap::CountingHeap = heap::CountingHeap;

/// A group of rows with the name that selects it.
type Group = (&'static str, fn(&Settings) -> Vec<Row>);

const GROUPS: [Group; 30] = [
    ("append-1000x100", append::thousand_small),
    ("append-sustained", append::sustained),
    ("append-1000x1024", append::thousand_large),
    ("append-100x100", append::hundred_small),
    ("append-1x100", append::single),
    ("durable-1", durable::single),
    ("durable-16-threads", durable::sixteen_threads),
    ("durable-100", durable::hundred),
    ("conditional", conditional::append),
    ("transaction-latency", transaction::latency),
    ("transaction-16-threads", transaction::sixteen_threads),
    ("stream-append", streams::append),
    ("stream-read", streams::read),
    ("produce-send", producer::sending),
    ("produce-wait", producer::waiting),
    ("read-100", read::small),
    ("read-1024", read::large),
    ("read-random", read::random),
    ("tail-latency", tail::latency),
    ("tail-throughput", tail::throughput),
    ("group-poll", groups::poll),
    ("group-commit", groups::commit),
    ("group-rebalance", groups::rebalance),
    ("compact-half", compact::superseded_half),
    ("table-view", compact::table_view),
    ("codec-json", codec::json),
    ("open-size", open::by_size),
    ("open-killed", open::killed),
    ("idle-partitions", idle::partitions),
    ("memory", memory::bounded),
];

fn main() {
    if open::child_was_asked_for() {
        return;
    }
    let settings = Settings::from_environment();
    println!("{}", report::line(&report::HEADS.map(str::to_owned)));
    let mut rows = Vec::new();
    for (name, measure) in GROUPS {
        if !settings.wants(name) {
            continue;
        }
        let start = Instant::now();
        for row in measure(&settings) {
            println!("{}", report::line(&report::cells(&row)));
            rows.push(row);
        }
        eprintln!("    [{name}: {:.1} s]", start.elapsed().as_secs_f64());
    }
    if settings.write_docs {
        picture::write_docs(&rows).expect("the documents can be written");
    }
}
