//! The data directory that a verb works on: `--dir` or `OTTLA_DIR`.

use std::io;
use std::path::Path;

use ottla::Broker;
use ottla::error::Error;

use crate::arguments::Arguments;
use crate::exit::Failure;

/// The directory as the user named it.
pub(crate) fn path(arguments: &Arguments) -> Result<&Path, Failure> {
    arguments
        .dir
        .as_deref()
        .ok_or_else(|| Failure::Usage("name the data directory with --dir or OTTLA_DIR".to_owned()))
}

/// Opens the directory for reading only: writes nothing.
pub(crate) fn read(arguments: &Arguments) -> Result<Broker, Failure> {
    let path = path(arguments)?;
    Ok(Broker::options().read_only(true).open(path)?)
}

/// Opens the directory for writing, makes it if there is none, and closes it after `work`.
pub(crate) fn write_or_create(
    arguments: &Arguments,
    work: impl FnOnce(&Broker) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let broker = Broker::open(path(arguments)?)?;
    let outcome = work(&broker);
    // What went wrong first is what the user hears of.
    let closed = broker.close();
    outcome?;
    Ok(closed?)
}

/// Opens a directory that exists for writing, and closes it after `work`.
pub(crate) fn write(
    arguments: &Arguments,
    work: impl FnOnce(&Broker) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let path = path(arguments)?;
    if !path.is_dir() {
        let error = Error::io(io::ErrorKind::NotFound.into(), "cannot open the data directory");
        return Err(error.at_file(path.display().to_string()).into());
    }
    write_or_create(arguments, work)
}
