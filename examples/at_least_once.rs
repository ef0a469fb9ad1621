//! At least once: first the work, then the commit. Whoever dies in between does that work again,
//! so the work must bear being done twice: `cargo run --example at_least_once`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::time::Duration;

use ottla::{Broker, Record, TopicConfig};

const DIRECTORY: &str = "at-least-once-data";

fn main() -> ottla::Result<()> {
    let _ = std::fs::remove_dir_all(DIRECTORY);
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("letters", TopicConfig::new())?;
    let producer = broker.producer().build()?;
    for letter in ["to Anna", "to Bert", "to Cleo", "to Dora"] {
        drop(producer.send(Record::new("letters", letter))?);
    }
    producer.close()?;

    println!("the first postman falls off the bicycle with the third letter delivered:");
    deliver(&broker, Some(3))?;
    broker.abandon(); // as a kill would: nothing is flushed, nothing is told to the group

    println!("the second one goes on from the last commit:");
    let broker = Broker::open(DIRECTORY)?;
    deliver(&broker, None)?;
    broker.close()
}

/// Delivers letters one by one; each is committed after it was delivered.
fn deliver(broker: &Broker, accident_after: Option<usize>) -> ottla::Result<()> {
    let mut consumer = broker.consumer().group("post").subscribe(["letters"]).build()?;
    let mut delivered = 0;
    loop {
        let records = consumer.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            println!("  delivered {}", String::from_utf8_lossy(record.value().unwrap_or_default()));
            delivered += 1;
            if accident_after == Some(delivered) {
                return Ok(()); // gone, without a commit
            }
            // Durable when it returns. One commit for a whole poll, `consumer.commit()`, is faster.
            consumer.commit_offsets([(record.topic_partition(), record.offset() + 1)])?;
        }
    }
}
