//! Random histories: whatever happens, streams say what a scan of the whole partition says.
//!
//! Segments are small, so that histories roll often; the disk is the simulated one, so that they
//! crash. Between sessions files of the key index are lost, damaged, and replaced by older ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{conflict_of, options, text};
use crate::batch::compression::DecodeLimits;
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::config::acks::Acks;
use crate::config::compression::Compression;
use crate::config::topic::TopicConfig;
use crate::consumer::records::OwnedRecord;
use crate::env::sim::{Call, Choices, Effect, Fault, SimEnv, seed};
use crate::env::vfs::{OpenHow, read_exact_at, write_all_at};
use crate::error::{ErrorKind, Result};

const KEYS: u32 = 7;
const FOLDER: &str = "accounts-0";

type Stream = Vec<(i64, Option<String>)>;
type Model = BTreeMap<String, Stream>;

/// A directory and a history of it.
struct World {
    sim: SimEnv,
    broker: Option<Broker>,
    random: fastrand::Rng,
    count: u32,
    /// The topic is compacted now and then.
    compacts: bool,
    /// Files of the key index as they were at some time.
    kept: Vec<(String, Vec<u8>)>,
}

fn key(number: u32) -> String {
    format!("key {number}")
}

impl World {
    fn new(seed: u64) -> World {
        let sim = SimEnv::new(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        let compacts = random.bool();
        let mut world = World { sim, broker: None, random, count: 0, compacts, kept: Vec::new() };
        world.open();
        world
    }

    fn open(&mut self) {
        // So little cache that indexes are let go of all the time, or enough.
        let cache = if self.random.bool() { 200 } else { 1 << 20 };
        let broker = options().key_index_cache_bytes(cache).open_in(self.sim.env()).unwrap();
        let config = TopicConfig::new().set("internal.segment.bytes", "700").unwrap();
        let config = config.key_index(true).compression(Compression::Lz4);
        let policy = if self.compacts { "compact,delete" } else { "delete" };
        let config = config.set("cleanup.policy", policy).unwrap();
        let config = config.set("delete.retention.ms", "0").unwrap();
        broker.ensure_topic("accounts", config).unwrap();
        self.broker = Some(broker);
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("it is open between two steps")
    }

    fn value(&mut self) -> String {
        self.count += 1;
        format!("{} {}", self.count, "x".repeat(self.random.usize(..40)))
    }

    fn acks(&mut self) -> Acks {
        if self.random.bool() { Acks::All } else { Acks::Leader }
    }

    /// What a scan of the partition says.
    fn scan(&self) -> Model {
        let mut model = Model::new();
        let partition = self.broker().partition("accounts", 0).unwrap();
        let (start, mut scratch) = (partition.log_start_offset(), Vec::new());
        let limits = DecodeLimits::default();
        let scanned = partition.partition().walk(|entry| {
            for record in entry.records(&limits, &mut scratch)? {
                let record = record?;
                let Some(key) = record.key.filter(|_| record.offset >= start) else { continue };
                let value = record.value.map(|value| String::from_utf8(value.to_vec()).unwrap());
                let key = String::from_utf8(key.to_vec()).unwrap();
                model.entry(key).or_default().push((record.offset, value));
            }
            Ok(())
        });
        scanned.unwrap();
        model
    }

    fn check(&mut self) {
        let model = self.scan();
        for number in 0..KEYS {
            let key = key(number);
            let expected = model.get(&key).cloned().unwrap_or_default();
            let stream = self.broker().stream("accounts", &key).unwrap();
            let version = expected.last().map(|(offset, _)| *offset);
            assert_eq!(stream.version().unwrap(), version, "{key}");
            assert_eq!(of(stream.read(..)), expected, "{key}");
            let mut backwards = of(stream.read_backwards(..));
            backwards.reverse();
            assert_eq!(backwards, expected, "{key}");
            let from = self.random.i64(-1..=i64::from(self.count) + 2);
            let end = self.random.i64(-1..=i64::from(self.count) + 2);
            let part: Stream =
                expected.iter().filter(|(at, _)| (from..end).contains(at)).cloned().collect();
            assert_eq!(of(stream.read(from..end)), part, "{key} {from}..{end}");
            let mut backwards = of(stream.read_backwards(from..end));
            backwards.reverse();
            assert_eq!(backwards, part, "{key} {from}..{end}");
            let latest = self.broker().latest("accounts", &key).unwrap();
            let newest = expected.last().and_then(|(_, value)| value.clone());
            assert_eq!(latest.map(|record| text(&record.value)), newest, "{key}");
        }
    }

    /// Messages with keys, some without a value, some without a key.
    fn append(&mut self) {
        let acks = self.acks();
        let parts: Vec<(u32, String, u8)> = (0..self.random.u32(1..9))
            .map(|_| (self.random.u32(..KEYS), self.value(), self.random.u8(..10)))
            .collect();
        let keys: Vec<String> = parts.iter().map(|(number, ..)| key(*number)).collect();
        let messages: Vec<Message<'_>> = parts
            .iter()
            .zip(&keys)
            .map(|((_, value, kind), key)| match kind {
                0 => Message::tombstone(key),
                1 if !self.compacts => Message::new(value),
                _ => Message::new(value).key(key),
            })
            .collect();
        let partition = self.broker().partition("accounts", 0).unwrap();
        partition.append(&messages, acks).unwrap();
    }

    /// One append or an atomic one, under conditions that hold or do not.
    fn append_if(&mut self) {
        let model = self.scan();
        let newest = |key: &str| Some(model.get(key)?.last()?.0);
        let chosen: Vec<(String, Option<i64>)> = (0..self.random.u32(1..3))
            .map(|_| {
                let key = key(self.random.u32(..KEYS));
                let version = match self.random.u8(..4) {
                    0 => self.random.bool().then(|| self.random.i64(0..=i64::from(self.count))),
                    _ => newest(&key),
                };
                (key, version)
            })
            .collect();
        let holds = chosen.iter().all(|(key, version)| newest(key) == *version);
        let (value, acks) = (self.value(), self.acks());
        let outcome = if let [(key, version)] = &chosen[..] {
            let stream = self.broker().stream("accounts", key).unwrap();
            stream.expect_version(*version).append(&[Message::new(&value)], acks).map(|_| ())
        } else {
            let mut both = self.broker().atomic_append();
            for (key, version) in &chosen {
                both.expect_version("accounts", key, *version).unwrap();
                both.add("accounts", 0, &[Message::new(&value).key(key)]).unwrap();
            }
            both.commit().map(|_| ())
        };
        match outcome {
            Ok(()) => assert!(holds, "{chosen:?}"),
            Err(error) => {
                assert!(!holds, "{chosen:?}: {error}");
                let conflict = conflict_of(&error);
                let (key, version) =
                    chosen.iter().find(|(key, version)| newest(key) != *version).unwrap();
                assert_eq!(conflict.actual, newest(key));
                let after = version.map_or(0, |version| version + 1);
                let expected: Vec<i64> = model.get(key).map_or(Vec::new(), |records| {
                    records.iter().map(|(at, _)| *at).filter(|at| *at >= after).collect()
                });
                let carried: Vec<i64> = conflict.records.iter().map(|r| r.offset).collect();
                assert_eq!(carried, expected);
            }
        }
    }

    /// The journal takes nothing: what was staged is taken back, and streams know nothing of it.
    fn fail(&mut self) {
        let full = Fault::new(Effect::Errno(28)).on(Call::WriteAt);
        let at = if self.random.bool() { ".journal" } else { ".log" };
        self.sim.disk.plan(full.at_path(at));
        let (value, key) = (self.value(), key(self.random.u32(..KEYS + 2)));
        let stream = self.broker().stream("accounts", &key).unwrap();
        let acks = if at == ".log" { Acks::Leader } else { Acks::All };
        let failed = stream.append(&[Message::new(&value), Message::new("b")], acks);
        self.sim.disk.heal();
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(stream.version().unwrap(), self.scan().get(&key).map(|r| r.last().unwrap().0));
    }

    fn close(&mut self) {
        let broker = self.broker.take().expect("it was open");
        broker.close().unwrap();
    }

    fn crash(&mut self) {
        // Part of what was appended with acks=1 may be gone afterwards.
        let disk = match self.random.bool() {
            true => self.sim.disk.after_kill(),
            false => self.sim.disk.after_power_loss(&mut Choices::seeded(self.random.u64(..))),
        };
        self.sim = self.sim.with_disk(disk);
        self.broker = None;
    }

    fn delete(&mut self) {
        let partition = self.broker().partition("accounts", 0).unwrap();
        let held = partition.log_start_offset()..=partition.end_offset();
        let offset = self.random.i64(held);
        partition.delete_records(offset).unwrap();
    }

    fn truncate(&mut self) {
        let partition = self.broker().partition("accounts", 0).unwrap();
        let held = partition.log_start_offset()..=partition.end_offset();
        let offset = self.random.i64(held);
        if let Err(error) = partition.truncate_to(offset) {
            // A batch that begins below the log start cannot go.
            assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
        }
    }

    fn compact(&mut self) {
        if self.compacts {
            self.broker().compact_now("accounts").unwrap();
            // Tombstones go when a second round finds them marked.
            self.sim.clock.advance(Duration::from_millis(self.random.u64(..20)));
        }
    }

    /// The index is given up, and kept again.
    fn alter(&mut self) {
        let broker = self.broker().clone();
        let altered = |to: &str| broker.alter_topic("accounts", &[("ottla.key.index", Some(to))]);
        let stream = broker.stream("accounts", key(0)).unwrap();
        altered("false").unwrap();
        for _ in 0..self.random.u8(..5) {
            self.append();
            let refused = stream.version();
            assert!(refused.is_ok() || refused.unwrap_err().kind() == ErrorKind::InvalidInput);
        }
        altered("true").unwrap();
    }

    /// Files of the index are lost, damaged, or those of another time.
    fn tamper(&mut self) {
        let vfs = self.sim.env().vfs;
        for entry in vfs.list(FOLDER).unwrap() {
            if !entry.name.ends_with(".keyindex") {
                continue;
            }
            let path = format!("{FOLDER}/{}", entry.name);
            let file = vfs.open(&path, OpenHow::Write).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            read_exact_at(&*file, &mut bytes, 0).unwrap();
            match self.random.u8(..6) {
                0 => vfs.remove_file(&path).unwrap(),
                1 if !bytes.is_empty() => {
                    let at = self.random.usize(..bytes.len());
                    write_all_at(&*file, &[bytes[at] ^ 1 << self.random.u8(..8)], at as u64)
                        .unwrap();
                }
                2 => file.set_len(self.random.u64(..=bytes.len() as u64)).unwrap(),
                3 => {
                    let of_this = |(name, _): &&(String, Vec<u8>)| name == &path;
                    if let Some((_, older)) = self.kept.iter().find(of_this) {
                        file.set_len(0).unwrap();
                        write_all_at(&*file, older, 0).unwrap();
                    }
                }
                _ => {}
            }
            self.kept.push((path, bytes));
        }
    }

    fn step(&mut self) {
        match self.random.u8(..40) {
            0..14 => self.append(),
            14..26 => self.append_if(),
            26..28 => self.fail(),
            28..30 => {
                self.close();
                self.tamper();
                self.open();
            }
            30..32 => {
                self.crash();
                self.tamper();
                self.open();
            }
            32 => self.delete(),
            33 => self.truncate(),
            34 => self.alter(),
            35 => self.compact(),
            _ => self.check(),
        }
    }
}

fn of(records: impl Iterator<Item = Result<OwnedRecord>>) -> Stream {
    let owned =
        |record: OwnedRecord| (record.offset, record.value.is_some().then(|| text(&record.value)));
    records.map(|record| owned(record.unwrap())).collect()
}

fn run(seed: u64, steps: usize) {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step();
    }
    world.check();
}

#[test]
fn streams_say_what_a_scan_says() {
    let seed = seed();
    for history in 0..12 {
        let seed = seed.wrapping_add(history);
        println!("history {seed}");
        run(seed, 150);
    }
}

/// Each of these bugs is found by the histories, or by two in one group.
#[cfg(plant)]
#[test]
fn planted() {
    for bug in ["version_without_staged", "keys_not_taken_back", "stale_key_index_trusted"] {
        crate::env::planted::wake(bug);
        let in_one_group = std::panic::catch_unwind(super::of_those_in_one_group_one_succeeds);
        let found = match in_one_group {
            Err(_) => Some(0),
            Ok(()) => (0..60).find(|&seed| std::panic::catch_unwind(|| run(seed, 300)).is_err()),
        };
        crate::env::planted::wake("");
        assert!(found.is_some(), "{bug} was not found");
        println!("{bug}: found in history {}", found.unwrap_or_default());
    }
}
