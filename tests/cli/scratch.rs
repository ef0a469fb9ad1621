//! A data directory of a test, and the program running on it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::program::{Run, ottla, run, run_with_input};

/// A data directory that goes away with the test.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// No directory yet: the first verb that writes makes it.
    pub(crate) fn new() -> Scratch {
        Scratch { folder: tempfile::tempdir().expect("a scratch folder") }
    }

    /// A directory with a topic `orders` of that many partitions.
    #[track_caller]
    pub(crate) fn with_topic(partitions: i32) -> Scratch {
        let scratch = Scratch::new();
        let count = partitions.to_string();
        scratch.run(&["topic", "create", "orders", "--partitions", &count]).done();
        scratch
    }

    /// A directory whose topic `orders` holds these lines in its only partition.
    #[track_caller]
    pub(crate) fn with_lines(lines: &str) -> Scratch {
        let scratch = Scratch::with_topic(1);
        scratch.produce(&["orders"], lines).done();
        scratch
    }

    /// The data directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A place beside the data directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with `--dir`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ottla();
        command.arg("--dir").arg(self.path()).args(arguments);
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    #[track_caller]
    pub(crate) fn produce(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut all = vec!["produce"];
        all.extend(arguments);
        run_with_input(&mut self.command(&all), input.as_ref())
    }

    #[track_caller]
    pub(crate) fn consume(&self, arguments: &[&str]) -> Run {
        let mut all = vec!["consume"];
        all.extend(arguments);
        self.run(&all)
    }

    /// Starts `produce --print-acks`, to be fed line by line.
    #[track_caller]
    pub(crate) fn start_producer(&self, arguments: &[&str]) -> RunningProducer {
        let mut all = vec!["produce", "--print-acks"];
        all.extend(arguments);
        let mut command = self.command(&all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let acks = BufReader::new(child.stdout.take().expect("a pipe"));
        RunningProducer { child, input, acks }
    }

    /// The segment files of a partition, in order.
    pub(crate) fn segments(&self, partition: &str) -> Vec<PathBuf> {
        let mut segments: Vec<PathBuf> = fs::read_dir(self.path().join(partition))
            .expect("a partition")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        segments.sort();
        segments
    }

    /// Every file with its content, and every directory: what a reader must leave as it is.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut queue = vec![self.path()];
        while let Some(path) = queue.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).expect("a directory");
                queue.extend(entries.map(|entry| entry.expect("an entry").path()));
                found.insert(path, None);
            } else {
                let bytes = fs::read(&path).expect("a file");
                found.insert(path, Some(bytes));
            }
        }
        found
    }
}

/// A producer that waits for lines.
pub(crate) struct RunningProducer {
    child: Child,
    input: ChildStdin,
    acks: BufReader<ChildStdout>,
}

impl RunningProducer {
    /// Writes a line and waits for its ack.
    #[track_caller]
    pub(crate) fn send(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("the program reads");
        let mut ack = String::new();
        self.acks.read_line(&mut ack).expect("an ack");
        ack.trim_end().to_owned()
    }

    /// Kills the program the hard way.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is still there");
        self.child.wait().expect("it ends");
    }

    /// Ends the input and waits for the program.
    #[track_caller]
    pub(crate) fn finish(self) {
        let RunningProducer { mut child, input, acks: _acks } = self;
        drop(input);
        assert!(child.wait().expect("it ends").success());
    }
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, position: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[position] ^= 1;
    fs::write(path, bytes).expect("a file");
}
