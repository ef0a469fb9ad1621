//! Who an idempotent producer is.

use ottla::ProducerIdentity;

use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter, enter_or};
use crate::error::ottla_error;
use crate::pointer::{place, values};
use crate::status::ottla_status;

/// Who an idempotent producer is: by its id and epoch, and by the sequence numbers of its records, a
/// partition knows a batch that is sent again, and stores it once.
///
/// Ownership: the program's; a program that wants to send something again after its own death keeps
/// it where it keeps its other notes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ottla_producer_identity {
    /// The id, handed out once per directory.
    pub id: i64,
    /// Which of those that used this id one after the other: a later one fences the earlier ones.
    pub epoch: i16,
    /// Nobody looks at it.
    pub reserved: [u16; 3],
}

impl From<ProducerIdentity> for ottla_producer_identity {
    fn from(identity: ProducerIdentity) -> ottla_producer_identity {
        ottla_producer_identity { id: identity.id, epoch: identity.epoch, reserved: [0; 3] }
    }
}

/// The identity at `pointer`.
///
/// # Safety
/// NULL, or an identity.
pub(crate) unsafe fn identity(
    pointer: *const ottla_producer_identity,
) -> Result<ProducerIdentity, Failure> {
    // SAFETY: the caller's promise is the same.
    match unsafe { values(pointer, 1, "identity") }? {
        [given] => Ok(ProducerIdentity::new(given.id, given.epoch)),
        _ => Err(Failure::invalid("identity is none")),
    }
}

/// Sets `*identity` to one that nobody ever had in this directory, for an idempotent producer. That
/// the id is taken survives power loss.
///
/// Threads: any number at the same time.
/// NULL: nothing.
/// Returns: OTTLA_E_LIMIT when all ids are taken; OTTLA_E_READ_ONLY; those of a commit: one call in
/// a thousand is one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_identity_new(
    broker: *mut ottla_broker,
    identity: *mut ottla_producer_identity,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(identity, "identity") }?;
        place.write(BrokerHandle::of(broker)?.inner().new_producer_identity()?.into());
        Ok(())
    })
}

/// Declares an identity over, and sets `*successor` to the one that takes its place: the same id in
/// the next epoch (or, after the last one, a new id), whose records are numbered from 0 again. For
/// whoever takes over from a program that may still be at work: from now on, while the directory is
/// open, what comes with the old one gets OTTLA_E_FENCED. Nothing is written: note the successor
/// down before using it.
///
/// Threads: any number at the same time.
/// NULL: nothing. `identity` and `successor` may be the same.
/// Returns: OTTLA_E_FENCED if somebody else has fenced it already; OTTLA_E_INVALID_INPUT for an
/// identity that is not from this directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_producer_identity_fence(
    broker: *mut ottla_broker,
    identity: *const ottla_producer_identity,
    successor: *mut ottla_producer_identity,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises an identity. It is copied before the place is looked at,
        // which may be the same.
        let fenced = unsafe { self::identity(identity) };
        // SAFETY: the program promises a place.
        let place = unsafe { place(successor, "successor") }?;
        place.write(BrokerHandle::of(broker)?.inner().fence_producer(fenced?)?.into());
        Ok(())
    })
}

/// The sequence number that follows `count` records of which the first has `base_sequence`: behind
/// the largest, 2147483647, comes 0.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_sequence_after(base_sequence: i32, count: usize) -> i32 {
    enter_or(0, || Ok(ProducerIdentity::sequence_after(base_sequence, count)))
}
