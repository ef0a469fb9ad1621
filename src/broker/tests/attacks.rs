//! Regressions: ways in which a reviewer broke a promise, each with its story.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{memory, options, values};
use crate::batch::message::Message;
use crate::broker::Broker;
use crate::commit::ticket::{Contents, OnOutcome};
use crate::config::acks::Acks;
use crate::config::broker::BrokerOptions;
use crate::config::topic::TopicConfig;
use crate::env::Env;
use crate::env::sim::{Call, Effect, Fault, SimEnv};
use crate::error::ErrorKind;

fn small() -> TopicConfig {
    TopicConfig::new().set("internal.segment.bytes", "300").unwrap()
}

fn append_all(broker: &Broker, topic: &str, count: usize) {
    let handle = broker.partition(topic, 0).unwrap();
    for index in 0..count {
        handle.append(&[Message::new(&index.to_string())], Acks::All).unwrap();
    }
}

fn open_sim(world: &SimEnv) -> crate::error::Result<Broker> {
    options().journal_file_bytes(4096).open_in(world.env())
}

/// A handle that outlived the close replaced the control file of a directory that another broker
/// had open by then: the next recovery ignored the journal.
#[test]
fn a_closed_handle_touches_nothing_any_more() {
    let world = SimEnv::new(1);
    let first = open_sim(&world).unwrap();
    first.create_topic("t", small()).unwrap();
    append_all(&first, "t", 1);
    let stale = first.clone();
    let stale_partition = stale.partition("t", 0).unwrap();
    first.close().unwrap();
    let second = open_sim(&world).unwrap();
    append_all(&second, "t", 5);
    assert_eq!(stale.checkpoint().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stale.run_retention().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stale_partition.delete_records(1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(stale_partition.truncate_to(1).unwrap_err().kind(), ErrorKind::Closed);
    let world = world.with_disk(world.disk.after_losing_everything_unsynced());
    let third = open_sim(&world).unwrap();
    assert_eq!(third.partition("t", 0).unwrap().end_offset(), 6);
    second.abandon();
}

/// One segment was missing for one open. Its partition could not take its batches, the journal
/// was forgotten, and with the segment back half of an atomic append was gone.
#[test]
fn batches_that_a_damaged_partition_cannot_take_stay_in_the_journal() {
    let world = SimEnv::new(2);
    let broker = open_sim(&world).unwrap();
    broker.create_topic("t", small().partitions(2)).unwrap();
    append_all(&broker, "t", 8);
    broker.checkpoint().unwrap();
    let mut both = broker.atomic_append();
    both.add("t", 0, &[Message::new("a")]).unwrap();
    both.add("t", 1, &[Message::new("b")]).unwrap();
    both.commit().unwrap();
    let world = world.with_disk(world.disk.after_losing_everything_unsynced());
    broker.abandon();
    let vfs = world.env().vfs;
    let log = "t-0/00000000000000000000.log";
    vfs.rename(log, "away").unwrap();
    let damaged = open_sim(&world).unwrap();
    assert!(damaged.is_read_only(), "{:?}", damaged.recovery_report());
    assert!(damaged.recovery_report().batches_refused > 0);
    damaged.close().unwrap();
    drop(damaged);
    vfs.rename("away", log).unwrap();
    let mended = open_sim(&world).unwrap();
    assert!(!mended.is_read_only());
    assert_eq!(mended.partition("t", 0).unwrap().end_offset(), 9);
    assert_eq!(values(&mended, "t", 1), ["b"]);
}

/// A journal file that was there and is not counts as damage, not as an empty journal; one whose
/// header alone is damaged is read all the same.
#[test]
fn a_missing_journal_file_is_named_and_a_damaged_header_is_read_past() {
    let world = SimEnv::new(3);
    let broker = open_sim(&world).unwrap();
    broker.create_topic("t", small()).unwrap();
    append_all(&broker, "t", 1);
    broker.checkpoint().unwrap();
    append_all(&broker, "t", 1);
    let journal = crate::format::file_names::journal_file(0);
    let left = || world.with_disk(world.disk.after_losing_everything_unsynced());

    let missing = left();
    missing.env().vfs.remove_file(&journal).unwrap();
    let error = open_sim(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("journal"), "{error}");

    let rotten = left();
    rotten.disk.rot(&journal, 20, 1).unwrap();
    let mended = open_sim(&rotten).unwrap();
    assert_eq!(mended.partition("t", 0).unwrap().end_offset(), 2);
    broker.abandon();
}

/// A copy without empty folders lost `ottla.open/`, and with it the journal.
#[test]
fn the_journal_counts_without_the_mark_of_being_open() {
    let env = memory();
    let broker = options().open_in(env.clone()).unwrap();
    broker.create_topic("t", small()).unwrap();
    append_all(&broker, "t", 6);
    broker.abandon();
    env.vfs.remove_dir("ottla.open").unwrap();
    // What the segments lost is in the journal only.
    empty_log(&env, "t-0");
    let broker = options().open_in(env).unwrap();
    assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 6);
}

fn empty_log(env: &Env, folder: &str) {
    use crate::env::vfs::OpenHow;

    let mut logs = env.vfs.list(folder).unwrap();
    logs.retain(|entry| entry.name.ends_with(".log"));
    logs.sort_by(|a, b| a.name.cmp(&b.name));
    let newest = format!("{folder}/{}", logs.last().unwrap().name);
    env.vfs.open(&newest, OpenHow::Write).unwrap().set_len(0).unwrap();
}

/// The clock was forty years ahead when the directory was opened: retention deleted everything.
#[test]
fn a_clock_that_is_years_ahead_deletes_nothing() {
    let world = SimEnv::new(4);
    world.clock.set_wall_ms(1_700_000_000_000);
    let broker = open_sim(&world).unwrap();
    broker.create_topic("t", small().set("retention.ms", "1000").unwrap()).unwrap();
    append_all(&broker, "t", 10);
    broker.close().unwrap();
    drop(broker);
    world.clock.set_wall_ms(1_700_000_000_000 + 40 * 365 * 24 * 3600 * 1000);
    // And not in the next session either, for which this one has seen that date.
    for _ in 0..3 {
        let broker = open_sim(&world).unwrap();
        assert!(broker.run_retention().unwrap().is_empty());
        assert_eq!(broker.partition("t", 0).unwrap().log_start_offset(), 0);
        append_all(&broker, "t", 1);
        broker.checkpoint().unwrap();
        world.clock.advance(std::time::Duration::from_secs(7200));
        broker.close().unwrap();
    }
    // A day under that date: it was a drawer.
    let broker = open_sim(&world).unwrap();
    world.clock.advance(std::time::Duration::from_secs(25 * 3600));
    append_all(&broker, "t", 1);
    broker.close().unwrap();
    let broker = open_sim(&world).unwrap();
    assert!(!broker.run_retention().unwrap().is_empty());
}

/// Threads that waited for the session to begin went on after the close, and were acked.
#[test]
fn nothing_is_acked_after_the_close() {
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let broker = open_disk(directory.path());
        broker.create_topic("t", TopicConfig::new()).unwrap();
        broker.close().unwrap();
        let broker = open_disk(directory.path());
        let handle = broker.partition("t", 0).unwrap();
        let acked = std::thread::scope(|scope| {
            let appending: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut acked = 0;
                        while handle.append(&[Message::new("a")], Acks::Leader).is_ok() {
                            acked += 1;
                        }
                        acked
                    })
                })
                .collect();
            broker.close().unwrap();
            appending.into_iter().map(|thread| thread.join().unwrap()).sum::<i64>()
        });
        let again = open_disk(directory.path());
        assert!(again.recovery_report().clean);
        let handle = again.partition("t", 0).unwrap();
        assert!(handle.damage().is_none(), "{:?}", handle.damage());
        assert_eq!(handle.end_offset(), acked);
    }
}

