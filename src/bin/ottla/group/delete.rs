//! `ottla group delete` and `ottla group delete-offsets`.

use std::io::Write;

use ottla::{Broker, OffsetScope};

use super::arguments::{GroupDelete, GroupDeleteOffsets};
use super::scope::partitions_of;
use crate::arguments::Arguments;
use crate::directory;
use crate::exit::Failure;

/// Deletes groups; none of them if one is not there.
pub(crate) fn groups(
    arguments: &Arguments,
    asked: &GroupDelete,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut delete = |broker: &Broker| {
        for name in &asked.names {
            broker.describe_group(name)?;
        }
        for name in &asked.names {
            if !asked.dry_run {
                broker.delete_group(name)?;
            }
            writeln!(out, "{name}")?;
        }
        Ok(())
    };
    match asked.dry_run {
        true => delete(&directory::read(arguments)?),
        false => directory::write(arguments, delete),
    }
}

/// Deletes offsets of a group.
pub(crate) fn offsets(
    arguments: &Arguments,
    asked: &GroupDeleteOffsets,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut delete = |broker: &Broker| {
        let scope = partitions_of(broker, &asked.topics)?;
        let OffsetScope::Partitions(wanted) = &scope else { return Ok(()) };
        let group = broker.describe_group(&asked.name)?;
        for at in group.partitions.iter().filter(|at| wanted.contains(&at.partition)) {
            if let Some(committed) = &at.committed {
                writeln!(out, "{} {}", at.partition, committed.offset)?;
            }
        }
        if !asked.dry_run {
            broker.delete_offsets(&asked.name, &scope)?;
        }
        Ok(())
    };
    match asked.dry_run {
        true => delete(&directory::read(arguments)?),
        false => directory::write(arguments, delete),
    }
}
