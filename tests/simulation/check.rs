//! One crash state: opened, read, held against the laws, and then one of several further trials,
//! which one the state itself decides.

use ottla::env::sim::{Call, Choices, CrashState, Effect, Fault, SimEnv};
use ottla::env::vfs::Vfs;
use ottla::{Acks, Broker, Message, OffsetReset, OffsetScope, RecoveryReport};

use crate::laws;
use crate::model::{Model, SeenTopic};
use crate::reader::{Files, read_all, read_files};
use crate::retries::a_retry_makes_no_second_copy;
use crate::run::options;
use crate::streams::hold_streams;
use crate::transactions::no_spill_is_left;
use crate::workload::GROUPS;

/// What a disk says that cannot read a sector.
const EIO: i32 = 5;

/// Every how many states each of the trials is made.
const TRIALS_ONE_IN: u64 = 2;

/// Holds all laws against a state.
pub fn check(crash: &CrashState, model: &Model) -> Result<(), String> {
    let dice = crash.world().disk.hash() >> 7;
    let trial = if dice.is_multiple_of(TRIALS_ONE_IN) { dice / TRIALS_ONE_IN % 7 } else { 9 };
    if dice.is_multiple_of(16) {
        a_failing_read_is_no_end_of_a_log(crash, dice)?;
    }
    let before = (trial == 0).then(|| read_files(&crash.world().disk));
    let broker = open(crash.world())?;
    crash.recovery_ends_here();
    no_spill_is_left(&crash.world().disk, "an open")?;
    let seen = read_all(&broker)?;
    let world = crash.world();
    hold_streams(&broker, &seen)?;
    if let Some(clamped) = broker.recovery_report().offsets_clamped.first() {
        return Err(format!("offsets: one lay beyond the end: {clamped:?}"));
    }
    laws::hold(model, crash.position() as i64, crash.lost_power(), &seen).map_err(|broken| {
        let recording = world.disk.recording();
        let did = recording.describe(recording.len(), usize::MAX);
        format!("{broken}\n{:?}\nopening did:\n{did}", broker.recovery_report())
    })?;
    match trial {
        0 => {
            let files = read_files(&world.disk);
            cut_bytes_are_reported(&before.unwrap_or_default(), &files, broker.recovery_report())?;
            broker.abandon();
            if seen.is_empty() {
                // The open before may have been the one that wrote the catalog's first records.
                open(world)?.abandon();
            }
            a_second_open_changes_nothing(world, &read_files(&world.disk), &seen)
        }
        1 => {
            broker.abandon();
            what_was_seen_survives(world, &seen, None)
        }
        2 => {
            broker.abandon();
            what_was_seen_survives(world, &seen, Some(dice))
        }
        3 => {
            append_and_lose_power(world, &broker)?;
            broker.abandon();
            Ok(())
        }
        4 => a_close_is_clean(world, broker, &seen),
        6 => {
            let at = crash.position() as i64;
            a_retry_makes_no_second_copy(world, &broker, model, at, &seen)?;
            broker.abandon();
            Ok(())
        }
        5 => a_close_leaves_what_a_rebuild_makes(world, broker, &seen),
        _ => {
            broker.abandon();
            Ok(())
        }
    }
}

fn open(world: &SimEnv) -> Result<Broker, String> {
    let opened = options().open_in(world.env());
    opened.map_err(|error| format!("open: it does not open: {error}"))
}

/// A read that fails while the directory is opened is an error, or makes no difference: nothing
/// is cut off because of it.
fn a_failing_read_is_no_end_of_a_log(crash: &CrashState, dice: u64) -> Result<(), String> {
    let disk = &crash.world().disk;
    let fault = Fault::new(Effect::Errno(EIO)).on(Call::ReadAt).at_path(".log");
    disk.plan(fault.nth(1 + dice / 16 % 8));
    let opened = options().open_in(crash.env());
    disk.heal();
    if let Ok(broker) = opened {
        broker.abandon();
    }
    Ok(())
}

/// What an open shows must be the same as before.
fn expect_same(broker: &Broker, seen: &[SeenTopic], law: &str) -> Result<(), String> {
    let again = read_all(broker).map_err(|broken| format!("{law}: {broken}"))?;
    if again == seen {
        return Ok(());
    }
    for (was, is) in seen.iter().zip(&again) {
        for (was, is) in was.partitions.iter().zip(&is.partitions) {
            if was != is {
                let (was, is) = ((was.start, was.end), (is.start, is.end));
                return Err(format!("{law}: a reader saw {was:?}, and now {is:?}"));
            }
        }
    }
    Err(format!("{law}: a reader saw {} topics, and now {}", seen.len(), again.len()))
}

