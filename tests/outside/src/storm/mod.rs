//! The process that is killed: threads that append with `acks=1` and `acks=all` mixed, to four
//! partitions alone, together and through a producer, to a topic that retention and deletions eat,
//! to one that is compacted all the time, and to topics that come and go; that process orders in
//! transactions, commit offsets and send again what an earlier life may have sent, while
//! checkpoints are forced. It reports each call on standard output once it has returned, and never before.
//!
//! It ends only by the kill, or, when told `close` on standard input, by a clean close.

mod appends;
pub(crate) mod exactly_once;
mod line;
pub(crate) mod retries;
mod upkeep;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;
use ottla::{Broker, BrokerOptions, Error, TopicConfig};

use crate::oracle::protocol::Report;

/// The topic of four partitions that everybody writes to.
pub(crate) const STEADY: &str = "steady";
/// Its partitions.
pub(crate) const STEADY_PARTITIONS: i32 = 4;
/// The topic that is eaten from its start.
pub(crate) const SHORT: &str = "short";
/// The topic that is compacted.
pub(crate) const COMPACTED: &str = "compacted";
/// How many keys its records have: that of a record follows from its number.
pub(crate) const COMPACTED_KEYS: u32 = 24;
/// Partitions of a topic that comes and goes.
pub(crate) const FLEETING_PARTITIONS: i32 = 2;
/// What transactions read.
pub(crate) const ORDERS: &str = "orders";
/// What they write: the number of each order, in every partition.
pub(crate) const DONE: &str = "done";
/// The partitions of it.
pub(crate) const DONE_COPIES: i32 = 3;
/// The group whose offset says up to where orders are done.
pub(crate) const WORKERS: &str = "workers";
/// A group that commits any offsets of `steady`.
pub(crate) const READERS: &str = "readers";
/// The topic of the idempotent producer.
pub(crate) const RETRIED: &str = "retried";

/// Threads 0 to 3 write to one partition of `steady` each.
const SHARED: u32 = 4;
const TOGETHER: u32 = 5;
const EATEN: u32 = 6;
const FLEETING: u32 = 7;
const CHECKPOINTS: u32 = 8;
const PRODUCED: u32 = 9;
const KEYED: u32 = 10;
const COMPACTIONS: u32 = 11;
const PROCESSED: u32 = 12;
const OFFSETS: u32 = 13;
/// The idempotent producer, which has to know what is there.
pub(crate) const AGAIN: u32 = 14;

/// How many threads there are.
pub(crate) const THREADS: u32 = 15;

/// One life.
#[derive(Args, Clone, Debug)]
pub(crate) struct Life {
    pub(crate) directory: PathBuf,
    pub(crate) seed: u64,
    pub(crate) cycle: u32,
    /// A bit for each thread that lives.
    #[arg(long, default_value_t = (1 << THREADS) - 1)]
    pub(crate) threads: u32,
    /// The idempotent producer of earlier lives: `id,epoch,base,batch`.
    #[arg(long)]
    pub(crate) producer: Option<retries::Numbered>,
}

/// What all threads of the process see.
struct Writer<'a> {
    broker: &'a Broker,
    seed: u64,
    cycle: u32,
    producer: Option<retries::Numbered>,
    /// Held while a line is written, so that lines do not mix.
    output: Mutex<std::io::Stdout>,
    closing: AtomicBool,
}

/// Small files, so that a short run rolls, checkpoints, retains, spills and recycles.
pub(crate) fn options() -> BrokerOptions {
    BrokerOptions::new()
        .journal_file_bytes(64 << 10)
        .journal_files(2)
        .checkpoint_interval(Duration::from_millis(20))
        .retention_check_interval(Duration::from_millis(10))
        .unsynced_bytes_max(64 << 10)
        .cleaner_backoff(Duration::from_millis(15))
        .transaction_buffer_bytes(8 << 10)
        .offsets_topic_partitions(2)
        .descriptors_max(16)
}

/// Opens the directory, says so, and waits: for ends during recovery.
pub(crate) fn open_only(directory: &Path) {
    match options().open(directory) {
        Ok(broker) => {
            say(&Report::Ready);
            wait_for_the_end();
            drop(broker);
        }
        Err(error) => say(&Report::Failed(error.to_string())),
    }
}

