//! What a path may look like: at most two names below the data directory.
//!
//! Every implementation of [`Vfs`](super::vfs::Vfs) passes its paths through here first, so no
//! name can lead out of the directory, whatever implementation stands behind it.

use std::io;

/// The longest name that common file systems store.
const NAME_BYTES_MAX: usize = 255;

/// A checked path, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// The data directory itself (the empty path).
    Root,
    /// A name in the data directory.
    Top(&'a str),
    /// A name in a directory that lies in the data directory.
    Inside(&'a str, &'a str),
}

impl<'a> Place<'a> {
    /// Takes a path apart.
    ///
    /// # Errors
    /// `InvalidInput` if it is absolute, has more than two names, or one of them is empty, `.`,
    /// `..`, longer than 255 bytes or contains a NUL.
    pub(crate) fn of(path: &'a str) -> io::Result<Place<'a>> {
        if path.is_empty() {
            return Ok(Place::Root);
        }
        let mut names = path.split('/');
        let first = checked_name(path, names.next().unwrap_or(""))?;
        let Some(second) = names.next() else { return Ok(Place::Top(first)) };
        let second = checked_name(path, second)?;
        match names.next() {
            None => Ok(Place::Inside(first, second)),
            Some(_) => Err(refused(path, "has more than two names")),
        }
    }
}

fn checked_name<'a>(path: &str, name: &'a str) -> io::Result<&'a str> {
    match name {
        "" => Err(refused(path, "has an empty name in it")),
        "." | ".." => Err(refused(path, "has `.` or `..` in it")),
        _ if name.len() > NAME_BYTES_MAX => Err(refused(path, "has a name of more than 255 bytes")),
        _ if name.contains('\0') => Err(refused(path, "has a NUL in it")),
        _ => Ok(name),
    }
}

fn refused(path: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("the path {path:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_the_most() {
        assert_eq!(Place::of("").unwrap(), Place::Root);
        assert_eq!(Place::of(".lock").unwrap(), Place::Top(".lock"));
        assert_eq!(Place::of("orders-0/0.log").unwrap(), Place::Inside("orders-0", "0.log"));
        assert!(Place::of("a/b/c").is_err());
    }

    #[test]
    fn nothing_leads_out_of_the_directory() {
        let long = "x".repeat(256);
        for path in
            ["/", "/etc/passwd", "..", "../x", "a/..", ".", "a/.", "a//b", "a/", "a\0b", &long]
        {
            let error = Place::of(path).expect_err(path);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }
}
