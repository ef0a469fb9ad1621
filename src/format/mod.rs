//! Bytes to values and back, pure: nothing here sees a file, a clock or a thread.
//!
//! Every decoder is total: any bytes give a value or a [`FormatError`], never a panic, and no length
//! from the bytes is trusted before it was checked.

pub mod batch_header;
pub mod checkpoint;
pub mod checksum;
pub mod clean_shutdown;
pub mod compact;
pub mod consumer_group_records;
pub mod consumer_protocol;
pub mod control_file;
pub mod control_record;
pub mod file_names;
pub mod file_sum;
pub mod group_records;
pub mod hash;
pub mod index_entries;
pub mod journal_frame;
pub mod json;
pub mod key_hash;
pub mod key_index;
pub mod leader_epochs;
pub mod legacy_message;
pub mod meta_properties;
pub mod metadata_records;
pub mod partition_metadata;
pub mod producer_snapshot;
pub mod quorum_state;
pub mod raft_control;
pub mod record;
pub mod share_records;
pub mod spill_file;
pub mod transaction_records;
mod usual_record;
pub mod varint;

use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// How bytes fail to be what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatErrorKind {
    /// They contradict the format.
    Corrupt,
    /// They are of a version or kind that is not known here.
    Unsupported,
    /// They ask for more than a limit allows.
    Limit,
}

/// Why bytes cannot be decoded, without the file they came from: floors above add that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// How the bytes fail.
    pub kind: FormatErrorKind,
    /// A clause, with the values in it.
    pub what: Cow<'static, str>,
    /// Where in the bytes.
    pub at: usize,
}

impl FormatError {
    /// The bytes contradict the format.
    #[cold]
    pub fn corrupt(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError { kind: FormatErrorKind::Corrupt, what: what.into(), at }
    }

    /// The bytes are of an unknown version or kind.
    #[cold]
    pub fn unsupported(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError { kind: FormatErrorKind::Unsupported, what: what.into(), at }
    }

    /// The bytes ask for more than a limit allows.
    #[cold]
    pub fn limit(what: impl Into<Cow<'static, str>>, at: usize) -> FormatError {
        FormatError { kind: FormatErrorKind::Limit, what: what.into(), at }
    }

    /// The bytes end before what `what` names is complete.
    #[cold]
    pub fn truncated(what: &'static str, at: usize) -> FormatError {
        FormatError::corrupt(format!("the bytes end within {what}"), at)
    }

    /// The same error, for bytes that lie `by` further on in what the caller was handed.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> FormatError {
        self.at = self.at.saturating_add(by);
        self
    }

    /// The library's error for it, without its place: the caller knows file and position.
    pub fn into_error(self) -> Error {
        let kind = match self.kind {
            FormatErrorKind::Corrupt => ErrorKind::Corrupt,
            FormatErrorKind::Unsupported => ErrorKind::Unsupported,
            FormatErrorKind::Limit => ErrorKind::Limit,
        };
        Error::new(kind, self.what.into_owned())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.what, self.at)
    }
}

impl std::error::Error for FormatError {}

impl From<FormatError> for Error {
    fn from(error: FormatError) -> Error {
        error.into_error()
    }
}
