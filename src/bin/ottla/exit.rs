//! How a run ends: one sentence on standard error, and an exit code that scripts can act on.
//!
//! | code | meaning |
//! |---:|---|
//! | 0 | done |
//! | 1 | anything not below |
//! | 2 | usage |
//! | 3 | corruption found |
//! | 4 | I/O error |
//! | 5 | locked |
//! | 6 | no space |
//! | 7 | invalid input, or over a limit |

use std::io::{self, Write};

use ottla::error::{Error, ErrorKind};

/// Why a run did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments do not make sense together.
    Usage(String),
    /// The library says no.
    Library(Error),
    /// Something was found to be damaged; what, was printed already or is said here.
    Corrupt(String),
    /// Said already; only the exit code is left.
    Reported(u8),
    /// Standard output is gone. Whoever read it has seen enough, so this ends quietly.
    BrokenPipe,
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Library(error) => exit_code_of(error.kind()),
            Failure::Corrupt(_) => 3,
            Failure::Reported(code) => *code,
            Failure::BrokenPipe => 0,
        }
    }

    /// Writes the sentence to standard error, if there is one.
    pub(crate) fn report(&self) {
        if let Some(sentence) = self.sentence() {
            // With standard error gone too there is nobody left to tell.
            let _ = writeln!(io::stderr(), "ottla: {sentence}");
        }
    }

    /// The same, once it was reported.
    pub(crate) fn reported(&self) -> Failure {
        Failure::Reported(self.exit_code())
    }

    /// The sentence for standard error, if there is one.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self {
            Failure::Usage(message) | Failure::Corrupt(message) => Some(message.clone()),
            Failure::Library(error) => Some(error.to_string()),
            Failure::Reported(_) | Failure::BrokenPipe => None,
        }
    }
}

/// The one place where kinds of errors become exit codes.
fn exit_code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Corrupt => 3,
        ErrorKind::Io | ErrorKind::Poisoned => 4,
        ErrorKind::Locked => 5,
        ErrorKind::NoSpace => 6,
        ErrorKind::InvalidInput
        | ErrorKind::Limit
        | ErrorKind::UnknownTopicOrPartition
        | ErrorKind::TopicExists
        | ErrorKind::UnknownGroup
        | ErrorKind::GroupNotEmpty
        | ErrorKind::OffsetOutOfRange => 7,
        _ => 1,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Library(error)
    }
}

/// Only writing to standard output fails with a bare `io::Error`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::BrokenPipe
        } else {
            Failure::Library(Error::io(error, "cannot write to standard output"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_codes_that_scripts_rely_on() {
        for (kind, code) in [
            (ErrorKind::Corrupt, 3),
            (ErrorKind::Io, 4),
            (ErrorKind::Poisoned, 4),
            (ErrorKind::Locked, 5),
            (ErrorKind::NoSpace, 6),
            (ErrorKind::InvalidInput, 7),
            (ErrorKind::Limit, 7),
            (ErrorKind::UnknownTopicOrPartition, 7),
            (ErrorKind::TopicExists, 7),
            (ErrorKind::OffsetOutOfRange, 7),
            (ErrorKind::Unsupported, 1),
            (ErrorKind::Timeout, 1),
        ] {
            assert_eq!(Failure::from(Error::new(kind, "x")).exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn a_closed_standard_output_ends_quietly() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit_code(), failure.sentence()), (0, None));
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit_code(), 6);
    }
}
