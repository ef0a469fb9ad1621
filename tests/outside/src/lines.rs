//! A child's lines. A line counts once its line break was read: one that a kill cut short never
//! said anything.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Starts a program with pipes to its standard input and from its standard output.
pub(crate) fn start(command: &mut Command) -> Result<(Child, ChildStdout), String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let output = child.stdout.take().ok_or("no pipe")?;
    Ok((child, output))
}

/// The whole lines that a child prints, until its end. Reading goes on when it is dead: a line
/// that was written before counts.
pub(crate) fn follow(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|length| length > 0) {
            if line.ends_with('\n') && sender.send(line.trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}
