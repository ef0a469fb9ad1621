//! Directories into memory and back.

use std::io;
use std::path::Path;

use std::os::unix::ffi::OsStrExt as _;

use super::disk::Image;

/// Everything in a directory.
pub(super) fn load(root: &Path) -> io::Result<Image> {
    let mut image = Image::new();
    load_into(root, &[], &mut image)?;
    Ok(image)
}

fn load_into(folder: &Path, path: &[u8], image: &mut Image) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_bytes();
        let inner = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
        if entry.file_type()?.is_dir() {
            image.insert(inner.clone(), None);
            load_into(&entry.path(), &inner, image)?;
        } else {
            image.insert(inner, Some(std::fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// Makes a directory of it; a folder is in the image before what is in it.
pub(super) fn store(image: &Image, root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    for (path, content) in image {
        let path = root.join(std::ffi::OsStr::from_bytes(path));
        match content {
            Some(bytes) => std::fs::write(path, bytes)?,
            None => std::fs::create_dir(path)?,
        }
    }
    Ok(())
}

/// The first path at which two differ.
pub(super) fn difference(one: &Image, other: &Image) -> Option<String> {
    let paths = one.keys().chain(other.keys());
    let differs = |path: &&Vec<u8>| one.get(*path) != other.get(*path);
    let path = paths.into_iter().find(differs)?;
    let shown = |image: &Image| match image.get(path) {
        Some(Some(bytes)) => format!("{} bytes", bytes.len()),
        Some(None) => "a folder".to_owned(),
        None => "nothing".to_owned(),
    };
    let name = String::from_utf8_lossy(path);
    Some(format!("{name}: {} and {}", shown(one), shown(other)))
}