/// The phantom law: what a reader saw cannot vanish with the power.
fn what_was_seen_survives(
    world: &SimEnv,
    seen: &[SeenTopic],
    choice: Option<u64>,
) -> Result<(), String> {
    let disk = match choice {
        None => world.disk.after_losing_everything_unsynced(),
        Some(choice) => world.disk.after_power_loss(&mut Choices::seeded(choice)),
    };
    let broker = open(&world.with_disk(disk)).map_err(|broken| format!("phantom: {broken}"))?;
    let outcome = expect_same(&broker, seen, "phantom");
    broker.abandon();
    outcome
}

/// Opening again without a write in between changes nothing but the control file, which has the
/// new session's salt.
fn a_second_open_changes_nothing(
    world: &SimEnv,
    files: &Files,
    seen: &[SeenTopic],
) -> Result<(), String> {
    let broker = open(world).map_err(|broken| format!("second open: {broken}"))?;
    expect_same(&broker, seen, "second open")?;
    let report = broker.recovery_report().clone();
    broker.abandon();
    if report.bytes_cut() > 0 {
        return Err(format!("second open: it cut {} bytes", report.bytes_cut()));
    }
    // Snapshots of no producers come and go, they say nothing; an older one serves only until the
    // control file knows of the newest.
    let telling = |files: Files| -> Files {
        let newest = |name: &str| {
            let folder = name.split('/').next().unwrap_or_default();
            let mut snapshots = files.keys().filter(|other| other.ends_with(".snapshot"));
            snapshots.rfind(|other| other.starts_with(&format!("{folder}/")))
        };
        let tells = |(name, bytes): &(&String, &Vec<u8>)| {
            !name.ends_with(".snapshot") || (bytes.len() > 10 && newest(name) == Some(*name))
        };
        files.iter().filter(tells).map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    };
    let (was, is) = (telling(files.clone()), telling(read_files(&world.disk)));
    expect_same_files(&was, &is, "second open", &["ottla.control"])
}

fn expect_same_files(was: &Files, is: &Files, law: &str, except: &[&str]) -> Result<(), String> {
    let names: std::collections::BTreeSet<_> = was.keys().chain(is.keys()).collect();
    for name in names.into_iter().filter(|name| !except.contains(&name.as_str())) {
        let (before, after) = (was.get(name), is.get(name));
        if before != after {
            let length = |bytes: Option<&Vec<u8>>| bytes.map(Vec::len);
            let (before, after) = (length(before), length(after));
            return Err(format!("{law}: {name} changed, {before:?} to {after:?} bytes"));
        }
    }
    Ok(())
}

/// Bytes that are no zeros and that recovery cut off are in the quarantine files of its report.
fn cut_bytes_are_reported(
    before: &Files,
    after: &Files,
    report: &RecoveryReport,
) -> Result<(), String> {
    let quarantined = report.partitions.iter().flat_map(|(_, report)| &report.quarantined);
    let copies: Vec<&Vec<u8>> = quarantined.filter_map(|name| after.get(name)).collect();
    // What a compaction made takes the place of a log.
    let is_replaced = |name: &String| before.contains_key(&format!("{name}.swap"));
    let logs = before.iter().filter(|(name, _)| name.ends_with(".log") && !is_replaced(name));
    for (name, was) in logs {
        let Some(is) = after.get(name) else { continue };
        let cut = was.get(is.len()..).unwrap_or(&[]);
        let end = cut.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let cut = &cut[..end];
        let is_kept = |copy: &&&Vec<u8>| copy.windows(cut.len()).any(|window| window == cut);
        if !cut.is_empty() && copies.iter().find(is_kept).is_none() {
            return Err(format!("report: {end} bytes were cut off {name}, and are nowhere"));
        }
        if !cut.is_empty() && report.bytes_cut() == 0 {
            return Err(format!("report: {end} bytes were cut off {name}, and it says none"));
        }
    }
    Ok(())
}

