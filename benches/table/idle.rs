//! What partitions cost that nobody uses: time to open, memory, descriptors.

use std::time::Instant;

use ottla::{Broker, TopicConfig};

use crate::heap;
use crate::measure::median;
use crate::report::{Figure, Row};
use crate::settings::Settings;

pub fn partitions(settings: &Settings) -> Vec<Row> {
    let count = settings.partitions;
    let scratch = settings.scratch();
    let broker = Broker::options().background(false).open(scratch.path()).expect("open");
    broker.create_topic("idle", TopicConfig::new().partitions(count)).expect("create");
    broker.close().expect("close");

    let mut times = Vec::new();
    let mut memory = 0.0;
    let mut descriptors = 0.0;
    for _ in 0..settings.rounds {
        let heap_before = heap::live();
        let descriptors_before = open_descriptors();
        let start = Instant::now();
        let broker = Broker::options().background(false).open(scratch.path()).expect("open");
        times.push(start.elapsed().as_secs_f64() * 1e3);
        memory = heap::live().saturating_sub(heap_before) as f64 / f64::from(count);
        descriptors = open_descriptors().saturating_sub(descriptors_before) as f64;
        broker.close().expect("close");
    }
    let row = |work: String, ours: f64, limit: f64, unit: &'static str| Row {
        work,
        figure: Figure::Limit { baseline: "-".to_owned(), ours, limit, unit },
    };
    vec![
        row(format!("open {count} empty partitions"), median(&times), 1000.0, "ms"),
        row("  memory of an idle partition".to_owned(), memory, 4096.0, "B"),
        row("  descriptors of the whole directory".to_owned(), descriptors, 16.0, "files"),
    ]
}

/// The descriptors of this process, by the directory that Linux and macOS have for them.
fn open_descriptors() -> usize {
    std::fs::read_dir("/dev/fd").map_or(0, Iterator::count)
}
