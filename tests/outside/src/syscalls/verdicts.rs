//! What the answers of a disturbed session must be.

use crate::session::{Answer, brief, brief_of};
use crate::syscalls::Fault;
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
