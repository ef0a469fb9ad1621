//! A database in step with the log: the balances and the offset up to which they are counted lie
//! in the same SQLite database, and change in the same SQLite transaction. So neither is ever
//! ahead of the other, whatever dies when. The log is only asked to go on from there.
//!
//! The program runs itself as a child process, aborts that at every step of its loop, and checks at
//! the end that every payment counts once: `cargo run --example with_sqlite`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Duration;

use ottla::{Broker, Record, TopicConfig};
use rusqlite::Connection;

const HOME: &str = "with-sqlite-data";
const DIRECTORY: &str = "with-sqlite-data/log";
const DATABASE: &str = "with-sqlite-data/balances.db";
const PAYMENTS: i64 = 60;

/// Where the child may die.
const STEPS: [&str; 5] =
    ["after COMMIT", "before the poll", "after the poll", "half counted", "before COMMIT"];

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(step) = std::env::args().nth(1) {
        return count_payments(&step);
    }
    let _ = fs::remove_dir_all(HOME);
    fs::create_dir(HOME)?;
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("payments", TopicConfig::new())?;
    let producer = broker.producer().build()?;
    for number in 1..=PAYMENTS {
        let account = ["ada", "ben", "cleo"][usize::try_from(number)? % 3];
        drop(producer.send(Record::new("payments", &number.to_string()).key(account))?);
    }
    producer.close()?;
    broker.close()?;

    let this_program = std::env::current_exe()?;
    for step in STEPS {
        let child = Command::new(&this_program).arg(step).status()?;
        println!("killed {step}: {child}; {}", balances(&Connection::open(DATABASE)?)?);
    }
    count_payments("never")?;
    let database = Connection::open(DATABASE)?;
    println!("done: {}", balances(&database)?);
    let sum: i64 = database.query_row("SELECT sum(amount) FROM balance", [], |row| row.get(0))?;
    assert_eq!(sum, PAYMENTS * (PAYMENTS + 1) / 2, "every payment counts exactly once");
    Ok(())
}

/// Counts payments into the database, from where it says, until there are no more.
fn count_payments(die: &str) -> Result<(), Box<dyn Error>> {
    let die_if = |step: &str| {
        if step == die {
            std::process::abort()
        }
    };
    let mut database = Connection::open(DATABASE)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, amount INTEGER NOT NULL);
         CREATE TABLE IF NOT EXISTS position (next_offset INTEGER NOT NULL);",
    )?;
    let next_offset: i64 =
        database.query_row("SELECT ifnull(max(next_offset), 0) FROM position", [], |r| r.get(0))?;
    let broker = Broker::open(DIRECTORY)?;
    let mut consumer = broker.consumer().assign([("payments", 0)]).max_poll_records(8).build()?;
    consumer.seek("payments", 0, next_offset)?;
    loop {
        die_if("before the poll");
        let records = consumer.poll(Duration::from_millis(100))?;
        if records.is_empty() {
            return Ok(broker.close()?);
        }
        die_if("after the poll");
        let transaction = database.transaction()?;
        for (index, record) in records.iter().enumerate() {
            let account = String::from_utf8_lossy(record.key().unwrap_or_default());
            let amount: i64 = std::str::from_utf8(record.value().unwrap_or_default())?.parse()?;
            transaction.execute(
                "INSERT INTO balance VALUES (?1, ?2)
                 ON CONFLICT (account) DO UPDATE SET amount = amount + ?2",
                (account.as_ref(), amount),
            )?;
            if index == records.len() / 2 {
                die_if("half counted");
            }
        }
        transaction.execute("DELETE FROM position", [])?;
        let next_offset = consumer.position("payments", 0)?;
        transaction.execute("INSERT INTO position VALUES (?1)", [next_offset])?;
        die_if("before COMMIT");
        transaction.commit()?;
        die_if("after COMMIT");
    }
}

/// What the database says, on one line.
fn balances(database: &Connection) -> Result<String, Box<dyn Error>> {
    let is_there: bool = database.query_row(
        "SELECT count(*) = 2 FROM sqlite_master WHERE name IN ('balance', 'position')",
        [],
        |row| row.get(0),
    )?;
    if !is_there {
        return Ok("nothing is counted yet".to_owned());
    }
    let mut balances = database.prepare("SELECT account, amount FROM balance ORDER BY account")?;
    let lines = balances.query_map([], |row| {
        Ok(format!("{} has {}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let next_offset: i64 =
        database.query_row("SELECT ifnull(max(next_offset), 0) FROM position", [], |r| r.get(0))?;
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok(format!("counted up to offset {next_offset}: {}", lines.join(", ")))
}
