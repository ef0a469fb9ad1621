//! What the answers of a disturbed session must be, and what the directory must hold afterwards.

use std::path::Path;

use crate::account::{Account, look, look_with_tool};
use crate::deeds::{Deeds, GROUP};
use crate::session::{Answer, Session, brief, brief_of};
use crate::syscalls::Fault;
use crate::tool;
use crate::tried::Tried;
use crate::verdict::Stop;

/// Kinds that a failed call may have: it is told as what it is.
pub(super) fn kinds_of(error: &str) -> &'static [&'static str] {
    match error {
        "ENOSPC" | "EDQUOT" | "EFBIG" => &["NoSpace", "Poisoned"],
        _ => &["Io", "Poisoned"],
    }
}

/// Calls that are made again when they were interrupted.
const RESUMED: &[&str] = &["pwrite64", "pread64", "openat", "fallocate", "ftruncate"];

/// While the session lived.
pub(super) fn check_answers(fault: &Fault, answers: &[(String, Answer)]) -> Result<(), Stop> {
    let error = fault.what.trim_start_matches("error=");
    let mut is_poisoned = false;
    let mut has_failed = false;
    let mut is_open = false;
    for (command, answer) in answers {
        let said = || format!("{:?}: {}", brief(command), brief_of(answer));
        if *answer == Answer::Gone {
            return Err(Stop::Broken(format!("clean error: {}", said())));
        }
        is_open |= command == "open" && matches!(answer, Answer::Done(_));
        let Answer::Refused(kind, _) = answer else { continue };
        if kind == "Corrupt" {
            return Err(Stop::Broken(format!("no damage where there is none: {}", said())));
        }
        if error == "EINTR" && RESUMED.contains(&fault.call.name) {
            return Err(Stop::Broken(format!("interrupted calls go on: {}", said())));
        }
        let is_first = !has_failed;
        if is_first && !kinds_of(error).contains(&kind.as_str()) {
            return Err(Stop::Broken(format!("clean error: {}", said())));
        }
        let is_append = command.starts_with("append") || command.starts_with("together");
        let is_well = fault.is_once() && has_failed && !is_poisoned && is_open;
        if is_well && is_append && kind != "Poisoned" && kind != "UnknownTopicOrPartition" {
            return Err(Stop::Broken(format!("goes on: {}", said())));
        }
        has_failed = true;
        is_poisoned |= kind == "Poisoned";
    }
    Ok(())
}

/// In fresh processes: the tool, then a session that recovers, appends and closes, then `verify`.
pub(super) fn check_directory(
    directory: &Path,
    mut account: Account,
    tried: &mut Tried,
) -> Result<(), Stop> {
    // Before anything was opened for writing there may be no directory, or half of one.
    if account.has_anything() && tried.counted("runs").is_multiple_of(4) {
        account.check(&look_with_tool(directory)?)?;
        tried.count("looks with the tool", 1);
    }
    let mut session = Session::start(directory)?;
    let opened = session.done("open", "open")?;
    if !opened.is_empty() {
        return Err(Stop::Broken(format!("open: it says {opened}")));
    }
    account.check(&look(&mut session, &[GROUP])?)?;
    let mut deeds = Deeds::from(1_000_000);
    let mut commands = vec!["create after 1".to_owned()];
    commands.extend(["all", "1"].map(|acks| format!("append after 0 {acks} {}", deeds.value(50))));
    if account.has("plain") {
        commands.push(format!("transaction plain {} 0 1 @ {GROUP} plain 0 0", deeds.value(50)));
    }
    for command in &commands {
        account.note(command, &Answer::Done(session.done("goes on", command)?));
    }
    account.check(&look(&mut session, &[GROUP])?)?;
    session.done("close", "close")?;
    drop(session);
    if tried.counted("runs").is_multiple_of(4) {
        tool::run(directory, &["verify"])
            .map_err(|what| Stop::Broken(format!("verify: {what}")))?;
    }
    Ok(())
}
