//! Drivers that measure themselves: one opens a directory as a program does that knows nothing of it, or
//! reads all of it, and says how long that took and how much memory it took at the most; another
//! one leaves behind a directory that takes long to open.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use ottla::{Acks, Broker, BrokerOptions, Error, Message, TopicConfig};

/// What is left behind.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) directory: std::path::PathBuf,
    /// How many mebibytes no sync has covered.
    pub(crate) mebibytes: u64,
    pub(crate) partitions: i32,
    /// With acks=all they are in the journal, too.
    #[arg(long)]
    pub(crate) journal: bool,
}

/// The values of one batch: 64 records of 1000 bytes.
const BATCH_BYTES: u64 = 64_000;

/// Writes and says `done`; then it waits to be killed.
pub(crate) fn leave(tail: &Tail) {
    match write(tail) {
        Ok(_broker) => {
            println!("ok");
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        Err(error) => println!("error {:?} {error}", error.kind()),
    }
}

fn write(tail: &Tail) -> Result<Broker, Error> {
    let options = BrokerOptions::new().background(false).unsynced_bytes_max(4 << 30);
    let broker = options.open(&tail.directory)?;
    broker.create_topic("t", TopicConfig::new().partitions(tail.partitions))?;
    broker.checkpoint()?;
    let values: Vec<Vec<u8>> = (0..64u8).map(|n| vec![n; 1000]).collect();
    let messages: Vec<Message<'_>> = values.iter().map(Message::new).collect();
    let acks = if tail.journal { Acks::All } else { Acks::Leader };
    for number in 0..tail.mebibytes * (1 << 20) / BATCH_BYTES {
        let partition = i32::try_from(number).unwrap_or(0) % tail.partitions;
        broker.partition("t", partition)?.append(&messages, acks)?;
    }
    Ok(broker)
}

/// Opens the directory, perhaps reads all, and says `ok SECONDS KIB_BEFORE KIB_AT_MOST RECORDS`.
pub(crate) fn measure(directory: &Path, read: bool) {
    let before = peak_kib();
    let started = Instant::now();
    let outcome = open(directory, read);
    let seconds = started.elapsed().as_secs_f64();
    let at_most = peak_kib();
    match outcome {
        Ok((records, _broker)) => println!("ok {seconds:.3} {before} {at_most} {records}"),
        Err(error) => println!("error {:?} {before} {at_most} {error}", error.kind()),
    }
}

fn open(directory: &Path, read: bool) -> Result<(u64, Broker), Error> {
    let options = BrokerOptions::new().background(false).read_only(read);
    let broker = options.open(directory)?;
    let mut records = 0;
    if read {
        let end = broker.partition("t", 0)?.end_offset();
        let mut consumer = broker.consumer().assign([("t", 0)]).build()?;
        while consumer.position("t", 0)? < end {
            records += consumer.poll(Duration::ZERO)?.len() as u64;
        }
    }
    Ok((records, broker))
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
