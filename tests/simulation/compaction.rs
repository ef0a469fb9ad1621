//! Lives with compaction, crashed everywhere: a plain map from keys to values must come out of the
//! log as it went in, no record may be changed, out of order or back from the dead, and none may go
//! whose key has no newer one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use ottla::batch::compression::DecodeLimits;
use ottla::batch::entry::Entry;
use ottla::env::sim::{Acked, CrashState, Explored, Explorer, SimEnv};
use ottla::env::vfs::Vfs;
use ottla::{Acks, Broker, BrokerOptions, CleanupPolicy, Message, TopicConfig};

const TOPIC: &str = "prices";
const KEYS: u64 = 5;

/// What the run was told, and what it was about to do.
#[derive(Clone, Debug)]
enum Event {
    Created,
    /// A record is on its way to this offset.
    Sending(i64, Sent),
    /// It is there; whether it survives power loss.
    Sent(i64, bool),
    /// All below this offset may be compacted from now on.
    Compacting(i64),
    /// All below this offset is compacted.
    Compacted(i64),
}

/// A key, and a value or none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    key: String,
    value: Option<String>,
}

/// What a crash may leave.
#[derive(Debug, Default)]
struct Model {
    is_there: bool,
    sent: BTreeMap<i64, Sent>,
    /// The end that must be reached.
    promised_end: i64,
    may_be_compacted_to: i64,
    is_compacted_to: i64,
}

impl Model {
    fn of<'a>(events: impl Iterator<Item = &'a Event>, lost_power: bool) -> Model {
        let mut model = Model::default();
        for event in events {
            match event {
                Event::Created => model.is_there = true,
                Event::Sending(offset, sent) => drop(model.sent.insert(*offset, sent.clone())),
                Event::Sent(offset, durable) if *durable || !lost_power => {
                    model.promised_end = offset + 1;
                }
                Event::Sent(..) => {}
                Event::Compacting(end) => model.may_be_compacted_to = *end,
                Event::Compacted(end) => model.is_compacted_to = *end,
            }
        }
        model
    }

    fn hold(&self, end: i64, found: &[(i64, Sent)]) -> Result<(), String> {
        if end < self.promised_end {
            return Err(format!("acked is there: the end is {end}, not {}", self.promised_end));
        }
        if !found.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(format!("order: {:?}", offsets_of(found)));
        }
        for (offset, sent) in found {
            if self.sent.get(offset) != Some(sent) {
                return Err(format!("nothing invented: {sent:?} at {offset}"));
            }
        }
        let there: BTreeSet<i64> = found.iter().map(|(offset, _)| *offset).collect();
        for (offset, sent) in self.sent.range(..end) {
            if there.contains(offset) {
                continue;
            }
            let newer = self.sent.range(offset + 1..self.may_be_compacted_to.min(end));
            let is_superseded = newer.into_iter().any(|(_, other)| other.key == sent.key);
            if !is_superseded {
                return Err(format!("no loss: {sent:?} at {offset} is gone; {:?}", there));
            }
        }
        let mut keys = BTreeSet::new();
        for (offset, sent) in found.iter().filter(|(offset, _)| *offset < self.is_compacted_to) {
            if !keys.insert(&sent.key) {
                return Err(format!("compacted: {sent:?} at {offset} is not the only one"));
            }
        }
        Ok(())
    }
}

fn offsets_of(found: &[(i64, Sent)]) -> Vec<i64> {
    found.iter().map(|(offset, _)| *offset).collect()
}

fn options() -> BrokerOptions {
    BrokerOptions::new()
        .background(false)
        .journal_file_bytes(64 << 10)
        .cleaner_backoff(Duration::from_millis(1))
}

fn config() -> TopicConfig {
    let config = TopicConfig::new().cleanup_policy(CleanupPolicy::COMPACT);
    let config = config.set("internal.segment.bytes", "600");
    config.and_then(|config| config.set("index.interval.bytes", "150")).expect("Kafka's settings")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(broker: &Broker) -> Result<(i64, Vec<(i64, Sent)>), String> {
    let handle = broker.partition(TOPIC, 0).map_err(|error| error.to_string())?;
    let (mut buffer, mut scratch, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offset, end) = (handle.log_start_offset(), handle.end_offset());
    while offset < end {
        let read = handle.read(offset, 500, &mut buffer);
        let (range, next) = read.map_err(|error| format!("reading {offset}: {error}"))?;
        let mut rest = &buffer[range];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).map_err(|error| error.to_string())?;
            let records = entry.records(&DecodeLimits::default(), &mut scratch);
            for record in records.map_err(|error| error.to_string())? {
                let record = record.map_err(|error| error.to_string())?;
                let key = text(record.key.unwrap_or_default());
                found.push((record.offset, Sent { key, value: record.value.map(text) }));
            }
            rest = &rest[entry.bytes().len()..];
        }
        if next <= offset {
            return Err(format!("reading does not go on at {offset}"));
        }
        offset = next;
    }
    Ok((end, found))
}

/// Nothing of a compaction is left behind, and no log that nobody lists.
fn hold_files(world: &SimEnv, broker: &Broker) -> Result<(), String> {
    let (mut bytes, mut names) = (0, Vec::new());
    for entry in world.disk.list(&format!("{TOPIC}-0")).map_err(|error| error.to_string())? {
        let path = format!("{TOPIC}-0/{}", entry.name);
        if entry.name.ends_with(".log") {
            bytes += world.disk.metadata(&path).map_err(|error| error.to_string())?.length;
        } else if entry.name.ends_with(".swap") || entry.name.ends_with(".cleaned") {
            return Err(format!("leftovers: {}", entry.name));
        }
        names.push(entry.name);
    }
    let listed = broker.partition(TOPIC, 0).map_err(|error| error.to_string())?.size_bytes();
    if bytes != listed {
        return Err(format!("leftovers: {bytes} bytes of logs, {listed} are known: {names:?}"));
    }
    Ok(())
}

