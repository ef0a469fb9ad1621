//! The driver `script` as a process that is spoken to: a command, an answer. It may run under another
//! program (strace, prlimit, setpriv, faketime) that does something bad to it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::lines;
use crate::scratch::own_program;
use crate::verdict::Stop;

/// No deed of a script takes longer, even on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// What a session said to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done(String),
    /// Kind of the error, and its sentence.
    Refused(String, String),
    /// The process is dead. Nobody knows how far it came.
    Gone,
}

impl Answer {
    fn of(line: &str) -> Answer {
        if let Some(rest) = line.strip_prefix("error ") {
            let (kind, message) = rest.split_once(' ').unwrap_or((rest, ""));
            return Answer::Refused(kind.to_owned(), message.to_owned());
        }
        Answer::Done(line.strip_prefix("ok").unwrap_or(line).trim().to_owned())
    }

    /// Whether the outcome is unknown until the directory is opened anew.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Answer::Done(_) => false,
            Answer::Refused(kind, _) => matches!(kind.as_str(), "Poisoned" | "Timeout"),
            Answer::Gone => true,
        }
    }
}

/// A running driver.
pub(crate) struct Session {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Session {
    /// Starts the driver on a directory; nothing is opened yet.
    pub(crate) fn start(directory: &Path) -> Result<Session, Stop> {
        Session::under(&[], directory)
    }

    /// Starts it under another program.
    pub(crate) fn under(wrapper: &[String], directory: &Path) -> Result<Session, Stop> {
        let own = own_program()?;
        let mut command = wrapped(wrapper, &own);
        command.args(["driver", "script"]).arg(directory);
        let (mut child, output) = lines::start(&mut command).map_err(Stop::Harness)?;
        let input = child.stdin.take();
        Ok(Session { child, input, lines: lines::follow(output) })
    }

    /// Says a command and waits for the answer.
    ///
    /// # Errors
    /// It is silent for so long that it must hang.
    pub(crate) fn ask(&mut self, command: &str) -> Result<Answer, Stop> {
        match self.say(command) {
            true => self.hear(command),
            false => Ok(Answer::Gone),
        }
    }

    /// Says a command and does not wait. Whether the process still listens.
    pub(crate) fn say(&mut self, command: &str) -> bool {
        match &mut self.input {
            Some(input) => writeln!(input, "{command}").and_then(|()| input.flush()).is_ok(),
            None => false,
        }
    }

    /// Waits for the answer to a command that was said.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) fn hear(&mut self, command: &str) -> Result<Answer, Stop> {
        match self.lines.recv_timeout(ANSWER_TIMEOUT) {
            Ok(line) => Ok(Answer::of(&line)),
            Err(RecvTimeoutError::Disconnected) => Ok(Answer::Gone),
            Err(RecvTimeoutError::Timeout) => {
                Err(Stop::Broken(format!("goes on: no answer to {:?}", brief(command))))
            }
        }
    }

    /// Says a command that must succeed; returns what it said.
    pub(crate) fn done(&mut self, law: &str, command: &str) -> Result<String, Stop> {
        match self.ask(command)? {
            Answer::Done(said) => Ok(said),
            other => {
                Err(Stop::Broken(format!("{law}: {:?}: {}", brief(command), brief_of(&other))))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> u64 {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        entries.map_or(0, |entries| entries.count() as u64)
    }

    /// Ends it with signal 9: the driver, not the program that it runs under, which follows.
    pub(crate) fn kill(mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let inner = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        match inner.and_then(Pid::from_raw) {
            Some(pid) => drop(kill_process(pid, Signal::KILL)),
            None => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}

impl Drop for Session {
    /// Without input the driver ends; what it had open is dropped.
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// A program under another one, if there is another one.
pub(crate) fn wrapped(wrapper: &[String], program: &Path) -> Command {
    match wrapper.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

/// The words of a wrapper.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A command or an answer, short enough for a line.
pub(crate) fn brief(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

pub(crate) fn brief_of(answer: &Answer) -> String {
    match answer {
        Answer::Done(said) => format!("done: {}", brief(said)),
        Answer::Refused(kind, message) => format!("{kind}: {}", brief(message)),
        Answer::Gone => "the process is dead".to_owned(),
    }
}
