//! Scratch directories: removed at the end, kept where a promise was broken.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::verdict::Stop;

/// Makes a scratch directory, in `parent` or beside the build.
pub(crate) fn make(harness: &str, parent: Option<&Path>) -> Result<TempDir, Stop> {
    let parent = match parent {
        Some(parent) => parent.to_owned(),
        None => beside_the_build()?,
    };
    std::fs::create_dir_all(&parent).map_err(Stop::harness("the scratch directory"))?;
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix(&format!("outside-{harness}-")).tempdir_in(parent);
    made.map_err(Stop::harness("the scratch directory"))
}

/// The same, in memory where that is to be had: for what no power loss is a part of, and syncs only
/// take time.
pub(crate) fn make_fast(harness: &str, parent: Option<&Path>) -> Result<TempDir, Stop> {
    let memory = Path::new("/dev/shm");
    let parent = parent.or_else(|| memory.is_dir().then_some(memory));
    make(harness, parent).or_else(|_| make(harness, None))
}

/// `target/tmp`, where the tests of every package have theirs.
fn beside_the_build() -> Result<PathBuf, Stop> {
    let program = own_program()?;
    let target = program.parent().and_then(Path::parent);
    let target = target.ok_or_else(|| Stop::Harness("the program lies in no target".to_owned()))?;
    Ok(target.join("tmp"))
}

/// This program: it is its own driver, too.
pub(crate) fn own_program() -> Result<PathBuf, Stop> {
    std::env::current_exe().map_err(Stop::harness("the path of this program"))
}

/// Says where what was found broken lies.
pub(crate) fn keep(mut directory: TempDir) {
    leave(&mut directory);
}

/// The same, while somebody still holds it.
pub(crate) fn leave(directory: &mut TempDir) {
    directory.disable_cleanup(true);
    println!("the directory is kept: {}", directory.path().display());
}
