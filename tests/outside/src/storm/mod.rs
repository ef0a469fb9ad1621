//! The process that is killed: threads that append with `acks=1` and `acks=all` mixed, to four
//! partitions alone, together and through a producer, to a topic that retention and deletions eat, to
//! one that is compacted all the time, and to topics that come and go, while checkpoints are forced. It reports each call on standard output once it has
//! returned, and never before.
//!
//! It ends only by the kill, or, when told `close` on standard input, by a clean close.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ottla::{Acks, Broker, BrokerOptions, Error, Message, Record, TopicConfig};

use crate::oracle::payload::Stamp;
use crate::oracle::protocol::{Ack, Report};

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

/// Threads 0 to 3 write to one partition of `steady` each.
const SHARED: u32 = 4;
const TOGETHER: u32 = 5;
const EATEN: u32 = 6;
const FLEETING: u32 = 7;
const CHECKPOINTS: u32 = 8;
const PRODUCED: u32 = 9;
const KEYED: u32 = 10;
const COMPACTIONS: u32 = 11;

/// What all threads of the process see.
struct Writer<'a> {
    broker: &'a Broker,
    seed: u64,
    cycle: u32,
    /// Held while a line is written, so that lines do not mix.
    output: Mutex<std::io::Stdout>,
    closing: AtomicBool,
}

/// Small files, so that a short run rolls, checkpoints, retains and recycles.
pub(crate) fn options() -> BrokerOptions {
    BrokerOptions::new()
        .journal_file_bytes(64 << 10)
        .journal_files(2)
        .checkpoint_interval(Duration::from_millis(20))
        .retention_check_interval(Duration::from_millis(10))
        .unsynced_bytes_max(64 << 10)
        .cleaner_backoff(Duration::from_millis(15))
        .descriptors_max(16)
}

