//! One thread writes, another follows the end and says how late it saw each record:
//! `cargo run --release --example tail`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::thread;
use std::time::{Duration, Instant};

use ottla::{Acks, Broker, Message, TopicConfig};

const RECORDS: usize = 2_000;

fn main() -> ottla::Result<()> {
    let broker = Broker::in_memory()?;
    broker.create_topic("ticks", TopicConfig::new())?;
    let start = Instant::now();

    thread::scope(|scope| {
        let writer = scope.spawn(|| -> ottla::Result<()> {
            let mut appender = broker.partition("ticks", 0)?.appender(Acks::Leader);
            for _ in 0..RECORDS {
                thread::sleep(Duration::from_micros(200));
                let now = start.elapsed().as_nanos().to_string();
                appender.append(&[Message::new(now.as_bytes())])?;
            }
            Ok(())
        });

        let mut late_us = Vec::new();
        let mut consumer = broker.consumer().assign([("ticks", 0)]).build()?;
        while late_us.len() < RECORDS {
            // Sleeps until something new is published; no polling of files.
            for record in &consumer.poll(Duration::from_secs(1))? {
                let text = std::str::from_utf8(record.value().unwrap_or_default()).unwrap_or("0");
                let sent = Duration::from_nanos(text.parse().unwrap_or(0));
                late_us.push((start.elapsed() - sent).as_secs_f64() * 1e6);
            }
        }
        late_us.sort_by(f64::total_cmp);
        let at = |share: f64| late_us[(share * (RECORDS - 1) as f64) as usize];
        println!(
            "{RECORDS} records seen after {:.1} us (median), {:.1} us (99 of 100)",
            at(0.5),
            at(0.99)
        );
        writer.join().unwrap_or(Ok(()))
    })
}
