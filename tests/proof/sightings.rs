//! Which harness sees which planted bug. A harness that finds its bugs itself says `name: found
//! ...`; any other is run with the bug awake, and must go red. Before that it is run with all bugs
//! asleep, and must not: what is seen is the bug.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::campaign::law_of;

/// A harness in a build that holds the bugs.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Its layer.
    pub layer: &'static str,
    /// The program and its arguments, from the root of the sources.
    pub command: &'static [&'static str],
    /// What the environment says.
    pub environment: &'static [(&'static str, &'static str)],
    /// The bugs to wake one after the other; empty: it wakes them itself.
    pub bugs: &'static [&'static str],
}

/// A bug that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The bug.
    pub bug: String,
    /// Who saw it.
    pub layer: String,
    /// The law that broke, and when.
    pub how: String,
    /// How long that took.
    pub seconds: u64,
    /// The command.
    pub command: String,
    /// The commit.
    pub commit: String,
}

/// A bug counts as missed by a harness that is not red by then.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where and with what ways are gone.
#[derive(Clone, Debug)]
pub struct Search {
    /// The root of the sources.
    pub root: PathBuf,
    /// The file to which sightings are added.
    pub sightings: PathBuf,
    /// Where output goes.
    pub logs: PathBuf,
    /// The commit that is tried.
    pub commit: String,
    /// Only this bug.
    pub only: Option<String>,
}

impl Way {
    /// As a person would type it.
    pub fn line(&self, bug: Option<&str>) -> String {
        let mut words: Vec<String> =
            self.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        words.extend(bug.map(|bug| format!("OTTLA_PLANTED={bug}")));
        words.push("RUSTFLAGS=\"--cfg plant\"".to_owned());
        words.extend(self.command.iter().map(|word| (*word).to_owned()));
        words.join(" ")
    }
}

impl Search {
    /// Goes this way; the bugs that it should have seen and did not.
    ///
    /// # Errors
    /// It cannot be started, or is red while all bugs are asleep.
    pub fn go(&self, way: &Way) -> io::Result<Vec<String>> {
        fs_create(&self.logs)?;
        if way.bugs.is_empty() {
            return self.listen(way);
        }
        let wanted = |bug: &&&str| self.only.as_ref().is_none_or(|only| only == **bug);
        let bugs: Vec<_> = way.bugs.iter().filter(wanted).collect();
        if bugs.is_empty() {
            return Ok(Vec::new());
        }
        let (status, log, _) = self.run(way, None)?;
        if !status.is_some_and(|status| status.success()) {
            let law = law_of(&log)?;
            let line = way.line(None);
            return Err(io::Error::other(format!("red with all bugs asleep: {line}: {law}")));
        }
        let mut missed = Vec::new();
        for bug in bugs {
            let (status, log, seconds) = self.run(way, Some(bug))?;
            // What does not end is a sighting as well only if it says so itself.
            if status.is_none_or(|status| status.success()) {
                missed.push((*bug).to_owned());
                continue;
            }
            self.note(way, bug, law_of(&log)?, seconds)?;
        }
        Ok(missed)
    }

    /// A way that wakes the bugs itself.
    fn listen(&self, way: &Way) -> io::Result<Vec<String>> {
        let (status, log, seconds) = self.run(way, self.only.as_deref())?;
        #[expect(clippy::disallowed_methods, reason = "a log of its own")]
        let text = fs::read_to_string(&log)?;
        for line in text.lines() {
            if let Some((bug, how)) = found_in(line) {
                self.note(way, bug, how.to_owned(), seconds)?;
            }
        }
        let missed = text.lines().filter_map(|line| line.split_once(": NOT FOUND"));
        let mut missed: Vec<String> = missed.map(|(bug, _)| bug.trim().to_owned()).collect();
        if !status.is_some_and(|status| status.success()) && missed.is_empty() {
            missed.push(format!("{}: {}", way.line(None), law_of(&log)?));
        }
        Ok(missed)
    }

