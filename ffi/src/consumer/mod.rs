//! The consumer: reads partitions, alone or as a member of a group.
//!
//! One thread at a time is inside of a consumer. Nobody waits for another to leave: whoever comes
//! second is told so. A rebalance callback runs in the middle of a call, on its thread, and may use
//! the consumer from there; that call's own use of it rests meanwhile.
//!
//! The invariant: at any moment at most one reference to the library's consumer is in use.

pub mod assign;
pub mod assignor;
pub mod callbacks;
pub mod commit;
pub mod lookup;
pub mod options;
pub mod poll;
pub mod ready;
pub mod seek;
mod within;

use std::ptr;
use std::sync::Arc;

use ottla::{Consumer, ConsumerBuilder, ConsumerWakeup};

use self::callbacks::Callbacks;
use self::options::{Options, ottla_consumer_options};
use self::ready::Ready;
use self::within::Within;
use crate::broker::{BrokerHandle, ottla_broker};
use crate::entry::{Failure, enter};
use crate::error::ottla_error;
use crate::handle::{self, Handle};
use crate::lock::{Mutex, MutexGuard};
use crate::metrics::{MetricsHandle, ottla_metrics};
use crate::pointer::place;
use crate::setting::{ottla_setting, settings};
use crate::status::{OTTLA_E_CLOSED, ottla_status};
use crate::structs;

/// Reads partitions.
///
/// Ownership: the program's, until ottla_consumer_free, which has to be before the broker is
/// closed. Records that it returned stay.
/// Threads: one at a time: a call while another thread is inside of it returns
/// OTTLA_E_CONCURRENT_USE and does nothing. ottla_consumer_wakeup may be called from any.
pub struct ottla_consumer {
    _opaque: [u8; 0],
}

pub(crate) struct ConsumerHandle {
    used: Mutex<Used>,
    group: Option<String>,
    callbacks: Arc<Callbacks>,
    wakeup: ConsumerWakeup,
}

/// What one thread at a time uses.
struct Used {
    /// None after a close.
    consumer: Option<Consumer>,
    /// If the program asked for a descriptor.
    ready: Option<Arc<Ready>>,
}

impl Used {
    /// Lets the descriptor say what is so now.
    fn follow(&mut self) {
        if let (Some(consumer), Some(ready)) = (&mut self.consumer, &self.ready) {
            ready.follow(consumer);
        }
    }
}

impl Handle for ConsumerHandle {
    const KIND: u8 = 10;
    const NAME: &'static str = "a consumer";

    fn describe(&self) -> String {
        match &self.group {
            Some(group) => format!("a consumer of the group {group}"),
            None => Self::NAME.to_owned(),
        }
    }
}

/// Uses a consumer; what `body` does may change what the next poll finds.
pub(crate) fn with<T>(
    consumer: *const ottla_consumer,
    body: impl FnOnce(&mut Consumer) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let object = handle::get::<ConsumerHandle, _>(consumer)?;
    let outcome = match object.enter()? {
        Within::Callback(mut nested) => return nested.with(body),
        Within::Call(mut used) => {
            let outcome = body(used.consumer.as_mut().ok_or_else(closed)?);
            used.follow();
            outcome
        }
    };
    // Nobody is inside any more: these may do what they like.
    object.callbacks.tell_of_commits();
    outcome
}

/// Uses a consumer and what belongs to it, not within a callback.
fn with_used<T>(
    consumer: *const ottla_consumer,
    what: &str,
    body: impl FnOnce(&mut Used) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let object = handle::get::<ConsumerHandle, _>(consumer)?;
    let mut used = object.enter_alone(what)?;
    if used.consumer.is_none() {
        return Err(closed());
    }
    let outcome = body(&mut used);
    used.follow();
    outcome
}

/// Asks a consumer something; nothing changes.
pub(crate) fn ask<T>(
    consumer: *const ottla_consumer,
    body: impl FnOnce(&Consumer) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let object = handle::get::<ConsumerHandle, _>(consumer)?;
    match object.enter()? {
        Within::Callback(mut nested) => nested.with(|consumer| body(consumer)),
        Within::Call(used) => body(used.consumer.as_ref().ok_or_else(closed)?),
    }
}

fn closed() -> Failure {
    Failure::new(OTTLA_E_CLOSED, "the consumer was closed")
}

impl ConsumerHandle {
    fn enter(&self) -> Result<Within<'_>, Failure> {
        match self.used.try_lock() {
            Some(used) => Ok(Within::Call(used)),
            None => self.callbacks.nested().map(Within::Callback),
        }
    }

    /// For what cannot be done within a callback.
    fn enter_alone(&self, what: &str) -> Result<MutexGuard<'_, Used>, Failure> {
        match self.enter()? {
            Within::Call(used) => Ok(used),
            Within::Callback(_) => {
                let message =
                    format!("{what} was called within a callback of the consumer: do it later");
                Err(Failure::invalid(message))
            }
        }
    }

    /// Ends the consumer, whose callbacks still know its handle.
    fn close(&self, what: &str) -> Result<(), Failure> {
        let mut used = self.enter_alone(what)?;
        let outcome = used.consumer.take().map_or(Ok(()), Consumer::close);
        if let Some(ready) = &used.ready {
            ready.set();
        }
        drop(used);
        self.callbacks.tell_of_commits();
        Ok(outcome?)
    }
}

