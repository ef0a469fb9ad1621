//! Event sourcing: the log is the truth, the state is what follows from it. A command looks at the
//! state, and what it decides is an event in the log; the state is never stored, it is rebuilt
//! when the program starts: `cargo run --example event_sourcing`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use ottla::{Broker, Consumer, Producer, Record, Result, TopicConfig};

const DIRECTORY: &str = "event-sourcing-data";

fn main() -> Result<()> {
    let mut bank = Bank::open()?;
    println!("rebuilt from {} events: {:?}", bank.events, bank.accounts);

    bank.deposit("ada", 100)?;
    bank.deposit("ben", 20)?;
    println!("ada pays ben 70: {}", bank.transfer("ada", "ben", 70)?);
    println!("ben pays ada 500: {}", bank.transfer("ben", "ada", 500)?);
    println!("now: {:?}", bank.accounts);

    // Whoever starts anew, or on another day, comes to the same state.
    let before = bank.accounts.clone();
    drop(bank);
    assert_eq!(Bank::open()?.accounts, before);
    Ok(())
}

/// Accounts, as they follow from the events.
struct Bank {
    producer: Producer,
    consumer: Consumer,
    accounts: BTreeMap<String, i64>,
    events: usize,
}

impl Bank {
    fn open() -> Result<Bank> {
        let broker = Broker::open(DIRECTORY)?;
        // One partition: all events in one order. By default nothing is ever deleted.
        broker.ensure_topic("bank-events", TopicConfig::new().partitions(1))?;
        let mut bank = Bank {
            producer: broker.producer().build()?,
            consumer: broker.consumer().assign([("bank-events", 0)]).build()?,
            accounts: BTreeMap::new(),
            events: 0,
        };
        bank.catch_up()?;
        Ok(bank)
    }

    fn deposit(&mut self, account: &str, amount: i64) -> Result<()> {
        self.record(&format!("deposited {account} {amount}"))
    }

    /// A transfer is one event, so there is no moment in which the money is nowhere. `false` if
    /// there is not enough of it.
    fn transfer(&mut self, from: &str, to: &str, amount: i64) -> Result<bool> {
        if self.accounts.get(from).is_none_or(|&balance| balance < amount) {
            return Ok(false);
        }
        self.record(&format!("transferred {from} {to} {amount}"))?;
        Ok(true)
    }

    /// Makes an event durable, and then part of the state.
    fn record(&mut self, event: &str) -> Result<()> {
        self.producer.send(Record::new("bank-events", event))?.wait()?;
        self.catch_up()
    }

    /// Applies all events that were not applied yet.
    fn catch_up(&mut self) -> Result<()> {
        loop {
            let records = self.consumer.poll(Duration::ZERO)?;
            if records.is_empty() {
                return Ok(());
            }
            for record in &records {
                let event = String::from_utf8_lossy(record.value().unwrap_or_default());
                apply(&mut self.accounts, &event);
                self.events += 1;
            }
        }
    }
}

/// What an event does. Events are history: they are not refused here.
fn apply(accounts: &mut BTreeMap<String, i64>, event: &str) {
    let mut add = |account: &str, amount: i64| {
        *accounts.entry(account.to_owned()).or_default() += amount;
    };
    match event.split(' ').collect::<Vec<_>>()[..] {
        ["deposited", account, amount] => add(account, amount.parse().unwrap_or(0)),
        ["transferred", from, to, amount] => {
            let amount = amount.parse().unwrap_or(0);
            add(from, -amount);
            add(to, amount);
        }
        _ => {}
    }
}
