//! What must hold after a failure: the laws, live, after a kill and after a loss of power, and what
//! is promised for each fault.

use ottla::env::sim::{Call, Effect, MadeCall};
use ottla::{Acks, Broker, ErrorKind, Message};
use ottla_simulation::laws;
use ottla_simulation::reader::read_all;
use ottla_simulation::run::{Run, options};

use crate::script::Failed;

pub(crate) const EIO: i32 = 5;
pub(crate) const EINTR: i32 = 4;
pub(crate) const EACCES: i32 = 13;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const EFBIG: i32 = 27;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EDQUOT: i32 = 122;

/// Which promise an effect tries.
pub(crate) fn fault_of(effect: Effect, call: Call) -> &'static str {
    let is_sync = matches!(call, Call::SyncData | Call::SyncDir);
    match effect {
        Effect::SyncFails(_) => "F5",
        Effect::Errno(ENOSPC | EDQUOT | EFBIG) => "F6",
        Effect::Errno(EINTR) | Effect::Short | Effect::Zero => "F8",
        Effect::Errno(EMFILE) => "F18",
        Effect::Errno(EACCES) => "F17",
        Effect::Errno(_) if is_sync => "F5",
        _ => "F7",
    }
}

/// What an ack and a refusal mean, whatever failed: live, after the power went, after a kill.
pub(crate) fn hold_everywhere(run: &mut Run) -> Result<(), String> {
    if let Some(broker) = run.broker.clone().filter(|_| !run.cache_reverts) {
        let seen = read_all(&broker).map_err(|broken| format!("reads go on: {broken}"))?;
        // A poisoned broker may have committed what it could not show any more.
        if appends_go_on(&broker)? {
            laws::hold(&run.model, run.at(), false, &seen)
                .map_err(|broken| format!("{broken}, live"))?;
        }
    }
    let lost = run.world.with_disk(run.world.disk.after_losing_everything_unsynced());
    let broker = options().open_in(lost.env());
    let broker = broker.map_err(|error| format!("open: after a power loss: {error}"))?;
    let seen = read_all(&broker).map_err(|broken| format!("{broken}, after a power loss"))?;
    broker.abandon();
    laws::hold(&run.model, run.at(), true, &seen)
        .map_err(|broken| format!("{broken}, after a power loss"))?;
    run.faulty = false;
    run.kill().map_err(|broken| format!("{broken}, after a kill"))
}

/// Once the disk is well again a broker writes; `false` if a failed sync poisoned it.
pub(crate) fn appends_go_on(broker: &Broker) -> Result<bool, String> {
    for topic in broker.list_topics().into_iter().filter(|topic| !topic.internal) {
        let handle = broker.partition(topic.name.as_str(), 0).map_err(|e| e.to_string())?;
        let end = handle.end_offset();
        match handle.append(&[Message::new("after the failure").key("key")], Acks::All) {
            Ok(appended) if appended.base_offset == end => {
                // It is no part of the model: cut it off again.
                handle.truncate_to(end).map_err(|e| format!("goes on: {e}"))?;
            }
            Ok(appended) => return Err(format!("goes on: {appended:?} at the end {end}")),
            Err(error) if error.kind() == ErrorKind::Poisoned => return Ok(false),
            Err(error) => return Err(format!("goes on: appends do not: {error}")),
        }
    }
    match broker.checkpoint() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Poisoned => Ok(false),
        Err(error) => Err(format!("goes on: checkpoints do not: {error}")),
    }
}

/// A fault that was met.
pub(crate) struct Met<'a> {
    pub(crate) effect: Effect,
    pub(crate) once: bool,
    pub(crate) hit: &'a MadeCall,
    /// What was being done.
    pub(crate) deed: &'a str,
}

/// What is promised for the fault, beyond the laws. `is_poisoned`: the broker that lived through
/// it, if there is one, writes no more.
pub(crate) fn hold_promise(
    met: &Met<'_>,
    failed: &[Failed],
    is_poisoned: Option<bool>,
) -> Result<(), String> {
    let Met { effect, once, hit, .. } = *met;
    let transfers = matches!(hit.call, Call::ReadAt | Call::WriteAt);
    let said = failed.first().map(|failed| failed.error.to_string()).unwrap_or_default();
    match effect {
        Effect::Short | Effect::Errno(EINTR)
            if transfers && (once || effect == Effect::Short) && !failed.is_empty() =>
        {
            Err(format!("F8: an interrupted or short call is resumed, and not: {said}"))
        }
        Effect::SyncFails(_) if is_final(hit) && is_poisoned == Some(false) => {
            Err(format!("F5: a failed sync of {} is final, and appends go on", hit.path))
        }
        Effect::Errno(ENOSPC | EDQUOT | EFBIG | EMFILE) if once => {
            hold_clean(met, failed, is_poisoned)
        }
        _ => Ok(()),
    }
}

/// A sync after which nobody knows what the disk has.
fn is_final(hit: &MadeCall) -> bool {
    let is_log = hit.path.ends_with(".log") || hit.path.ends_with(".journal");
    hit.call == Call::SyncData && is_log
}

/// No space, or no handle: an error that says so, and nothing else.
fn hold_clean(met: &Met<'_>, failed: &[Failed], is_poisoned: Option<bool>) -> Result<(), String> {
    let Met { effect, hit, deed, .. } = *met;
    let (fault, expected) = match effect {
        Effect::Errno(EMFILE) => ("F18", ErrorKind::Io),
        _ => ("F6", ErrorKind::NoSpace),
    };
    // A disk gives these when something is made or grows, and never for the rest.
    let grows = matches!(
        hit.call,
        Call::Open | Call::CreateDir | Call::Rename | Call::WriteAt | Call::SetLen | Call::Reserve
    );
    if !grows || (fault == "F18" && hit.call != Call::Open) {
        return Ok(());
    }
    // Space in a log is reserved before the commit point: behind it no disk says that it is full.
    // A cut that stops half-way leaves a log that does not fit what readers know.
    let is_log = hit.call == Call::WriteAt && hit.path.ends_with(".log");
    if deed == "Truncate" || is_log {
        return Ok(());
    }
    if let Some(other) = failed.iter().find(|failed| failed.kind() != expected) {
        let (kind, error) = (other.kind(), &other.error);
        return Err(format!("{fault}: the answer is {kind:?}, not {expected:?}: {error}"));
    }
    if is_poisoned == Some(true) {
        let call = hit.call;
        return Err(format!(
            "{fault}: {call:?} of {} failed once, and nothing is written any more",
            hit.path
        ));
    }
    Ok(())
}
