//! docs/RELIABILITY.md, made of evidence: fault by fault, layer by layer, run by run, bug by bug.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::bugs::BUGS;
use crate::faults::FAULTS;
use crate::layers::LAYERS;
use crate::sightings::Sighting;
use crate::{Evidence, Tried};

/// Everything that was told.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The runs of the harnesses.
    pub runs: Vec<Evidence>,
    /// Which planted bugs they saw.
    pub sightings: Vec<Sighting>,
}

impl Told {
    /// Reads the lines of a folder.
    ///
    /// # Errors
    /// A file cannot be read, or a line is none of ours.
    #[expect(clippy::disallowed_methods, reason = "reads evidence, not a log")]
    pub fn read(folder: &Path) -> io::Result<Told> {
        let mut told = Told::default();
        let mut paths: Vec<_> =
            fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|e| e == "jsonl")) {
            for line in fs::read_to_string(path)?.lines() {
                if path.ends_with("planted.jsonl") {
                    told.sightings.push(serde_json::from_str(line)?);
                } else {
                    told.runs.push(serde_json::from_str(line)?);
                }
            }
        }
        Ok(told)
    }

    /// What is wrong with it: broken laws, failures, faults that nobody tried.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for run in &self.runs {
            if let Some(law) = &run.broke {
                complaints.push(format!("{}, {}: {law}", run.layer, run.command));
            }
            for (fault, tried) in &run.faults {
                if tried.failed > 0 {
                    complaints.push(format!("{}: {fault} failed {}", run.layer, tried.failed));
                }
            }
        }
        for fault in FAULTS {
            if self.tried_against(fault.id).values().all(|tried| tried.tried == 0) {
                complaints.push(format!("{}: nobody tried it", fault.id));
            }
        }
        complaints
    }

    /// The sums of each layer against a fault.
    fn tried_against(&self, fault: &str) -> BTreeMap<&str, Tried> {
        let mut sums: BTreeMap<&str, Tried> = BTreeMap::new();
        for run in &self.runs {
            if let Some(tried) = run.faults.get(fault) {
                let sum = sums.entry(&run.layer).or_default();
                sum.tried += tried.tried;
                sum.failed += tried.failed;
            }
        }
        sums
    }

    /// The layers that saw a bug.
    pub fn seen_by(&self, bug: &str) -> BTreeSet<&str> {
        let of_it = self.sightings.iter().filter(|sighting| sighting.bug == bug);
        of_it.map(|sighting| sighting.layer.as_str()).collect()
    }

    /// The whole page.
    pub fn page(&self) -> String {
        let mut page = String::from(HEAD);
        self.write_faults(&mut page);
        self.write_layers(&mut page);
        self.write_bugs(&mut page);
        self.write_recovery(&mut page);
        self.write_runs(&mut page);
        page
    }

    fn write_faults(&self, page: &mut String) {
        page.push_str(FAULTS_HEAD);
        for fault in FAULTS {
            let sums = self.tried_against(fault.id);
            let layers: Vec<_> = LAYERS
                .iter()
                .filter_map(|(layer, _)| sums.get_key_value(layer))
                .map(|(layer, tried)| format!("{layer} {}", grouped(tried.tried)))
                .collect();
            let failed: u64 = sums.values().map(|tried| tried.failed).sum();
            let bugs: Vec<_> = BUGS.iter().filter(|bug| bug.fault == fault.id).collect();
            let seen = bugs.iter().filter(|bug| !self.seen_by(bug.name).is_empty()).count();
            let caught = match bugs.len() {
                0 => String::new(),
                planted => format!("{seen} of {planted}"),
            };
            let layers = layers.join(", ");
            let _ = writeln!(
                page,
                "| {} | {} | {} | {layers} | {} | {caught} |",
                fault.id,
                fault.fault,
                fault.promise,
                grouped(failed)
            );
        }
    }

    fn write_layers(&self, page: &mut String) {
        page.push_str(LAYERS_HEAD);
        for (layer, about) in LAYERS {
            let runs: Vec<_> = self.runs.iter().filter(|run| run.layer == *layer).collect();
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for (what, number) in runs.iter().flat_map(|run| &run.counts) {
                *counts.entry(what).or_default() += number;
            }
            let counts: Vec<_> = counts
                .iter()
                .map(|(what, number)| format!("{} {what}", grouped(*number)))
                .collect();
            let why = runs.iter().find_map(|run| run.not_run.as_ref());
            let told = match (runs.is_empty(), why) {
                (true, _) => "not run".to_owned(),
                (false, Some(why)) if counts.is_empty() => format!("not run: {why}"),
                (false, _) => counts.join(", "),
            };
            let seen: BTreeSet<_> = self
                .sightings
                .iter()
                .filter(|sighting| sighting.layer == *layer)
                .map(|sighting| &sighting.bug)
                .collect();
            let _ = writeln!(page, "| `{layer}` | {about} | {told} | {} |", seen.len());
        }
    }

    fn write_bugs(&self, page: &mut String) {
        let twice = BUGS.iter().filter(|bug| self.seen_by(bug.name).len() >= 2).count();
        let _ = write!(page, "{BUGS_HEAD}");
        let _ = writeln!(
            page,
            "{} are planted, {twice} of them are seen by two layers or more.\n",
            BUGS.len()
        );
        page.push_str("| bug | what it does | fault | seen by |\n|---|---|---|---|\n");
        for bug in BUGS {
            let mut seen = Vec::new();
            for (layer, _) in LAYERS {
                let first = self
                    .sightings
                    .iter()
                    .rfind(|sighting| sighting.bug == bug.name && sighting.layer == *layer);
                if let Some(sighting) = first {
                    seen.push(format!("**{layer}** ({})", plain(&sighting.how, 90)));
                }
            }
            let seen = if seen.is_empty() { "nobody".to_owned() } else { seen.join("; ") };
            let _ = writeln!(page, "| `{}` | {} | {} | {seen} |", bug.name, bug.does, bug.fault);
        }
    }

    fn write_recovery(&self, page: &mut String) {
        page.push_str(RECOVERY_HEAD);
        for run in self.runs.iter().filter(|run| run.what.starts_with("recovery of ")) {
            let of = run.what.trim_start_matches("recovery of ");
            let count = |what: &str| run.counts.get(what).map_or("".to_owned(), |n| grouped(*n));
            let _ = writeln!(
                page,
                "| {of} | {} | {} | {} |",
                count("milliseconds"),
                count("KiB of memory"),
                short(&run.commit)
            );
        }
    }

    fn write_runs(&self, page: &mut String) {
        page.push_str(RUNS_HEAD);
        for run in self.runs.iter().filter(|run| !run.what.starts_with("recovery of ")) {
            let mut counts: Vec<String> = run
                .counts
                .iter()
                .map(|(what, number)| format!("{} {what}", grouped(*number)))
                .collect();
            counts.extend(run.not_run.as_ref().map(|why| format!("not run: {why}")));
            counts.extend(run.broke.as_ref().map(|law| format!("**BROKE** {}", plain(law, 200))));
            let seed = run.seed.map(|seed| seed.to_string()).unwrap_or_default();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {seed} | {:.0} | {} | `{}` |",
                run.layer,
                run.what,
                counts.join(", "),
                run.seconds,
                short(&run.commit),
                run.command.replace('|', "\\|")
            );
        }
    }
}

