//! How a harness ends: one line that says it, and an exit status that a script can go by.

use std::process::ExitCode;

/// Why a harness stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A promise was broken. Begins with the law: `acked is there: ...`.
    Broken(String),
    /// This machine does not allow it: no root, no loop devices, a program that is missing.
    NotRun(String),
    /// The harness itself could not go on. No promise was judged, so this is no success either.
    Harness(String),
}

impl Stop {
    /// Says in which case it was.
    pub(crate) fn in_case(self, case: &str) -> Stop {
        match self {
            Stop::Broken(what) => Stop::Broken(format!("{what} ({case})")),
            other => other,
        }
    }

    /// What a harness that cannot go on says of an error of its own.
    pub(crate) fn harness(what: &str) -> impl FnOnce(std::io::Error) -> Stop {
        move |error| Stop::Harness(format!("{what}: {error}"))
    }
}

/// What a harness comes back with: the line that says what was tried and lost.
pub(crate) type Verdict = Result<String, Stop>;

/// Prints the last line. A machine that does not allow a harness is no failure of it.
pub(crate) fn tell(harness: &str, seed: u64, verdict: Verdict) -> ExitCode {
    match verdict {
        Ok(summary) => {
            println!("{harness}: passed: {summary}");
            ExitCode::SUCCESS
        }
        Err(Stop::NotRun(why)) => {
            println!("{harness}: not run: {why}");
            ExitCode::SUCCESS
        }
        Err(Stop::Broken(what)) => {
            println!("{what}");
            println!("{harness}: FAILED, OTTLA_SEED={seed}");
            ExitCode::FAILURE
        }
        Err(Stop::Harness(what)) => {
            println!("{harness}: could not go on, OTTLA_SEED={seed}: {what}");
            ExitCode::from(2)
        }
    }
}
