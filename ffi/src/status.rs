//! What a call returns: one number, stable for ever.

use std::ffi::c_char;

use ottla::ErrorKind;

/// What nearly every call returns: OTTLA_OK, or one of the negative codes OTTLA_E_...
pub type ottla_status = i32;

/// It was done.
pub const OTTLA_OK: ottla_status = 0;

/// A name, setting or argument that can never work, NULL where something is needed. Nothing was
/// changed.
pub const OTTLA_E_INVALID_INPUT: ottla_status = -1;

/// The operating system refused a call (not for want of space).
pub const OTTLA_E_IO: ottla_status = -2;

/// Bytes on the disk are not what was written. Other data stays readable.
pub const OTTLA_E_CORRUPT: ottla_status = -3;

/// Another process, or another handle of this one, holds the directory.
pub const OTTLA_E_LOCKED: ottla_status = -4;

/// The disk, a quota or a file size limit is exhausted. Free space and try again.
pub const OTTLA_E_NO_SPACE: ottla_status = -5;

/// Something is larger than a limit allows; the message names the limit.
pub const OTTLA_E_LIMIT: ottla_status = -6;

/// No such topic or partition.
pub const OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION: ottla_status = -7;

/// A topic of that name exists already.
pub const OTTLA_E_TOPIC_EXISTS: ottla_status = -8;

/// The offset lies outside of what the partition holds.
pub const OTTLA_E_OFFSET_OUT_OF_RANGE: ottla_status = -9;

/// A sync failed earlier, its outcome is unknown: no more writes until the directory is opened
/// anew. Reads go on.
pub const OTTLA_E_POISONED: ottla_status = -10;

/// The broker was opened for reading only.
pub const OTTLA_E_READ_ONLY: ottla_status = -11;

/// Of a version or a kind that this library does not know.
pub const OTTLA_E_UNSUPPORTED: ottla_status = -12;

/// The broker, or the thing itself, was closed.
pub const OTTLA_E_CLOSED: ottla_status = -13;

/// The time was up. If something was being written, its outcome is unknown.
pub const OTTLA_E_TIMEOUT: ottla_status = -14;

/// The bounded memory of the producer is full; try again later.
pub const OTTLA_E_BUFFER_FULL: ottla_status = -15;

/// Somebody newer took this handle's place. Make a new one.
pub const OTTLA_E_FENCED: ottla_status = -16;

/// A batch of an idempotent producer does not follow the one before it. It was not written.
pub const OTTLA_E_OUT_OF_ORDER_SEQUENCE: ottla_status = -17;

/// No such consumer group.
pub const OTTLA_E_UNKNOWN_GROUP: ottla_status = -18;

/// The consumer group has members: close them first.
pub const OTTLA_E_GROUP_NOT_EMPTY: ottla_status = -19;

/// A condition does not hold any more: somebody else was faster. Nothing was written. See
/// ottla_error_conflict.
pub const OTTLA_E_CONFLICT: ottla_status = -20;

/// The call does not fit the state of the transaction.
pub const OTTLA_E_INVALID_TRANSACTION_STATE: ottla_status = -21;

/// An error that this version of the interface has no code for; the message says what it is.
pub const OTTLA_E_OTHER: ottla_status = -100;

/// No such handle: NULL, freed already, or of another type than the call asks for.
pub const OTTLA_E_INVALID_HANDLE: ottla_status = -101;

/// The handle was made before a fork, and this is the child. It belongs to the parent.
pub const OTTLA_E_FORKED: ottla_status = -102;

/// A defect of the library, caught at its border. Close what is open and report the message.
pub const OTTLA_E_PANIC: ottla_status = -103;

/// Another thread is inside of this handle, which one thread at a time may use.
pub const OTTLA_E_CONCURRENT_USE: ottla_status = -104;

/// Handles are still open; the message names them.
pub const OTTLA_E_STILL_OPEN: ottla_status = -105;

/// Not decided yet: ask later, or wait.
pub const OTTLA_E_PENDING: ottla_status = -106;

/// A callback of the program reported a failure.
pub const OTTLA_E_CALLBACK: ottla_status = -107;

