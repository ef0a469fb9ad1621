//! Looks into a directory that nobody writes to, in two ways: through the library opened for
//! reading only, and through the command line tool. Both show what a recovery would keep.

use std::path::Path;
use std::time::Duration;

use ottla::Broker;

use crate::oracle::{Oracle, Shown};
use crate::storm::{ORDERS, READERS, WORKERS, options};
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
        Look::ReadOnly | Look::Recovering => {
            let broker = open(directory, look == Look::ReadOnly)?;
            check_through(oracle, &broker, all)?;
            broker.close().map_err(|error| format!("closing after reading: {error}"))
        }
        Look::Tool => check_with_tool(oracle, directory, all),
    }
}

/// Opens the directory as the drivers do. None of their ends may leave damage, or take back what was
/// committed.
pub(crate) fn open(directory: &Path, read_only: bool) -> Result<Broker, String> {
    let opened = options().read_only(read_only).open(directory);
    let broker = opened.map_err(|error| format!("open: {error} (read only: {read_only})"))?;
    let report = broker.recovery_report();
    if let Some((partition, error)) = report.damaged.first() {
        return Err(format!("open: {partition} is damaged: {error}"));
    }
    if let Some(clamped) = report.offsets_clamped.first() {
        return Err(format!("offsets: one had to be set back: {clamped:?}"));
    }
    if report.offset_records_skipped > 0 || report.offsets_dropped > 0 {
        return Err(format!("offsets: some were passed over: {report:?}"));
    }
    Ok(broker)
}

/// Compares what an open directory shows.
pub(crate) fn check_through(oracle: &mut Oracle, broker: &Broker, all: bool) -> Result<(), String> {
    let said = |error: ottla::Error| format!("reading: {error}");
    let topics = broker.list_topics();
    let names: Vec<String> = topics.iter().map(|topic| topic.name.to_string()).collect();
    oracle.check_topics(&names)?;
    for topic in topics.iter().filter(|topic| !topic.name.as_str().starts_with("__")) {
        let name = topic.name.as_str();
        for number in topic.partitions.iter().map(|partition| partition.partition) {
            let partition = broker.partition(name, number).map_err(said)?;
            let (start, end) = (partition.log_start_offset(), partition.end_offset());
            let from = if all { start } else { oracle.unseen_from(name, number).max(start) };
            let records = read(broker, name, number, from, end).map_err(said)?;
            oracle.check_partition(name, number, &Shown { start, end, from, records })?;
        }
    }
    for group in [WORKERS, READERS] {
        let offsets = broker.committed_offsets(group).map_err(said)?;
        let offsets: Vec<_> = offsets
            .iter()
            .map(|(place, offset)| (place.topic.to_string(), place.partition, offset.offset))
            .collect();
        oracle.check_offsets(group, &offsets)?;
    }
    oracle.check_complete()?;
    if all && !broker.is_read_only() {
        let left = orders_left(broker).map_err(said)?;
        oracle.check_orders_left(&left)?;
    }
    Ok(())
}

/// The orders that the group would get next.
fn orders_left(broker: &Broker) -> Result<Vec<i64>, ottla::Error> {
    if broker.list_topics().iter().all(|topic| topic.name.as_str() != ORDERS) {
        return Ok(Vec::new());
    }
    let consumer = broker.consumer().group(WORKERS).subscribe([ORDERS]);
    let mut consumer = consumer.set("enable.auto.commit", "false").build()?;
    let mut left = Vec::new();
    loop {
        let records = consumer.poll(Duration::ZERO)?;
        if records.is_empty() {
            consumer.close()?;
            return Ok(left);
        }
        left.extend(records.iter().map(|record| record.offset()));
    }
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
    for topic in topics.iter().filter(|topic| !name_of(topic).starts_with("__")) {
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
