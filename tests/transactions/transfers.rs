//! Goal: money moves between accounts in transactions of many threads, and whoever looks, by a
//! snapshot or by polls, at any isolation level, finds as much of it as there ever was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ottla::{Acks, Broker, ConsumerRecord, IsolationLevel, Message, Record, Snapshot, TopicConfig};

use crate::world::options;

const THREADS: usize = 16;
const ROUNDS: usize = 60;
const ACCOUNTS: usize = 20;
const PARTITIONS: i32 = 5;

/// A world in which account `n` lives in partition `n % PARTITIONS`.
fn open(directory: &std::path::Path) -> Broker {
    let broker = options().background(true).open(directory).unwrap();
    let config = TopicConfig::new().partitions(PARTITIONS);
    broker.ensure_topic("accounts", config).unwrap();
    broker.ensure_topic("done", TopicConfig::new().partitions(THREADS as i32)).unwrap();
    broker
}

fn partition_of(account: usize) -> i32 {
    account as i32 % PARTITIONS
}

/// Pseudo-random numbers of a thread.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }
}

/// Moves money; some transactions are aborted. Each commits what it has done as the offset of a
/// group, too.
fn transfer(broker: &Broker, thread: usize) {
    let mut draw = Draw(thread as u64 + 1);
    let done = broker.partition("done", thread as i32).unwrap();
    let group = format!("clerk {thread}");
    let mut committed = 0;
    while committed < ROUNDS {
        let mut transaction = broker.transaction().unwrap();
        let amount = draw.below(100) + 1;
        let (from, to) = (draw.below(ACCOUNTS), draw.below(ACCOUNTS));
        for (account, change) in [(from, format!("-{amount}")), (to, format!("{amount}"))] {
            let (key, partition) = (account.to_string(), partition_of(account));
            let record = Record::new("accounts", &change).key(&key).partition(partition);
            transaction.send(record).unwrap();
        }
        if draw.below(4) == 0 {
            match draw.below(2) {
                0 => transaction.abort().unwrap(),
                _ => drop(transaction),
            }
            continue;
        }
        // One record a transfer, and the group goes on behind those of the transfers before.
        let number = thread as i32;
        transaction.send(Record::new("done", "a transfer").partition(number)).unwrap();
        let offset = done.end_offset();
        transaction.commit_offsets_of(&group, [(("done", number), offset)]).unwrap();
        transaction.commit().unwrap();
        committed += 1;
    }
}

/// Adds up what the records say.
#[derive(Default)]
struct Ledger {
    balances: BTreeMap<Vec<u8>, i64>,
    records: usize,
}

impl Ledger {
    fn add(&mut self, record: ConsumerRecord<'_>) {
        if record.key() == Some(b"other") {
            return;
        }
        let change: i64 = std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap();
        *self.balances.entry(record.key().unwrap().to_vec()).or_default() += change;
        self.records += 1;
    }

    /// Money is neither made nor lost.
    fn is_sound(&self, what: &str) {
        let sum: i64 = self.balances.values().sum();
        assert_eq!(sum, 0, "{what}, after {} records", self.records);
    }
}

fn look(snapshot: &Snapshot) -> usize {
    let mut ledger = Ledger::default();
    for partition in 0..PARTITIONS {
        let mut reader = snapshot.read("accounts", partition, 0).unwrap();
        while let Some(records) = reader.next_records().unwrap() {
            records.iter().for_each(|record| ledger.add(record));
        }
    }
    ledger.is_sound("a snapshot");
    let mut transfers = 0;
    for thread in 0..THREADS {
        let end = snapshot.end_offset("done", thread as i32).unwrap();
        let group = format!("clerk {thread}");
        let committed = snapshot.committed(&group, "done", thread as i32).unwrap();
        let committed = committed.map_or(-1, |committed| committed.offset);
        assert_eq!(committed, end - 1, "{group}: the offset belongs to the record");
        transfers += end;
    }
    assert_eq!(ledger.records as i64, 2 * transfers, "records of a part of a transfer");
    ledger.records
}

/// Polls until it has seen everything that `is_over` left.
fn follow(broker: &Broker, isolation: IsolationLevel, is_over: &AtomicBool) {
    let all = (0..PARTITIONS).map(|partition| ("accounts", partition));
    let builder = broker.consumer().assign(all).isolation_level(isolation);
    let mut consumer = builder.max_poll_records(1_000_000).build().unwrap();
    let mut ledger = Ledger::default();
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        let records = consumer.poll(Duration::from_millis(1)).unwrap();
        let is_empty = records.is_empty();
        records.iter().for_each(|record| ledger.add(record));
        ledger.is_sound("the polls so far");
        if is_empty && was_over {
            break;
        }
    }
    assert_eq!(ledger.records, 2 * THREADS * ROUNDS, "{isolation:?}");
}

#[test]
fn the_sum_over_all_accounts_is_constant_for_everybody() {
    let scratch = tempfile::tempdir().unwrap();
    let broker = open(scratch.path());
    let groups: Vec<String> = (0..THREADS).map(|thread| format!("clerk {thread}")).collect();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clerks: Vec<_> = (0..THREADS)
            .map(|thread| {
                let broker = &broker;
                scope.spawn(move || transfer(broker, thread))
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let now = look(&broker.snapshot_with_groups(&groups).unwrap());
                    assert!(now >= seen, "time goes forward");
                    seen = now;
                }
            });
        }
        for isolation in [IsolationLevel::ReadCommitted, IsolationLevel::ReadUncommitted] {
            let (broker, is_over) = (&broker, &is_over);
            scope.spawn(move || follow(broker, isolation, is_over));
        }
        // Other writers of the same partitions are in nobody's way.
        scope.spawn(|| {
            let partition = broker.partition("accounts", 0).unwrap();
            while !is_over.load(Ordering::SeqCst) {
                partition.appender(Acks::Leader).append(&[Message::new("0").key("other")]).unwrap();
                thread::sleep(Duration::from_millis(1)); // so that it does not fill the disk
            }
        });
        clerks.into_iter().for_each(|clerk| clerk.join().unwrap());
        is_over.store(true, Ordering::SeqCst);
    });
    let total = look(&broker.snapshot_with_groups(&groups).unwrap());
    broker.close().unwrap();
    let broker = open(scratch.path());
    assert_eq!(look(&broker.snapshot_with_groups(&groups).unwrap()), total);
}
