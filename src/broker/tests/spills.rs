//! Commits whose batches lie in a spill file, on a directory in memory and on the simulated disk.

use std::cell::Cell;
use std::sync::Arc;

use super::{memory, options, values};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::commit::spill::SpillFile;
use crate::commit::ticket::{Part, Payload};
use crate::config::acks::Acks;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::sim::{Acked, Call, Effect, Explorer, Fault, FaultMatrix, SimEnv, seed};
use crate::env::vfs::{OpenHow, read_up_to, write_all_at};
use crate::error::{ErrorKind, Result};
use crate::format::file_names::{parse_quarantine_file, parse_spill_file, spill_file};
use crate::partition::writer::Appended;

fn with_orders(env: Env) -> Result<Broker> {
    let broker = options().journal_file_bytes(8 << 10).open_in(env)?;
    broker.create_topic("orders", TopicConfig::new().partitions(2))?;
    Ok(broker)
}

fn batch(value: &str) -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    builder.start(&BatchOptions::default());
    builder.push(5, None, Some(value.as_bytes()), &[]).unwrap();
    builder.take().unwrap()
}

fn part(broker: &Broker, partition: i32, batch: impl Into<Payload>) -> Part {
    let handle = broker.partition("orders", partition).unwrap();
    Part { partition: Arc::clone(handle.partition()), batch: batch.into() }
}

/// Spills `value` for both partitions.
fn spill(broker: &Broker, file: &mut SpillFile, value: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for partition in 0..2 {
        let spilled = file.push(&batch(&format!("{value} {}", "x".repeat(600))))?;
        parts.push(part(broker, partition, Payload::Spilled(spilled)));
    }
    Ok(parts)
}

/// A transaction over both partitions, spilled but for its last batch.
fn commit(broker: &Broker, value: &str) -> Result<Vec<Appended>> {
    let mut file = broker.engine.committer.new_spill()?;
    let mut parts = spill(broker, &mut file, value)?;
    parts.push(part(broker, 0, batch(&format!("{value}, the end"))));
    broker.engine.committer.commit(parts).0
}

fn names(env: &Env) -> Vec<String> {
    let entries = env.vfs.list("").unwrap();
    let names = entries.into_iter().map(|entry| entry.name);
    names.filter(|name| parse_spill_file(name).is_some()).collect()
}

/// The first words of all values, over both partitions.
fn words(broker: &Broker) -> [Vec<String>; 2] {
    [0, 1].map(|partition| {
        let words = values(broker, "orders", partition);
        words.iter().map(|value| value.split([' ', ',']).next().unwrap().to_owned()).collect()
    })
}

#[test]
fn a_spilled_commit_is_in_the_log_and_its_file_goes_with_the_checkpoint() {
    let env = memory();
    let broker = with_orders(env.clone()).unwrap();
    let appended = commit(&broker, "large").unwrap();
    let offsets: Vec<_> = appended.iter().map(|appended| appended.base_offset).collect();
    assert_eq!(offsets, [0, 0, 1]);
    assert_eq!(words(&broker), [vec!["large", "large"], vec!["large"]]);
    assert_eq!(names(&env), [spill_file(0)]);
    commit(&broker, "second").unwrap();
    assert_eq!(names(&env).len(), 2);
    broker.checkpoint().unwrap();
    assert_eq!(names(&env), [""; 0]);
    commit(&broker, "third").unwrap();
    broker.close().unwrap();
    assert_eq!(names(&env), [""; 0]);
    let broker = options().open_in(env).unwrap();
    assert!(broker.recovery_report().clean);
    assert_eq!(words(&broker)[1], ["large", "second", "third"]);
}

