//! A directory as it is: names, kinds, contents and times of change. Two photos that are equal say that
//! nobody wrote.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::verdict::Stop;

/// By name: what it is, its length, the time of its last change, a sum of its bytes.
pub(crate) type Photo = BTreeMap<String, (u32, u64, i64, i64, u32)>;

/// Looks at everything beneath a directory, and at itself.
pub(crate) fn of(directory: &Path) -> Result<Photo, Stop> {
    let mut photo = Photo::new();
    add(directory, ".", &mut photo).map_err(Stop::harness("a photo of the directory"))?;
    Ok(photo)
}

fn add(path: &Path, name: &str, photo: &mut Photo) -> std::io::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    let sum = match metadata.is_file() {
        true => crc32c::crc32c(&std::fs::read(path)?),
        false => 0,
    };
    let changed = (metadata.mtime(), metadata.mtime_nsec());
    let entry = (metadata.mode(), metadata.len(), changed.0, changed.1, sum);
    photo.insert(name.to_owned(), entry);
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            add(&entry.path(), &name, photo)?;
        }
    }
    Ok(())
}

/// Fails with a law if anything is different.
pub(crate) fn same(law: &str, before: &Photo, after: &Photo) -> Result<(), Stop> {
    let changed =
        before.keys().chain(after.keys()).find(|name| before.get(*name) != after.get(*name));
    match changed {
        None => Ok(()),
        Some(name) => {
            let (was, is) = (before.get(name), after.get(name));
            Err(Stop::Broken(format!("{law}: {name} was {was:?}, is {is:?}")))
        }
    }
}
