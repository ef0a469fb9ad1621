//! Exactly once: the result and the offset that it goes up to are stored in one step, so that
//! neither can be there without the other. Here they share a file; with a database they share a
//! transaction. The log is only asked to go on from there: `cargo run --example exactly_once`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::fs;
use std::io::Write;
use std::time::Duration;

use ottla::{Broker, Error, Record, Result, TopicConfig};

const DIRECTORY: &str = "exactly-once-data";
const LEDGER: &str = "exactly-once-ledger.txt";

fn main() -> Result<()> {
    let _ = fs::remove_dir_all(DIRECTORY);
    let _ = fs::remove_file(LEDGER);
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("coins", TopicConfig::new())?;
    let producer = broker.producer().build()?;
    for value in 1..=100 {
        drop(producer.send(Record::new("coins", &value.to_string()))?);
    }
    producer.close()?;

    let mut broker = broker;
    for crash_after in [7, 30, 1] {
        count(&broker, Some(crash_after))?;
        println!("crashed after {crash_after} coins; the ledger says {:?}", Ledger::load()?);
        broker.abandon(); // as a kill would
        broker = Broker::open(DIRECTORY)?;
    }
    count(&broker, None)?;
    let ledger = Ledger::load()?;
    println!("done; the ledger says {ledger:?}");
    assert_eq!((ledger.sum, ledger.next_offset), (5050, 100));
    broker.close()
}

/// Adds coins to the ledger, from where it ends.
fn count(broker: &Broker, crash_after: Option<usize>) -> Result<()> {
    let mut ledger = Ledger::load()?;
    let mut consumer = broker.consumer().assign([("coins", 0)]).max_poll_records(5).build()?;
    consumer.seek("coins", 0, ledger.next_offset)?;
    let mut counted = 0;
    loop {
        let records = consumer.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            let text = String::from_utf8_lossy(record.value().unwrap_or_default());
            ledger.sum += text.parse::<i64>().unwrap_or(0);
            ledger.next_offset = record.offset() + 1;
            counted += 1;
            if crash_after == Some(counted) {
                return Ok(()); // what was not stored is forgotten, sum and offset alike
            }
        }
        ledger.store()?;
    }
}

/// The result, and the offset that it goes up to.
#[derive(Debug, Default)]
struct Ledger {
    sum: i64,
    next_offset: i64,
}

impl Ledger {
    fn load() -> Result<Ledger> {
        let Ok(text) = fs::read_to_string(LEDGER) else { return Ok(Ledger::default()) };
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Ok(Ledger { sum: next(), next_offset: next() })
    }

    /// A new file takes the place of the old one: there is always one of them, whole.
    fn store(&self) -> Result<()> {
        let new = format!("{LEDGER}.new");
        let write = || {
            let mut file = fs::File::create(&new)?;
            writeln!(file, "{} {}", self.sum, self.next_offset)?;
            file.sync_all()?;
            fs::rename(&new, LEDGER)?;
            fs::File::open(".")?.sync_all()
        };
        write().map_err(|error| Error::io(error, "cannot store the ledger"))
    }
}
