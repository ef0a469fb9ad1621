//! Goal: a program that dies at any moment, and after each start does again what it is not sure of,
//! leaves every record once. Method: this program starts itself as a writer that notes down the
//! sequence number of its next batch, and that aborts after some random microseconds: within an
//! append, between the append and its ack, between the ack and the note, or in a recovery.

#![allow(
    clippy::disallowed_methods,
    reason = "starts processes and keeps a note outside of the log"
)]
#![allow(clippy::print_stdout, reason = "says how to repeat it")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ottla::batch::entry::Entry;
use ottla::{Acks, Broker, BrokerOptions, Message, ProducerIdentity, TopicConfig};

const DIRECTORY: &str = "OTTLA_IDEMPOTENT_WRITER";
const LIFE_MICROS: &str = "OTTLA_IDEMPOTENT_WRITER_LIFE";
const RECORDS_PER_BATCH: usize = 3;

fn open(directory: &Path) -> Broker {
    BrokerOptions::new()
        .journal_file_bytes(64 << 10)
        .open(directory.join("data"))
        .expect("it opens")
}

/// Who the writer is, and the sequence number of its next batch.
fn read_note(directory: &Path) -> Option<(ProducerIdentity, i32)> {
    let note = fs::read_to_string(directory.join("note")).ok()?;
    let mut words = note.split(' ').map(|word| word.parse::<i64>().expect("a number"));
    let (id, epoch, sequence) = (words.next()?, words.next()?, words.next()?);
    Some((ProducerIdentity::new(id, epoch as i16), sequence as i32))
}

fn write_note(directory: &Path, identity: ProducerIdentity, sequence: i32) {
    let note = format!("{} {} {sequence}", identity.id, identity.epoch);
    fs::write(directory.join("note.new"), note).expect("a note");
    fs::rename(directory.join("note.new"), directory.join("note")).expect("a note");
}

/// The writer: not a test of its own, it does nothing unless it was started as one.
#[test]
fn writer() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let life: u64 =
        std::env::var(LIFE_MICROS).ok().and_then(|life| life.parse().ok()).expect("microseconds");
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_micros(life));
        std::process::abort();
    });
    let broker = open(directory);
    broker.ensure_topic("orders", TopicConfig::new()).expect("a topic");
    let (identity, mut sequence) = read_note(directory).unwrap_or_else(|| {
        let identity = broker.new_producer_identity().expect("an identity");
        write_note(directory, identity, 0);
        (identity, 0)
    });
    let orders = broker.partition("orders", 0).expect("a partition");
    loop {
        let next = ProducerIdentity::sequence_after(sequence, RECORDS_PER_BATCH);
        let values: Vec<_> = (sequence..next).map(|value| value.to_string()).collect();
        let messages: Vec<_> = values.iter().map(Message::new).collect();
        let acks = if sequence % 2 == 0 { Acks::All } else { Acks::Leader };
        orders.append_idempotent(identity, sequence, &messages, acks).expect("it is appended");
        write_note(directory, identity, next);
        sequence = next;
    }
}

fn values(directory: &Path) -> Vec<String> {
    let broker = open(directory);
    let Ok(orders) = broker.partition("orders", 0) else { return Vec::new() };
    let (mut values, mut buffer, mut offset) = (Vec::new(), Vec::new(), 0);
    while offset < orders.end_offset() {
        let (range, next) = orders.read(offset, 1 << 20, &mut buffer).expect("it can be read");
        let mut rest = &buffer[range];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).expect("a batch");
            let mut scratch = Vec::new();
            for record in entry.records(&Default::default(), &mut scratch).expect("records") {
                let value = record.expect("a record").value.expect("a value");
                values.push(String::from_utf8(value.to_vec()).expect("a number"));
            }
            rest = &rest[entry.bytes().len()..];
        }
        offset = next;
    }
    values
}

#[test]
fn a_program_that_dies_between_an_append_and_its_note_leaves_every_record_once() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let directory = scratch.path();
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("OTTLA_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let program = std::env::current_exe().expect("this program");
    let mut written = Vec::new();
    // On a busy machine a life is over before it begins: later ones are longer.
    let noted = || read_note(directory).map_or(0, |(_, sequence)| sequence as usize);
    for life in 0_u64.. {
        if life >= 60 && noted() > 100 {
            break;
        }
        let micros = 1_000 + random.u64(..60_000 + 2_000 * life);
        let status = Command::new(&program)
            .args(["writer", "--exact", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(LIFE_MICROS, micros.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the writer starts");
        // It ends by its own hand, not by a panic, which would be exit code 101.
        assert_eq!(status.code(), None, "life {life}: {status}");
        if life % 7 == 3 {
            // Opened and closed cleanly in between, what is known must come from the snapshot.
            written = values(directory);
        }
    }
    let found = values(directory);
    assert!(found.starts_with(&written));
    let noted = noted();
    let expected: Vec<_> = (0..found.len()).map(|value| value.to_string()).collect();
    assert_eq!(found, expected, "every record once, in order");
    assert!(found.len() >= noted && found.len() <= noted + RECORDS_PER_BATCH, "noted {noted}");
}