fn open_disk(path: &Path) -> Broker {
    options().open(path).unwrap()
}

/// A plan of retention was written over the state that a truncation had just made durable.
#[test]
fn deleting_and_cutting_at_the_same_time_leave_a_sound_partition() {
    for round in 0..20 {
        let env = memory();
        let broker = options().open_in(env.clone()).unwrap();
        broker.create_topic("t", small()).unwrap();
        append_all(&broker, "t", 20);
        let handle = broker.partition("t", 0).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| handle.truncate_to(12));
            scope.spawn(|| handle.delete_records(round % 10));
        });
        let written = handle.append(&[Message::new("after")], Acks::All).unwrap();
        let live = (handle.log_start_offset(), handle.end_offset());
        drop(handle);
        broker.abandon();
        let broker = options().open_in(env).unwrap();
        let handle = broker.partition("t", 0).unwrap();
        assert!(handle.damage().is_none(), "{:?}", handle.damage());
        assert_eq!((handle.log_start_offset(), handle.end_offset()), live);
        assert_eq!(written.last_offset + 1, live.1);
    }
}

/// A writer in the middle of a roll met the folder's new name, and poisoned the whole broker.
#[test]
fn a_topic_is_deleted_while_its_segments_roll() {
    for acks in [Acks::Leader, Acks::All] {
        let directory = tempfile::tempdir().unwrap();
        let broker = open_disk(directory.path());
        broker.create_topic("stays", TopicConfig::new()).unwrap();
        for _ in 0..15 {
            broker.create_topic("goes", small()).unwrap();
            let handle = broker.partition("goes", 0).unwrap();
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let _ = handle.append(&[Message::new("some more bytes")], acks);
                    }
                });
                while handle.end_offset() < 20 {
                    std::thread::yield_now();
                }
                broker.delete_topic("goes").unwrap();
                stop.store(true, Ordering::Relaxed);
            });
        }
        append_all(&broker, "stays", 1);
    }
}

