//! The one error type of the library: opaque, with a coarse kind that says what to do.
//!
//! A message is a sentence with the values in it: topic, partition, file, position, and what to
//! do where there is something to do. A new kind is added only when a caller acts differently.

pub(crate) mod conflict;
pub mod room;

use std::fmt;
use std::io;

use conflict::{Conflict, MissedRecord};

/// The result of nearly every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarsely enough to act on. See [`Error::kind`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Bytes on the disk are not what was written. Other data stays readable.
    Corrupt,
    /// The operating system refused a call (not for want of space).
    Io,
    /// Another process, or another handle of this one, holds the directory.
    Locked,
    /// The disk, a quota or a file size limit is exhausted. Free space and try again.
    NoSpace,
    /// A name, setting or argument that can never work. Nothing was changed.
    InvalidInput,
    /// Something is larger than a limit allows; the message names the limit.
    Limit,
    /// No such topic or partition.
    UnknownTopicOrPartition,
    /// A topic of that name exists already.
    TopicExists,
    /// The offset lies outside of what the partition holds.
    OffsetOutOfRange,
    /// A sync failed earlier, its outcome is unknown: no more writes until the directory is
    /// opened anew. Reads go on.
    Poisoned,
    /// The broker was opened for reading only.
    ReadOnly,
    /// The bytes are sound, but of a version or a kind that this library does not know.
    Unsupported,
    /// The handle was closed.
    Closed,
    /// A deadline passed; the outcome of the operation is unknown.
    Timeout,
    /// The bounded memory of the producer is full; try again later.
    BufferFull,
    /// Somebody newer took this handle's place: a member that its group no longer counts, a static
    /// member whose name another one uses, a producer whose epoch is over. Make a new handle.
    Fenced,
    /// A batch of an idempotent producer does not follow the one before it: an earlier one is
    /// missing. It was not written.
    OutOfOrderSequence,
    /// No such consumer group.
    UnknownGroup,
    /// The consumer group has members: close them first.
    GroupNotEmpty,
    /// A condition does not hold any more: somebody else was faster. Nothing was written. Look at
    /// what there is now, decide anew, and try again. [`Error::conflict`] has what it was.
    Conflict,
    /// The call does not fit the state of the transaction: it was committed, aborted or timed out,
    /// or none was begun.
    InvalidTransactionState,
}

/// An error of the library. Cheap to move; its [`Display`](fmt::Display) is a sentence.
#[derive(Clone)]
pub struct Error(std::sync::Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    partition: Option<(String, i32)>,
    file: Option<String>,
    position: Option<u64>,
    source: Option<io::Error>,
    conflict: Option<Box<Conflict>>,
}

impl Clone for Inner {
    fn clone(&self) -> Inner {
        Inner {
            kind: self.kind,
            message: self.message.clone(),
            partition: self.partition.clone(),
            file: self.file.clone(),
            position: self.position,
            source: self.source.as_ref().map(copy_io_error),
            conflict: self.conflict.clone(),
        }
    }
}

