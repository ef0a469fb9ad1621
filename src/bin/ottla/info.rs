//! `ottla info`: what a directory holds, and what opening it found.

use std::io::Write;

use ottla::Broker;
use ottla::ClampedOffset;
use ottla::RecoveryReport;
use ottla::TopicDescription;
use serde_json::{Value, json};

use crate::arguments::{Arguments, Info};
use crate::directory;
use crate::exit::Failure;

/// Runs the verb. Damaged partitions are printed, and end it as found corruption does.
pub(crate) fn run(arguments: &Arguments, info: &Info, out: &mut dyn Write) -> Result<(), Failure> {
    let broker = directory::read(arguments)?;
    let topics = broker.list_topics();
    let report = broker.recovery_report();
    if info.json {
        writeln!(out, "{}", as_json(arguments, &broker, &topics))?;
    } else {
        print_text(report, &topics, out)?;
    }
    match report.damaged.first() {
        None => Ok(()),
        Some((partition, error)) if report.damaged.len() == 1 => {
            Err(Failure::Corrupt(format!("{partition} is damaged: {error}")))
        }
        Some((partition, error)) => {
            let others = report.damaged.len() - 1;
            Err(Failure::Corrupt(format!("{partition} and {others} more are damaged: {error}")))
        }
    }
}

fn print_text(
    report: &RecoveryReport,
    topics: &[TopicDescription],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "{report}")?;
    let (mut partitions, mut bytes) = (0, 0u64);
    for topic in topics {
        for partition in &topic.partitions {
            partitions += 1;
            bytes = bytes.saturating_add(partition.size_bytes);
        }
    }
    let count = topics.len();
    writeln!(out, "topics: {count} partitions: {partitions} bytes: {bytes}")?;
    for topic in topics {
        for partition in &topic.partitions {
            write!(
                out,
                "{}-{} start: {} end: {} bytes: {}",
                topic.name,
                partition.partition,
                partition.log_start_offset,
                partition.end_offset,
                partition.size_bytes
            )?;
            if let Some(damage) = &partition.damage {
                write!(out, " damage: {damage}")?;
            }
            writeln!(out)?;
        }
    }
    for offset in &report.offsets_clamped {
        let (group, partition) = (&offset.group, &offset.partition);
        writeln!(out, "offset: {group} {partition} {} set to {}", offset.committed, offset.end)?;
    }
    for (what, names) in [("unknown", &report.unknown), ("quarantined", &report.quarantined)] {
        for name in names {
            writeln!(out, "{what}: {name}")?;
        }
    }
    Ok(())
}

fn as_json(arguments: &Arguments, broker: &Broker, topics: &[TopicDescription]) -> Value {
    let directory = arguments.dir.as_ref().map(|path| path.display().to_string());
    json!({
        "directory": directory,
        "topics": topics.iter().map(topic_json).collect::<Vec<_>>(),
        "recovery": report_json(broker.recovery_report()),
    })
}

fn topic_json(topic: &TopicDescription) -> Value {
    let partitions: Vec<Value> = topic
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.partition,
                "start_offset": partition.log_start_offset,
                "end_offset": partition.end_offset,
                "bytes": partition.size_bytes,
                "damage": partition.damage,
            })
        })
        .collect();
    json!({
        "name": topic.name.as_str(),
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "config": topic.config,
        "partitions": partitions,
    })
}

/// The recovery report as JSON.
pub(crate) fn report_json(report: &RecoveryReport) -> Value {
    let damaged: Vec<Value> = report
        .damaged
        .iter()
        .map(|(partition, error)| {
            json!({ "partition": partition.to_string(), "error": error.to_string() })
        })
        .collect();
    let transactions: Vec<Value> = report
        .transactions_finished
        .iter()
        .map(|(partition, producer_id, committed)| {
            json!({
                "partition": partition.to_string(),
                "producer_id": producer_id,
                "committed": committed,
            })
        })
        .collect();
    let clamped: Vec<_> = report.offsets_clamped.iter().map(clamped_offset).collect();
    json!({
        "clean": report.clean,
        "foreign": report.foreign,
        "created": report.created,
        "read_only_because": report.read_only_because,
        "frames_replayed": report.frames_replayed,
        "batches_replayed": report.batches_replayed,
        "batches_dropped": report.batches_dropped,
        "bytes_scanned": report.bytes_scanned(),
        "bytes_cut": report.bytes_cut(),
        "damaged": damaged,
        "transactions_finished": transactions,
        "offsets_clamped": clamped,
        "offsets_dropped": report.offsets_dropped,
        "offset_records_skipped": report.offset_records_skipped,
        "unknown": report.unknown,
        "quarantined": report.quarantined,
        "duration_ms": report.duration.as_secs_f64() * 1000.0,
    })
}

fn clamped_offset(offset: &ClampedOffset) -> Value {
    json!({
        "group": offset.group,
        "partition": offset.partition.to_string(),
        "committed": offset.committed,
        "end": offset.end,
    })
}