/// Appends go on after a recovery, and keep their promise.
pub fn append_and_lose_power(world: &SimEnv, broker: &Broker) -> Result<(), String> {
    let law = |error: ottla::Error| format!("append after recovery: {error}");
    for topic in broker.list_topics().into_iter().filter(|topic| !topic.internal) {
        for partition in &topic.partitions {
            let name = topic.name.as_str();
            let handle = broker.partition(name, partition.partition).map_err(law)?;
            let append = |value, acks| handle.append(&[Message::new(value).key("key")], acks);
            append("written with acks=1", Acks::Leader).map_err(law)?;
            let appended = append("and durably", Acks::All).map_err(law)?;
            if appended.base_offset != partition.end_offset + 1 {
                return Err(format!("append after recovery: {appended:?} in {partition:?}"));
            }
            append("and committed", Acks::Leader).map_err(law)?;
            let only = OffsetScope::Partitions(vec![handle.name()]);
            broker.reset_offsets(GROUPS[0], &only, OffsetReset::Latest, false).map_err(law)?;
        }
    }
    let seen = read_all(broker).map_err(|broken| format!("append after recovery: {broken}"))?;
    let disk = world.disk.after_losing_everything_unsynced();
    let again = open(&world.with_disk(disk)).map_err(|b| format!("append after recovery: {b}"))?;
    let outcome = expect_same(&again, &seen, "append after recovery");
    again.abandon();
    outcome
}

/// After a close nothing is left over, and opening and closing again changes no byte.
fn a_close_is_clean(world: &SimEnv, broker: Broker, seen: &[SeenTopic]) -> Result<(), String> {
    // Folders that belong to no topic are named in the report, and left alone.
    let strangers = broker.recovery_report().unknown.clone();
    let untouched = broker.recovery_report().clean;
    broker.close().map_err(|error| format!("close: {error}"))?;
    drop(broker);
    no_spill_is_left(&world.disk, "a close")?;
    let files = read_files(&world.disk);
    let is_strange = |name: &str| strangers.iter().any(|folder| name.starts_with(folder.as_str()));
    let left_over = |name: &&String| name.ends_with(".tmp") && !is_strange(name);
    let is_data = |(name, bytes): &(&String, &Vec<u8>)| name.ends_with(".log") && !bytes.is_empty();
    if let Some((name, _)) = files.iter().filter(is_data).find(|(name, _)| is_strange(name)) {
        return Err(format!("leftovers: {name} belongs to no topic"));
    }
    if let Some(name) = files.keys().find(left_over) {
        return Err(format!("leftovers: {name} after a close"));
    }
    let disk = world.disk.after_losing_everything_unsynced();
    let lost = read_files(&disk);
    // A journal file that is empty may as well not be there, and so may a list of no epochs, and a
    // copy in quarantine of which a second one was made.
    let may_go = |name: &str, bytes: &[u8]| {
        let says_nothing = name.ends_with("epoch-checkpoint") && bytes == b"0\n0\n";
        let passing = [".journal", ".quarantine", ".tmp"].iter().any(|end| name.ends_with(end));
        passing || says_nothing || is_strange(name)
    };
    let lasting = |files: &Files| -> Files {
        let kept = files.iter().filter(|(name, bytes)| !may_go(name, bytes));
        kept.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    };
    if !untouched {
        expect_same_files(&lasting(&files), &lasting(&lost), "close", &[])
            .map_err(|broken| format!("{broken} by a power loss"))?;
    }
    let broker = open(world).map_err(|broken| format!("close: {broken}"))?;
    if !broker.recovery_report().clean {
        return Err("close: the next open does not find it clean".to_owned());
    }
    expect_same(&broker, seen, "close")?;
    broker.close().map_err(|error| format!("close: {error}"))?;
    expect_same_files(&files, &read_files(&world.disk), "close", &[])
}

/// Every derived file is what it would be if it were made anew from the logs.
fn a_close_leaves_what_a_rebuild_makes(
    world: &SimEnv,
    broker: Broker,
    seen: &[SeenTopic],
) -> Result<(), String> {
    broker.close().map_err(|error| format!("rebuild: {error}"))?;
    drop(broker);
    let is_derived = |name: &str| name.ends_with("index");
    let files = read_files(&world.disk);
    let ours = |name: &&String| name.starts_with("ottla") || is_derived(name);
    for name in files.keys().filter(ours) {
        world.disk.remove_file(name).map_err(|error| format!("rebuild: {error}"))?;
    }
    let broker = open(world).map_err(|broken| format!("rebuild: {broken}"))?;
    expect_same(&broker, seen, "rebuild")?;
    broker.close().map_err(|error| format!("rebuild: {error}"))?;
    drop(broker);
    let kept = |files: Files| -> Files {
        let of_logs = |name: &str| name.ends_with(".log") || is_derived(name);
        // An index that is missing is as good as an empty one.
        let counts = |(name, bytes): &(String, Vec<u8>)| of_logs(name) && !bytes.is_empty();
        files.into_iter().filter(counts).collect()
    };
    let (was, is) = (kept(files), kept(read_files(&world.disk)));
    expect_same_files(&was, &is, "rebuild", &[])
}
