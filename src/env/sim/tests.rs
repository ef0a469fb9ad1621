//! The simulator itself under test: a small log that keeps every rule survives all its crashes,
//! and each rule that is broken on purpose turns it red.

mod toy;

use std::io;
use std::time::Instant;

use super::*;
use crate::env::vfs::{OpenHow, Vfs, read_up_to, write_all_at};
use crate::env::vfs_tests;
use toy::{Plant, ToyLog};

#[test]
fn it_obeys_the_rules_of_a_directory() {
    vfs_tests::check_all(&SimEnv::new(1).disk);
}

/// Appends records to a toy log and has every crash of it checked.
fn explore(plant: Plant, explorer: &Explorer, faults: &[Fault]) -> Result<Explored, Failure> {
    let world = SimEnv::new(explorer.seed);
    let mut acked = Acked::default();
    let mut log = ToyLog::open(&world.disk, plant).unwrap();
    for fault in faults {
        world.disk.plan(fault.clone());
    }
    for _ in 0..30 {
        if log.append().is_err() {
            break;
        }
        acked.note(&world.disk, log.count());
    }
    explorer.run(&world.disk.recording(), |crash| {
        let disk = &crash.world().disk;
        let mut log = ToyLog::open(disk, plant).map_err(|error| format!("cannot open: {error}"))?;
        let expected = acked.at(crash).last().copied().unwrap_or(0);
        if log.count() < expected {
            return Err(format!("{} records of {expected} that were acked", log.count()));
        }
        // Nothing that a reader has seen may vanish in a second crash.
        let seen = log.count();
        crash.recovery_ends_here();
        let lost = disk.after_losing_everything_unsynced();
        let again = ToyLog::open(&lost, plant).map_err(|error| format!("second open: {error}"))?;
        if again.count() != seen {
            return Err(format!("{seen} records were seen, {} are left", again.count()));
        }
        log.append().map_err(|error| format!("cannot append: {error}"))
    })
}

fn explorer() -> Explorer {
    Explorer { power_losses: 100, kills: 2, nested: 1, threads: 2, ..Explorer::new(seed()) }
}

fn assert_caught(plant: Plant, faults: &[Fault]) {
    match explore(plant, &explorer(), faults) {
        Ok(explored) => panic!("{plant:?} survived {} states", explored.executed),
        Err(failure) => println!("{plant:?} was caught: {failure}"),
    }
}

#[test]
fn a_log_that_keeps_the_rules_survives() {
    let started = monotonic();
    let explored =
        explore(Plant::None, &explorer(), &[]).unwrap_or_else(|failure| panic!("{failure}"));
    let seconds = (monotonic() - started).as_secs_f64();
    println!(
        "{} states, {} distinct, {:.0} a second",
        explored.executed,
        explored.distinct(),
        explored.executed as f64 / seconds
    );
    assert!(explored.executed > 3_000 && explored.distinct() > 1_000);
}

#[expect(clippy::disallowed_methods, reason = "measures the simulator, not the simulated time")]
fn monotonic() -> Instant {
    Instant::now()
}

#[test]
fn a_log_that_keeps_the_rules_survives_failing_syncs() {
    for cache in [CacheAfterFailedSync::KeepsNew, CacheAfterFailedSync::Reverts] {
        for nth in 1..12 {
            let fault = Fault::new(Effect::SyncFails(cache)).on(Call::SyncData).nth(nth);
            explore(Plant::None, &Explorer { nested: 0, ..explorer() }, &[fault])
                .unwrap_or_else(|failure| panic!("{cache:?} {nth}: {failure}"));
        }
    }
}

#[test]
fn a_directory_that_is_not_synced_is_caught() {
    assert_caught(Plant::NoDirectorySync, &[]);
}

#[test]
fn an_ack_before_the_sync_is_caught() {
    assert_caught(Plant::AckBeforeSync, &[]);
}

#[test]
fn a_retried_sync_is_caught() {
    let fault = Fault::new(Effect::SyncFails(CacheAfterFailedSync::KeepsNew));
    assert_caught(Plant::RetriedSync, &[fault.on(Call::SyncData).at_path("0.log").nth(4)]);
}

#[test]
fn a_rename_before_the_sync_of_the_file_is_caught() {
    assert_caught(Plant::RenameBeforeSync, &[]);
}

#[test]
fn a_tail_that_is_served_before_it_is_rewritten_is_caught() {
    assert_caught(Plant::ServesUnsyncedTail, &[]);
}