fn check(crash: &CrashState, events: &Acked<Event>) -> Result<(), String> {
    let said = |error: ottla::Error| error.to_string();
    let model = Model::of(events.at(crash), crash.lost_power());
    let model = Model { sent: Model::of(events.all(), false).sent, ..model };
    let broker = options().open_in(crash.env()).map_err(said)?;
    crash.recovery_ends_here();
    let report = broker.recovery_report();
    if let Some((partition, error)) = report.damaged.first() {
        return Err(format!("damage: {partition}: {error}"));
    }
    if broker.describe_topic(TOPIC).is_err() {
        return if model.is_there { Err("the topic is gone".to_owned()) } else { Ok(()) };
    }
    if report.partitions.iter().any(|(_, report)| !report.unknown.is_empty()) {
        return Err(format!("unknown files: {:?}", report.partitions));
    }
    let (end, found) = read(&broker)?;
    model.hold(end, &found)?;
    hold_files(crash.world(), &broker)?;
    match crash.world().disk.hash() % 3 {
        // Closed and opened again, it is the same to the last byte.
        0 => {
            broker.close().map_err(said)?;
            let report = ottla::verify_in(&crash.env(), &ottla::VerifyOptions::new());
            if let Some(error) = report.map_err(said)?.all_errors().next() {
                return Err(format!("verify: {error}"));
            }
            let before = crash.world().disk.hash();
            options().open_in(crash.env()).map_err(said)?.close().map_err(said)?;
            if crash.world().disk.hash() != before {
                return Err("a second open changed something".to_owned());
            }
        }
        // Compacted once more, it says the same.
        1 => {
            broker.compact_now(TOPIC).map_err(said)?;
            let (end, found) = read(&broker)?;
            let compacted = Model { may_be_compacted_to: end, is_compacted_to: end, ..model };
            compacted.hold(end, &found)?;
            broker.close().map_err(said)?;
        }
        // Also after another loss of power.
        _ => {
            broker.abandon();
            let lost =
                crash.world().with_disk(crash.world().disk.after_losing_everything_unsynced());
            let again = options().open_in(lost.env()).map_err(said)?;
            if read(&again)? != (end, found) {
                return Err("what was seen is gone after another loss of power".to_owned());
            }
        }
    }
    Ok(())
}

/// A random life.
struct Life {
    world: SimEnv,
    broker: Broker,
    events: Acked<Event>,
    random: Rng,
}

impl Life {
    fn run(seed: u64, steps: usize) -> Result<Life, String> {
        let world = SimEnv::new(seed);
        let broker = options().open_in(world.env()).map_err(|error| error.to_string())?;
        broker.create_topic(TOPIC, config()).map_err(|error| error.to_string())?;
        let mut life =
            Life { world, broker, events: Acked::default(), random: Rng::with_seed(seed) };
        life.note(Event::Created);
        for _ in 0..steps {
            life.step().map_err(|error| error.to_string())?;
            let (end, found) = read(&life.broker)?;
            Model::of(life.events.all(), false).hold(end, &found)?;
        }
        Ok(life)
    }

    fn note(&mut self, event: Event) {
        self.events.note(&self.world.disk, event);
    }

    fn step(&mut self) -> ottla::Result<()> {
        match self.random.u32(0..20) {
            0..15 => {
                for _ in 0..self.random.u32(1..4) {
                    self.send()?;
                }
            }
            15..18 => {
                let end = self.broker.partition(TOPIC, 0)?.end_offset();
                self.note(Event::Compacting(end));
                self.broker.compact_now(TOPIC)?;
                self.note(Event::Compacted(end));
            }
            18 => self.broker.checkpoint()?,
            _ => {
                if self.random.bool() {
                    self.broker.close()?;
                } else {
                    self.broker.clone().abandon();
                }
                self.broker = options().open_in(self.world.env())?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> ottla::Result<()> {
        let handle = self.broker.partition(TOPIC, 0)?;
        let offset = handle.end_offset();
        let key = format!("key {}", self.random.u64(..KEYS));
        let value = format!("{offset} {}", "x".repeat(self.random.usize(0..150)));
        let value = (self.random.u32(0..8) != 0).then_some(value);
        self.note(Event::Sending(offset, Sent { key: key.clone(), value: value.clone() }));
        let message = match &value {
            Some(value) => Message::new(value).key(&key),
            None => Message::tombstone(&key),
        };
        let acks = if self.random.bool() { Acks::All } else { Acks::Leader };
        handle.append(&[message], acks)?;
        self.note(Event::Sent(offset, acks == Acks::All));
        Ok(())
    }
}

/// Lives and crashes; as many states as are wanted at least.
pub fn explore(seed: u64, wanted: u64, per_position: u32) -> Result<Explored, String> {
    let mut total = Explored::default();
    let mut seeds = Rng::with_seed(seed);
    while total.executed < wanted {
        let seed = seeds.u64(..) >> 16;
        let told = |broken: &str| format!("OTTLA_SEED={seed} (of the life): {broken}");
        let life = Life::run(seed, 25).map_err(|broken| told(&broken))?;
        let explorer = Explorer {
            power_losses: per_position,
            kills: 1,
            nested: 1,
            threads: 2,
            ..Explorer::new(seed)
        };
        let explored =
            explorer.run(&life.world.disk.recording(), |crash| check(crash, &life.events));
        total.add(explored.map_err(|failure| told(&failure.to_string()))?);
    }
    Ok(total)
}
