//! Spill files: the header, then the batches as in a segment, without their offsets.

use std::io::Write;

use ottla::format::spill_file::{SPILL_HEADER_BYTES, SpillHeader, SpillStart};

use super::log;
use super::source::Source;
use crate::exit::Failure;

/// Prints a spill file.
pub(super) fn spill(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    let mut start = [0; SPILL_HEADER_BYTES];
    let read = source.read(&mut start)?;
    match SpillHeader::decode(&start[..read]).map_err(|error| source.damaged(error, 0))? {
        SpillStart::Header(header) => {
            writeln!(out, "Spill file number: {} salt: {:016x}", header.number, header.salt)?;
            // Its last batch may be cut short: nothing of the file counts before it is committed.
            log::quarantine(source, out)
        }
        SpillStart::Unfinished => Ok(writeln!(out, "The spill file holds nothing.")?),
        SpillStart::Foreign => Ok(writeln!(out, "This is no spill file of Ottla's.")?),
    }
}