/// Every code with the name that it has in the header.
const NAMES: &[(ottla_status, &str)] = &[
    (OTTLA_OK, "OTTLA_OK\0"),
    (OTTLA_E_INVALID_INPUT, "OTTLA_E_INVALID_INPUT\0"),
    (OTTLA_E_IO, "OTTLA_E_IO\0"),
    (OTTLA_E_CORRUPT, "OTTLA_E_CORRUPT\0"),
    (OTTLA_E_LOCKED, "OTTLA_E_LOCKED\0"),
    (OTTLA_E_NO_SPACE, "OTTLA_E_NO_SPACE\0"),
    (OTTLA_E_LIMIT, "OTTLA_E_LIMIT\0"),
    (OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, "OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION\0"),
    (OTTLA_E_TOPIC_EXISTS, "OTTLA_E_TOPIC_EXISTS\0"),
    (OTTLA_E_OFFSET_OUT_OF_RANGE, "OTTLA_E_OFFSET_OUT_OF_RANGE\0"),
    (OTTLA_E_POISONED, "OTTLA_E_POISONED\0"),
    (OTTLA_E_READ_ONLY, "OTTLA_E_READ_ONLY\0"),
    (OTTLA_E_UNSUPPORTED, "OTTLA_E_UNSUPPORTED\0"),
    (OTTLA_E_CLOSED, "OTTLA_E_CLOSED\0"),
    (OTTLA_E_TIMEOUT, "OTTLA_E_TIMEOUT\0"),
    (OTTLA_E_BUFFER_FULL, "OTTLA_E_BUFFER_FULL\0"),
    (OTTLA_E_FENCED, "OTTLA_E_FENCED\0"),
    (OTTLA_E_OUT_OF_ORDER_SEQUENCE, "OTTLA_E_OUT_OF_ORDER_SEQUENCE\0"),
    (OTTLA_E_UNKNOWN_GROUP, "OTTLA_E_UNKNOWN_GROUP\0"),
    (OTTLA_E_GROUP_NOT_EMPTY, "OTTLA_E_GROUP_NOT_EMPTY\0"),
    (OTTLA_E_CONFLICT, "OTTLA_E_CONFLICT\0"),
    (OTTLA_E_INVALID_TRANSACTION_STATE, "OTTLA_E_INVALID_TRANSACTION_STATE\0"),
    (OTTLA_E_OTHER, "OTTLA_E_OTHER\0"),
    (OTTLA_E_INVALID_HANDLE, "OTTLA_E_INVALID_HANDLE\0"),
    (OTTLA_E_FORKED, "OTTLA_E_FORKED\0"),
    (OTTLA_E_PANIC, "OTTLA_E_PANIC\0"),
    (OTTLA_E_CONCURRENT_USE, "OTTLA_E_CONCURRENT_USE\0"),
    (OTTLA_E_STILL_OPEN, "OTTLA_E_STILL_OPEN\0"),
    (OTTLA_E_PENDING, "OTTLA_E_PENDING\0"),
    (OTTLA_E_CALLBACK, "OTTLA_E_CALLBACK\0"),
];

/// The code of an error of the library.
pub(crate) fn of_kind(kind: ErrorKind) -> ottla_status {
    match kind {
        ErrorKind::InvalidInput => OTTLA_E_INVALID_INPUT,
        ErrorKind::Io => OTTLA_E_IO,
        ErrorKind::Corrupt => OTTLA_E_CORRUPT,
        ErrorKind::Locked => OTTLA_E_LOCKED,
        ErrorKind::NoSpace => OTTLA_E_NO_SPACE,
        ErrorKind::Limit => OTTLA_E_LIMIT,
        ErrorKind::UnknownTopicOrPartition => OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
        ErrorKind::TopicExists => OTTLA_E_TOPIC_EXISTS,
        ErrorKind::OffsetOutOfRange => OTTLA_E_OFFSET_OUT_OF_RANGE,
        ErrorKind::Poisoned => OTTLA_E_POISONED,
        ErrorKind::ReadOnly => OTTLA_E_READ_ONLY,
        ErrorKind::Unsupported => OTTLA_E_UNSUPPORTED,
        ErrorKind::Closed => OTTLA_E_CLOSED,
        ErrorKind::Timeout => OTTLA_E_TIMEOUT,
        ErrorKind::BufferFull => OTTLA_E_BUFFER_FULL,
        ErrorKind::Fenced => OTTLA_E_FENCED,
        ErrorKind::OutOfOrderSequence => OTTLA_E_OUT_OF_ORDER_SEQUENCE,
        ErrorKind::UnknownGroup => OTTLA_E_UNKNOWN_GROUP,
        ErrorKind::GroupNotEmpty => OTTLA_E_GROUP_NOT_EMPTY,
        ErrorKind::Conflict => OTTLA_E_CONFLICT,
        ErrorKind::InvalidTransactionState => OTTLA_E_INVALID_TRANSACTION_STATE,
        _ => OTTLA_E_OTHER,
    }
}

/// The name of a status code as it stands in this header, for logs; "OTTLA_E_UNKNOWN" for a number
/// that is none.
///
/// Ownership: the library's, for ever.
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_status_name(status: ottla_status) -> *const c_char {
    let found = NAMES.iter().find(|(code, _)| *code == status);
    found.map_or("OTTLA_E_UNKNOWN\0", |(_, name)| name).as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_names_are_told_apart() {
        let codes: BTreeSet<_> = NAMES.iter().map(|(code, _)| code).collect();
        let names: BTreeSet<_> = NAMES.iter().map(|(_, name)| name).collect();
        assert_eq!((codes.len(), names.len()), (NAMES.len(), NAMES.len()));
        assert!(NAMES.iter().all(|(_, name)| name.ends_with('\0')));
    }
}
