//! A group shares the work: each partition is read by one of its members, and whoever comes or
//! goes makes them share anew: `cargo run --example consumer_group`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ottla::{Broker, Consumer, RebalanceListener, Record, Result, TopicConfig, TopicPartition};

const ORDERS: usize = 600;

/// Cooked by all cooks together.
static COOKED: AtomicUsize = AtomicUsize::new(0);

fn main() -> Result<()> {
    let broker = Broker::in_memory()?;
    broker.create_topic("orders", TopicConfig::new().partitions(6))?;

    thread::scope(|scope| -> Result<()> {
        // Three cooks; the second one goes home early.
        let mut cooks = Vec::new();
        for (name, goes_after) in [("Ada", None), ("Ben", Some(30)), ("Cid", None)] {
            let builder = broker.consumer().group("kitchen").subscribe(["orders"]);
            let consumer = builder.listener(Announcer { name }).max_poll_records(10).build()?;
            cooks.push(scope.spawn(move || cook(consumer, name, goes_after)));
        }

        let producer = broker.producer().build()?;
        for number in 0..ORDERS {
            let guest = format!("guest {}", number % 40);
            drop(producer.send(Record::new("orders", "one burger").key(&guest))?);
        }
        producer.flush()?;

        for cook in cooks {
            cook.join().unwrap_or(Ok(()))?;
        }
        Ok(())
    })?;

    let group = broker.describe_group("kitchen")?;
    let lag: i64 = group.partitions.iter().filter_map(|partition| partition.lag).sum();
    println!("{} orders were cooked, {lag} are left", COOKED.load(Ordering::Relaxed));
    assert_eq!((COOKED.load(Ordering::Relaxed), lag), (ORDERS, 0));
    broker.close()
}

fn cook(mut consumer: Consumer, name: &str, goes_after: Option<usize>) -> Result<()> {
    let mut cooked = 0;
    while COOKED.load(Ordering::Relaxed) < ORDERS {
        let records = consumer.poll(Duration::from_millis(20))?;
        thread::sleep(Duration::from_millis(1)); // the cooking itself
        COOKED.fetch_add(records.len(), Ordering::Relaxed);
        cooked += records.len();
        // What is committed is not cooked again by whoever gets the partition next.
        consumer.commit()?;
        if goes_after.is_some_and(|enough| cooked >= enough) {
            println!("{name} goes home");
            break;
        }
    }
    println!("{name} cooked {cooked} orders");
    consumer.close()
}

/// Says which partitions come and go.
struct Announcer {
    name: &'static str,
}

impl RebalanceListener for Announcer {
    fn on_partitions_assigned(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        println!("{} gets {}", self.name, list(partitions));
    }

    fn on_partitions_revoked(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        println!("{} gives {}", self.name, list(partitions));
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
    names.join(" ")
}
