//! `ottla group describe`: how far a group has come, and how far it lies behind.

use std::io::Write;

use ottla::GroupDescription;
use serde_json::{Value, json};

use super::arguments::GroupDescribe;
use super::columns;
use crate::arguments::Arguments;
use crate::directory;
use crate::exit::Failure;

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    asked: &GroupDescribe,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let broker = directory::read(arguments)?;
    let groups = match asked.all_groups {
        true => broker.describe_groups()?,
        false => {
            let described = asked.names.iter().map(|name| broker.describe_group(name));
            described.collect::<Result<Vec<_>, _>>()?
        }
    };
    if asked.json {
        let groups: Vec<Value> = groups.iter().map(group_json).collect();
        writeln!(out, "{}", json!(groups))?;
    } else if asked.state {
        print_states(&groups, out)?;
    } else {
        print_offsets(&groups, out)?;
    }
    Ok(())
}

fn print_states(groups: &[GroupDescription], out: &mut dyn Write) -> Result<(), Failure> {
    let row = |group: &GroupDescription| {
        [
            group.name.clone(),
            group.assignor.clone().unwrap_or_else(|| "-".to_owned()),
            group.state.to_string(),
            group.generation.to_string(),
            group.members.len().to_string(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    let heads = ["GROUP", "ASSIGNMENT-STRATEGY", "STATE", "GENERATION", "#MEMBERS"];
    Ok(columns::print(heads, &rows, out)?)
}

fn or_dash(number: Option<i64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn print_offsets(groups: &[GroupDescription], out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for group in groups {
        for at in &group.partitions {
            let committed = at.committed.as_ref();
            rows.push([
                group.name.clone(),
                at.partition.topic.to_string(),
                at.partition.partition.to_string(),
                or_dash(committed.map(|committed| committed.offset)),
                or_dash(at.log_start_offset),
                or_dash(at.end_offset),
                or_dash(at.lag),
                committed.map_or_else(String::new, |committed| committed.metadata.clone()),
            ]);
        }
    }
    let heads = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-START-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "METADATA",
    ];
    Ok(columns::print(heads, &rows, out)?)
}

fn group_json(group: &GroupDescription) -> Value {
    let partitions: Vec<Value> = group
        .partitions
        .iter()
        .map(|at| {
            json!({
                "topic": at.partition.topic.as_str(),
                "partition": at.partition.partition,
                "committed": at.committed.as_ref().map(|committed| committed.offset),
                "metadata": at.committed.as_ref().map(|committed| committed.metadata.as_str()),
                "log_start_offset": at.log_start_offset,
                "log_end_offset": at.end_offset,
                "lag": at.lag,
            })
        })
        .collect();
    json!({
        "group": group.name,
        "state": group.state.to_string(),
        "generation": group.generation,
        "partitions": partitions,
    })
}
