//! A durable log in one file's worth of code: `cargo run --example quickstart`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use ottla::{Broker, Compression, Record, TopicConfig};

fn main() -> ottla::Result<()> {
    // The directory is the database. Kafka's own tools can read it.
    let broker = Broker::open("quickstart-data")?;
    let config = TopicConfig::new().partitions(4).compression(Compression::Zstd);
    broker.ensure_topic("orders", config)?;

    // Records with the same key go to the same partition, in order.
    let producer = broker.producer().build()?;
    for (who, what) in [("john", "one burger"), ("mary", "two salads"), ("john", "one coffee")] {
        let delivery = producer.send(Record::new("orders", what).key(who))?;
        let written = delivery.wait()?; // on the disk now: it survives a power cut
        println!(
            "{who} ordered {what}: {}-{}@{}",
            written.topic, written.partition, written.offset
        );
    }
    producer.close()?;

    // The kitchen goes on where it stopped: each run cooks what was ordered since.
    let mut kitchen = broker.consumer().group("kitchen").subscribe(["orders"]).build()?;
    loop {
        let records = kitchen.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            println!("cooking {} for {}", text(record.value()), text(record.key()));
        }
        kitchen.commit()?; // done: not cooked again, whatever happens
    }
    kitchen.close()?;
    broker.close()
}