#[test]
fn an_aborted_spill_leaves_nothing_and_one_after_the_close_touches_nothing() {
    let env = memory();
    let broker = with_orders(env.clone()).unwrap();
    let committer = &broker.engine.committer;
    let mut dropped = committer.new_spill().unwrap();
    let parts = spill(&broker, &mut dropped, "dropped").unwrap();
    assert_eq!(names(&env).len(), 1);
    drop(dropped);
    assert_eq!(names(&env).len(), 1, "its batches may still be committed");
    drop(parts);
    assert_eq!(names(&env), [""; 0]);

    let mut open = committer.new_spill().unwrap();
    let parts = spill(&broker, &mut open, "open").unwrap();
    broker.close().unwrap();
    assert_eq!(names(&env), [""; 0]);
    assert_eq!(open.push(&batch("late")).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(committer.commit(parts).0.unwrap_err().kind(), ErrorKind::Closed);

    let second = options().open_in(env.clone()).unwrap();
    let mut open_there = second.engine.committer.new_spill().unwrap();
    let kept = spill(&second, &mut open_there, "kept").unwrap();
    assert_eq!(names(&env).len(), 1);
    drop(open);
    second.clone().abandon();
    drop((kept, open_there));
    assert_eq!(names(&env).len(), 1, "an abandoned broker removes nothing");
    let third = options().open_in(env.clone()).unwrap();
    assert_eq!(third.recovery_report().spills_removed.len(), 1);
    assert_eq!(names(&env), [""; 0]);
    assert_eq!(words(&third), [[""; 0]; 2]);
}

#[test]
fn a_spill_that_could_not_be_removed_goes_with_the_close() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env()).unwrap();
    let mut aborted = broker.engine.committer.new_spill().unwrap();
    let parts = spill(&broker, &mut aborted, "aborted").unwrap();
    world.disk.plan(Fault::new(Effect::Errno(libc::EIO)).on(Call::RemoveFile).at_path(".spill"));
    drop((parts, aborted));
    assert_eq!(names(&world.env()).len(), 1);
    broker.close().unwrap();
    assert_eq!(names(&world.env()), [""; 0]);
    let broker = options().open_in(world.env()).unwrap();
    assert!(broker.recovery_report().quarantined.is_empty());
}

/// A world in which a commit was acked, is not checkpointed, and the power is lost.
fn crashed() -> SimEnv {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env()).unwrap();
    commit(&broker, "large").unwrap();
    let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
    broker.abandon();
    lost
}

#[test]
fn replay_copies_the_batches_out_of_the_spill_also_for_a_reader() {
    let world = crashed();
    let before = world.disk.hash();
    let reader = options().read_only(true).open_in(world.env()).unwrap();
    assert_eq!(words(&reader), [vec!["large", "large"], vec!["large"]]);
    drop(reader);
    assert_eq!(world.disk.hash(), before, "a reader changes nothing");
    let broker = options().open_in(world.env()).unwrap();
    assert_eq!(words(&broker), [vec!["large", "large"], vec!["large"]]);
    assert_eq!(broker.recovery_report().spills_removed, [spill_file(0)]);
    assert_eq!(names(&world.env()), [""; 0]);
}

#[test]
fn a_hostile_spill_is_damage_or_makes_no_difference() {
    let world = crashed();
    let bytes = read(&world.env(), &spill_file(0));
    let refused = Cell::new(0);
    let attempt = |changed: Option<&[u8]>, what: &str| {
        let vfs = world.env().vfs;
        let _ = vfs.remove_file(&spill_file(0));
        if let Some(changed) = changed {
            let file = vfs.open(&spill_file(0), OpenHow::CreateNew).unwrap();
            write_all_at(&*file, changed, 0).unwrap();
        }
        let before = world.disk.hash();
        match options().read_only(true).open_in(world.env()) {
            Ok(broker) => {
                assert_eq!(words(&broker), [vec!["large", "large"], vec!["large"]], "{what}");
            }
            Err(error) => {
                let is_named = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
                assert!(is_named, "{what}: {error}");
                assert!(error.file().is_some_and(|f| f.ends_with(".spill")), "{what}: {error}");
                refused.set(refused.get() + 1);
            }
        }
        assert_eq!(world.disk.hash(), before, "{what}");
    };
    attempt(None, "missing");
    attempt(Some(b"my dear diary, today I have learnt that"), "foreign");
    for length in (0..bytes.len()).step_by(37) {
        attempt(Some(&bytes[..length]), &format!("cut to {length}"));
    }
    for bit in (0..bytes.len() * 8).step_by(101) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        attempt(Some(&flipped), &format!("bit {bit}"));
    }
    assert!(refused.get() > 100, "{refused:?}");
    attempt(Some(&bytes), "as it was");
    // Every form of a refusal leaves the directory as it is; put back, it opens.
    let broker = options().open_in(world.env()).unwrap();
    assert_eq!(words(&broker)[1], ["large"]);
}

