//! The broker: an open directory.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla::env::Env;
use ottla::{Broker, BrokerOptions};

use crate::entry::{Failure, enter, enter_or};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::pointer::{path, place, place_or_none};
use crate::setting::{self, ottla_setting};
use crate::status::{OTTLA_E_STILL_OPEN, ottla_status};
use crate::timeout::timeout;

/// Instead of a directory: one in memory, for tests. It is gone when it is closed.
pub(crate) const IN_MEMORY: &str = ":memory:";

/// The length of one journal file of a directory in memory, unless a setting says otherwise.
const IN_MEMORY_JOURNAL_BYTES: u32 = 1 << 20;

/// An open directory.
///
/// Ownership: the program's, until ottla_close or ottla_abandon.
/// Threads: any number at the same time.
pub struct ottla_broker {
    _opaque: [u8; 0],
}

pub(crate) struct BrokerHandle {
    broker: Broker,
    options: BrokerOptions,
}

impl Handle for BrokerHandle {
    const KIND: u8 = 2;
    const NAME: &'static str = "a broker";
}

impl BrokerHandle {
    pub(crate) fn of(broker: *const ottla_broker) -> Result<Arc<BrokerHandle>, Failure> {
        handle::get(broker)
    }

    pub(crate) fn inner(&self) -> &Broker {
        &self.broker
    }

    /// What the directory was opened with.
    pub(crate) fn options(&self) -> &BrokerOptions {
        &self.options
    }
}

/// Opens a directory, makes it if it is not there, and recovers it if it was not closed. The directory
/// ":memory:" is one in memory, for tests, gone when it is closed.
///
/// Ownership: `*broker` is the program's, until ottla_close.
/// Threads: any.
/// NULL: `settings`, if there are none.
/// Returns: OTTLA_E_LOCKED while another program, or another handle, has the directory open;
/// OTTLA_E_INVALID_INPUT for a setting that cannot be; OTTLA_E_CORRUPT for a journal or a catalog
/// that cannot be read; OTTLA_E_IO, OTTLA_E_NO_SPACE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_open(
    directory: *const c_char,
    settings: *const ottla_setting,
    setting_count: usize,
    broker: *mut *mut ottla_broker,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let broker = unsafe { place(broker, "broker") }?;
        // SAFETY: the program promises text.
        let directory = unsafe { path(directory, "the directory") }?;
        // SAFETY: the program promises as many settings.
        let settings = unsafe { setting::settings(settings, setting_count) }?;
        let in_memory = directory.as_os_str() == IN_MEMORY;
        let options = options_of(&settings, in_memory)?;
        let opened = match in_memory {
            true => options.clone().open_in(Env::memory())?,
            false => options.clone().open(directory)?,
        };
        broker.write(handle::give(BrokerHandle { broker: opened, options })?);
        Ok(())
    })
}

fn options_of(settings: &[(&str, &str)], in_memory: bool) -> Result<BrokerOptions, Failure> {
    let mut options = BrokerOptions::new();
    if in_memory {
        // A journal as on a disk would be the most of what it takes.
        options = options.journal_file_bytes(IN_MEMORY_JOURNAL_BYTES);
    }
    for (name, value) in settings {
        options = options.set(name, value)?;
    }
    Ok(options)
}

/// Closes the directory: producers are flushed, everything is synced, and another program may open
/// it. Before that it waits, for at most `timeout_ms` milliseconds (0: not at all, -1: for ever),
/// until all that was made of the broker is freed.
///
/// Threads: any; others may still use the broker, and get OTTLA_E_CLOSED or OTTLA_E_INVALID_HANDLE.
/// Returns: OTTLA_E_STILL_OPEN if something was not freed in time; the message names it, nothing was
/// closed, and `broker` can be used and closed again. With any other code the handle is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_close(
    broker: *mut ottla_broker,
    timeout_ms: i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        BrokerHandle::of(broker)?;
        wait_for_children(broker, timeout_ms)?;
        let taken = handle::take::<BrokerHandle, _>(broker)?;
        Ok(taken.broker.close()?)
    })
}

fn wait_for_children(broker: *const ottla_broker, timeout_ms: i64) -> Result<(), Failure> {
    let number = handle::number(broker);
    let begun = Instant::now();
    let timeout = Some(timeout(timeout_ms)?).filter(|timeout| *timeout != Duration::MAX);
    loop {
        let open = handle::children(number);
        if open.is_empty() {
            return Ok(());
        }
        let left = timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            let message = format!("not closed: still open are {}", counted(open));
            return Err(Failure::new(OTTLA_E_STILL_OPEN, message));
        }
        // Something freed between looking and waiting is seen at the next look.
        let patience = Duration::from_millis(20);
        handle::wait_until_freed(left.map_or(patience, |left| left.min(patience)));
    }
}

/// "2 producers" would need a plural of everything: "a producer (2 times), a consumer of ...".
fn counted(mut names: Vec<String>) -> String {
    names.sort();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in names {
        match counts.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => counts.push((name, 1)),
        }
    }
    let named = counts.into_iter().map(|(name, count)| match count {
        1 => name,
        _ => format!("{name} ({count} times)"),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// Whether the broker refuses to write: because ottla.read.only was set, or because the directory
/// cannot be written, which ottla_report_info tells. True if `broker` is none.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_broker_is_read_only(broker: *const ottla_broker) -> bool {
    enter_or(true, || Ok(BrokerHandle::of(broker)?.inner().is_read_only()))
}

/// Does what is due: lingering batches, checkpoints, retention, the compaction of at most one
/// partition, the expiry of producers, members of groups that are stuck. Needed only if the broker
/// was opened with ottla.background=false. `*next_ms` is in how many milliseconds it wants to be
/// called again.
///
/// Threads: any. Callbacks of deliveries run on this one.
/// NULL: `next_ms`, if it is of no interest.
/// Returns: the first failure; the duties that follow are still done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_broker_tick(
    broker: *mut ottla_broker,
    next_ms: *mut i64,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place, or NULL.
        let place = unsafe { place_or_none(next_ms, "next_ms") }?;
        let next = BrokerHandle::of(broker)?.inner().tick()?;
        if let Some(place) = place {
            // Rounded up: a tick too early would find nothing to do.
            let milliseconds = next.as_nanos().div_ceil(1_000_000);
            place.write(i64::try_from(milliseconds).unwrap_or(i64::MAX));
        }
        Ok(())
    })
}

/// Syncs the segments, so that a later crash has less to recover. When it returns OTTLA_OK, all that
/// was appended before the call survives power loss, with acks=1 too.
///
/// Threads: any.
/// Returns: OTTLA_E_POISONED after a sync that failed; OTTLA_E_READ_ONLY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_broker_checkpoint(
    broker: *mut ottla_broker,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || Ok(BrokerHandle::of(broker)?.inner().checkpoint()?))
}

/// Lets go of a directory without closing it, as a kill would: nothing more is written, and the next
/// open recovers it. What was made of the broker answers OTTLA_E_CLOSED. For tests, and for a program
/// that has to end at once.
///
/// Threads: any.
/// NULL: `broker`, then nothing happens.
/// Returns: OTTLA_E_INVALID_HANDLE if it was closed already.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_abandon(broker: *mut ottla_broker) -> ottla_status {
    enter(ptr::null_mut(), || {
        if !broker.is_null() {
            let taken = handle::take::<BrokerHandle, _>(broker)?;
            taken.broker.clone().abandon();
        }
        Ok(())
    })
}
