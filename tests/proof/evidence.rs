//! One run of one harness: how it was run, what was tried against which fault, what failed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::layers::about;

/// What was tried against one fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Times that the fault was brought about.
    pub tried: u64,
    /// Times that the promised outcome did not come.
    pub failed: u64,
}

/// One run of one harness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// One of [`LAYERS`](crate::LAYERS).
    pub layer: String,
    /// What was run, in a few words.
    pub what: String,
    /// The commit that was tried, as the campaign says; empty if nobody said.
    #[serde(default)]
    pub commit: String,
    /// The command, as the campaign says.
    #[serde(default)]
    pub command: String,
    /// From which all choices follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long it took.
    pub seconds: f64,
    /// What else was counted: states, distinct ones, runs.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The faults of docs/RELIABILITY.md.
    #[serde(default)]
    pub faults: BTreeMap<String, Tried>,
    /// Why it was not run, if it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
    /// The harness went red: the law that broke, as the campaign read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<String>,
    #[serde(skip)]
    began: Option<Instant>,
}

impl Evidence {
    /// Begins a run; its time counts from here.
    ///
    /// # Panics
    /// For a layer that is not in [`LAYERS`](crate::LAYERS).
    #[expect(clippy::disallowed_methods, reason = "measures a harness, not the library")]
    pub fn of(layer: &str, what: &str) -> Evidence {
        assert!(about(layer).is_some(), "{layer} is no layer: see tests/proof/layers.rs");
        Evidence {
            layer: layer.to_owned(),
            what: what.to_owned(),
            commit: std::env::var("OTTLA_EVIDENCE_COMMIT").unwrap_or_default(),
            command: std::env::var("OTTLA_EVIDENCE_COMMAND").unwrap_or_default(),
            seed: None,
            seconds: 0.0,
            counts: BTreeMap::new(),
            faults: BTreeMap::new(),
            not_run: None,
            broke: None,
            began: Some(Instant::now()),
        }
    }

    /// From which all choices follow.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Evidence {
        self.seed = Some(seed);
        self
    }

    /// Something that was counted. Counts of the same name add up.
    #[must_use]
    pub fn count(mut self, what: &str, number: u64) -> Evidence {
        *self.counts.entry(what.to_owned()).or_default() += number;
        self
    }

    /// What was tried against a fault (`F1` ...), and how often the promise was not kept.
    ///
    /// # Panics
    /// For a name that is none.
    #[must_use]
    pub fn fault(mut self, fault: &str, tried: u64, failed: u64) -> Evidence {
        let number = fault.strip_prefix('F').and_then(|number| number.parse::<u32>().ok());
        assert!(number.is_some(), "{fault} is no fault");
        let sum = self.faults.entry(fault.to_owned()).or_default();
        sum.tried += tried;
        sum.failed += failed;
        self
    }

    /// It went red, and this is the law that broke.
    #[must_use]
    pub fn broke(mut self, law: &str) -> Evidence {
        self.broke = Some(law.to_owned());
        self
    }

    /// This machine cannot run it.
    #[must_use]
    pub fn not_run(mut self, why: &str) -> Evidence {
        self.not_run = Some(why.to_owned());
        self
    }

    /// Prints a line and, with `OTTLA_EVIDENCE=<folder>`, appends one to `<folder>/<layer>.jsonl`.
    ///
    /// # Panics
    /// If that file cannot be written: a campaign without evidence is none.
    #[expect(clippy::print_stdout, reason = "says what was tried")]
    pub fn tell(mut self) {
        if let Some(began) = self.began {
            self.seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        }
        println!("{}", self.line());
        if let Some(folder) = std::env::var_os("OTTLA_EVIDENCE") {
            let written = self.append_to(Path::new(&folder));
            written.unwrap_or_else(|e| panic!("evidence to {}: {e}", folder.display()));
        }
    }

    /// For people.
    pub fn line(&self) -> String {
        let mut line = format!("evidence: {}, {}", self.layer, self.what);
        if let Some(why) = &self.not_run {
            return format!("{line}: not run: {why}");
        }
        if let Some(law) = &self.broke {
            return format!("{line}: BROKE {law}");
        }
        for (what, number) in &self.counts {
            line.push_str(&format!(", {number} {what}"));
        }
        for (fault, Tried { tried, failed }) in &self.faults {
            line.push_str(&format!(", {fault} {tried} tried {failed} failed"));
        }
        line.push_str(&format!(", {:.1} s", self.seconds));
        line
    }

    #[expect(clippy::disallowed_methods, reason = "its own file, not one of the library")]
    pub(crate) fn append_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.jsonl", self.layer));
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        // One write: several harnesses may share the file.
        OpenOptions::new().create(true).append(true).open(path)?.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_adds_up_and_is_written_as_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let evidence = Evidence::of("flips", "each bit")
            .seed(7)
            .count("flips", 3)
            .count("flips", 4)
            .fault("F9", 5, 0)
            .fault("F9", 2, 1);
        evidence.append_to(folder.path()).expect("written");
        evidence.append_to(folder.path()).expect("written again");
        #[expect(clippy::disallowed_methods, reason = "its own file")]
        let text = fs::read_to_string(folder.path().join("flips.jsonl")).expect("a file");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let read: Evidence = serde_json::from_str(lines[1]).expect("JSON");
        assert_eq!(read.counts["flips"], 7);
        assert_eq!(read.faults["F9"], Tried { tried: 7, failed: 1 });
        assert!(read.line().contains("F9 7 tried 1 failed"), "{}", read.line());
    }

    #[test]
    #[should_panic(expected = "no layer")]
    fn a_layer_has_a_known_name() {
        let _ = Evidence::of("hope", "nothing");
    }
}