fn copy_io_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Error {
    /// A new error of `kind`; `message` is a sentence without its full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(std::sync::Arc::new(Inner {
            kind,
            message: message.into(),
            partition: None,
            file: None,
            position: None,
            source: None,
            conflict: None,
        }))
    }

    /// The error of a condition of `topic` and `partition` that does not hold.
    pub(crate) fn conflicting(conflict: Conflict, topic: &str, partition: i32) -> Error {
        let error = Error::new(ErrorKind::Conflict, conflict.message());
        let conflict = Conflict { topic: topic.to_owned(), partition, ..conflict };
        let error = error.edit(|inner| inner.conflict = Some(Box::new(conflict)));
        error.at_partition(topic, partition)
    }

    /// Lets the conflict carry what was missed.
    #[must_use]
    pub(crate) fn with_missed(self, records: Vec<MissedRecord>, is_complete: bool) -> Error {
        self.edit(|inner| {
            if let Some(conflict) = &mut inner.conflict {
                conflict.records = records;
                conflict.is_complete = is_complete;
            }
        })
    }

    /// An operating system error met while doing `what` ("cannot write the journal").
    ///
    /// A full disk, an exhausted quota and a file size limit become [`ErrorKind::NoSpace`].
    pub fn io(error: io::Error, what: impl Into<String>) -> Error {
        Error::new(kind_of_io(&error), what).edit(|inner| inner.source = Some(error))
    }

    /// Says which partition is concerned.
    #[must_use]
    pub fn at_partition(self, topic: &str, partition: i32) -> Error {
        self.edit(|inner| {
            if inner.partition.is_none() {
                inner.partition = Some((topic.to_owned(), partition));
            }
        })
    }

    /// Says which file is concerned (its path as the user knows it).
    #[must_use]
    pub fn at_file(self, file: impl Into<String>) -> Error {
        self.edit(|inner| {
            if inner.file.is_none() {
                inner.file = Some(file.into());
            }
        })
    }

    /// Says at which byte of the file.
    #[must_use]
    pub fn at_position(self, position: u64) -> Error {
        self.edit(|inner| {
            if inner.position.is_none() {
                inner.position = Some(position);
            }
        })
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Error {
        match std::sync::Arc::get_mut(&mut self.0) {
            Some(inner) => change(inner),
            None => {
                let mut inner = Inner::clone(&self.0);
                change(&mut inner);
                self.0 = std::sync::Arc::new(inner);
            }
        }
        self
    }

    /// What went wrong, coarsely: decide by this, print the rest.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The partition that is concerned, as topic and number.
    pub fn partition(&self) -> Option<(&str, i32)> {
        self.0.partition.as_ref().map(|(topic, partition)| (topic.as_str(), *partition))
    }

    /// What stood against a condition, if the kind is [`Conflict`](ErrorKind::Conflict).
    pub fn conflict(&self) -> Option<&Conflict> {
        self.0.conflict.as_deref()
    }

    /// The file that is concerned.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The byte position in that file.
    pub fn position(&self) -> Option<u64> {
        self.0.position
    }

    /// Whether a file could not even be opened, because too many are open: nothing was done then.
    pub(crate) fn is_want_of_descriptors(&self) -> bool {
        let code = self.0.source.as_ref().and_then(io::Error::raw_os_error);
        matches!(code, Some(libc::EMFILE | libc::ENFILE))
    }

    /// The error code of Kafka's protocol that means the same, where there is one.
    pub fn kafka_code(&self) -> Option<i16> {
        match self.0.kind {
            ErrorKind::OffsetOutOfRange => Some(1),
            ErrorKind::Corrupt => Some(2),
            ErrorKind::UnknownTopicOrPartition => Some(3),
            ErrorKind::Timeout => Some(7),
            ErrorKind::Limit => Some(10),
            ErrorKind::TopicExists => Some(36),
            ErrorKind::InvalidInput => Some(42),
            ErrorKind::OutOfOrderSequence => Some(45),
            ErrorKind::InvalidTransactionState => Some(48),
            ErrorKind::Io | ErrorKind::NoSpace | ErrorKind::Poisoned => Some(56),
            ErrorKind::GroupNotEmpty => Some(68),
            ErrorKind::UnknownGroup => Some(69),
            ErrorKind::Fenced => Some(90),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anything else being changed by the program.
    ///
    /// After a [`Timeout`](ErrorKind::Timeout) the outcome of the first call is unknown: doing it
    /// again may do it twice.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::NoSpace | ErrorKind::Locked | ErrorKind::Timeout | ErrorKind::BufferFull
        )
    }
}

fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::NoSpace
        }
        io::ErrorKind::OutOfMemory => ErrorKind::Limit,
        // An error of ours that passed through a function which speaks of I/O keeps its kind.
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(own) => own.kind(),
            None => ErrorKind::Io,
        },
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.write_str(&inner.message)?;
        if let Some(source) = &inner.source {
            write!(f, ": {source}")?;
        }
        let mut separator = " (";
        if let Some((topic, partition)) = &inner.partition {
            write!(f, "{separator}partition {topic}-{partition}")?;
            separator = ", ";
        }
        if let Some(file) = &inner.file {
            write!(f, "{separator}file {file}")?;
            separator = ", ";
        }
        if let Some(position) = inner.position {
            write!(f, "{separator}position {position}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_partition_file_and_position() {
        let error = Error::new(ErrorKind::Corrupt, "the checksum does not match")
            .at_position(17)
            .at_file("data/orders-2/0.log")
            .at_partition("orders", 2);
        assert_eq!(
            error.to_string(),
            "the checksum does not match (partition orders-2, file data/orders-2/0.log, position 17)"
        );
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_io_errors() {
        let full = Error::io(io::Error::from_raw_os_error(libc::ENOSPC), "cannot append");
        assert_eq!(full.kind(), ErrorKind::NoSpace);
        let quota = Error::io(io::Error::from_raw_os_error(libc::EDQUOT), "cannot append");
        assert_eq!(quota.kind(), ErrorKind::NoSpace);
        let broken = Error::io(io::Error::from_raw_os_error(libc::EIO), "cannot append");
        assert_eq!(broken.kind(), ErrorKind::Io);
    }
}
