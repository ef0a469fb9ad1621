//! System calls that fail, one by one: strace counts the calls of a run, and then the run is made again
//! for the k-th call of each kind, which fails in each way in which it can, once or from then on; or
//! the process is killed right at that call.
//!
//! After each the directory is opened by a fresh process: what was acked is there, what was refused as
//! surely absent stays away, and appends go on. While the session lives, a failed call is told as what it
//! is: never as damage, a full disk as such; and after a fault that came once appends go on, unless a
//! sync had failed. An interrupted read or write is no failure at all.
//!
//! Three runs: a whole life in one session, a session that finds a directory whose process was killed,
//! and `ottla produce` with its exit codes. Not tried here: calls of a map, of clocks and of threads;
//! short reads and writes (strace cannot make real ones: the simulated disk does); an `EINTR` that
//! never ends, after which nobody could go on.

mod calls;
mod produce;
mod verdicts;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::account::Account;
use crate::deeds::Deeds;
use crate::session::{Answer, Session};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, aftermath, scratch};
use calls::CALLS;

#[derive(Args, Debug)]
pub(crate) struct Syscalls {
    /// How many faults are drawn from the seed. 0 means each of them.
    #[arg(long, default_value_t = 40)]
    runs: usize,
    /// Go on until so many have broken a promise.
    #[arg(long, default_value_t = 1)]
    failures: u64,
}

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Life,
    NextLife,
    Produce,
}

/// One fault in one run.
#[derive(Clone, Debug)]
struct Fault {
    run: Run,
    call: &'static calls::Call,
    /// `error=EIO`, or `signal=KILL`.
    what: String,
    /// `7`, or `7+`.
    when: String,
    /// Whether the session is killed at its end instead of closed.
    then_killed: bool,
}

impl Fault {
    fn is_kill(&self) -> bool {
        self.what == "signal=KILL"
    }

    fn is_once(&self) -> bool {
        !self.when.ends_with('+')
    }

    fn name(&self) -> String {
        let Fault { run, what, when, then_killed, .. } = self;
        let then = if *then_killed { ", then killed" } else { "" };
        format!("{run:?}: {} {what} at {when}{then}", self.call.name)
    }

    fn wrapper(&self) -> Vec<String> {
        calls::injecting(self.call.name, &self.what, &self.when)
    }
}

/// Directories that runs begin with.
struct Ground {
    scratch: tempfile::TempDir,
    /// A directory whose process was killed, and what it had been asked for.
    left: PathBuf,
    account: Account,
}

pub(crate) fn campaign(syscalls: &Syscalls, terms: &Terms, seed: u64) -> Verdict {
    let what = "each system call fails, or the process is killed at it";
    tried::tell("syscalls", what, seed, |tried| {
        if Command::new("strace").arg("--version").output().is_err() {
            return Err(Stop::NotRun("strace is not there".to_owned()));
        }
        let ground = prepare(terms)?;
        let mut faults = faults(&ground)?;
        tried.count("faults possible", faults.len() as u64);
        let mut random = fastrand::Rng::with_seed(seed);
        if syscalls.runs > 0 && syscalls.runs < faults.len() {
            random.shuffle(&mut faults);
            faults.truncate(syscalls.runs);
        }
        for (number, fault) in faults.iter().enumerate() {
            let directory = ground.scratch.path().join(format!("run-{number}"));
            tried.fault(if fault.is_kill() { &["F1"] } else { fault.call.faults });
            if fault.what == "error=EINTR" {
                tried.fault(&["F8"]);
            }
            tried.count("runs", 1);
            let done = one(&ground, fault, &directory, tried);
            if let Err(Stop::Broken(what)) = done {
                println!("{what} ({})", fault.name());
                tried.count("failures", 1);
                if tried.counted("failures") < syscalls.failures {
                    continue;
                }
                scratch::keep(ground.scratch);
                return Err(Stop::Broken(format!("{what} ({})", fault.name())));
            }
            done?;
            std::fs::remove_dir_all(&directory).map_err(Stop::harness("cleaning up"))?;
        }
        match tried.counted("failures") {
            0 => Ok(()),
            failures => Err(Stop::Broken(format!("see above: {failures} runs broke a promise"))),
        }
    })
}

