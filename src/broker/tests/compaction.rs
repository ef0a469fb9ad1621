//! What compaction made takes the place of its sources: with a crash at every step, every failing
//! call, readers beside it, and everything else that changes the list of segments.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::options;
use crate::batch::entry::Entry;
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::broker::verify::{VerifyOptions, verify_in};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::sim::{Acked, Choices, CrashState, Effect, Explorer, FaultMatrix, SimEnv, seed};
use crate::error::Result;
use crate::format::file_names::{log_file, parse_leftover};
use crate::partition::Partition;
use crate::partition::read::{ReadPosition, ReadRequest};

const TOPIC: &str = "orders";

fn open(env: Env) -> Result<Broker> {
    // Few descriptors, so that they are closed and opened again all the time.
    options().descriptors_max(16).open_in(env)
}

fn config() -> TopicConfig {
    TopicConfig::new()
        .set("internal.segment.bytes", "700")
        .and_then(|config| config.set("index.interval.bytes", "100"))
        .unwrap()
}

fn partition(broker: &Broker) -> Arc<Partition> {
    Arc::clone(broker.partition(TOPIC, 0).unwrap().partition())
}

/// Appends one record, whose value says its offset.
fn append(broker: &Broker, acks: Acks) -> Result<i64> {
    let handle = broker.partition(TOPIC, 0)?;
    let value = format!("{:060}", handle.end_offset());
    Ok(handle.append(&[Message::new(&value).key("k")], acks)?.base_offset)
}

/// One round of compaction that leaves out the batches with these offsets.
fn compact(broker: &Broker, gone: &BTreeSet<i64>) -> Result<bool> {
    let partition = partition(broker);
    broker.engine.committer.begin_write()?;
    broker.engine.committer.checkpoint()?;
    let generation = partition.begin_round()?;
    let cleaned = partition.thin(&|offset| !gone.contains(&offset))?;
    broker.engine.committer.swap_in(&partition, cleaned, generation)
}

/// All offsets from the log start to the end; each record must be the one that was appended.
fn offsets(partition: &Partition, bytes_max: usize) -> Result<Vec<i64>> {
    let (mut position, mut buffer) = (ReadPosition::default(), Vec::new());
    let (mut from, end) = (partition.log_start_offset(), partition.end_offset());
    let mut found = Vec::new();
    while from < end {
        let request = ReadRequest { from, end, bytes_max, check: true };
        let read = partition.read(&request, &mut position, &mut buffer)?;
        let mut rest = &buffer[read.start..read.start + read.bytes];
        while !rest.is_empty() {
            let entry = Entry::decode_first(rest).unwrap();
            let mut scratch = Vec::new();
            for record in entry.records(&Default::default(), &mut scratch).unwrap() {
                let record = record.unwrap();
                assert_eq!(record.value.unwrap(), format!("{:060}", record.offset).as_bytes());
                found.push(record.offset);
            }
            rest = &rest[entry.bytes().len()..];
        }
        assert!(read.next_offset > from, "no progress at {from}");
        from = read.next_offset;
    }
    Ok(found)
}

#[derive(Clone, Debug)]
enum Event {
    Appended(i64),
    /// A round that leaves these out has begun, or is done.
    Begun(BTreeSet<i64>),
    Done(BTreeSet<i64>),
}

/// What must be there, and what may be gone.
#[derive(Debug, Default)]
struct Expected {
    appended: BTreeSet<i64>,
    may_be_gone: BTreeSet<i64>,
    gone: BTreeSet<i64>,
}

impl Expected {
    fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Expected {
        let mut expected = Expected::default();
        for event in events {
            match event {
                Event::Appended(offset) => drop(expected.appended.insert(*offset)),
                Event::Begun(gone) => expected.may_be_gone.extend(gone),
                Event::Done(gone) => expected.gone.extend(gone),
            }
        }
        expected
    }

