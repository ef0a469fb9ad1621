//! `ottla dump`: any file of a data directory in readable form. The name of a file says what it
//! is; nothing is written, and no lock is taken.

mod coordinator_schemas;
mod indexes;
mod journal;
mod log;
mod metadata_schemas;
mod payload;
mod schema;
mod small_files;
mod source;
mod spill;

use std::io::Write;

use ottla::error::{Error, ErrorKind};
use ottla::format::file_names::{
    BOOTSTRAP_CHECKPOINT, CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, LEADER_EPOCH_CHECKPOINT,
    LOG_START_CHECKPOINT, META_PROPERTIES, OTTLA_CONTROL, PARTITION_METADATA, QUORUM_STATE,
    RECOVERY_POINT_CHECKPOINT, REPLICATION_CHECKPOINT, Suffix, parse_base_offset,
    parse_journal_file, parse_leftover, parse_metadata_snapshot, parse_quarantine_file,
    parse_spill_file,
};

use crate::arguments::Dump;
use crate::exit::Failure;
use source::Source;

/// Runs the verb. All files are printed; the first failure decides how it ends.
pub(crate) fn run(arguments: &Dump, out: &mut dyn Write) -> Result<(), Failure> {
    let mut first = None;
    for path in &arguments.files {
        let outcome = Source::open(path).and_then(|mut source| {
            writeln!(out, "Dumping {}", source.path)?;
            dump(&mut source, out)
        });
        match outcome {
            Ok(()) => {}
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            Err(failure) => {
                // What was printed comes before the sentence about it.
                out.flush()?;
                failure.report();
                first.get_or_insert(failure);
            }
        }
    }
    first.map_or(Ok(()), |failure| Err(failure.reported()))
}

fn dump(source: &mut Source, out: &mut dyn Write) -> Result<(), Failure> {
    let name = source.name.clone();
    let numbered = parse_base_offset(&name)
        .or_else(|| parse_leftover(&name).map(|(number, suffix, _)| (number, suffix)));
    if let Some((number, suffix)) = numbered {
        return match suffix {
            Suffix::Log => log::segment(source, number, out),
            Suffix::Index => indexes::offset_index(source, number, out),
            Suffix::TimeIndex => indexes::time_index(source, number, out),
            Suffix::TxnIndex => indexes::txn_index(source, out),
            Suffix::KeyIndex => indexes::key_index(source, out),
            Suffix::Snapshot => indexes::producer_snapshot(source, out),
        };
    }
    if parse_metadata_snapshot(&name).is_some() || name == BOOTSTRAP_CHECKPOINT {
        return log::metadata_snapshot(source, out);
    }
    if parse_journal_file(&name).is_some() {
        return journal::journal(source, out);
    }
    if parse_quarantine_file(&name).is_some() {
        return log::quarantine(source, out);
    }
    if parse_spill_file(&name).is_some() {
        return spill::spill(source, out);
    }
    match name.as_str() {
        RECOVERY_POINT_CHECKPOINT
        | LOG_START_CHECKPOINT
        | REPLICATION_CHECKPOINT
        | CLEANER_CHECKPOINT => small_files::offset_checkpoint(source, out),
        LEADER_EPOCH_CHECKPOINT => small_files::leader_epochs(source, out),
        PARTITION_METADATA => small_files::partition_metadata(source, out),
        META_PROPERTIES => small_files::meta_properties(source, out),
        CLEAN_SHUTDOWN => small_files::clean_shutdown(source, out),
        QUORUM_STATE => small_files::quorum_state(source, out),
        OTTLA_CONTROL => small_files::control(source, out),
        _ => {
            let what = "the name is not that of a file in a data directory";
            Err(Error::new(ErrorKind::InvalidInput, what).at_file(&source.path).into())
        }
    }
}
