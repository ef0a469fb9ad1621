//! At most once: first the commit, then the work. Whoever dies in between has lost that work, but
//! nothing is ever done twice: `cargo run --example at_most_once`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::time::Duration;

use ottla::{Broker, Record, TopicConfig};

const DIRECTORY: &str = "at-most-once-data";

fn main() -> ottla::Result<()> {
    let _ = std::fs::remove_dir_all(DIRECTORY);
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("rockets", TopicConfig::new())?;
    let producer = broker.producer().build()?;
    for rocket in ["red", "green", "gold", "silver"] {
        drop(producer.send(Record::new("rockets", rocket))?);
    }
    producer.close()?;

    println!("the first evening, rain after two rockets:");
    fire(&broker, Some(2))?;
    broker.abandon(); // as a kill would: nothing is flushed, nothing is told to the group

    println!("the second evening; no rocket is lit a second time:");
    let broker = Broker::open(DIRECTORY)?;
    fire(&broker, None)?;
    broker.close()
}

/// Fires what there is. A rocket is committed before it is lit.
fn fire(broker: &Broker, rain_after: Option<usize>) -> ottla::Result<()> {
    let builder = broker.consumer().group("fireworks").subscribe(["rockets"]);
    let mut consumer = builder.max_poll_records(3).build()?;
    let mut fired = 0;
    loop {
        let records = consumer.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            return Ok(());
        }
        // From here on these rockets count as fired, come what may.
        consumer.commit()?;
        for record in &records {
            if rain_after == Some(fired) {
                return Ok(()); // gone, without a commit
            }
            println!("  {}!", String::from_utf8_lossy(record.value().unwrap_or_default()));
            fired += 1;
        }
    }
}