fn read(env: &Env, name: &str) -> Vec<u8> {
    let file = env.vfs.open(name, OpenHow::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    read_up_to(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// A writable open that finds a needed spill damaged refuses before any batch is applied.
#[test]
fn half_of_a_transaction_is_not_applied() {
    let world = crashed();
    let vfs = world.env().vfs;
    vfs.rename(&spill_file(0), "away").unwrap();
    let error = options().open_in(world.env()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    for partition in 0..2 {
        let log = format!("orders-{partition}/00000000000000000000.log");
        let applied = vfs.metadata(&log).map_or(0, |metadata| metadata.length);
        assert_eq!(applied, 0);
    }
    vfs.rename("away", &spill_file(0)).unwrap();
    let broker = options().open_in(world.env()).unwrap();
    assert_eq!(words(&broker), [vec!["large", "large"], vec!["large"]]);
}

#[test]
fn spills_that_nobody_needs_go_and_those_of_others_stay() {
    let world = crashed();
    let env = world.env();
    let text = b"my dear diary, today I have learnt that";
    for (number, content) in [(7, &b"OTTLASPL"[..]), (8, b""), (9, &text[..])] {
        let file = env.vfs.open(&spill_file(number), OpenHow::CreateNew).unwrap();
        write_all_at(&*file, content, 0).unwrap();
    }
    let broker = options().open_in(env.clone()).unwrap();
    let report = broker.recovery_report();
    assert_eq!(report.spills_removed, [spill_file(0), spill_file(7), spill_file(8)]);
    assert!(report.unknown.contains(&spill_file(9)), "{report:?}");
    assert_eq!(read(&env, &spill_file(9)), text);
    broker.close().unwrap();
    // After a clean close there is none of ours.
    let broker = options().open_in(env.clone()).unwrap();
    assert_eq!(broker.recovery_report().quarantined.len(), 1);
    let entries = env.vfs.list("").unwrap();
    assert!(entries.iter().any(|entry| parse_quarantine_file(&entry.name).is_some()));
    assert_eq!(words(&broker)[1], ["large"]);
}

#[test]
fn a_full_disk_fails_the_push_and_the_transaction_goes_on() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env()).unwrap();
    commit(&broker, "first").unwrap();
    let mut file = broker.engine.committer.new_spill().unwrap();
    for space in [0, 10, 40, 500, 1_000] {
        world.disk.limit_space(space);
        let error = spill(&broker, &mut file, "large").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{space}: {error}");
        world.disk.heal();
    }
    let parts = spill(&broker, &mut file, "large").unwrap();
    assert_eq!(words(&broker)[1], ["first"]);
    broker.engine.committer.commit(parts).0.unwrap();
    assert_eq!(words(&broker)[1], ["first", "large"]);
    let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
    broker.abandon();
    let again = options().open_in(lost.env()).unwrap();
    assert_eq!(words(&again)[1], ["first", "large"]);
}

/// The bytes of a spill are its transaction's alone: their loss is no poison. The root's names are
/// everybody's.
#[test]
fn a_failed_sync_ends_the_transaction_and_that_of_the_root_poisons() {
    let world = SimEnv::new(1);
    let broker = with_orders(world.env()).unwrap();
    let committer = &broker.engine.committer;
    let mut file = committer.new_spill().unwrap();
    let parts = spill(&broker, &mut file, "lost").unwrap();
    let io = Effect::Errno(libc::EIO);
    world.disk.plan(Fault::new(io).on(Call::SyncData).at_path(".spill"));
    let (outcome, parts) = committer.commit(parts);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Io);
    let (outcome, parts) = committer.commit(parts);
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "a second sync would prove nothing: {error}");
    drop(parts);
    commit(&broker, "next").unwrap();
    assert_eq!(words(&broker)[1], ["next"]);

    let mut file = committer.new_spill().unwrap();
    let parts = spill(&broker, &mut file, "poisoned").unwrap();
    world.disk.plan(Fault::new(io).on(Call::SyncDir));
    assert!(committer.commit(parts).0.is_err());
    assert_eq!(commit(&broker, "late").unwrap_err().kind(), ErrorKind::Poisoned);
}