/// Opens the directory, says so, and waits: for kills during recovery.
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
pub(crate) fn write(directory: &Path, seed: u64, cycle: u32) {
    let broker = match options().open(directory) {
        Ok(broker) => broker,
        Err(error) => return say(&Report::Failed(error.to_string())),
    };
    let writer = Writer {
        broker: &broker,
        seed,
        cycle,
        output: Mutex::new(std::io::stdout()),
        closing: AtomicBool::new(false),
    };
    if let Some((partition, error)) = broker.recovery_report().damaged.first() {
        return writer.say(&Report::Failed(format!("{partition} is damaged: {error}")));
    }
    if let Err(error) = writer.prepare() {
        return writer.say(&Report::Failed(format!("preparing: {error}")));
    }
    writer.say(&Report::Ready);
    thread::scope(|scope| {
        for thread in 0..=COMPACTIONS {
            let writer = &writer;
            scope.spawn(move || writer.run(thread));
        }
        wait_for_the_end();
        writer.closing.store(true, Ordering::Release);
    });
    if let Err(error) = broker.close() {
        say(&Report::Failed(format!("closing: {error}")));
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

fn small_segments(bytes: u32) -> TopicConfig {
    TopicConfig::new()
        .set("internal.segment.bytes", &bytes.to_string())
        .and_then(|config| config.set("index.interval.bytes", "256"))
        .and_then(|config| config.set("segment.index.bytes", "512"))
        .expect("these settings are Kafka's")
}

impl Writer<'_> {
    fn prepare(&self) -> Result<(), Error> {
        self.say(&Report::Creating(STEADY.to_owned(), 0));
        self.broker.ensure_topic(STEADY, small_segments(65_536).partitions(STEADY_PARTITIONS))?;
        self.say(&Report::Created(STEADY.to_owned(), 0));
        let short = small_segments(32_768).partitions(1).set("retention.bytes", "100000")?;
        self.say(&Report::Creating(SHORT.to_owned(), 0));
        self.broker.ensure_topic(SHORT, short)?;
        self.say(&Report::Created(SHORT.to_owned(), 0));
        let compacted = small_segments(16_384).partitions(1).set("cleanup.policy", "compact")?;
        self.say(&Report::Creating(COMPACTED.to_owned(), 0));
        self.broker.ensure_topic(COMPACTED, compacted)?;
        self.say(&Report::Created(COMPACTED.to_owned(), 0));
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
            own => self.append_alone(&mut random, own),
        };
        if let Err(error) = done {
            self.say(&Report::Failed(format!("thread {thread}: {error}")));
        }
    }

    fn goes_on(&self) -> bool {
        !self.closing.load(Ordering::Acquire)
    }

    fn append_alone(&self, random: &mut fastrand::Rng, thread: u32) -> Result<(), Error> {
        let mut line = Line::new(STEADY, 0, thread as i32, thread);
        while self.goes_on() {
            line.append(self, random)?;
        }
        Ok(())
    }

    fn append_anywhere(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut lines: Vec<Line> =
            (0..STEADY_PARTITIONS).map(|number| Line::new(STEADY, 0, number, SHARED)).collect();
        while self.goes_on() {
            let index = random.usize(..lines.len());
            lines[index].append(self, random)?;
        }
        Ok(())
    }

    /// One record to each of several partitions, in one atomic append.
    fn append_together(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut numbers = [0u32; STEADY_PARTITIONS as usize];
        let mut append_number = 0;
        while self.goes_on() {
            let mask = random.u32(1..1 << STEADY_PARTITIONS);
            let mut stamps = Vec::new();
            for partition in (0..STEADY_PARTITIONS).filter(|number| mask & 1 << number != 0) {
                let number = &mut numbers[partition as usize];
                let line = Line::new(STEADY, 0, partition, TOGETHER);
                stamps.push(Stamp {
                    together: Some((append_number, mask)),
                    ..line.stamp(self.cycle, *number)
                });
                *number += 1;
            }
            append_number += 1;
            let payloads: Vec<Vec<u8>> =
                stamps.iter().map(|stamp| stamp.payload(self.seed)).collect();
            let mut append = self.broker.atomic_append();
            for (stamp, payload) in stamps.iter().zip(&payloads) {
                append.add(STEADY, stamp.partition, &[Message::new(payload)])?;
            }
            let appended = append.commit()?;
            let lines: Vec<String> = stamps
                .iter()
                .zip(&appended)
                .map(|(stamp, appended)| stamp.ack(appended.base_offset, 1).line())
                .collect();
            self.print(&lines.concat());
        }
        Ok(())
    }

    /// Through a producer: batches that fill or linger, several on their way at once.
    fn produce(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let acks = if random.bool() { Acks::Leader } else { Acks::All };
        let linger = Duration::from_micros(random.u64(0..3_000));
        let producer =
            self.broker.producer().acks(acks).linger(linger).batch_size(4_096).build()?;
        let mut lines: Vec<Line> =
            (0..STEADY_PARTITIONS).map(|number| Line::new(STEADY, 0, number, PRODUCED)).collect();
        while self.goes_on() {
            let mut sent = Vec::new();
            for _ in 0..random.usize(1..80) {
                let index = random.usize(..lines.len());
                let line = &mut lines[index];
                let stamp = line.stamp(self.cycle, line.number);
                let payload = stamp.payload(self.seed);
                let record = Record::new(STEADY, &payload).partition(line.partition);
                sent.push((stamp, producer.send(record)?));
                line.number += 1;
            }
            for (stamp, delivery) in sent {
                self.say(&stamp.ack(delivery.wait()?.offset, 1));
            }
        }
        producer.close()
    }

    /// Appends to a topic that is cut at its start, by retention and by hand.
    fn append_and_eat(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let mut line = Line::new(SHORT, 0, 0, EATEN);
        let partition = self.broker.partition(SHORT, 0)?;
        while self.goes_on() {
            line.append(self, random)?;
            match random.u32(0..12) {
                0 => {
                    self.broker.run_retention()?;
                }
                1 => {
                    let (start, end) = (partition.log_start_offset(), partition.end_offset());
                    let offset = random.i64(start..=end.min(start + 200));
                    self.say(&Report::Cutting(SHORT.to_owned(), offset));
                    partition.delete_records(offset)?;
                    self.say(&Report::Cut(SHORT.to_owned(), offset));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Topics that live for a few appends. Names return, with another incarnation.
    fn create_and_delete(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        for topic in self.broker.list_topics() {
            if topic.name.as_str().starts_with("fleeting") {
                self.delete(topic.name.as_str())?;
            }
        }
        let mut incarnation = u64::from(self.cycle) << 32;
        let mut alive: Vec<String> = Vec::new();
        while self.goes_on() {
            if alive.len() == 3 {
                let gone = alive.swap_remove(random.usize(..alive.len()));
                self.delete(&gone)?;
            }
            let Some(name) = (0..4).map(|n| format!("fleeting-{n}")).find(|n| !alive.contains(n))
            else {
                continue;
            };
            incarnation += 1;
            self.say(&Report::Creating(name.clone(), incarnation));
            self.broker
                .create_topic(&name, small_segments(65_536).partitions(FLEETING_PARTITIONS))?;
            self.say(&Report::Created(name.clone(), incarnation));
            let mut lines: Vec<Line> = (0..FLEETING_PARTITIONS)
                .map(|number| Line::new(&name, incarnation, number, FLEETING))
                .collect();
            for _ in 0..random.usize(0..12) {
                let index = random.usize(..lines.len());
                lines[index].append(self, random)?;
            }
            alive.push(name);
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), Error> {
        self.say(&Report::Deleting(name.to_owned(), 0));
        self.broker.delete_topic(name)?;
        self.say(&Report::Deleted(name.to_owned(), 0));
        Ok(())
    }

    /// One record after the other, each with the key that follows from its number.
    fn append_keyed(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        let line = Line::new(COMPACTED, 0, 0, KEYED);
        let partition = self.broker.partition(COMPACTED, 0)?;
        let mut number = 0;
        while self.goes_on() {
            let acks = if random.bool() { Acks::Leader } else { Acks::All };
            let stamp = line.stamp(self.cycle, number);
            let (key, payload) = (key_of(number), stamp.payload(self.seed));
            let appended = partition.append(&[Message::new(&payload).key(&key)], acks)?;
            self.say(&stamp.ack(appended.base_offset, 1));
            number += 1;
        }
        Ok(())
    }

    /// Beside the cleaner's own thread.
    fn compact(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        while self.goes_on() {
            thread::sleep(Duration::from_micros(random.u64(0..30_000)));
            self.broker.compact_now(COMPACTED)?;
        }
        Ok(())
    }

    fn checkpoint(&self, random: &mut fastrand::Rng) -> Result<(), Error> {
        while self.goes_on() {
            thread::sleep(Duration::from_micros(random.u64(0..20_000)));
            self.broker.checkpoint()?;
        }
        Ok(())
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

/// What one thread writes to one partition: records numbered from 0.
struct Line {
    topic: String,
    incarnation: u64,
    partition: i32,
    thread: u32,
    number: u32,
}

impl Line {
    fn new(topic: &str, incarnation: u64, partition: i32, thread: u32) -> Line {
        Line { topic: topic.to_owned(), incarnation, partition, thread, number: 0 }
    }

    fn stamp(&self, cycle: u32, number: u32) -> Stamp {
        Stamp {
            topic: self.topic.clone(),
            incarnation: self.incarnation,
            partition: self.partition,
            cycle,
            thread: self.thread,
            number,
            together: None,
        }
    }

    fn append(&mut self, writer: &Writer<'_>, random: &mut fastrand::Rng) -> Result<(), Error> {
        let count = if random.u32(0..10) == 0 { random.u32(1..60) } else { random.u32(1..4) };
        let acks = if random.bool() { Acks::Leader } else { Acks::All };
        let first = self.stamp(writer.cycle, self.number);
        let payloads: Vec<Vec<u8>> = (self.number..self.number + count)
            .map(|number| self.stamp(writer.cycle, number).payload(writer.seed))
            .collect();
        let messages: Vec<Message<'_>> = payloads.iter().map(Message::new).collect();
        let appended =
            writer.broker.partition(&self.topic, self.partition)?.append(&messages, acks)?;
        writer.say(&first.ack(appended.base_offset, count));
        self.number += count;
        Ok(())
    }
}

impl Stamp {
    fn ack(&self, base_offset: i64, count: u32) -> Report {
        Report::Acked(Ack {
            topic: self.topic.clone(),
            incarnation: self.incarnation,
            partition: self.partition,
            base_offset,
            cycle: self.cycle,
            thread: self.thread,
            number: self.number,
            count,
        })
    }
}
