//! `ottla group`: consumer groups, as kafka-consumer-groups shows and changes them. While the
//! command line has the directory nobody else does, so that a group has no members here.

pub(crate) mod arguments;
mod columns;
mod delete;
mod describe;
mod moment;
mod reset_offsets;
mod scope;

use std::io::Write;

use serde_json::json;

use crate::arguments::Arguments;
use crate::directory;
use crate::exit::Failure;
use arguments::{GroupList, GroupVerb};

/// Runs the verb.
pub(crate) fn run(
    arguments: &Arguments,
    verb: &GroupVerb,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match verb {
        GroupVerb::List(asked) => list(arguments, asked, out),
        GroupVerb::Describe(asked) => describe::run(arguments, asked, out),
        GroupVerb::ResetOffsets(asked) => reset_offsets::run(arguments, asked, out),
        GroupVerb::Delete(asked) => delete::groups(arguments, asked, out),
        GroupVerb::DeleteOffsets(asked) => delete::offsets(arguments, asked, out),
    }
}

fn list(arguments: &Arguments, asked: &GroupList, out: &mut dyn Write) -> Result<(), Failure> {
    let groups = directory::read(arguments)?.list_groups()?;
    if asked.json {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| json!({ "group": group.name, "state": group.state.to_string() }))
            .collect();
        writeln!(out, "{}", json!(groups))?;
    } else if asked.state {
        let rows: Vec<_> =
            groups.iter().map(|group| [group.name.clone(), group.state.to_string()]).collect();
        columns::print(["GROUP", "STATE"], &rows, out)?;
    } else {
        for group in groups {
            writeln!(out, "{}", group.name)?;
        }
    }
    Ok(())
}