/// Transactions, and the positions of the disk when they were acked.
fn run(world: &SimEnv) -> (Vec<&'static str>, Acked<usize>) {
    let mut acked = Acked::default();
    let broker = with_orders(world.env()).unwrap();
    acked.note(&world.disk, 0);
    let committer = &broker.engine.committer;
    commit(&broker, "one").unwrap();
    acked.note(&world.disk, 1);
    let mut aborted = committer.new_spill().unwrap();
    let parts = spill(&broker, &mut aborted, "aborted").unwrap();
    commit(&broker, "two").unwrap();
    acked.note(&world.disk, 2);
    drop((parts, aborted));
    broker.checkpoint().unwrap();
    commit(&broker, "three").unwrap();
    acked.note(&world.disk, 3);
    let mut open = committer.new_spill().unwrap();
    let _parts = spill(&broker, &mut open, "open").unwrap();
    broker.close().unwrap();
    (vec!["one", "two", "three"], acked)
}

fn check(found: &[Vec<String>; 2], all: &[&str], acked: usize) -> Result<(), String> {
    let expected = |twice: bool, count: usize| -> Vec<String> {
        let words = all[..count].iter();
        words.flat_map(|word| vec![(*word).to_owned(); 1 + usize::from(twice)]).collect()
    };
    let holds =
        |count: usize| found[0] == expected(true, count) && found[1] == expected(false, count);
    if (acked..=all.len()).any(holds) { Ok(()) } else { Err(format!("{found:?} after {acked}")) }
}

#[test]
fn a_crash_at_any_moment_leaves_a_transaction_whole_or_absent() {
    let world = SimEnv::new(seed());
    let (all, acked) = run(&world);
    let explorer = Explorer { power_losses: 4, kills: 2, threads: 2, ..Explorer::new(seed()) };
    let explored = explorer.run(&world.disk.recording(), |crash| {
        let acked = acked.at(crash).last().copied();
        let broker = options().open_in(crash.env()).map_err(|error| error.to_string())?;
        crash.recovery_ends_here();
        if broker.describe_topic("orders").is_err() {
            return acked.map_or(Ok(()), |acked| Err(format!("no topic after {acked}")));
        }
        check(&words(&broker), &all, acked.unwrap_or(0))?;
        if !names(&crash.env()).is_empty() {
            return Err(format!("{:?} after an open", names(&crash.env())));
        }
        commit(&broker, "afterwards").map_err(|error| error.to_string())?;
        broker.close().map_err(|error| error.to_string())?;
        match names(&crash.env()).as_slice() {
            [] => Ok(()),
            left => Err(format!("{left:?} after a close")),
        }
    });
    let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explored.distinct() > 500, "{explored:?}");
}

#[test]
fn whichever_call_fails_nothing_is_half_there() {
    let prepare = |world: &SimEnv| {
        let broker = with_orders(world.env()).unwrap();
        broker.partition("orders", 0).unwrap().append(&[Message::new("one")], Acks::All).unwrap();
        broker.partition("orders", 0).unwrap().append(&[Message::new("one")], Acks::All).unwrap();
        broker.partition("orders", 1).unwrap().append(&[Message::new("one")], Acks::All).unwrap();
        broker
    };
    let matrix = FaultMatrix::new(3);
    let runs = matrix.run(prepare, |world, broker, fault| {
        let outcome = commit(&broker, "two");
        let acked = match &outcome {
            Ok(_) => 2,
            Err(_) => 1,
        };
        let all = match &outcome {
            Err(error) if error.kind() != ErrorKind::Poisoned => &["one"][..],
            _ => &["one", "two"],
        };
        let _ = broker.checkpoint();
        world.disk.heal();
        let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
        broker.abandon();
        for world in [world, &lost] {
            let again = options().open_in(world.env()).unwrap_or_else(|e| panic!("{fault}: {e}"));
            check(&words(&again), all, acked).unwrap_or_else(|e| panic!("{fault}: {e}"));
            assert!(names(&world.env()).is_empty(), "{fault}");
            again.abandon();
        }
    });
    assert!(runs > 100, "{runs}");
}
