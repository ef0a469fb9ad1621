//! Bytes to values and back, for everything that lies in a data directory. Pure: no module here
//! sees a file, a clock or a thread. Every decoder is total: it checks each length before it
//! believes it, allocates nothing on the word of the input, and never panics.

pub mod batch_header;
pub mod checksum;
pub mod control_record;
pub mod file_names;
pub mod index_entries;
pub mod legacy_message;
pub mod record;
pub mod varint;

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// What is wrong with some bytes, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatErrorKind {
    /// The bytes break a rule of their format.
    Corrupt,
    /// The bytes may be sound, but this build or this version cannot read them.
    Unsupported,
    /// Reading the bytes would take more than a limit allows.
    Limit,
}

/// Bytes that cannot be decoded: why, and at which byte of what was handed in.
///
/// It knows no file. The floors above add partition, file and position.
#[derive(Clone, PartialEq, Eq)]
pub struct FormatError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: FormatErrorKind,
    what: Cow<'static, str>,
    at: usize,
}

impl FormatError {
    /// The bytes break a rule. `what` is a clause ("the magic is 7"), `at` the byte it concerns.
    #[cold]
    pub fn corrupt(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError::new(FormatErrorKind::Corrupt, what, at)
    }

    /// This library, or this build of it, cannot read the bytes.
    #[cold]
    pub fn unsupported(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError::new(FormatErrorKind::Unsupported, what, at)
    }

    /// A limit forbids reading the bytes.
    #[cold]
    pub fn limit(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError::new(FormatErrorKind::Limit, what, at)
    }

    /// The bytes end before the value that `what` names.
    #[cold]
    pub fn truncated(what: &'static str, at: usize) -> FormatError {
        FormatError::corrupt(format!("the bytes end within {what}"), at)
    }

    fn new(kind: FormatErrorKind, what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError(Box::new(Inner { kind, what: what.into(), at }))
    }

    /// What is wrong, coarsely.
    pub fn kind(&self) -> FormatErrorKind {
        self.0.kind
    }

    /// What is wrong, as a clause.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// The byte that is concerned, counted from the start of what was decoded.
    pub fn at(&self) -> usize {
        self.0.at
    }

    /// The same error, for bytes that lie `by` further on in what the caller was handed.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> FormatError {
        self.0.at = self.0.at.saturating_add(by);
        self
    }

    /// The public error of the same kind; the caller adds partition, file and position.
    pub fn into_error(self) -> Error {
        let kind = match self.0.kind {
            FormatErrorKind::Corrupt => ErrorKind::Corrupt,
            FormatErrorKind::Unsupported => ErrorKind::Unsupported,
            FormatErrorKind::Limit => ErrorKind::Limit,
        };
        Error::new(kind, self.to_string())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.0.what, self.0.at)
    }
}

impl fmt::Debug for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Error {
        error.into_error()
    }
}
