//! Two processes, or two handles, and one directory: the second one is refused at once and told who
//! holds it; a holder that was killed holds nothing; readers share; of many that start at the same
//! moment one wins.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use ottla::{Broker, ErrorKind};

use crate::session::{Answer, Session, brief_of};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct TwoProcesses {
    /// How many races.
    #[arg(long, default_value_t = 5)]
    races: u32,
    /// How many start in each.
    #[arg(long, default_value_t = 16)]
    starters: usize,
}

/// "At once", on a machine that has other work to do.
const AT_ONCE: Duration = Duration::from_secs(5);

pub(crate) fn campaign(two: &TwoProcesses, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("two-processes", "a second process, a second handle, races", seed, |tried| {
        let scratch = scratch::make_fast("two-processes", terms.scratch.as_deref())?;
        let directory = scratch.path().join("held");
        make(&directory)?;
        second_process(&directory, tried)?;
        second_handle(&directory, tried)?;
        readers(&directory, tried)?;
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..two.races {
            // Every second race is for a directory that is not there yet.
            let new = scratch.path().join(format!("race-{number}"));
            let directory = if number.is_multiple_of(2) { &directory } else { &new };
            race(directory, two.starters, random.bool(), tried)?;
        }
        Ok(())
    })
}

fn make(directory: &Path) -> Result<(), Stop> {
    let mut session = Session::start(directory)?;
    for command in ["open", "create t 1", "append t 0 all 1-x", "close"] {
        session.done("open", command)?;
    }
    Ok(())
}

fn broken(what: impl std::fmt::Display) -> Result<(), Stop> {
    Err(Stop::Broken(format!("two writers: {what}")))
}

/// Refused by a tool with exit code 5 and the holder's pid, at once.
fn refused(directory: &Path, verb: &[&str], pid: u32) -> Result<(), Stop> {
    let started = Instant::now();
    let output = tool::output(directory, verb).map_err(Stop::Harness)?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() != Some(5) {
        return broken(format!("{verb:?}: {}, expected 5: {complaint}", output.status));
    }
    if !complaint.contains(&pid.to_string()) {
        return broken(format!("{verb:?} does not name the process {pid}: {complaint}"));
    }
    match started.elapsed() {
        long if long > AT_ONCE => broken(format!("{verb:?} was refused after {long:?}")),
        _ => Ok(()),
    }
}

fn second_process(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let mut holder = Session::start(directory)?;
    holder.done("open", "open")?;
    let pid = holder.pid();
    let verbs: [&[&str]; 4] =
        [&["info"], &["verify"], &["consume", "t"], &["topic", "create", "u"]];
    for verb in verbs {
        tried.fault(&["F15"]);
        refused(directory, verb, pid)?;
    }
    let mut second = Session::start(directory)?;
    for command in ["open", "open-read-only"] {
        tried.fault(&["F15"]);
        let answer = second.ask(command)?;
        let names = matches!(&answer, Answer::Refused(kind, message)
            if kind == "Locked" && message.contains(&pid.to_string()));
        if !names {
            return broken(format!("{command}: {}", brief_of(&answer)));
        }
    }
    holder.done("goes on", "append t 0 all 2-x")?;
    holder.kill();
    tried.fault(&["F15"]);
    let started = Instant::now();
    let answer = second.ask("open")?;
    if answer != Answer::Done(String::new()) || started.elapsed() > AT_ONCE {
        return broken(format!("the holder is dead: {}", brief_of(&answer)));
    }
    let read = second.done("acked is there", "read t 0")?;
    if read != "0=1-x 1=2-x" {
        return Err(Stop::Broken(format!("acked is there: {read}")));
    }
    second.done("open", "close").map(drop)
}

/// Within this process.
fn second_handle(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let said = |error: ottla::Error| Stop::Broken(format!("open: {error}"));
    let first = Broker::open(directory).map_err(said)?;
    for read_only in [false, true] {
        tried.fault(&["F15"]);
        match Broker::options().read_only(read_only).open(directory) {
            Err(error) if error.kind() == ErrorKind::Locked => {}
            Err(error) => return broken(format!("a second handle: {error}")),
            Ok(_) => return broken("a second handle of one process was opened"),
        }
    }
    // By another name.
    let other_name = directory.join("..").join(directory.file_name().unwrap_or_default());
    if Broker::open(other_name).is_ok() {
        return broken("a second handle was opened by another name");
    }
    first.close().map_err(said)?;
    Broker::open(directory).map_err(said)?.close().map_err(said)
}

fn readers(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let mut sessions = [Session::start(directory)?, Session::start(directory)?];
    for session in &mut sessions {
        session.done("readers share", "open-read-only")?;
        session.done("readers share", "read t 0")?;
    }
    tool::run(directory, &["info"])
        .map_err(|what| Stop::Broken(format!("readers share: {what}")))?;
    tried.fault(&["F15"]);
    let mut writer = Session::start(directory)?;
    let answer = writer.ask("open")?;
    if !matches!(&answer, Answer::Refused(kind, _) if kind == "Locked") {
        return broken(format!("a writer beside readers: {}", brief_of(&answer)));
    }
    let [first, mut second] = sessions;
    first.kill();
    second.done("open", "close")?;
    writer.done("open", "open")?;
    writer.done("open", "close").map(drop)
}

/// All are started, and then told at once.
fn race(directory: &Path, starters: usize, is_killed: bool, tried: &mut Tried) -> Result<(), Stop> {
    let mut sessions = Vec::new();
    for _ in 0..starters {
        sessions.push(Session::start(directory)?);
    }
    for session in &mut sessions {
        session.say("open");
    }
    let mut winners = Vec::new();
    for mut session in sessions {
        tried.fault(&["F15"]);
        match session.hear("open")? {
            Answer::Done(_) => winners.push(session),
            // It keeps its process: a loser that ends early must not make room.
            Answer::Refused(kind, _) if kind == "Locked" => {}
            other => return broken(format!("in a race: {}", brief_of(&other))),
        }
    }
    tried.count("races", 1);
    if winners.len() != 1 {
        return broken(format!("{} of {starters} have opened it", winners.len()));
    }
    for mut winner in winners {
        winner.done("goes on", "create raced 1").or_else(|stop| match stop {
            // Made by an earlier winner.
            Stop::Broken(what) if what.contains("TopicExists") => Ok(String::new()),
            other => Err(other),
        })?;
        winner.done("goes on", "append raced 0 all 1-x")?;
        if is_killed {
            winner.kill();
        } else {
            winner.done("open", "close")?;
        }
    }
    Ok(())
}