/// Four commits within the limit were put into one frame beyond it, and failed together.
#[test]
fn commits_within_the_limit_do_not_fail_for_coming_together() {
    let directory = tempfile::tempdir().unwrap();
    let broker = options().commit_bytes_max(1 << 16).open(directory.path()).unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    let value = "x".repeat(30_000);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let handle = broker.partition("t", 0).unwrap();
                for _ in 0..5 {
                    handle.append(&[Message::new(&value)], Acks::All).unwrap();
                }
            });
        }
    });
    assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 30);
}

/// The maintenance thread held the engine when the last handle went, and closed the directory
/// later: opening it again at once found it locked.
#[test]
fn a_dropped_broker_has_let_go_of_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let broker = BrokerOptions::new().open(directory.path()).unwrap();
        broker.ensure_topic("t", TopicConfig::new()).unwrap();
        // The thread is woken to commit what nobody waits for.
        let producer = broker.producer().linger(std::time::Duration::ZERO).build().unwrap();
        drop(producer.send(crate::producer::record::Record::new("t", "a")).unwrap());
        drop(broker);
        drop(producer);
        let again = options().open(directory.path()).unwrap();
        assert!(again.recovery_report().clean);
        assert_eq!(again.partition("t", 0).unwrap().end_offset(), round + 1);
    }
}

/// A tick held the insides of a producer for a moment, and with them the directory: it was closed
/// by the maintenance thread, after the program had let go of everything.
#[test]
fn a_tick_does_not_hold_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let broker = BrokerOptions::new().open(directory.path()).unwrap();
    let producer = broker.producer().build().unwrap();
    let ticked: Vec<_> =
        broker.engine.producers.lock().iter().filter_map(|producer| producer.upgrade()).collect();
    drop(broker);
    drop(producer);
    assert_eq!(ticked.len(), 1);
    assert!(options().open(directory.path()).unwrap().recovery_report().clean);
}

/// A callback that panicked took those behind it along: they were called by the next commit, if
/// there ever was one, and whoever settled waited for ever.
#[test]
fn a_callback_that_panics_takes_no_other_along() {
    let broker = Broker::in_memory().unwrap();
    let committer = &broker.engine.committer;
    let (called, calls) = std::sync::mpsc::channel();
    let panics: OnOutcome = Box::new(|_| std::panic::resume_unwind(Box::new("a panic")));
    committer.enqueue(Contents::default(), panics);
    committer.enqueue(Contents::default(), Box::new(move |_| called.send(()).unwrap()));
    let settle = || committer.settle();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(settle)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a panic"));
    calls.try_recv().unwrap();
    committer.settle();
}

/// With fewer than 32 descriptors and all of them unsynced, a new one was closed before its first
/// write, again and again: the append never returned.
#[test]
fn more_unsynced_logs_than_descriptors_can_be_appended_to() {
    let broker = options().descriptors_max(16).open_in(Env::memory()).unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(20)).unwrap();
    for partition in 0..20 {
        let handle = broker.partition("t", partition).unwrap();
        handle.append(&[Message::new("a")], Acks::Leader).unwrap();
    }
    broker.close().unwrap();
}