/// Makes a consumer. It reads nothing before ottla_consumer_subscribe or ottla_consumer_assign. The
/// group whose offsets it uses is the setting group.id; Kafka's assignors are chosen by
/// partition.assignment.strategy.
///
/// Ownership: `*consumer` is the program's, until ottla_consumer_free. What the options lead to
/// has to stay as long as the consumer, but `options` itself does not.
/// Threads: any.
/// NULL: `settings`, if there are none; `options`.
/// Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_new(
    broker: *mut ottla_broker,
    settings: *const ottla_setting,
    setting_count: usize,
    options: *const ottla_consumer_options,
    consumer: *mut *mut ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(consumer, "consumer") }?;
        let object = BrokerHandle::of(broker)?;
        // SAFETY: the program promises as many settings.
        let (builder, group) =
            unsafe { with_settings(object.inner().consumer(), settings, setting_count) }?;
        // SAFETY: the program promises as many bytes as the struct says.
        let options = unsafe { structs::options(options, "the options of a consumer") }?;
        // SAFETY: what the options lead to is the program's promise.
        let options = unsafe { Options::of(&options) }?;
        let callbacks = Arc::new(Callbacks::of(&options));
        let consumer = options.put_into(builder, &callbacks).build()?;
        let wakeup = consumer.wakeup();
        let used = Mutex::new(Used { consumer: Some(consumer), ready: None });
        let new = ConsumerHandle { used, group, callbacks: Arc::clone(&callbacks), wakeup };
        let given = handle::give_child(new, handle::number(broker))?;
        callbacks.set_consumer(given);
        place.write(given);
        Ok(())
    })
}

/// The builder with the settings, and the group that they name.
///
/// # Safety
/// As [`settings`].
unsafe fn with_settings(
    mut builder: ConsumerBuilder,
    first: *const ottla_setting,
    count: usize,
) -> Result<(ConsumerBuilder, Option<String>), Failure> {
    let mut group = None;
    // SAFETY: the caller's promise is the same.
    for (name, value) in unsafe { settings(first, count) }? {
        if name == "group.id" {
            group = (!value.is_empty()).then(|| value.to_owned());
        }
        builder = builder.set(name, value);
    }
    Ok((builder, group))
}

/// What the consumer has done so far: records and bytes that it returned, polls, commits,
/// rebalances, the time that polls waited.
///
/// Ownership: `*metrics` is the program's, until ottla_metrics_free.
/// Threads: one at a time.
/// Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ottla_consumer_metrics(
    consumer: *const ottla_consumer,
    metrics: *mut *mut ottla_metrics,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || {
        // SAFETY: the program promises a place.
        let place = unsafe { place(metrics, "metrics") }?;
        let counted = ask(consumer, |consumer| Ok(consumer.metrics()))?;
        let named = MetricsHandle::of(vec![
            ("records-consumed-total", counted.records as f64),
            ("bytes-consumed-total", counted.bytes as f64),
            ("poll-total", counted.polls as f64),
            ("rebalance-total", counted.rebalances as f64),
            ("commit-total", counted.commits as f64),
            ("poll-blocked-seconds-total", counted.time_blocked.as_secs_f64()),
        ]);
        place.write(handle::give(named)?);
        Ok(())
    })
}

/// Ends the consumer: commits its positions if that is done automatically, waits for commits under
/// way, calls the revoked callback, and leaves the group; the place of a member with a
/// group.instance.id is kept for session.timeout.ms. The handle stays, and answers OTTLA_E_CLOSED.
/// A second close does nothing.
///
/// Threads: one at a time; to end a poll of another thread, call ottla_consumer_wakeup.
/// Returns: what the last commit says; the consumer was closed all the same.
/// OTTLA_E_CONCURRENT_USE, and OTTLA_E_INVALID_INPUT within a callback: then it was not.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_consumer_close(
    consumer: *mut ottla_consumer,
    error: *mut *mut ottla_error,
) -> ottla_status {
    enter(error, || handle::get::<ConsumerHandle, _>(consumer)?.close("ottla_consumer_close"))
}

/// Frees a consumer, and closes it first if it was not. How the last commit went is not told: to
/// know that, close it before. When this returns, none of its callbacks is running on another
/// thread, and none will be called. NULL is fine.
///
/// Threads: one at a time, once. Records that it returned stay.
/// Returns: OTTLA_OK; OTTLA_E_CONCURRENT_USE while another thread is inside of the consumer, and
/// OTTLA_E_INVALID_INPUT within one of its callbacks: nothing was freed then.
/// OTTLA_E_INVALID_HANDLE if it was freed already or is none.
#[unsafe(no_mangle)]
pub extern "C" fn ottla_consumer_free(consumer: *mut ottla_consumer) -> ottla_status {
    enter(ptr::null_mut(), || {
        if consumer.is_null() {
            return Ok(());
        }
        let object = handle::get::<ConsumerHandle, _>(consumer)?;
        match object.close("ottla_consumer_free") {
            Err(failure @ Failure::Border { .. }) => return Err(failure),
            // What the last commit said.
            Err(Failure::Library(_)) | Ok(()) => {}
        }
        let taken = handle::take::<ConsumerHandle, _>(consumer)?;
        taken.callbacks.end();
        Ok(())
    })
}
