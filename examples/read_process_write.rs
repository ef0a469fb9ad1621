//! Exactly once, from topic to topic: what is written and how far was read become part of the log
//! in one transaction. Wherever the program dies, each order becomes one delivery, never none and
//! never two.
//!
//! The program runs itself as a child process, aborts that between every two steps, and counts at
//! the end: `cargo run --example read_process_write`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;
use std::time::Duration;

use ottla::{Broker, Record, TopicConfig};

const DIRECTORY: &str = "read-process-write-data";
const ORDERS: usize = 100;

/// Where the child may die.
const STEPS: [&str; 7] = [
    "before the poll",
    "after the poll",
    "after the first send",
    "after all sends",
    "after the offsets",
    "after the commit",
    "in the middle of nowhere",
];

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(step) = std::env::args().nth(1) {
        return deliver(&step);
    }
    let _ = std::fs::remove_dir_all(DIRECTORY);
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("orders", TopicConfig::new().partitions(2))?;
    broker.create_topic("deliveries", TopicConfig::new().partitions(3))?;
    let producer = broker.producer().build()?;
    for number in 0..ORDERS {
        let (order, name) = (format!("order {number}"), ["john", "mary", "paul"][number % 3]);
        drop(producer.send(Record::new("orders", &order).key(name))?);
    }
    producer.close()?;
    broker.close()?;

    let this_program = std::env::current_exe()?;
    for step in STEPS {
        let child = Command::new(&this_program).arg(step).status()?;
        println!("died {step} ({child}): {} deliveries", deliveries()?.len());
    }
    deliver("never")?;
    let deliveries = deliveries()?;
    println!("done: {} orders, {} deliveries", ORDERS, deliveries.values().sum::<usize>());
    assert_eq!(deliveries.len(), ORDERS, "no order was lost");
    assert!(deliveries.values().all(|&times| times == 1), "and none was delivered twice");
    Ok(())
}

/// Turns orders into deliveries, until there are no more.
fn deliver(die: &str) -> Result<(), Box<dyn Error>> {
    let die_if = |step: &str| {
        if step == die {
            std::process::abort()
        }
    };
    let broker = Broker::open(DIRECTORY)?;
    let mut orders =
        broker.consumer().group("couriers").subscribe(["orders"]).max_poll_records(8).build()?;
    let mut rounds = 0;
    loop {
        die_if("before the poll");
        let records = orders.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            orders.close()?;
            return Ok(broker.close()?);
        }
        die_if("after the poll");
        let mut transaction = broker.transaction()?;
        for record in &records {
            let order = String::from_utf8_lossy(record.value().unwrap_or_default());
            let delivery = format!("delivery of {order}");
            transaction
                .send(Record::new("deliveries", &delivery).key(record.key().unwrap_or_default()))?;
            die_if("after the first send");
        }
        die_if("after all sends");
        transaction.commit_offsets(&orders)?;
        die_if("after the offsets");
        transaction.commit()?; // one frame, one sync: all of it, or nothing
        die_if("after the commit");
        rounds += 1;
        if rounds == 4 {
            die_if("in the middle of nowhere");
        }
    }
}

/// How often each delivery is in the log.
fn deliveries() -> Result<BTreeMap<String, usize>, Box<dyn Error>> {
    let broker = Broker::open(DIRECTORY)?;
    let partitions = [("deliveries", 0), ("deliveries", 1), ("deliveries", 2)];
    let mut consumer = broker.consumer().assign(partitions).build()?;
    let mut deliveries = BTreeMap::new();
    loop {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            return Ok(deliveries);
        }
        for record in &records {
            let delivery = String::from_utf8_lossy(record.value().unwrap_or_default());
            *deliveries.entry(delivery.into_owned()).or_default() += 1;
        }
    }
}
