//! Optimistic concurrency: each account is a stream of events. Whoever wants to move money reads
//! both streams, decides, and writes two events on the condition that nobody has written to either
//! account meanwhile. If somebody has, nothing is written, and it decides anew. No lock is held
//! while it thinks: `cargo run --release --example bank_accounts`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a program like a user's"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ottla::{Acks, Broker, ErrorKind, Message, Record, Result, TopicConfig};

const DIRECTORY: &str = "bank-accounts-data";
const ACCOUNTS: [&str; 4] = ["ada", "ben", "cleo", "dora"];
const THREADS: usize = 8;
const TRANSFERS: usize = 50;

fn main() -> Result<()> {
    let _ = std::fs::remove_dir_all(DIRECTORY);
    let broker = Broker::open(DIRECTORY)?;
    broker.create_topic("accounts", TopicConfig::new().partitions(2).key_index(true))?;
    for account in ACCOUNTS {
        open_account(&broker, account, 1000)?;
    }
    // An account is opened once: the condition is that there is no event of it yet.
    let again = open_account(&broker, "ada", 1_000_000).expect_err("ada has an account");
    println!("opening ada's account again: {again}");

    let conflicts = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (broker, conflicts) = (&broker, &conflicts);
            scope.spawn(move || {
                for round in 0..TRANSFERS {
                    let from = ACCOUNTS[(thread + round) % ACCOUNTS.len()];
                    let to = ACCOUNTS[(thread + 3 * round + 1) % ACCOUNTS.len()];
                    if from != to {
                        let amount = 1 + (3 * thread + round) as i64 % 9;
                        transfer(broker, from, to, amount, conflicts).expect("the disk works");
                    }
                }
            });
        }
    });

    let mut sum = 0;
    for account in ACCOUNTS {
        let account_now = Account::read(&broker, account)?;
        println!("{account} has {} after {} events", account_now.balance, account_now.events);
        sum += account_now.balance;
    }
    println!("{} times somebody else was faster", conflicts.into_inner());
    assert_eq!(sum, 4000, "no money was made, and none was lost");
    println!("together they have {sum}");
    broker.close()
}

/// An account as its events say.
struct Account {
    balance: i64,
    events: usize,
    /// The offset of its newest event: what a decision about it is based on.
    version: Option<i64>,
}

impl Account {
    fn read(broker: &Broker, name: &str) -> Result<Account> {
        let stream = broker.stream("accounts", name)?;
        let mut account = Account { balance: 0, events: 0, version: None };
        for event in stream.read(..) {
            let event = event?;
            let text =
                String::from_utf8_lossy(event.value.as_deref().unwrap_or_default()).into_owned();
            account.balance += text.parse::<i64>().unwrap_or(0);
            account.events += 1;
            account.version = Some(event.offset);
        }
        Ok(account)
    }
}

fn open_account(broker: &Broker, name: &str, amount: i64) -> Result<()> {
    let stream = broker.stream("accounts", name)?;
    stream.expect_version(None).append(&[Message::new(&amount.to_string())], Acks::All)?;
    Ok(())
}

/// Moves money if there is enough; `false` if not.
fn transfer(
    broker: &Broker,
    from: &str,
    to: &str,
    amount: i64,
    conflicts: &AtomicUsize,
) -> Result<bool> {
    loop {
        let (payer, payee) = (Account::read(broker, from)?, Account::read(broker, to)?);
        if payer.balance < amount {
            return Ok(false);
        }
        let mut transaction = broker.transaction()?;
        transaction.expect_version("accounts", from, payer.version)?;
        transaction.expect_version("accounts", to, payee.version)?;
        transaction.send(Record::new("accounts", &format!("-{amount}")).key(from))?;
        transaction.send(Record::new("accounts", &amount.to_string()).key(to))?;
        match transaction.commit() {
            Ok(_) => return Ok(true),
            // Nothing was written. The error has what was missed; here it is simply read again.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                conflicts.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => return Err(error),
        }
    }
}
