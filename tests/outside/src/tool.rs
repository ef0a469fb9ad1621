//! The command line tool `ottla`, a program like any user's: where it lies, and how it is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::scratch::own_program;
use crate::session::wrapped;
use crate::verdict::Stop;

static PATH: OnceLock<PathBuf> = OnceLock::new();

/// Settles which tool is used: the given one, or the one that was built beside this program.
pub(crate) fn find(given: Option<PathBuf>) -> Result<(), Stop> {
    let beside = own_program()?.with_file_name("ottla");
    let path = given.unwrap_or(beside);
    if !path.is_file() {
        return Err(Stop::Harness(format!(
            "{} is not there: build it with `cargo build -p ottla --features cli`, in the same \
             profile and target directory, or name another one with --tool",
            path.display()
        )));
    }
    let _ = PATH.set(path);
    Ok(())
}

/// Where it lies.
pub(crate) fn path() -> &'static Path {
    PATH.get().map_or(Path::new("ottla"), PathBuf::as_path)
}

/// The tool on a directory, still without a verb.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(path());
    command.arg("--dir").arg(directory);
    command
}

/// Runs the tool to its end.
pub(crate) fn output(directory: &Path, arguments: &[&str]) -> Result<Output, String> {
    let output = command(directory).args(arguments).output();
    output.map_err(|error| format!("ottla cannot be started: {error}"))
}

/// Runs the tool to its end, under another program.
pub(crate) fn output_under(
    wrapper: &[String],
    directory: &Path,
    arguments: &[&str],
) -> Result<Output, String> {
    let mut command = wrapped(wrapper, path());
    let output = command.arg("--dir").arg(directory).args(arguments).output();
    output.map_err(|error| format!("ottla cannot be started: {error}"))
}

/// Standard output of the tool, which must succeed.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = output(directory, arguments)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("ottla {}: {}: {complaint}", arguments.join(" "), output.status))
}