    fn check(&self, found: &[i64]) -> std::result::Result<(), String> {
        if !found.is_sorted_by(|one, next| one < next) {
            return Err(format!("out of order or twice: {found:?}"));
        }
        let found: BTreeSet<i64> = found.iter().copied().collect();
        let lost = self.appended.difference(&found);
        let lost: Vec<_> = lost.filter(|offset| !self.may_be_gone.contains(offset)).collect();
        let back: Vec<_> = found.intersection(&self.gone).collect();
        if lost.is_empty() && back.is_empty() {
            return Ok(());
        }
        Err(format!("lost {lost:?}, came back {back:?}"))
    }
}

/// What is left of each segment: nothing but its own files.
fn check_files(env: &Env, partition: &Partition) -> std::result::Result<(), String> {
    let listed = partition.state().segments;
    let logs: Vec<_> = listed.iter().map(|segment| log_file(segment.base_offset)).collect();
    for entry in env.vfs.list(&format!("{TOPIC}-0")).map_err(|error| error.to_string())? {
        let is_stray = entry.name.ends_with(".log") && !logs.contains(&entry.name);
        if is_stray || parse_leftover(&entry.name).is_some() {
            return Err(format!("{} was left behind", entry.name));
        }
    }
    Ok(())
}

/// Opens what a crash left, and holds it against what was promised.
fn check_crash(
    env: &Env,
    expected: &Expected,
    opened: impl Fn(),
) -> std::result::Result<(), String> {
    let said = |error: crate::error::Error| error.to_string();
    let broker = open(env.clone()).map_err(said)?;
    opened();
    let report = broker.recovery_report().clone();
    if !report.damaged.is_empty() || report.partitions.iter().any(|(_, p)| !p.unknown.is_empty()) {
        return Err(format!("{report:?}"));
    }
    if broker.engine.topics.get(TOPIC).is_none() {
        return if expected.appended.is_empty() { Ok(()) } else { Err("no topic".to_owned()) };
    }
    let log = partition(&broker);
    let found = offsets(&log, 300).map_err(said)?;
    expected.check(&found)?;
    check_files(env, &log)?;
    let errors = log.verify().map_err(said)?.errors;
    if let Some(error) = errors.iter().find(|e| !e.to_string().contains("made anew")) {
        return Err(error.to_string());
    }
    // It can go on, also with compaction.
    append(&broker, Acks::All).map_err(said)?;
    compact(&broker, &BTreeSet::new()).map_err(said)?;
    let before = offsets(&log, 1 << 20).map_err(said)?;
    drop(log);
    broker.close().map_err(said)?;
    let verified = verify_in(env, &VerifyOptions::new()).map_err(said)?;
    if let Some(error) = verified.all_errors().next() {
        return Err(error.to_string());
    }
    let again = open(env.clone()).map_err(said)?;
    let after = offsets(&partition(&again), 1 << 20).map_err(said)?;
    if !again.recovery_report().clean || after != before {
        return Err(format!("after a close: {:?}, {after:?}", again.recovery_report()));
    }
    again.close().map_err(said)
}

/// A life with several rounds, over what was compacted before too.
struct Life {
    world: SimEnv,
    broker: Broker,
    events: Acked<Event>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let world = SimEnv::new(seed);
        let broker = open(world.env()).unwrap();
        broker.create_topic(TOPIC, config()).unwrap();
        Life { world, broker, events: Acked::default() }
    }

    fn note(&mut self, event: Event) {
        self.events.note(&self.world.disk, event);
    }

    fn append(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let offset = append(&self.broker, Acks::All)?;
            self.note(Event::Appended(offset));
        }
        Ok(())
    }

    fn compact(&mut self, divisor: i64) -> Result<()> {
        let gone: BTreeSet<i64> = (0..self.broker.partition(TOPIC, 0)?.end_offset())
            .filter(|o| o % divisor == 1)
            .collect();
        // Only what lies in sealed segments goes for sure.
        let sealed = partition(&self.broker).state().segments.last().map_or(0, |s| s.base_offset);
        let surely = gone.iter().copied().filter(|offset| *offset < sealed).collect();
        self.note(Event::Begun(gone.clone()));
        if compact(&self.broker, &gone)? {
            self.note(Event::Done(surely));
        }
        Ok(())
    }

    fn live(&mut self) -> Vec<crate::error::Error> {
        let steps: [fn(&mut Life) -> Result<()>; 7] = [
            |life| life.append(22),
            |life| life.compact(3),
            |life| life.append(12),
            |life| life.compact(2),
            |life| life.append(3),
            |life| life.compact(5),
            |life| life.broker.close(),
        ];
        steps.iter().filter_map(|step| step(self).err()).collect()
    }
}