/// The first letters of a commit.
fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

/// In a cell of a table, and not too long.
fn plain(text: &str, longest: usize) -> String {
    let mut plain: String = text.replace('|', "/").chars().take(longest).collect();
    if text.chars().count() > longest {
        plain.push_str(" ...");
    }
    plain
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const HEAD: &str = "\
# What was tried to break it

This page is made of runs (`cargo run -p ottla-proof --bin table`), out of the lines that harnesses left in
[`docs/reliability`](reliability). Each line knows its commit and its command. What is promised, and how it is kept:
[DURABILITY.md](DURABILITY.md). How the harnesses work, and how to replay a failure: [TESTING.md](TESTING.md).
A campaign: `cargo run --release -p ottla-proof --bin campaign -- evening`.
";

const FAULTS_HEAD: &str = "
## 1. Fault by fault

A number behind a layer says how often it brought the fault about; a run that covers several faults counts for each.
Failed: how often the promise was not kept in these runs. What failed in earlier ones was mended, and stands in TESTING.md.

| | fault | promise | tried by | failed | planted bugs seen |
|---|---|---|---|---:|---:|
";

const LAYERS_HEAD: &str = "
## 2. Layer by layer

| layer | what it does | what was run | planted bugs seen |
|---|---|---|---:|
";

const BUGS_HEAD: &str = "
## 3. Planted bugs

A layer that cannot go red proves nothing. Each of these bugs was woken alone (`OTTLA_PLANTED`), and each layer named here broke
a law because of it; the same run with all bugs asleep held. No build without debug assertions can hold them.
`cargo run -p ottla-proof --bin planted` does it again. ";

const RECOVERY_HEAD: &str = "
## 4. Recovery: time and memory

Opening after the death of the process. Memory: the most that the process had in memory, the tool included.

| what was there to recover | milliseconds | KiB of memory | commit |
|---|---:|---:|---|
";

const RUNS_HEAD: &str = "
## 5. Run by run

| layer | what | counted | seed | seconds | commit | command |
|---|---|---|---:|---:|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_failures_and_silence_are_told() {
        let run = Evidence::of("flips", "x").fault("F9", 1_234_567, 0).count("flips", 7);
        let red = Evidence::of("kill", "y").fault("F1", 3, 1);
        let seen = Sighting {
            bug: "index_trusted".to_owned(),
            layer: "flips".to_owned(),
            how: "a | law".to_owned(),
            seconds: 1,
            command: String::new(),
            commit: String::new(),
        };
        let told = Told { runs: vec![run, red], sightings: vec![seen] };
        let page = told.page();
        assert!(page.contains("flips 1,234,567"), "{page}");
        assert!(page.contains("**flips** (a / law)"), "{page}");
        let complaints = told.complaints();
        assert!(complaints.iter().any(|c| c == "kill: F1 failed 1"), "{complaints:?}");
        assert!(complaints.iter().any(|c| c == "F5: nobody tried it"), "{complaints:?}");
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(100_000_000), "100,000,000");
    }
}
