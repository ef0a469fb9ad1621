//! The broker: an open directory.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ottla::env::Env;
use ottla::{Broker, BrokerOptions};

use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::pointer::{path, place};
use crate::setting::{ottla_setting, settings};
use crate::status::{OTTLA_E_STILL_OPEN, ottla_status};

/// Instead of a directory: one in memory, for tests. It is gone when it is closed.
const IN_MEMORY: &str = ":memory:";

/// An open directory.
///
/// Ownership: the program's, until ottla_close or ottla_abandon.
/// Threads: any number at the same time.
pub struct ottla_broker {
    _opaque: [u8; 0],
}

pub(crate) struct BrokerHandle {
    broker: Broker,
}

impl Handle for BrokerHandle {
    const KIND: u8 = 2;
    const NAME: &'static str = "a broker";
}

impl BrokerHandle {
    pub(crate) fn of(broker: *const ottla_broker) -> Result<Arc<BrokerHandle>, Failure> {
        handle::get(broker)
    }

    pub(crate) fn library(&self) -> &Broker {
        &self.broker
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
        let options = unsafe { options_of(settings, setting_count) }?;
        let opened = match directory.as_os_str() == IN_MEMORY {
            true => options.open_in(Env::memory())?,
            false => options.open(directory)?,
        };
        broker.write(handle::give(BrokerHandle { broker: opened })?);
        Ok(())
    })
}

/// # Safety
/// As [`settings`].
unsafe fn options_of(first: *const ottla_setting, count: usize) -> Result<BrokerOptions, Failure> {
    let mut options = BrokerOptions::new();
    // SAFETY: the caller's promise is the same.
    for (name, value) in unsafe { settings(first, count) }? {
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
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
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
