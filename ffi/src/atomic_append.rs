//! Appending to several partitions at once: all of it or nothing.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use ottla::AtomicAppend;

use crate::append::{messages, ottla_appended};
use crate::broker::{BrokerHandle, ottla_broker};
use crate::bytes::ottla_record;
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::{Mutex, MutexGuard};
use crate::pointer::{bytes, place, text};
use crate::status::{OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE, ottla_status};
use crate::stream::expected_version;

/// Batches for several partitions that become durable and visible together, or not at all, with one
/// sync.
///
/// Ownership: the program's, until ottla_atomic_append_free; to be freed before its broker is closed.
/// Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
pub struct ottla_atomic_append {
    _opaque: [u8; 0],
}

struct AtomicAppendHandle {
    /// Gone once it was committed.
    state: Mutex<Option<State>>,
}

struct State {
    append: AtomicAppend,
    /// How many batches were added.
    batches: usize,
}

impl Handle for AtomicAppendHandle {
    const KIND: u8 = 7;
    const NAME: &'static str = "an atomic append";
}

impl AtomicAppendHandle {
    fn of(append: *const ottla_atomic_append) -> Result<Arc<AtomicAppendHandle>, Failure> {
        handle::get(append)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<State>>, Failure> {
        let guard = self.state.try_lock();
        guard.ok_or_else(|| {
            Failure::new(OTTLA_E_CONCURRENT_USE, "another thread is inside of this atomic append")
        })
    }
}

fn committed_before() -> Failure {
    Failure::new(OTTLA_E_CLOSED, "the atomic append was committed already: begin another one")
}

/// Begins an append to several partitions.
///
/// Ownership: `*append` is the program's, until ottla_atomic_append_free.
/// Threads: any.
/// Returns: OTTLA_E_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_atomic_append_new(
    broker: *mut ottla_broker,
    append: *mut *mut ottla_atomic_append,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(append, "append") }?;
        let begun = BrokerHandle::of(broker)?.inner().atomic_append();
        let state = Mutex::new(Some(State { append: begun, batches: 0 }));
        place.write(handle::give_child(AtomicAppendHandle { state }, handle::number(broker))?);
        Ok(())
    })
}

/// Adds a batch for one partition. Several for the same one are written in this order.
///
/// Ownership: the records are copied.
/// Threads: one at a time.
/// NULL: nothing.
/// Returns: as ottla_partition_append; what was added before stays. OTTLA_E_CLOSED after the commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_atomic_append_add(
    append: *mut ottla_atomic_append,
    topic: *const c_char,
    partition: i32,
    records: *const ottla_record,
    count: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = AtomicAppendHandle::of(append)?;
        let mut inside = owner.lock()?;
        let inside = inside.as_mut().ok_or_else(committed_before)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many records.
        let messages = unsafe { messages(records, count, partition) }?;
        inside.append.add(topic, partition, &messages)?;
        inside.batches += 1;
        Ok(())
    })
}

/// Lets the commit happen only if the partition still ends at `end` then, whether or not a batch is
/// added for it. All conditions have to hold; the batches of this append do not count.
///
/// Threads: one at a time.
/// NULL: nothing.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a negative offset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_atomic_append_expect_end(
    append: *mut ottla_atomic_append,
    topic: *const c_char,
    partition: i32,
    end: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = AtomicAppendHandle::of(append)?;
        let mut inside = owner.lock()?;
        let inside = inside.as_mut().ok_or_else(committed_before)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        Ok(inside.append.expect_end(topic, partition, end)?)
    })
}

/// Lets the commit happen only if the stream of `key` still has this version then: an offset,
/// OTTLA_VERSION_NO_STREAM, or OTTLA_VERSION_ANY. All conditions have to hold.
///
/// Threads: one at a time.
/// NULL: nothing; an empty key is a pointer to anything and a length of 0.
/// Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if the topic has no key index.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_atomic_append_expect_version(
    append: *mut ottla_atomic_append,
    topic: *const c_char,
    key: *const u8,
    key_length: usize,
    version: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let owner = AtomicAppendHandle::of(append)?;
        let mut inside = owner.lock()?;
        let inside = inside.as_mut().ok_or_else(committed_before)?;
        // SAFETY: the program promises text.
        let topic = unsafe { text(topic, "the topic") }?;
        // SAFETY: the program promises as many bytes.
        let key = unsafe { bytes(key, key_length, "the key") }?;
        Ok(inside.append.expect_version(topic, key, expected_version(version)?)?)
    })
}

/// Commits everything, and writes where the batches are to `appended`, one place for each in the
/// order in which they were added. When it returns OTTLA_OK, all of them survive power loss.
///
/// Whatever it returns, the append is over then, and has only to be freed. Only a capacity that is too
/// small, and OTTLA_E_CONCURRENT_USE, leave it as it was.
///
/// Threads: one at a time.
/// NULL: `appended`, with a capacity of 0, if nobody wants to know where.
/// Returns: OTTLA_E_CONFLICT if a condition does not hold: ottla_error_conflict has what was missed;
/// OTTLA_E_INVALID_INPUT if `capacity` is neither 0 nor enough for all batches; OTTLA_E_POISONED if
/// the outcome is unknown until the directory is opened anew, but still all or nothing;
/// OTTLA_E_CLOSED if it was committed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_atomic_append_commit(
    append: *mut ottla_atomic_append,
    appended: *mut ottla_appended,
    capacity: usize,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        let place = match capacity {
            0 => None,
            // SAFETY: the program promises as many places.
            _ => Some(unsafe { place(appended, "appended") }?.as_mut_ptr()),
        };
        let owner = AtomicAppendHandle::of(append)?;
        let mut inside = owner.lock()?;
        let batches = inside.as_ref().map_or(0, |state| state.batches);
        if place.is_some() && capacity < batches {
            let message = format!("room for {capacity} places, but {batches} batches were added");
            return Err(Failure::invalid(message));
        }
        let committed = inside.take().ok_or_else(committed_before)?.append.commit()?;
        if let Some(first) = place {
            for (index, one) in committed.into_iter().enumerate().take(capacity) {
                // SAFETY: below the capacity.
                unsafe { first.add(index).write(one.into()) };
            }
        }
        Ok(())
    })
}

/// Frees an atomic append; one that was not committed is forgotten. NULL is fine.
///
/// Threads: any; once. A call that another thread is in goes on.
/// Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_atomic_append_free(append: *mut ottla_atomic_append) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !append.is_null() {
            handle::take::<AtomicAppendHandle, _>(append)?;
        }
        Ok(())
    })
}
