//! Runs the steps one after the other, as many at a time as the cores allow, and sees to it that
//! each leaves evidence, red ones too.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Evidence;
use crate::steps::{Length, Step};

/// What a campaign is run with.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The root of the sources.
    pub root: PathBuf,
    /// Where the evidence goes.
    pub evidence: PathBuf,
    /// Where each step's output goes.
    pub logs: PathBuf,
    /// How long each step is.
    pub length: Length,
    /// The commit that is tried.
    pub commit: String,
    /// How many cores there are.
    pub cores: usize,
}

/// A step on its way.
struct Running {
    step: Step,
    name: String,
    child: Child,
    log: PathBuf,
    began: Instant,
}

impl Campaign {
    /// Runs the steps; how many went red.
    ///
    /// # Errors
    /// A step that cannot be started, evidence that cannot be written.
    #[expect(clippy::disallowed_methods, reason = "watches processes, not the library")]
    #[expect(clippy::print_stdout, reason = "says how far it is")]
    pub fn run(&self, steps: &[Step]) -> io::Result<usize> {
        fs::create_dir_all(&self.logs)?;
        let (mut waiting, mut running, mut red) = (steps.iter().enumerate(), Vec::new(), 0);
        let mut next = waiting.next();
        while next.is_some() || !running.is_empty() {
            let busy: usize = running.iter().map(|running: &Running| running.step.cores).sum();
            match next {
                Some((number, step)) if busy == 0 || busy + step.cores <= self.cores => {
                    let name = format!("{}-{}", number + 1, step.layer);
                    println!("[{}/{}] {}", number + 1, steps.len(), step.line(self.length));
                    running.push(self.start(*step, name)?);
                    next = waiting.next();
                    continue;
                }
                _ => std::thread::sleep(Duration::from_millis(300)),
            }
            let mut still = Vec::new();
            for mut one in running {
                match one.child.try_wait()? {
                    None => still.push(one),
                    Some(status) => {
                        let seconds = one.began.elapsed().as_secs();
                        let end = if status.success() { "held" } else { "WENT RED" };
                        println!("      {}: {end}, {seconds} s", one.name);
                        if !status.success() {
                            red += 1;
                            self.note_red(&one)?;
                        }
                    }
                }
            }
            running = still;
        }
        Ok(red)
    }

    #[expect(clippy::disallowed_methods, reason = "a log of its own, and the time it took")]
    fn start(&self, step: Step, name: String) -> io::Result<Running> {
        let log = self.logs.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let child = Command::new(step.command[0])
            .args(&step.command[1..])
            .current_dir(&self.root)
            .envs(step.environment(self.length))
            .env("OTTLA_EVIDENCE", &self.evidence)
            .env("OTTLA_EVIDENCE_COMMIT", &self.commit)
            .env("OTTLA_EVIDENCE_COMMAND", step.line(self.length))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", step.line(self.length))))?;
        Ok(Running { step, name, child, log, began: Instant::now() })
    }

    /// A step that went red could not tell it: the end of what it printed is the evidence.
    fn note_red(&self, one: &Running) -> io::Result<()> {
        let law = law_of(&one.log)?;
        let mut evidence = Evidence::of(one.step.layer, "went red").broke(&law);
        evidence.command = one.step.line(self.length);
        evidence.commit.clone_from(&self.commit);
        evidence.seconds = one.began.elapsed().as_secs_f64();
        evidence.append_to(&self.evidence)
    }
}

/// The line in which a harness says which law broke: what a panic says, else the last one.
///
/// # Errors
/// The log cannot be read.
#[expect(clippy::disallowed_methods, reason = "a log of its own")]
pub fn law_of(log: &Path) -> io::Result<String> {
    let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let mut lines = text.lines();
    let panic = lines.by_ref().find(|line| line.contains("panicked at")).and_then(|_| lines.next());
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Ok(panic.or(last).unwrap_or("it said nothing").trim().chars().take(240).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: Step = Step {
        layer: "components",
        command: &["sh", "-c", "test \"$HOW_LONG\" = 2"],
        lengths: &[("HOW_LONG", ["1", "2", "3"])],
        cores: 1,
    };
    const BREAKS: Step = Step {
        layer: "orders",
        command: &["sh", "-c", "echo \"thread 'x' panicked at y:\"; echo 'a law broke'; exit 1"],
        lengths: &[],
        cores: 2,
    };

    #[test]
    fn what_goes_red_is_evidence() {
        let folder = tempfile::tempdir().expect("a folder");
        let campaign = Campaign {
            root: folder.path().to_owned(),
            evidence: folder.path().join("evidence"),
            logs: folder.path().join("logs"),
            length: Length::Evening,
            commit: "abc".to_owned(),
            cores: 2,
        };
        assert_eq!(campaign.run(&[HOLDS, BREAKS, HOLDS]).expect("it runs"), 1);
        #[expect(clippy::disallowed_methods, reason = "its own file")]
        let text = fs::read_to_string(campaign.evidence.join("orders.jsonl")).expect("a line");
        let told: Evidence = serde_json::from_str(text.trim()).expect("JSON");
        assert_eq!(told.broke.as_deref(), Some("a law broke"));
        assert_eq!(told.commit, "abc");
    }
}
