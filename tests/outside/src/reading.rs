//! Looks into a directory that nobody writes to, in two ways: through the library opened for
//! reading only, and through the command line tool. Both show what a recovery would keep.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ottla::Broker;

use crate::oracle::{Oracle, Shown};
use crate::storm::options;
use crate::tool;

/// How to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The library, opened for reading only.
    ReadOnly,
    /// The library, opened for writing: it recovers first, and closes cleanly afterwards.
    Recovering,
    /// `ottla info`, `ottla consume` and `ottla verify`.
    Tool,
}

/// Compares everything that is new, or simply everything, with what the oracle knows.
pub(crate) fn check(
    oracle: &mut Oracle,
    directory: &Path,
    look: Look,
    all: bool,
) -> Result<(), String> {
    match look {
        Look::ReadOnly => check_through(oracle, &open(directory, true)?, all),
        Look::Recovering => check_through(oracle, &open(directory, false)?, all),
        Look::Tool => check_with_tool(oracle, directory, all),
    }
}

fn open(directory: &Path, read_only: bool) -> Result<Broker, String> {
    let opened = options().read_only(read_only).open(directory);
    opened.map_err(|error| format!("opening (read only: {read_only}): {error}"))
}

fn check_through(oracle: &mut Oracle, broker: &Broker, all: bool) -> Result<(), String> {
    let said = |error: ottla::Error| format!("reading: {error}");
    if let Some((partition, error)) = broker.recovery_report().damaged.first() {
        return Err(format!("{partition} is damaged: {error}"));
    }
    let topics = broker.list_topics();
    let names: Vec<String> = topics.iter().map(|topic| topic.name.to_string()).collect();
    oracle.check_topics(&names)?;
    for topic in &topics {
        let name = topic.name.as_str();
        for number in topic.partitions.iter().map(|partition| partition.partition) {
            let partition = broker.partition(name, number).map_err(said)?;
            let (start, end) = (partition.log_start_offset(), partition.end_offset());
            let from = if all { start } else { oracle.unseen_from(name, number).max(start) };
            let records = read(broker, name, number, from, end).map_err(said)?;
            oracle.check_partition(name, number, &Shown { start, end, from, records })?;
        }
    }
    oracle.check_complete()?;
    broker.close().map_err(|error| format!("closing after reading: {error}"))
}

fn read(
    broker: &Broker,
    topic: &str,
    number: i32,
    from: i64,
    end: i64,
) -> Result<Vec<(i64, Vec<u8>)>, ottla::Error> {
    let mut records = Vec::new();
    let mut consumer = broker.consumer().assign([(topic, number)]).build()?;
    consumer.seek(topic, number, from)?;
    // Where a log was compacted, no record may be at its end.
    while consumer.position(topic, number)? < end {
        for record in &consumer.poll(Duration::from_millis(20))? {
            records.push((record.offset(), record.value().unwrap_or_default().to_vec()));
        }
    }
    Ok(records)
}

fn check_with_tool(oracle: &mut Oracle, directory: &Path, all: bool) -> Result<(), String> {
    let info = tool::run(directory, &["info", "-J"])?;
    let info: serde_json::Value =
        serde_json::from_slice(&info).map_err(|error| format!("ottla info -J: {error}"))?;
    let topics = info["topics"].as_array().ok_or("ottla info -J shows no topics")?;
    let name_of = |topic: &serde_json::Value| topic["name"].as_str().unwrap_or_default().to_owned();
    let names: Vec<String> = topics.iter().map(name_of).collect();
    oracle.check_topics(&names)?;
    for topic in topics {
        let name = name_of(topic);
        for partition in topic["partitions"].as_array().ok_or("a topic without partitions")? {
            let number = partition["partition"].as_i64().ok_or("a partition without number")?;
            let start = partition["start_offset"].as_i64().ok_or("a partition without start")?;
            let end = partition["end_offset"].as_i64().ok_or("a partition without end")?;
            let number = i32::try_from(number).map_err(|error| error.to_string())?;
            let from = if all { start } else { oracle.unseen_from(&name, number).max(start) };
            let (number_text, from_text) = (number.to_string(), from.to_string());
            let consume = [
                "consume",
                &name,
                "--partition",
                &number_text,
                "--offset",
                &from_text,
                "-f",
                "%o %s\\n",
            ];
            let records = lines(&tool::run(directory, &consume)?)?;
            oracle.check_partition(&name, number, &Shown { start, end, from, records })?;
        }
    }
    oracle.check_complete()?;
    tool::run(directory, &["verify"]).map(|_| ())
}

fn lines(output: &[u8]) -> Result<Vec<(i64, Vec<u8>)>, String> {
    let text = std::str::from_utf8(output).map_err(|error| error.to_string())?;
    text.lines()
        .map(|line| {
            let (offset, value) = line.split_once(' ').ok_or(format!("no record: {line:?}"))?;
            let offset = offset.parse().map_err(|_| format!("no offset: {line:?}"))?;
            Ok((offset, value.as_bytes().to_vec()))
        })
        .collect()
}

/// How many segments a topic has in all its partitions.
pub(crate) fn segment_count(directory: &Path, topic: &str) -> usize {
    let is_of_topic = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(&format!("{topic}-")))
    };
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let folders = entries(directory).into_iter().filter(is_of_topic);
    folders.map(|folder| entries(&folder).into_iter().filter(is_log).count()).sum()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