fn prepare(terms: &Terms) -> Result<Ground, Stop> {
    let scratch = scratch::make_fast("syscalls", terms.scratch.as_deref())?;
    let left = scratch.path().join("left");
    let mut account = Account::default();
    let mut session = Session::start(&left)?;
    for command in Deeds::default().life() {
        // Killed before its close, with bytes that only the kernel has.
        if command != "close" {
            account.note(&command, &Answer::Done(session.done("open", &command)?));
        }
    }
    session.kill();
    Ok(Ground { scratch, left, account })
}

/// Every fault of every run.
fn faults(ground: &Ground) -> Result<Vec<Fault>, Stop> {
    let mut faults = Vec::new();
    for run in [Run::Life, Run::NextLife, Run::Produce] {
        let trace = ground.scratch.path().join(format!("{run:?}.trace"));
        let directory = ground.scratch.path().join(format!("count-{run:?}"));
        match run {
            Run::Produce => produce::count(&calls::counting(&trace), &directory)?,
            _ => drop(live(ground, run, &calls::counting(&trace), &directory, true)?),
        }
        let times = calls::count(&trace, &directory)?;
        for call in CALLS {
            let Some(times) = times.get(call.name) else { continue };
            for k in times.before + 1..=times.all {
                add(&mut faults, run, call, k);
            }
        }
    }
    Ok(faults)
}

fn add(faults: &mut Vec<Fault>, run: Run, call: &'static calls::Call, k: u64) {
    let then_killed = k.is_multiple_of(2);
    let once = k.to_string();
    let mut put = |what: String, when: String, then_killed: bool| {
        faults.push(Fault { run, call, what, when, then_killed });
    };
    for error in call.errors {
        put(format!("error={error}"), once.clone(), then_killed);
        if *error != "EINTR" {
            put(format!("error={error}"), format!("{k}+"), !then_killed);
        }
    }
    put("signal=KILL".to_owned(), once, false);
}

/// What a session that was disturbed has said.
struct Said {
    account: Account,
    answers: Vec<(String, Answer)>,
}

/// Runs a session with strace around it.
fn live(
    ground: &Ground,
    run: Run,
    wrapper: &[String],
    directory: &Path,
    closes: bool,
) -> Result<Said, Stop> {
    let (mut account, commands) = match run {
        Run::NextLife => {
            copy(&ground.left, directory)?;
            // Numbers that the first life did not use.
            let mut deeds = Deeds::from(1_000);
            (ground.account.clone(), deeds.next_life())
        }
        _ => (Account::default(), Deeds::default().life()),
    };
    let mut session = Session::under(wrapper, directory)?;
    let mut answers = Vec::new();
    for command in commands {
        if command == "close" && !closes {
            break;
        }
        let answer = session.ask(&command)?;
        account.note(&command, &answer);
        let is_gone = answer == Answer::Gone;
        answers.push((command, answer));
        if is_gone {
            break;
        }
    }
    if !closes {
        session.kill();
    }
    Ok(Said { account, answers })
}

fn copy(from: &Path, to: &Path) -> Result<(), Stop> {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    match copied.map_err(Stop::harness("cp"))?.success() {
        true => Ok(()),
        false => Err(Stop::Harness("cp failed".to_owned())),
    }
}

fn one(ground: &Ground, fault: &Fault, directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    if fault.run == Run::Produce {
        return produce::run(fault, directory, tried);
    }
    let said = live(ground, fault.run, &fault.wrapper(), directory, !fault.then_killed)?;
    if !fault.is_kill() {
        verdicts::check_answers(fault, &said.answers)?;
    }
    tried.count("records acked", said.account.acked());
    tried.count("records refused", said.account.refused());
    let with_tool = tried.counted("runs").is_multiple_of(4);
    tried.count("looks with the tool", u64::from(with_tool));
    aftermath::check(directory, said.account, with_tool)
}
