//! A file that is dumped: opened for reading, with the names that say what it is.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ottla::error::{Error, ErrorKind};
use ottla::format::FormatError;

use crate::exit::Failure;

/// An open file.
#[derive(Debug)]
pub(super) struct Source {
    /// The path as the user wrote it.
    pub(super) path: String,
    /// The last name of the path.
    pub(super) name: String,
    /// The name of the directory that the file is in, if it has one.
    pub(super) directory: Option<String>,
    /// The length in bytes.
    pub(super) length: u64,
    reader: BufReader<File>,
    position: u64,
}

impl Source {
    /// Opens a regular file.
    #[expect(clippy::disallowed_methods, reason = "a file that the user names, read only")]
    pub(super) fn open(path: &Path) -> Result<Source, Failure> {
        let shown = path.display().to_string();
        let cannot = |error| Error::io(error, "cannot read").at_file(&shown);
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() {
            let error = Error::new(ErrorKind::InvalidInput, "only regular files can be dumped");
            return Err(error.at_file(&shown).into());
        }
        let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
        Ok(Source {
            name: path.file_name().map(text).unwrap_or_default(),
            directory: std::path::absolute(path)
                .ok()
                .and_then(|path| path.parent().and_then(Path::file_name).map(text)),
            path: shown,
            length: metadata.len(),
            reader: BufReader::with_capacity(1 << 16, file),
            position: 0,
        })
    }

    /// Where the next byte is read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The bytes that are left. The file may grow meanwhile; what came later is not read.
    pub(super) fn left(&self) -> u64 {
        self.length.saturating_sub(self.position)
    }

    /// Fills `buffer`, or as much of it as there are bytes left, and returns how many those were.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut done = 0;
        while done < wanted {
            match self.reader.read(&mut buffer[done..wanted]) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::io(error, "cannot read").at_file(&self.path).into());
                }
            }
        }
        self.position += done as u64;
        Ok(done)
    }

    /// All bytes of a file that is small by its nature.
    pub(super) fn read_whole(&mut self, bytes_max: u64) -> Result<Vec<u8>, Failure> {
        if self.length > bytes_max {
            let what = format!("the file has {} bytes, {bytes_max} are allowed", self.length);
            return Err(Error::new(ErrorKind::Limit, what).at_file(&self.path).into());
        }
        let mut bytes = vec![0; usize::try_from(self.left()).unwrap_or(usize::MAX)];
        let read = self.read(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The failure for bytes that are not what they should be; `position` is that of the first
    /// byte that was decoded.
    pub(super) fn damaged(&self, error: FormatError, position: u64) -> Failure {
        let at = position.saturating_add(error.at as u64);
        error.into_error().at_file(&self.path).at_position(at).into()
    }
}