/// The whole of a writer's life.
pub(crate) fn live(life: &Life) {
    let broker = match options().open(&life.directory) {
        Ok(broker) => broker,
        Err(error) => return say(&Report::Failed(format!("open: {error}"))),
    };
    let writer = Writer {
        broker: &broker,
        seed: life.seed,
        cycle: life.cycle,
        producer: life.producer,
        output: Mutex::new(std::io::stdout()),
        closing: AtomicBool::new(false),
    };
    if let Some((partition, error)) = broker.recovery_report().damaged.first() {
        return writer.say(&Report::Failed(format!("open: {partition} is damaged: {error}")));
    }
    if let Err(error) = writer.prepare() {
        return writer.say(&Report::Failed(format!("preparing: {error}")));
    }
    writer.say(&Report::Ready);
    thread::scope(|scope| {
        for thread in (0..THREADS).filter(|thread| life.threads & 1 << thread != 0) {
            let writer = &writer;
            scope.spawn(move || writer.run(thread));
        }
        wait_for_the_end();
        writer.closing.store(true, Ordering::Release);
    });
    match broker.close() {
        Ok(()) => say(&Report::Closed),
        Err(error) => say(&Report::Failed(format!("closing: {error}"))),
    }
}

fn wait_for_the_end() {
    let mut line = String::new();
    // The supervisor holds the other end; when it says a word, or dies, this process closes.
    let _ = std::io::stdin().read_line(&mut line);
}

fn say(report: &Report) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(report.line().as_bytes());
    let _ = output.flush();
}

fn small_segments(bytes: u32) -> Result<TopicConfig, Error> {
    TopicConfig::new()
        .set("internal.segment.bytes", &bytes.to_string())?
        .set("index.interval.bytes", "256")?
        .set("segment.index.bytes", "512")
}

impl Writer<'_> {
    fn prepare(&self) -> Result<(), Error> {
        let steady = small_segments(65_536)?.partitions(STEADY_PARTITIONS);
        self.ensure(STEADY, steady)?;
        self.ensure(SHORT, small_segments(32_768)?.set("retention.bytes", "100000")?)?;
        self.ensure(COMPACTED, small_segments(16_384)?.set("cleanup.policy", "compact")?)?;
        self.ensure(ORDERS, small_segments(32_768)?)?;
        self.ensure(DONE, small_segments(32_768)?.partitions(DONE_COPIES))?;
        self.ensure(RETRIED, small_segments(32_768)?)
    }

    fn ensure(&self, topic: &str, config: TopicConfig) -> Result<(), Error> {
        self.say(&Report::Creating(topic.to_owned(), 0));
        self.broker.ensure_topic(topic, config)?;
        self.say(&Report::Created(topic.to_owned(), 0));
        Ok(())
    }

    fn run(&self, thread: u32) {
        let seed = self.seed ^ u64::from(self.cycle) << 32 ^ u64::from(thread) << 16;
        let mut random = fastrand::Rng::with_seed(seed);
        let done = match thread {
            SHARED => self.append_anywhere(&mut random),
            TOGETHER => self.append_together(&mut random),
            EATEN => self.append_and_eat(&mut random),
            FLEETING => self.create_and_delete(&mut random),
            CHECKPOINTS => self.checkpoint(&mut random),
            PRODUCED => self.produce(&mut random),
            KEYED => self.append_keyed(&mut random),
            COMPACTIONS => self.compact(&mut random),
            PROCESSED => self.process_orders(&mut random),
            OFFSETS => self.commit_offsets(&mut random),
            AGAIN => self.send_again(&mut random),
            own => self.append_alone(&mut random, own),
        };
        if let Err(error) = done {
            self.say(&Report::Failed(format!("thread {thread}: {error}")));
        }
    }

    fn goes_on(&self) -> bool {
        !self.closing.load(Ordering::Acquire)
    }

    fn say(&self, report: &Report) {
        self.print(&report.line());
    }

    fn print(&self, text: &str) {
        let mut output = self.output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // The supervisor is gone if this fails; there is nobody to tell.
        let _ = output.write_all(text.as_bytes());
        let _ = output.flush();
    }
}

/// The key of a record of the compacted topic.
pub(crate) fn key_of(number: u32) -> String {
    format!("key {}", number % COMPACTED_KEYS)
}
