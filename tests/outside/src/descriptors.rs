//! Few descriptors: every limit from where the program just starts upwards. Whatever cannot be done is
//! a clean error, nothing that was acked is lost, and many partitions need no more descriptors than
//! few.

use std::path::Path;

use clap::Args;

use crate::account::Account;
use crate::deeds::Deeds;
use crate::session::{Answer, Session, brief, brief_of, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, aftermath, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct Descriptors {
    /// The smallest limit.
    #[arg(long, default_value_t = 6)]
    from: u32,
    /// The largest one.
    #[arg(long, default_value_t = 24)]
    to: u32,
    /// Partitions that share 64 descriptors.
    #[arg(long, default_value_t = 300)]
    partitions: u32,
}

/// Under which many partitions are used.
const FEW: u32 = 64;

pub(crate) fn campaign(descriptors: &Descriptors, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("descriptors", "each limit of descriptors, many partitions", seed, |tried| {
        let scratch = scratch::make_fast("descriptors", terms.scratch.as_deref())?;
        for limit in descriptors.from..=descriptors.to {
            let directory = scratch.path().join(format!("limit-{limit}"));
            let outcome = under(limit, &directory, tried).and_then(|()| {
                // The same on a directory that is there, and through the tool.
                tools_under(limit, &directory, tried)
            });
            outcome.map_err(|stop| stop.in_case(&format!("{limit} descriptors")))?;
        }
        let directory = scratch.path().join("many");
        many(&directory, descriptors.partitions, tried)
    })
}

fn limited(limit: u32) -> Vec<String> {
    words(&format!("prlimit --nofile={limit}:{limit}"))
}

fn under(limit: u32, directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    tried.fault(&["F18"]);
    let mut account = Account::default();
    let mut session = Session::under(&limited(limit), directory)?;
    let mut refused = 0;
    for command in Deeds::default().life() {
        let answer = session.ask(&command)?;
        account.note(&command, &answer);
        match &answer {
            Answer::Done(_) => {}
            // It could not even be loaded.
            Answer::Gone if refused == 0 && command == "open" => return Ok(()),
            Answer::Refused(kind, _) if kind == "Corrupt" => {
                let what = format!("{:?}: {}", brief(&command), brief_of(&answer));
                return Err(Stop::Broken(format!("no damage where there is none: {what}")));
            }
            Answer::Refused(..) => refused += 1,
            Answer::Gone => {
                return Err(Stop::Broken(format!("clean error: dead at {:?}", brief(&command))));
            }
        }
    }
    drop(session);
    tried.count("deeds refused", refused);
    tried.count("records acked", account.acked());
    aftermath::check(directory, account, limit.is_multiple_of(3))
}

/// The tool ends with 0 or as a failed call.
fn tools_under(limit: u32, directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let verbs: [&[&str]; 6] = [
        &["info"],
        &["verify"],
        &["consume", "after"],
        &["group", "list"],
        &["topic", "create", "more", "--if-not-exists"],
        &["topic", "describe"],
    ];
    for verb in verbs {
        tried.fault(&["F18"]);
        let output = tool::output_under(&limited(limit), directory, verb).map_err(Stop::Harness)?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let is_loaded = !complaint.contains("shared libraries");
        match output.status.code() {
            Some(0) => tried.count("verbs done", 1),
            Some(4) => tried.count("verbs refused", 1),
            _ if !is_loaded => {}
            _ => {
                let what = format!("{verb:?}: {}: {complaint}", output.status);
                return Err(Stop::Broken(format!("exit codes: {what}")));
            }
        }
    }
    let verified = tool::run(directory, &["verify"]);
    verified.map(drop).map_err(|what| Stop::Broken(format!("verify: {what}")))
}

/// Many partitions under few descriptors.
fn many(directory: &Path, partitions: u32, tried: &mut Tried) -> Result<(), Stop> {
    tried.fault(&["F18"]);
    tried.count("partitions under 64 descriptors", u64::from(partitions));
    let mut session = Session::under(&limited(FEW), directory)?;
    session.done("bounded", "open")?;
    session.done("bounded", &format!("create many {partitions}"))?;
    let mut most = 0;
    for round in 0..2 {
        for number in 0..partitions {
            let acks = if (number + round) % 50 == 0 { "all" } else { "1" };
            let value = format!("{round}-{number}");
            session.done("bounded", &format!("append many {number} {acks} {value}"))?;
            if number.is_multiple_of(20) {
                most = most.max(session.descriptors());
            }
        }
        session.done("bounded", "checkpoint")?;
    }
    session.done("bounded", "close")?;
    drop(session);
    tried.count("descriptors open at most", most);
    // With the defaults of the library, which would use more.
    let few = limited(FEW);
    let run = |verb: &[&str]| -> Result<String, Stop> {
        let output = tool::output_under(&few, directory, verb).map_err(Stop::Harness)?;
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(Stop::Broken(format!("bounded: {verb:?}: {complaint}"))),
        }
    };
    let text = run(&["consume", "many", "-f", "%p %o %s\\n"])?;
    let found = text.lines().count() as u64;
    let expected = (0..2).flat_map(|round| (0..partitions).map(move |p| (round, p)));
    let lines: std::collections::BTreeSet<&str> = text.lines().collect();
    for (round, number) in expected {
        if !lines.contains(format!("{number} {round} {round}-{number}").as_str()) {
            return Err(Stop::Broken(format!("acked is there: many-{number}@{round}")));
        }
    }
    tried.count("records read under 64 descriptors", found);
    run(&["verify"]).map(drop)
}
