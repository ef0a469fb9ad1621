//! A driver that runs: what it said so far, and how it is ended.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::lines;
use crate::oracle::Read;
use crate::oracle::protocol::Report;
use crate::storm::Life;

/// No program needs longer to open a directory of this size.
const OPEN_TIMEOUT: Duration = Duration::from_secs(120);

/// A process and the lines that it has printed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    heard: Arc<Heard>,
    reader: JoinHandle<()>,
}

#[derive(Debug)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    reports: Vec<(Report, Read)>,
    /// What the next line is.
    read: Read,
    is_ready: bool,
    has_ended: bool,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads until the pipe is empty: a line that was written before a kill counts. One without its
    /// end was cut by it.
    fn listen(&self, output: ChildStdout) {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|length| length > 0) {
            let report = line.strip_suffix('\n').and_then(Report::parse);
            if let Some(report) = report {
                let mut state = self.state();
                if report == Report::Ready {
                    state.is_ready = true;
                    self.changed.notify_all();
                }
                let read = state.read;
                state.reports.push((report, read));
            }
            line.clear();
        }
        self.state().has_ended = true;
        self.changed.notify_all();
    }
}

/// A driver of this program.
pub(crate) fn storm(life: &Life) -> Result<Command, String> {
    let mut command = driver("storm", &life.directory)?;
    command.args([life.seed.to_string(), life.cycle.to_string()]);
    command.args(["--threads", &life.threads.to_string()]);
    if let Some(producer) = &life.producer {
        command.args(["--producer", &producer.to_string()]);
    }
    Ok(command)
}

/// A driver that only opens.
pub(crate) fn opener(directory: &Path) -> Result<Command, String> {
    driver("opener", directory)
}

fn driver(name: &str, directory: &Path) -> Result<Command, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["driver", name]).arg(directory);
    Ok(command)
}

/// The same program, whose syncs return at once and do nothing.
pub(crate) fn without_syncs(program: &Command) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
    command.args(["-e", "inject=fsync,fdatasync:retval=0"]);
    command.arg(program.get_program()).args(program.get_args());
    command
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Result<Running, String> {
        let (child, output) = lines::start(&mut command)?;
        let state =
            State { reports: Vec::new(), read: Read::InTime, is_ready: false, has_ended: false };
        let heard = Arc::new(Heard { state: Mutex::new(state), changed: Condvar::new() });
        let listening = Arc::clone(&heard);
        let reader = thread::spawn(move || listening.listen(output));
        Ok(Running { child, heard, reader })
    }

    /// Waits until the directory is open, or the program has ended by itself.
    pub(crate) fn wait_until_ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + OPEN_TIMEOUT;
        let mut state = self.heard.state();
        while !state.is_ready && !state.has_ended {
            let Some(rest) = deadline.checked_duration_since(Instant::now()) else {
                return Err("open: the directory does not open".to_owned());
            };
            let waited = self.heard.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        Ok(())
    }

    /// Whatever is read from now on comes too late.
    pub(crate) fn believe_no_more(&self) {
        self.heard.state().read = Read::TooLate;
    }

    /// Tells it to close.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        let input = self.child.stdin.as_mut().ok_or("no pipe")?;
        input.write_all(b"close\n").map_err(|error| format!("it died by itself: {error}"))
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.child.kill().map_err(|error| error.to_string())
    }

    /// Kills the program that this one traces; the tracer then ends in the same way.
    pub(crate) fn kill_traced(&mut self) -> Result<(), String> {
        let tracer = self.child.id();
        let path = format!("/proc/{tracer}/task/{tracer}/children");
        let children = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let numbers = children.split_whitespace().filter_map(|word| word.parse().ok());
        for process in numbers.filter_map(rustix::process::Pid::from_raw) {
            // One that is gone already needs no kill.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
        Ok(())
    }

    /// Waits for its end and returns all that it said. It must have ended well, or by the kill.
    pub(crate) fn end(mut self, is_killed: bool) -> Result<Vec<(Report, Read)>, String> {
        // Should it live on, as the child of a tracer does, it sees this and ends.
        drop(self.child.stdin.take());
        // Its thread ends with the pipe.
        let _ = self.reader.join();
        let status = self.child.wait().map_err(|error| error.to_string())?;
        let reports = std::mem::take(&mut self.heard.state().reports);
        let failed = reports.iter().find_map(|report| match report {
            (Report::Failed(what), Read::InTime) => Some(what.clone()),
            _ => None,
        });
        match failed {
            Some(what) => Err(what),
            None if is_killed && status.code().is_none() || status.success() => Ok(reports),
            None => Err(format!("crash: the driver ended with {status}")),
        }
    }
}