#[test]
fn a_crash_at_any_step_leaves_the_log_before_or_after_the_round() {
    let seed = seed();
    let mut life = Life::new(seed);
    let errors = life.live();
    assert!(errors.is_empty(), "{errors:?}");
    let mut explorer = Explorer::new(seed);
    explorer.power_losses = 2;
    let explored = explorer.run(&life.world.disk.recording(), |crash: &CrashState| {
        let expected = Expected::of(life.events.at(crash));
        check_crash(&crash.env(), &expected, || crash.recovery_ends_here())
    });
    match explored {
        Ok(explored) => assert!(explored.executed > 700, "{}", explored.executed),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn any_failing_call_leaves_the_log_before_or_after_the_round() {
    let seed = seed();
    let prepare = |world: &SimEnv| {
        let broker = open(world.env()).unwrap();
        broker.create_topic(TOPIC, config()).unwrap();
        let mut life = Life { world: world.clone(), broker, events: Acked::default() };
        life.append(14).unwrap();
        life.compact(7).unwrap();
        life.append(2).unwrap();
        life.broker.checkpoint().unwrap();
        life
    };
    let mut matrix = FaultMatrix::new(seed);
    // Those that differ in what they leave behind.
    matrix.effects.retain(|effect| {
        !matches!(effect, Effect::Errno(libc::EDQUOT | libc::EFBIG | libc::EACCES | libc::EINTR))
    });
    let hit = matrix.run(prepare, |world, mut life, what| {
        let mut errors: Vec<_> = life.compact(3).err().into_iter().collect();
        errors.extend(life.append(1).err());
        world.disk.heal();
        let poisoned = life.broker.engine.shared.poison.check().is_err();
        let fails = |error: String| panic!("{what}: {error}; {errors:?}\n{}", world.disk.listing());
        let gone = poisoned && what.contains("Reverts");
        let expected = Expected::of(life.events.all());
        if !gone {
            // A commit that could not be applied is acked, and seen after the next opening.
            let log = partition(&life.broker);
            let mut seen = Expected::of(life.events.all());
            seen.appended.retain(|offset| !poisoned || *offset < log.end_offset());
            let found = offsets(&log, 300).unwrap();
            seen.check(&found).unwrap_or_else(fails);
        }
        let mut disks = vec![world.disk.after_losing_everything_unsynced()];
        if !gone {
            disks.push(world.disk.after_kill());
        }
        disks.push(world.disk.after_power_loss(&mut Choices::seeded(seed)));
        for disk in disks {
            check_crash(&world.with_disk(disk).env(), &expected, || ()).unwrap_or_else(fails);
        }
        // With everything in order again it goes on as if nothing had been.
        if !poisoned {
            life.compact(4).unwrap_or_else(|error| fails(error.to_string()));
            life.append(1).unwrap();
            life.broker.close().unwrap_or_else(|error| fails(error.to_string()));
            check_crash(&world.env(), &Expected::of(life.events.all()), || ())
                .unwrap_or_else(fails);
        }
    });
    assert!(hit > 300, "only {hit} runs met a fault");
}

#[test]
fn readers_beside_rounds_see_every_record_that_stays_once_and_in_order() {
    let broker = open(super::memory()).unwrap();
    broker.create_topic(TOPIC, config()).unwrap();
    for _ in 0..100 {
        append(&broker, Acks::Leader).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for bytes_max in [1, 300, 1 << 20] {
            let (log, done) = (partition(&broker), &done);
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    let end = log.end_offset();
                    let found = offsets(&log, bytes_max).unwrap();
                    assert!(found.is_sorted_by(|one, next| one < next), "{found:?}");
                    // Nothing that is dividable by 8 ever goes.
                    let kept = found.iter().filter(|offset| *offset % 8 == 0).count() as i64;
                    assert!(kept >= (end + 7) / 8, "{found:?}");
                }
            });
        }
        for round in 0..60 {
            for _ in 0..3 {
                append(&broker, Acks::Leader).unwrap();
            }
            let end = broker.partition(TOPIC, 0).unwrap().end_offset();
            let divisor = [2, 4, 8][round % 3];
            let gone = (0..end).filter(|offset| offset % divisor != 0).collect();
            assert!(compact(&broker, &gone).unwrap());
        }
        done.store(true, Ordering::Release);
    });
    broker.close().unwrap();
}