#[test]
fn a_cut_that_is_refused_leaves_nothing_behind() {
    let sim = SimEnv::new(7);
    let broker = options().open_in(sim.env()).unwrap();
    broker.create_topic("orders", TopicConfig::new()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    orders.append(&["a", "b", "c"].map(Message::new), Acks::All).unwrap();
    orders.delete_records(1).unwrap();
    // The batch begins below the log start: it cannot go.
    let error = orders.truncate_to(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
    let sim = sim.with_disk(sim.disk.after_kill());
    let broker = options().open_in(sim.env()).unwrap();
    let orders = broker.partition("orders", 0).unwrap();
    assert_eq!(orders.damage().map(|damage| damage.to_string()), None);
    assert_eq!(orders.append(&[Message::new("d")], Acks::All).unwrap().base_offset, 3);
}

/// A commit that came to nothing had begun a journal file. The next one did not fit into it and
/// began another: a replay looked for the first one, whose header was never synced, and found no
/// frame at all.
#[test]
fn a_journal_file_without_a_frame_is_not_passed_over() {
    let world = SimEnv::new(3);
    let broker = open_sim(&world).unwrap();
    broker.create_topic("t", TopicConfig::new()).unwrap();
    broker.close().unwrap();
    let broker = open_sim(&world).unwrap();
    let handle = broker.partition("t", 0).unwrap();
    let conflict = handle.expect_end(7).append(&[Message::new("nothing")], Acks::All);
    assert_eq!(conflict.unwrap_err().kind(), ErrorKind::Conflict);
    handle.append(&[Message::new(&"x".repeat(5_000))], Acks::All).unwrap();
    let lost = world.with_disk(world.disk.after_losing_everything_unsynced());
    broker.abandon();
    let again = open_sim(&lost).unwrap();
    assert_eq!(again.partition("t", 0).unwrap().end_offset(), 1);
}

/// The deletion of a topic was durable when its folder could not be removed, and the answer was the
/// error of that: as if the topic were still there.
#[test]
fn a_deletion_that_is_durable_is_acked_whatever_its_folders_do() {
    for (call, errno) in [(Call::Rename, libc::ENOSPC), (Call::RemoveFile, libc::EIO)] {
        let world = SimEnv::new(5);
        let broker = open_sim(&world).unwrap();
        broker.create_topic("goes", small()).unwrap();
        append_all(&broker, "goes", 3);
        world.disk.plan(Fault::new(Effect::Errno(errno)).on(call).at_path("goes-0"));
        broker.delete_topic("goes").unwrap();
        assert!(broker.list_topics().is_empty());
        drop(broker);
        let broker = open_sim(&world).unwrap();
        assert!(broker.list_topics().is_empty());
        assert!(!world.disk.listing().contains("goes-0"), "{}", world.disk.listing());
    }
}

/// The new control file had its name, the sync of that failed, and deleting records was refused as
/// if nothing had happened: after the next open they were gone.
#[test]
fn records_whose_deletion_is_in_doubt_are_not_told_to_be_there() {
    for (errno, kind) in [(libc::EIO, ErrorKind::Poisoned), (libc::ENOSPC, ErrorKind::NoSpace)] {
        let world = SimEnv::new(6);
        let broker = open_sim(&world).unwrap();
        broker.create_topic("t", small()).unwrap();
        append_all(&broker, "t", 3);
        broker.checkpoint().unwrap();
        // The first one is of a checkpoint.
        world.disk.plan(Fault::new(Effect::Errno(errno)).on(Call::SyncDir).nth(2));
        let refused = broker.partition("t", 0).unwrap().delete_records(2).unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        let killed = world.with_disk(world.disk.after_kill());
        broker.abandon();
        let broker = open_sim(&killed).unwrap();
        let start = broker.partition("t", 0).unwrap().log_start_offset();
        assert!(start == 0 || kind == ErrorKind::Poisoned, "{kind:?}: the log starts at {start}");
    }
}

/// Logs with unsynced bytes keep their descriptors: one record for each of many partitions took as
/// many, and then there were none left.
#[test]
fn many_partitions_need_few_descriptors() {
    for acks in [Acks::Leader, Acks::All] {
        let world = SimEnv::new(7);
        let options = options().descriptors_max(16).journal_file_bytes(1 << 20);
        let broker = options.open_in(world.env()).unwrap();
        broker.create_topic("many", TopicConfig::new().partitions(80)).unwrap();
        for number in (0..80).chain(0..80) {
            let handle = broker.partition("many", number).unwrap();
            handle.append(&[Message::new("x")], acks).unwrap();
            // Those of the journal and of the lock are among them.
            assert!(world.disk.open_handles() <= 24, "{}", world.disk.open_handles());
        }
    }
}

/// Another program closed the directory after us: our control file is an older story than the log.
#[test]
fn a_control_file_of_an_older_close_does_not_count() {
    let env = memory();
    let open = || options().open_in(env.clone()).unwrap();
    let broker = open();
    broker.create_topic("t", small()).unwrap();
    append_all(&broker, "t", 3);
    broker.close().unwrap();
    let control = file_of(&env, "ottla.control");
    let broker = open();
    append_all(&broker, "t", 5);
    broker.close().unwrap();
    crate::env::replace_file::replace_file(&*env.vfs, "ottla.control", &control).unwrap();
    let broker = open();
    assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 8);
    assert_eq!(values(&broker, "t", 0).len(), 8);
    append_all(&broker, "t", 1);
    assert_eq!(broker.partition("t", 0).unwrap().end_offset(), 9);
}

fn file_of(env: &Env, path: &str) -> Vec<u8> {
    use crate::env::vfs::{OpenHow, read_up_to};

    let file = env.vfs.open(path, OpenHow::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    let read = read_up_to(&*file, &mut bytes, 0).unwrap();
    assert_eq!(read, bytes.len());
    bytes
}
