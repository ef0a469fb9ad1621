//! `ottla group reset-offsets`: sets the committed offsets of a group, all of them in one step.

use std::io::Write;
use std::path::Path;

use ottla::error::{Error, ErrorKind};
use ottla::{Broker, OffsetChange, OffsetReset, OffsetScope, TopicName, TopicPartition};
use serde_json::{Value, json};

use super::arguments::GroupResetOffsets;
use super::columns;
use super::scope::partitions_of;
use crate::arguments::Arguments;
use crate::directory;
use crate::exit::Failure;

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    asked: &GroupResetOffsets,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut changes = Vec::new();
    let mut set = |broker: &Broker| {
        changes = match &asked.from_file {
            Some(file) => from_file(broker, asked, file)?,
            None => {
                let scope = match asked.all_topics {
                    true => OffsetScope::Committed,
                    false => partitions_of(broker, &asked.topics)?,
                };
                broker.reset_offsets(&asked.name, &scope, target(asked), asked.dry_run)?
            }
        };
        Ok(())
    };
    // A group that committed nothing has nothing to reset: it is no group, or its name is wrong.
    let mut reset = |broker: &Broker| {
        if asked.all_topics {
            broker.describe_group(&asked.name)?;
        }
        set(broker)
    };
    match asked.dry_run {
        true => reset(&directory::read(arguments)?)?,
        false => directory::write(arguments, reset)?,
    }
    print(asked, &changes, out)
}

fn target(asked: &GroupResetOffsets) -> OffsetReset {
    let by_value = asked
        .to_offset
        .map(OffsetReset::Offset)
        .or(asked.to_datetime.map(|moment| OffsetReset::Timestamp(moment.0)))
        .or(asked.by_duration.map(|span| OffsetReset::Duration(span.0)))
        .or(asked.shift_by.map(OffsetReset::ShiftBy));
    match by_value {
        Some(target) => target,
        None if asked.to_earliest => OffsetReset::Earliest,
        None if asked.to_latest => OffsetReset::Latest,
        None => OffsetReset::Current,
    }
}

/// Sets every partition that a file names to the offset beside it.
#[expect(clippy::disallowed_methods, reason = "the file is the user's, not the directory's")]
fn from_file(
    broker: &Broker,
    asked: &GroupResetOffsets,
    file: &Path,
) -> Result<Vec<OffsetChange>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::io(error, "cannot read the offsets").at_file(file.display().to_string())
    })?;
    let mut changes = Vec::new();
    let mut committed = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (at, offset) = parse_line(line).ok_or_else(|| {
            let message = format!("line {} is not topic,partition,offset", index + 1);
            Error::new(ErrorKind::InvalidInput, message).at_file(file.display().to_string())
        })?;
        // What it would be is asked first, so that all are set in one step or none.
        let scope = OffsetScope::Partitions(vec![at]);
        let planned =
            broker.reset_offsets(&asked.name, &scope, OffsetReset::Offset(offset), true)?;
        committed.extend(planned.iter().map(|change| (change.partition.clone(), change.after)));
        changes.extend(planned);
    }
    if !asked.dry_run && !committed.is_empty() {
        let mut consumer = broker.consumer().group(&asked.name).build()?;
        consumer.commit_offsets(committed)?;
    }
    Ok(changes)
}

/// `topic,partition,offset`, as kafka-consumer-groups exports them.
fn parse_line(line: &str) -> Option<(TopicPartition, i64)> {
    let mut fields = line.split(',').map(|field| field.trim().trim_matches('"'));
    let topic = TopicName::new(fields.next()?).ok()?;
    let partition = fields.next()?.parse().ok()?;
    let offset = fields.next()?.parse().ok()?;
    fields.next().is_none().then(|| (TopicPartition::new(topic, partition), offset))
}

fn print(
    asked: &GroupResetOffsets,
    changes: &[OffsetChange],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if asked.json {
        let changes: Vec<Value> = changes.iter().map(|change| change_json(asked, change)).collect();
        writeln!(out, "{}", json!(changes))?;
        return Ok(());
    }
    if asked.export {
        for change in changes {
            let TopicPartition { topic, partition, .. } = &change.partition;
            writeln!(out, "{topic},{partition},{}", change.after)?;
        }
        return Ok(());
    }
    let row = |change: &OffsetChange| {
        [
            asked.name.clone(),
            change.partition.topic.to_string(),
            change.partition.partition.to_string(),
            change.before.map_or_else(|| "-".to_owned(), |before| before.to_string()),
            change.after.to_string(),
        ]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    let heads = ["GROUP", "TOPIC", "PARTITION", "OLD-OFFSET", "NEW-OFFSET"];
    Ok(columns::print(heads, &rows, out)?)
}

fn change_json(asked: &GroupResetOffsets, change: &OffsetChange) -> Value {
    json!({
        "group": asked.name,
        "topic": change.partition.topic.as_str(),
        "partition": change.partition.partition,
        "before": change.before,
        "after": change.after,
        "dry_run": asked.dry_run,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_lines_are_read_back() {
        let (at, offset) = parse_line("orders,3,17").unwrap();
        assert_eq!((at.to_string().as_str(), offset), ("orders-3", 17));
        assert!(parse_line("\"orders\",0,0").is_some(), "as Kafka quotes them");
        for bad in ["", "orders", "orders,0", "orders,x,1", "orders,0,1,2", "a b,0,1"] {
            assert!(parse_line(bad).is_none(), "{bad}");
        }
    }
}