    /// Runs it with this bug awake; no status if it took too long.
    #[expect(clippy::disallowed_methods, reason = "watches a process, not the library")]
    fn run(&self, way: &Way, bug: Option<&str>) -> io::Result<(Option<ExitStatus>, PathBuf, u64)> {
        let log = self.logs.join(format!("{}-{}.log", way.layer, bug.unwrap_or("asleep")));
        let output = File::create(&log)?;
        let mut command = Command::new(way.command[0]);
        command.args(&way.command[1..]).current_dir(&self.root);
        command.envs(way.environment.iter().copied()).env("RUSTFLAGS", "--cfg plant");
        command.env_remove("OTTLA_PLANTED").env_remove("OTTLA_EVIDENCE");
        command.envs(bug.map(|bug| ("OTTLA_PLANTED", bug)));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let began = Instant::now();
        let mut child = command.spawn()?;
        // One that wakes its bugs itself goes through all of them.
        let patience = if way.bugs.is_empty() { PATIENCE * 10 } else { PATIENCE };
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            // Building counts for nothing, and is done with all bugs asleep.
            if bug.is_some() && began.elapsed() > patience {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        Ok((status, log, began.elapsed().as_secs()))
    }

    #[expect(clippy::disallowed_methods, reason = "a file of its own")]
    #[expect(clippy::print_stdout, reason = "says what was seen")]
    fn note(&self, way: &Way, bug: &str, how: String, seconds: u64) -> io::Result<()> {
        println!("      {bug}: seen by {}: {how}", way.layer);
        let command = way.line((!way.bugs.is_empty()).then_some(bug));
        let sighting = Sighting {
            bug: bug.to_owned(),
            layer: way.layer.to_owned(),
            how,
            seconds,
            command,
            commit: self.commit.clone(),
        };
        let mut line = serde_json::to_vec(&sighting)?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).open(&self.sightings)?.write_all(&line)
    }
}

#[expect(clippy::disallowed_methods, reason = "a folder of its own")]
fn fs_create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// What a line says that a harness found.
fn found_in(line: &str) -> Option<(&str, &str)> {
    let (bug, how) = line.split_once(": found")?;
    // The name of the test may stand in front of it.
    let bug = bug.rsplit(' ').next()?;
    let how = how.trim_start_matches([':', ',', ' ']);
    let is_name = !bug.is_empty() && bug.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_name.then_some((bug, how))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(folder: &Path) -> Search {
        Search {
            root: folder.to_owned(),
            sightings: folder.join("planted.jsonl"),
            logs: folder.join("logs"),
            commit: "abc".to_owned(),
            only: None,
        }
    }

    #[test]
    fn a_way_that_goes_red_saw_the_bug() {
        let folder = tempfile::tempdir().expect("a folder");
        let way = Way {
            layer: "orders",
            command: &["sh", "-c", "test \"$OTTLA_PLANTED\" != same_salt || { echo law; exit 1; }"],
            environment: &[],
            bugs: &["same_salt", "marker_first"],
        };
        let missed = search(folder.path()).go(&way).expect("it runs");
        assert_eq!(missed, ["marker_first"]);
        #[expect(clippy::disallowed_methods, reason = "its own file")]
        let text = fs::read_to_string(folder.path().join("planted.jsonl")).expect("a sighting");
        let seen: Sighting = serde_json::from_str(text.trim()).expect("JSON");
        assert_eq!((seen.bug.as_str(), seen.how.as_str()), ("same_salt", "law"));
    }

    #[test]
    fn a_way_that_is_always_red_sees_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let way =
            Way { layer: "orders", command: &["false"], environment: &[], bugs: &["same_salt"] };
        let error = search(folder.path()).go(&way).expect_err("it is red anyway");
        assert!(error.to_string().contains("asleep"), "{error}");
    }

    #[test]
    fn what_a_harness_found_itself_is_read() {
        let line = "test planted ... same_salt: found after 3 states, in levels: prefix";
        assert_eq!(found_in(line), Some(("same_salt", "after 3 states, in levels: prefix")));
        assert_eq!(found_in("marker_first: found: damage"), Some(("marker_first", "damage")));
        assert_eq!(found_in("same_salt: NOT FOUND in 3"), None);
    }
}
