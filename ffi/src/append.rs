//! What all appends have in common: how safe, of what, and where it went.

use ottla::{Acks, Appended, Message};

use crate::bytes::{ottla_record, records};
use crate::entry::Failure;
use crate::pointer::place_or_none;
use crate::status::OTTLA_E_LIMIT;

/// acks=0: handed over. A death of the process may lose the records.
pub const OTTLA_ACKS_NONE: i32 = 0;

/// acks=1: in the operating system. The records survive the death of the process, not a loss of
/// power.
pub const OTTLA_ACKS_LEADER: i32 = 1;

/// acks=all: on the disk, synced. The records survive a loss of power.
pub const OTTLA_ACKS_ALL: i32 = -1;

/// Where records were appended: they follow one another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ottla_appended {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset of the last record.
    pub last_offset: i64,
}

impl From<Appended> for ottla_appended {
    fn from(appended: Appended) -> ottla_appended {
        ottla_appended { base_offset: appended.base_offset, last_offset: appended.last_offset }
    }
}

/// One of the OTTLA_ACKS_... numbers.
pub(crate) fn acks(number: i32) -> Result<Acks, Failure> {
    match number {
        OTTLA_ACKS_NONE => Ok(Acks::None),
        OTTLA_ACKS_LEADER => Ok(Acks::Leader),
        OTTLA_ACKS_ALL => Ok(Acks::All),
        _ => Err(Failure::invalid(format!("acks cannot be {number}: 0, 1, or -1 for all"))),
    }
}

/// The records for one partition as the library wants them. One that names another partition is
/// refused.
///
/// # Safety
/// There are `count` records, whose pointers and lengths are what they say, for `'a`.
pub(crate) unsafe fn messages<'a>(
    first: *const ottla_record,
    count: usize,
    partition: i32,
) -> Result<Vec<Message<'a>>, Failure> {
    // SAFETY: the caller's promise is the same.
    let records = unsafe { records(first, count) }?;
    let mut messages = Vec::new();
    messages.try_reserve_exact(count).map_err(|_| {
        Failure::new(OTTLA_E_LIMIT, format!("no memory for {count} records in a call"))
    })?;
    let is_usual = |record: &ottla_record| {
        record.is_plain() && record.chosen_partition().is_none_or(|chosen| chosen == partition)
    };
    if records.iter().all(is_usual) {
        // SAFETY: they are plain; the rest is the caller's promise.
        messages.extend(records.iter().map(|record| unsafe { record.plain_message() }));
        return Ok(messages);
    }
    for record in records {
        if let Some(chosen) = record.chosen_partition().filter(|chosen| *chosen != partition) {
            return Err(Failure::invalid(format!(
                "a record for partition {chosen}, but it is partition {partition} that is written"
            )));
        }
        // SAFETY: the caller's promise, for each record.
        messages.push(unsafe { record.message() }?);
    }
    Ok(messages)
}

/// Appends `work`, and tells where, if the program wants to know.
///
/// # Safety
/// As [`place_or_none`].
pub(crate) unsafe fn tell_where(
    appended: *mut ottla_appended,
    work: impl FnOnce() -> Result<Appended, Failure>,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise is the same.
    let place = unsafe { place_or_none(appended, "appended") }?;
    let done = work()?;
    if let Some(place) = place {
        place.write(done.into());
    }
    Ok(())
}