/// Has a round overtaken by `meanwhile`, which happens between its end and the swap.
fn overtaken(meanwhile: &dyn Fn(&Broker)) -> (Env, Broker, bool) {
    let env = super::memory();
    let broker = open(env.clone()).unwrap();
    let config = config().set("cleanup.policy", "delete").unwrap();
    broker.create_topic(TOPIC, config).unwrap();
    for _ in 0..40 {
        append(&broker, Acks::All).unwrap();
    }
    broker.checkpoint().unwrap();
    let log = partition(&broker);
    let generation = log.begin_round().unwrap();
    let cleaned = log.thin(&|offset| offset % 2 == 0).unwrap();
    meanwhile(&broker);
    let swapped = broker.engine.committer.swap_in(&log, cleaned, generation).unwrap();
    (env, broker, swapped)
}

#[test]
fn a_log_that_changed_meanwhile_is_left_as_it_is() {
    let (env, broker, swapped) = overtaken(&|broker| {
        broker.partition(TOPIC, 0).unwrap().truncate_to(7).unwrap();
    });
    assert!(!swapped);
    assert_eq!(offsets(&partition(&broker), 300).unwrap(), (0..7).collect::<Vec<_>>());
    check_files(&env, &partition(&broker)).unwrap();

    let (env, broker, swapped) = overtaken(&|broker| {
        broker.partition(TOPIC, 0).unwrap().delete_records(12).unwrap();
    });
    assert!(!swapped);
    assert_eq!(offsets(&partition(&broker), 1).unwrap().last(), Some(&39));
    check_files(&env, &partition(&broker)).unwrap();

    let (env, broker, swapped) = overtaken(&|broker| {
        broker.delete_topic(TOPIC).unwrap();
        broker.create_topic(TOPIC, config()).unwrap();
        append(broker, Acks::All).unwrap();
    });
    assert!(!swapped);
    assert_eq!(offsets(&partition(&broker), 300).unwrap(), [0]);
    check_files(&env, &partition(&broker)).unwrap();
    broker.close().unwrap();
    assert!(verify_in(&env, &VerifyOptions::new()).unwrap().is_sound());
}

#[test]
fn a_compacted_log_is_cut_deleted_from_and_appended_to_as_any_other() {
    let env = super::memory();
    let broker = open(env.clone()).unwrap();
    let config = config().set("cleanup.policy", "compact,delete").unwrap();
    broker.create_topic(TOPIC, config).unwrap();
    for _ in 0..40 {
        append(&broker, Acks::All).unwrap();
    }
    assert!(compact(&broker, &(0..40).filter(|offset| offset % 4 != 0).collect()).unwrap());
    let handle = broker.partition(TOPIC, 0).unwrap();
    // In the middle of a hole.
    handle.truncate_to(22).unwrap();
    assert_eq!(append(&broker, Acks::All).unwrap(), 22);
    handle.delete_records(9).unwrap();
    let expected = [12, 16, 20, 22];
    assert_eq!(offsets(&partition(&broker), 1).unwrap(), expected);
    broker.abandon();
    let broker = open(env.clone()).unwrap();
    assert!(broker.recovery_report().damaged.is_empty(), "{:?}", broker.recovery_report());
    assert_eq!(offsets(&partition(&broker), 300).unwrap(), expected);
    broker.close().unwrap();
    assert!(verify_in(&env, &VerifyOptions::new()).unwrap().is_sound());
}
