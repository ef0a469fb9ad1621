//! Appending once: under an identity, with sequence numbers of one's own.

use std::ptr;
use std::sync::Arc;

use ottla::Appender;

use super::{PartitionObject, ottla_partition};
use crate::append::{acks, messages, ottla_appended, tell_where};
use crate::bytes::ottla_record;
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::identity::{identity, ottla_producer_identity};
use crate::lock::{Mutex, MutexGuard};
use crate::pointer::{bytes, place};
use crate::status::{OTTLA_E_CONCURRENT_USE, ottla_status};
use crate::stream::expected_version;

/// Appends to one partition as an idempotent producer, and counts the sequence numbers.
///
/// Ownership: the program's, until ottla_appender_free; to be freed before its broker is closed. It
/// may outlive its ottla_partition.
/// Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
pub struct ottla_appender {
    _opaque: [u8; 0],
}

struct AppenderHandle {
    appender: Mutex<Appender>,
    /// Topic and number, for messages.
    name: String,
    number: i32,
}

impl Handle for AppenderHandle {
    const KIND: u8 = 6;
    const NAME: &'static str = "an appender";

    fn describe(&self) -> String {
        format!("an appender of {}", self.name)
    }
}

impl AppenderHandle {
    fn of(appender: *const ottla_appender) -> Result<Arc<AppenderHandle>, Failure> {
        handle::get(appender)
    }

    fn enter(&self) -> Result<MutexGuard<'_, Appender>, Failure> {
        let guard = self.appender.try_lock();
        guard.ok_or_else(|| {
            Failure::new(OTTLA_E_CONCURRENT_USE, "another thread is inside of this appender")
        })
    }
}

/// Makes an appender for a partition: what is appended first begins at the sequence number
/// `next_sequence`, which is 0 for a new identity.
///
/// Ownership: `*appender` is the program's, until ottla_appender_free. The identity is copied.
/// Threads: any.
/// NULL: nothing.
/// Returns: OTTLA_E_INVALID_INPUT for acks that are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_appender_new(
    partition: *mut ottla_partition,
    acks: i32,
    identity: *const ottla_producer_identity,
    next_sequence: i32,
    appender: *mut *mut ottla_appender,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(appender, "appender") }?;
        let object = PartitionObject::of(partition)?;
        let acks = self::acks(acks)?;
        // SAFETY: the program promises an identity.
        let identity = unsafe { self::identity(identity) }?;
        let appender = object.inner().appender(acks);
        let made = AppenderHandle {
            appender: Mutex::new(appender.idempotent(identity, next_sequence)),
            name: object.inner().name().to_string(),
            number: object.number(),
        };
        place.write(handle::give_child(made, object.parent)?);
        Ok(())
    })
}

/// Appends the records as one batch, once: if the identity has appended the batch of these sequence
/// numbers before, nothing is appended, and the offsets are those of the first time. A failed append
/// leaves the number as it was, so the same records can be appended again.
///
/// Ownership: the records are copied.
/// Threads: one at a time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_OUT_OF_ORDER_SEQUENCE if an earlier batch is missing, or this is one that the
/// partition does not remember any more; OTTLA_E_FENCED if a newer epoch took over;
/// OTTLA_E_INVALID_INPUT for an identity that is not from this directory; otherwise as
/// ottla_partition_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_appender_append(
    appender: *mut ottla_appender,
    records: *const ottla_record,
    count: usize,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    // SAFETY: the program promises a place, or NULL, and as many records.
    enter(error, || unsafe { append(appender, (records, count), |_| {}, appended) })
}

/// As ottla_appender_append, if the partition ends at the offset `end` then. A batch that was
/// appended before is not asked again: its condition held then.
///
/// Ownership: the records are copied.
/// Threads: one at a time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if the partition ends elsewhere: ottla_error_conflict has what was
/// appended meanwhile; otherwise as ottla_appender_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_appender_append_expecting(
    appender: *mut ottla_appender,
    end: i64,
    records: *const ottla_record,
    count: usize,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    let expect = |inside: &mut Appender| {
        inside.expect_end(end);
    };
    // SAFETY: the program promises a place, or NULL, and as many records.
    enter(error, || unsafe { append(appender, (records, count), expect, appended) })
}

/// As ottla_appender_append, if the newest record of a key in this partition is still the one with
/// the offset `version`, or, with OTTLA_VERSION_NO_STREAM, if there is none. The topic needs
/// ottla.key.index=true. A batch that was appended before is not asked again: its condition held
/// then.
///
/// Ownership: key and records are copied.
/// Threads: one at a time.
/// NULL: `appended`, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
/// key that are newer than the expected one; otherwise as ottla_appender_append.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_appender_append_expecting_version(
    appender: *mut ottla_appender,
    key: *const u8,
    key_length: usize,
    version: i64,
    records: *const ottla_record,
    count: usize,
    appended: *mut ottla_appended,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        let version = expected_version(version)?;
        let expect = |inside: &mut Appender| {
            inside.expect_version(key, version);
        };
        // SAFETY: the program promises a place, or NULL, and as many records.
        unsafe { append(appender, (records, count), expect, appended) }
    })
}

/// # Safety
/// As [`messages`] and [`tell_where`].
unsafe fn append(
    appender: *const ottla_appender,
    (first, count): (*const ottla_record, usize),
    expect: impl FnOnce(&mut Appender),
    appended: *mut ottla_appended,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    unsafe {
        tell_where(appended, || {
            let owner = AppenderHandle::of(appender)?;
            let mut inside = owner.enter()?;
            let messages = messages(first, count, owner.number)?;
            // Counts for the next append only.
            expect(&mut inside);
            Ok(inside.append(&messages)?)
        })
    }
}

/// Sets `*next_sequence` to the sequence number of what is appended next: for the program's notes.
///
/// Threads: one at a time.
/// NULL: nothing.
/// Returns: OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_appender_next_sequence(
    appender: *const ottla_appender,
    next_sequence: *mut i32,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(next_sequence, "next_sequence") }?;
        let next = AppenderHandle::of(appender)?.enter()?.next_sequence();
        place.write(next.ok_or_else(|| Failure::invalid("the appender does not count"))?);
        Ok(())
    })
}

/// Frees an appender. NULL is fine.
///
/// Threads: any; once. A call that another thread is in goes on.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_appender_free(appender: *mut ottla_appender) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !appender.is_null() {
            handle::take::<AppenderHandle, _>(appender)?;
        }
        Ok(())
    })
}
