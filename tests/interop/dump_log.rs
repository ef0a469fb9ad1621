//! Reads what Kafka's DumpLogSegments printed (see `java/src/Dump.java`) and judges it: every
//! complaint that the tool can make is found here, and a file that it did not look at as well.

use std::collections::BTreeMap;
use std::path::Path;

/// One run of the tool over one file.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) mode: String,
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
}

/// A record as the tool prints it with `--print-data-log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrintedRecord {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) header_names: String,
}

/// The runs, in the order in which they were made.
pub(crate) fn runs_of(output: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("RUN ") {
            let (mode, path) = rest.split_once(' ').expect("a mode and a path");
            runs.push(Run { mode: mode.to_owned(), path: path.to_owned(), lines: Vec::new() });
        } else if let Some(run) = runs.last_mut() {
            run.lines.push(line.to_owned());
        }
    }
    runs
}

/// Everything that the tool found wrong.
pub(crate) fn complaints_of(runs: &[Run]) -> Vec<String> {
    let mut complaints = Vec::new();
    for run in runs {
        let mut found = Vec::new();
        for line in &run.lines {
            found.extend(complaint(run, line));
        }
        if run.lines.first().is_none_or(|line| !line.starts_with("Dumping ")) {
            found.push("it was not looked at".to_owned());
        }
        if run.mode == "sanity"
            && !run
                .lines
                .iter()
                .any(|line| line.ends_with(" passed sanity check.") || line.ends_with(" is empty."))
        {
            found.push("the sanity check did not pass".to_owned());
        }
        complaints
            .extend(found.into_iter().map(|what| format!("{} {}: {what}", run.mode, run.path)));
    }
    complaints
}

fn complaint(run: &Run, line: &str) -> Option<String> {
    let bad = if let Some(said) = line.strip_prefix("STDERR ") {
        !is_start_of_later_segment(run, said) && !is_left_by_compaction(run, said)
    } else if line.starts_with("| offset:") {
        // A record: only the decoder's own complaint, which stands in place of the payload.
        line.contains("payload: Error at ") || line.contains("key: Unknown")
    } else {
        line.starts_with("THROWN ")
            || line.contains("isvalid: false")
            || line.contains("isValid: false")
            || line.starts_with("Found ")
            || line.contains("Mismatch")
    };
    bad.then(|| line.to_owned())
}

/// The tool expects every file to begin at offset 0, and says so of each segment that does not.
fn is_start_of_later_segment(run: &Run, said: &str) -> bool {
    let base = base_offset(&run.path);
    said.starts_with("Non-consecutive offsets in ") && base > 0
        || said.trim() == format!("-1 is followed by {base}")
}

/// And of what compaction leaves: holes, as long as offsets go up, and batches without records, whose
/// headers still have the timestamp that the index names.
fn is_left_by_compaction(run: &Run, said: &str) -> bool {
    let goes_up = || {
        let (one, next) = said.trim().split_once(" is followed by ")?;
        Some(one.parse::<i64>().ok()? < next.parse::<i64>().ok()?)
    };
    let is_compacted = run.path.contains("/compacted-");
    let is_empty =
        said.starts_with("Found timestamp mismatch in ") || said.ends_with(", log timestamp: -1");
    let is_hole = said.starts_with("Non-consecutive offsets in ") || goes_up() == Some(true);
    is_compacted && (is_hole || is_empty)
}

fn base_offset(path: &str) -> i64 {
    let name = Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// The printed data records of each partition directory, in order.
pub(crate) fn records_of(runs: &[Run]) -> BTreeMap<String, Vec<PrintedRecord>> {
    let mut partitions: BTreeMap<String, Vec<PrintedRecord>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.mode == "print") {
        let directory = Path::new(&run.path).parent().and_then(Path::file_name);
        let name = directory.expect("a partition directory").to_string_lossy().into_owned();
        let records = partitions.entry(name).or_default();
        records.extend(run.lines.iter().filter_map(|line| printed_record(line)));
    }
    partitions
}

/// `| offset: 1 CreateTime: 2 keySize: 3 valueSize: 4 sequence: -1 headerKeys: [] key: k payload: v`
fn printed_record(line: &str) -> Option<PrintedRecord> {
    let rest = line.strip_prefix("| offset: ")?;
    let (offset, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("Time: ")?;
    let (timestamp, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("headerKeys: [")?;
    let (header_names, rest) = rest.split_once(']')?;
    let (key, value) = match rest.split_once(" payload: ") {
        Some((before, value)) => (before.strip_prefix(" key: "), Some(value)),
        None => (rest.strip_prefix(" key: "), None),
    };
    Some(PrintedRecord {
        offset: offset.parse().ok()?,
        timestamp: timestamp.parse().ok()?,
        key: key.map(str::to_owned),
        value: value.map(str::to_owned),
        header_names: header_names.to_owned(),
    })
}