#[test]
fn a_scan_that_trusts_lengths_is_caught() {
    assert_caught(Plant::NoChecksum, &[]);
}

#[test]
fn a_lying_disk_turns_the_log_red() {
    let fault = Fault::new(Effect::SyncLies).on(Call::SyncData).at_path("0.log").nth(3);
    assert_caught(Plant::None, &[fault]);
}

#[test]
fn the_same_seed_gives_the_same_states() {
    let explorer = Explorer { threads: 1, ..Explorer::new(7) };
    let one = explore(Plant::None, &explorer, &[]).unwrap();
    let same = explore(Plant::None, &Explorer { threads: 2, ..explorer.clone() }, &[]).unwrap();
    assert_eq!((one.executed, one.distinct()), (same.executed, same.distinct()));
    let first = explore(Plant::AckBeforeSync, &explorer, &[]).unwrap_err();
    let again = explore(Plant::AckBeforeSync, &explorer, &[]).unwrap_err();
    assert_eq!(first.to_string(), again.to_string());
}

fn content(vfs: &dyn Vfs, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 10_000];
    let read = read_up_to(&*vfs.open(path, OpenHow::Read)?, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Enumerates all that a power loss may leave of one file.
fn all_states(world: &SimEnv, path: &str) -> Vec<Option<Vec<u8>>> {
    let mut choices = Choices::enumerated();
    let mut states = Vec::new();
    loop {
        let state = content(&world.disk.after_power_loss(&mut choices), path).ok();
        if !states.contains(&state) {
            states.push(state);
        }
        if !choices.next_round() {
            return states;
        }
    }
}

#[test]
fn an_unsynced_write_is_kept_lost_torn_or_zeros() {
    let world = SimEnv::new(1);
    let file = world.disk.open("a", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, &[1; 600], 0).unwrap();
    let states = all_states(&world, "a");
    assert!(states.contains(&None), "the name was not synced");
    world.disk.sync_dir("").unwrap();
    let states = all_states(&world, "a");
    assert!(!states.contains(&None));
    let torn = |first: u8, second: u8| Some([[first; 512].to_vec(), vec![second; 88]].concat());
    for state in [Some(vec![]), torn(0, 0), torn(1, 0), torn(0, 1), torn(1, 1)] {
        assert!(states.contains(&state), "{state:?}");
    }
    assert_eq!(states.len(), 5);
    file.sync_data().unwrap();
    assert_eq!(all_states(&world, "a"), [torn(1, 1)]);
}

#[test]
fn a_sync_covers_only_its_own_handle_and_order_is_kept() {
    let world = SimEnv::new(1);
    let one = world.disk.open("a", OpenHow::CreateNew).unwrap();
    world.disk.sync_dir("").unwrap();
    let two = world.disk.open("a", OpenHow::Write).unwrap();
    write_all_at(&*one, b"1111", 0).unwrap();
    write_all_at(&*two, b"22", 0).unwrap();
    two.sync_data().unwrap();
    // What the first handle wrote may be lost or kept, but never lies over what came after it.
    let states = all_states(&world, "a");
    assert!(states.contains(&Some(b"22".to_vec())) && states.contains(&Some(b"2211".to_vec())));
    assert!(states.iter().flatten().all(|bytes| bytes.starts_with(b"22")), "{states:?}");
    one.sync_data().unwrap();
    assert_eq!(all_states(&world, "a"), [Some(b"2211".to_vec())]);
}

#[test]
fn a_failed_sync_leaves_pages_that_no_sync_covers() {
    for cache in [CacheAfterFailedSync::KeepsNew, CacheAfterFailedSync::Reverts] {
        let world = SimEnv::new(1);
        let file = world.disk.open("a", OpenHow::CreateNew).unwrap();
        world.disk.sync_dir("").unwrap();
        write_all_at(&*file, b"old", 0).unwrap();
        file.sync_data().unwrap();
        write_all_at(&*file, b"new", 0).unwrap();
        world.disk.plan(Fault::new(Effect::SyncFails(cache)).on(Call::SyncData));
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        let shown: &[u8] = if cache == CacheAfterFailedSync::KeepsNew { b"new" } else { b"old" };
        assert_eq!(content(&world.disk, "a").unwrap(), shown);
        assert!(all_states(&world, "a").contains(&Some(b"old".to_vec())), "{cache:?}");
        write_all_at(&*file, b"new", 0).unwrap();
        file.sync_data().unwrap();
        assert_eq!(all_states(&world, "a"), [Some(b"new".to_vec())]);
    }
}

#[test]
fn names_are_kept_in_an_order_that_makes_sense() {
    let world = SimEnv::new(1);
    let file = world.disk.open("a.tmp", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, b"x", 0).unwrap();
    file.sync_data().unwrap();
    world.disk.rename("a.tmp", "a").unwrap();
    world.disk.create_dir("d").unwrap();
    drop(world.disk.open("d/b", OpenHow::CreateNew).unwrap());
    world.disk.sync_dir("d").unwrap();
    let mut choices = Choices::enumerated();
    let mut listings = std::collections::BTreeSet::new();
    loop {
        listings.insert(world.disk.after_power_loss(&mut choices).listing());
        if !choices.next_round() {
            break;
        }
    }
    let names: Vec<_> =
        listings.iter().map(|text| text.replace("  ", "").replace('\n', ",")).collect();
    assert_eq!(names, ["", "a 1,", "a 1,d/,d/b 0,", "a.tmp 1,", "a.tmp 1,d/,d/b 0,", "d/,d/b 0,"]);
}

#[test]
fn the_death_of_the_process_loses_nothing_and_makes_nothing_durable() {
    let world = SimEnv::new(1);
    let file = world.disk.open("a", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, b"kept", 0).unwrap();
    let disk = world.disk.after_kill();
    assert_eq!(content(&disk, "a").unwrap(), b"kept");
    // The next process syncs, but not through the handle that wrote.
    disk.open("a", OpenHow::Write).unwrap().sync_data().unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(content(&disk.after_losing_everything_unsynced(), "a").unwrap(), b"");
}

#[test]
fn planned_calls_go_wrong() {
    let world = SimEnv::new(1);
    let disk = &world.disk;
    let file = disk.open("a", OpenHow::CreateNew).unwrap();
    disk.plan(Fault::new(Effect::Errno(libc::EINTR)).on(Call::WriteAt).nth(2));
    disk.plan(Fault::new(Effect::Short).on(Call::WriteAt).nth(3));
    write_all_at(&*file, b"one", 0).unwrap();
    write_all_at(&*file, b"three", 3).unwrap();
    assert_eq!(content(disk, "a").unwrap(), b"onethree");
    disk.plan(Fault::new(Effect::Zero).on(Call::WriteAt).from_then_on());
    assert_eq!(write_all_at(&*file, b"x", 0).unwrap_err().kind(), io::ErrorKind::WriteZero);
    disk.plan(Fault::new(Effect::Errno(libc::EIO)).on(Call::ReadAt).at_path("b"));
    assert_eq!(content(disk, "a").unwrap(), b"onethree");
    disk.heal();
    disk.plan(Fault::new(Effect::FlippedBit).on(Call::ReadAt));
    assert_ne!(content(disk, "a").unwrap(), b"onethree");
    disk.plan(Fault::new(Effect::Misdirected(512)).on(Call::WriteAt));
    write_all_at(&*file, b"ONE", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(content(disk, "a").unwrap(), b"ONEthree");
    let after = disk.after_losing_everything_unsynced();
    assert_eq!(content(&after, "a").unwrap()[512..], *b"ONE");
    after.rot("a", 0, 0xff).unwrap();
    assert_ne!(content(&after, "a").unwrap()[0], b'o');
}

#[test]
fn space_and_handles_run_out_and_come_back() {
    let world = SimEnv::new(1);
    let disk = &world.disk;
    let file = disk.open("a", OpenHow::CreateNew).unwrap();
    write_all_at(&*file, &[1; 100], 0).unwrap();
    disk.limit_space(150);
    file.reserve(100, 100).unwrap();
    assert_eq!(disk.available_bytes().unwrap(), 50);
    write_all_at(&*file, &[2; 100], 100).unwrap();
    let full = write_all_at(&*file, &[3; 100], 200).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 250, "what found space was written");
    file.set_len(100).unwrap();
    assert_eq!(disk.available_bytes().unwrap(), 150);
    assert_eq!(file.reserve(100, 151).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.remove_file("a").unwrap();
    assert_eq!(disk.available_bytes().unwrap(), 250);
    disk.limit_handles(1);
    let error = disk.open("b", OpenHow::CreateNew).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    drop(file);
    drop(disk.open("b", OpenHow::CreateNew).unwrap());
    assert_eq!(disk.open_handles(), 0);
}
